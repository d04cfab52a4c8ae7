"""The command `dare-eeg`: look at recordings, label and encode them, make models, measure and share them.

Each command is a file of this folder, a thin layer over the function that does the work. What is wrong with an input
becomes one sentence on the error stream and exit status 1, what is wrong with the command line exit status 2.
Help loads neither PyTorch nor MNE: a command imports what it needs when it is run.
"""

import argparse
import importlib
import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any

from dare_eeg_hf import __version__
from dare_eeg_hf.argument_names import suggest
from dare_eeg_hf.cli.failures import EXIT_BAD_INPUT, bad_input, one_sentence
from dare_eeg_hf.command_parser import CommandParser
from dare_eeg_hf.output_pipe import print_while_read

EXIT_INTERRUPTED = 130

COMMANDS = {
    "inspect": "what is in a recording, and what would be done to it",
    "predict": "label a recording window by window",
    "embed": "encode a recording as features",
    "evaluate": "tell how well your labels can be told apart, in people the model never saw",
    "train": "make a classifier from your own labelled recordings",
    "live": "label a stream while it comes",
    "prepare": "turn recordings, or a known corpus, into a data set of windows",
    "pretrain": "pre-train a model on recordings or prepared windows",
    "report": "one page about a pre-training run",
    "compare": "lay several pre-training runs, or evaluations, side by side",
    "benchmark": "compare models and baselines on labelled recordings",
    "convert": "turn a checkpoint of the reference implementation into one for Transformers",
    "export": "write a checkpoint for ONNX Runtime or torch.export",
    "publish": "put a checkpoint, a data set or the Space on the Hub",
}
"""Each is a module here with a `DESCRIPTION`, `EXAMPLES`, `add_arguments(parser)` and `run(options)`; where options
depend on others, `add_arguments_for(words, parser)` gets the words of the command line, too."""

GROUPS = {
    "look at recordings": ("inspect",),
    "use a model": ("predict", "embed", "live"),
    "learn from labels of your own": ("evaluate", "train"),
    "make a model": ("prepare", "pretrain", "report", "compare", "benchmark"),
    "share a model": ("convert", "export", "publish"),
}
"""What people want, and the commands for it."""

LIBRARIES = ("torch", "transformers", "accelerate", "datasets", "mne", "scikit-learn", "numpy")


class Command(CommandParser):
    """The parser of one command, which knows its arguments once it is used."""

    def __init__(self, *, module: str, **options: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, **options)
        self.module = module

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None):
        """Parse, with the arguments that the command's module adds."""
        if self.get_default("run") is None:
            command = importlib.import_module(f"dare_eeg_hf.cli.{self.module}")
            self.description, self.epilog = command.DESCRIPTION, f"examples:\n{command.EXAMPLES}"
            self.set_defaults(run=command.run)
            if hasattr(command, "add_arguments_for"):
                command.add_arguments_for(args, self)
            else:
                command.add_arguments(self)
        return super().parse_known_args(args, namespace)


class Version(argparse.Action):
    """Print the versions of this package and of the libraries that results depend on."""

    def __init__(self, option_strings: Sequence[str], dest: str, **options: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, **options)

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        """Print, and end the program."""
        from importlib.metadata import PackageNotFoundError, version

        print(f"dare-eeg {__version__}")
        print(f"python {sys.version.split()[0]}")
        for name in LIBRARIES:
            try:
                print(f"{name} {version(name)}")
            except PackageNotFoundError:
                print(f"{name} is not installed")
        parser.exit()


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = CommandParser(
        prog="dare-eeg",
        usage="dare-eeg [-h] [--version] COMMAND ...",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=f"DARE-EEG for Hugging Face: from EEG files to features, predictions and models.\n\n{overview()}",
        epilog="`dare-eeg COMMAND --help` explains a command with examples. Results are for research, not diagnoses.",
    )
    parser.add_argument("--version", action=Version, help="show the versions of this package and of what it uses")
    commands = parser.add_subparsers(
        dest="command",
        required=True,
        metavar="COMMAND",
        prog="dare-eeg",
        parser_class=Command,
        help=argparse.SUPPRESS,  # the overview has them
    )
    for name in COMMANDS:
        commands.add_parser(name, module=name)
    return parser


def overview() -> str:
    """Return the commands by what people want, each with its summary."""
    width = max(map(len, COMMANDS)) + 2
    groups = {title: [name for name in names if name in COMMANDS] for title, names in GROUPS.items()}
    return "\n\n".join(
        "\n".join([f"{title}:", *(f"  {name:<{width}}{COMMANDS[name]}" for name in names)])
        for title, names in groups.items()
        if names
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    _quieten_libraries()
    try:
        return print_while_read(lambda: _run(arguments))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except Exception as error:
        if not isinstance(error, bad_input()):
            raise
        print(f"error: {one_sentence(error)}", file=sys.stderr)
        return EXIT_BAD_INPUT


def _run(arguments: list[str]) -> int:
    parser = build_parser()
    if arguments and not arguments[0].startswith("-") and arguments[0] not in COMMANDS:
        parser.error(f"there is no command {suggest(arguments[0], COMMANDS)}; `dare-eeg --help` lists them")
    options = parser.parse_args(arguments)
    return options.run(options)


def _quieten_libraries() -> None:
    """Leave the error stream to what concerns the user's data: no warnings of the libraries and, in files, no bars."""
    if not sys.stderr.isatty():
        os.environ.setdefault("TQDM_DISABLE", "1")  # they read it when they are loaded, by the command

    def show(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        if category.__module__.partition(".")[0] == "dare_eeg_hf":
            print(f"warning: {one_sentence(message)}", file=sys.stderr)

    warnings.showwarning = show


if __name__ == "__main__":
    sys.exit(main())
