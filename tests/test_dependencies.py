"""Every package that is imported is declared in pyproject.toml, with a lower bound."""

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = {"dare_eeg_hf", "dataset_scripts"}
OTHER_NAMES = {"umap": "umap-learn"}
"""Packages of extras outside dev, which need not be installed, and what they are installed as."""


@pytest.fixture(scope="module")
def declared():
    tomllib = pytest.importorskip("tomllib", reason="part of Python since 3.11")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [requirement for group in project["optional-dependencies"].values() for requirement in group]
    return [*project["dependencies"], *extras]


def imported_packages(folder: str) -> dict[str, str]:
    """Top-level name of each foreign package -> a file that imports it."""
    found = {}
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                modules = [node.module]
            for name in {module.partition(".")[0] for module in modules}:
                if name not in sys.stdlib_module_names | OURS and not (path.parent / f"{name}.py").is_file():
                    found[name] = str(path.relative_to(ROOT))
    return found


@pytest.mark.parametrize("folder", ["dare_eeg_hf", "dataset_scripts", "examples", "benchmarks"])
def test_what_is_imported_is_declared(declared, folder):
    names = {re.match(r"[\w-]+", requirement)[0].lower().replace("_", "-") for requirement in declared}
    distributions = packages_distributions()
    undeclared = {
        package: file
        for package, file in imported_packages(folder).items()
        if not names
        & {name.lower().replace("_", "-") for name in distributions.get(package, [OTHER_NAMES.get(package, package)])}
    }
    assert not undeclared


def test_every_dependency_has_a_lower_bound(declared):
    assert [each for each in declared if ">=" not in each and not each.startswith("dare-eeg-hf[")] == []
