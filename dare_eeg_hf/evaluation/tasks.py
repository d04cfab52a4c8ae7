"""What is measured: data, classes, window length and protocol of every benchmark task.

A task finds its data in the folder given as `--data-root` under one of its folder names: a data set prepared by
`dataset_scripts/` or, where the package declares the corpus (`corpora.declared`), the files as its authors distribute
them. Those are cut as the corpus declares, except for what makes models comparable: no channel is judged and no window
left out that holds signal. All models of a table get the same windows in the same folds. Recordings go through the
signal contract (256 Hz, millivolts, 0.5-75 Hz, notch, average reference), unless the task says otherwise.

The tables of this repository were measured on the authors' files. A prepared data set has what its script decided
(bad channels filled, large amplitudes left out, float16), and so gives other figures.

TUAB, TUEV, BCIC 2a and 2b, SEED-IV, Sleep-EDF and workload are read as data sets prepared by `dataset_scripts/` only,
and were not tried on real data (of 2b, the evaluation sessions were, in the task imagined-hands). TUAB and TUEV have
the parts of the corpora, BCIC leaves one subject out as the paper does. The others' protocols, by session for SEED-IV
and workload and ten folds of subjects for Sleep-EDF, are this package's choice, and so is every validation part that a
corpus lacks: compare with other figures accordingly.

A task's windows are held in memory, channels x samples x 4 bytes each: 0.2 GB per 1,000 windows of 19 channels and
10 s, as TUAB has them. Reading a prepared data set needs that once. A cell, in each worker, needs it up to 4 times for
baselines, probes and pooled features and 5 times for full fine-tuning, beside what the model itself takes: for 400,000
windows of TUAB some 80 GB to read them and 300 to 400 GB a cell.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dare_eeg_hf.adaptation.labelled_windows import LabelledWindows
from dare_eeg_hf.argument_names import suggest
from dare_eeg_hf.corpora.declared.bcic_2b import Bcic2bEvaluation
from dare_eeg_hf.corpora.declared.bcic_ii_iv import TRAINING_SECONDS, BcicTwoFourAsRecorded
from dare_eeg_hf.corpora.declared.guinea_bissau import GuineaBissauEyes, GuineaBissauGroups
from dare_eeg_hf.corpora.declared.mental_arithmetic import MentalArithmetic
from dare_eeg_hf.corpora.declared.physionet_mi import PhysioNetMI
from dare_eeg_hf.corpora.declared.ssvep_exoskeleton import SsvepExoskeleton
from dare_eeg_hf.evaluation.eeg_task import EegTask
from dare_eeg_hf.evaluation.prepared_task import prepared_task
from dare_eeg_hf.evaluation.protocols import (
    Fold,
    check_folds,
    cross_session,
    grouped_k_fold,
    leave_one_group_out,
    leave_one_subject_out,
)

# ---- protocols of single tasks


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


def published_parts(windows: LabelledWindows) -> list[Fold]:
    """The parts the corpus came in. Without a validation part, every fifth training subject validates.

    Raises:
        ValueError: the test part is not there.
    """
    train, validation, test = (np.flatnonzero(windows.parts == part) for part in ("train", "validation", "test"))
    if not len(test):
        raise ValueError("the recordings of the published test part are missing; add them to the corpus's folder")
    if not len(validation):
        train, validation = _fifth_subjects_validate(windows, train)
    return check_folds([Fold("published split", train, validation, test)], windows.subjects)


def published_validation(windows: LabelledWindows) -> list[Fold]:
    """The published validation part is tested, and every fifth training subject validates."""
    train, validation = _fifth_subjects_validate(windows, np.flatnonzero(windows.parts == "train"))
    test = np.flatnonzero(windows.parts == "validation")
    return check_folds([Fold("validation part", train, validation, test)], windows.subjects)


def _fifth_subjects_validate(windows: LabelledWindows, train: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Training windows (positions) without every fifth subject, and those of every fifth."""
    inside = np.isin(windows.subjects[train], np.unique(windows.subjects[train])[4::5])
    return train[~inside], train[inside]


def published_trials(windows: LabelledWindows) -> list[Fold]:
    """Published training and test trials of one subject; the last fifth of the training trials validates."""
    training = windows.onsets < TRAINING_SECONDS
    train, test = np.flatnonzero(training), np.flatnonzero(~training)
    cut = len(train) * 4 // 5
    return check_folds([Fold("published split", train[:cut], train[cut:], test, "trial")], windows.onsets)


def across_devices(windows: LabelledWindows) -> list[Fold]:
    """Train on one device, test on the other, both ways; every fourth subject of the training device validates."""
    emotiv = windows.parts == "eyes-guinea-bissau"
    folds = []
    for name, source in (("trained on EEGMMIDB, tested on Emotiv", ~emotiv), ("the reverse", emotiv)):
        held_out = np.unique(windows.subjects[source])[3::4]
        inside = np.isin(windows.subjects, held_out)
        folds.append(
            Fold(name, np.flatnonzero(source & ~inside), np.flatnonzero(source & inside), np.flatnonzero(~source))
        )
    return check_folds(folds, windows.subjects)


EYES = ("eyes open", "eyes closed")
GUINEA_BISSAU = ("guinea-bissau-epilepsy", "guinea-bissau-epilepsy-more")
"""22 people with good contact, and others as they come."""
EYES_TASKS = ("eyes-eegmmidb", "eyes-guinea-bissau")


@dataclass(frozen=True)
class AcrossDevicesTask(EegTask):
    """Both eyes-open/closed corpora on the electrodes they share, with a common average reference."""

    def find(self, data_root: Path | str) -> list[Path]:
        """The folders of both corpora."""
        return [folder for name in EYES_TASKS for folder in TASKS[name].find(data_root)]

    def sources(self, data_root: Path | str) -> dict:
        """What both corpora's windows are made from."""
        return {name: TASKS[name].sources(data_root) for name in EYES_TASKS}

    def load(self, data_root: Path | str) -> LabelledWindows:
        """The windows of both corpora, both of which have to be there; their part is the corpus they are of."""
        corpora = {name: TASKS[name].load(data_root) for name in EYES_TASKS}
        parts = [replace(windows, parts=np.full(len(windows), name)) for name, windows in corpora.items()]
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
        MentalArithmetic,
        leave_out="test",
    ),
    EegTask(
        "mental-arithmetic-published",
        "Mental arithmetic (EEGMAT, published split)",
        ("mental_arithmetic", "eegmat"),
        ("rest", "arithmetic"),
        5.0,
        "subjects 00-27 train, 28-31 validation, 32-35 test",
        published_parts,
        MentalArithmetic,
    ),
    EegTask(
        "mental-arithmetic-validation",
        "Mental arithmetic (EEGMAT, validation people of the published split)",
        ("mental_arithmetic", "eegmat"),
        ("rest", "arithmetic"),
        5.0,
        "subjects 00-27 train, every fifth of them validates; 28-31 test",
        published_validation,
        MentalArithmetic,
        leave_out="test",
    ),
    EegTask(
        "eyes-eegmmidb",
        "Eyes open/closed (EEGMMIDB)",
        ("eegmmidb", "physionet_mi"),
        EYES,
        4.0,
        "leave one subject out",
        one_subject_out,
        PhysioNetMI,
        {"eyes_open": "eyes open", "eyes_closed": "eyes closed"},
    ),
    EegTask(
        "eyes-guinea-bissau",
        "Eyes open/closed (Guinea-Bissau, Emotiv)",
        ("guinea-bissau-epilepsy",),
        EYES,
        4.0,
        "8-fold cross-validation grouped by subject",
        by_subjects(8),
        GuineaBissauEyes,
    ),
    EegTask(
        "eyes-guinea-bissau-all",
        "Eyes open/closed (Guinea-Bissau, everyone)",
        GUINEA_BISSAU,
        EYES,
        4.0,
        "8-fold cross-validation grouped by subject",
        by_subjects(8),
        GuineaBissauEyes,
        every_folder=True,
    ),
    AcrossDevicesTask(
        "eyes-across-devices",
        "Eyes open/closed across devices",
        ("eegmmidb",),
        EYES,
        4.0,
        "train on EEGMMIDB, test on Emotiv, and the reverse; common electrodes",
        across_devices,
    ),
    EegTask(
        "fists-feet",
        "Fists or feet (EEGMMIDB)",
        ("eegmmidb", "physionet_mi"),
        ("both fists", "both feet"),
        4.0,
        "leave one run out, executed and imagined",
        one_run_out,
        PhysioNetMI,
        {
            "both_fists": "both fists",
            "both_feet": "both feet",
            "imagined_both_fists": "both fists",
            "imagined_both_feet": "both feet",
        },
    ),
    EegTask(
        "epilepsy",
        "Epilepsy/control (Guinea-Bissau)",
        ("guinea-bissau-epilepsy", "guinea_bissau"),
        ("control", "epilepsy"),
        4.0,
        "11-fold cross-validation grouped by subject",
        by_subjects(11),
        GuineaBissauGroups,
        {"Control": "control", "Epilepsy": "epilepsy"},
    ),
    EegTask(
        "epilepsy-all",
        "Epilepsy/control (Guinea-Bissau, everyone)",
        GUINEA_BISSAU,
        ("control", "epilepsy"),
        4.0,
        "8-fold cross-validation grouped by subject",
        by_subjects(8),
        GuineaBissauGroups,
        {"Control": "control", "Epilepsy": "epilepsy"},
        every_folder=True,
    ),
    EegTask(
        "ssvep",
        "SSVEP, rest and 3 frequencies (exoskeleton)",
        ("ssvep-exoskeleton", "ssvep_exoskeleton"),
        ("rest", "13_hz", "17_hz", "21_hz"),
        4.0,
        "leave one subject out",
        one_subject_out,
        SsvepExoskeleton,
    ),
    EegTask(
        "imagined-hands",
        "Imagined left/right hand, 3 electrodes (BCIC IV 2b, evaluation sessions)",
        ("bcic-2b-imagery",),
        ("left_hand", "right_hand"),
        4.0,
        "leave one subject out; reference as recorded",
        one_subject_out,
        Bcic2bEvaluation,
    ),
    EegTask(
        "tapping",
        "Left/right tapping (BCI Competition II-IV)",
        ("bci-competition-2-iv", "bcic_ii_iv"),
        ("left", "right"),
        0.5,
        "published training and test trials",
        published_trials,
        BcicTwoFourAsRecorded,
        normalized=False,
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


def task_named(name: str) -> EegTask:
    """The task of this name or, where it is a folder, of the prepared data set in it.

    Raises:
        ValueError: it is neither.
    """
    if name in TASKS:
        return TASKS[name]
    if Path(name).is_dir():
        return prepared_task(name)
    raise ValueError(f"there is no task {suggest(name, TASKS)}; the tasks are {', '.join(TASKS)}")
