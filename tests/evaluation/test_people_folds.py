"""Folds of whole people for data without a protocol."""

from dataclasses import replace

import numpy as np
import pytest

from dare_eeg_hf.adaptation.labelled_windows import LabelledWindows
from dare_eeg_hf.corpora.label_table import LabelError
from dare_eeg_hf.evaluation.people_folds import people_folds, protocol_of


def windows_of(labels, **options):
    """Four windows per entry of `labels`: person -> the labels they have."""
    rows = [(person, label) for person, own in labels.items() for label in own for _ in range(4)]
    return LabelledWindows.from_arrays(
        np.zeros((len(rows), 1, 8)),
        [label for _, label in rows],
        channel_names=["CZ"],
        sampling_rate=8,
        unit="mV",
        label_names=["a", "b"],
        subjects=[person for person, _ in rows],
        **options,
    )


def test_every_person_is_tested_once_by_a_model_that_never_saw_them():
    windows = windows_of({f"P{i:02d}": (0, 1) for i in range(11)})
    folds = people_folds(windows)
    assert len(folds) == 8
    assert sorted(np.concatenate([fold.test for fold in folds])) == list(range(len(windows)))
    for fold in folds:
        assert not set(windows.subjects[fold.test]) & set(windows.subjects[fold.fit])
        assert len(fold.fit) + len(fold.test) == len(windows)
    assert protocol_of(windows, folds) == "8-fold cross-validation grouped by person"
    assert len(people_folds(windows, 3)) == 3


@pytest.mark.parametrize("people", [2, 3])
def test_few_people_are_left_out_one_at_a_time(people):
    windows = windows_of({f"P{i}": (0, 1) for i in range(people)})
    folds = people_folds(windows)
    assert protocol_of(windows, folds) == "one person left out at a time"
    assert [len(fold.fit) for fold in folds] == [8 * (people - 1)] * people


@pytest.mark.parametrize("patients", [2, 3])
def test_a_trait_is_balanced_in_training_and_in_test(patients):
    trait = {f"C{i}": (0,) for i in range(patients + 2)} | {f"P{i}": (1,) for i in range(patients)}
    windows = windows_of(trait)
    folds = people_folds(windows)
    assert len(folds) == patients
    for fold in folds:
        assert set(windows.labels[fold.test]) == set(windows.labels[fold.fit]) == {0, 1}


def test_people_who_are_not_known_are_called_files():
    windows = replace(windows_of({"a": (0, 1), "b": (0, 1), "c": (0, 1)}), subject_source="file")
    assert protocol_of(windows, people_folds(windows)) == "one file left out at a time"


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            {"P1": (0, 1)},
            r"all windows are of one person, P1: .* takes two or more; add recordings of others, or corre",
        ),
        (
            {"P1": (0, 1), "P2": (0,)},
            "only one person, P1, has the label b: while it is tested, none is left to learn",
        ),
    ],
)
def test_too_few_people_are_one_sentence(labels, message):
    with pytest.raises(LabelError, match=message):
        people_folds(windows_of(labels))
    with pytest.raises(LabelError, match="one recording"):
        people_folds(replace(windows_of(labels), subject_source="file"))


def test_the_remedy_leaves_the_class_out_where_two_others_are_left():
    windows = windows_of({"P1": (0, 1), "P2": (0, 1)})
    three = replace(windows, label_names=("a", "b", "c"))
    three.labels[0] = 2
    with pytest.raises(LabelError, match="or leave the class out: pass classes='a b'"):
        people_folds(three)
    with pytest.raises(ValueError, match="1 folds leave nothing to train on"):
        people_folds(windows, 1)
