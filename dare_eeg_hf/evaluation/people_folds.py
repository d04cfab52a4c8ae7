"""Folds of whole people for recordings nobody has made a protocol for."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from dare_eeg_hf.adaptation.labelled_windows import LabelledWindows
from dare_eeg_hf.corpora.label_table import LabelError, Option
from dare_eeg_hf.evaluation.protocols import Fold, check_folds, grouped_k_fold

N_FOLDS = 8


def people_folds(windows: LabelledWindows, n_folds: int = N_FOLDS) -> list[Fold]:
    """Cross-validation grouped by person: each person is tested once, by a model that never saw them.

    There are no more folds than people who have the rarest class, so that each fold can have one of them: with a
    trait, leaving out one person at a time would always test the class that is then rarer in training, and so look
    worse than guessing. Where people are not known, files (or folders) are kept together instead.

    Args:
        windows: labelled, of several people.
        n_folds: at most.

    Raises:
        LabelError: there is one person, or a class that only one person has.
        ValueError: fewer than 2 folds are asked for.
    """
    if n_folds < 2:
        raise ValueError(f"{n_folds} folds leave nothing to train on; 2 or more are needed")
    check_people(windows)
    people = len(np.unique(windows.subjects))
    classes = len(windows.label_names)
    having = [len(np.unique(windows.subjects[windows.labels == label])) for label in range(classes)]
    folds = _folds(windows, min(n_folds, *having))
    if any(len(np.unique(windows.labels[fold.fit])) < classes for fold in folds):
        folds = _folds(windows, people)
    return folds


def check_people(windows: LabelledWindows) -> None:
    """Refuse windows on which no model can be tested on people it never saw.

    Raises:
        LabelError: there is one person, or a class that only one person has.
    """
    names = enumerate(windows.label_names)
    having = {name: set(windows.subjects[windows.labels == label].tolist()) for label, name in names}
    refuse_too_few_people(having, windows.people_known)


def refuse_too_few_people(having: Mapping[str, set[str]], known: bool) -> None:
    """As `check_people`, before anything is read.

    Args:
        having: label -> who has it.
        known: whether these are people, and not files or folders that count as people.
    """
    kind = "person" if known else "recording"
    people = sorted(set().union(*having.values()))
    if len(people) < 2:
        raise LabelError(
            f"all windows are of one {kind}, {people[0]}: to test on people a model never saw takes two or more; add "
            "recordings of others, or correct who was recorded (a column person, or --subject-pattern)"
        )
    for name, own in having.items():
        if len(own) < 2:
            others = [each for each in having if each != name]
            remedy = [Option("classes", " ".join(others))] if len(others) > 1 else []
            left_out = ", or leave the class out" if remedy else ""
            raise LabelError(
                f"only one {kind}, {sorted(own)[0]}, has the label {name}: while it is tested, none is left to learn "
                f"from; add others{left_out}",
                *remedy,
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
