"""The last seconds of a signal, filtered as they come, with what of them is lost and which channels are bad."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dare_eeg_hf.feature_extraction_dare_eeg import DareEegFeatureExtractor
from dare_eeg_hf.inputs_dare_eeg import ReadingOptions
from dare_eeg_hf.live.causal_filter import CausalFilter
from dare_eeg_hf.live.chunks import Chunk
from dare_eeg_hf.lost_samples_dare_eeg import bridge, find_lost_samples
from dare_eeg_hf.montage import match_channels
from dare_eeg_hf.recordings.quality import find_bad_channels
from dare_eeg_hf.remedies_dare_eeg import InputError, Remedy
from dare_eeg_hf.signal_dare_eeg import check_amplitude, line_frequency, spread
from dare_eeg_hf.usability_dare_eeg import Loss, lost_channels, stretches, why_unusable

WARM_UP_SECONDS = 4.0
"""Signal that is waited for at the very beginning: the mains frequency is found and the unit checked in it."""

QUALITY_SECONDS = 30.0
"""Bad channels are found in this much of the signal, the newest."""

QUALITY_EVERY = 5.0
"""Seconds between two looks for bad channels."""

LOOK_BACK_SECONDS = 1.5
"""Signal before the newest samples that is judged with them: more than the second that tells hum from EEG."""

DELAY_FREQUENCY = 10.0
"""Hertz at which the filters' delay is taken; it is nearly the same in most of the band."""


class RunningSignal:
    """What a live classifier knows of its stream since the signal last began.

    Args:
        extractor: fulfils the signal contract.
        channel_names: C names as the stream has them.
        rate: of the stream, hertz.
        window_samples: of the model's windows, at the contract's rate.
        known: what only the user can know.

    Attributes:
        channel_names: those of the channels that are electrodes, as the stream has them.
        electrodes: which ones they are, in the order of the model's vocabulary.
        samples: filtered samples since the signal began, at the contract's rate.
        newest: time of the newest sample, None before the first.
        delay: seconds by which the filters delay the signal, 0 before they are chosen.
        bad: index of a channel -> why it counts as bad.

    Raises:
        InputError: No channel is an electrode that the model knows.
    """

    def __init__(
        self,
        extractor: DareEegFeatureExtractor,
        channel_names: Sequence[str],
        rate: float,
        window_samples: int,
        known: ReadingOptions,
    ) -> None:
        self.extractor = extractor
        self.rate = rate
        self.window_samples = window_samples
        self.new_rate = float(extractor.sampling_rate)
        electrodes = electrodes_among(channel_names, extractor, known)
        self._picks = sorted(electrodes.values())
        self.channel_names = [channel_names[index] for index in self._picks]
        self.electrodes = list(electrodes)
        self.newest: float | None = None
        self.bad: dict[int, str] = {}
        self.filter: CausalFilter | None = None
        self.delay = 0.0
        self._forget()

    def _forget(self) -> None:
        count = len(self._picks)
        self.samples = 0
        self._raw_samples = 0
        self._raw = np.zeros((count, 0))
        self._lost = np.zeros((count, 0), np.uint8)
        self._unjudged = 0
        self._filtered = np.zeros((count, 0))
        self._judged_at = -np.inf

    def begin_anew(self) -> bool:
        """Forget what came before, which the next samples do not follow; tells whether there was anything."""
        had = self._raw_samples > 0
        if self.filter is not None:
            self.filter.reset()
        self._forget()
        return had

    def add(self, chunk: Chunk) -> None:
        """Take the next samples.

        Raises:
            InputError: The first seconds cannot be EEG in the unit that was said.
        """
        signal = chunk.signal[self._picks]
        self.newest = float(chunk.times[-1])
        self._raw = np.concatenate([self._raw, signal], axis=1)
        self._lost = np.concatenate([self._lost, np.zeros(signal.shape, np.uint8)], axis=1)
        self._raw_samples += signal.shape[1]
        self._unjudged += signal.shape[1]
        if self.filter is None:
            if self._raw_samples < WARM_UP_SECONDS * self.rate:
                return
            self._choose_filter()
            signal = self._raw
        self._take(self.filter(_finite(signal)))
        self._trim()

    def _choose_filter(self) -> None:
        """Check the unit, find the mains frequency and build the filters; only good samples count."""
        signal = _finite(self._raw)
        check_amplitude(*spread(signal, self.rate), "uV")
        line = self.extractor.notch
        if line == "auto":
            line = line_frequency(signal.astype(np.float32), self.rate)
        contract = self.extractor
        self.filter = CausalFilter(len(signal), self.rate, self.new_rate, contract.highpass, contract.lowpass, line)
        self.delay = self.filter.delay_at(DELAY_FREQUENCY)

    def _take(self, filtered: np.ndarray) -> None:
        self._filtered = np.concatenate([self._filtered, filtered], axis=1)
        self.samples += filtered.shape[1]

    def _trim(self) -> None:
        raw = int((self.window_samples / self.new_rate + 1.0) * self.rate) + 1
        filtered = max(2 * self.window_samples, int(QUALITY_SECONDS * self.new_rate))
        self._raw, self._lost = self._raw[:, -raw:], self._lost[:, -raw:]
        self._filtered = self._filtered[:, -filtered:]

    def time_of(self, end: int) -> float:
        """Time of the newest sample that the filtered samples up to `end` were made of."""
        return self.newest - (self._raw_samples - end / self.new_rate * self.rate) / self.rate

    def latest(self, count: int) -> np.ndarray:
        """The newest filtered samples, at most `count`: (C, n) in microvolts."""
        return self._filtered[:, -min(count, self.samples) :] if self.samples and count else self._filtered[:, :0]

    def window(self, end: int) -> tuple[np.ndarray, str | None, np.ndarray]:
        """The window that ends with the filtered sample `end`.

        Returns:
            (C, window_samples) in microvolts, the reason why it is unusable or None, and (C,) bool: which channels
            hold signal in it and are not bad. A window that has not come whole is unusable.
        """
        valid = np.array([index not in self.bad for index in range(len(self.channel_names))])
        if end < self.window_samples:
            return self._filtered, f"only {end / self.new_rate:.1f} s of signal since it began", valid
        behind = self.samples - end
        stop = self._filtered.shape[1] - behind
        values = self._filtered[:, stop - self.window_samples : stop]
        losses, seconds = self._losses(behind)
        reason = why_unusable(0.0, seconds, losses)
        silent = lost_channels(0.0, seconds, losses)
        valid &= np.array([name not in silent for name in self.channel_names])
        if reason is None and not valid.any():
            reason = "no channel with a signal"
        return values, reason, valid

    def _losses(self, behind: int) -> tuple[list[Loss], float]:
        """Stretches without signal in the samples as recorded that a window was made of, and their seconds.

        Args:
            behind: filtered samples that came after the window.
        """
        self._judge_the_newest()
        stop = self._raw.shape[1] - round(behind / self.new_rate * self.rate)
        length = round((self.window_samples / self.new_rate + self.delay) * self.rate)
        lost = self._lost[:, max(0, stop - length) : stop]
        seconds = lost.shape[1] / self.rate
        return (stretches(lost, self.rate, self.channel_names) if lost.any() else []), seconds

    def _judge_the_newest(self) -> None:
        """Find what is lost in the samples that came since the last time, and keep it: a window shares most of its
        samples with the one before."""
        length = min(self._raw.shape[1], self._unjudged + round(LOOK_BACK_SECONDS * self.rate))
        found = find_lost_samples(self._raw[:, -length:], self.rate) if length else None
        if found is not None:
            newest = self._lost[:, -length:]
            newest[found > 0] = found[found > 0]
        self._unjudged = 0

    def look_for_bad_channels(self) -> None:
        """Find the bad channels again, where `QUALITY_EVERY` seconds have passed."""
        if self.samples < self.window_samples or self.samples - self._judged_at < QUALITY_EVERY * self.new_rate:
            return
        self._judged_at = self.samples
        seen = self._filtered[:, -int(QUALITY_SECONDS * self.new_rate) :]
        if self.extractor.electrode_names is None:  # a spatial projection needs all its electrodes
            self.bad = find_bad_channels(seen, self.new_rate)


def electrodes_among(
    channel_names: Sequence[str], extractor: DareEegFeatureExtractor, known: ReadingOptions
) -> dict[str, int]:
    """Electrodes the model knows, each with the place of its channel.

    Raises:
        InputError: None is; the message says which options name them.
    """
    if extractor.electrode_names is not None:
        return {name: index for index, name in enumerate(channel_names)}
    named = known.names(channel_names, extractor.channel_names)
    electrodes = [named.get(name, name) or "" for name in channel_names]
    found = match_channels(electrodes, extractor.channel_names).indices
    if not found:
        raise InputError(
            f"None of the stream's channels is an electrode: {', '.join(channel_names[:20])}. Say which electrodes "
            "they are",
            Remedy("rename", (channel_names[0], "CZ")),
        )
    return found


def _finite(signal: np.ndarray) -> np.ndarray:
    """The signal with NaN and infinity, which a filter would never forget, replaced by their neighbours."""
    broken = ~np.isfinite(signal)
    if not broken.any():
        return signal
    repaired = signal.copy()
    bridge(repaired, broken.astype(np.uint8))
    return np.where(np.isfinite(repaired), repaired, 0.0)
