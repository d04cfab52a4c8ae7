"""Curves of measured values: losses of a run, mask invariance, accuracy against damage."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from dare_eeg_hf.visualization.style import MUTED, OKABE_ITO, styled

MARKERS = "os^Dv<>p"
# From this many points on, training losses are drawn thin, with their running mean over them.
MIN_POINTS_TO_SMOOTH = 20
# A legend with longer labels would hide the curves, so it goes below all panels.
LONGEST_LABEL_INSIDE = 24


@dataclass(frozen=True)
class Curve:
    """One line of a panel.

    Attributes:
        x, y: (P,) places and values.
        label: in the legend; None leaves the line out of it.
        color: which of the colours; by default that of the line's place among the panel's.
        spread: (P,) half the height of a band around the line.
        marker: of the points; "" draws none.
        width, style, opacity: of the line.
    """

    x: Sequence[float]
    y: Sequence[float]
    label: str | None = None
    color: int | None = None
    spread: Sequence[float] | None = None
    marker: str = "o"
    width: float = 1.4
    style: str = "-"
    opacity: float = 1.0


@dataclass(frozen=True)
class Panel:
    """Curves that share their axes.

    Attributes:
        curves: from the back to the front.
        title, x_label, y_label: in words, with units.
        level: a dotted line at this height, such as chance.
        place: a dotted line at this place of the x axis, such as the step that was chosen.
        ticks: (P,) what stands at the places 0, 1, ... of the x axis.
    """

    curves: Sequence[Curve]
    title: str = ""
    x_label: str = ""
    y_label: str = ""
    level: float | None = None
    place: float | None = None
    ticks: Sequence[str] | None = None


@styled
def plot_curves(
    panels: Sequence[Panel], *, columns: int = 3, title: str = "", share_y: bool = False, size: float = 3.4
) -> Figure:
    """Draw curves in panels side by side; the labels of the first panel are the legend.

    Args:
        panels: what to draw.
        columns: panels in a row, at most.
        title: over all panels.
        share_y: whether the panels have one scale of values.
        size: inches of a panel's width.
    """
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(size * columns, (0.65 * size + 0.4) * rows + 0.3), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharey=share_y).ravel()
    for axes, panel in zip(grid, panels, strict=False):
        for number, curve in enumerate(panel.curves):
            color = OKABE_ITO[(number if curve.color is None else curve.color) % len(OKABE_ITO)]
            axes.plot(
                curve.x,
                curve.y,
                color=color,
                marker=curve.marker,
                markersize=4,
                linewidth=curve.width,
                linestyle=curve.style,
                alpha=curve.opacity,
                label=curve.label,
            )
            if curve.spread is not None:
                low, high = np.subtract(curve.y, curve.spread), np.add(curve.y, curve.spread)
                axes.fill_between(curve.x, low, high, color=color, alpha=0.18, linewidth=0)
        if panel.level is not None:
            axes.axhline(panel.level, color=MUTED, linestyle=":", linewidth=1)
        if panel.place is not None:
            axes.axvline(panel.place, color=MUTED, linestyle=":", linewidth=1)
        if panel.ticks is not None:
            axes.set_xticks(range(len(panel.ticks)), panel.ticks)
        axes.set(xlabel=panel.x_label, ylabel=panel.y_label)
        axes.set_title(panel.title)
        axes.grid(alpha=0.25, linewidth=0.6)
    for axes in grid[len(panels) :]:
        axes.remove()
    lines, labels = grid[0].get_legend_handles_labels()
    if max(map(len, labels), default=0) > LONGEST_LABEL_INSIDE:
        figure.legend(lines, labels, loc="outside lower center", ncols=min(3, len(labels)))
    elif labels:
        grid[0].legend(loc="best")
    if title:
        figure.suptitle(title)
    return figure


def plot_loss_curves(records: Sequence[Mapping[str, object]]) -> Figure:
    """Draw every loss of a training run against the step, one panel per loss, training and validation together.

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
    figure = plot_curves([Panel(_curves_of_loss(records, term), title=title_of_loss(term)) for term in terms])
    figure.supxlabel("Step", fontsize=9)
    figure.supylabel("Loss", fontsize=9)
    return figure


def running_mean(steps: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Many measured values (P,) smoothed over a twenty-fifth of them, and the steps in the middle of each mean."""
    if len(values) < MIN_POINTS_TO_SMOOTH:
        return steps, values
    length = max(5, len(values) // 25)
    smooth = np.convolve(values, np.ones(length) / length, mode="valid")
    return steps[length // 2 :][: len(smooth)], smooth


def title_of_loss(term: str) -> str:
    """The name of a loss in words."""
    return "Total" if term == "loss" else term.removeprefix("loss_").replace("_", " ").capitalize()


def _curves_of_loss(records: Sequence[Mapping[str, object]], term: str) -> list[Curve]:
    """The logged training values, their running mean where there are many, and the values of validation."""
    curves = []
    for color, split in enumerate(("train", "validation")):
        points = [(r["step"], r[term]) for r in records if r.get("split", "train") == split and term in r]
        steps, losses = np.array(points, dtype=float).reshape(-1, 2).T
        if split == "train" and len(losses) >= MIN_POINTS_TO_SMOOTH:
            curves.append(Curve(steps, losses, color=color, marker="", width=0.5, opacity=0.4))
            curves.append(Curve(*running_mean(steps, losses), split, color=color, marker="", width=1.6))
        elif len(losses):
            curves.append(Curve(steps, losses, split, color=color, marker="." if split == "train" else "o", width=1.2))
    return curves


def plot_probes(records: Sequence[Mapping[str, object]], chosen: int | None = None) -> Figure:
    """Draw what probes found at each validation of a training run against the step: their mean, and each by itself.

    Args:
        records: Rows of `metrics.jsonl`; those with `probe` are drawn, and their `probe/...`.
        chosen: The step to mark, such as that of the checkpoint that is kept.
    """
    probed = [record for record in records if record.get("probe") is not None]
    if not probed:
        raise ValueError("None of the records has a probe.")
    names = sorted({key for record in probed for key in record if key.startswith("probe/")})
    # Of one probe without its centered variant the mean is the probe.
    curves = [Curve([r["step"] for r in probed], [r["probe"] for r in probed], "mean", color=0, width=2.2)]
    for number, name in enumerate(names if len(names) > 1 else (), start=1):
        points = [(record["step"], record[name]) for record in probed if name in record]
        label = name.removeprefix("probe/").replace("_", " ")
        curves.append(Curve(*zip(*points, strict=True), label, color=number, marker=".", width=1.0))
    chance = probed[-1].get("probe_chance")
    panel = Panel(curves, x_label="Step", y_label="Balanced accuracy", level=chance, place=chosen)
    return plot_curves([panel], size=6.4)


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
    overlap = [point["overlap"] for point in points]
    curves = [
        Curve(
            overlap,
            [point[key] for point in points],
            key.replace("_", " "),
            spread=[point[f"{key}_std"] for point in points] if f"{key}_std" in points[0] else None,
            marker=marker,
        )
        for key, marker in zip(keys, MARKERS, strict=False)
    ]
    y_label = "Cosine similarity" if all("similarity" in key for key in keys) else "Value"
    x_label = "Overlap of the two views (intersection over union)"
    return plot_curves([Panel(curves, x_label=x_label, y_label=y_label)], size=5.6)
