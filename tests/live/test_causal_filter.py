"""Filters with a state: equal whatever the chunks, inside the contract's band, with the delay they state."""

import numpy as np
import pytest

from dare_eeg_hf.live.causal_filter import CausalFilter
from dare_eeg_hf.signal_dare_eeg import filter_and_resample
from tests.live.played import eeg_like

RATES = (128, 160, 250, 256, 500, 1000)


def contract(channels: int, rate: float, line: float | None = 50.0) -> CausalFilter:
    return CausalFilter(channels, rate, 256, 0.5, 75.0, line)


@pytest.mark.parametrize("rate", RATES)
def test_chunks_of_any_size_give_the_same_samples(rate):
    rng = np.random.default_rng(rate)
    signal = eeg_like(8, rate, channels=3)
    running = contract(3, rate)
    whole = running(signal)
    running.reset()
    cuts = np.cumsum(rng.integers(0, 70, size=1000))
    parts = [running(part) for part in np.split(signal, cuts[cuts < signal.shape[1]], axis=1)]
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, atol=1e-9)
    assert abs(whole.shape[1] - 8 * 256) <= 1


@pytest.mark.parametrize("rate", RATES)
def test_it_passes_the_band_and_stops_the_rest(rate):
    seconds = 20
    times = np.arange(seconds * rate) / rate

    def gain(frequency: float) -> float:
        filtered = contract(1, rate)(np.sin(2 * np.pi * frequency * times)[None])[0, 10 * 256 :]
        return float(np.sqrt(2) * filtered.std())

    inside = [frequency for frequency in (1, 4, 10, 30, 40) if frequency < rate / 2.5]
    assert all(0.85 < gain(frequency) < 1.05 for frequency in inside), {each: gain(each) for each in inside}
    assert gain(0.05) < 0.25
    if rate > 110:
        assert gain(50) < 0.05
    if rate >= 500:
        assert gain(150) < 0.06
        assert gain(200) < 0.02  # it would appear as 56 Hz


@pytest.mark.parametrize("rate", [160, 256, 500])
def test_the_delay_is_as_stated(rate):
    rng = np.random.default_rng(0)
    times = np.arange(20 * rate) / rate
    envelope = np.exp(-((times - 12) ** 2) / 0.5)
    burst = (envelope * np.sin(2 * np.pi * 10 * times + rng.uniform(0, 6)))[None]
    running = contract(1, rate)
    late, offline = running(burst)[0], filter_and_resample(burst.astype(np.float32), rate, 256, highpass=0.5)[0]
    samples = min(len(late), len(offline))
    lags = np.arange(0, 60)
    likeness = [late[lag:samples] @ offline[: samples - lag] for lag in lags]
    assert lags[int(np.argmax(likeness))] / 256 == pytest.approx(running.delay_at(10.0), abs=1.5 / 256)
    assert running.delay_at(10.0) < 0.06


def test_an_electrodes_offset_makes_no_transient():
    signal = eeg_like(10, 250, channels=4)
    shifted = contract(4, 250)(signal + 40_000)
    np.testing.assert_allclose(shifted[:, 512:], contract(4, 250)(signal)[:, 512:], atol=1e-3)
    assert np.abs(shifted).max() < 500


def test_after_a_reset_nothing_of_the_past_is_left():
    running = contract(2, 500)
    fresh = running(eeg_like(3, 500, channels=2, seed=1))
    running.reset()
    running(1e5 * np.ones((2, 777)))
    running.reset()
    np.testing.assert_array_equal(running(eeg_like(3, 500, channels=2, seed=1)), fresh)


def test_no_samples_give_no_samples():
    assert contract(3, 250)(np.zeros((3, 0))).shape == (3, 0)
