"""Samples that come together, and what gives them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class Chunk:
    """Samples that came together.

    Attributes:
        signal: (C, n) in microvolts; n may be 0 where a stream has stalled.
        times: (n,) seconds on the stream's clock.
        arrived: when they came, on the same clock; None where that means nothing.
        waited: seconds since the newest sample, where none came.
        restarted: whether the first sample does not follow the one before: samples are missing, or the clock leapt.
    """

    signal: np.ndarray
    times: np.ndarray
    arrived: float | None = None
    waited: float = 0.0
    restarted: bool = False


class SignalStream(Protocol):
    """What `LiveClassifier.windows` reads: an iteration over chunks, with the channels' names and the rate (Hz)."""

    channel_names: list[str]
    rate: float

    def clock(self) -> float:
        """Seconds now, on the scale of the chunks' times."""

    def __iter__(self) -> Iterator[Chunk]:
        """The chunks, as they come."""
