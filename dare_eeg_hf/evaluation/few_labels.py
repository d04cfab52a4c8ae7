"""Little is labelled and electrodes are lost: what is an encoder's pre-training worth then?

A probe learns from the labelled windows of one person at a time and is tested on people it has never seen, who have
all electrodes or lost some, each others of them. The encoder is frozen; the probe is the baselines' logistic
regression on the mean and the spread of its features over each window.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dare_eeg_hf.adaptation.classifier_setup import prepare_inputs
from dare_eeg_hf.adaptation.feature_classifier import feature_classifier
from dare_eeg_hf.adaptation.feature_statistics import feature_statistics
from dare_eeg_hf.adaptation.labelled_windows import LabelledWindows
from dare_eeg_hf.evaluation.corruptions import remove_channels
from dare_eeg_hf.feature_extraction_dare_eeg import DareEegFeatureExtractor
from dare_eeg_hf.modeling_dare_eeg import DareEegModel
from dare_eeg_hf.signal_reports_dare_eeg import EegWarning


@dataclass(frozen=True)
class PairedGain:
    """How much better one encoder is than another on the same people.

    Attributes:
        mean: over people.
        low, high: the central 95 % of that mean when people are drawn again with replacement; NaN for one person.
    """

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        interval = "one person" if np.isnan(self.low) else f"{self.low:+.3f} to {self.high:+.3f}"
        return f"{self.mean:+.3f} ({interval})"


def accuracy_from_one_labelled_person(
    encoder: DareEegModel,
    extractor: DareEegFeatureExtractor,
    windows: LabelledWindows,
    labelled: Sequence[str],
    tested: Sequence[str],
    lost: Sequence[float] = (0.0,),
    seed: int = 0,
) -> np.ndarray:
    """Balanced accuracy of each tested person, mean over probes that have each seen one labelled person.

    Args:
        encoder: frozen.
        extractor: its signal contract.
        windows: of all people; everyone has windows of every class.
        labelled: the people whose labels are used, each alone.
        tested: other people.
        lost: shares of the electrodes that tested people lose.
        seed: of which they are.

    Returns:
        (shares, people).

    Raises:
        ValueError: if a person is both labelled and tested.
    """
    if both := sorted(set(labelled).intersection(tested)):
        raise ValueError(f"{', '.join(both)} cannot be labelled and tested: a probe would be tested on what it knows")

    def features_of(some: LabelledWindows) -> np.ndarray:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", EegWarning)  # electrodes were taken away on purpose
            return feature_statistics(encoder, prepare_inputs(extractor, some), with_power_maps=False)

    probes = []
    for person in labelled:
        own = windows.select(np.flatnonzero(windows.subjects == person))
        probes.append(feature_classifier().fit(features_of(own), own.labels))
    accuracy = np.empty((len(lost), len(tested)))
    for column, person in enumerate(tested):
        own = windows.select(np.flatnonzero(windows.subjects == person))
        for row, share in enumerate(lost):
            random = np.random.default_rng([seed, column, row])
            features = features_of(remove_channels(own, share, random) if share else own)
            right = np.array([probe.predict(features) == own.labels for probe in probes])
            accuracy[row, column] = np.mean([right[:, own.labels == label].mean() for label in set(own.labels)])
    return accuracy


def paired_gain(accuracy: np.ndarray, other: np.ndarray, n_resamples: int = 10_000) -> PairedGain:
    """The gain of accuracies over others, both of the same people in the same order, with its interval over people."""
    differences = np.asarray(accuracy) - np.asarray(other)
    if len(differences) < 2:
        return PairedGain(float(differences.mean()), np.nan, np.nan)
    drawn = np.random.default_rng(0).integers(len(differences), size=(n_resamples, len(differences)))
    low, high = np.percentile(differences[drawn].mean(axis=1), [2.5, 97.5])
    return PairedGain(float(differences.mean()), float(low), float(high))
