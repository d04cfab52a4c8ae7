"""Predictions are drawn in the order of time, for few and many classes."""

import numpy as np

from dare_eeg_hf import visualization
from tests.visualization.conftest import render


def test_predictions_are_sorted_in_time_and_break_at_gaps():
    probabilities = np.array([[0.1, 0.9], [0.8, 0.2], [0.7, 0.3]])
    figure = visualization.plot_predictions([20.0, 0.0, 4.0], probabilities, ["rest", "task"], ["task", "rest", ""])
    first = figure.axes[0].lines[0].get_ydata()
    np.testing.assert_array_equal(first, [0.8, 0.8, 0.8, 0.7, 0.7, np.nan, 0.1, 0.1, np.nan])
    assert len(figure.axes) == 3
    assert len(figure.axes[1].patches) == 3
    assert len(figure.axes[2].patches) == 2
    assert render(figure)


def test_many_classes_become_a_heat_map(rng):
    figure = visualization.plot_predictions(np.arange(5.0), rng.dirichlet(np.ones(9), 5), [str(k) for k in range(9)])
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == [str(k) for k in range(9)]
    assert render(figure)
