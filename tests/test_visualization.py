"""Every figure is drawn for the sizes people bring, carries its units, and shows what it was given."""

import io

import numpy as np
import pytest

from dare_eeg_hf import visualization
from dare_eeg_hf.montage import CHANNEL_VOCABULARY
from dare_eeg_hf.visualization.scalp import scalp_positions
from dare_eeg_hf.visualization.signals import MAX_POINTS_PER_TRACE


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def render(figure) -> bytes:
    """Return the PNG, so that a figure that cannot be drawn fails here."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=40)
    return buffer.getvalue()


@pytest.mark.parametrize("channels", [1, 3, 62])
def test_traces_name_every_channel_and_the_scale(rng, channels):
    names = CHANNEL_VOCABULARY[:channels]
    figure = visualization.plot_traces(rng.normal(0, 20, (channels, 512)), names, 256.0, onset=8.0)
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == list(names)
    assert axes.get_xlim() == (8.0, 10.0)
    assert axes.get_xlabel() == "Time (s)"
    assert any("µV" in text.get_text() for text in axes.texts)
    assert render(figure).startswith(b"\x89PNG")


def test_long_traces_keep_their_spikes_and_read_in_minutes(rng):
    signal = rng.normal(0, 10, (2, 600 * 128))
    signal[0, 40_000] = 25 * 10
    figure = visualization.plot_traces(signal, ["CZ", "PZ"], 128.0)
    first = figure.axes[0].lines[0].get_ydata()
    assert len(first) <= MAX_POINTS_PER_TRACE * 1.1
    assert first.max() == pytest.approx(1.5)
    assert figure.axes[0].get_xlabel() == "Time (min)"


def test_a_loose_electrode_goes_behind_the_others(rng):
    signal = rng.normal(0, 10, (4, 512))
    signal[2] *= 100
    lines = visualization.plot_traces(signal, CHANNEL_VOCABULARY[:4], 256.0).axes[0].lines[:4]
    assert [line.get_zorder() for line in lines] == [2, 2, 1, 2]


def test_traces_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"2 channels, samples\), got \(3, 5\)"):
        visualization.plot_traces(np.zeros((3, 5)), ["CZ", "PZ"], 256.0)


def test_a_dollar_sign_in_a_name_is_text_and_not_mathematics(rng):
    assert render(visualization.plot_traces(rng.normal(size=(1, 64)), ["$\\frac{"], 256.0))
    assert render(visualization.plot_predictions([0.0], np.ones((1, 1)), ["$\\frac{"]))


def test_spectrum_peaks_where_the_signal_does():
    times = np.arange(2560) / 256
    figure = visualization.plot_spectrum({"alpha": np.tile(np.sin(2 * np.pi * 10 * times), (3, 1))}, {"alpha": 256.0})
    frequencies, decibels = figure.axes[0].lines[0].get_data()
    assert frequencies[np.argmax(decibels)] == pytest.approx(10.0)
    assert "µV²/Hz" in figure.axes[0].get_ylabel()
    assert render(figure)


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


@pytest.mark.parametrize("channels", [1, 58])
def test_reconstruction_shades_what_the_encoder_saw(rng, channels):
    window = rng.normal(size=(channels, 1024))
    mask = np.zeros((16, channels), dtype=bool)
    mask[3, 0] = True
    reconstruction = np.where(np.arange(1024) < 512, window, np.nan)
    figure = visualization.plot_reconstruction(window, reconstruction, mask, CHANNEL_VOCABULARY[:channels], 256.0)
    shaded = np.ma.filled(figure.axes[0].collections[0].get_array(), 0)
    assert shaded.sum() == 1
    assert shaded[0, 3] == 1
    assert render(figure)
    with pytest.raises(ValueError, match="mask"):
        visualization.plot_reconstruction(window, reconstruction, mask[:7], CHANNEL_VOCABULARY[:channels], 256.0)


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
