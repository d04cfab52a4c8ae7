"""Figures of recordings, predictions, masks and training, as plain matplotlib Figures (no pyplot state).

Colours are the eight of Okabe and Ito, which people with any colour vision tell apart, and perceptually even maps.
Every function returns a Figure; keep it with `figure.savefig("name.png", dpi=150)`.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Patch, Polygon
from matplotlib.patheffects import withStroke

OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
VISIBLE_PATCH_COLOR = "#CFE3F1"
MUTED = "#6E6E6E"

# Traces are drawn as the smallest and largest value of at most this many stretches: more than a screen can show.
MAX_POINTS_PER_TRACE = 3000
# From this many classes on, lines can no longer be told apart and a heat map is drawn instead.
MAX_CLASSES_AS_LINES = 6
# With fewer electrodes a map would mostly show the interpolation, so that they are drawn as dots.
MIN_CHANNELS_TO_INTERPOLATE = 8

STYLE = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": MUTED,
    "legend.frameon": False,
    "savefig.facecolor": "white",
}


def _styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Run a drawing function under the project's style without touching the user's own settings."""

    @functools.wraps(draw)
    def wrapper(*args, **kwargs) -> Figure:
        with matplotlib.rc_context(STYLE):
            return draw(*args, **kwargs)

    return wrapper


def _time_unit(last_second: float) -> tuple[float, str]:
    """Return (seconds per unit, axis label): a night is read in hours, a trial in seconds."""
    if last_second <= 180:
        return 1.0, "Time (s)"
    if last_second <= 3 * 3600:
        return 60.0, "Time (min)"
    return 3600.0, "Time (h)"


def _envelope(signal: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Thin a long trace to the extremes of equal stretches, so that no spike is lost to plain decimation."""
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


def _row_height(signals: np.ndarray) -> float:
    """Return the distance between stacked traces: what the median channel needs for 98% of its samples."""
    with np.errstate(invalid="ignore"):
        spans = np.nanpercentile(signals, 99, axis=1) - np.nanpercentile(signals, 1, axis=1)
    spans = spans[np.isfinite(spans) & (spans > 0)]
    return float(np.median(spans)) * 1.2 if spans.size else 1.0


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
    unit, label = _time_unit(onset + samples / sampling_rate)
    axes.set_xlim(onset / unit, (onset + samples / sampling_rate) / unit)
    axes.set_xlabel(label)
    axes.spines["left"].set_visible(False)


@_styled
def plot_traces(
    signal_uv: np.ndarray, channel_names: Sequence[str], sampling_rate: float, onset: float = 0.0
) -> Figure:
    """Draw stacked traces, the first channel on top, with a bar that gives the scale.

    Args:
        signal_uv: (C, T) in microvolts.
        channel_names: C names.
        sampling_rate: In Hz.
        onset: Time of the first sample in seconds.

    One scale serves all channels. A trace is cut off 1.5 rows from its own, and one that gets there often is drawn
    grey and behind the others, so that a loose electrode hides nothing. The median is taken off each channel.
    """
    signals = _check_channels(signal_uv, channel_names)
    signals = signals - np.nanmedian(signals, axis=1, keepdims=True)
    row = _row_height(signals)
    times = onset + np.arange(signals.shape[1]) / sampling_rate
    unit, _ = _time_unit(times[-1])

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
    return figure


@_styled
def plot_spectrum(signals: Mapping[str, np.ndarray], sampling_rate: Mapping[str, float] | float) -> Figure:
    """Draw power spectral densities side by side, for example before and after the normalisation.

    Args:
        signals: Title to (C, T) array in microvolts. The line is the median over channels, the band the 10th to 90th
            percentile.
        sampling_rate: In Hz, one for all or one for each title.

    Welch's method, two-second Hann windows, each with its mean removed; frequencies up to 100 Hz.
    """
    from scipy.signal import welch

    if not signals:
        raise ValueError("There is no signal to draw a spectrum of.")
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.subplots()
    highest = 0.0
    for (title, signal), color in zip(signals.items(), OKABE_ITO, strict=False):
        rate = sampling_rate[title] if isinstance(sampling_rate, Mapping) else sampling_rate
        signal = np.atleast_2d(np.asarray(signal, dtype=float))
        frequencies, power = welch(signal, fs=rate, nperseg=min(int(2 * rate), signal.shape[1]))
        shown = (frequencies > 0) & (frequencies <= 100)
        # Channels without any signal (a flat electrode) have no logarithm.
        decibels = 10 * np.log10(np.maximum(power[:, shown], 1e-12))
        axes.plot(frequencies[shown], np.median(decibels, axis=0), color=color, label=title, linewidth=1.4)
        if len(signal) > 1:
            low, high = np.percentile(decibels, [10, 90], axis=0)
            axes.fill_between(frequencies[shown], low, high, color=color, alpha=0.18, linewidth=0)
        highest = max(highest, float(frequencies[shown][-1]))
    axes.set_xlim(0, highest)
    axes.set_xlabel("Frequency (Hz)")
    axes.set_ylabel("Power (dB re 1 µV²/Hz)")
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.legend(loc="upper right")
    return figure


def _scalp_positions(names: Sequence[str]) -> np.ndarray:
    """Return (C, 2) places on a head of radius one seen from above, by MNE's 10-05 template.

    The angle from the vertex becomes the radius (azimuthal equidistant projection) on the sphere that fits the
    template; 105 degrees, a little below the lowest electrodes of the 10-10 system, is the rim of the head.
    """
    import mne

    # MNE 1.13 gave the template the name of its head and deprecated the old one.
    template_name = "colin27_1005" if "colin27_1005" in mne.channels.get_builtin_montages() else "standard_1005"
    places = mne.channels.make_standard_montage(template_name).get_positions()["ch_pos"]
    by_name = {name.upper(): place for name, place in places.items()}
    unknown = [name for name in names if name.upper() not in by_name]
    if unknown:
        raise ValueError(f"No place on the scalp is known for {unknown}; use names of the 10-10 system.")
    head = np.array(list(by_name.values()))
    # |x - c|^2 = r^2 is linear in the centre c and in r^2 - |c|^2.
    center = np.linalg.lstsq(np.column_stack([2 * head, np.ones(len(head))]), (head**2).sum(axis=1), rcond=None)[0][:3]
    x, y, z = (np.array([by_name[name.upper()] for name in names]) - center).T
    radius = np.arctan2(np.hypot(x, y), z) / np.deg2rad(105)
    azimuth = np.arctan2(y, x)
    return np.column_stack([radius * np.cos(azimuth), radius * np.sin(azimuth)])


def _draw_head(axes: Axes) -> None:
    """Draw a head of radius one, nose up, and cut off every image outside it."""
    rim = axes.add_patch(Circle((0, 0), 1, fill=False, color="black", linewidth=1.2, zorder=4))
    for image in axes.images:
        image.set_clip_path(rim)
    nose = [[-0.1, 0.995], [0, 1.12], [0.1, 0.995]]
    axes.add_patch(Polygon(nose, closed=False, fill=False, color="black", linewidth=1.2))
    axes.set(xlim=(-1.25, 1.25), ylim=(-1.15, 1.25), aspect="equal")
    axes.axis("off")


@_styled
def plot_scalp_map(values: Mapping[str, float], title: str = "", unit: str = "") -> Figure:
    """Draw one value per electrode over the head, nose up; from eight electrodes on, interpolated between them.

    Args:
        values: Electrode name (of the 10-10 system) to value.
        title: Figure title.
        unit: Label of the colour bar.

    Values of both signs get a diverging scale that is white at zero; values of one sign a sequential one.
    """
    import mne

    if not values:
        raise ValueError("There is no electrode to draw.")
    names = list(values)
    data = np.array([values[name] for name in names], dtype=float)
    positions = _scalp_positions(names)
    low, high = min(data.min(), 0.0), max(data.max(), 0.0)
    if low < 0 < high:
        colormap, low, high = "RdBu_r", -max(-low, high), max(-low, high)
    else:
        colormap = "YlGnBu" if high > 0 else "YlGnBu_r"
    norm = Normalize(low, high if high > low else low + 1.0)

    figure = Figure(figsize=(5.2, 4.4), layout="constrained")
    axes = figure.subplots()
    few = len(names) < MIN_CHANNELS_TO_INTERPOLATE
    if few:
        image = axes.scatter(*positions.T, c=data, cmap=colormap, norm=norm, s=220, edgecolors="black", zorder=5)
    else:
        # Linear, and only near electrodes: a smoother map would show values that no electrode has.
        image, _ = mne.viz.plot_topomap(
            data,
            positions,
            axes=axes,
            cmap=colormap,
            cnorm=norm,
            sphere=1.0,
            outlines=None,
            extrapolate="local",
            image_interp="linear",
            contours=0,
            sensors="k.",
            res=128,
            show=False,
        )
    _draw_head(axes)
    for name, place in zip(names, positions, strict=True):
        if len(names) <= 32:
            offset = 14 if few else 5
            text = axes.annotate(
                name, place, (0, offset), textcoords="offset points", ha="center", fontsize=7, zorder=6
            )
            text.set_path_effects([withStroke(linewidth=2, foreground="white")])
    figure.colorbar(image, ax=axes, shrink=0.7, label=unit)
    if title:
        axes.set_title(title, loc="center")
    return figure


@_styled
def plot_loss_curves(records: Sequence[Mapping[str, object]]) -> Figure:
    """Draw every loss of a training run against the step, one panel a loss, training and validation together.

    Args:
        records: Rows of `metrics.jsonl`: `step`, `split` ("train" or "validation"), `loss` and any `loss_...`.

    The thin line is each logged training value, the thick one its running mean.
    """
    terms = sorted(
        {key for record in records for key in record if key == "loss" or key.startswith("loss_")},
        key=lambda key: (key != "loss", key),
    )
    if not terms:
        raise ValueError("None of the records has a loss.")
    columns = min(3, len(terms))
    rows = -(-len(terms) // columns)
    figure = Figure(figsize=(3.4 * columns, 2.6 * rows + 0.3), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel, term in zip(panels, terms, strict=False):
        for split, color in (("train", OKABE_ITO[0]), ("validation", OKABE_ITO[1])):
            points = [(r["step"], r[term]) for r in records if r.get("split", "train") == split and term in r]
            if not points:
                continue
            steps, losses = np.array(points, dtype=float).T
            if split == "validation":
                panel.plot(steps, losses, color=color, marker="o", markersize=3.5, linewidth=1.2, label=split)
            elif len(losses) >= 20:
                width = max(5, len(losses) // 25)
                smooth = np.convolve(losses, np.ones(width) / width, mode="valid")
                panel.plot(steps, losses, color=color, linewidth=0.5, alpha=0.4)
                panel.plot(steps[width // 2 :][: len(smooth)], smooth, color=color, linewidth=1.6, label=split)
            else:
                panel.plot(steps, losses, color=color, marker=".", linewidth=1.2, label=split)
        panel.set_title("Total" if term == "loss" else term.removeprefix("loss_").replace("_", " ").capitalize())
        panel.grid(alpha=0.25, linewidth=0.6)
    for panel in panels[len(terms) :]:
        panel.remove()
    panels[0].legend(loc="upper right")
    figure.supxlabel("Step", fontsize=9)
    figure.supylabel("Loss", fontsize=9)
    return figure


@_styled
def plot_reconstruction(
    window: np.ndarray,
    reconstruction: np.ndarray,
    context_mask: np.ndarray,
    channel_names: Sequence[str],
    sampling_rate: float,
) -> Figure:
    """Draw a window, the patches the encoder saw, and what the model put into the hidden ones.

    Args:
        window: (C, T), the true signal, in any one unit.
        reconstruction: (C, T) in the same unit, NaN where nothing was reconstructed.
        context_mask: (N, C), True where the encoder saw a patch; T must be a multiple of N.
        channel_names: C names.
        sampling_rate: In Hz.
    """
    window, reconstruction = _check_channels(window, channel_names), _check_channels(reconstruction, channel_names)
    context_mask = np.asarray(context_mask, dtype=bool)
    channels, samples = window.shape
    if context_mask.ndim != 2 or context_mask.shape[1] != channels or samples % len(context_mask):
        raise ValueError(f"A mask of shape (N, {channels}) with {samples} a multiple of N, not {context_mask.shape}.")
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
        axes.plot(times, predicted, color=OKABE_ITO[1], linewidth=1.0, zorder=2)
    _label_rows(axes, channel_names, sampling_rate, samples, 0.0)
    figure.legend(
        handles=[
            Patch(color=VISIBLE_PATCH_COLOR, label="seen by the encoder"),
            Patch(color=MUTED, label="true signal"),
            Patch(color=OKABE_ITO[1], label="reconstructed"),
        ],
        loc="outside upper right",
        ncols=3,
    )
    return figure


def _draw_label_strip(axes: Axes, edges: list[tuple[float, float]], classes: Sequence[int], title: str) -> None:
    """Draw one row of coloured blocks, one a window, for predicted or true classes (negative = unknown)."""
    for (left, right), index in zip(edges, classes, strict=True):
        if index >= 0:
            axes.axvspan(left, right, color=OKABE_ITO[index % len(OKABE_ITO)], linewidth=0)
    axes.set_yticks([0.5], [title])
    axes.set_ylim(0, 1)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _draw_gaps(axes: Axes, edges: list[tuple[float, float]]) -> None:
    """Hatch the windows without an answer, neighbours as one block, and say so once."""
    joined: list[list[float]] = []
    for left, right in edges:
        if joined and np.isclose(joined[-1][1], left):
            joined[-1][1] = right
        else:
            joined.append([left, right])
    for left, right in joined:
        axes.axvspan(left, right, facecolor="#EEEEEE", edgecolor="#B0B0B0", hatch="///", linewidth=0, zorder=0)
    if joined:
        left, right = max(joined, key=lambda block: block[1] - block[0])
        axes.text((left + right) / 2, 0.5, "no signal", transform=axes.get_xaxis_transform(), ha="center", va="center")


def plot_classification(predictions: Sequence[Mapping[str, Any]], truth: Sequence[str] | None = None) -> Figure:
    """Draw what the classification pipeline returned: `plot_predictions` with gaps and padded windows marked.

    Raises:
        ValueError: If the windows have no probabilities (a regression), or no place in time.
    """
    if not predictions or "scores" not in predictions[0]:
        raise ValueError("A regression has no probabilities to draw.")
    if any(window["onset"] is None for window in predictions):
        raise ValueError("The onsets of these trials are not known, so that they cannot be drawn along time.")
    labels = list(predictions[0]["scores"])
    return plot_predictions(
        [window["onset"] for window in predictions],
        np.array([[window["scores"][label] for label in labels] for window in predictions], dtype=float),
        labels,
        truth,
        [window["duration"] for window in predictions],
        [window["partial"] for window in predictions],
    )


@_styled
def plot_predictions(
    onsets: Sequence[float],
    probabilities: np.ndarray,
    labels: Sequence[str],
    truth: Sequence[str] | None = None,
    window_seconds: float | Sequence[float] = 4.0,
    partial: Sequence[bool] | None = None,
) -> Figure:
    """Draw the class probabilities along time, the winning class and, where it is known, the true one.

    Args:
        onsets: W window starts in seconds, in any order.
        probabilities: (W, K); NaN in windows that got no answer, which are drawn as hatched gaps.
        labels: K class names.
        truth: W true class names; a name that is not among `labels` (or "") is left blank.
        window_seconds: Length of all windows, or of each; overlapping ones are drawn up to the start of the next.
        partial: Which windows are padded; they are marked by a dotted line at their end.
    """
    order = np.argsort(onsets)
    starts = np.asarray(onsets, dtype=float)[order]
    probabilities = np.asarray(probabilities, dtype=float)
    if probabilities.shape != (len(starts), len(labels)) or not len(starts):
        raise ValueError(f"Expected probabilities ({len(starts)}, {len(labels)}), got {probabilities.shape}.")
    probabilities = probabilities[order]
    ends = np.minimum(starts + np.broadcast_to(window_seconds, len(order))[order], np.append(starts[1:], np.inf))
    unit, time_label = _time_unit(ends[-1])
    edges = list(zip(starts / unit, ends / unit, strict=True))
    answered = ~np.isnan(probabilities).any(axis=1)
    winners = np.where(answered, np.where(answered[:, None], probabilities, 0).argmax(axis=1), -1)
    names = [str(label).replace("$", r"\$") for label in labels]

    as_lines = len(labels) <= MAX_CLASSES_AS_LINES
    body = 2.2 if as_lines else max(2.2, 0.24 * len(labels))
    # Colours repeat after eight, so a strip of winners only helps where every class has its own.
    strips = [] if not as_lines else [("Predicted", winners)]
    if truth is not None and as_lines:
        places = {label: index for index, label in enumerate(labels)}
        strips.append(("True", np.array([places.get(name, -1) for name in truth])[order]))
    figure = Figure(figsize=(9, body + 0.8 + 0.3 * len(strips)), layout="constrained")
    panels = figure.subplots(
        1 + len(strips), 1, sharex=True, squeeze=False, height_ratios=[body] + [0.22] * len(strips)
    ).ravel()

    if as_lines:
        times = np.column_stack([starts, ends, ends]).ravel() / unit
        for index, name in enumerate(names):
            # The NaN after each window breaks the line, so that a gap between windows stays a gap.
            steps = np.column_stack([probabilities[:, index]] * 2 + [np.full(len(starts), np.nan)]).ravel()
            joined = np.isclose(ends[:-1], starts[1:])
            steps[2:-1:3][joined] = probabilities[:-1, index][joined]
            panels[0].plot(times, steps, color=OKABE_ITO[index], linewidth=1.4, label=name)
        panels[0].set_ylim(-0.02, 1.02)
        panels[0].set_ylabel("Probability")
        panels[0].grid(axis="y", alpha=0.25, linewidth=0.6)
        figure.legend(loc="outside upper right", ncols=min(len(names), 4))
    else:
        for (left, right), column in zip(edges, probabilities, strict=True):
            rows = np.arange(len(labels) + 1) - 0.5
            image = panels[0].pcolormesh([left, right], rows, column[:, None], cmap="viridis", vmin=0, vmax=1)
        panels[0].plot(
            [np.mean(edge) for edge, is_answered in zip(edges, answered, strict=True) if is_answered],
            winners[answered],
            ".",
            color="white",
            markersize=6,
            markeredgecolor="black",
            markeredgewidth=0.5,
        )
        panels[0].set_yticks(range(len(labels)), names)
        panels[0].invert_yaxis()
        figure.colorbar(image, ax=panels[0], label="Probability (dot: highest)")
    _draw_gaps(panels[0], [edge for edge, is_answered in zip(edges, answered, strict=True) if not is_answered])
    for (_, right), is_partial in zip(edges, [] if partial is None else np.asarray(partial)[order], strict=False):
        if is_partial:
            panels[0].axvline(right, color=MUTED, linestyle=":", linewidth=1.5)
    for panel, (title, classes) in zip(panels[1:], strips, strict=True):
        _draw_label_strip(panel, edges, classes, title)
    panels[-1].set_xlabel(time_label)
    panels[-1].set_xlim(starts[0] / unit, ends[-1] / unit)
    return figure


@_styled
def plot_invariance(curve: Sequence[Mapping[str, float]]) -> Figure:
    """Draw how alike two masked views of one window are against the share of patches they have in common.

    Args:
        curve: Points with `overlap` (intersection over union of the visible patches, 0 to 1) and `similarity`; every
            further key with floating-point values, such as the similarity of different windows, becomes a line of its
            own, and `<key>_std` a band around `<key>`.
    """
    if not curve:
        raise ValueError("The invariance curve has no points.")
    points = sorted(curve, key=lambda point: point["overlap"])
    keys = [
        key
        for key, value in points[0].items()
        if key != "overlap" and not key.endswith("_std") and isinstance(value, float)
    ]
    overlap = np.array([point["overlap"] for point in points])
    figure = Figure(figsize=(5.6, 3.6), layout="constrained")
    axes = figure.subplots()
    for key, color, marker in zip(keys, OKABE_ITO, "os^Dv<>p", strict=False):
        values = np.array([point[key] for point in points])
        axes.plot(overlap, values, color=color, marker=marker, markersize=4, label=key.replace("_", " "))
        if f"{key}_std" in points[0]:
            spread = np.array([point[f"{key}_std"] for point in points])
            axes.fill_between(overlap, values - spread, values + spread, color=color, alpha=0.18, linewidth=0)
    axes.set_xlabel("Overlap of the two views (intersection over union)")
    axes.set_ylabel("Cosine similarity" if all("similarity" in key for key in keys) else "Value")
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.legend(loc="best")
    return figure
