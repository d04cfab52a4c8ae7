"""Which code made a window: a digest over the sources of everything that takes part, with no version to maintain.

A constant that is raised with each change is forgotten; a digest is not. It is read from the files' imports: a module
that normalisation begins to use is part of it from then on.
"""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
LIBRARIES = ("mne", "scipy")
"""They read the files and filter the signals."""


def code_version(corpus: type) -> str:
    """Tell the code that makes a corpus' windows from any other; differences in line endings do not count.

    Args:
        corpus: class of a corpus, wherever it is written.

    Returns:
        64 hexadecimal digits.
    """
    modules = [sys.modules[kind.__module__] for kind in corpus.__mro__ if kind is not object]
    return digest_of({Path(file).resolve() for module in modules if (file := getattr(module, "__file__", None))})


def digest_of(roots: set[Path]) -> str:
    """The digest of these files, of all that they import of windows' making, and of the libraries' versions."""
    digest = sha256()
    for text in sorted(_text(file) for file in sources(roots)):
        digest.update(text.encode())
    for library in LIBRARIES:
        digest.update(f"{library} {version(library)}".encode())
    return digest.hexdigest()


def sources(roots: set[Path]) -> set[Path]:
    """The files of some corpora, and all that they import of this package and from their folder, directly or not.

    Modules that import `corpus.py` (the build, the command line) use corpora but make no windows: they stay out.
    """
    found, waiting, corpus = set(), list(roots), PACKAGE / "corpora" / "corpus.py"
    while waiting:
        file = waiting.pop()
        if file not in found:
            found.add(file)
            waiting += [other for other in _imported(file) if corpus not in _imported(other)]
    return found


@cache
def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8")


@cache
def _imported(file: Path) -> tuple[Path, ...]:
    """The files that a file imports, anywhere in it: of this package, and those that lie beside it."""
    return tuple(dict.fromkeys(path for node in ast.walk(ast.parse(_text(file))) for path in _targets(node, file)))


def _targets(node: ast.AST, file: Path) -> Iterator[Path]:
    """Files that an import statement means: a module, or modules that are imported from their folder."""
    if isinstance(node, ast.Import):
        modules = [_place(alias.name, 0, file) for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        module = _place(node.module or "", node.level, file)
        modules = [module, *(module / alias.name for alias in node.names)]
    else:
        return
    yield from (path for module in modules if (path := module.with_suffix(".py")).is_file())


def _place(name: str, level: int, file: Path) -> Path:
    """Where the module `name`, imported with so many leading dots in `file`, would lie without its suffix."""
    parts = name.split(".") if name else []
    if level:
        return file.parents[level - 1].joinpath(*parts)
    return (PACKAGE.parent if parts[0] == PACKAGE.name else file.parent).joinpath(*parts)
