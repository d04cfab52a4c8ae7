"""Values at the electrodes, drawn over the head."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Ellipse, Polygon
from matplotlib.patheffects import withStroke

from dare_eeg_hf.visualization.style import styled

# With fewer electrodes a map would mostly show the interpolation, so they are drawn as dots.
MIN_CHANNELS_TO_INTERPOLATE = 8
# More names than this cannot be read.
MAX_NAMED_ELECTRODES = 64
# Values that differ by less than this share of the largest one get no full range of colours: it would show noise.
SMALLEST_RANGE = 0.05


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
    for drawn in [*axes.images, *axes.collections]:
        if drawn.get_zorder() < rim.get_zorder():
            drawn.set_clip_path(rim)
    nose = [[-0.1, 0.995], [0, 1.12], [0.1, 0.995]]
    axes.add_patch(Polygon(nose, closed=False, fill=False, color="black", linewidth=1.2))
    for side in (-1, 1):
        axes.add_patch(Ellipse((side * 1.03, 0), 0.09, 0.34, fill=False, color="black", linewidth=1.2, zorder=0))
    axes.set(xlim=(-1.25, 1.25), ylim=(-1.15, 1.25), aspect="equal")
    axes.axis("off")


def _colors(data: np.ndarray) -> tuple[str, Normalize]:
    """A diverging scale that is white at zero for values of both signs, else one from the lowest to the highest."""
    low, high = float(data.min()), float(data.max())
    if low < 0 < high:
        return "RdBu_r", Normalize(-max(-low, high), max(-low, high))
    smallest = max(SMALLEST_RANGE * max(-low, high), np.finfo(float).tiny)
    if high - low < smallest:
        low, high = (low + high - smallest) / 2, (low + high + smallest) / 2
    return ("viridis" if high > 0 else "viridis_r"), Normalize(low, high)


@styled
def plot_scalp_map(values: Mapping[str, float], title: str = "", unit: str = "") -> Figure:
    """Draw one value per electrode over the head, nose up; from eight electrodes on, interpolated between them.

    Args:
        values: Electrode name (of the 10-10 system) to value.
        title: Figure title.
        unit: Label of the colour bar.

    Values of both signs get a diverging scale that is white at zero; values of one sign a scale from the lowest to the
    highest of them, so that it need not begin at zero. Between electrodes the map is MNE's smooth interpolation, and
    towards the rim of the head its extrapolation, which no electrode has measured.

    Raises:
        ValueError: There is no electrode, or one without a place in the 10-05 system.
    """
    import mne

    if not values:
        raise ValueError("There is no electrode to draw.")
    names = list(values)
    data = np.array([values[name] for name in names], dtype=float)
    positions = scalp_positions(names)
    colormap, norm = _colors(data)
    figure = Figure(figsize=(5.2, 4.4), layout="constrained")
    axes = figure.subplots()
    few = len(names) < MIN_CHANNELS_TO_INTERPOLATE
    if few:
        image = axes.scatter(*positions.T, c=data, cmap=colormap, norm=norm, s=220, edgecolors="black", zorder=5)
    else:
        image, _ = mne.viz.plot_topomap(
            data,
            positions,
            axes=axes,
            cmap=colormap,
            cnorm=norm,
            sphere=1.0,
            outlines=None,
            extrapolate="head",
            border="mean",
            image_interp="cubic",
            contours=4,
            sensors="k.",
            res=200,
            show=False,
        )
    _draw_head(axes)
    if len(names) <= MAX_NAMED_ELECTRODES:
        for name, place in zip(names, positions, strict=True):
            offset, size = (14, 8) if few else (4, 7 if len(names) <= 32 else 5)
            text = axes.annotate(
                name, place, (0, offset), textcoords="offset points", ha="center", fontsize=size, zorder=6
            )
            text.set_path_effects([withStroke(linewidth=1.6, foreground="white")])
    figure.colorbar(image, ax=axes, shrink=0.7, label=unit)
    if title:
        axes.set_title(title, loc="center")
    return figure
