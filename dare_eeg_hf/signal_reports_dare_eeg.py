"""Reports of what was done to each input on its way to the model, and warnings."""

import warnings
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np


class EegWarning(UserWarning):
    """Something about a signal that the user should know, with the channels it concerns."""


@dataclass
class SignalReport:
    """What was done to one input, and what was not there.

    `dropped` maps a recorded name to the reason; `missing` are channels of the vocabulary that the input does not have
    (they stay missing); `amplitude_uv` holds the median, smallest and largest spread (standard deviation in
    microvolts) over the channels kept.
    """

    channels: list[str] = field(default_factory=list)
    renamed: dict[str, str] = field(default_factory=dict)
    dropped: dict[str, str] = field(default_factory=dict)
    flat: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    amplitude_uv: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The report as a dictionary that JSON can hold."""
        return asdict(self)

    def warn(self, message: str) -> None:
        """Keep a warning in the report and issue it as an `EegWarning`."""
        if message not in self.warnings:
            self.warnings.append(message)
            warnings.warn(message, EegWarning, stacklevel=3)


def amplitude_statistics(spreads_uv: np.ndarray) -> dict[str, float]:
    """Median, smallest and largest of the channels' standard deviations (channels,) in microvolts."""
    return {
        "median": float(np.median(spreads_uv)),
        "smallest": float(spreads_uv.min()),
        "largest": float(spreads_uv.max()),
    }
