"""Signals over time and frequency: traces, spectra, and a window beside its reconstruction."""

import warnings
from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from dare_eeg_hf.visualization.style import MUTED, OKABE_ITO, styled, time_unit

VISIBLE_PATCH_COLOR = "#CFE3F1"
# Traces are drawn as the smallest and largest value of at most this many segments: more than a screen can show.
MAX_POINTS_PER_TRACE = 3000


def _envelope(signal: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Thin a long trace to the extremes of equal segments, so that no spike is lost to plain decimation."""
    stretch = signal.shape[-1] // (MAX_POINTS_PER_TRACE // 2)
    if stretch < 3:
        return signal, times
    count = signal.shape[-1] // stretch
    stretches = signal[: count * stretch].reshape(count, stretch)
    extremes = np.stack([stretches.min(axis=1), stretches.max(axis=1)], axis=1).reshape(-1)
    return extremes, np.repeat(times[: count * stretch : stretch], 2)


def _round_amplitude(value: float) -> float:
    """Return the largest of 1, 2 or 5 times a power of ten that is at most `value`."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(power * max(step for step in (1, 2, 5) if step * power <= value * (1 + 1e-9)))


def _row_height(signals: np.ndarray, stretches: int = 20) -> float:
    """The distance between stacked traces: the range of the median channel in its median stretch of time.

    A transient when the amplifier was switched on, or a movement, takes up one stretch or two and so decides nothing.
    """
    pieces = np.array_split(signals, min(stretches, signals.shape[1]), axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a stretch without any number
        ranges = np.stack([np.nanmax(piece, axis=1) - np.nanmin(piece, axis=1) for piece in pieces])
        ranges = np.nanmedian(np.where(ranges > 0, ranges, np.nan), axis=0)
        height = float(np.nanmedian(ranges))
    return height * 1.3 if np.isfinite(height) else 1.0


def _check_channels(signals: np.ndarray, channel_names: Sequence[str]) -> np.ndarray:
    signals = np.asarray(signals, dtype=float)
    if signals.ndim != 2 or signals.shape[0] != len(channel_names) or signals.size == 0:
        raise ValueError(f"Expected signals of shape ({len(channel_names)} channels, samples), got {signals.shape}.")
    return signals


def _label_rows(axes: Axes, names: Sequence[str], sampling_rate: float, samples: int, onset: float) -> None:
    """Give stacked traces their channel names (first on top) and the time axis its limits."""
    axes.set_yticks(-np.arange(len(names)), [str(name).replace("$", r"\$") for name in names])
    axes.tick_params(axis="y", length=0, labelsize=9 if len(names) <= 32 else 7)
    axes.set_ylim(-len(names) + 0.2, 0.8)
    unit, label = time_unit(onset + samples / sampling_rate)
    axes.set_xlim(onset / unit, (onset + samples / sampling_rate) / unit)
    axes.set_xlabel(label)
    axes.spines["left"].set_visible(False)


def _set_title(axes: Axes, title: str) -> None:
    """A title whose dollar signs stand for themselves, as they may in a file's name."""
    if title:
        axes.set_title(title.replace("$", r"\$"))


@styled
def plot_traces(
    signal_uv: np.ndarray, channel_names: Sequence[str], sampling_rate: float, onset: float = 0.0, title: str = ""
) -> Figure:
    """Draw stacked traces, the first channel on top, with a bar that gives the scale.

    Args:
        signal_uv: (C, T) in microvolts.
        channel_names: C names.
        sampling_rate: In Hz.
        onset: Time of the first sample in seconds.
        title: Such as the file's name.

    One scale serves all channels. A trace is cut off 1.5 rows from its own, and one that gets there often is drawn
    grey and behind the others, so that a loose electrode hides nothing. The median is taken off each channel.
    """
    signals = _check_channels(signal_uv, channel_names)
    signals = signals - np.nanmedian(signals, axis=1, keepdims=True)
    row = _row_height(signals)
    times = onset + np.arange(signals.shape[1]) / sampling_rate
    unit, _ = time_unit(times[-1])

    figure = Figure(figsize=(9, 1.5 + max(1.0, 0.26 * len(signals))), layout="constrained")
    axes = figure.subplots()
    for index, signal in enumerate(signals):
        thinned, thinned_times = _envelope(signal / row, times)
        loose = np.mean(np.abs(signal) > 1.5 * row) > 0.05
        style = {"color": "#B0B0B0", "zorder": 1} if loose else {"color": "#1B2A41", "zorder": 2}
        axes.plot(thinned_times / unit, np.clip(thinned, -1.5, 1.5) - index, linewidth=0.6, **style)
    _label_rows(axes, channel_names, sampling_rate, signals.shape[1], onset)

    amplitude = _round_amplitude(row)
    bar_center = -(len(signals) - 1) / 2
    axes.plot(
        [1.01, 1.01],
        [bar_center - amplitude / row / 2, bar_center + amplitude / row / 2],
        transform=axes.get_yaxis_transform(),
        color="black",
        linewidth=2,
        clip_on=False,
    )
    axes.text(1.02, bar_center, f"{amplitude:g} µV", transform=axes.get_yaxis_transform(), va="center")
    _set_title(axes, title)
    return figure


@styled
def plot_spectrum(
    signals: Mapping[str, np.ndarray],
    sampling_rate: Mapping[str, float] | float,
    band: tuple[float | None, float | None] = (None, None),
    title: str = "",
) -> Figure:
    """Draw power spectral densities side by side, for example before and after the normalisation.

    Args:
        signals: Title to (C, T) array in microvolts. The line is the median over channels, the band the 10th to 90th
            percentile.
        sampling_rate: In Hz, one for all or one for each title.
        band: What the filters kept, in Hz. Only it is drawn; what they left below and above is no signal.
        title: Such as the file's name.

    Welch's method, two-second Hann windows, each with its mean removed; frequencies up to 100 Hz.
    """
    from scipy.signal import welch

    if not signals:
        raise ValueError("There is no signal to draw a spectrum of.")
    low, high = band[0] or 0.0, min(band[1] or 100.0, 100.0)
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.subplots()
    highest = 0.0
    for (name, signal), color in zip(signals.items(), OKABE_ITO, strict=False):
        rate = sampling_rate[name] if isinstance(sampling_rate, Mapping) else sampling_rate
        signal = np.atleast_2d(np.asarray(signal, dtype=float))
        frequencies, power = welch(signal, fs=rate, nperseg=min(int(2 * rate), signal.shape[1]))
        shown = (frequencies > 0) & (frequencies >= low) & (frequencies <= high)
        # Channels without any signal (a flat electrode) have no logarithm.
        decibels = 10 * np.log10(np.maximum(power[:, shown], 1e-12))
        axes.plot(frequencies[shown], np.median(decibels, axis=0), color=color, label=name, linewidth=1.4)
        if len(signal) > 1:
            lower, upper = np.percentile(decibels, [10, 90], axis=0)
            axes.fill_between(frequencies[shown], lower, upper, color=color, alpha=0.18, linewidth=0)
        highest = max(highest, float(frequencies[shown][-1]))
    axes.set_xlim(low, highest)
    axes.set_xlabel("Frequency (Hz)")
    axes.set_ylabel("Power (dB re 1 µV²/Hz)")
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.legend(loc="upper right")
    _set_title(axes, title)
    return figure


@styled
def plot_reconstruction(
    window: np.ndarray,
    reconstruction: np.ndarray,
    context_mask: np.ndarray,
    channel_names: Sequence[str],
    sampling_rate: float,
    baseline: np.ndarray | None = None,
    baseline_name: str = "baseline",
    title: str = "",
) -> Figure:
    """Draw a window, the patches the encoder saw, and what the model put into the hidden ones.

    Args:
        window: (C, T), the true signal, in any unit.
        reconstruction: (C, T) in the same unit, NaN where nothing was reconstructed.
        context_mask: (N, C), True where the encoder saw a patch; T must be a multiple of N.
        channel_names: C names.
        sampling_rate: In Hz.
        baseline: (C, T), what another method put there; drawn thinner.
        baseline_name: its name in the legend.
        title: Such as the model's and the file's names.
    """
    window, reconstruction = _check_channels(window, channel_names), _check_channels(reconstruction, channel_names)
    context_mask = np.asarray(context_mask, dtype=bool)
    channels, samples = window.shape
    if context_mask.ndim != 2 or context_mask.shape[1] != channels or samples % len(context_mask):
        raise ValueError(f"Expected a mask (N, {channels}), {samples} a multiple of N, got {context_mask.shape}.")
    row = max(_row_height(window), 0.5 * _row_height(reconstruction))
    offsets = np.nanmedian(window, axis=1, keepdims=True)
    times = np.arange(samples) / sampling_rate

    figure = Figure(figsize=(10, 1.5 + max(1.0, 0.3 * channels)), layout="constrained")
    axes = figure.subplots()
    patch_edges = np.linspace(0, samples / sampling_rate, len(context_mask) + 1)
    row_edges = 0.5 - np.arange(channels + 1)
    visible = np.ma.masked_equal(context_mask.T, False)
    colormap = matplotlib.colors.ListedColormap([VISIBLE_PATCH_COLOR])
    axes.pcolormesh(patch_edges, row_edges, visible, cmap=colormap, zorder=0)
    for index in range(channels):
        original = np.clip((window[index] - offsets[index]) / row, -0.9, 0.9) - index
        predicted = np.clip((reconstruction[index] - offsets[index]) / row, -0.9, 0.9) - index
        axes.plot(times, original, color=MUTED, linewidth=0.6, zorder=1)
        axes.plot(times, predicted, color=OKABE_ITO[1], linewidth=1.0, zorder=3)
        if baseline is not None:
            other = np.clip((baseline[index] - offsets[index]) / row, -0.9, 0.9) - index
            axes.plot(times, other, color=OKABE_ITO[2], linewidth=0.6, zorder=2)
    _label_rows(axes, channel_names, sampling_rate, samples, 0.0)
    handles = [
        Patch(color=VISIBLE_PATCH_COLOR, label="seen by the encoder"),
        Patch(color=MUTED, label="true signal"),
        Patch(color=OKABE_ITO[1], label="reconstructed"),
    ]
    if baseline is not None:
        handles.append(Patch(color=OKABE_ITO[2], label=baseline_name))
    figure.legend(handles=handles, loc="outside upper right", ncols=len(handles))
    _set_title(axes, title)
    return figure
