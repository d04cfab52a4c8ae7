"""Figures of signals are drawn for the sizes people bring, and carry their units."""

import numpy as np
import pytest

from dare_eeg_hf import visualization
from dare_eeg_hf.montage import CHANNEL_VOCABULARY
from dare_eeg_hf.visualization.signals import MAX_POINTS_PER_TRACE
from tests.visualization.conftest import render


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


@pytest.mark.parametrize("seed", range(3))
def test_a_start_up_transient_does_not_set_the_scale(seed):
    rng = np.random.default_rng(seed)
    signal = rng.normal(0, 10, (8, 2560))
    with_transient = signal.copy()
    with_transient[:, :250] += 3000 * np.exp(-np.arange(250) / 60)

    def scale(signals):
        return next(text for text in visualization.plot_traces(signals, CHANNEL_VOCABULARY[:8], 256.0).axes[0].texts)

    assert scale(with_transient).get_text() == scale(signal).get_text()


def test_traces_of_a_channel_without_any_number_are_drawn(rng):
    signal = rng.normal(0, 10, (3, 512))
    signal[1] = np.nan
    assert render(visualization.plot_traces(signal, CHANNEL_VOCABULARY[:3], 256.0))


def test_titles_name_the_file_letter_by_letter(rng):
    signal = rng.normal(0, 10, (2, 512))
    name = "night_$1$.edf"
    traces = visualization.plot_traces(signal, ["CZ", "PZ"], 256.0, title=name)
    spectrum = visualization.plot_spectrum({"a": signal}, 256.0, title=name)
    for figure in (traces, spectrum):
        assert figure.axes[0].get_title("left").replace(r"\$", "$") == name
        assert render(figure)


def test_spectrum_shows_the_band_that_was_kept(rng):
    signal = rng.normal(0, 10, (2, 2560))
    axes = visualization.plot_spectrum({"a": signal}, 256.0, band=(0.5, 45.0)).axes[0]
    assert axes.get_xlim() == (0.5, 45.0)
    frequencies = axes.lines[0].get_xdata()
    assert frequencies.min() == 0.5
    assert frequencies.max() == 45.0


def test_traces_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"2 channels, samples\), got \(3, 5\)"):
        visualization.plot_traces(np.zeros((3, 5)), ["CZ", "PZ"], 256.0)


def test_spectrum_peaks_where_the_signal_does():
    times = np.arange(2560) / 256
    figure = visualization.plot_spectrum({"alpha": np.tile(np.sin(2 * np.pi * 10 * times), (3, 1))}, {"alpha": 256.0})
    frequencies, decibels = figure.axes[0].lines[0].get_data()
    assert frequencies[np.argmax(decibels)] == pytest.approx(10.0)
    assert "µV²/Hz" in figure.axes[0].get_ylabel()
    assert render(figure)


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


def test_a_baseline_is_drawn_beside_the_reconstruction(rng):
    window = rng.normal(size=(2, 128))
    mask = np.array([[True, False], [False, True]])
    figure = visualization.plot_reconstruction(window, window, mask, ["Cz", "Pz"], 256.0, -window, "splines")
    assert len(figure.axes[0].lines) == 3 * 2
    assert [text.get_text() for text in figure.legends[0].get_texts()][-1] == "splines"
    assert render(figure)
