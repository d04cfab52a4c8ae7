"""Fine-tuning: every mode learns, selects on validation only, saves what loads, and refuses what cannot work."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import AutoFeatureExtractor, AutoModelForSequenceClassification, Trainer, TrainingArguments

from dare_eeg_hf import DareEegModel
from dare_eeg_hf.adaptation.classifier_setup import build_classifier, prepare_inputs
from dare_eeg_hf.adaptation.finetuning import (
    MODES,
    FinetuningArguments,
    checkpoint_name,
    finetune,
    predict_probabilities,
)
from dare_eeg_hf.optimization import layerwise_parameter_groups
from tests.adaptation.conftest import CHANNELS, accuracy, easy_windows, quick, tiny_config


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_learns_and_the_saved_classifier_predicts_the_same(mode, tmp_path):
    windows, validation, unseen = easy_windows(), easy_windows(seed=1, count=16), easy_windows(seed=2)
    settings = {"learning_rate": 5e-3} if mode in ("full", "lora") else {}
    spatial = {} if mode == "linear" else {"spatial_projection": True}
    arguments = quick(output_dir=tmp_path, mode=mode, **settings, **spatial)
    result = finetune(tiny_config(), windows, validation, arguments, progress=False)
    assert accuracy(result, unseen) >= 0.8

    model = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    extractor = AutoFeatureExtractor.from_pretrained(tmp_path)
    reloaded = predict_probabilities(model, extractor, unseen)
    expected = predict_probabilities(result.model, result.feature_extractor, unseen)
    np.testing.assert_allclose(reloaded, expected, atol=1e-6)
    assert model.config.id2label == {0: "class 0", 1: "class 1"}
    assert len(model.config.electrode_names) == len(CHANNELS)
    assert {p.suffix for p in tmp_path.iterdir()} <= {".json", ".safetensors", ".jsonl"}
    facts = json.loads((tmp_path / "finetuning.json").read_text())
    assert facts["arguments"]["seed"] == 0
    assert facts["checkpoint"] == "random weights"
    assert facts["metrics"]["trainable_parameters"] == result.metrics["trainable_parameters"]


def test_the_start_of_fine_tuning_is_named_without_its_place_on_the_disk(tmp_path, monkeypatch):
    (tmp_path / "runs" / "nano").mkdir(parents=True)
    assert checkpoint_name(tmp_path / "runs" / "nano") == "nano"
    monkeypatch.chdir(tmp_path / "runs" / "nano")
    assert checkpoint_name(".") == "nano"
    assert checkpoint_name("org/dare-eeg-nano") == "org/dare-eeg-nano"


def test_frozen_modes_leave_the_encoder_alone_and_the_others_do_not(tiny_encoder):
    before = DareEegModel.from_pretrained(tiny_encoder).state_dict()
    for mode in MODES:
        result = finetune(tiny_encoder, easy_windows(), None, quick(mode=mode, epochs=2), progress=False)
        after = result.model.dare_eeg.state_dict()
        changed = any(not torch.equal(before[name], after[name]) for name in before)
        assert set(after) == set(before)
        assert changed == (mode in ("full", "lora")), mode


def test_same_seed_same_bits_other_seed_other_weights_and_callers_randomness_untouched():
    windows = easy_windows(16)
    torch.manual_seed(7)
    state = torch.random.get_rng_state()
    runs = [finetune(tiny_config(), windows, None, quick(epochs=3, seed=s), progress=False) for s in (0, 0, 1)]
    assert torch.equal(torch.random.get_rng_state(), state)
    first, again, other = (run.model.state_dict() for run in runs)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_layerwise_decay_shrinks_towards_the_input():
    model, _ = build_classifier(tiny_config(), easy_windows(4), spatial_projection=True)
    model.unfreeze_encoder()
    rate_of = {}
    for group in layerwise_parameter_groups(model, 1.0, 0.01, 0.5):
        for parameter in group["params"]:
            rate_of[parameter] = group["lr"], group["weight_decay"]
    named = {name: rate_of[parameter] for name, parameter in model.named_parameters()}
    assert named["probe.fc1.weight"] == (1.0, 0.01)
    assert named["adapter.spatial.0.weight"] == (1.0, 0.01)
    assert named["dare_eeg.layers.1.mlp.fc1.weight"] == (0.5, 0.01)
    assert named["dare_eeg.layers.0.mlp.fc1.bias"] == (0.25, 0.0)
    assert named["dare_eeg.embeddings.summary_tokens"] == (0.125, 0.01)


def test_works_with_the_transformers_trainer(tmp_path):
    windows = easy_windows(16)
    model, extractor = build_classifier(tiny_config(), windows, spatial_projection=True)
    inputs = prepare_inputs(extractor, windows)
    rows = [
        {"input_values": values, "labels": label}
        for values, label in zip(inputs["input_values"], windows.labels.tolist(), strict=True)
    ]
    arguments = TrainingArguments(
        output_dir=tmp_path, max_steps=3, per_device_train_batch_size=8, use_cpu=True, report_to=[], logging_steps=1
    )
    before = model.probe.fc2.weight.detach().clone()
    outcome = Trainer(model=model, args=arguments, train_dataset=rows, eval_dataset=rows).train()
    assert np.isfinite(outcome.training_loss)
    assert not torch.equal(before, model.probe.fc2.weight)


class TestBadInput:
    """Each mistake is one clear error."""

    def test_one_class_only(self):
        windows = easy_windows(8)
        with pytest.raises(ValueError, match="all training windows have the class 'class 0'"):
            finetune(tiny_config(), windows.select(windows.labels == 0), None, quick())

    def test_a_class_missing_from_training(self):
        windows = easy_windows(12, classes=3)
        with pytest.raises(ValueError, match="no training window has the class class 2"):
            finetune(tiny_config(), windows.select(windows.labels < 2), None, quick())

    def test_fewer_windows_than_classes(self):
        with pytest.raises(ValueError, match="2 training windows are too few for 4 classes"):
            finetune(tiny_config(), easy_windows(8, classes=4).select([0, 1]), None, quick())

    def test_nan(self):
        windows = easy_windows(4)
        windows.signals[2, 3, 5] = np.nan
        with pytest.raises(ValueError, match="window 2, channel C4 contains NaN"):
            windows.select([0, 1, 2])

    def test_validation_from_other_electrodes(self):
        with pytest.raises(ValueError, match="differ in channel_names"):
            finetune(tiny_config(), easy_windows(8), easy_windows(8, channels=CHANNELS[::-1]), quick())

    def test_checkpoint_adapted_to_other_electrodes(self, tmp_path):
        odd = easy_windows(8, channels=["X1", "X2"])
        finetune(tiny_config(), odd, None, quick(epochs=1, output_dir=tmp_path), progress=False)
        with pytest.raises(ValueError, match=r"adapted to the electrodes X1, X2, but these windows have Fp1"):
            finetune(str(tmp_path), easy_windows(8), None, quick())
        finetune(str(tmp_path), odd, None, quick(epochs=1), progress=False)  # the same electrodes are welcome

    def test_unknown_electrodes_without_a_projection(self):
        with pytest.raises(ValueError, match="none of the electrodes X1, X2 is in the model's vocabulary"):
            finetune(tiny_config(), easy_windows(8, channels=["X1", "X2"]), None, quick(mode="linear"))

    def test_wrong_unit(self):
        windows = replace(easy_windows(8), unit="V")
        with pytest.raises(ValueError, match="cannot be EEG in V"):
            finetune(tiny_config(), windows, None, quick())

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"mode": "probing"}, "mode must be one of"),
            ({"epochs": 0}, "epochs must be positive"),
            ({"layer_decay": 1.5}, "layer_decay"),
            ({"mode": "linear", "spatial_projection": True}, "has no projections"),
        ],
    )
    def test_settings(self, settings, message):
        with pytest.raises(ValueError, match=message):
            FinetuningArguments(**settings)
