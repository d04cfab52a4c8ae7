"""Centering by person takes out what is a person's own, and refuses where it would take out the class."""

import numpy as np
import pytest

from dare_eeg_hf.centering import center_by_subject, refuse_to_center_classes


def test_centering_takes_out_what_is_a_subjects_own():
    random = np.random.default_rng(0)
    subjects = np.repeat(["a", "b", "c"], 4)[random.permutation(12)]
    features = random.normal(size=(12, 5))
    offsets = {"a": 100.0, "b": -7.0, "c": 0.5}
    shifted = features + np.array([offsets[subject] for subject in subjects])[:, None]
    np.testing.assert_allclose(center_by_subject(shifted, subjects), center_by_subject(features, subjects), atol=1e-12)
    own = subjects == "b"
    np.testing.assert_allclose(center_by_subject(features, subjects)[own], features[own] - features[own].mean(axis=0))


def test_people_of_one_class_are_refused_where_they_are_most():
    subjects, labels = np.array(list("aabbcc")), np.array([0, 1, 0, 0, 1, 1])
    with pytest.raises(ValueError, match="2 of 3 subjects have windows of one class only"):
        refuse_to_center_classes(subjects, labels)
    refuse_to_center_classes(subjects, np.array([0, 1, 0, 1, 1, 1]))
