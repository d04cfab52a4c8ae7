"""How windows are divided into training, validation and test, and a guard against leakage.

Every protocol yields `Fold`s. Training fits weights, validation alone selects (epoch, hyper-parameters), the test
part is looked at once. What must not straddle these parts depends on the question asked: the subject when a model
is to work on people it never saw, the session when it is to work on another day, the recording or trial when it is
calibrated within a session. Each protocol names that unit, and `check_folds` refuses folds that break it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

PARTS = ("train", "validation", "test")


class LeakageError(ValueError):
    """A split in which the same subject, session, recording or window is on both sides."""


@dataclass(frozen=True)
class Fold:
    """Positions of the windows in each part; `name` says what is tested."""

    name: str
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    unit: str = field(default="subject", compare=False)

    @property
    def fit(self) -> np.ndarray:
        """Training and validation together, for models that select nothing on validation."""
        return np.sort(np.concatenate([self.train, self.validation]))


def check_fold(fold: Fold, groups: Sequence[str] | np.ndarray) -> None:
    """Refuse a fold in which a window or a group is in more than one part, or a part is empty.

    Args:
        fold: to be checked.
        groups: (W,) for each window the unit that must stay together, for example its subject.

    Raises:
        LeakageError: naming the fold, the parts and the first groups found on both sides.
        ValueError: training or test part is empty.
    """
    groups = np.asarray(groups)
    for part in ("train", "test"):
        if len(getattr(fold, part)) == 0:
            raise ValueError(f"fold {fold.name}: the {part} part is empty")
    for i, first in enumerate(PARTS):
        for second in PARTS[i + 1 :]:
            a, b = getattr(fold, first), getattr(fold, second)
            if shared := np.intersect1d(a, b).tolist():
                raise LeakageError(f"fold {fold.name}: windows {shared[:5]} are both in {first} and in {second}")
            if straddling := sorted(set(groups[a]) & set(groups[b])):
                raise LeakageError(
                    f"fold {fold.name}: {fold.unit} {', '.join(map(str, straddling[:5]))} is both in {first} and in "
                    f"{second}. Results from such a split are too good; keep every {fold.unit} in one part."
                )


def check_folds(folds: Sequence[Fold], groups: Sequence[str] | np.ndarray) -> list[Fold]:
    """`check_fold` on each; also, no window may be tested twice. Returns the folds."""
    tested = np.concatenate([fold.test for fold in folds])
    if len(np.unique(tested)) != len(tested):
        raise LeakageError("a window is in the test part of more than one fold: it would be counted twice")
    for fold in folds:
        check_fold(fold, groups)
    return list(folds)


def check_overlap(folds: Sequence[Fold], recordings: np.ndarray, onsets: np.ndarray, window_seconds: float) -> None:
    """Refuse folds in which windows of different parts share samples of one recording.

    Args:
        folds: to be checked.
        recordings: (W,) names that are unique over subjects and sessions.
        onsets: (W,) seconds.
        window_seconds: length of a window.
    """
    recordings, onsets = np.asarray(recordings), np.asarray(onsets)
    in_time = np.lexsort((onsets, recordings))
    for fold in folds:
        part_of = np.full(len(recordings), -1)
        for number, part in enumerate(PARTS):
            part_of[getattr(fold, part)] = number
        used = in_time[part_of[in_time] >= 0]
        before, after = used[:-1], used[1:]
        overlapping = (recordings[before] == recordings[after]) & (
            onsets[after] - onsets[before] < window_seconds - 1e-6
        )
        leaking = before[overlapping & (part_of[before] != part_of[after])]
        if len(leaking):
            raise LeakageError(
                f"fold {fold.name}: overlapping windows of recording {recordings[leaking[0]]} lie in different parts; "
                "cut the windows without overlap or leave a gap"
            )


def _natural_order(names: np.ndarray) -> np.ndarray:
    """(W,) place of each name among the different ones, numbers in them compared as numbers: run 2 before run 10."""
    distinct, which = np.unique(names, return_inverse=True)
    keys = [[int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)] for name in distinct]
    places = np.empty(len(distinct), dtype=int)
    places[sorted(range(len(distinct)), key=keys.__getitem__)] = np.arange(len(distinct))
    return places[which]


def _next_fold_validates(name: str, blocks: Sequence[np.ndarray], unit: str, labels: Sequence[str]) -> list[Fold]:
    """One fold per block: the block is tested, the next one validates, the others train."""
    folds = []
    for k, test in enumerate(blocks):
        v = (k + 1) % len(blocks)
        train = [block for i, block in enumerate(blocks) if i not in (k, v)]
        if not train:
            raise ValueError(f"{name} needs at least 3 parts to train, validate and test, got {len(blocks)}")
        folds.append(Fold(labels[k], np.sort(np.concatenate(train)), np.sort(blocks[v]), np.sort(test), unit))
    return folds


def leave_one_group_out(groups: Sequence[str] | np.ndarray, unit: str = "subject") -> list[Fold]:
    """Each group is tested once; the next group (in sorted order, cyclic) validates, all others train.

    Args:
        groups: (W,) subjects for leave-one-subject-out; runs or recordings for calibration within a subject.
        unit: what a group is, for messages.
    """
    groups = np.asarray(groups)
    names = np.unique(groups)
    blocks = [np.flatnonzero(groups == name) for name in names]
    return check_folds(_next_fold_validates(f"leave one {unit} out", blocks, unit, [str(n) for n in names]), groups)


def leave_one_subject_out(subjects: Sequence[str] | np.ndarray) -> list[Fold]:
    """Every subject is tested by a model that never saw them."""
    return leave_one_group_out(subjects, "subject")


def grouped_k_fold(
    groups: Sequence[str] | np.ndarray, labels: Sequence[int] | np.ndarray, n_folds: int = 8, unit: str = "subject"
) -> list[Fold]:
    """K folds of whole groups, each with about the same share of every class; the next fold validates.

    The folds do not depend on a seed: groups are assigned greedily, the most unequal first, as in scikit-learn's
    StratifiedGroupKFold, so that every model and every seed sees the same ones.
    """
    groups, labels = np.asarray(groups), np.asarray(labels)
    if len(np.unique(groups)) < n_folds:
        raise ValueError(f"{n_folds} folds need at least as many {unit}s; there are {len(np.unique(groups))}")
    splitter = StratifiedGroupKFold(n_folds)
    blocks = [test for _, test in splitter.split(np.zeros(len(groups)), labels, groups)]
    names = [f"fold {k + 1} of {n_folds}" for k in range(n_folds)]
    return check_folds(_next_fold_validates("grouped k-fold", blocks, unit, names), groups)


def fixed_split(
    groups: Sequence[str] | np.ndarray, parts: Mapping[str, Sequence[str]], unit: str = "subject"
) -> list[Fold]:
    """A published split by name.

    Args:
        groups: (W,) subjects or recordings.
        parts: "train", "validation", "test" -> the groups in each. Windows of groups named nowhere are not used.

    Raises:
        LeakageError: a group is named in two parts.
    """
    groups = np.asarray(groups)
    positions = {part: np.flatnonzero(np.isin(groups, list(parts.get(part, ())))) for part in PARTS}
    return check_folds([Fold("published split", **positions, unit=unit)], groups)


def cross_session(
    subjects: np.ndarray,
    sessions: np.ndarray,
    labels: np.ndarray,
    recordings: np.ndarray,
    onsets: np.ndarray,
    window_seconds: float,
) -> list[Fold]:
    """Per subject, each session but the first is tested by a model trained on the sessions before it.

    The last tenth of the training windows of each class, in time order, validates: a later day must not select a
    model for an earlier one. Time is the order of the sessions' names, within them that of the recordings' names, in
    both with numbers as numbers, and within a recording that of the onsets.

    Args:
        subjects, sessions: (W,) names.
        labels: (W,).
        recordings: (W,) names that are unique over subjects and sessions.
        onsets: (W,) seconds within the recording.
        window_seconds: length of a window.

    Raises:
        ValueError: a subject has only one session.
        LeakageError: overlapping windows were divided between training and validation.
    """
    subjects, sessions, labels = np.asarray(subjects), np.asarray(sessions), np.asarray(labels)
    days = _natural_order(sessions)
    in_time = np.lexsort((onsets, _natural_order(recordings), days))
    folds = []
    for subject in np.unique(subjects):
        own = in_time[subjects[in_time] == subject]
        own_days = np.unique(days[own])
        if len(own_days) < 2:
            raise ValueError(f"subject {subject} has only one session; cross-session needs two or more")
        for day in own_days[1:]:
            earlier, test = own[days[own] < day], np.sort(own[days[own] == day])
            validation = np.sort(
                np.concatenate([_last_tenth(earlier[labels[earlier] == c]) for c in np.unique(labels)])
            )
            name = f"{subject}, session {sessions[test[0]]}"
            folds.append(Fold(name, np.setdiff1d(earlier, validation), validation, test, "session"))
    check_overlap(folds, recordings, onsets, window_seconds)
    return folds


def _last_tenth(positions: np.ndarray) -> np.ndarray:
    return positions[len(positions) - max(1, len(positions) // 10) :] if len(positions) else positions


def within_session_folds(
    sessions: np.ndarray,
    labels: np.ndarray,
    recordings: np.ndarray,
    onsets: np.ndarray,
    window_seconds: float,
    n_folds: int = 5,
) -> list[Fold]:
    """Folds of consecutive windows within every session: what calibration on the same day can reach.

    Each session is cut, class by class, into `n_folds` blocks in order of time. Neighbouring windows resemble each
    other, so blocks are contiguous instead of shuffled; still, this says nothing about new people or new days.

    Args:
        sessions: (W,) names that are unique over subjects.
        labels: (W,).
        recordings: (W,) names that are unique over subjects and sessions; their order is that of time.
        onsets: (W,) seconds within the recording.
        window_seconds: length of a window.
        n_folds: how many blocks.

    Raises:
        LeakageError: overlapping windows lie in different blocks.
    """
    sessions, labels = np.asarray(sessions), np.asarray(labels)
    in_time = np.lexsort((onsets, _natural_order(recordings)))
    block_of = np.empty(len(labels), dtype=int)
    for session in np.unique(sessions):
        for label in np.unique(labels):
            here = in_time[(sessions[in_time] == session) & (labels[in_time] == label)]
            block_of[here] = np.arange(len(here)) * n_folds // max(len(here), 1)
    blocks = [np.flatnonzero(block_of == k) for k in range(n_folds)]
    names = [f"block {k + 1} of {n_folds}" for k in range(n_folds)]
    folds = _next_fold_validates("within-session folds", blocks, "window", names)
    check_overlap(folds, recordings, onsets, window_seconds)
    return check_folds(folds, np.arange(len(labels)).astype(str))


def one_class_subjects(subjects: np.ndarray, labels: np.ndarray) -> list[str]:
    """Subjects whose windows (W,) all have the same label (W,): all of them where it is a trait, as a diagnosis is."""
    return [subject for subject in np.unique(subjects) if len(np.unique(labels[subjects == subject])) == 1]


@dataclass(frozen=True)
class SubjectStatistics:
    """A metric per subject, summarised over subjects (not over windows)."""

    mean: float
    standard_deviation: float
    median: float
    worst: float
    subjects: int


def statistics_over_subjects(per_subject: Mapping[str, float]) -> SubjectStatistics:
    """Summarise one value per subject; the standard deviation is that of the sample (n - 1), 0 for one subject."""
    values = np.array([per_subject[name] for name in sorted(per_subject)])
    if len(values) == 0:
        raise ValueError("no subject was tested")
    deviation = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return SubjectStatistics(
        float(values.mean()), deviation, float(np.median(values)), float(values.min()), len(values)
    )
