"""A task finds its classes, windows and people in whatever holds them, or refuses it."""

import json

import mne
import numpy as np
import pyarrow.parquet as pq
import pytest

from dare_eeg_hf.corpora.build import build
from dare_eeg_hf.corpora.declared.physionet_mi import PhysioNetMI
from dare_eeg_hf.corpora.windows import windows_table
from dare_eeg_hf.evaluation.tasks import EYES, TASKS
from dare_eeg_hf.recordings.simulation import simulate_recordings


def test_a_task_takes_its_classes_out_of_a_prepared_corpus_that_calls_them_otherwise(corpus_root, tmp_path):
    assert build(PhysioNetMI(), corpus_root / "eegmmidb", tmp_path / "physionet_mi").complete
    from_rows, from_files = (TASKS["eyes-eegmmidb"].load(root) for root in (tmp_path, corpus_root))
    assert from_rows.label_names == from_files.label_names == EYES
    assert from_rows.subjects.tolist() == from_files.subjects.tolist()
    assert from_rows.labels.tolist() == from_files.labels.tolist()


def test_a_prepared_corpus_without_the_classes_of_a_task_is_refused(tmp_path):
    signals, names = np.random.default_rng(0).normal(size=(2, 3, 1024)).astype(np.float32), ("left", "right")
    table = windows_table(
        signals,
        channel_names=["C3", "CZ", "C4"],
        onsets=[0, 4],
        labels=names,
        label_names=names,
        subject="S001",
        recording="S001R01.edf",
        corpus="mine",
        subject_source="scheme",
    )
    (tmp_path / "eegmmidb").mkdir()
    pq.write_table(table, tmp_path / "eegmmidb" / "train.parquet")
    with pytest.raises(
        ValueError, match="has the classes left, right; task eyes-eegmmidb needs eyes_open, eyes_closed"
    ):
        TASKS["eyes-eegmmidb"].load(tmp_path)


def test_a_window_without_signal_is_left_out_of_a_task(tmp_path):
    """The same verdict as on every other route: 4 s of one held value, and the windows around them stay."""
    path, _ = simulate_recordings(tmp_path / "eegmmidb", subjects=1, montage=["C3", "Cz", "C4", "Pz"], seconds=20)
    whole = TASKS["eyes-eegmmidb"].load(tmp_path)
    raw = mne.io.read_raw_edf(path, preload=True, verbose="error")
    rate = int(raw.info["sfreq"])
    raw.apply_function(held, start=8 * rate, stop=12 * rate)
    mne.export.export_raw(path, raw, overwrite=True, verbose="error")
    with pytest.warns(UserWarning, match="no signal from 8"):
        left = TASKS["eyes-eegmmidb"].load(tmp_path)
    assert len(whole) - len(left) == 1
    assert set(whole.onsets) - set(left.onsets[left.labels == 0]) == {8.0}


def held(values, start, stop):
    values[start:stop] = values[start]
    return values


def test_windows_are_cut_again_where_the_declaration_of_the_corpus_changes(corpus_root, monkeypatch):
    before = TASKS["eyes-eegmmidb"].sources(corpus_root)
    assert TASKS["eyes-eegmmidb"].sources(corpus_root) == json.loads(json.dumps(before))
    monkeypatch.setattr(PhysioNetMI, "rename", {"Cz": "C1"})
    assert TASKS["eyes-eegmmidb"].sources(corpus_root) != before


def test_recordings_of_ones_own_that_are_named_as_in_the_corpus_are_read(tmp_path):
    simulate_recordings(tmp_path, subjects=2, montage=["C3", "Cz", "C4"], seconds=9, prefix="P")
    windows = TASKS["eyes-eegmmidb"].read(tmp_path, window_seconds=2.0)
    assert sorted(set(windows.subjects.tolist())) == ["P001", "P002"]
    assert windows.signals.shape == (16, 3, 512)
    with pytest.raises(FileNotFoundError, match="no name matches"):
        TASKS["mental-arithmetic"].read(tmp_path)
    with pytest.raises(FileNotFoundError, match="both_feet"):
        TASKS["fists-feet"].read(tmp_path)
