"""The clock of a recording that was interrupted, and the samples that belong to its times."""

import warnings
from dataclasses import dataclass
from functools import cached_property

import mne
import numpy as np

from dare_eeg_hf.recordings.errors import RecordingWarning
from dare_eeg_hf.recordings.text import quoted


@dataclass(frozen=True)
class Timeline:
    """What the clock showed at the samples of a recording.

    Each segment is an uninterrupted stretch of samples, given by knots between which both run evenly.

    Attributes:
        clocks: per segment, (K,) seconds of the clock, counted from the first sample; the last knot is the segment's
            end.
        positions: per segment, (K,) seconds of signal that come before the knot in the file.
    """

    clocks: list[np.ndarray]
    positions: list[np.ndarray]

    @property
    def breaks(self) -> np.ndarray:
        """(B,) seconds of signal before each break."""
        return np.array([positions[0] for positions in self.positions[1:]])

    @property
    def jumps(self) -> np.ndarray:
        """(B,) seconds by which the clock jumps at each break; negative where it was set back."""
        return self._starts[1:] - self._ends[:-1]

    def describe(self) -> str:
        """Say in one sentence how often and for how long the recording was interrupted."""
        jumps, breaks = self.jumps, self.breaks
        places = ", ".join(f"{place:g} s" for place in breaks[:5])
        places += f" and {len(breaks) - 5} more" if len(breaks) > 5 else ""
        parts = [f"the recording is interrupted {_times(len(breaks))} (after {places} of signal)"]
        if (jumps > 0).any():
            parts.append(f"{jumps[jumps > 0].sum():g} s are missing")
        if (jumps < 0).any():
            back = -jumps[jumps < 0].sum()
            parts.append(f"its clock goes back {_times((jumps < 0).sum())} by {back:g} s in all")
        return "; ".join(parts) + "; breaks and events are placed at the samples of their time"

    def locate(self, onset: float, duration: float, near: float = 0.0) -> tuple[float, float] | None:
        """Return where an event lies in the signal (onset and duration in seconds of signal), or None where none of it
        was recorded.

        What falls into a gap is cut off, so the duration counts recorded seconds only. An event before the first
        sample or after the last one keeps its distance from it.

        Args:
            onset, duration: the event's seconds on the clock.
            near: seconds of signal before the place where the file stores the event; decides where the clock showed
                one time twice.
        """
        onset_at, stop = self._position(onset, near), onset + duration
        if onset_at is None:
            later = np.flatnonzero((onset < self._starts) & (self._starts < stop))
            if not len(later):
                return None
            onset_at = float(self.positions[later[0]][0])
        if duration == 0:
            return onset_at, 0.0
        end_at = self._position(stop, onset_at)
        if end_at is None or end_at < onset_at:
            past = [k for k in np.flatnonzero(self._ends <= stop) if self.positions[k][-1] > onset_at]
            end_at = float(self.positions[past[-1]][-1]) if past else onset_at
        return onset_at, end_at - onset_at

    @cached_property
    def _starts(self) -> np.ndarray:
        return np.array([clock[0] for clock in self.clocks])

    @cached_property
    def _ends(self) -> np.ndarray:
        return np.array([clock[-1] for clock in self.clocks])

    def _position(self, time: float, near: float) -> float | None:
        """Seconds of signal before a time of the clock; None in a gap."""
        if time < self._starts[0]:
            return float(self.positions[0][0] + time - self._starts[0])
        inside = np.flatnonzero((self._starts <= time) & (time < self._ends)).tolist()
        if inside:
            stored = [k for k in inside if self.positions[k][0] <= near < self.positions[k][-1]]
            segment = (stored or inside)[0]
            return float(np.interp(time, self.clocks[segment], self.positions[segment]))
        if time >= self._ends.max():
            return float(self.positions[-1][-1] + time - self._ends[-1])
        return None


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def place_annotations(
    timeline: Timeline, annotations: mne.Annotations, near: np.ndarray, half_sample: float
) -> mne.Annotations:
    """Move annotations from the clock's time to the samples of that time, and mark the breaks; says what it did.

    An annotation that lies within a gap has no sample and is left out, with a warning that names it.

    Args:
        annotations: onsets in seconds of the clock since the first sample.
        near: (A,) as in `Timeline.locate`.
        half_sample: seconds; a time that close before a segment belongs to its first sample.
    """
    onsets, durations, texts, channels, lost = [], [], [], [], []
    rows = (annotations.onset, annotations.duration, annotations.description, annotations.ch_names, near)
    for onset, duration, text, names, place in zip(*rows, strict=True):
        found = timeline.locate(onset, duration, place)
        if found is None:
            found = timeline.locate(onset + half_sample, duration, place)
        if found is None:
            lost.append(f"{text} ({onset:g} s)")
        else:
            onsets.append(found[0])
            durations.append(found[1])
            texts.append(text)
            channels.append(names)
    warnings.warn(timeline.describe(), RecordingWarning, stacklevel=2)
    if lost:
        warnings.warn(
            f"{len(lost)} annotations lie in a gap, where nothing was recorded, and were left out: {quoted(lost)}",
            RecordingWarning,
            stacklevel=2,
        )
    return mne.Annotations(onsets, durations, texts, ch_names=channels) + boundaries(timeline.breaks)


def boundaries(breaks: np.ndarray) -> mne.Annotations:
    """The two annotations of each break that MNE itself gives where it joins recordings. `breaks`: (B,) seconds."""
    annotations = mne.Annotations([], [], [])
    for text in ("BAD boundary", "EDGE boundary"):
        annotations.append(breaks, np.zeros(len(breaks)), text)
    return annotations
