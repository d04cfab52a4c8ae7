"""One recording, one classifier: Python, pipeline, command line, handler, Space and ONNX say the same."""

import json
from pathlib import Path

import mne
import numpy as np
import pytest
import torch

from dare_eeg_hf import DareEegForSequenceClassification
from dare_eeg_hf.checkpoints import load_pipeline
from dare_eeg_hf.cli.main import main
from dare_eeg_hf.hub.export import export_checkpoint, run_onnx
from dare_eeg_hf.hub.handler import EndpointHandler
from dare_eeg_hf.hub.space.app import Analysis
from dare_eeg_hf.recordings.recordings import load_recording

TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def onnx_file(eyes_classifier, tmp_path_factory):
    output = tmp_path_factory.mktemp("onnx") / "eyes.onnx"
    export_checkpoint(eyes_classifier, output)
    return output


@pytest.fixture(params=["simulated", "data/eegmmidb"])
def recording(request, shared, eyes_recordings, tmp_path):
    """A simulated recording, and the first 30 s of a real one where there is any."""
    if request.param == "simulated":
        return eyes_recordings[1]
    source = sorted(shared(request.param).rglob("*.edf"))[0]
    shortened = tmp_path / "shortened.edf"
    raw = mne.io.read_raw_edf(source, preload=False, verbose="ERROR").crop(0, 30, include_tmax=False).load_data()
    raw.annotations.delete(range(len(raw.annotations)))
    mne.export.export_raw(shortened, raw, physical_range="channelwise", verbose="ERROR")
    return shortened


def closed(predictions: list[dict]) -> np.ndarray:
    return np.array([window["scores"]["eyes closed"] for window in predictions])


def test_every_surface_gives_the_same_probabilities(recording, eyes_classifier, onnx_file, tmp_path, capsys):
    pipe = load_pipeline(eyes_classifier)
    batch = pipe.feature_extractor(load_recording(recording).raw)
    whole = batch["input_values"].shape[2] // 1024
    windows = batch["input_values"][0, :, : whole * 1024].unflatten(1, (whole, 1024)).transpose(0, 1).contiguous()
    channel_ids = batch["channel_ids"][0].repeat(whole, 1)
    model = DareEegForSequenceClassification.from_pretrained(eyes_classifier)
    with torch.no_grad():
        in_python = model(windows, channel_ids).logits.softmax(-1)[:, 1].numpy()

    with_pipeline = closed(pipe(recording))
    log_odds = np.log(with_pipeline / (1 - with_pipeline))
    assert np.ptp(log_odds) > 0.1  # otherwise agreement would say nothing
    np.testing.assert_allclose(with_pipeline[:whole], in_python, atol=TOLERANCE)

    capsys.readouterr()
    assert main(["predict", str(eyes_classifier), str(recording), "--format", "json"]) == 0
    np.testing.assert_allclose(closed(json.loads(capsys.readouterr().out)), with_pipeline, atol=TOLERANCE)

    np.testing.assert_allclose(
        closed(EndpointHandler(str(eyes_classifier))(recording.read_bytes())), with_pipeline, atol=TOLERANCE
    )

    downloads = tmp_path / "downloads"
    downloads.mkdir()
    *_, files = Analysis(pipe, downloads)(str(recording), 0.0)
    in_space = json.loads(Path(next(file for file in files if file.endswith("predictions.json"))).read_text())
    np.testing.assert_allclose(closed(in_space), with_pipeline, atol=TOLERANCE)

    masks = torch.ones(whole, windows.shape[1], dtype=torch.bool), torch.ones(whole, 16, dtype=torch.bool)
    (logits,) = run_onnx(onnx_file)((windows, channel_ids, *masks))
    with_onnx = torch.from_numpy(logits).softmax(-1)[:, 1].numpy()
    np.testing.assert_allclose(with_onnx, in_python, atol=TOLERANCE)
