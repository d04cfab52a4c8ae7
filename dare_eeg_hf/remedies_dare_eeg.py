"""What a user can do about an input, phrased for the place where they read it.

An error knows the fault and the remedies; the surface that shows it knows how a remedy is followed there. `str(error)`
speaks Python, because that is where most errors are read.

    >>> error = InputError("the numbers are a thousand times too small", Remedy("unit", "V"))
    >>> str(error)
    "the numbers are a thousand times too small: pass unit='V'"
    >>> error.on(COMMAND_LINE)
    'the numbers are a thousand times too small: give --unit V'
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PYTHON = "python"
COMMAND_LINE = "command line"
REQUEST = "request"
PAGE = "page"

REMEDIES: dict[str, dict[str, str]] = {
    "unit": {
        PYTHON: "pass unit={value!r}",
        COMMAND_LINE: "give --unit {value}",
        REQUEST: 'send "unit": "{value}"',
        PAGE: "choose {value} under 'Unit of the numbers'",
    },
    "montage": {
        PYTHON: "pass montage={value!r}",
        COMMAND_LINE: "give --montage {value}",
        REQUEST: 'send "montage": "{value}" among the parameters',
        PAGE: "choose it under 'Cap, where channels are numbered'",
    },
    "rename": {
        PYTHON: "name electrodes with rename={{{old!r}: {new!r}, ...}}",
        COMMAND_LINE: "name electrodes with --rename {old}={new}, once for each, or --rename FILE.json",
        REQUEST: 'send "rename": {{"{old}": "{new}", ...}} among the parameters',
        PAGE: "rename the channels in the file first, {old} to {new} for example, and upload it again",
    },
    "sidecar": {
        PYTHON: "pass sidecar={{'sampling_rate': ..., 'unit': ..., 'channel_names': [...]}}",
        COMMAND_LINE: "give --sidecar FILE.json",
        REQUEST: "send an array with names, rate and unit",
        PAGE: "save it as EDF and upload that",
    },
    "reader_options": {
        PYTHON: "pass reader_options={{{key!r}: {value!r}}}",
        COMMAND_LINE: "give --reader-option {key}={value}",
        REQUEST: "save it as EDF and send that",
        PAGE: "save it as EDF and upload that",
    },
}
"""Remedy -> how it is followed on each surface."""


@dataclass(frozen=True)
class Remedy:
    """One thing that would help: the argument's name, and what to give it.

    Args:
        argument: A key of `REMEDIES`.
        value: What to give; for `rename` a pair of a recorded name and an electrode, for `reader_options` a pair of a
            name and a value.
    """

    argument: str
    value: Any = None

    def on(self, surface: str) -> str:
        """How the remedy is followed on a surface."""
        words: Mapping[str, Any] = {"value": self.value}
        if self.argument == "rename":
            words = dict(zip(("old", "new"), self.value, strict=True))
        if self.argument == "reader_options":
            words = dict(zip(("key", "value"), self.value, strict=True))
        return REMEDIES[self.argument][surface].format(**words)


class InputError(ValueError):
    """An input cannot be used; the message says what is wrong, and how to fix it.

    Args:
        fault: What is wrong, without its remedies.
        remedies: What would help; one of them is enough.
    """

    def __init__(self, fault: str, *remedies: Remedy) -> None:
        self.fault = fault
        self.remedies = remedies
        super().__init__(self.on(PYTHON))

    def on(self, surface: str) -> str:
        """Return the message for a surface: `PYTHON`, `COMMAND_LINE`, `REQUEST` or `PAGE`."""
        ways = dict.fromkeys(remedy.on(surface) for remedy in self.remedies)
        return f"{self.fault}: {', or '.join(ways)}" if ways else self.fault


def about(subject: str, error: Exception, kind: type[InputError] = InputError) -> InputError:
    """Return an error that names what it is about (a file, a stretch of time), with the remedies it had."""
    fault, remedies = (error.fault, error.remedies) if isinstance(error, InputError) else (str(error), ())
    return kind(f"{subject}: {fault}", *remedies)


def message_on(surface: str, error: Exception) -> str:
    """Return any error's message in the words of a surface."""
    return error.on(surface) if isinstance(error, InputError) else str(error)
