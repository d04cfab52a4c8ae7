"""Values at the electrodes, drawn over the head."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Polygon
from matplotlib.patheffects import withStroke

from dare_eeg_hf.visualization.style import styled

# With fewer electrodes a map would mostly show the interpolation, so they are drawn as dots.
MIN_CHANNELS_TO_INTERPOLATE = 8


def scalp_positions(names: Sequence[str]) -> np.ndarray:
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


@styled
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
    positions = scalp_positions(names)
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
