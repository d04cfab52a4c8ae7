"""Which electrodes a classifier of frozen features relies on: how much worse it is when one of them is missing.

The electrode's signal is left out of what the encoder is given (any set of electrodes is a valid input), the
classifier of the fold that tests a person stays as it is, and the loss in accuracy is taken per person. What
neighbouring electrodes show as well is not missed: a small loss does not mean that nothing is to be seen there.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from dare_eeg_hf.adaptation.classifier_setup import build_classifier, prepare_inputs
from dare_eeg_hf.adaptation.feature_statistics import feature_statistics
from dare_eeg_hf.adaptation.labelled_windows import LabelledWindows
from dare_eeg_hf.evaluation.contestants import Predictor
from dare_eeg_hf.evaluation.metrics import classification_metrics
from dare_eeg_hf.evaluation.protocols import Fold
from dare_eeg_hf.montage import match_channels
from dare_eeg_hf.progress import progress_bar
from dare_eeg_hf.signal_reports_dare_eeg import EegWarning

MOST_PASSES = 8_000
"""Windows times electrodes that are encoded at most; windows are then taken evenly from people and classes."""
MOST_WINDOWS = 400


@dataclass(frozen=True)
class ChannelImportance:
    """What an electrode is worth.

    Attributes:
        name: of the electrode.
        drop: mean over people of how much their balanced accuracy falls without it, as a share.
        interval: 95% over people, or None with one person.
    """

    name: str
    drop: float
    interval: tuple[float, float] | None


def channel_importance(
    checkpoint: str,
    windows: LabelledWindows,
    folds: Sequence[Fold],
    predictors: Sequence[Predictor],
    progress: bool = False,
) -> list[ChannelImportance]:
    """Measure every electrode that the encoder knows, the one whose absence costs most first.

    Patches do not overlap here, which takes an eighth of the time, on both sides of each comparison.

    Args:
        checkpoint: whose encoder the predictors were trained on, with its pooled features.
        windows: that were cross-validated.
        folds: of the windows.
        predictors: one for each fold; see `CrossValidated`.
        progress: show a progress bar.

    Raises:
        ValueError: there are fewer than two electrodes that the encoder knows.
    """
    model, extractor = build_classifier(checkpoint, windows, spatial_projection=False)
    rows = match_channels(windows.channel_names, model.config.channel_names).indices
    electrodes = sorted(rows, key=rows.get)  # of the vocabulary, in the order of the windows
    known = [windows.channel_names[rows[electrode]] for electrode in electrodes]
    if len(known) < 2:
        raise ValueError(f"only {', '.join(known) or 'no electrode'} is known to the encoder: none can be left out")
    chosen = evenly_chosen(windows, min(MOST_WINDOWS, max(100, MOST_PASSES // len(known))))
    parts = []
    for fold, predict in zip(folds, predictors, strict=True):
        if len(part := chosen[np.isin(chosen, fold.test)]):
            own = windows.select(part)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", EegWarning)  # the same for each fold
                parts.append((part, own, prepare_inputs(extractor, own), predict))

    def accuracies(left_out: str | None = None) -> np.ndarray:
        """Balanced accuracy of each person, in order of name.

        The electrode is masked after its signal had its part in the average, so that the reference stays the same.
        """
        probabilities = np.full((len(windows), len(windows.label_names)), np.nan)
        for part, own, inputs, predict in parts:
            kept = inputs["channel_mask"]
            if left_out is not None:
                kept = kept & (inputs["channel_ids"] != model.config.channel_names.index(left_out))
            values = feature_statistics(model.dare_eeg, {**inputs, "channel_mask": kept}, model.config.patch_size)
            mask = torch.ones(len(own), 1, dtype=torch.bool)
            own = replace(own, features=torch.from_numpy(values)[:, None], feature_mask=mask)
            probabilities[part] = predict(own)
        scores = classification_metrics(
            windows.labels[chosen], probabilities[chosen], windows.subjects[chosen], n_resamples=2
        )["per_subject_balanced_accuracy"]
        return np.array([scores[person] for person in sorted(scores)])

    whole, found = accuracies(), []
    for electrode in progress_bar(electrodes, desc="electrodes", unit="electrode", show=progress):
        name, lost = windows.channel_names[rows[electrode]], whole - accuracies(left_out=electrode)
        found.append(ChannelImportance(name, float(lost.mean()), _interval(lost)))
    return sorted(found, key=lambda each: (-each.drop, each.name))


def evenly_chosen(windows: LabelledWindows, count: int) -> np.ndarray:
    """Positions of at most about `count` windows: as many of each person and class, evenly over their time."""
    groups = [
        np.flatnonzero((windows.subjects == person) & (windows.labels == label))
        for person in np.unique(windows.subjects)
        for label in range(len(windows.label_names))
    ]
    groups = [group for group in groups if len(group)]
    most = max(1, count // len(groups))
    return np.sort(np.concatenate([group[_evenly(len(group), most)] for group in groups]))


def _evenly(length: int, most: int) -> np.ndarray:
    return np.arange(length) if length <= most else np.linspace(0, length - 1, most).round().astype(int)


def _interval(values: np.ndarray) -> tuple[float, float] | None:
    """95% of the means over people that are drawn with replacement."""
    if len(values) < 2:
        return None
    drawn = np.random.default_rng(0).integers(len(values), size=(10_000, len(values)))
    low, high = np.percentile(values[drawn].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)
