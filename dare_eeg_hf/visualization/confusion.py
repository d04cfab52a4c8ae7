"""Which class was taken for which."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from dare_eeg_hf.visualization.style import styled


@styled
def plot_confusion(counts: Sequence[Sequence[int]], classes: Sequence[str], title: str = "") -> Figure:
    """Draw a confusion matrix: of the windows of each class (a row), the share that was given each label (a column).

    Args:
        counts: (K, K) windows, truth in rows.
        classes: K names.
        title: figure title.
    """
    counts = np.asarray(counts)
    if counts.shape != (len(classes), len(classes)):
        raise ValueError(f"a confusion matrix of {len(classes)} classes is square of that size, not {counts.shape}")
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = max(3.4, 1.5 + 0.75 * len(classes))
    figure = Figure(figsize=(size + 0.8, size), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(counts.shape):
        text = f"{100 * shares[row, column]:.0f}%" + (f"\n{counts[row, column]}" if len(classes) <= 6 else "")
        color = "white" if shares[row, column] > 0.6 else "black"
        axes.text(column, row, text, ha="center", va="center", color=color, fontsize=8)
    ticks = range(len(classes))
    long = max(map(len, classes)) * len(classes) > 40
    axes.set_xticks(ticks, classes, rotation=40 if long else 0, ha="right" if long else "center")
    axes.set_yticks(ticks, classes)
    axes.set(xlabel="Predicted", ylabel="True label")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    figure.colorbar(image, ax=axes, shrink=0.8, label="Share of the true label's windows")
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
    return figure
