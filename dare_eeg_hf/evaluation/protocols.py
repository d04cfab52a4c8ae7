"""How windows are divided into training, validation and test, and a guard against leakage.

Every protocol yields `Fold`s. Training fits weights, validation alone selects (epoch, hyper-parameters), the test
part is looked at once. What must not straddle these parts depends on the question asked: the subject when a model
is to work on people it never saw, the session when it is to work on another day, the recording or trial when it is
calibrated within a session. Each protocol names that unit, and `check_folds` refuses folds that break it.
"""

from __future__ import annotations

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
        recordings: (W,) names that are unique over subjects.
        onsets: (W,) seconds.
        window_seconds: length of a window.
    """
    for fold in folds:
        part_of = np.full(len(recordings), -1)
        for number, part in enumerate(PARTS):
            part_of[getattr(fold, part)] = number
        for recording in np.unique(recordings):
            here = np.flatnonzero((recordings == recording) & (part_of >= 0))
            here = here[np.argsort(onsets[here], kind="stable")]
            overlapping = np.diff(onsets[here]) < window_seconds - 1e-6
            if (overlapping & (np.diff(part_of[here]) != 0)).any():
                raise LeakageError(
                    f"fold {fold.name}: overlapping windows of recording {recording} lie in different parts; "
                    "cut the windows without overlap or leave a gap"
                )


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


def cross_session(subjects: np.ndarray, sessions: np.ndarray, labels: np.ndarray | None = None) -> list[Fold]:
    """Per subject, each session but the first is tested by a model trained on the sessions before it.

    The last tenth of the training windows of each class (all of a class's windows when `labels` is None), in time
    order, validates: a later day must not select a model for an earlier one.
    """
    subjects, sessions = np.asarray(subjects), np.asarray(sessions)
    labels = np.zeros(len(subjects), dtype=int) if labels is None else np.asarray(labels)
    folds = []
    for subject in np.unique(subjects):
        names = np.unique(sessions[subjects == subject])
        if len(names) < 2:
            raise ValueError(f"subject {subject} has one session only; cross-session needs two or more")
        for k in range(1, len(names)):
            earlier = np.flatnonzero((subjects == subject) & np.isin(sessions, names[:k]))
            test = np.flatnonzero((subjects == subject) & (sessions == names[k]))
            validation = np.sort(np.concatenate([_last_tenth(earlier[labels[earlier] == c]) for c in set(labels)]))
            fold = Fold(
                f"{subject}, session {names[k]}", np.setdiff1d(earlier, validation), validation, test, "session"
            )
            training = np.concatenate([fold.train, fold.validation])
            if set(sessions[training]) & set(sessions[test]):
                raise LeakageError(f"fold {fold.name}: the tested session is also trained on")
            folds.append(fold)
    return folds


def _last_tenth(positions: np.ndarray) -> np.ndarray:
    return positions[len(positions) - max(1, len(positions) // 10) :] if len(positions) else positions


def within_session_folds(
    session_keys: np.ndarray, labels: np.ndarray, onsets: np.ndarray, n_folds: int = 5
) -> list[Fold]:
    """Folds of consecutive windows within every session: what calibration on the same day can reach.

    Each session is cut, class by class, into `n_folds` blocks in order of time. Neighbouring windows resemble each
    other, so blocks are contiguous instead of shuffled; still, this says nothing about new people or new days.

    Args:
        session_keys: (W,) session names that are unique over subjects.
        labels: (W,).
        onsets: (W,) seconds within the session.
    """
    session_keys, labels = np.asarray(session_keys), np.asarray(labels)
    block_of = np.empty(len(labels), dtype=int)
    for session in np.unique(session_keys):
        for label in np.unique(labels):
            here = np.flatnonzero((session_keys == session) & (labels == label))
            here = here[np.argsort(np.asarray(onsets)[here], kind="stable")]
            block_of[here] = np.arange(len(here)) * n_folds // max(len(here), 1)
    blocks = [np.flatnonzero(block_of == k) for k in range(n_folds)]
    names = [f"block {k + 1} of {n_folds}" for k in range(n_folds)]
    return check_folds(
        _next_fold_validates("within-session folds", blocks, "window", names), np.arange(len(labels)).astype(str)
    )


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
