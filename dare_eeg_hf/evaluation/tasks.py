"""What is measured: data, classes, window length and protocol of every benchmark task.

A task reads a data set prepared by `dataset_scripts/` or, where it has a `read_source`, the corpus as its authors
distribute it, whichever it finds in the folder given as `--data-root` under one of its folder names. All models of a
table get the same windows in the same folds. Recordings go through the signal contract (256 Hz, millivolts,
0.5-75 Hz, notch, average reference), unless the task says otherwise.

TUAB, TUEV, BCIC 2a and 2b, SEED-IV, Sleep-EDF and workload are read as data sets prepared by `dataset_scripts/` only,
and were not tried on real data. TUAB and TUEV have the parts of the corpora, BCIC leaves one subject out as the paper
does. The others' protocols, by session for SEED-IV and workload and ten folds of subjects for Sleep-EDF, are this
package's choice, and so is every validation part that a corpus lacks: compare with other figures accordingly.

A task's windows are held in memory, channels x samples x 4 bytes each: 0.2 GB per 1,000 windows of 19 channels and
10 s, as TUAB has them. Reading a prepared data set needs that once. A cell, in each worker, needs it up to 4 times for
baselines, probes and pooled features and 5 times for full fine-tuning, beside what the model itself takes: for 400,000
windows of TUAB some 80 GB to read them and 300 to 400 GB a cell.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dare_eeg_hf.adaptation.euclidean_alignment import align_windows
from dare_eeg_hf.adaptation.labelled_windows import LabelledWindows
from dare_eeg_hf.corpora.people import people_of
from dare_eeg_hf.evaluation.protocols import (
    Fold,
    check_folds,
    cross_session,
    fixed_split,
    grouped_k_fold,
    leave_one_group_out,
    leave_one_subject_out,
)

WHOLE_MONTAGE = {"bad_channels": (), "interpolate": ("bad",)}
"""Every recording keeps the montage of its corpus: no channel is judged, unusable ones are interpolated."""


@dataclass(frozen=True)
class EegTask:
    """One row group of the benchmark.

    Attributes:
        name: as on the command line.
        title: as in tables.
        folders: names under the data root, tried in this order.
        label_names: the classes.
        window_seconds: length of a window.
        protocol: one sentence for the table.
        read_source: reads the corpus as distributed; None where only a prepared data set is read.
        split: windows to folds.
        align: Euclidean alignment per session (no labels; unlabelled test windows are used).
        leave_out: numbers of subjects that this task must not touch, such as those kept for a final evaluation.
    """

    name: str
    title: str
    folders: tuple[str, ...]
    label_names: tuple[str, ...]
    window_seconds: float
    protocol: str
    split: Callable[[LabelledWindows], list[Fold]]
    read_source: Callable[[EegTask, Path], LabelledWindows] | None = None
    align: bool = False
    leave_out: tuple[str, ...] = ()

    def find(self, data_root: Path | str) -> list[Path]:
        """The folders of this task's data.

        Raises:
            FileNotFoundError: naming the folders that were looked for, and how to make them.
        """
        found = [folder for name in self.folders if (folder := Path(data_root) / name).is_dir()]
        if not found:
            raise FileNotFoundError(
                f"task {self.name} needs one of the folders {', '.join(self.folders)} in {data_root}; "
                "make it with the corpus's script in dataset_scripts/ "
                f"(--output {Path(data_root) / self.folders[0]})"
            )
        return found

    def sources(self, data_root: Path | str) -> dict:
        """What the windows are made from: how they are cut, and name, size and time of change of every file."""
        folder = self.find(data_root)[0]
        files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
        seen = [[str(file.relative_to(folder)), file.stat().st_size, file.stat().st_mtime_ns] for file in files]
        digest = hashlib.sha256(json.dumps(seen).encode()).hexdigest()
        return {"classes": list(self.label_names), "window_seconds": self.window_seconds, "files": digest}

    def load(self, data_root: Path | str) -> LabelledWindows:
        """All windows of the task.

        Raises:
            FileNotFoundError: the data are not there.
            ValueError: a prepared data set has windows of another length or other classes.
        """
        folder = self.find(data_root)[0]
        prepared = any(folder.rglob("*.parquet"))
        if prepared:
            windows = read_prepared(folder)
            seconds = windows.signals.shape[-1] / windows.sampling_rate
            if abs(seconds - self.window_seconds) > 1 / windows.sampling_rate:
                raise ValueError(
                    f"{folder} has windows of {seconds:g} s; task {self.name} needs {self.window_seconds:g}"
                )
            if windows.label_names != self.label_names:
                raise ValueError(
                    f"{folder} has the classes {', '.join(windows.label_names)}; task {self.name} needs "
                    f"{', '.join(self.label_names)}"
                )
            if not windows.people_known:
                raise ValueError(
                    f"{folder}: {windows.people_statement}; task {self.name} needs to know who was recorded. "
                    "Prepare it with the corpus's script, or with dataset_scripts/recordings.py --subject-pattern"
                )
        elif self.read_source is None:
            raise FileNotFoundError(
                f"{folder} holds no Parquet files: task {self.name} reads a data set prepared by dataset_scripts/"
            )
        else:
            windows = self.read_source(self, folder)
        windows = windows.select(~np.isin(subject_numbers(windows), self.leave_out)) if self.leave_out else windows
        return align_windows(windows) if self.align else windows

    def folds(self, windows: LabelledWindows) -> list[Fold]:
        """The task's protocol on its windows."""
        return self.split(windows)


def read_prepared(folder: Path) -> LabelledWindows:
    """A prepared data set with the part each row was published in kept in `windows.parts`."""
    from datasets import concatenate_datasets

    from dare_eeg_hf.corpora.loading import load_windows, split_names

    splits = {name: load_windows(folder, split=name) for name in map(str, split_names(folder))}
    parts = np.repeat(list(splits), [len(rows) for rows in splits.values()])
    return LabelledWindows.from_rows(concatenate_datasets(list(splits.values())), parts=parts)


# ---- from recordings to windows


def cut_recording(
    path: Path,
    label: int,
    label_names: Sequence[str],
    *,
    subject: str,
    seconds: float,
    onsets: Sequence[float] | None = None,
    labels: Sequence[int] | None = None,
) -> LabelledWindows:
    """Windows of one normalised recording: back to back, or from the given onsets with a label each."""
    from dare_eeg_hf.recordings.recordings import load_recording

    raw = load_recording(path, **WHOLE_MONTAGE).raw
    return cut_raw(raw, label, label_names, path.stem, subject, seconds, onsets, labels)


def cut_raw(raw, label, label_names, recording, subject, seconds, onsets=None, labels=None) -> LabelledWindows:
    """`cut_recording` for a normalised MNE Raw (volts) that is already open."""
    rate = raw.info["sfreq"]
    samples = round(seconds * rate)
    millivolts = (raw.get_data() * 1e3).astype(np.float32)
    if onsets is None:
        onsets = np.arange(millivolts.shape[1] // samples) * seconds
        labels = np.full(len(onsets), label)
    starts = np.round(np.asarray(onsets) * rate).astype(int)
    complete = (starts >= 0) & (starts + samples <= millivolts.shape[1])
    starts, labels, onsets = starts[complete], np.asarray(labels)[complete], np.asarray(onsets)[complete]
    signals = np.stack([millivolts[:, start : start + samples] for start in starts])
    return LabelledWindows.from_arrays(
        signals,
        labels,
        channel_names=raw.ch_names,
        sampling_rate=rate,
        unit="mV",
        label_names=label_names,
        subjects=[subject] * len(starts),
        recordings=[recording] * len(starts),
        onsets=onsets,
        normalized=True,
    )


def _files(folder: Path, pattern: str) -> list[tuple[Path, re.Match]]:
    """Files whose name matches, with the match, in order of name."""
    matches = [(path, re.fullmatch(pattern, path.name)) for path in sorted(folder.rglob("*"))]
    found = [(path, match) for path, match in matches if match]
    if not found:
        raise FileNotFoundError(f"{folder} holds no file named like {pattern}")
    return found


@dataclass(frozen=True)
class FileNameLabels:
    """A corpus whose label is in the file name: group 1 of `pattern` is the subject, group 2 counts classes from 1."""

    pattern: str
    label_names: tuple[str, ...]


EYES = FileNameLabels(r"([A-Za-z]+\d+)R0([12])(?:\D.*)?\.edf", ("eyes open", "eyes closed"))
ARITHMETIC = FileNameLabels(r"Subject(\d\d)_([12]).*\.edf", ("rest", "arithmetic"))


def subject_of(path: Path, rule: FileNameLabels) -> str | None:
    """The subject a recording's name tells, or None where the name does not follow the rule."""
    match = re.fullmatch(rule.pattern, path.name)
    return match[1] if match else None


def read_labelled_recordings(
    folder: Path | str, rule: FileNameLabels, seconds: float, subject_pattern: str | None = None
) -> LabelledWindows:
    """Windows of all recordings in a folder whose label is in the file name; so is the person, unless
    `subject_pattern` (its first group, searched in the path below the folder) tells otherwise.

    Raises:
        FileNotFoundError: no file has such a name.
        ValueError: `subject_pattern` finds nobody in a name.
    """
    files = _files(Path(folder), rule.pattern)
    people = {path: match[1] for path, match in files}
    if subject_pattern is not None:
        names = {path: path.relative_to(folder).as_posix() for path in people}
        told = people_of(list(names.values()), subject_pattern).of
        people = {path: told[name] for path, name in names.items()}
    windows = LabelledWindows.concatenate(
        [
            cut_recording(path, int(match[2]) - 1, rule.label_names, subject=people[path], seconds=seconds)
            for path, match in files
        ]
    )
    return replace(windows, subject_source="scheme" if subject_pattern is None else "pattern")


def read_mental_arithmetic(task: EegTask, folder: Path) -> LabelledWindows:
    """EEGMAT: SubjectNN_1*.edf rest, SubjectNN_2*.edf arithmetic."""
    return read_labelled_recordings(folder, ARITHMETIC, task.window_seconds)


def read_eyes_eegmmidb(task: EegTask, folder: Path) -> LabelledWindows:
    """EEGMMIDB resting runs: R01 eyes open, R02 eyes closed."""
    return read_labelled_recordings(folder, EYES, task.window_seconds)


def read_fists_feet(task: EegTask, folder: Path) -> LabelledWindows:
    """EEGMMIDB runs 5, 6, 9, 10, 13, 14: T1 both fists, T2 both feet, executed or imagined."""
    import mne

    parts = []
    for path, match in _files(folder, r"(S\d{3})R(05|06|09|10|13|14)\.edf"):
        annotations = mne.read_annotations(path)
        cues = [(a["onset"], ("T1", "T2").index(a["description"])) for a in annotations if a["description"] != "T0"]
        onsets, labels = zip(*cues, strict=True)
        parts.append(
            cut_recording(
                path,
                0,
                task.label_names,
                subject=match[1],
                seconds=task.window_seconds,
                onsets=onsets,
                labels=labels,
            )
        )
    return LabelledWindows.concatenate(parts)


EMOTIV_RATE = 128.0
SWITCH_SECONDS, SWITCH_MARGIN = 180.0, 10.0
"""Guinea-Bissau: the eyes change after about three minutes, without a marker; windows near it are left out."""


def _read_guinea_bissau(task: EegTask, folder: Path, label_of: Callable) -> LabelledWindows:
    import mne
    import pandas as pd

    from dare_eeg_hf.recordings.recordings import normalize_raw

    metadata = pd.read_csv(next(iter(sorted(folder.rglob("metadata*.csv")))), index_col="subject.id")
    parts = []
    for path, match in _files(folder, r"signal-(\d+)\.csv\.gz"):
        table = pd.read_csv(path, index_col=0)
        channels = list(table.columns[: list(table.columns).index("COUNTER")])
        info = mne.create_info(channels, EMOTIV_RATE, "eeg")
        recorded = mne.io.RawArray(table[channels].to_numpy().T * 1e-6, info, verbose="error")
        raw = normalize_raw(recorded, **WHOLE_MONTAGE).raw
        onsets = np.arange(0, raw.times[-1] - task.window_seconds, task.window_seconds)
        labels = label_of(metadata.loc[int(match[1])], onsets, task.window_seconds)
        kept = labels >= 0
        parts.append(
            cut_raw(
                raw,
                0,
                task.label_names,
                path.name.removesuffix(".csv.gz"),
                f"GB{match[1]}",
                task.window_seconds,
                onsets[kept],
                labels[kept],
            )
        )
    return LabelledWindows.concatenate(parts)


def read_eyes_guinea_bissau(task: EegTask, folder: Path) -> LabelledWindows:
    """Eyes closed before and open after the change near 180 s, or the reverse, as the metadata say of each person.

    Within a person, class and time in the recording go together: what drifts can help to tell the eyes.
    """

    def label_of(subject, onsets, seconds):
        first = task.label_names.index("eyes " + subject["Eyes.condition"].split("-")[0])
        before = onsets + seconds <= SWITCH_SECONDS - SWITCH_MARGIN
        after = onsets >= SWITCH_SECONDS + SWITCH_MARGIN
        return np.where(before, first, np.where(after, 1 - first, -1))

    return _read_guinea_bissau(task, folder, label_of)


def read_epilepsy(task: EegTask, folder: Path) -> LabelledWindows:
    """Group of the subject, for every window. A benchmark on 22 people, no diagnostic instrument."""

    def label_of(subject, onsets, _):
        return np.full(len(onsets), task.label_names.index(subject["Group"].lower()))

    return _read_guinea_bissau(task, folder, label_of)


def read_tapping(task: EegTask, folder: Path) -> LabelledWindows:
    """BCI Competition II, data set IV at 100 Hz; trials of 0.5 s are too short for the contract's filters."""
    from scipy.io import loadmat

    content = loadmat(_files(folder, r"sp1s_aa\.mat")[0][0])
    names = [str(np.ravel(name)[0]) for name in np.ravel(content["clab"])]
    trials = np.concatenate([content["x_train"], content["x_test"]], axis=2).transpose(2, 1, 0)
    labels = np.concatenate([content["y_train"].ravel(), content["y_test"].ravel()])
    count = content["x_train"].shape[2]
    return LabelledWindows.from_arrays(
        trials,
        labels,
        channel_names=names,
        sampling_rate=100,
        unit="uV",
        label_names=task.label_names,
        recordings=[f"trial {i}" for i in range(len(labels))],
        parts=["train"] * count + ["test"] * (len(labels) - count),
    )


# ---- protocols of single tasks


PUBLISHED_TEST_SUBJECTS = ("32", "33", "34", "35")
"""EEGMAT: kept away from everything but the published split."""


def subject_numbers(windows: LabelledWindows) -> np.ndarray:
    """(W,) the two last digits of each subject's name, however a data set writes it."""
    return np.array([re.sub(r"\D", "", subject)[-2:] for subject in windows.subjects])


def by_subjects(n_folds: int) -> Callable[[LabelledWindows], list[Fold]]:
    """Grouped k-fold over subjects."""
    return lambda windows: grouped_k_fold(windows.subjects, windows.labels, n_folds)


def one_subject_out(windows: LabelledWindows) -> list[Fold]:
    """Leave one subject out."""
    return leave_one_subject_out(windows.subjects)


def one_run_out(windows: LabelledWindows) -> list[Fold]:
    """Leave one recording out, within the subjects."""
    return leave_one_group_out(windows.recording_keys, "recording")


def sessions_in_order(windows: LabelledWindows) -> list[Fold]:
    """Train on earlier sessions, test on the next."""
    seconds = windows.signals.shape[-1] / windows.sampling_rate
    return cross_session(
        windows.subjects, windows.sessions, windows.labels, windows.recording_keys, windows.onsets, seconds
    )


def eegmat_published(windows: LabelledWindows) -> list[Fold]:
    """Subjects 00-27 train, 28-31 validation, 32-35 test."""
    number = [f"{i:02d}" for i in range(36)]
    parts = {"train": number[:28], "validation": number[28:32], "test": number[32:]}
    return fixed_split(subject_numbers(windows), parts)


def published_parts(windows: LabelledWindows) -> list[Fold]:
    """The parts the corpus came in. Without a validation part, every fifth training subject validates."""
    train, test = np.flatnonzero(windows.parts == "train"), np.flatnonzero(windows.parts == "test")
    validation = np.flatnonzero(windows.parts == "validation")
    if not len(validation):
        held_out = np.unique(windows.subjects[train])[4::5]
        inside = np.isin(windows.subjects[train], held_out)
        train, validation = train[~inside], train[inside]
    return check_folds([Fold("published split", train, validation, test)], windows.subjects)


def published_trials(windows: LabelledWindows) -> list[Fold]:
    """Published training and test trials of one subject; the last fifth of the training trials validates."""
    train, test = np.flatnonzero(windows.parts == "train"), np.flatnonzero(windows.parts == "test")
    cut = len(train) * 4 // 5
    fold = Fold("published split", train[:cut], train[cut:], test, "recording")
    return check_folds([fold], windows.recording_keys)


def across_devices(windows: LabelledWindows) -> list[Fold]:
    """Train on one device, test on the other, both ways; every fourth subject of the training device validates."""
    emotiv = np.char.startswith(windows.subjects, "GB")
    folds = []
    for name, source in (("trained on EEGMMIDB, tested on Emotiv", ~emotiv), ("the reverse", emotiv)):
        held_out = np.unique(windows.subjects[source])[3::4]
        inside = np.isin(windows.subjects, held_out)
        folds.append(
            Fold(name, np.flatnonzero(source & ~inside), np.flatnonzero(source & inside), np.flatnonzero(~source))
        )
    return check_folds(folds, windows.subjects)


EYES_TASKS = ("eyes-eegmmidb", "eyes-guinea-bissau")


@dataclass(frozen=True)
class AcrossDevicesTask(EegTask):
    """Both eyes-open/closed corpora on the electrodes they share, with a common average reference."""

    def sources(self, data_root: Path | str) -> dict:
        """What both corpora's windows are made from."""
        return {name: TASKS[name].sources(data_root) for name in EYES_TASKS}

    def load(self, data_root: Path | str) -> LabelledWindows:
        """The windows of both corpora; both have to be there."""
        parts = [TASKS[name].load(data_root) for name in EYES_TASKS]
        windows = LabelledWindows.concatenate(parts)
        return windows.with_signals(windows.signals - windows.signals.mean(axis=1, keepdims=True))


_ALL = [
    EegTask(
        "mental-arithmetic",
        "Mental arithmetic (EEGMAT 00-31)",
        ("mental_arithmetic", "eegmat"),
        ("rest", "arithmetic"),
        5.0,
        "8-fold cross-validation grouped by subject",
        by_subjects(8),
        read_mental_arithmetic,
        leave_out=PUBLISHED_TEST_SUBJECTS,
    ),
    EegTask(
        "mental-arithmetic-published",
        "Mental arithmetic (EEGMAT, published split)",
        ("mental_arithmetic", "eegmat"),
        ("rest", "arithmetic"),
        5.0,
        "subjects 00-27 train, 28-31 validation, 32-35 test",
        eegmat_published,
        read_mental_arithmetic,
    ),
    EegTask(
        "eyes-eegmmidb",
        "Eyes open/closed (EEGMMIDB)",
        ("eegmmidb",),
        EYES.label_names,
        4.0,
        "leave one subject out",
        one_subject_out,
        read_eyes_eegmmidb,
    ),
    EegTask(
        "eyes-guinea-bissau",
        "Eyes open/closed (Guinea-Bissau, Emotiv)",
        ("guinea-bissau-epilepsy",),
        EYES.label_names,
        4.0,
        "8-fold cross-validation grouped by subject",
        by_subjects(8),
        read_eyes_guinea_bissau,
    ),
    AcrossDevicesTask(
        "eyes-across-devices",
        "Eyes open/closed across devices",
        ("eegmmidb",),
        EYES.label_names,
        4.0,
        "train on EEGMMIDB, test on Emotiv, and the reverse; common electrodes",
        across_devices,
    ),
    EegTask(
        "fists-feet",
        "Fists or feet (EEGMMIDB)",
        ("eegmmidb",),
        ("both fists", "both feet"),
        4.0,
        "leave one run out, executed and imagined",
        one_run_out,
        read_fists_feet,
    ),
    EegTask(
        "epilepsy",
        "Epilepsy/control (Guinea-Bissau)",
        ("guinea-bissau-epilepsy",),
        ("control", "epilepsy"),
        4.0,
        "11-fold cross-validation grouped by subject",
        by_subjects(11),
        read_epilepsy,
    ),
    EegTask(
        "tapping",
        "Left/right tapping (BCI Competition II-IV)",
        ("bci-competition-2-iv",),
        ("left", "right"),
        0.5,
        "published training and test trials",
        published_trials,
        read_tapping,
    ),
    EegTask(
        "tuab",
        "Normal/abnormal (TUAB)",
        ("tuab",),
        ("normal", "abnormal"),
        10.0,
        "published train and evaluation parts",
        published_parts,
    ),
    EegTask(
        "tuev",
        "Events (TUEV)",
        ("tuev",),
        ("spsw", "gped", "pled", "eyem", "artf", "bckg"),
        5.0,
        "published train and evaluation parts",
        published_parts,
    ),
    EegTask(
        "bcic-2a",
        "Motor imagery, 4 classes (BCIC IV 2a)",
        ("bcic_2a",),
        ("left_hand", "right_hand", "feet", "tongue"),
        4.0,
        "leave one subject out, Euclidean alignment per session",
        one_subject_out,
        align=True,
    ),
    EegTask(
        "bcic-2b",
        "Motor imagery, 3 electrodes (BCIC IV 2b)",
        ("bcic_2b",),
        ("left_hand", "right_hand"),
        4.0,
        "leave one subject out, Euclidean alignment per session",
        one_subject_out,
        align=True,
    ),
    EegTask(
        "seed-iv",
        "Emotions (SEED-IV)",
        ("seed_iv",),
        ("neutral", "sad", "fear", "happy"),
        4.0,
        "per subject, each session tested after the sessions before it",
        sessions_in_order,
    ),
    EegTask(
        "sleep-edf",
        "Sleep stages (Sleep-EDF)",
        ("sleep_edf",),
        ("W", "N1", "N2", "N3", "R"),
        30.0,
        "10-fold cross-validation grouped by subject",
        by_subjects(10),
    ),
    EegTask(
        "workload",
        "Cognitive workload (pBCI, MATB)",
        ("pbci_workload",),
        ("rest", "easy", "medium", "difficult"),
        2.0,
        "per subject, each session tested after the sessions before it",
        sessions_in_order,
    ),
]
TASKS: dict[str, EegTask] = {task.name: task for task in _ALL}
"""All tasks by name."""
