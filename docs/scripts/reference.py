"""The reference: a page for each room of the package, written from its docstrings."""

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "dare_eeg_hf"

TRAVELLING = "configuration_dare_eeg modeling_dare_eeg feature_extraction_dare_eeg pipeline_dare_eeg masking_dare_eeg"
FIRST = {  # a room without a line here has its modules in order of name
    "recordings": "recordings report readers normalization tables bids simulation",
    "corpora": "corpus build loading windows people collator",
    "pretraining": "arguments run step data report estimate invariance",
    "adaptation": "estimator finetuning finetuning_arguments labelled_windows encoder_features",
    "evaluation": "benchmark tasks eeg_task protocols metrics baselines",
    "hub": "publishing cards convert export handler",
    "live": "live_classifier lab_streaming chunks causal_filter",
    "visualization": "predictions signals scalp curves style",
}
"""Room -> the modules that most readers look for; the others follow by name."""


def pages() -> Iterator[tuple[str, str]]:
    """Each page's path in the site, and its Markdown."""
    model = [
        *TRAVELLING.split(),
        *(name for name in _modules(PACKAGE) if name.endswith("_dare_eeg") or name == "montage"),
    ]
    yield "reference/model.md", _page("Model and signal", "What travels with every checkpoint.", "dare_eeg_hf", model)
    beside = [name for name in _modules(PACKAGE) if name not in model]
    yield (
        "reference/beside.md",
        _page("Beside the rooms", "Small files that several rooms need.", "dare_eeg_hf", beside),
    )
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")} - {"cli"}  # which has a page of its own
    for room in sorted(rooms):
        about = _docstring(PACKAGE / room / "__init__.py")
        names = [*FIRST.get(room, "").split(), *_modules(PACKAGE / room)]
        yield f"reference/{room}.md", _page(room, about, f"dare_eeg_hf.{room}", names)


def _modules(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")


def _page(title: str, about: str, package: str, names: list[str]) -> str:
    lines = [f"# {title}", "", about, ""]
    for name in dict.fromkeys(names):
        members = ", ".join(_members(PACKAGE.parent.joinpath(*package.split("."), f"{name}.py")))
        lines += [f"## {name} {{ #{package}.{name} }}", "", f"::: {package}.{name}", "    options:"]
        lines += [
            "      show_root_heading: false",
            "      show_root_toc_entry: false",
            f"      members: [{members}]",
            "",
        ]
    return "\n".join(lines)


def _members(path: Path) -> list[str]:
    """What a module defines, as opposed to imports, and explains: classes, functions, and values with a text below."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    names = []
    for node, below in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(node):
            names.append(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and _is_text(below):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names += [target.id for target in targets if isinstance(target, ast.Name)]
    return [name for name in names if not name.startswith("_")]


def _is_text(node: ast.stmt | None) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
