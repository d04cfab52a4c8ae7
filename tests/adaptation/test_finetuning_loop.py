"""The training loop: the best epoch, rare classes, several processes, precision."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from transformers import AutoModelForSequenceClassification

from dare_eeg_hf.adaptation.classifier_setup import build_classifier, prepare_inputs
from dare_eeg_hf.adaptation.finetuning import ClassifierWithLoss, FinetuningArguments, finetune, predict_probabilities
from tests.adaptation.conftest import TINY, accuracy, easy_windows, quick, tiny_config


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


def test_labels_are_smoothed_in_the_loss_of_fine_tuning():
    windows = easy_windows(8)
    model, extractor = build_classifier(tiny_config(), windows)
    inputs, labels = prepare_inputs(extractor, windows), torch.from_numpy(windows.labels)
    module = ClassifierWithLoss(model.eval(), label_smoothing=0.1)
    expected = torch.nn.functional.cross_entropy(module.logits(inputs), labels, label_smoothing=0.1)
    torch.testing.assert_close(module(inputs, labels, len(labels)), expected)
    with pytest.raises(ValueError, match="label_smoothing must lie in"):
        FinetuningArguments(label_smoothing=1.0)


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
