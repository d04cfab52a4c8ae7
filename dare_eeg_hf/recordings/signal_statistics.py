"""What a recording at rest looks like in a few numbers: how simulated ones are compared with real ones."""

from collections.abc import Sequence
from dataclasses import dataclass

import mne
import numpy as np

from dare_eeg_hf.recordings.head_model import HEAD_RADIUS, electrode_places

ANGLES = (0, 30, 45, 60, 80, 100, 130, 180)
"""Edges of the classes of pairs of electrodes, in degrees as seen from the middle of the head; neighbours of the 10-10
system are about 18 degrees apart, those of the 10-20 system 36."""
BANDS = {"theta": (4.0, 8.0), "alpha": (8.0, 13.0), "beta": (15.0, 30.0)}
ALPHA = (7.0, 13.5)
BESIDE_ALPHA = ((2.0, 6.0), (15.0, 35.0))


@dataclass(frozen=True)
class SignalStatistics:
    """Of a recording against the average of its electrodes.

    Attributes:
        frequencies: (F,) hertz, up to 45.
        spectrum: (F,) power in uV^2/Hz, median over electrodes.
        amplitude: standard deviation in uV between 1 and 40 Hz, median over electrodes.
        slope: exponent of the background, fitted to the spectrum beside the alpha band.
        alpha_frequency: hertz at which the posterior spectrum stands out most between 7 and 13.5 Hz.
        alpha_ratio: how many times above the background it is there.
        coherence: band to (A,) magnitude-squared coherence by the angle between electrodes (`ANGLES`), median over
            pairs; NaN where a montage has no such pair.
        correlation: (A,) the same of the correlation between 1 and 40 Hz.
        maps: band to power of each electrode in uV^2/Hz.
    """

    frequencies: np.ndarray
    spectrum: np.ndarray
    amplitude: float
    slope: float
    alpha_frequency: float
    alpha_ratio: float
    coherence: dict[str, np.ndarray]
    correlation: np.ndarray
    maps: dict[str, dict[str, float]]


def describe_signal(raw: mne.io.BaseRaw) -> SignalStatistics:
    """Measure a recording of at least half a minute whose channels all are electrodes of the 10-05 system.

    Raises:
        ValueError: if a channel has no place in the 10-05 system.
    """
    signal = 1e6 * raw.get_data()
    signal = signal - signal.mean(0)
    frequencies, cross = _cross_spectra(signal, raw.info["sfreq"])
    power = np.diagonal(cross, axis1=1, axis2=2).real.T
    spectrum = np.median(power, axis=0)
    directions = electrode_places(raw.ch_names) / HEAD_RADIUS
    angles = np.degrees(np.arccos(np.clip(directions @ directions.T, -1, 1)))
    beside = np.any([_within(frequencies, band) for band in BESIDE_ALPHA], axis=0)
    slope = np.polyfit(np.log10(frequencies[beside]), np.log10(spectrum[beside]), 1)[0]
    posterior = power[directions[:, 1] < -0.5]
    posterior = (posterior if len(posterior) else power).mean(0)
    background = np.exp(np.interp(frequencies, [6, 15], np.log(np.interp([6, 15], frequencies, posterior))))
    above = np.where(_within(frequencies, ALPHA), posterior / background, 0)
    broad = cross[_within(frequencies, (1, 40))].real.sum(0)
    return SignalStatistics(
        frequencies,
        spectrum,
        float(np.median(np.sqrt(np.diagonal(broad) * frequencies[0]))),
        float(slope),
        float(frequencies[above.argmax()]),
        float(above.max()),
        {name: _by_angle(_coherence(cross[_within(frequencies, band)]), angles) for name, band in BANDS.items()},
        _by_angle(broad / np.sqrt(np.outer(np.diagonal(broad), np.diagonal(broad))), angles),
        {
            name: dict(zip(raw.ch_names, power[:, _within(frequencies, band)].mean(1).tolist(), strict=True))
            for name, band in BANDS.items()
        },
    )


def _cross_spectra(signal: np.ndarray, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Welch's method with Hann windows of two seconds that overlap by half: frequencies (F,) and (F, C, C)."""
    length = int(2 * rate)
    pieces = np.lib.stride_tricks.sliding_window_view(signal, length, axis=1)[:, :: length // 2]
    window = np.hanning(length)
    transformed = np.fft.rfft((pieces - pieces.mean(-1, keepdims=True)) * window, axis=-1)
    frequencies = np.fft.rfftfreq(length, 1 / rate)
    shown = (frequencies > 0) & (frequencies <= 45)
    parts = transformed[..., shown].transpose(2, 0, 1)
    scale = 2 / (rate * (window**2).sum() * pieces.shape[1])
    return frequencies[shown], scale * parts @ parts.conj().transpose(0, 2, 1)


def _within(frequencies: np.ndarray, band: Sequence[float]) -> np.ndarray:
    return (frequencies >= band[0]) & (frequencies <= band[1])


def _coherence(cross: np.ndarray) -> np.ndarray:
    """Magnitude-squared coherence (C, C), mean over the frequencies of `cross` (F, C, C)."""
    power = np.diagonal(cross, axis1=1, axis2=2).real
    return (np.abs(cross) ** 2 / (power[:, :, None] * power[:, None])).mean(0)


def _by_angle(values: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Median over the pairs of electrodes in each class of angles, (A,)."""
    pairs = np.triu_indices(len(values), 1)
    classes = np.digitize(angles[pairs], ANGLES) - 1
    return np.array(
        [
            np.median(values[pairs][classes == number]) if (classes == number).any() else np.nan
            for number in range(len(ANGLES) - 1)
        ]
    )
