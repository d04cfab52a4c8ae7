"""Windows as points of a plane: those with similar features lie close together."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dare_eeg_hf.visualization.style import MUTED, OKABE_ITO, styled

MARKERS = "o^sDvPX*<>"
MOST_NAMES = 24
"""With more names than this, the legend says how many there are instead."""


def project_to_plane(features: np.ndarray, seed: int = 0) -> tuple[np.ndarray, str]:
    """Standardised features in two dimensions: by UMAP where umap-learn is installed, by PCA otherwise.

    Args:
        features: (W, F).
        seed: of UMAP.

    Returns:
        Points (W, 2) and the name of the method. PCA's says what share of the variance the plane shows.

    Raises:
        ValueError: there are fewer than 3 windows.
    """
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    if len(features) < 3:
        raise ValueError(f"a map takes at least 3 windows; there are {len(features)}")
    scaled = StandardScaler().fit_transform(np.asarray(features, dtype=np.float64))
    try:
        from umap import UMAP
    except ImportError:
        planar = PCA(2, random_state=0).fit(scaled)
        shown = planar.explained_variance_ratio_.sum()
        return planar.transform(scaled), f"PCA, which shows {100 * shown:.0f}% of the variance"
    neighbours = min(15, len(scaled) - 1)
    return UMAP(n_neighbors=neighbours, random_state=seed, n_jobs=1).fit_transform(scaled), "UMAP"


@styled
def plot_embedding_map(
    points: np.ndarray, names: Sequence[str], title: str = "", legend: str = "", method: str = ""
) -> Figure:
    """Draw windows as points, coloured by a name of each: its label, its person, its file.

    Args:
        points: (W, 2), as `project_to_plane` gives them.
        names: W names; with more than eight different ones, markers tell them apart as well.
        title: figure title.
        legend: what the names are.
        method: how the points were found, for the axes.
    """
    points, names = np.asarray(points), np.asarray(names).astype(str)
    if points.shape != (len(names), 2):
        raise ValueError(f"{len(names)} names go with as many points of a plane, not {points.shape}")
    different = list(dict.fromkeys(names.tolist()))
    different.sort()
    looks = {name: (OKABE_ITO[i % 7], MARKERS[i // 7 % len(MARKERS)]) for i, name in enumerate(different)}
    figure = Figure(figsize=(6.8, 4.6), layout="constrained")
    axes = figure.subplots()
    order = np.random.default_rng(0).permutation(len(points))  # no class lies on top of the others
    size = float(np.clip(4000 / max(len(points), 1), 6, 36))
    for marker in dict.fromkeys(marker for _, marker in looks.values()):
        own = [i for i in order if looks[names[i]][1] == marker]
        axes.scatter(
            *points[own].T,
            c=[looks[names[i]][0] for i in own],
            marker=marker,
            s=size,
            alpha=0.7,
            linewidths=0,
        )
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set(xlabel=method, aspect="auto")
    axes.xaxis.label.set_color(MUTED)
    if len(different) <= MOST_NAMES:
        handles = [
            Line2D([], [], linestyle="", marker=marker, color=color, label=name)
            for name, (color, marker) in looks.items()
        ]
        figure.legend(
            handles=handles, title=legend or None, loc="outside right upper", fontsize=8, ncols=1 + len(handles) // 18
        )
    elif legend:
        axes.text(0.99, 0.99, f"{len(different)} different: {legend}", transform=axes.transAxes, ha="right", va="top")
    if title:
        axes.set_title(title)
    return figure
