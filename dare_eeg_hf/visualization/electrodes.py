"""Which electrodes are there and which are not, drawn over the head."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from dare_eeg_hf.visualization.scalp import _draw_head, scalp_positions
from dare_eeg_hf.visualization.style import MUTED, OKABE_ITO, styled


@styled
def plot_electrodes(present: Sequence[str], missing: Sequence[str], title: str = "") -> Figure:
    """Draw the electrodes that are present filled and those that are missing empty, nose up.

    Args:
        present, missing: Names of the 10-10 system.
        title: Figure title.

    Raises:
        ValueError: There is no electrode, or one without a place in the 10-05 system.
    """
    names = [*present, *missing]
    if not names:
        raise ValueError("There is no electrode to draw.")
    places = scalp_positions(names)
    figure = Figure(figsize=(5.0, 4.6), layout="constrained")
    axes = figure.subplots()
    faces = [OKABE_ITO[0]] * len(present) + ["white"] * len(missing)
    edges = [OKABE_ITO[0]] * len(present) + ["#B0B0B0"] * len(missing)
    axes.scatter(*places.T, s=290, c=faces, edgecolors=edges, linewidths=1.0, zorder=5)
    for name, place, face in zip(names, places, faces, strict=True):
        color = MUTED if face == "white" else "white"
        axes.text(*place, name, ha="center", va="center", fontsize=5.5, color=color, zorder=6)
    _draw_head(axes)
    if title:
        axes.set_title(title, loc="center")
    return figure
