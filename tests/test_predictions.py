"""What becomes of the answers: annotations, and tables that are complete or absent."""

import json

import mne
import numpy as np
import pandas as pd
import pytest

from dare_eeg_hf.predictions import (
    annotate,
    merge_predictions,
    read_predictions,
    save_annotations,
    save_features,
    save_predictions,
    shares_of_time,
    to_annotations,
)
from dare_eeg_hf.signal_reports_dare_eeg import EegWarning


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


@pytest.mark.parametrize("measured", [None, 1_600_000_000], ids=["without date", "with date"])
@pytest.mark.parametrize("first_sample", [0, 5 * 160])
def test_predictions_add_to_a_recordings_annotations(classify, eyes_recordings, measured, first_sample, tmp_path):
    recorded = mne.io.read_raw_edf(eyes_recordings[1], preload=True, verbose="ERROR")
    raw = mne.io.RawArray(recorded.get_data(), recorded.info, first_samp=first_sample, verbose="ERROR")
    raw.set_meas_date(measured)
    raw.set_annotations(mne.Annotations([30.0], [1.0], ["blink"]))
    raw._data[:, 40 * 160 : 48 * 160] = 0
    with pytest.warns(EegWarning):
        predictions = classify(raw)
    expected = {"blink": 30.0, "BAD_no_signal: one held value": 40.0}

    def places(raw):
        onsets = raw.annotations.onset - raw.first_time
        found = dict(zip(raw.annotations.description, onsets.tolist(), strict=True))
        return {name: found[name] for name in expected}

    annotated = annotate(raw.copy(), predictions)
    assert places(annotated) == pytest.approx(expected, abs=0.01)
    assert annotated.annotations.orig_time == raw.info["meas_date"]
    if measured or not first_sample:
        added = raw.copy().set_annotations(raw.annotations + to_annotations(predictions, raw))
        assert added.annotations == annotated.annotations
    annotated.save(tmp_path / "annotated_raw.fif", verbose="ERROR")
    assert places(mne.io.read_raw_fif(tmp_path / "annotated_raw.fif", verbose="ERROR")) == pytest.approx(
        expected, abs=0.01
    )


def test_no_moment_counts_twice_in_the_shares_of_time():
    silent = {"onset": 12, "duration": 4, "partial": False, "label": None, "reason": "flat", "score": None}
    shares = shares_of_time([window(0, "a"), window(2, "a"), window(4, "b"), silent])
    assert shares == {"a": pytest.approx(1 / 3), "b": pytest.approx(1 / 3), None: pytest.approx(1 / 3)}
    trials = [{**window(None, label), "trial": number} for number, label in enumerate("aab")]
    assert shares_of_time(trials) == {"a": pytest.approx(2 / 3), "b": pytest.approx(1 / 3)}


@pytest.mark.parametrize("suffix", [".csv", ".json"])
def test_tables_are_read_back_as_they_were(suffix, classify, eyes_recordings, tmp_path):
    predictions = [*classify(eyes_recordings[1])]
    predictions[3] |= {"usable": False, "reason": "flat", "label": None, "score": None}
    predictions[3]["scores"] = dict.fromkeys(predictions[3]["scores"])
    assert read_predictions(save_predictions(predictions, tmp_path / f"t{suffix}")) == predictions
    several = [{**each, "labels": [each["label"]] if each["usable"] else None} for each in predictions]
    assert read_predictions(save_predictions(several, tmp_path / f"m{suffix}")) == several
    values = [{"onset": 0.0, "duration": 4.0, "usable": True, "value": 1.5, "values": {"age": 1.5}}]
    assert read_predictions(save_predictions(values, tmp_path / f"v{suffix}")) == values


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
