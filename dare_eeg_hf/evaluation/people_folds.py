"""Folds of whole people for recordings nobody has made a protocol for."""

from __future__ import annotations

import numpy as np

from dare_eeg_hf.adaptation.labelled_windows import LabelledWindows
from dare_eeg_hf.corpora.label_table import LabelError, Option
from dare_eeg_hf.corpora.people import listed
from dare_eeg_hf.evaluation.protocols import Fold, check_folds, grouped_k_fold

N_FOLDS = 8


def people_folds(windows: LabelledWindows, n_folds: int = N_FOLDS) -> list[Fold]:
    """Cross-validation grouped by person: each person is tested once, by a model that never saw them.

    With fewer people than folds, or where a class would be missing in training otherwise, one person is left out at a
    time. Where people are not known, files (or folders) are kept together instead; see `LabelledWindows.people_known`.

    Raises:
        LabelError: there is one person, or a class that only one person has.
        ValueError: fewer than 2 folds are asked for.
    """
    if n_folds < 2:
        raise ValueError(f"{n_folds} folds leave nothing to train on; 2 or more are needed")
    check_people(windows)
    people = len(np.unique(windows.subjects))
    folds = _folds(windows, min(n_folds, people))
    classes = len(windows.label_names)
    if any(len(np.unique(windows.labels[fold.fit])) < classes for fold in folds):
        folds = _folds(windows, people)
    return folds


def check_people(windows: LabelledWindows) -> None:
    """Refuse windows on which no model can be tested on people it never saw.

    Raises:
        LabelError: there is one person, or a class that only one person has.
    """
    people = np.unique(windows.subjects).tolist()
    kind = "person" if windows.people_known else "file"
    if len(people) < 2:
        raise LabelError(
            f"all windows are of one {kind}, {people[0]}: how well others can be told takes two or more; add their "
            "recordings, or, where they are there, say who was recorded in a column person",
            Option("subject_pattern", "REGEX"),
        )
    for label, name in enumerate(windows.label_names):
        having = np.unique(windows.subjects[windows.labels == label]).tolist()
        if len(having) < 2:
            raise LabelError(
                f"only one {kind}, {listed(having) or 'nobody'}, has the label {name}: when they are tested nobody is "
                "left to learn it from; add others, or leave the class out",
                Option("classes", " ".join(each for each in windows.label_names if each != name) or name),
            )


def protocol_of(windows: LabelledWindows, folds: list[Fold]) -> str:
    """The protocol in a few words."""
    unit = "person" if windows.people_known else "file"
    if len(folds) == len(np.unique(windows.subjects)):
        return f"one {unit} left out at a time"
    return f"{len(folds)}-fold cross-validation grouped by {unit}"


def _folds(windows: LabelledWindows, n_folds: int) -> list[Fold]:
    if n_folds > 2:
        return grouped_k_fold(windows.subjects, windows.labels, n_folds)
    # Two groups leave none to validate on, which nothing here needs.
    halves = _two_halves(windows)
    nobody = np.zeros(0, dtype=np.int64)
    folds = [Fold(f"fold {k + 1} of 2", halves[1 - k], nobody, halves[k]) for k in range(2)]
    return check_folds(folds, windows.subjects)


def _two_halves(windows: LabelledWindows) -> list[np.ndarray]:
    """Positions of the windows in each of two halves of the people, with about the same share of each class."""
    from sklearn.model_selection import StratifiedGroupKFold

    splitter = StratifiedGroupKFold(2)
    return [test for _, test in splitter.split(np.zeros(len(windows)), windows.labels, windows.subjects)]
