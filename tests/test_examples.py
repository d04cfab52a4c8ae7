"""Decisions the examples take by themselves: who trains, who selects, who is tested."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from dare_eeg_hf.training.labelled_windows import LabelledWindows

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(scope="module")
def split_subjects():
    return runpy.run_path(str(EXAMPLES / "finetune.py"))["split_subjects"]


def windows_of(subjects: list[str], parts: list[str]) -> LabelledWindows:
    """One window of each subject in a part."""
    return LabelledWindows.from_arrays(
        np.random.default_rng(0).normal(size=(len(subjects), 2, 64)),
        np.arange(len(subjects)) % 2,
        channel_names=["C3", "C4"],
        sampling_rate=64,
        unit="uV",
        subjects=subjects,
        parts=parts,
    )


def names(windows: LabelledWindows, positions: np.ndarray) -> str:
    return "".join(windows.subjects[positions])


@pytest.mark.parametrize(
    ("parts", "test", "validation", "expected"),
    [
        ("", None, None, ("abcd", "ef", "gh")),
        ("trvrtrvr", None, None, ("bdfh", "cg", "ae")),
        ("trtrrrrr", None, None, ("bdef", "gh", "ac")),  # a published test part is never trained on
        ("trvrtrvr", None, ["b"], ("cdfgh", "b", "ae")),
        ("", ["a"], ["b"], ("cdefgh", "b", "a")),
        ("", None, ["h"], ("abcde", "h", "fg")),
    ],
)
def test_who_trains_selects_and_is_tested(split_subjects, parts, test, validation, expected):
    long = {"t": "test", "v": "validation", "r": "train"}
    windows = windows_of(list("abcdefgh"), [long[part] for part in parts] or [""] * 8)
    fold = split_subjects(windows, test, validation)
    assert tuple(names(windows, part) for part in (fold.train, fold.validation, fold.test)) == expected


def test_a_subject_in_two_parts_has_to_be_decided_on(split_subjects):
    windows = windows_of(list("abca"), ["train", "train", "train", "test"])
    with pytest.raises(SystemExit, match="a have windows in the test part and in others: name --test-subjects"):
        split_subjects(windows, None, None)


def test_the_demo_takes_people_with_both_recordings(tmp_path):
    folds_of = runpy.run_path(str(EXAMPLES / "demo.py"))["folds_of_real_recordings"]
    for subject in ("S001", "S002", "S003", "S004"):
        for run in ("R01", "R02") if subject != "S003" else ("R01",):
            (tmp_path / "data").mkdir(exist_ok=True)
            (tmp_path / "data" / f"{subject}{run}.edf").touch()
    folds = folds_of(tmp_path / "data", tmp_path / "output")
    assert [fold.test_subjects for fold in folds] == [["S001"], ["S002"], ["S004"]]
    assert sorted(path.name for path in folds[0].pretraining.rglob("*.edf")) == [
        *("S002R01.edf", "S002R02.edf", "S003R01.edf", "S004R01.edf", "S004R02.edf")
    ]
