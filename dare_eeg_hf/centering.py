"""Centering by person: from each person's features, their mean over that person's windows is subtracted.

What differs between people, and not between the states of one person, is gone then. No label is used. But a person's
windows have to be there before the first of them is classified, and hold about the same mixture of states for
everyone: of a person who was recorded in one state only, centering removes the state. Results obtained with it are
results with the tested people seen without labels, and must be reported as such.
"""

from __future__ import annotations

import numpy as np


def center_by_subject(features: np.ndarray, subjects: np.ndarray) -> np.ndarray:
    """Features (W, F) less their mean over those of these windows that are of the same subject (W,)."""
    centered = np.empty_like(features)
    for subject in np.unique(subjects):
        own = subjects == subject
        centered[own] = features[own] - features[own].mean(axis=0)
    return centered


def refuse_to_center_classes(subjects: np.ndarray, labels: np.ndarray) -> None:
    """Refuse to center features where that would remove the class along with the subject.

    Raises:
        ValueError: most subjects have windows of one class only.
    """
    people = np.unique(subjects)
    one_class = sum(len(np.unique(labels[subjects == person])) == 1 for person in people)
    if 2 * one_class > len(people):
        raise ValueError(
            f"{one_class} of {len(people)} subjects have windows of one class only: centering their features would "
            "remove the class"
        )
