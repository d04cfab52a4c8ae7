"""Windows as points of a plane, coloured by a number of each, such as their onset."""

import numpy as np
from matplotlib.figure import Figure

from dare_eeg_hf.visualization.style import MUTED, styled


@styled
def plot_embedding_values(
    points: np.ndarray, values: np.ndarray, title: str = "", legend: str = "", method: str = ""
) -> Figure:
    """Draw windows as points, coloured by a number; `plot_embedding_map` does so by a name.

    Args:
        points: (W, 2), as `embedding_map.project_to_plane` gives them.
        values: (W,) numbers.
        title: figure title.
        legend: what the numbers are, with their unit.
        method: how the points were found, for the axes.
    """
    points, values = np.asarray(points), np.asarray(values, dtype=float)
    if points.shape != (len(values), 2):
        raise ValueError(f"{len(values)} numbers go with as many points of a plane, not {points.shape}")
    figure = Figure(figsize=(6.8, 4.6), layout="constrained")
    axes = figure.subplots()
    size = float(np.clip(4000 / max(len(points), 1), 6, 36))
    order = np.random.default_rng(0).permutation(len(points))  # no stretch of time lies on top of the others
    dots = axes.scatter(*points[order].T, c=values[order], cmap="viridis", s=size, alpha=0.8, linewidths=0)
    figure.colorbar(dots, ax=axes, label=legend)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_xlabel(method, color=MUTED)
    if title:
        axes.set_title(title)
    return figure
