"""Runs the code of a page, in order, and compares what it prints with what the page shows.

    python docs/scripts/tutorials.py docs/tutorials/first-recording.md
    python docs/scripts/tutorials.py --write docs/tutorials/*.md

Each page has a process of its own and starts in an empty folder that has `examples`, `dataset_scripts` and
`model_cards` of the repository in it. Of its blocks

- `bash` and `python` are run. One with the title "Refused" has to end with an error, one with the title "Example" is
  not run.
- `text` is what was printed since the last such block, without progress bars. Three dots stand for anything; decimals
  may differ, whole numbers may not; lines may break elsewhere.
- `json`, `csv` or `yaml` with a title is a file, which is written under that name.

`--write` puts what was printed into the page, where the page shows something else.
"""

import argparse
import contextlib
import io
import os
import re
import runpy
import shlex
import subprocess
import sys
import tempfile
import textwrap
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("examples", "dataset_scripts", "model_cards")
BLOCK = re.compile(
    r'^(?P<indent> *)```(?P<kind>\w+)(?: title="(?P<title>[^"]*)")?\n(?P<body>.*?)^(?P=indent)```$',
    re.MULTILINE | re.DOTALL,
)
PROGRESS_BAR = re.compile(r"\r?[^\r\n]*(?:\d%\||\[\d\d:\d\d)[^\r\n]*\n?|\r *")
DECIMAL = re.compile(r"\d+\.\d+(?:e[+-]?\d+)?|\d+(?= uV)")  # 16 uV may be 15.9 uV elsewhere
DOTS = "..."
LINE = 100


@dataclass
class Block:
    """A block of code of a page.

    Attributes:
        kind: bash, python, text, ... title: what stands above it. body: its lines.
        line: of the page where it begins. span: of characters of its body.
    """

    kind: str
    title: str
    body: str
    line: int
    span: tuple[int, int]


def blocks(text: str) -> Iterator[Block]:
    """The blocks of a page, in order."""
    for found in BLOCK.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        yield Block(found["kind"], found["title"] or "", textwrap.dedent(found["body"]), line, found.span("body"))


class PageError(Exception):
    """Code of a page does not do what the page says."""


def run_page(page: Path, write: bool = False) -> None:
    """Run a page's code in a new folder.

    Raises:
        PageError: with the page, the line and what was printed.
    """
    text = page.read_text(encoding="utf-8")
    names: dict[str, object] = {"__name__": "__main__"}
    printed, new = "", []
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for name in FOLDERS:
            Path(name).symlink_to(ROOT / name)
        for block in blocks(text):
            try:
                if block.kind == "text" and block.title != "Example":
                    right = matches(block.body, printed)
                    stale = DOTS not in block.body and block.body != _folded(printed)
                    if write and (stale or not right):
                        new.append((block.span, _folded(printed)))
                    elif not right:
                        raise PageError(f"the page shows\n{block.body}\nand this was printed:\n{printed}")
                    printed = ""
                elif block.kind in ("bash", "python") and block.title != "Example":
                    run = run_commands if block.kind == "bash" else run_python
                    printed += PROGRESS_BAR.sub("", run(block.body, names, refused=block.title == "Refused"))
                elif block.title and block.kind in ("json", "csv", "yaml"):
                    Path(block.title).write_text(block.body, encoding="utf-8")
            except PageError as error:
                raise PageError(f"{page}:{block.line}: {error}") from None
    if write:
        for (start, stop), output in reversed(new):
            text = text[:start] + output + text[stop:]
        page.write_text(text, encoding="utf-8")


def matches(shown: str, printed: str) -> bool:
    """Whether what a page shows is what was printed, wherever lines break."""
    pattern = ".*".join(map(re.escape, _words(shown).split(DOTS)))
    return re.fullmatch(re.sub(r"(\\ )?\.\*(\\ )?", ".*", pattern), _words(printed)) is not None


def _words(text: str) -> str:
    """Text with one space between words, and without the digits of decimals."""
    return " ".join(DECIMAL.sub("#.#", text).split())


def _folded(printed: str) -> str:
    """What was printed, with sentences in lines that fit a page; columns stay as they are."""
    lines = []
    for line in printed.strip("\n").splitlines():
        indent = line[: len(line) - len(line.lstrip())]
        is_sentence = "  " not in line.strip() and line.count(" ") > line.count(",")
        fold = textwrap.TextWrapper(LINE, subsequent_indent=f"{indent}  ", break_on_hyphens=False).wrap
        lines += fold(line) if is_sentence and len(line) > LINE else [line]
    return "\n".join(lines) + "\n"


def run_python(code: str, names: dict[str, object], refused: bool) -> str:
    """Run lines of Python; returns what they print."""
    with captured() as printed:
        try:
            exec(compile(code, "page", "exec"), names)
        except Exception as error:
            if not refused:
                raise PageError(f"{traceback.format_exc()}\n{printed.getvalue()}") from None
            print(f"{type(error).__name__}: {error}")
        else:
            if refused:
                raise PageError("this should have been refused")
    return printed.getvalue()


def run_commands(lines: str, _: dict[str, object], refused: bool) -> str:
    """Run lines of a shell; returns what they print.

    Commands of this project run in this process, which saves importing torch for each, others in a shell.
    """
    output = ""
    for line in lines.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if not words:
            continue
        status, printed = _run_here(words) if words[0] in ("dare-eeg", "python") else _run_in_shell(line)
        if (status != 0) != refused:
            raise PageError(f"{line} ended with exit status {status}\n{printed}")
        output += printed
    return output


def _run_here(words: list[str]) -> tuple[int, str]:
    status = 0
    with captured() as printed, mock.patch.object(sys, "argv", words):
        try:
            if words[0] == "dare-eeg":
                from dare_eeg_hf.cli.main import main

                status = main(words[1:])
            elif words[1] == "-m":
                sys.argv = words[2:]
                runpy.run_module(words[2], run_name="__main__")
            else:
                sys.argv = words[1:]
                runpy.run_path(words[1], run_name="__main__")
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
            if isinstance(end.code, str):
                print(end.code)
        except Exception:
            raise PageError(f"{traceback.format_exc()}\n{printed.getvalue()}") from None
    return status or 0, printed.getvalue()


def _run_in_shell(line: str) -> tuple[int, str]:
    done = subprocess.run(line, shell=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


@contextlib.contextmanager
def captured() -> Iterator[io.StringIO]:
    """Collect what is printed, in the order in which a terminal would show it; each time as in a new process."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed), warnings.catch_warnings():
        yield printed


def run_apart(page: Path, write: bool) -> int:
    """Run a page in a copy of this process; returns its exit status, 1 for a page that is wrong."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status = 2  # of whatever is not foreseen
    try:
        run_page(page.resolve(), write)
        status = 0
    except PageError as error:
        print(error, file=sys.stderr)
        status = 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def main() -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="+", type=Path)
    parser.add_argument("--write", action="store_true", help="put what was printed into the page")
    options = parser.parse_args()
    if len(options.pages) > 1:
        # Takes longer than what most pages do, and is the same for all of them.
        import transformers.pipelines  # noqa: F401

        import dare_eeg_hf.modeling_dare_eeg  # noqa: F401
    worst = 0
    for page in options.pages:
        status = abs(run_apart(page, options.write))
        print(f"{page}: {'wrong' if status else 'as shown'}", flush=True)
        worst = max(worst, status)
    return worst


if __name__ == "__main__":
    sys.exit(main())
