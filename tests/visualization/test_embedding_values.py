"""Windows coloured by a number."""

import numpy as np
import pytest

from dare_eeg_hf.visualization.embedding_values import plot_embedding_values
from tests.visualization.conftest import render


def test_each_window_has_the_colour_of_its_number(rng):
    figure = plot_embedding_values(rng.normal(size=(20, 2)), np.arange(20), "night.edf", "onset (min)", "PCA")
    assert sorted(figure.axes[0].collections[0].get_array()) == list(range(20))
    assert figure.axes[1].get_ylabel() == "onset (min)"
    assert render(figure)
    with pytest.raises(ValueError, match="19 numbers go with as many points"):
        plot_embedding_values(rng.normal(size=(20, 2)), np.arange(19))
