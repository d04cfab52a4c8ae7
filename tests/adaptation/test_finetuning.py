"""Fine-tuning: every mode learns, selects on validation only, saves what loads, and refuses what cannot work."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from transformers import AutoFeatureExtractor, AutoModelForSequenceClassification, Trainer, TrainingArguments

from dare_eeg_hf import DareEegConfig, DareEegFeatureExtractor, DareEegModel
from dare_eeg_hf.adaptation.classifier_inputs import add_channel_subsets, half_of_channels
from dare_eeg_hf.adaptation.classifier_setup import build_classifier, prepare_inputs
from dare_eeg_hf.adaptation.encoder_features import attach_features
from dare_eeg_hf.adaptation.euclidean_alignment import align_signals, align_windows
from dare_eeg_hf.adaptation.finetuning import (
    MODES,
    ClassifierWithLoss,
    FinetuningArguments,
    checkpoint_name,
    finetune,
    predict_probabilities,
)
from dare_eeg_hf.adaptation.labelled_windows import LabelledWindows
from dare_eeg_hf.optimization import layerwise_parameter_groups

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


def test_half_of_the_channels_is_drawn_for_each_window_and_referenced_to_its_own_average():
    values = torch.randn(40, 6, 64)
    mask = torch.ones(40, 6, dtype=torch.bool)
    mask[:, 5] = False  # padding stays padding
    inputs = {"input_values": values, "channel_mask": mask, "channel_ids": torch.arange(6).expand(40, -1)}
    part = half_of_channels(inputs, torch.Generator().manual_seed(0))
    kept = part["channel_mask"]
    assert kept.sum(1).tolist() == [3] * 40
    assert not kept[:, 5].any()
    assert len({tuple(row.tolist()) for row in kept}) > 5
    assert part["input_values"][~kept].abs().max() == 0
    torch.testing.assert_close(part["input_values"].sum(1), torch.zeros(40, 64), atol=1e-5, rtol=0)
    first = kept[0].nonzero().ravel()
    expected = values[0, first] - values[0, first].mean(0)
    torch.testing.assert_close(part["input_values"][0, first], expected)
    with pytest.raises(ValueError, match="at least two electrodes"):
        half_of_channels({"input_values": values[:, :1], "channel_mask": mask[:, :1]}, torch.Generator())


@pytest.mark.parametrize("mode", ["probe", "full"])
def test_channel_subsets_multiply_the_training_windows(mode, tiny_encoder):
    arguments = quick(mode=mode, epochs=1, channel_subsets=2, amplitude_spread=0.3, learning_rate=1e-3)
    result = finetune(tiny_encoder, easy_windows(24), easy_windows(8, seed=1), arguments, progress=False)
    plain = finetune(tiny_encoder, easy_windows(24), None, quick(mode=mode, epochs=1), progress=False)
    assert result.history[0]["step"] == 3 * plain.history[0]["step"]


def test_copies_have_amplitudes_of_their_own(tiny_encoder):
    windows = easy_windows(200)
    model, extractor = build_classifier(tiny_encoder, windows)
    inputs = prepare_inputs(extractor, windows)

    def strength_of_copies(spread):
        arguments = quick(mode="full", channel_subsets=1, amplitude_spread=spread)
        together = add_channel_subsets(inputs, model, extractor, windows, arguments, "cpu")
        assert torch.equal(together["input_values"][:200], inputs["input_values"]), "the windows themselves come first"
        return together["input_values"][200:].square().mean((1, 2)).sqrt()

    factors = strength_of_copies(0.5) / strength_of_copies(0.0)
    assert factors.log().std().item() == pytest.approx(0.5, abs=0.1)


def test_channel_subsets_and_projections_do_not_go_together(tiny_encoder):
    with pytest.raises(ValueError, match="without projections"):
        FinetuningArguments(channel_subsets=1, spatial_projection=True)
    with pytest.raises(ValueError, match="must not be negative"):
        FinetuningArguments(channel_subsets=-1)
    with pytest.raises(ValueError, match="set that too"):
        FinetuningArguments(amplitude_spread=0.3)
    unknown = easy_windows(12, ["A", "B", "C", "D"])
    with pytest.raises(ValueError, match="without projections"):
        finetune(tiny_encoder, unknown, None, quick(channel_subsets=1), progress=False)


def test_frozen_modes_leave_the_encoder_alone_and_the_others_do_not(tiny_encoder):
    before = DareEegModel.from_pretrained(tiny_encoder).state_dict()
    for mode in MODES:
        result = finetune(tiny_encoder, easy_windows(), None, quick(mode=mode, epochs=2), progress=False)
        after = result.model.dare_eeg.state_dict()
        changed = any(not torch.equal(before[name], after[name]) for name in before)
        assert set(after) == set(before)
        assert changed == (mode in ("full", "lora")), mode


@pytest.fixture(scope="module")
def tiny_encoder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoder")
    with torch.random.fork_rng():
        torch.manual_seed(1)
        DareEegModel(tiny_config()).save_pretrained(folder)
    DareEegFeatureExtractor().save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize(
    ("channels", "rate", "seconds"),
    [
        (["EEG 1", "EEG 2", "EEG 3", "EEG 4"], 200.0, 1.0),  # names that say nothing
        (["Cz"], 256.0, 1.0),
        (["A", "B"], 100.0, 2.0),
        (["C3", "Cz", "C4"], 250.0, 1.5),
        (CHANNELS, 160.0, 0.9),  # no whole number of patches
        (CHANNELS, 500.0, 0.5),
    ],
)
def test_any_electrodes_rate_and_length(channels, rate, seconds, tmp_path):
    windows = easy_windows(12, channels, rate, seconds, classes=min(2, len(channels)) if len(channels) > 1 else 1)
    if len(channels) == 1:  # one channel: loud or quiet
        labels = np.arange(12) % 2
        windows = replace(windows, labels=labels, label_names=("quiet", "loud"))
        windows = windows.with_signals(windows.signals * (1 + 2 * labels[:, None, None]))
    result = finetune(tiny_config(), windows, None, quick(epochs=2, output_dir=tmp_path), progress=False)
    probabilities = predict_probabilities(result.model, result.feature_extractor, windows)
    assert probabilities.shape == (12, 2)
    np.testing.assert_allclose(probabilities.sum(1), 1)
    unnamed = not any(name in ("Cz", "C3") for name in channels)
    assert result.model.config.use_spatial_projection == unnamed


def test_same_seed_same_bits_other_seed_other_weights_and_callers_randomness_untouched():
    windows = easy_windows(16)
    torch.manual_seed(7)
    state = torch.random.get_rng_state()
    runs = [finetune(tiny_config(), windows, None, quick(epochs=3, seed=s), progress=False) for s in (0, 0, 1)]
    assert torch.equal(torch.random.get_rng_state(), state)
    first, again, other = (run.model.state_dict() for run in runs)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_best_epoch_on_validation_is_kept_and_training_stops():
    windows, validation = easy_windows(), easy_windows(seed=1, count=16)
    result = finetune(
        tiny_config(),
        windows,
        validation.with_labels(1 - validation.labels),  # learning makes this validation worse
        quick(epochs=30, patience=3, spatial_projection=True, learning_rate=5e-2),
        progress=False,
    )
    scores = [r for r in result.history if r["split"] == "validation"]
    best = max(scores, key=lambda r: (r["balanced_accuracy"], -r["loss"]))
    assert result.metrics["epoch"] == best["epoch"]
    # Stopping waits for the learning rate's maximum, after a fifth of the epochs.
    assert len(scores) == max(best["epoch"] + 3, 6) < 30
    kept = accuracy(result, validation.with_labels(1 - validation.labels))
    assert kept == pytest.approx(best["balanced_accuracy"])


def test_kept_features_give_what_the_whole_model_gives_and_make_seeds_cheap(tiny_encoder):
    """1,000 windows and 20 seeds in seconds: the encoder runs once, each seed trains a probe on what it gave."""
    windows = easy_windows(1000, seconds=1.0)
    model, extractor = build_classifier(tiny_encoder, windows)
    model.freeze_encoder()
    started = time.perf_counter()
    kept = attach_features(model.dare_eeg, extractor, windows)
    results = [
        finetune(tiny_encoder, kept, None, FinetuningArguments(epochs=5, seed=seed), progress=False)
        for seed in range(20)
    ]
    assert time.perf_counter() - started < 60
    chosen = results[3]
    whole = chosen.model(**prepare_inputs(extractor, windows.select(range(32)))).logits.softmax(-1)
    quickly = predict_probabilities(chosen.model, chosen.feature_extractor, kept.select(range(32)))
    np.testing.assert_allclose(quickly, whole.detach().numpy(), atol=1e-5)


def test_labels_are_smoothed_in_the_loss_of_fine_tuning():
    windows = easy_windows(8)
    model, extractor = build_classifier(tiny_config(), windows)
    inputs, labels = prepare_inputs(extractor, windows), torch.from_numpy(windows.labels)
    module = ClassifierWithLoss(model.eval(), label_smoothing=0.1)
    expected = torch.nn.functional.cross_entropy(module.logits(inputs), labels, label_smoothing=0.1)
    torch.testing.assert_close(module(inputs, labels, len(labels)), expected)
    with pytest.raises(ValueError, match="label_smoothing must lie in"):
        FinetuningArguments(label_smoothing=1.0)


def test_features_of_another_encoder_are_not_used(tiny_encoder):
    windows = easy_windows(12)
    other, extractor = build_classifier(tiny_config(num_attention_heads=1), windows)
    stale = attach_features(other.dare_eeg, extractor, windows)
    fresh, misled = (
        finetune(tiny_encoder, data, None, quick(epochs=2), progress=False).model.state_dict()
        for data in (windows, stale)
    )
    assert all(torch.equal(fresh[name], misled[name]) for name in fresh)


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


def test_class_weights_rescue_a_rare_class():
    windows = easy_windows(60)
    rare = windows.select(
        np.concatenate([np.flatnonzero(windows.labels == 0), np.flatnonzero(windows.labels == 1)[:4]])
    )
    unseen = easy_windows(seed=3)
    recalls = {}
    for weighted in (True, False):
        arguments = quick(class_weights=weighted, spatial_projection=True, epochs=8, learning_rate=1e-2)
        result = finetune(tiny_config(), rare, None, arguments, progress=False)
        predicted = predict_probabilities(result.model, result.feature_extractor, unseen)
        recalls[weighted] = predicted[unseen.labels == 1, 1].mean()
    assert recalls[True] > recalls[False] + 0.03


def test_alignment_makes_the_mean_covariance_of_each_session_the_identity():
    random = np.random.default_rng(0)
    signals = random.normal(size=(20, 4, 128)) * np.array([1, 5, 10, 2.0])[:, None]
    signals[10:] = np.einsum("cd,wdt->wct", random.normal(size=(4, 4)), signals[10:])
    signals -= signals.mean(axis=1, keepdims=True)  # average reference: rank 3
    sessions = np.repeat(["a", "b"], 10)
    aligned = align_signals(signals, sessions)
    for session in ("a", "b"):
        covariance = np.einsum("wct,wdt->cd", aligned[sessions == session], aligned[sessions == session]) / (10 * 128)
        np.testing.assert_allclose(np.linalg.eigvalsh(covariance), [0, 1, 1, 1], atol=1e-5)


def test_alignment_knows_no_labels_and_keeps_sessions_apart():
    windows = easy_windows(16, subjects=2)
    aligned = align_windows(windows)
    other_labels = align_windows(windows.with_labels(windows.labels[::-1].copy()))
    np.testing.assert_array_equal(aligned.signals, other_labels.signals)
    alone = align_windows(windows.select(windows.subjects == "S0"))
    np.testing.assert_allclose(alone.signals, aligned.signals[windows.subjects == "S0"], rtol=1e-5)
    result = finetune(tiny_config(), windows, None, quick(epochs=2, euclidean_alignment=True), progress=False)
    assert np.isfinite(
        predict_probabilities(result.model, result.feature_extractor, windows, euclidean_alignment=True)
    ).all()


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


TRAINING_SCRIPT = """
import os
import sys
import numpy as np
from dare_eeg_hf import DareEegConfig
from dare_eeg_hf.adaptation.finetuning import FinetuningArguments, finetune
from dare_eeg_hf.adaptation.labelled_windows import LabelledWindows

def train(output):
    random = np.random.default_rng(0)
    windows = LabelledWindows.from_arrays(
        random.normal(0, 20, (16, 4, 128)), np.arange(16) % 3 == 0,
        channel_names=["C3", "Cz", "C4", "Pz"], sampling_rate=256, unit="uV",
    )
    arguments = FinetuningArguments(output_dir=output, epochs=3, batch_size=8, spatial_projection=True)
    config = DareEegConfig(**CONFIG, probe_dropout=0.0)
    return finetune(config, windows, windows, arguments, progress=False)

if __name__ == "__main__":
    count = train(sys.argv[1]).metrics["processes"]
    os.write(1, f"processes {count}\\n".encode())  # one write, which the other process cannot cut in two
"""


def test_two_processes_train_the_same_classifier_as_one(tmp_path):
    source = TRAINING_SCRIPT.replace("CONFIG", repr(TINY))
    script = tmp_path / "train.py"
    script.write_text(source, encoding="utf-8")
    environment = os.environ | {"ACCELERATE_USE_CPU": "1", "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    done = subprocess.run(
        [*command, script, tmp_path / "two"], capture_output=True, text=True, env=environment, check=False, timeout=250
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("processes 2") == 2
    namespace = {"__name__": "training_script"}
    exec(compile(source, str(script), "exec"), namespace)
    alone = namespace["train"](tmp_path / "one").model.state_dict()
    together = AutoModelForSequenceClassification.from_pretrained(tmp_path / "two").state_dict()
    for name in alone:
        torch.testing.assert_close(together[name], alone[name], atol=2e-4, rtol=1e-3)


def test_precision_is_that_of_the_call_not_of_an_earlier_one():
    windows = easy_windows(8)
    finetune(tiny_config(), windows, None, quick(epochs=1, mixed_precision="bf16"), progress=False)
    finetune(tiny_config(), windows, None, quick(epochs=1), progress=False)
    assert Accelerator().mixed_precision == "no"


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


def test_windows_survive_saving(tmp_path):
    windows = easy_windows(6)
    windows.save(tmp_path / "w.npz")
    again = LabelledWindows.load(tmp_path / "w.npz")
    assert again.fingerprint() == windows.fingerprint()
    assert again.label_names == windows.label_names
    np.testing.assert_array_equal(again.subjects, windows.subjects)
    assert list(tmp_path.iterdir()) == [tmp_path / "w.npz"]
