"""Tasks take their windows from what the corpora declare: from the authors' files, or from a prepared data set."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from dare_eeg_hf.adaptation.labelled_windows import LabelledWindows
from dare_eeg_hf.corpora.windows import windows_table
from dare_eeg_hf.evaluation.tasks import EYES, TASKS
from dare_eeg_hf.recordings.simulation import simulate_recordings


@pytest.fixture(scope="module")
def guinea_bissau(tmp_path_factory):
    """A data root with two people of 280 s; the first begins with closed eyes, which the alpha rhythm follows."""
    root = tmp_path_factory.mktemp("data")
    folder = root / "guinea-bissau-epilepsy"
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
    pd.DataFrame(rows).to_csv(folder / "metadata_guineabissau.csv", index=False)
    return root


def test_guinea_bissau_knows_who_began_with_open_eyes(guinea_bissau):
    """Eyes close after three minutes for some people: alpha follows the label, not the time."""
    windows = TASKS["eyes-guinea-bissau"].load(guinea_bissau)
    alpha = windows.signals[:, windows.channel_names.index("O1")].std(axis=1)
    for subject in set(windows.subjects):
        own = windows.subjects == subject
        closed = windows.labels[own] == windows.label_names.index("eyes closed")
        assert alpha[own][closed].min() > 2 * alpha[own][~closed].max()
    assert len(set(windows.subjects)) == 2


def test_everyone_of_guinea_bissau_is_read_from_both_folders(guinea_bissau, tmp_path):
    """The people of the second folder are other people, whose rows of the table lie in the first."""
    folders = {name: tmp_path / name for name in ("guinea-bissau-epilepsy", "guinea-bissau-epilepsy-more")}
    shared_out = {"metadata_guineabissau.csv": 0, "signal-1.csv.gz": 0, "signal-2.csv.gz": 1}
    for file, place in shared_out.items():
        folder = list(folders.values())[place]
        folder.mkdir(exist_ok=True)
        shutil.copy(guinea_bissau / "guinea-bissau-epilepsy" / file, folder)
    whole, task = TASKS["eyes-guinea-bissau"].load(guinea_bissau), TASKS["eyes-guinea-bissau-all"]
    both = task.load(tmp_path)
    np.testing.assert_array_equal(both.signals, whole.signals)
    assert both.labels.tolist() == whole.labels.tolist()
    assert both.subjects.tolist() == whole.subjects.tolist()
    assert set(TASKS["eyes-guinea-bissau"].load(tmp_path).subjects) == {"1"}
    sources = task.sources(tmp_path)
    (folders["guinea-bissau-epilepsy-more"] / "signal-3.edf").touch()
    assert task.sources(tmp_path) != sources


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


def test_validation_people_are_tested_by_training_people_where_the_test_people_are_missing():
    subjects = [f"Subject{number:02d}" for number in range(32)]
    windows = LabelledWindows.from_arrays(
        np.random.default_rng(0).normal(size=(64, 2, 640)),
        np.arange(64) // 32,
        channel_names=["C3", "C4"],
        sampling_rate=128,
        unit="uV",
        label_names=("rest", "arithmetic"),
        subjects=subjects * 2,
        parts=(["train"] * 28 + ["validation"] * 4) * 2,
    )
    [fold] = TASKS["mental-arithmetic-validation"].folds(windows)
    assert set(windows.subjects[fold.test]) == set(subjects[28:])
    assert set(windows.subjects[fold.validation]) == set(subjects[4:28:5])
    assert len(fold.fit) == 56
    with pytest.raises(ValueError, match="recordings of the published test part are missing"):
        TASKS["mental-arithmetic-published"].folds(windows)


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
    ("name", "classes", "folds"),
    [
        ("fists-feet", [44, 46], 6),
        ("tapping", [208, 208], 1),
        ("eyes-eegmmidb", None, 4),
        ("ssvep", [168] * 4, 9),
        ("imagined-hands", [600, 600], 5),
    ],
)
def test_tasks_on_real_recordings(name, classes, folds, shared):
    windows = TASKS[name].load(shared("data"))
    assert len(TASKS[name].folds(windows)) == folds
    assert classes is None or np.bincount(windows.labels).tolist() == classes
    microvolts = windows.signals * {"mV": 1e3, "uV": 1.0}[windows.unit]
    assert 1 < np.median(microvolts.std(axis=-1)) < 100  # imagined-hands was band-passed and is the smallest
