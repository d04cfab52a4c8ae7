"""What only the user can know about a recording, as options of a command line: `--unit`, `--rename`, `--montage`."""

import argparse
import json
from pathlib import Path
from typing import Any

from dare_eeg_hf.inputs_dare_eeg import ReadingOptions


def add_naming_arguments(parser: argparse.ArgumentParser, several: bool = False) -> argparse._ArgumentGroup:
    """Add what is not about files: `--unit`, `--rename`, `--montage`, `--mains`; returns their group.

    Args:
        parser: of a command that takes signals.
        several: see `add_reading_arguments`.
    """
    group = parser.add_argument_group("what only you can know about a recording")
    group.add_argument("--unit", help="unit the numbers really have, where a file is wrong about it: V, mV, uV or nV")
    group.add_argument(
        "--rename",
        type=_names,
        metavar="OLD=NEW",
        help="a channel's electrode, as E36=C3, or a JSON file of such names; may be repeated",
        **_repeated(several),
    )
    group.add_argument(
        "--montage", metavar="NAME", help="cap of numbered channels, as GSN-HydroCel-64_1.0 or biosemi64"
    )
    group.add_argument(
        "--mains",
        "--line-frequency",
        dest="line_frequency",
        type=_line_frequency,
        default=argparse.SUPPRESS,  # none is a value
        metavar="HZ",
        help="mains frequency to take out: 50, 60, auto or none (default: as in the model's contract, mostly auto)",
    )
    return group


def add_reading_arguments(parser: argparse.ArgumentParser, several: bool = False) -> None:
    """Add the options of `ReadingOptions`.

    Args:
        parser: Of a command that reads recordings.
        several: Whether `--rename` and `--reader-option` take several values at once; without it they are repeated,
            so that file names can follow them.
    """
    group = add_naming_arguments(parser, several)
    group.add_argument(
        "--reader-option",
        "--reader",
        dest="reader_options",
        type=_option,
        metavar="NAME=VALUE",
        help="for MNE's reader, as data_format=int32; may be repeated",
        **_repeated(several),
    )
    group.add_argument("--sidecar", metavar="JSON", help="names, rate and unit of CSV, MAT or NPZ files")


def _repeated(several: bool) -> dict[str, Any]:
    return {"action": "extend", "nargs": "+"} if several else {"action": "append"}


def naming_options(options: argparse.Namespace) -> dict[str, Any]:
    """Return what was given for `add_naming_arguments`, as arguments of `ReadingOptions`.

    Raises:
        InputError: See `ReadingOptions`.
    """
    given = {"unit": options.unit, "rename": _joined(options.rename), "montage": options.montage}
    given = {name: value for name, value in given.items() if value is not None}
    if "line_frequency" in options:
        given["line_frequency"] = options.line_frequency
    ReadingOptions(**given)
    return given


def reading_options(options: argparse.Namespace) -> dict[str, Any]:
    """Return what was given, as arguments of the pipelines and of `load_recording`.

    Raises:
        InputError: See `ReadingOptions`.
    """
    given: dict[str, Any] = {"reader_options": _joined(options.reader_options), "sidecar": options.sidecar}
    given = naming_options(options) | {name: value for name, value in given.items() if value is not None}
    ReadingOptions(**given)
    return given


def _joined(parts: list[dict[str, Any]] | None) -> dict[str, Any] | None:
    return {name: value for part in parts for name, value in part.items()} if parts else None


def _names(text: str) -> dict[str, str]:
    """A pair OLD=NEW, or the names of a JSON file."""
    if Path(text).is_file():
        try:
            names = json.loads(Path(text).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise argparse.ArgumentTypeError(f"{text} cannot be read as JSON: {error}") from error
        if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
            raise argparse.ArgumentTypeError(f'{text} must hold a JSON object such as {{"E36": "C3"}}')
        return names
    return dict([_pair(text, *text.rpartition("=")[::2])])  # recorded names may hold the sign, electrodes do not


def _option(text: str) -> dict[str, Any]:
    """A pair NAME=VALUE; the value may be JSON, such as a number or true, and is a text otherwise."""
    name, value = _pair(text, *text.partition("=")[::2])
    try:
        return {name: json.loads(value)}
    except ValueError:
        return {name: value}


def _pair(text: str, name: str, value: str) -> tuple[str, str]:
    if not (name and value):
        raise argparse.ArgumentTypeError(f"{text!r} must have the form NAME=VALUE")
    return name, value


def _line_frequency(text: str) -> float | str | None:
    if text in ("auto", "none"):
        return {"auto": "auto", "none": None}[text]
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} must be 50, 60, auto or none") from None
