"""Modules under the names they had before: importing one gives the module of today, and a warning that names it."""

import importlib
import sys
import warnings
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

ROOMS = {
    "recordings": "bids errors normalization overview pieces quality readers recordings report simulation tables",
    "corpora": "build card collator corpus download loading parts recordings_folder rows storage streaming windows",
    "pretraining": "checkpointing estimate hub_push report",
    "adaptation": "classifier_setup encoder_features euclidean_alignment feature_statistics finetuning "
    "labelled_windows",
}
MOVED = {
    f"{package}.{name}": f"{room}.{name}"
    for room, names in ROOMS.items()
    for package in ("data" if room in ("recordings", "corpora") else "training",)
    for name in names.split()
} | {
    "data": "recordings",
    "training": "pretraining",
    "data.command": "cli.prepare",
    "adaptation.centering": "centering",
    "estimator": "adaptation.estimator",
    "evaluation.invariance": "pretraining.invariance",
    "hub.leaks": "leaks",
    "pretraining.pretraining": "pretraining.run",
    "training.augmentation": "pretraining.step_inputs",
    "training.command_line": "command_line",
    "training.interruption": "pretraining.processes",
    "training.launching": "launching",
    "training.metrics_log": "metrics_log",
    "training.optimization": "optimization",
    "training.pretraining": "pretraining.run",
    "training.pretraining_data": "pretraining.data",
    "training.pretraining_run": "pretraining.run_setup",
    "training.randomness": "randomness",
    "training.schedules": "optimization",
    "training.validation": "pretraining.step",
}
"""Old name -> new name, both inside the package."""


class MovedModules(MetaPathFinder, Loader):
    """Finds modules by their old names; before all other finders, which would run a moved module a second time."""

    def find_spec(self, fullname: str, *_: object) -> ModuleSpec | None:
        """The specification of a module that moved; None for every other name."""
        package, _, old = fullname.partition(".")
        if package != __package__ or old not in MOVED:
            return None
        return ModuleSpec(fullname, self, is_package=old in ("data", "training"))

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module of today, under both names."""
        new = f"{__package__}.{MOVED[spec.name.partition('.')[2]]}"
        warnings.warn(f"{spec.name} is now {new}", FutureWarning, stacklevel=2)
        module = importlib.import_module(new)
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Give the module its own specification back; it was executed under its own name."""
        module.__spec__ = module.__spec__.loader_state


def recognise_old_names() -> None:
    """Make the old names importable."""
    if not any(isinstance(finder, MovedModules) for finder in sys.meta_path):
        sys.meta_path.insert(0, MovedModules())
