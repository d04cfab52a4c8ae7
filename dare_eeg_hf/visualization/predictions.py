"""Class probabilities over time, the winning class, and the true one where it is known."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dare_eeg_hf.visualization.style import MUTED, OKABE_ITO, styled, time_unit

# From this many classes on, lines can no longer be told apart and a heat map is drawn instead.
MAX_CLASSES_AS_LINES = 6


def _draw_label_strip(axes: Axes, edges: list[tuple[float, float]], classes: Sequence[int], title: str) -> None:
    """Draw one row of coloured blocks, one per window, for predicted or true classes (negative = unknown)."""
    for (left, right), index in zip(edges, classes, strict=True):
        if index >= 0:
            axes.axvspan(left, right, color=OKABE_ITO[index % len(OKABE_ITO)], linewidth=0)
    axes.set_yticks([0.5], [title])
    axes.set_ylim(0, 1)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _draw_gaps(axes: Axes, edges: list[tuple[float, float]], label: str = "no signal") -> None:
    """Hatch the windows without an answer, neighbours as one block, with a label for a legend."""
    joined: list[list[float]] = []
    for left, right in edges:
        if joined and np.isclose(joined[-1][1], left):
            joined[-1][1] = right
        else:
            joined.append([left, right])
    style = {"facecolor": "#EEEEEE", "edgecolor": "#B0B0B0", "hatch": "///", "linewidth": 0, "zorder": 0}
    for index, (left, right) in enumerate(joined):
        axes.axvspan(left, right, label="_" * (index > 0) + label, **style)


def plot_classification(
    predictions: Sequence[Mapping[str, Any]], truth: Sequence[str] | None = None, title: str = ""
) -> Figure:
    """Draw what the classification pipeline returned: `plot_predictions` with gaps and padded windows marked.

    Raises:
        ValueError: If the windows have no probabilities (a regression), or no place in time.
    """
    if not predictions or "scores" not in predictions[0]:
        raise ValueError("A regression has no probabilities to draw.")
    if any(window["onset"] is None for window in predictions):
        raise ValueError("The onsets of these trials are unknown, so they cannot be drawn over time.")
    labels = list(predictions[0]["scores"])
    return plot_predictions(
        [window["onset"] for window in predictions],
        np.array([[window["scores"][label] for label in labels] for window in predictions], dtype=float),
        labels,
        truth,
        [window["duration"] for window in predictions],
        [window["partial"] for window in predictions],
        title,
    )


@styled
def plot_predictions(
    onsets: Sequence[float],
    probabilities: np.ndarray,
    labels: Sequence[str],
    truth: Sequence[str] | None = None,
    window_seconds: float | Sequence[float] = 4.0,
    partial: Sequence[bool] | None = None,
    title: str = "",
) -> Figure:
    """Draw the class probabilities over time, the winning class and, where it is known, the true one.

    Args:
        onsets: W window starts in seconds, in any order.
        probabilities: (W, K); NaN in windows that got no answer, which are drawn as hatched gaps.
        labels: K class names.
        truth: W true class names; a name that is not among `labels` (or "") is left blank.
        window_seconds: Length of all windows, or of each; overlapping ones are drawn up to the start of the next.
        partial: Which windows are padded; they are marked by a dotted line at their end.
        title: Such as the names of the file and the model.
    """
    order = np.argsort(onsets)
    starts = np.asarray(onsets, dtype=float)[order]
    probabilities = np.asarray(probabilities, dtype=float)
    if probabilities.shape != (len(starts), len(labels)) or not len(starts):
        raise ValueError(f"Expected probabilities ({len(starts)}, {len(labels)}), got {probabilities.shape}.")
    probabilities = probabilities[order]
    ends = np.minimum(starts + np.broadcast_to(window_seconds, len(order))[order], np.append(starts[1:], np.inf))
    unit, time_label = time_unit(ends[-1])
    edges = list(zip(starts / unit, ends / unit, strict=True))
    answered = ~np.isnan(probabilities).any(axis=1)
    winners = np.where(answered, np.where(answered[:, None], probabilities, 0).argmax(axis=1), -1)
    names = [str(label).replace("$", r"\$") for label in labels]

    as_lines = len(labels) <= MAX_CLASSES_AS_LINES
    body = 2.2 if as_lines else max(2.2, 0.24 * len(labels))
    # Colours repeat after eight, so a strip of winners helps only where every class has its own.
    strips = [] if not as_lines else [("Predicted", winners)]
    if truth is not None and as_lines:
        places = {label: index for index, label in enumerate(labels)}
        strips.append(("True", np.array([places.get(name, -1) for name in truth])[order]))
    figure = Figure(figsize=(9, body + 0.8 + 0.3 * len(strips)), layout="constrained")
    if title:
        figure.suptitle(title.replace("$", r"\$"), x=0.01, ha="left", fontsize=10)
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
    if panels[0].get_legend_handles_labels()[1]:
        figure.legend(loc="outside upper right", ncols=4)
    for (_, right), is_partial in zip(edges, [] if partial is None else np.asarray(partial)[order], strict=False):
        if is_partial:
            panels[0].axvline(right, color=MUTED, linestyle=":", linewidth=1.5)
    for panel, (title, classes) in zip(panels[1:], strips, strict=True):
        _draw_label_strip(panel, edges, classes, title)
    panels[-1].set_xlabel(time_label)
    panels[-1].set_xlim(starts[0] / unit, ends[-1] / unit)
    return figure
