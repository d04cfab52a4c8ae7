"""Cross-validation of one contestant."""

import numpy as np
import pytest

from dare_eeg_hf.evaluation import contestants
from dare_eeg_hf.evaluation.cross_validation import cross_validate
from dare_eeg_hf.evaluation.people_folds import people_folds


@pytest.mark.parametrize("model", ["band-power", "riemann"])
def test_what_is_computed_once_for_all_folds_changes_no_digit(model, windows, monkeypatch):
    folds = people_folds(windows)
    together = cross_validate(model, "", windows, folds, keep=True)
    monkeypatch.setattr("dare_eeg_hf.evaluation.cross_validation.with_window_values", lambda _, windows: windows)
    monkeypatch.setattr(contestants, "with_window_values", None)
    each = cross_validate(model, "", windows, folds)
    np.testing.assert_array_equal(together.probabilities, each.probabilities)
    assert each.predictors == []
    again = together.predictors[1](windows.select(folds[1].test))
    np.testing.assert_array_equal(again, together.probabilities[folds[1].test])


def test_windows_that_no_fold_tests_are_not_counted(windows):
    fold = people_folds(windows)[0]
    tested = cross_validate("chance", "", windows, [fold])
    assert np.isnan(tested.probabilities[fold.fit]).all()
    scores = tested.scores(windows)
    assert scores["tested_windows"] == len(fold.test)
    assert list(scores["metrics"]["per_subject_balanced_accuracy"]) == np.unique(windows.subjects[fold.test]).tolist()
