"""The baselines find what they are made for, and nothing in noise."""

import tracemalloc

import numpy as np
import pytest
import torch
from sklearn.pipeline import make_pipeline

from dare_eeg_hf.adaptation.feature_classifier import feature_classifier
from dare_eeg_hf.evaluation.baselines import (
    BandPower,
    EEGNet,
    EEGNetClassifier,
    chance,
    filter_in_time,
    tangent_space,
)

RATE = 128.0


def rhythm_windows(count, frequency=10.0, strength=1.5, seed=0):
    """Label 1 has a rhythm in the second half of the channels."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    signals = random.normal(size=(count, 6, 256)) * 0.02
    time_axis = np.arange(256) / RATE
    for window, label in zip(signals, labels, strict=True):
        window[3:] += label * strength * 0.02 * np.sin(2 * np.pi * frequency * time_axis + random.uniform(0, 6))
    return signals.astype(np.float32), labels


def test_band_power_puts_a_rhythm_into_its_band():
    signals, _ = rhythm_windows(20, frequency=10, strength=5)
    features = BandPower(RATE).fit(signals).transform(signals).reshape(20, 5, 6)  # delta theta alpha beta gamma
    rise = features[1::2].mean(axis=0) - features[::2].mean(axis=0)
    assert rise[2, 3:].min() > 1.0
    assert abs(rise[[0, 3, 4]]).max() < 0.3
    assert abs(rise[:, :3]).max() < 0.3


def test_bands_above_the_nyquist_frequency_and_below_the_resolution_are_left_out():
    assert BandPower(20).transform(np.random.default_rng(0).normal(size=(2, 3, 10))).shape[1] % 3 == 0
    assert np.isfinite(BandPower(RATE).transform(np.zeros((2, 3, 64)))).all()


def test_band_power_needs_less_memory_than_the_windows():
    signals = np.random.default_rng(0).normal(size=(4_000, 4, 512)).astype(np.float32)
    tracemalloc.start()
    features = BandPower(RATE).transform(signals)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < signals.nbytes
    np.testing.assert_array_equal(features[1_500], BandPower(RATE).transform(signals[1_500:1_501])[0])


@pytest.mark.parametrize("features", [lambda: BandPower(RATE), tangent_space], ids=["band power", "riemann"])
def test_classical_baselines_generalise_to_new_subjects(features):
    signals, labels = rhythm_windows(80)
    subjects = np.repeat([f"s{i}" for i in range(8)], 10)
    model = make_pipeline(features(), feature_classifier(subjects)).fit(signals, labels)
    unseen, truth = rhythm_windows(40, seed=1)
    assert model.score(unseen, truth) > 0.9
    noise = np.random.default_rng(2).normal(size=unseen.shape)
    model = make_pipeline(features(), feature_classifier(subjects)).fit(
        np.random.default_rng(3).normal(size=signals.shape), labels
    )
    assert 0.2 < model.score(noise, truth) < 0.8


def test_riemann_takes_average_referenced_windows():
    signals, labels = rhythm_windows(40)
    signals -= signals.mean(axis=1, keepdims=True)
    assert make_pipeline(tangent_space(), feature_classifier()).fit(signals, labels).score(signals, labels) > 0.9


def test_chance_is_one_over_classes():
    model = chance().fit(np.zeros((6, 2, 4)), [0, 0, 0, 1, 1, 2])
    assert set(model.predict(np.zeros((4, 2, 4)))) == {0}


def test_eegnet_learns_repeats_itself_and_holds_its_norms():
    signals, labels = rhythm_windows(64, strength=3)
    validation = rhythm_windows(32, strength=3, seed=1)
    unseen, truth = rhythm_windows(32, strength=3, seed=2)
    first, second = (EEGNetClassifier(RATE, epochs=15, batch_size=16).fit(signals, labels, validation) for _ in "ab")
    assert (first.predict(unseen) == truth).mean() > 0.85
    np.testing.assert_array_equal(first.predict_proba(unseen), second.predict_proba(unseen))
    assert first.model_.spatial.weight.flatten(1).norm(dim=1).max() <= 1 + 1e-4
    assert first.model_.classifier.weight.norm(dim=1).max() <= 0.25 + 1e-4


def test_eegnet_filters_channels_and_time_like_the_published_order():
    """Space before time is the same as time before space without the normalisation in between."""
    network = EEGNet(5, 128, 2).eval()
    windows = torch.randn(3, 5, 128)
    filters = network.temporal.weight  # (8, 1, 64)
    in_time = torch.nn.functional.conv2d(windows[:, None], filters[:, None], padding="same")  # (B, 8, C, T)
    weights = network.spatial.weight.view(8, 2, 5)
    published = torch.einsum("bfct,fdc->bfdt", in_time, weights).flatten(1, 2)
    ours = filter_in_time(network.spatial(windows), filters[:, 0].repeat_interleave(2, dim=0))
    torch.testing.assert_close(ours, published, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("samples", "size"), [(1, 64), (40, 64), (64, 64), (500, 64), (500, 15)])
def test_filtering_by_fourier_transforms_is_a_convolution(samples, size):
    signals, filters = torch.randn(3, 4, samples), torch.randn(4, size)
    expected = torch.nn.functional.conv1d(signals, filters[:, None], padding="same", groups=4)
    torch.testing.assert_close(filter_in_time(signals, filters), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("samples", [1, 3, 20, 500])
def test_eegnet_takes_windows_of_any_length(samples):
    assert EEGNet(3, samples, 4)(torch.randn(2, 3, samples)).shape == (2, 4)
