"""Scalp maps are drawn for one to all channels, and name a channel without a place."""

import numpy as np
import pytest

from dare_eeg_hf import visualization
from dare_eeg_hf.montage import CHANNEL_VOCABULARY
from dare_eeg_hf.visualization.scalp import scalp_positions
from tests.visualization.conftest import render


@pytest.mark.parametrize("channels", [1, 3, 8, 62])
def test_scalp_map_is_drawn_from_one_to_all_channels(rng, channels):
    values = {name: float(rng.normal()) for name in CHANNEL_VOCABULARY[-channels:]}
    figure = visualization.plot_scalp_map(values, title="Importance", unit="probability")
    assert figure.axes[1].get_ylabel() == "probability"
    assert render(figure)


def test_scalp_positions_are_a_head_seen_from_above():
    places = dict(zip(CHANNEL_VOCABULARY, scalp_positions(CHANNEL_VOCABULARY), strict=True))
    assert np.hypot(*places["CZ"]) < 0.1
    assert places["FPZ"][1] > 0.6
    assert places["OZ"][1] < -0.6
    assert places["T7"][0] < -0.7
    assert places["T8"][0] > 0.7
    assert all(np.hypot(*place) < 1 for place in places.values())


def test_a_channel_without_a_place_is_named():
    with pytest.raises(ValueError, match="XYZ"):
        visualization.plot_scalp_map({"CZ": 1.0, "XYZ": 2.0})


def test_colours_span_the_values_and_zero_is_white_only_between_two_signs():
    names = CHANNEL_VOCABULARY[:19]

    def scale(values):
        figure = visualization.plot_scalp_map(dict(zip(names, values, strict=True)))
        image = figure.axes[0].images[0]
        return image.norm.vmin, image.norm.vmax, image.cmap.name

    assert scale(np.linspace(0.8, 0.95, 19)) == pytest.approx((0.8, 0.95, "viridis"))
    assert scale(np.linspace(-1, 2, 19)) == pytest.approx((-2, 2, "RdBu_r"))
    low, high, _ = scale(np.linspace(1, 1 + 1e-9, 19))
    assert high - low == pytest.approx(0.05)  # rounding is not drawn as a pattern
    assert scale(np.zeros(19))[0] < scale(np.zeros(19))[1]


def test_electrodes_are_named_up_to_a_full_cap():
    values = {name: 1.0 + number for number, name in enumerate(CHANNEL_VOCABULARY[:62])}
    figure = visualization.plot_scalp_map(values)
    assert {text.get_text() for text in figure.axes[0].texts} >= set(values)
