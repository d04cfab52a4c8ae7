"""What goes wrong with recordings, applied to windows after a model was trained on intact ones."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.signal import resample_poly

from dare_eeg_hf.adaptation.labelled_windows import LabelledWindows


@dataclass(frozen=True)
class Corruption:
    """A kind of damage and how much of it is tried.

    Attributes:
        title: axis of the figure.
        levels: from intact to heavily damaged.
        apply: (windows, level, random generator) -> windows.
        fixed_montage: None, or what is done instead of `apply` for models that need every channel.
    """

    title: str
    levels: tuple[float, ...]
    apply: Callable[[LabelledWindows, float, np.random.Generator], LabelledWindows]
    fixed_montage: Callable[[LabelledWindows, float, np.random.Generator], LabelledWindows] | None = None


def kept_channels(windows: LabelledWindows, share: float, random: np.random.Generator) -> np.ndarray:
    """Positions of the channels that stay when `share` of them are lost; at least one stays."""
    count = len(windows.channel_names)
    return np.sort(random.permutation(count)[: max(1, round(count * (1 - share)))])


def remove_channels(windows: LabelledWindows, share: float, random: np.random.Generator) -> LabelledWindows:
    """Leave channels out, the same in all windows."""
    kept = kept_channels(windows, share, random)
    names = tuple(windows.channel_names[i] for i in kept)
    return replace(windows, channel_names=names, signals=windows.signals[:, kept], features=None, features_of=None)


def interpolate_channels(windows: LabelledWindows, share: float, random: np.random.Generator) -> LabelledWindows:
    """The same channels lost, then filled from the others by spherical splines: for models that need them all."""
    import mne

    kept = kept_channels(windows, share, random)
    if len(kept) == len(windows.channel_names):
        return windows
    positions = {name.upper(): name for name in mne.channels.make_standard_montage("standard_1005").ch_names}
    names = [positions[name.upper()] for name in windows.channel_names]
    info = mne.create_info(names, windows.sampling_rate, "eeg")
    epochs = mne.EpochsArray(windows.signals.astype(np.float64), info, verbose="error")
    epochs.set_montage("standard_1005", verbose="error")
    epochs.info["bads"] = [name for i, name in enumerate(names) if i not in kept]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few good channels interpolate badly; that is what is measured here
        epochs.interpolate_bads(reset_bads=True, verbose="error")
    return windows.with_signals(epochs.get_data(copy=False))


def add_noise(windows: LabelledWindows, ratio: float, random: np.random.Generator) -> LabelledWindows:
    """White noise whose standard deviation is `ratio` times that of the signal in the same window and channel."""
    noise = random.standard_normal(windows.signals.shape, dtype=np.float32)
    return windows.with_signals(windows.signals + ratio * windows.signals.std(axis=-1, keepdims=True) * noise)


def lose_segments(windows: LabelledWindows, share: float, random: np.random.Generator) -> LabelledWindows:
    """In each window one stretch of `share` of its length, at a random place, becomes zero in all channels."""
    samples = windows.signals.shape[-1]
    length = round(share * samples)
    signals = windows.signals.copy()
    for window, start in zip(signals, random.integers(0, samples - length + 1, len(signals)), strict=True):
        window[:, start : start + length] = 0.0
    return windows.with_signals(signals)


def lower_rate(windows: LabelledWindows, rate: float, _: np.random.Generator) -> LabelledWindows:
    """As recorded at `rate` Hz: resampled down (anti-aliased) and back to the rate the model was trained at."""
    recorded = round(windows.sampling_rate)
    if rate >= recorded:
        return windows
    down = resample_poly(windows.signals.astype(np.float64), round(rate), recorded, axis=-1)
    back = resample_poly(down, recorded, round(rate), axis=-1)[..., : windows.signals.shape[-1]]
    return windows.with_signals(back)


CORRUPTIONS = {
    "channels": Corruption(
        "share of channels removed", (0.0, 0.25, 0.5, 0.75), remove_channels, fixed_montage=interpolate_channels
    ),
    "noise": Corruption("noise, relative to the signal", (0.0, 0.5, 1.0, 2.0), add_noise),
    "segments": Corruption("share of each window missing", (0.0, 0.25, 0.5, 0.75), lose_segments),
    "rate": Corruption("sampling rate, Hz", (256.0, 128.0, 64.0, 32.0), lower_rate),
}
