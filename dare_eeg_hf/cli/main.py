"""The command `dare-eeg`: look at recordings, label and encode them, convert, publish and benchmark models.

Each command is a file of this folder, a thin layer over the function that does the work. What is wrong with an input
becomes one sentence on the error stream and exit status 1, what is wrong with the command line exit status 2.
"""

import argparse
import importlib
import sys
import warnings
from collections.abc import Sequence
from typing import Any

from dare_eeg_hf.cli.failures import EXIT_BAD_INPUT, bad_input, one_sentence
from dare_eeg_hf.command_parser import CommandParser
from dare_eeg_hf.output_pipe import print_while_read

EXIT_INTERRUPTED = 130

COMMANDS = {
    "inspect": "what is in a recording, and what would be done to it",
    "predict": "label a recording window by window",
    "embed": "encode a recording as features",
    "live": "label a stream while it comes",
    "evaluate": "tell how well your labels can be told apart, in people the model never saw",
    "train": "make a classifier from your own labelled recordings",
    "compare": "lay several pre-training runs, or evaluations, side by side",
    "convert": "turn a checkpoint of the reference implementation into one for Transformers",
    "publish": "put a checkpoint, a data set or the Space on the Hub",
}
"""Each is a module here with a `DESCRIPTION`, `EXAMPLES`, `add_arguments(parser)` and `run(options)`."""


class Command(CommandParser):
    """The parser of one command; what the command needs is imported when it is run."""

    def __init__(self, *, module: str, **options: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, **options)
        self.module = module

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None):
        """Parse, with the arguments that the command's module adds."""
        if self.get_default("run") is None:
            command = importlib.import_module(f"dare_eeg_hf.cli.{self.module}")
            self.description, self.epilog = command.DESCRIPTION, f"examples:\n{command.EXAMPLES}"
            self.set_defaults(run=command.run)
            command.add_arguments(self)
        return super().parse_known_args(args, namespace)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = CommandParser(
        prog="dare-eeg",
        description="DARE-EEG for Hugging Face: from EEG files to features and predictions.",
        epilog="`dare-eeg COMMAND --help` explains a command with examples. Results are for research, not diagnoses.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=Command)
    for name, summary in COMMANDS.items():
        commands.add_parser(name, help=summary, module=name)
    commands.add_parser("benchmark", help="compare models and baselines on labelled recordings", module="")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    _quieten_libraries()
    try:
        return print_while_read(lambda: _run(arguments))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except bad_input() as error:
        print(f"error: {one_sentence(error)}", file=sys.stderr)
        return EXIT_BAD_INPUT


def _run(arguments: list[str]) -> int:
    if arguments[:1] == ["benchmark"]:
        # The benchmark has its own command line, --help included.
        from dare_eeg_hf.evaluation import benchmark

        return benchmark.main(arguments[1:], prog="dare-eeg benchmark")
    options = build_parser().parse_args(arguments)
    return options.run(options)


def _quieten_libraries() -> None:
    """Leave the error stream to what concerns the user's data, without warnings about the libraries."""

    def show(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        if category.__module__.partition(".")[0] == "dare_eeg_hf":
            print(f"warning: {one_sentence(message)}", file=sys.stderr)

    warnings.showwarning = show


if __name__ == "__main__":
    sys.exit(main())
