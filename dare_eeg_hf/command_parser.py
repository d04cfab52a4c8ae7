"""A parser of command lines that suggests the option an unknown one was meant for."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence

from dare_eeg_hf.argument_names import suggest


class CommandParser(argparse.ArgumentParser):
    """An `ArgumentParser` whose error about an unknown option names the nearest one."""

    def parse_args(self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None):
        """Parse, or end the program with a usage message and exit status 2."""
        options, unknown = self.parse_known_args(args, namespace)
        if unknown:
            known = set(_option_names(self))
            names = [word.partition("=")[0] for word in unknown]
            self.error(f"unrecognized arguments: {', '.join(suggest(name, known) for name in names)}")
        return options


def _option_names(parser: argparse.ArgumentParser) -> Iterator[str]:
    """The long options of a parser and of its commands."""
    for action in parser._actions:
        yield from (name for name in action.option_strings if name.startswith("--"))
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _option_names(command)
