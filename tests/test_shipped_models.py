"""The checkpoints that come with the repository: they load from a clone, and do what their cards say."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard
from safetensors import safe_open
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from transformers import AutoFeatureExtractor, AutoModel, AutoModelForSequenceClassification, pipeline

from dare_eeg_hf import DareEegForPreTraining
from dare_eeg_hf.adaptation.feature_statistics import of_encoder_alone
from dare_eeg_hf.adaptation.finetuning import predict_probabilities
from dare_eeg_hf.evaluation.corruptions import remove_channels
from dare_eeg_hf.evaluation.metrics import classification_metrics
from dare_eeg_hf.evaluation.tasks import TASKS
from dare_eeg_hf.montage import PRETRAINING_CHANNELS
from dare_eeg_hf.recordings.head_model import TEN_TWENTY
from dare_eeg_hf.recordings.simulation import simulate_recordings

MODEL_CARDS = Path(__file__).resolve().parents[1] / "model_cards"
NANO, EYES_CLASSIFIER = MODEL_CARDS / "dare-eeg-nano", MODEL_CARDS / "dare-eeg-nano-eyes"
LIGHT, BASE = MODEL_CARDS / "dare-eeg-light", MODEL_CARDS / "dare-eeg-base"
MEGABYTES = {NANO: 5, EYES_CLASSIFIER: 5, LIGHT: 6, BASE: 27}


@pytest.mark.parametrize("folder", MEGABYTES, ids=lambda folder: folder.name)
def test_folders_are_complete_small_and_free_of_pickles(folder):
    names = {path.name for path in folder.iterdir()}
    assert {"config.json", "preprocessor_config.json", "model.safetensors", "README.md", "metrics.jsonl"} <= names
    assert not [name for name in names if name.endswith((".bin", ".pt", ".ckpt", ".pkl"))]
    assert sum(path.stat().st_size for path in folder.iterdir()) < MEGABYTES[folder] * 1e6
    card = ModelCard.load(folder / "README.md")
    assert "It does not diagnose" in card.text
    assert card.data.license
    assert json.loads((folder / "model_card.json").read_text())["run"]["arguments"]["seed"] == 0


def test_the_encoder_loads_with_and_without_its_pretraining_parts():
    encoder, whole = AutoModel.from_pretrained(NANO), DareEegForPreTraining.from_pretrained(NANO)
    for name, weight in encoder.state_dict().items():
        assert torch.equal(weight, whole.dare_eeg.state_dict()[name])
    with safe_open(NANO / "model.safetensors", framework="pt") as tensors:
        assert all(torch.isfinite(tensors.get_tensor(name)).all() for name in tensors.keys())  # noqa: SIM118
    extractor = AutoFeatureExtractor.from_pretrained(NANO)
    signal = 20 * np.random.default_rng(0).standard_normal((3, 1000))
    batch = extractor(signal, channel_names=["Fp1", "Cz", "O2"], sampling_rate=250, unit="uV")
    assert encoder(**batch).pooler_output.shape == (1, 256)


@pytest.mark.parametrize("folder", [LIGHT, BASE], ids=lambda folder: folder.name)
def test_the_larger_encoders_load_and_tell_rhythms_apart(folder, tmp_path):
    """A linear classifier of their features learns from every second window and is tested on the others."""
    encoder = AutoModel.from_pretrained(folder)
    assert all(weight.isfinite().all() for weight in encoder.parameters())
    embed = pipeline("eeg-feature-extraction", model=str(folder))
    recordings = simulate_recordings(tmp_path, subjects=1, montage=TEN_TWENTY, seconds=60)
    opened, closed = (of_encoder_alone(embed(path)["features"]) for path in recordings)
    assert opened.shape[1] == 2 * encoder.config.num_summary_tokens * encoder.config.hidden_size
    features, is_closed = np.concatenate([opened, closed]), np.repeat([0, 1], [len(opened), len(closed)])
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.01)).fit(features[::2], is_closed[::2])
    assert classifier.score(features[1::2], is_closed[1::2]) >= 0.8


def probabilities_of(windows):
    model = AutoModelForSequenceClassification.from_pretrained(EYES_CLASSIFIER)
    extractor = AutoFeatureExtractor.from_pretrained(EYES_CLASSIFIER)
    return predict_probabilities(model, extractor, windows)


def classifier_scores(windows):
    return classification_metrics(windows.labels, probabilities_of(windows))


def balanced_accuracy(windows):
    return classifier_scores(windows)["balanced_accuracy"]


@pytest.mark.parametrize(("seed", "montage", "rate"), [(1, TEN_TWENTY, 200), (2, PRETRAINING_CHANNELS, 160)])
def test_the_classifier_is_right_on_nine_of_ten_simulated_windows_of_each_kind(seed, montage, rate, tmp_path):
    simulate_recordings(tmp_path, subjects=6, montage=montage, sampling_rate=rate, seed=seed, seconds=40)
    assert share_right(tmp_path) >= 0.9


def test_the_classifier_is_right_on_the_examples_of_the_space(tmp_path):
    simulate_recordings(tmp_path, subjects=1, seconds=60)
    assert share_right(tmp_path) >= 0.9


def share_right(folder):
    """Of the windows with open or with closed eyes, whichever is less."""
    windows = TASKS["eyes-eegmmidb"].read(folder)
    right = probabilities_of(windows).argmax(1) == windows.labels
    return min(right[windows.labels == kind].mean() for kind in (0, 1))


def test_the_classifier_knows_the_electrodes_it_was_trained_with(tmp_path):
    montage = "Fp1 Fp2 F7 F3 Fz F4 F8 T3 C3 Cz C4 T4 T5 P3 Pz P4 T6 O1 O2".split()
    recording = simulate_recordings(tmp_path, subjects=1, montage=montage, seconds=10)[0]
    report = pipeline("eeg-classification", model=str(EYES_CLASSIFIER))(recording).report
    assert report.electrodes == "19 of the 60 electrodes the classifier was trained with are present"
    report = pipeline("eeg-feature-extraction", model=str(NANO))(recording).report
    assert report.electrodes == "19 of the 58 electrodes the encoder was trained with are present"


def test_the_classifier_on_a_person_it_was_not_trained_on_whole_and_with_half_of_the_channels(shared):
    windows = TASKS["eyes-eegmmidb"].read(shared("data/eegmmidb/S003"))
    whole = balanced_accuracy(windows)
    assert whole > 0.85
    halves = [balanced_accuracy(remove_channels(windows, 0.5, np.random.default_rng(seed))) for seed in range(3)]
    assert np.mean(halves) - 0.5 >= 0.9 * (whole - 0.5)


def test_the_classifier_on_another_device_is_as_good_as_its_card_says(shared):
    """22 people with a headset of 14 electrodes: 0.64, and 0.73 as area under the ROC curve."""
    windows = TASKS["eyes-guinea-bissau"].load(shared("data"))
    scores = classifier_scores(windows)
    assert scores["balanced_accuracy"] == pytest.approx(0.64, abs=0.01)
    assert scores["auroc"] == pytest.approx(0.73, abs=0.01)
