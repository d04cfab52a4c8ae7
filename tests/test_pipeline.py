"""The pipelines: every kind of input, windows and padding, heads, and bounded memory."""

import runpy
import subprocess
import sys
from pathlib import Path

import mne
import numpy as np
import pytest
import torch
from transformers import pipeline
from transformers.utils import logging as transformers_logging

from dare_eeg_hf import (
    DareEegConfig,
    DareEegFeatureExtractor,
    DareEegForPreTraining,
    DareEegForSequenceClassification,
    DareEegModel,
)
from dare_eeg_hf.adaptation.feature_statistics import feature_statistics
from dare_eeg_hf.recordings.recordings import load_recording
from dare_eeg_hf.recordings.simulation import simulate_recordings
from dare_eeg_hf.signal_reports_dare_eeg import EegWarning
from dare_eeg_hf.sources_dare_eeg import open_sources
from dare_eeg_hf.windows_dare_eeg import read_windows
from tests.made_signals import eeg


def scores(predictions) -> np.ndarray:
    return np.array([list(window["scores"].values()) for window in predictions])


def test_labels_agree_with_the_model_called_by_hand(classify, eyes_recordings):
    raw, _ = load_recording(eyes_recordings[1])
    batch = classify.feature_extractor(raw)
    windows = batch["input_values"][0, :, : 15 * 1024].unflatten(1, (15, 1024)).transpose(0, 1)
    with torch.no_grad():
        expected = classify.model(windows, batch["channel_ids"]).logits.softmax(-1)
    predictions = classify(eyes_recordings[1])
    np.testing.assert_allclose(scores(predictions[:15]), expected, atol=1e-5)
    labels = [window["label"] for window in predictions]
    assert labels.count("eyes closed") > 12
    assert [window["onset"] for window in predictions] == [4.0 * index for index in range(16)]


def test_path_raw_epochs_dictionary_and_array_give_the_same_labels(classify, eyes_recordings):
    expected = scores(classify(eyes_recordings[0]))
    recorded = mne.io.read_raw_edf(eyes_recordings[0], verbose="ERROR")
    np.testing.assert_allclose(scores(classify(recorded)), expected, atol=1e-5)

    raw, _ = load_recording(eyes_recordings[0])
    np.testing.assert_allclose(scores(classify(raw)), expected, atol=1e-5)
    description = {"channel_names": raw.ch_names, "sampling_rate": 256, "unit": "uV"}
    microvolts = raw.get_data() * 1e6
    np.testing.assert_allclose(scores(classify({"signal": microvolts, **description})), expected, atol=1e-4)
    np.testing.assert_allclose(scores(classify(torch.from_numpy(microvolts), **description)), expected, atol=1e-4)

    epochs = mne.make_fixed_length_epochs(raw, 4.0, preload=True, verbose="ERROR")
    of_epochs = classify(epochs)
    np.testing.assert_allclose(scores(of_epochs), expected[:15], atol=1e-4)
    assert [window["trial"] for window in of_epochs] == list(range(15))
    assert of_epochs[3]["onset"] == 12.0
    trials = classify(epochs.get_data() * 1e6, **description)
    np.testing.assert_allclose(scores(trials), expected[:15], atol=1e-4)


def test_a_list_gives_one_answer_each_and_batches_change_nothing(classify, eyes_recordings):
    first, second = classify(eyes_recordings[:2], batch_size=3)
    np.testing.assert_allclose(scores(first), scores(classify(eyes_recordings[0], batch_size=64)), atol=1e-5)
    np.testing.assert_allclose(scores(second), scores(classify(eyes_recordings[1])), atol=1e-5)


def test_the_last_partial_window_is_padded_and_says_so(classify, encode, eyes_recordings):
    last = classify(eyes_recordings[0])[-1]
    assert (last["onset"], last["duration"], last["partial"]) == (60.0, 1.0, True)

    raw, _ = load_recording(eyes_recordings[0])
    batch = encode.feature_extractor(raw)
    rest = batch["input_values"][:, :, 60 * 256 :]
    with torch.no_grad():
        expected = encode.model(rest, batch["channel_ids"])
    pooled = encode(eyes_recordings[0], pooling="mean")["features"]
    np.testing.assert_allclose(pooled[-1], expected.pooler_output[0], atol=1e-5)
    patches = encode(eyes_recordings[0], pooling="none")["features"]
    assert patches.shape == (16, 16, 64)
    np.testing.assert_allclose(patches[-1, :4], expected.last_hidden_state[0].reshape(4, 64), atol=1e-5)
    assert not patches[-1, 4:].any()


def test_overlap_and_window_length(encode, eyes_recordings):
    features = encode(eyes_recordings[0], overlap=0.75)
    np.testing.assert_allclose(np.diff(features["onset"]), 1.0)
    longer = encode(eyes_recordings[0], window_seconds=20, pooling="mean")
    assert longer["duration"].tolist() == [20.0, 20.0, 20.0, 1.0]
    whole = encode(eyes_recordings[0], window_seconds=4, pooling="mean")["features"]
    np.testing.assert_allclose(longer["features"][0], whole[:5].mean(axis=0), atol=1e-5)


def test_features_are_mean_and_spread_over_overlapping_patches_and_power_maps(encode, eyes_recordings):
    """As the probe on a frozen encoder computes them, whole windows and padded ones."""
    found = encode(eyes_recordings[0])["features"]
    assert found.shape == (16, 128 + 270)
    batch = encode.feature_extractor(load_recording(eyes_recordings[0]).raw)
    values, ids = batch["input_values"][:, :, : 60 * 256], batch["channel_ids"]
    windows = values[0].unflatten(1, (15, 1024)).transpose(0, 1)
    inputs = {"input_values": windows, "channel_ids": ids.expand(15, -1)}
    expected = feature_statistics(encode.model, {**inputs, "patch_mask": torch.ones(15, 16, dtype=torch.bool)})
    np.testing.assert_allclose(found[:15], expected, atol=1e-3)
    rest = {"input_values": batch["input_values"][:, :, 60 * 256 :], "channel_ids": ids}
    expected = feature_statistics(encode.model, {**rest, "patch_mask": torch.ones(1, 4, dtype=torch.bool)})
    np.testing.assert_allclose(found[15:], expected, atol=1e-3)
    with pytest.raises(ValueError, match="pooling must be 'statistics', 'mean' or 'none', got 'max'"):
        encode(eyes_recordings[0], pooling="max")


def test_features_are_as_wide_as_ever_where_no_window_is_usable(encode):
    signal = eeg(channels=3, seconds=8)
    signal[:, 256:768] = signal[:, 1280:1792] = 0
    with pytest.warns(EegWarning, match="2 of 2 windows hold no usable signal"):
        features = encode(signal, channel_names=["C3", "CZ", "C4"], sampling_rate=256, unit="uV")["features"]
    assert features.shape == (2, 128 + 270)
    assert np.isnan(features).all()


def test_a_long_recording_read_in_pieces_agrees_with_the_whole(classify, eyes_recordings, monkeypatch):
    extractor = classify.feature_extractor
    opened = open_sources(eyes_recordings[1], extractor)[0]
    whole = opened.read(0, 60 * 256).values

    monkeypatch.setattr("dare_eeg_hf.windows_dare_eeg.SEGMENT_SECONDS", 12.0)
    monkeypatch.setattr("dare_eeg_hf.recordings.pieces.SURVEY_SECONDS", 40.0)
    opened = open_sources(eyes_recordings[1], extractor)[0]
    lengths = []
    read = opened.read_source
    opened.read_source = lambda start, stop: lengths.append(stop - start) or read(start, stop)
    windows = list(read_windows(opened, [(start, 1024) for start in range(0, 60 * 256, 1024)], 1024))
    assert len(lengths) == 5
    assert max(lengths) <= 160 * (12 + 2 * 15 + 1)
    pieces = torch.cat([piece.values for _, piece in windows], dim=1)
    # At the very beginning a filter's edge depends on the mean of all that is filtered with it.
    error = (pieces - whole)[:, 3 * 256 :].square().mean().sqrt() / whole.square().mean().sqrt()
    assert error < 0.005
    assert len(classify(eyes_recordings[1])) == 16


def test_memory_does_not_grow_with_the_recording(eyes_classifier, tmp_path):
    """Sixteen minutes more of 58 channels are 57 MB at 256 Hz in single precision; they may not be held at once."""
    short, _ = simulate_recordings(tmp_path / "short", subjects=1, seconds=4 * 60)
    long, _ = simulate_recordings(tmp_path / "long", subjects=1, seconds=20 * 60)
    script = """
import sys
from transformers import pipeline
import dare_eeg_hf
from dare_eeg_hf import windows_dare_eeg
from dare_eeg_hf.recordings import pieces

windows_dare_eeg.SEGMENT_SECONDS = pieces.SURVEY_SECONDS = 60.0

def peak_kilobytes():
    # Not getrusage: its peak starts with that of the process this one was forked from.
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))

classify = pipeline("eeg-classification", model=sys.argv[1])
for path in sys.argv[2:]:
    windows = classify(path)
    print(len(windows), peak_kilobytes())
"""
    command = [sys.executable, "-c", script, str(eyes_classifier), str(short), str(long)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    (short_windows, short_peak), (long_windows, long_peak) = (map(int, line.split()) for line in output.splitlines())
    assert (short_windows, long_windows) == (4 * 15, 20 * 15)
    assert long_peak - short_peak < 30_000, output


def test_multi_label_and_regression_heads(tiny_config, eyes_recordings):
    overrides = {
        "id2label": {0: "spike", 1: "slow", 2: "artefact"},
        "label2id": {"spike": 0, "slow": 1, "artefact": 2},
    }
    config = DareEegConfig(**{**tiny_config.to_dict(), **overrides, "problem_type": "multi_label_classification"})
    model = DareEegForSequenceClassification(config)
    with torch.no_grad():
        model.probe.fc2.bias.copy_(torch.tensor([3.0, 1.0, -3.0]))
    several = pipeline("eeg-classification", model=model, feature_extractor=DareEegFeatureExtractor(window_size=256))
    window = several(eyes_recordings[0])[0]
    assert window["labels"] == ["spike", "slow"]
    assert window["label"] == "spike"
    assert sum(window["scores"].values()) > 1.2

    config = DareEegConfig(**{**tiny_config.to_dict(), "id2label": {0: "load"}, "label2id": {"load": 0}})
    regress = pipeline(
        "eeg-classification",
        model=DareEegForSequenceClassification(config),
        feature_extractor=DareEegFeatureExtractor(window_size=256),
    )
    window = regress(eyes_recordings[0])[0]
    assert window["values"] == {"load": window["value"]}
    assert "label" not in window


def test_a_classifier_behind_an_adapter_gets_its_electrodes_in_order(tiny_config, eyes_recordings):
    electrodes = ["O2", "O1", "Pz"]
    config = DareEegConfig(
        **{**tiny_config.to_dict(), "electrode_names": electrodes, "projected_channel_names": ["O1", "OZ", "O2"]}
        | {"use_spatial_projection": True}
    )
    extractor = DareEegFeatureExtractor(window_size=256, electrode_names=electrodes)
    model = DareEegForSequenceClassification(config).eval()
    adapted = pipeline("eeg-classification", model=model, feature_extractor=extractor)
    raw = mne.io.read_raw_edf(eyes_recordings[0], preload=True, verbose="ERROR")
    expected_input = extractor(raw)["input_values"][:, :, :256]
    with torch.no_grad():
        expected = model(expected_input).logits.softmax(-1)
    predictions = adapted(raw)
    np.testing.assert_allclose(scores(predictions[:1]), expected, atol=1e-5)
    assert len(predictions) == 61
    assert set(adapted.channel_importance(raw)) == set(electrodes)
    with pytest.raises(ValueError, match="use the pre-trained checkpoint for features"):
        pipeline("eeg-feature-extraction", model=model, feature_extractor=extractor)


def test_importance_is_the_fall_of_the_winning_probability_without_a_channel(eyes_classifier, eyes_recordings):
    classify = pipeline("eeg-classification", model=str(eyes_classifier))
    with torch.no_grad():
        for parameter in classify.model.probe.fc2.parameters():
            parameter.mul_(0.2)  # a probability near one would hardly fall, whatever is left out
    recording = load_recording(eyes_recordings[1])
    importance = classify.channel_importance(recording.raw, max_windows=3)
    assert set(importance) == set(recording.report.channels)
    batch = classify.feature_extractor(recording.raw)
    windows = torch.stack([batch["input_values"][0, :, start : start + 1024] for start in (0, 7 * 1024, 14 * 1024)])
    names, ids = recording.raw.ch_names, batch["channel_ids"][0]

    def probabilities(left_out: str | None) -> torch.Tensor:
        present = torch.tensor([name != left_out for name in names]).expand(3, -1)
        with torch.no_grad():
            return classify.model(windows, ids, present).logits.softmax(-1)

    whole = probabilities(None)
    winning = whole.argmax(-1, keepdim=True)
    falls = {name: (whole - probabilities(name)).gather(1, winning).mean().item() for name in names}
    assert importance == pytest.approx(falls, abs=1e-5)
    assert max(map(abs, falls.values())) > 1e-3, "something to compare"


def test_wrong_models_are_refused(tiny_config, eyes_recordings, tmp_path):
    DareEegForPreTraining(tiny_config).save_pretrained(tmp_path)
    DareEegFeatureExtractor(window_size=256).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="without a trained classifier; fine-tune it first"):
        pipeline("eeg-classification", model=str(tmp_path))
    encode = pipeline("eeg-feature-extraction", model=str(tmp_path))
    assert isinstance(encode.model, DareEegModel)
    assert encode(eyes_recordings[0])["features"].shape == (61, 128 + 270)

    from transformers import BertConfig, BertForSequenceClassification

    other = BertForSequenceClassification(
        BertConfig(vocab_size=10, hidden_size=8, num_hidden_layers=1, num_attention_heads=2)
    )
    with pytest.raises(ValueError, match="BertForSequenceClassification is not a DARE-EEG model"):
        pipeline("eeg-classification", model=other, feature_extractor=DareEegFeatureExtractor())


@pytest.mark.parametrize(
    ("inputs", "options", "message"),
    [
        ("nowhere.edf", {}, "There is no file nowhere.edf"),
        (np.zeros((2, 512)), {}, "come with channel_names, sampling_rate, unit"),
        (np.zeros(512), {"channel_names": ["Cz"], "sampling_rate": 256, "unit": "uV"}, r"got \(512,\)"),
        ({"signal": np.zeros((1, 512))}, {}, "described by the keys"),
        (12, {}, "A int is not a recording"),
        (np.ones((1, 20)), {"channel_names": ["Cz"], "sampling_rate": 256, "unit": "uV"}, "shorter than one patch"),
        ("recording", {"overlap": 1.0}, "overlap must be at least 0 and below 1"),
        ("recording", {"speed": 3}, r"does not know speed; it takes"),
        ("recording", {"overlp": 0.5}, r"overlp \(did you mean overlap\?\)"),
        ("recording", {"unit": "uV"}, "the numbers look like V: pass unit='V'"),
        ("recording", {"channel_names": ["Cz"]}, "brings its own channel_names"),
    ],
)
def test_bad_input_gets_one_clear_sentence(classify, eyes_recordings, inputs, options, message):
    inputs = eyes_recordings[0] if isinstance(inputs, str) and inputs == "recording" else inputs
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        classify(inputs, **options)


def test_a_file_without_eeg_or_without_sense_is_named(classify, tmp_path):
    nonsense = tmp_path / "nonsense.edf"
    nonsense.write_bytes(b"not a recording")
    with pytest.raises(ValueError, match=r"nonsense\.edf"):
        classify(nonsense)


def test_progress_bar_counts_windows(classify, eyes_recordings, capsys):
    transformers_logging.enable_progress_bar()  # commands that were run in this process may have switched it off
    classify(eyes_recordings[0], progress=True)
    assert "16/16" in capsys.readouterr().err
    classify(eyes_recordings[0], progress=False)
    assert capsys.readouterr().err == ""


def test_the_examples_run_as_their_first_lines_say(eyes_classifier, eyes_recordings, tmp_path, capsys):
    examples = Path(__file__).parents[1] / "examples"
    arguments = ["--model", str(eyes_classifier), "--recording", str(eyes_recordings[1]), "--output", str(tmp_path)]
    runpy.run_path(str(examples / "predict.py"))["main"](arguments)
    assert "eyes closed" in capsys.readouterr().out
    assert {path.name for path in tmp_path.iterdir()} == {"S001R02.csv", "S001R02.png", "S001R02_annotations.csv"}

    folder, output = str(eyes_recordings[0].parents[1]), str(tmp_path / "features.npz")
    arguments = ["--model", str(eyes_classifier), "--recordings", folder, "--output", output]
    runpy.run_path(str(examples / "extract_features.py"))["main"](arguments)
    assert "S001R02.edf is most like S002R02.edf" in capsys.readouterr().out
    assert np.load(output, allow_pickle=False)["features"].shape == (60, 128 + 270)
