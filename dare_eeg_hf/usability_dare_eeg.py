"""Where a recording breaks in time, what of it carries no signal, and the verdict on each window, in one place.

A window is *usable* where most of its channels carry signal (see `lost_samples_dare_eeg`) and no break lies inside.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from .lost_samples_dare_eeg import (
    SHORTEST_LOSS,
    alive_channels,
    common_loss,
    find_lost_samples,
    main_reason,
    runs,
)

BREAKS = ("edge", "boundary", "bad boundary", "bad_acq_skip")
"""Beginnings of annotations, in lower case, that mark a break in time: no filter and no window may run across one."""

NO_SIGNAL = "BAD_no_signal"
"""Begins the annotation of a stretch without signal; the reason follows after a colon."""


@dataclass(frozen=True)
class Loss:
    """A stretch without signal: onset and duration in seconds, why, and the channels concerned (empty: too many)."""

    onset: float
    duration: float
    reason: str
    channels: tuple[str, ...] = ()

    def __str__(self) -> str:
        where = f" in {', '.join(self.channels)}" if self.channels else ""
        return f"{self.onset:.1f} to {self.onset + self.duration:.1f} s{where}: {self.reason}"


# ---- breaks ----------------------------------------------------------------------------------------------


def is_break(description: str) -> bool:
    """Tell whether an annotation with this text marks a break in time."""
    return description.lower().startswith(BREAKS)


def is_mark(description: str) -> bool:
    """Tell whether an annotation with this text marks a bad stretch or a break, so that it is not an event."""
    return description.lower().startswith(("bad", *BREAKS))


def find_breaks(raw: Any) -> list[tuple[float, float]]:
    """Return the breaks (start, stop) that annotations of an MNE Raw mark, in seconds from its first sample."""
    seconds = raw.n_times / raw.info["sfreq"]
    found = {
        (max(0.0, float(onset)), min(seconds, float(onset + duration)))
        for onset, duration, text in zip(
            raw.annotations.onset - raw.first_time,
            raw.annotations.duration,
            raw.annotations.description,
            strict=True,
        )
        if is_break(text) and onset + duration >= 0 and onset <= seconds
    }
    return sorted(found)


def uninterrupted(samples: int, rate: float, breaks: Sequence[tuple[float, float]]) -> list[tuple[int, int]]:
    """Split a recording of this many samples at its breaks: [start, stop) of each piece, what was skipped included."""
    cuts = {0, samples} | {round(time * rate) for edges in breaks for time in edges}
    cuts = sorted(cut for cut in cuts if 0 <= cut <= samples)
    return list(pairwise(cuts))


def crosses(start: float, stop: float, breaks: Iterable[tuple[float, float]], tolerance: float) -> bool:
    """Tell whether a break lies inside [start, stop] seconds, or what was skipped overlaps it, by over `tolerance`."""
    return any(begin < stop - tolerance and end > start + tolerance for begin, end in breaks)


# ---- from samples to stretches, from stretches to a verdict ------------------------------------------------


def judge_trials(signals: Sequence[np.ndarray], rate: float) -> list[str | None]:
    """Give the verdict on whole trials of the same channels: why each is unusable, or None.

    Args:
        signals: (channels, samples) in microvolts each. `rate`: hertz.
    """
    found = [find_lost_samples(signal, rate) for signal in signals]
    lost = [
        np.zeros(signal.shape, np.uint8) if each is None else each for signal, each in zip(signals, found, strict=True)
    ]
    alive = alive_channels(lost) if lost else np.zeros(0, bool)
    return [
        why_unusable(0.0, each.shape[1] / rate, stretches(each[alive], rate, [""] * int(alive.sum()))) for each in lost
    ]


def stretches(lost: np.ndarray, rate: float, channel_names: Sequence[str]) -> list[Loss]:
    """Join lost samples (channels, samples) into stretches of at least `SHORTEST_LOSS` (or half of a shorter signal).

    Those in which most channels are lost come without names; others name their channel.
    """
    shortest = min(SHORTEST_LOSS * rate, lost.shape[1] / 2)
    common = common_loss(lost)
    found = [
        Loss(start / rate, (stop - start) / rate, main_reason(lost[:, start:stop]))
        for start, stop in runs(common)
        if stop - start >= shortest
    ]
    for name, row in zip(channel_names, lost, strict=True):
        for start, stop in runs((row > 0) & ~common):
            if stop - start >= shortest:
                reason = main_reason(row[None, start:stop])
                found.append(Loss(start / rate, (stop - start) / rate, reason, (name,)))
    return sorted(found, key=lambda loss: (loss.onset, loss.channels))


def losses_from_annotations(annotations: Any, first_time: float = 0.0) -> list[Loss]:
    """Read back the stretches that `NO_SIGNAL` annotations mark, in seconds from the first sample.

    Args:
        annotations: of an MNE Raw, whose `first_time` they count from.
    """
    return [
        Loss(float(onset) - first_time, float(duration), text.partition(": ")[2] or "no signal", tuple(names))
        for onset, duration, text, names in zip(
            annotations.onset, annotations.duration, annotations.description, annotations.ch_names, strict=True
        )
        if text.startswith(NO_SIGNAL)
    ]


def lost_seconds(losses: Iterable[Loss], start: float, stop: float) -> float:
    """Sum up how much of [start, stop] seconds the stretches take."""
    return sum(max(0.0, min(stop, loss.onset + loss.duration) - max(start, loss.onset)) for loss in losses)


def enough_lost(lost: float, duration: float) -> bool:
    """Tell whether a window of this duration, or a channel in it, is unusable with so many seconds lost."""
    return lost >= min(SHORTEST_LOSS, duration / 2) - 1e-9


def why_unusable(
    start: float,
    stop: float,
    losses: Sequence[Loss],
    breaks: Sequence[tuple[float, float]] = (),
    tolerance: float = 0.0,
) -> str | None:
    """Give the verdict on a window from `start` to `stop` seconds: why it is unusable, or None where it is usable.

    Args:
        losses: stretches without signal; only those of most channels count.
        breaks: see `find_breaks`.
        tolerance: seconds by which a break may lie inside, for times that were rounded to samples.
    """
    if crosses(start, stop, breaks, tolerance):
        return "across a break in time"
    common = [
        loss for loss in losses if not loss.channels and loss.onset < stop and loss.onset + loss.duration > start
    ]
    if not enough_lost(lost_seconds(common, start, stop), stop - start):
        return None
    return max(common, key=lambda loss: lost_seconds([loss], start, stop)).reason


def lost_channels(start: float, stop: float, losses: Sequence[Loss]) -> set[str]:
    """Name the channels without signal in a window from `start` to `stop` seconds that is usable all the same."""
    named = [loss for loss in losses if loss.channels and loss.onset < stop and loss.onset + loss.duration > start]
    return {
        name
        for name in {name for loss in named for name in loss.channels}
        if enough_lost(lost_seconds([loss for loss in named if name in loss.channels], start, stop), stop - start)
    }
