"""Exported models compute what the model computes, at sizes they were not traced with, and say what they need."""

import json
import subprocess
import sys

import numpy as np
import onnx
import pytest
import torch

from dare_eeg_hf import DareEegConfig, DareEegFeatureExtractor, DareEegForPreTraining, DareEegForSequenceClassification
from dare_eeg_hf.hub import export
from dare_eeg_hf.hub.export import TOLERANCE, example_inputs, export_checkpoint, load_for_export, run_onnx


@pytest.fixture(scope="module")
def encoder_checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoder")
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_summary_tokens": 2, "num_attention_heads": 4, "num_hidden_layers": 2}
    rest = {"predictor_num_hidden_layers": 1, "reconstructor_num_hidden_layers": 1}
    model = DareEegForPreTraining(DareEegConfig(**sizes, **rest))
    with torch.no_grad():
        # Larger than the usual start, so that a wrong term would show.
        for parameter in model.parameters():
            parameter.mul_(3)
    model.save_pretrained(folder)
    DareEegFeatureExtractor().save_pretrained(folder)
    return folder


@pytest.mark.parametrize("suffix", [".onnx", ".pt2"])
def test_the_encoder_takes_any_batch_channels_and_length(encoder_checkpoint, tmp_path, suffix):
    output = tmp_path / f"encoder{suffix}"
    assert export_checkpoint(encoder_checkpoint, output) < TOLERANCE
    assert [path.name for path in tmp_path.iterdir()] == [output.name]

    model = load_for_export(encoder_checkpoint)
    inputs = example_inputs(model, batch=5, channels=11, patches=33, seed=7)
    with torch.no_grad():
        expected = model(**dict(zip(export.INPUT_NAMES, inputs, strict=True)))
    if suffix == ".onnx":
        hidden, pooled = run_onnx(output)(inputs)
    else:
        hidden, pooled = (each.detach().numpy() for each in torch.export.load(output).module()(*inputs))
    assert hidden.shape == (5, 33 * 2, 32)
    np.testing.assert_allclose(hidden, expected.last_hidden_state, atol=1e-4)
    np.testing.assert_allclose(pooled, expected.pooler_output, atol=1e-4)


def test_a_classifier_says_what_it_needs_and_what_it_means(eyes_classifier, tmp_path):
    output = tmp_path / "eyes.onnx"
    export_checkpoint(eyes_classifier, output)
    exported = onnx.load(output)
    metadata = {entry.key: entry.value for entry in exported.metadata_props}
    assert json.loads(metadata["labels"]) == ["eyes open", "eyes closed"]
    assert json.loads(metadata["signal_contract"])["sampling_rate"] == 256
    assert json.loads(metadata["channel_names"])[0] == "FP1"
    shapes = {
        entry.name: [dimension.dim_param or dimension.dim_value for dimension in entry.type.tensor_type.shape.dim]
        for entry in exported.graph.input
    }
    assert shapes["input_values"] == ["batch", "channels", 1024]
    assert shapes["patch_mask"] == ["batch", 16]


def test_a_classifier_behind_an_adapter_is_exported_with_it(tiny_config, tmp_path):
    config = DareEegConfig(
        **{**tiny_config.to_dict(), "electrode_names": ["a", "b", "c"], "projected_channel_names": ["C3", "CZ", "C4"]}
        | {"use_spatial_projection": True, "use_spectral_projection": True}
    )
    model = DareEegForSequenceClassification(config)
    model.save_pretrained(tmp_path / "adapted")
    DareEegFeatureExtractor(window_size=256, electrode_names=["a", "b", "c"]).save_pretrained(tmp_path / "adapted")
    assert export_checkpoint(tmp_path / "adapted", tmp_path / "adapted.pt2") < TOLERANCE


@pytest.mark.parametrize("maps", [False, True], ids=["statistics", "statistics and maps"])
def test_a_classifier_of_statistics_is_exported(tiny_config, tmp_path, maps):
    fields = {"statistics_stride": 16, "use_power_maps": maps}
    model = DareEegForSequenceClassification(DareEegConfig(**{**tiny_config.to_dict(), **fields}))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)
    model.save_pretrained(tmp_path / "statistics")
    DareEegFeatureExtractor(window_size=256).save_pretrained(tmp_path / "statistics")
    assert export_checkpoint(tmp_path / "statistics", tmp_path / "exported.onnx") < TOLERANCE


def test_an_export_that_differs_is_not_written(encoder_checkpoint, tmp_path, monkeypatch):
    run_module = export._run_module
    monkeypatch.setattr(
        export, "_run_module", lambda module: lambda inputs: [1.01 * each for each in run_module(module)(inputs)]
    )
    with pytest.raises(ValueError, match=r"differs from the model by 1\.0e-02"):
        export_checkpoint(encoder_checkpoint, tmp_path / "encoder.pt2")
    assert list(tmp_path.iterdir()) == []


def test_bad_requests_are_one_sentence(tmp_path):
    with pytest.raises(ValueError, match=r"must end in \.onnx or \.pt2"):
        export_checkpoint(tmp_path, tmp_path / "model.bin")
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    command = [sys.executable, "-m", "dare_eeg_hf.hub.export", str(tmp_path), str(tmp_path / "model.onnx")]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert run.stderr == f"error: {tmp_path} holds a 'bert' model, not a DARE-EEG one.\n"
