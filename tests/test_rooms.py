"""The rooms of the package: imports go down only, lazy ones and those for type checkers included."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "dare_eeg_hf"

# From the ground up. A file may import what stands before it; the files of one room may import each other, without a
# circle. `beside` are the small files that several rooms need; they import each other and what travels.
TRAVELLING = (
    "argument_names remedies_dare_eeg montage caps_dare_eeg signal_dare_eeg lost_samples_dare_eeg usability_dare_eeg "
    "class_labels_dare_eeg lora_targets_dare_eeg mask_settings_dare_eeg removed_fields_dare_eeg "
    "configuration_dare_eeg masking_dare_eeg scalp_harmonics_dare_eeg power_maps_dare_eeg readout_dare_eeg "
    "modeling_dare_eeg onednn_linear inputs_dare_eeg signal_reports_dare_eeg given_signals_dare_eeg "
    "signal_batches_dare_eeg feature_extraction_dare_eeg coverage_dare_eeg windows_dare_eeg sources_dare_eeg "
    "pipeline_dare_eeg"
).split()
ROOMS = ["recordings", "corpora", "pretraining", "adaptation", "evaluation", "hub", "live", "cli"]


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imports(name: str) -> set[str]:
    """Modules of the package that a module imports, wherever in the file the statement stands."""
    path = MODULES[name]
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            found |= {f"{base}.{alias.name}" if f"{base}.{alias.name}" in MODULES else base for alias in node.names}
    return {each for each in found if each in MODULES and each != name}


def floor(name: str) -> int:
    """How high a module stands."""
    parts = name.split(".")[1:]
    if not parts:
        return len(TRAVELLING) + 1
    if len(parts) == 1 and parts[0] in TRAVELLING:
        return TRAVELLING.index(parts[0])
    if parts[0] in ROOMS:
        return len(TRAVELLING) + 2 + ROOMS.index(parts[0])
    return len(TRAVELLING)


@pytest.mark.parametrize("name", MODULES)
def test_imports_go_down(name):
    upward = sorted(each for each in imports(name) if floor(each) > floor(name))
    assert not upward, f"{name} imports what stands above it: {', '.join(upward)}"


def test_pretraining_and_adaptation_do_not_know_each_other():
    for one, other in (("pretraining", "adaptation"), ("adaptation", "pretraining")):
        for name in MODULES:
            if name.startswith(f"dare_eeg_hf.{one}."):
                assert not [each for each in imports(name) if each.startswith(f"dare_eeg_hf.{other}")], name


def test_no_circle():
    state: dict[str, str] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert state.get(name) != "open", f"circle: {' -> '.join([*path[path.index(name) :], name])}"
        if name not in state:
            state[name] = "open"
            for each in sorted(imports(name)):
                visit(each, (*path, name))
            state[name] = "done"

    for name in MODULES:
        visit(name, ())


def test_files_of_every_room_are_of_readable_length():
    long = {name: lines for name, path in MODULES.items() if (lines := len(path.read_text().splitlines())) > 400}
    assert set(long) <= {"dare_eeg_hf.modeling_dare_eeg"}, long
