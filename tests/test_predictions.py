"""What becomes of the answers: annotations, and tables that are complete or absent."""

import json

import mne
import numpy as np
import pandas as pd
import pytest

from dare_eeg_hf.predictions import (
    merge_predictions,
    save_annotations,
    save_features,
    save_predictions,
    to_annotations,
)


def window(onset, label, score=0.8, duration=4.0):
    return {"onset": onset, "duration": duration, "partial": False, "label": label, "score": score}


def test_neighbours_of_one_label_become_one_annotation():
    merged = merge_predictions([window(4, "a", 0.6), window(0, "a"), window(8, "b"), window(20, "b")])
    assert [(each["onset"], each["duration"], each["label"]) for each in merged] == [
        (0, 8, "a"), (8, 4, "b"), (20, 4, "b"),
    ]  # fmt: skip
    assert merged[0]["score"] == pytest.approx(0.7)
    overlapping = merge_predictions([window(0, "a"), window(2, "a"), window(4, "b"), window(6, "a")])
    assert [(each["onset"], each["duration"]) for each in overlapping] == [(0, 4), (4, 2), (6, 4)]


def test_annotations_can_be_set_and_saved_beside_the_recording(classify, eyes_recordings, tmp_path):
    predictions = classify(eyes_recordings[1])
    raw = mne.io.read_raw_edf(eyes_recordings[1], verbose="ERROR")
    annotations = to_annotations(predictions, orig_time=raw.info["meas_date"])
    raw.set_annotations(raw.annotations + annotations)
    assert "eyes closed" in raw.annotations.description
    table = pd.read_csv(save_annotations(predictions, tmp_path / "eyes.csv"))
    assert table["onset"].dtype.kind in "if"
    assert table["description"].tolist() == annotations.description.tolist()
    with pytest.raises(ValueError, match="one continuous recording"):
        to_annotations([{**predictions[0], "trial": 0}])


def test_tables_are_complete_or_absent(classify, encode, eyes_recordings, tmp_path):
    predictions = classify(eyes_recordings[1])
    assert json.loads(save_predictions(predictions, tmp_path / "eyes.json").read_text()) == predictions
    lines = save_predictions(predictions, tmp_path / "eyes.csv").read_text().splitlines()
    assert lines[0] == "onset,duration,partial,usable,reason,channels,label,score,score_eyes open,score_eyes closed"
    assert len(lines) == 17

    features = encode(eyes_recordings[1])
    loaded = np.load(save_features(features, tmp_path / "eyes.npz"), allow_pickle=False)
    np.testing.assert_array_equal(loaded["features"], features["features"])
    assert loaded["channel_names"].tolist() == features["channel_names"]

    with pytest.raises(ValueError, match="Out of range float"):
        save_predictions([{"score": float("nan")}], tmp_path / "broken.json")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["eyes.csv", "eyes.json", "eyes.npz"]
