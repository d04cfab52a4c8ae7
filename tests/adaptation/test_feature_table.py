"""Files of features become one table, whole or not at all, and windows get the labels of stretches."""

import numpy as np
import pandas as pd
import pytest

from dare_eeg_hf.adaptation.feature_table import (
    EncodedRecording,
    FeatureRows,
    sampled_rows,
    window_labels,
    write_feature_table,
)
from dare_eeg_hf.corpora.label_table import LabelRow


def stored(folder, name, windows, width=3, **more):
    """The file of features of a recording whose second window is not usable."""
    rng = np.random.default_rng(windows)
    features = rng.normal(size=(windows, width)).astype(np.float32)
    usable = np.arange(windows) != 1
    features[~usable] = np.nan
    known = {"onset": 4.0 * np.arange(windows), "duration": np.full(windows, 4.0), "partial": np.zeros(windows, bool)}
    known |= {"usable": usable, "reason": np.where(usable, "", "flat"), "features": features}
    np.savez(folder / f"{name}.npz", **known, **more)
    return folder / f"{name}.npz"


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_table_holds_what_the_files_hold(suffix, tmp_path, monkeypatch):
    monkeypatch.setattr("dare_eeg_hf.adaptation.feature_table.ROWS_AT_ONCE", 6)  # more than one portion
    rows = [LabelRow(2, "a", "rest")]
    recordings = [
        EncodedRecording(stored(tmp_path, "a", 5), "a.edf", "p1", tuple(rows)),
        EncodedRecording(stored(tmp_path, "b", 4), "b.edf"),
        EncodedRecording(stored(tmp_path, "c", 7, trial=np.arange(7)), "c-epo.fif", "p2"),
    ]
    assert write_feature_table(FeatureRows(recordings), tmp_path / f"all{suffix}") == 16
    read = pd.read_csv if suffix == ".csv" else pd.read_parquet
    table = read(tmp_path / f"all{suffix}")
    assert table["file"].tolist() == ["a.edf"] * 5 + ["b.edf"] * 4 + ["c-epo.fif"] * 7
    assert table["person"].isna().tolist() == [False] * 5 + [True] * 4 + [False] * 7
    assert table["label"].dropna().tolist() == ["rest"] * 5
    assert table["trial"].dropna().tolist() == list(range(7))
    features = np.concatenate([np.load(each.features)["features"] for each in recordings])
    np.testing.assert_allclose(table.filter(regex="^f_"), features, rtol=1e-6)
    assert (~table["usable"]).sum() == 3
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".tmp")]


def test_a_table_that_fails_leaves_the_old_one(tmp_path):
    target = tmp_path / "all.csv"
    recordings = [EncodedRecording(stored(tmp_path, "a", 5), "a.edf")]
    write_feature_table(FeatureRows(recordings), target)
    before = target.read_bytes()
    rows = FeatureRows([*recordings, EncodedRecording(stored(tmp_path, "b", 5), "b.edf")])
    (tmp_path / "b.npz").unlink()
    with pytest.raises(FileNotFoundError):
        write_feature_table(rows, target)
    assert target.read_bytes() == before
    with pytest.raises(ValueError, match="must end in"):
        write_feature_table(rows, tmp_path / "all.xlsx")


def test_what_does_not_fit_into_one_table_is_refused(tmp_path):
    one, other = stored(tmp_path, "a", 3), stored(tmp_path, "b", 3, width=4)
    with pytest.raises(ValueError, match=r"a.edf has features of shape \(3,\) and b.edf has features of shape \(4,\)"):
        FeatureRows([EncodedRecording(one, "a.edf"), EncodedRecording(other, "b.edf")])
    with pytest.raises(ValueError, match="no features to put into a table"):
        FeatureRows([])
    with pytest.raises(ValueError, match="has none"):
        FeatureRows([EncodedRecording(one, "a.edf")], center=True)


def test_centering_is_over_all_recordings_of_a_person(tmp_path):
    recordings = [EncodedRecording(stored(tmp_path, name, 3 + i), name, "pq"[i // 2]) for i, name in enumerate("abc")]
    rows = FeatureRows(recordings, center=True)
    table = pd.concat(rows)
    plain = pd.concat(FeatureRows(recordings))
    for person in "pq":
        own, as_it_was = (each[each["person"] == person].filter(regex="^f_") for each in (table, plain))
        np.testing.assert_allclose(own.mean(), 0, atol=1e-6)
        np.testing.assert_allclose(own, as_it_was - as_it_was.mean(), atol=1e-6)
    assert rows.windows_of == {"p": 5, "q": 4}


def test_people_with_one_label_are_told_and_most_are_refused(tmp_path):
    labels = {"a": "x", "b": "y", "c": "x", "d": "y", "e": "x"}
    people = {"a": "p", "b": "p", "c": "q", "d": "q", "e": "r"}
    recordings = [
        EncodedRecording(stored(tmp_path, name, 3), name, people[name], (LabelRow(2, name, label),))
        for name, label in labels.items()
    ]
    assert FeatureRows(recordings, center=True).one_label == ["r"]
    with pytest.raises(ValueError, match="2 of 3 people have windows of one label only"):
        FeatureRows([recordings[0], recordings[1], recordings[2], recordings[4]], center=True)


def test_windows_have_the_label_of_the_stretch_they_lie_in():
    onsets, durations = np.array([0.0, 4.0, 8.0, np.nan]), np.full(4, 4.0)

    def of(*rows):
        stretches = [LabelRow(2, "a", label, None, None, *place) for label, *place in rows]
        return window_labels(onsets, durations, stretches)

    assert of(("rest",)).tolist() == ["rest"] * 4
    assert of(("rest", 0.0, 8.0), ("task", 8.0, 3.0)).tolist() == ["rest", "rest", None, None]
    assert of(("blink", 5.0, None)).tolist() == [None, "blink", None, None]


def test_a_sample_is_spread_over_the_usable_windows_of_all(tmp_path):
    recordings = [EncodedRecording(stored(tmp_path, name, 41), name) for name in "abcd"]
    sample = sampled_rows(FeatureRows(recordings), 20)
    assert len(sample) == 20
    assert sample["usable"].all()
    assert sample["file"].value_counts().to_dict() == dict.fromkeys("abcd", 5)
    assert len(sampled_rows(FeatureRows(recordings), 1000)) == 160
