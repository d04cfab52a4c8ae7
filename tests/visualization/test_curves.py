"""Curves over steps, overlaps and sizes show what they were given."""

import numpy as np
import pytest

from dare_eeg_hf import visualization
from tests.visualization.conftest import render


def test_loss_curves_have_one_panel_a_loss_and_both_splits(rng):
    records = [
        {"step": step, "split": "train", "loss": 2.0 / (step + 1), "loss_anchor": rng.random(), "learning_rate": 1e-4}
        for step in range(60)
    ] + [{"step": step, "split": "validation", "loss": 1.0} for step in (20, 40)]
    figure = visualization.plot_loss_curves(records)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["Total", "Anchor"]
    assert {text.get_text() for text in figure.axes[0].get_legend().get_texts()} == {"train", "validation"}
    assert render(figure)
    with pytest.raises(ValueError, match="None of the records"):
        visualization.plot_loss_curves([{"step": 1}])


def test_invariance_curve_draws_every_series():
    curve = [
        {"overlap": overlap, "similarity": 0.5 + overlap / 2, "similarity_std": 0.1, "other_similarity": 0.1, "n": 3}
        for overlap in (0.8, 0.2, 0.5)
    ]
    axes = visualization.plot_invariance(curve).axes[0]
    assert [line.get_label() for line in axes.lines] == ["similarity", "other similarity"]
    np.testing.assert_allclose(axes.lines[0].get_xdata(), [0.2, 0.5, 0.8])
    assert "Overlap" in axes.get_xlabel()


@pytest.mark.parametrize(("label", "inside"), [("nano", True), ("a name as long as those of baselines are", False)])
def test_curves_name_their_lines_where_they_hide_nothing(label, inside):
    panel = visualization.Panel([visualization.Curve([0, 1], [0.5, 0.7], label)], level=0.5, ticks=["256", "128"])
    figure = visualization.plot_curves([panel, panel, panel], columns=2, share_y=True)
    assert len(figure.axes) == 3
    assert (figure.axes[0].get_legend() is not None) == inside
    assert len(figure.legends) == (not inside)
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == ["256", "128"]
    assert render(figure)
