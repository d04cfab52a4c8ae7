"""The arguments of `dare-eeg benchmark`, and of robustness tests: light, so that help does not wait for the models."""

import argparse
from pathlib import Path
from typing import Any

from dare_eeg_hf.adaptation.finetuning_arguments import FinetuningArguments
from dare_eeg_hf.evaluation.contestant_names import BASELINES, ENCODER_MODES

FINETUNING_OPTIONS = ("epochs", "batch_size", "learning_rate", "patience", "channel_subsets", "amplitude_spread")


class ListTasks(argparse.Action):
    """Print the tasks with their data and protocols, which takes loading them."""

    def __init__(self, option_strings: list[str], dest: str, **options: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, **options)

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        """Print, and end the program."""
        print(listed_tasks())
        parser.exit()


def listed_tasks() -> str:
    """Return a line for each task, with its data and protocol."""
    from dare_eeg_hf.evaluation.tasks import TASKS

    return "\n".join(f"{name:28} {task.title}; {task.protocol}" for name, task in TASKS.items())


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the benchmark."""
    parser.add_argument("--data-root", type=Path, help="folder that holds the corpora of the tasks")
    parser.add_argument("--output", type=Path, required=True, help="folder for cells and tables")
    parser.add_argument("--tasks", nargs="+", default=[], metavar="TASK", help="see --list-tasks")
    parser.add_argument(
        "--data",
        nargs="+",
        default=[],
        metavar="FOLDER",
        help="prepared data sets of your own, tested with folds of whole people",
    )
    parser.add_argument("--list-tasks", action=ListTasks, help="list the tasks with data and protocol, and end")
    parser.add_argument(
        "--models",
        nargs="+",
        default=["chance", "band-power", "riemann"],
        metavar="MODEL",
        help=f"{', '.join(BASELINES)}, random:SIZE, or a checkpoint's folder or Hub id (default: %(default)s)",
    )
    parser.add_argument(
        "--modes", nargs="+", choices=ENCODER_MODES, default=["probe"], help="of our models (default: probe)"
    )
    parser.add_argument("--against", metavar="MODEL", help="also report how much better than this one the others are")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0], help="default: 0")
    parser.add_argument("--workers", type=int, default=1, help="processes (default: 1)")
    add_finetuning_options(parser)


def add_finetuning_options(parser: argparse.ArgumentParser) -> None:
    """Add the settings of fine-tuning; `finetuning_settings` collects them."""
    defaults = FinetuningArguments()
    group = parser.add_argument_group("fine-tuning of our models, as in examples/finetune.py")
    for name in FINETUNING_OPTIONS:
        value = getattr(defaults, name)
        group.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value, help="default: %(default)s")


def finetuning_settings(options: argparse.Namespace) -> dict:
    """The fields of `FinetuningArguments` that the command line gives."""
    return {name: getattr(options, name) for name in FINETUNING_OPTIONS}
