"""Electrodes that are there and that are missing."""

import pytest
from matplotlib.colors import to_rgb

from dare_eeg_hf.visualization.electrodes import plot_electrodes
from tests.visualization.conftest import render


def test_missing_electrodes_are_empty():
    figure = plot_electrodes(["C3", "CZ"], ["O1"], "S001.edf")
    faces = [tuple(face[:3]) for face in figure.axes[0].collections[0].get_facecolors()]
    assert [face == to_rgb("white") for face in faces] == [False, False, True]
    assert [text.get_text() for text in figure.axes[0].texts] == ["C3", "CZ", "O1"]
    assert render(figure)
    with pytest.raises(ValueError, match="no electrode"):
        plot_electrodes([], [])
