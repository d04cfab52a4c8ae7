"""A classifier is trained on everything and left as a whole folder, or no folder is left."""

import json

import numpy as np
import pytest
import torch

from dare_eeg_hf import DareEegForSequenceClassification
from dare_eeg_hf.adaptation.finetuning import predict_probabilities
from dare_eeg_hf.adaptation.finetuning_arguments import TRAINING_MODES
from dare_eeg_hf.adaptation.train_classifier import train_classifier
from dare_eeg_hf.checkpoints import load_pipeline
from tests.adaptation.conftest import easy_windows

QUICK = {"epochs": 2, "batch_size": 8}


@pytest.mark.parametrize("mode", TRAINING_MODES)
def test_every_mode_leaves_a_folder_that_loads(tiny_encoder, tmp_path, mode):
    if mode == "lora":
        pytest.importorskip("peft", reason="peft is in the extra `lora`")
    windows, output = easy_windows(), tmp_path / "new" / "classifier"
    settings = None if mode == "statistics" else QUICK
    result = train_classifier(tiny_encoder, windows, output, mode=mode, settings=settings)
    assert result.output_dir == output
    facts = json.loads((output / "finetuning.json").read_text())
    assert facts["arguments"]["mode"] == mode
    assert facts["training_windows"] == len(windows)
    assert (output / "metrics.jsonl").is_file() == (mode != "statistics")
    loaded = DareEegForSequenceClassification.from_pretrained(output).eval()
    expected = predict_probabilities(result.model, result.feature_extractor, windows)
    np.testing.assert_allclose(predict_probabilities(loaded, result.feature_extractor, windows), expected, atol=1e-6)
    assert load_pipeline(output).task == "eeg-classification"
    assert [path.name for path in output.parent.iterdir()] == ["classifier"]


def test_a_failure_leaves_nothing(tiny_encoder, tmp_path):
    def fail(folder, result):
        assert (folder / "model.safetensors").is_file()
        assert result.metrics["mode"] == "statistics"
        raise RuntimeError("no card")

    with pytest.raises(RuntimeError, match="no card"):
        train_classifier(tiny_encoder, easy_windows(), tmp_path / "classifier", write_card=fail)
    assert list(tmp_path.iterdir()) == []


def test_bad_requests_are_one_sentence(tiny_encoder, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="full exists already"):
        train_classifier(tiny_encoder, easy_windows(), tmp_path / "full")
    with pytest.raises(ValueError, match="mode must be one of statistics, probe, full, lora, got 'linear'"):
        train_classifier(tiny_encoder, easy_windows(), tmp_path / "a", mode="linear")
    with pytest.raises(ValueError, match="'statistics' has no epochs: epochs is for the modes"):
        train_classifier(tiny_encoder, easy_windows(), tmp_path / "a", settings={"epochs": 3})
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        train_classifier(tmp_path / "nothing" / "here", easy_windows(), tmp_path / "a")
    assert [path.name for path in tmp_path.iterdir()] == ["full"]


def test_what_files_are_called_changes_nothing(tiny_encoder, tmp_path):
    windows = easy_windows()
    shuffled = windows.select(np.random.default_rng(0).permutation(len(windows)))
    one, other = (
        train_classifier(tiny_encoder, each, tmp_path / name).model.probe.state_dict()
        for name, each in (("one", windows), ("other", shuffled))
    )
    assert all(torch.equal(one[name], other[name]) for name in one)
