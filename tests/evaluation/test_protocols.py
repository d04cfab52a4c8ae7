"""Splits: nothing straddles, everything is tested once, leaks are refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dare_eeg_hf.adaptation.labelled_windows import LabelledWindows
from dare_eeg_hf.evaluation.protocols import (
    Fold,
    LeakageError,
    check_fold,
    check_folds,
    check_overlap,
    cross_session,
    fixed_split,
    grouped_k_fold,
    leave_one_group_out,
    leave_one_subject_out,
    statistics_over_subjects,
    within_session_folds,
)
from dare_eeg_hf.evaluation.tasks import TASKS


def positions(*values):
    return np.array(values, dtype=int)


@given(st.lists(st.integers(0, 9), min_size=30, max_size=80), st.integers(3, 5))
@settings(max_examples=30, deadline=None)
def test_grouped_folds_keep_groups_together_and_test_every_window_once(groups, n_folds):
    groups = np.array([f"s{g}" for g in groups])
    if len(np.unique(groups)) < n_folds:
        with pytest.raises(ValueError, match="at least as many"):
            grouped_k_fold(groups, np.zeros(len(groups)), n_folds)
        return
    labels = np.arange(len(groups)) % 2
    folds = grouped_k_fold(groups, labels, n_folds)
    tested = np.concatenate([fold.test for fold in folds])
    assert sorted(tested) == list(range(len(groups)))
    for fold in folds:
        parts = [set(groups[part]) for part in (fold.train, fold.validation, fold.test)]
        assert sum(map(len, parts)) == len(set.union(*parts))
        assert len(fold.train) + len(fold.validation) + len(fold.test) == len(groups)


def test_leave_one_subject_out_names_the_tested_subject():
    subjects = np.repeat(["a", "b", "c", "d"], 3)
    folds = leave_one_subject_out(subjects)
    assert [fold.name for fold in folds] == ["a", "b", "c", "d"]
    assert all(set(subjects[fold.test]) == {fold.name} for fold in folds)
    with pytest.raises(ValueError, match="at least 3"):
        leave_one_group_out(["a", "b"], "run")


def test_published_split_uses_named_subjects_only():
    subjects = np.array(["00", "01", "02", "99"])
    [fold] = fixed_split(subjects, {"train": ["00"], "validation": ["01"], "test": ["02"]})
    assert 3 not in np.concatenate([fold.train, fold.validation, fold.test])
    with pytest.raises(LeakageError, match=r"windows .* are both in train and in test"):
        fixed_split(subjects, {"train": ["00"], "test": ["00"]})


def test_leaking_split_is_refused_with_the_subject_named():
    subjects = np.array(["ann", "ann", "bob", "bob"])
    with pytest.raises(LeakageError, match="subject ann is both in train and in test"):
        check_fold(Fold("leaking", positions(0, 2), positions(), positions(1)), subjects)
    with pytest.raises(LeakageError, match=r"windows \[0\] are both in train and in validation"):
        check_fold(Fold("leaking", positions(0, 1), positions(0), positions(2)), subjects)
    with pytest.raises(LeakageError, match="more than one fold"):
        check_folds([Fold("a", positions(0), positions(), positions(2))] * 2, subjects)
    with pytest.raises(ValueError, match="test part is empty"):
        check_fold(Fold("empty", positions(0), positions(), positions()), subjects)


def test_shuffled_split_of_windows_is_refused():
    """The classic mistake: windows shuffled, then cut, so that every subject is on both sides."""
    subjects = np.repeat([f"s{i}" for i in range(10)], 20)
    order = np.random.default_rng(0).permutation(200)
    with pytest.raises(LeakageError, match="Results from such a split are too good"):
        check_fold(Fold("shuffled", order[:120], order[120:160], order[160:]), subjects)


def test_cross_session_trains_on_the_past_only():
    subjects = np.repeat(["a", "b"], 60)
    sessions = np.tile(np.repeat(["1", "2", "10"], 20), 2)
    recordings = np.char.add(np.char.add(subjects, "/"), sessions)
    labels, onsets = np.tile([0, 1], 60), np.tile(np.arange(20) * 4.0, 6)
    folds = cross_session(subjects, sessions, labels, recordings, onsets, 4.0)
    assert [fold.name for fold in folds] == ["a, session 2", "a, session 10", "b, session 2", "b, session 10"]
    for fold in folds:
        training = np.concatenate([fold.train, fold.validation])
        assert max(sessions[training].astype(int)) < min(sessions[fold.test].astype(int))
        assert set(subjects[training]) == set(subjects[fold.test])
        assert set(labels[fold.validation]) == {0, 1}
    with pytest.raises(ValueError, match="only one session"):
        cross_session(subjects[:20], sessions[:20], labels[:20], recordings[:20], onsets[:20], 4.0)
    with pytest.raises(LeakageError, match="overlapping windows of recording a/1"):
        cross_session(subjects, sessions, labels, recordings, onsets, 5.0)


def test_the_latest_windows_validate_in_whatever_order_they_are_stored():
    """Recordings run2 and run10, ten windows each, then a second day; rows shuffled."""
    sessions = np.repeat(["day1", "day1", "day2"], 10)
    recordings = np.repeat(["run2", "run10", "next"], 10)
    onsets = np.tile(np.arange(10) * 4.0, 3)
    order = np.random.default_rng(0).permutation(30)
    subjects, labels = np.full(30, "a"), np.zeros(30, dtype=int)
    [fold] = cross_session(subjects, sessions[order], labels, recordings[order], onsets[order], 4.0)
    assert set(recordings[order][fold.validation]) == {"run10"}
    assert sorted(onsets[order][fold.validation]) == [32.0, 36.0]


def test_task_by_session_refuses_overlapping_windows():
    numbers = np.arange(20)

    def windows(step):
        return LabelledWindows.from_arrays(
            np.zeros((20, 1, 8)),
            numbers % 2,
            channel_names=["Cz"],
            sampling_rate=2,
            unit="mV",
            sessions=numbers // 10,
            onsets=numbers % 10 * step,
        )

    [fold] = TASKS["seed-iv"].folds(windows(4.0))
    assert fold.validation.tolist() == [8, 9]
    with pytest.raises(LeakageError, match="overlapping windows"):
        TASKS["seed-iv"].folds(windows(2.0))


def test_within_session_blocks_are_contiguous_and_overlapping_windows_are_refused():
    count = 40
    keys, labels, onsets = np.full(count, "a/1"), np.tile([0, 1], count // 2), np.arange(count) * 2.0
    folds = within_session_folds(keys, labels, keys, onsets, window_seconds=2.0, n_folds=4)
    for fold in folds:
        for label in (0, 1):
            times = onsets[fold.test][labels[fold.test] == label]
            assert np.ptp(times) == (len(times) - 1) * 4.0  # every second window has this label
    with pytest.raises(LeakageError, match="overlapping windows of recording a/1"):
        within_session_folds(keys, labels, keys, onsets, window_seconds=4.0, n_folds=4)


def test_windows_at_the_same_time_of_two_recordings_do_not_overlap():
    onsets = np.array([0.0, 0.0, 4.0, 4.0])
    fold = Fold("by recording", positions(0, 2), positions(), positions(1, 3), "recording")
    check_overlap([fold], np.array(["a", "b", "a", "b"]), onsets, window_seconds=8.0)
    with pytest.raises(LeakageError, match="recording a"):
        check_overlap([fold], np.full(4, "a"), onsets, window_seconds=4.0)


def test_statistics_are_over_subjects():
    summary = statistics_over_subjects({"a": 0.5, "b": 0.7, "c": 0.9})
    assert (summary.mean, summary.median, summary.worst, summary.subjects) == (pytest.approx(0.7), 0.7, 0.5, 3)
    assert summary.standard_deviation == pytest.approx(0.2)
    assert statistics_over_subjects({"a": 0.5}).standard_deviation == 0.0
