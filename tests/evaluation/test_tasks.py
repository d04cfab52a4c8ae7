"""Tasks take their windows from what the corpora declare: from the authors' files, or from a prepared data set."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import mne
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from dare_eeg_hf.corpora.build import build
from dare_eeg_hf.corpora.declared.physionet_mi import PhysioNetMI
from dare_eeg_hf.corpora.windows import windows_table
from dare_eeg_hf.evaluation.tasks import EYES, TASKS
from dare_eeg_hf.recordings.simulation import simulate_recordings


@pytest.fixture
def guinea_bissau(tmp_path):
    """A data root with two people of 280 s; the first begins with closed eyes, which the alpha rhythm follows."""
    folder = tmp_path / "guinea-bissau-epilepsy"
    folder.mkdir()
    time = np.arange(280 * 128) / 128
    names = ["AF3", "F7", "F3", "FC5", "T7", "P7", "O1", "O2", "P8", "T8", "FC6", "F4", "F8", "AF4"]
    conditions = ["closed-3min-then-open-2min", "open-3min-then-closed-2min"]
    for number, condition in enumerate(conditions, start=1):
        closed = (time < 180) == condition.startswith("closed")
        signals = np.random.default_rng(number).normal(0, 10, (len(names), len(time)))
        signals[6:8] += 40 * closed * np.sin(2 * np.pi * 10 * time)
        table = pd.DataFrame(4200 + signals.T, columns=names).assign(COUNTER=0)
        table.to_csv(folder / f"signal-{number}.csv.gz")
    rows = {"subject.id": [1, 2], "Group": ["Control", "Epilepsy"], "Eyes.condition": conditions}
    pd.DataFrame(rows).to_csv(folder / "metadata.csv", index=False)
    return tmp_path


def test_guinea_bissau_knows_who_began_with_open_eyes(guinea_bissau):
    """Eyes close after three minutes for some people: alpha follows the label, not the time."""
    windows = TASKS["eyes-guinea-bissau"].load(guinea_bissau)
    alpha = windows.signals[:, windows.channel_names.index("O1")].std(axis=1)
    for subject in set(windows.subjects):
        own = windows.subjects == subject
        closed = windows.labels[own] == windows.label_names.index("eyes closed")
        assert alpha[own][closed].min() > 2 * alpha[own][~closed].max()
    assert len(set(windows.subjects)) == 2


def test_guinea_bissau_has_the_windows_of_the_published_figures(guinea_bissau):
    """Of 280 s the last window of 4 s would need the last sample; near three minutes nobody knows about the eyes."""
    windows = TASKS["epilepsy"].load(guinea_bissau)
    assert np.bincount(windows.labels).tolist() == [69, 69]
    eyes = TASKS["eyes-guinea-bissau"].load(guinea_bissau)
    assert sorted(set(eyes.onsets)) == [*range(0, 168, 4), *range(192, 276, 4)]


def test_a_prepared_data_set_gives_the_windows_of_its_files_and_published_test_subjects_stay_out(tmp_path):
    """A task reads Parquet made by the corpus's script as well as the files it was made from."""
    names = "Fp1 Fp2 F3 F4 F7 F8 T7 T8 C3 C4 P7 P8 P3 P4 O1 O2 Fz Cz Pz".split()
    files = simulate_recordings(
        tmp_path / "simulated", subjects=2, montage=names, sampling_rate=250, seconds=15, line_frequency=50
    )
    source = tmp_path / "files" / "eegmat"
    source.mkdir(parents=True)
    for path, name in zip(files, ("Subject00_1", "Subject00_2", "Subject32_1", "Subject32_2"), strict=True):
        shutil.copy(path, source / f"{name}.edf")
    prepared = tmp_path / "prepared" / "mental_arithmetic"
    script = Path(__file__).resolve().parents[2] / "dataset_scripts" / "mental_arithmetic.py"
    command = [sys.executable, script, "--source", source, "--output", prepared, "--num-proc", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert any(prepared.rglob("*.parquet")), done.stderr

    task = TASKS["mental-arithmetic"]
    from_files, from_rows = task.load(tmp_path / "files"), task.load(tmp_path / "prepared")
    assert len(from_files) == len(from_rows) == 6
    assert {subject[-2:] for subject in from_rows.subjects} == {"00"}
    assert {subject[-2:] for subject in TASKS["mental-arithmetic-published"].load(tmp_path / "files").subjects} == {
        "00",
        "32",
    }
    order = [from_rows.channel_names.index(name) for name in from_files.channel_names]
    for label in (0, 1):
        first = from_files.signals[from_files.labels == label]
        second = from_rows.signals[from_rows.labels == label][:, order]
        # The same signal: the script knows the mains frequency, the task finds it, and rows are float16.
        assert np.corrcoef(first.ravel(), second.ravel())[0, 1] > 0.99


@pytest.mark.parametrize("source", ["file", "scheme"])
def test_a_task_on_new_people_needs_to_know_who_was_recorded(tmp_path, source):
    (tmp_path / "eegmmidb").mkdir()
    names = {"subject": "rec01", "recording": "rec01.edf", "corpus": "mine", "subject_source": source}
    signals, classes = np.zeros((2, 3, 1024), np.float32), EYES
    table = windows_table(
        signals, channel_names=["C3", "CZ", "C4"], onsets=[0, 4], labels=classes, label_names=classes, **names
    )
    pq.write_table(table, tmp_path / "eegmmidb" / "train.parquet")
    if source == "scheme":
        assert len(TASKS["eyes-eegmmidb"].load(tmp_path)) == 2
    else:
        with pytest.raises(ValueError, match=r"counted as a separate person.* needs to know who was recorded"):
            TASKS["eyes-eegmmidb"].load(tmp_path)


def test_across_devices_trains_on_one_and_tests_on_the_other(shared):
    task = TASKS["eyes-across-devices"]
    windows = task.load(shared("data"))
    assert set(windows.channel_names) == set("AF3 AF4 F3 F4 F7 F8 FC5 FC6 O1 O2 P7 P8 T7 T8".split())
    np.testing.assert_allclose(windows.signals.mean(axis=1), 0, atol=1e-6)
    folds = task.folds(windows)
    assert len(folds) == 2
    emotiv = ~np.char.startswith(windows.subjects, "S")
    assert not emotiv[folds[0].fit].any()
    assert emotiv[folds[0].test].all()


@pytest.mark.parametrize(
    ("name", "classes", "folds"), [("fists-feet", [44, 46], 6), ("tapping", [208, 208], 1), ("eyes-eegmmidb", None, 4)]
)
def test_tasks_on_real_recordings(name, classes, folds, shared):
    windows = TASKS[name].load(shared("data"))
    assert len(TASKS[name].folds(windows)) == folds
    assert classes is None or np.bincount(windows.labels).tolist() == classes
    microvolts = windows.signals * {"mV": 1e3, "uV": 1.0}[windows.unit]
    assert 3 < np.median(microvolts.std(axis=-1)) < 100


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
