"""Tiny encoders, windows whose classes are easy to tell apart, and settings that learn them in seconds."""

import mne
import numpy as np
import pytest
import torch

from dare_eeg_hf import DareEegConfig, DareEegFeatureExtractor, DareEegModel
from dare_eeg_hf.adaptation.estimator import DareEegClassifier
from dare_eeg_hf.adaptation.finetuning import FinetuningArguments, predict_probabilities
from dare_eeg_hf.adaptation.labelled_windows import LabelledWindows

CHANNELS = ["Fp1", "C3", "Cz", "C4", "O1", "O2"]
TINY = {
    "hidden_size": 16,
    "num_summary_tokens": 2,
    "num_hidden_layers": 2,
    "predictor_num_hidden_layers": 1,
    "reconstructor_num_hidden_layers": 1,
    "num_attention_heads": 2,
    "initializer_range": 0.3,  # random features then depend on the signal enough to tell easy classes apart
}

CONFIG = DareEegConfig(
    hidden_size=16,
    num_summary_tokens=1,
    num_hidden_layers=1,
    predictor_num_hidden_layers=1,
    reconstructor_num_hidden_layers=1,
    num_attention_heads=2,
    initializer_range=0.2,
)
MOTOR_CHANNELS = ["C3", "Cz", "C4", "Pz"]


def tiny_config(**overrides):
    return DareEegConfig(**(TINY | overrides))


def easy_windows(count=48, channels=CHANNELS, rate=256.0, seconds=1.0, classes=2, seed=0, subjects=4):
    """Class k has a strong rhythm in channel k and nothing else tells classes apart."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    time_axis = np.arange(round(rate * seconds)) / rate
    signals = random.normal(0, 8, (count, len(channels), len(time_axis)))
    for window, label in zip(signals, labels, strict=True):
        window[label] += 120 * np.sin(2 * np.pi * 10 * time_axis + random.uniform(0, 6))
    return LabelledWindows.from_arrays(
        signals,
        labels,
        channel_names=channels,
        sampling_rate=rate,
        unit="uV",
        label_names=[f"class {k}" for k in range(classes)],
        subjects=[f"S{i * subjects // count}" for i in range(count)],
    )


def quick(**settings):
    return FinetuningArguments(**({"epochs": 30, "batch_size": 8, "learning_rate": 2e-2, "patience": 0} | settings))


def accuracy(result, windows, **options):
    predicted = predict_probabilities(result.model, result.feature_extractor, windows, **options).argmax(1)
    return (predicted == windows.labels).mean()


@pytest.fixture(scope="module")
def tiny_encoder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoder")
    with torch.random.fork_rng():
        torch.manual_seed(1)
        DareEegModel(tiny_config()).save_pretrained(folder)
    DareEegFeatureExtractor().save_pretrained(folder)
    return str(folder)


def easy(count=40, seed=0):
    """Windows (count, 4, 128) in microvolts with a strong rhythm on the left or on the right, and which it is."""
    random = np.random.default_rng(seed)
    y = np.array(["left", "right"])[np.arange(count) % 2]
    X = random.normal(0, 8, (count, 4, 128))
    rhythm = 100 * np.sin(2 * np.pi * 12 * np.arange(128) / 128)
    X[y == "left", 0] += rhythm
    X[y == "right", 2] += rhythm
    return X, y


def classifier(**changes):
    settings = {"channel_names": MOTOR_CHANNELS, "sampling_rate": 128.0, "unit": "uV", "epochs": 20, "random_state": 0}
    settings |= {"learning_rate": 2e-2, "spatial_projection": True, "batch_size": 8}
    return DareEegClassifier(CONFIG, **(settings | changes))


def epochs_of(X, y, names=MOTOR_CHANNELS, rate=128.0):
    events = np.column_stack([np.arange(len(X)) * 200, np.zeros(len(X), int), (y == "right") + 1])
    return mne.EpochsArray(X * 1e-6, mne.create_info(list(names), rate, "eeg"), events, verbose="error")
