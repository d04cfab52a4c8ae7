"""One value per person: who was told apart, and how well."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from dare_eeg_hf.visualization.style import MUTED, OKABE_ITO, styled

MOST_NAMES = 80
"""With more people, they are drawn without their names."""


@styled
def plot_people(
    values: Mapping[str, Mapping[str, float]], chance: float | None = None, title: str = "", label: str = ""
) -> Figure:
    """Draw a row of dots per person, the person with the highest value of the first contestant on top.

    Args:
        values: contestant -> person -> value; the first contestant is drawn larger and orders the people.
        chance: where a line is drawn.
        title: figure title.
        label: what the values are, for the axis.
    """
    if not values or not next(iter(values.values())):
        raise ValueError("There is nobody to draw.")
    first, *others = values
    people = sorted(values[first], key=lambda person: (values[first][person], person))
    places = np.arange(len(people))
    named = len(people) <= MOST_NAMES
    height = 1.3 + (0.2 if named else 0.06) * len(people)
    figure = Figure(figsize=(6.8, min(max(height, 2.2), 22)), layout="constrained")
    axes = figure.subplots()
    axes.hlines(places, 0, 1, color="#EEEEEE", linewidth=1, zorder=0)
    if chance is not None:
        axes.axvline(chance, color=MUTED, linestyle="--", linewidth=1, zorder=1)
        axes.text(chance, len(people) - 0.4, " chance", color=MUTED, fontsize=8, va="bottom", ha="left")
    for contestant, color in zip(reversed(others), reversed(OKABE_ITO[1 : 1 + len(others)]), strict=False):
        of_each = [values[contestant].get(person, np.nan) for person in people]
        axes.plot(of_each, places, "o", color=color, markersize=4, alpha=0.75, label=contestant, zorder=2)
    axes.plot(
        [values[first][person] for person in people],
        places,
        "o",
        color=OKABE_ITO[0],
        markersize=8,
        markeredgecolor="white",
        label=first,
        zorder=3,
    )
    if named:
        axes.set_yticks(places, people)
        axes.tick_params(axis="y", length=0)
    else:
        axes.set_yticks([])
        axes.set_ylabel(f"{len(people)} people")
    axes.set(xlabel=label, xlim=(-0.02, 1.02), ylim=(-0.7, len(people) + 0.1))
    handles, names = axes.get_legend_handles_labels()
    figure.legend(handles[::-1], names[::-1], loc="outside lower center", ncols=2, fontsize=8)
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
    return figure
