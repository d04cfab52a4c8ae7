"""The bands of the signal contract as filters that know the past only, with a state that is kept between chunks."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from scipy import signal as scipy_signal

HIGHPASS_ORDER, LOWPASS_ORDER = 1, 6
"""Of the Butterworth filters: low enough that phases are moved little inside the band."""

NOTCH_QUALITY = 30.0
"""Width of the notch: 2 Hz at 60 Hz, as wide as the offline one."""

TAPS_PER_SIDE = 6
"""Of the resampling filter, in samples of the slower of both rates: half of them are its delay."""


class CausalFilter:
    """Band-pass, notch and resampling of a signal that comes in chunks; equal whatever the chunks are.

    The offline filters (`signal_dare_eeg.filter_and_resample`) are zero-phase and see the future. These have their
    cut-offs in the middle of the offline filters' edges, and delay what they pass.

    Args:
        channels: C.
        rate, new_rate: hertz.
        highpass, lowpass: hertz, the edges of the band that is kept; None leaves a side alone.
        line_frequency: mains frequency to take out, with its harmonics inside the band; None takes out nothing.

    Attributes:
        resampling_delay: seconds by which the linear-phase resampling filter delays everything.
    """

    def __init__(
        self,
        channels: int,
        rate: float,
        new_rate: float,
        highpass: float | None = None,
        lowpass: float | None = None,
        line_frequency: float | None = None,
    ) -> None:
        self.channels = channels
        self.rate = rate
        self.sections = _sections(rate, highpass, lowpass, line_frequency)
        ratio = Fraction(new_rate / rate).limit_denominator(20_000)
        self.up, self.down = ratio.numerator, ratio.denominator
        self.taps = _resampling_taps(self.up, self.down)
        self.resampling_delay = (len(self.taps) - 1) / 2 / (self.up * rate)
        self.reset()

    @property
    def new_rate(self) -> float:
        """Hertz of what comes out."""
        return self.rate * self.up / self.down

    def delay_at(self, frequency: float) -> float:
        """Group delay at a frequency in hertz, in seconds: of all filters together."""
        delay = self.resampling_delay
        for section in self.sections:
            _, samples = scipy_signal.group_delay((section[:3], section[3:]), [frequency], fs=self.rate)
            delay += float(samples[0]) / self.rate
        return delay

    def reset(self) -> None:
        """Forget everything: what comes next has nothing to do with what came before."""
        self._state: np.ndarray | None = None
        self._history = np.zeros((self.channels, 0))
        self._taken = 0  # samples before the history; a multiple of `down`, so that both grids agree there
        self._given = 0

    def __call__(self, signal: np.ndarray) -> np.ndarray:
        """Filter the next samples.

        Args:
            signal: (C, n), finite, in any unit.

        Returns:
            (C, m), the samples at the new rate that can be told by now. After a reset the first one stands for the
            time of the first sample given, less `resampling_delay`.
        """
        if not signal.shape[1]:
            return np.zeros((self.channels, 0))
        return self._resample(self._filter(np.asarray(signal, dtype=np.float64)))

    def _filter(self, signal: np.ndarray) -> np.ndarray:
        if not len(self.sections):
            return signal
        if self._state is None:
            # As if the first value had been there for ever: an electrode's offset makes no transient.
            steady = scipy_signal.sosfilt_zi(self.sections)
            self._state = steady[:, None, :] * signal[None, :, :1]
        filtered, self._state = scipy_signal.sosfilt(self.sections, signal, axis=1, zi=self._state)
        return filtered

    def _resample(self, signal: np.ndarray) -> np.ndarray:
        if self.up == self.down:
            return signal
        history = np.concatenate([self._history, signal], axis=1)
        available = self._taken + history.shape[1]
        last = (available - 1) * self.up // self.down  # the newest output that needs no later sample
        resampled = scipy_signal.upfirdn(self.taps, history, self.up, self.down, axis=1)
        first = self._taken * self.up // self.down
        result = resampled[:, self._given - first : last + 1 - first]
        self._given = last + 1
        needed = math.ceil(len(self.taps) / self.up) + self.down
        gone = max(0, history.shape[1] - needed) // self.down * self.down
        self._history, self._taken = history[:, gone:], self._taken + gone
        return result


def _sections(rate: float, highpass: float | None, lowpass: float | None, line_frequency: float | None) -> np.ndarray:
    """Second-order sections (S, 6) of high-pass, low-pass and notches."""
    sections = [np.zeros((0, 6))]
    if highpass:
        width = min(max(0.25 * highpass, 2.0), highpass)
        sections.append(scipy_signal.butter(HIGHPASS_ORDER, highpass - width / 2, "highpass", fs=rate, output="sos"))
    edge = None if lowpass is None else lowpass + max(0.25 * lowpass, 2.0) / 2
    if edge is not None and edge < rate / 2:
        sections.append(scipy_signal.butter(LOWPASS_ORDER, edge, "lowpass", fs=rate, output="sos"))
    if line_frequency:
        top = min(rate / 2, (lowpass or rate) * 1.25)
        for frequency in np.arange(line_frequency, top - 1, line_frequency):
            sections.append(scipy_signal.tf2sos(*scipy_signal.iirnotch(frequency, NOTCH_QUALITY, fs=rate)))
    return np.concatenate(sections)


def _resampling_taps(up: int, down: int) -> np.ndarray:
    """A linear-phase low-pass at the Nyquist frequency of the slower of both rates, for the rate `up` times higher."""
    slower = max(up, down)
    if slower == 1:
        return np.ones(1)
    taps = scipy_signal.firwin(2 * TAPS_PER_SIDE * slower + 1, 1 / slower, window=("kaiser", 5.0))
    return taps * up
