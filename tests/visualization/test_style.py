"""Text in figures is text."""

import numpy as np

from dare_eeg_hf import visualization
from tests.visualization.conftest import render


def test_a_dollar_sign_in_a_name_is_text_and_not_mathematics(rng):
    assert render(visualization.plot_traces(rng.normal(size=(1, 64)), ["$\\frac{"], 256.0))
    assert render(visualization.plot_predictions([0.0], np.ones((1, 1)), ["$\\frac{"]))
