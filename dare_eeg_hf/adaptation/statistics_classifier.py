"""A logistic regression on a frozen encoder's statistics and power maps as a checkpoint: what `dare-eeg train` fits.

It is the classifier that the benchmark calls pooled-power (`feature_classifier` on `feature_statistics`), with the
same probabilities: its standardisation and its weights become the head of a `DareEegForSequenceClassification`.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
from sklearn.pipeline import Pipeline

from dare_eeg_hf.adaptation.classifier_inputs import check_windows
from dare_eeg_hf.adaptation.classifier_setup import build_classifier, prepare_inputs
from dare_eeg_hf.adaptation.feature_classifier import feature_classifier
from dare_eeg_hf.adaptation.feature_statistics import feature_statistics
from dare_eeg_hf.adaptation.finetuning import FinetuningResult
from dare_eeg_hf.adaptation.labelled_windows import LabelledWindows
from dare_eeg_hf.centering import center_by_subject, refuse_to_center_classes
from dare_eeg_hf.configuration_dare_eeg import DareEegConfig
from dare_eeg_hf.feature_extraction_dare_eeg import DareEegFeatureExtractor
from dare_eeg_hf.modeling_dare_eeg import DareEegForSequenceClassification
from dare_eeg_hf.readout_dare_eeg import STATISTICS_STRIDE, DareEegStatisticsProbe

FEWEST_WINDOWS = 2
"""Of each class where there is one person: the strength of regularisation is chosen on parts of the windows."""


def fit_statistics_classifier(
    checkpoint: str | Path | DareEegConfig,
    windows: LabelledWindows,
    *,
    seed: int = 0,
    center: bool = False,
    progress: bool = False,
) -> FinetuningResult:
    """Fit the classifier on all of these windows.

    Args:
        checkpoint: folder or Hub id whose encoder is taken, or a configuration for a random encoder.
        windows: what to learn from; which are of one person decides how regularisation is chosen.
        seed: of a random encoder's weights.
        center: subtract each person's mean from the statistics; the classifier is then for `predict_centered` alone.
        progress: show a progress bar.

    Returns:
        The classifier; its metrics are the strength of regularisation that was chosen, and the time it took. There
        were no epochs.

    Raises:
        ValueError: one class only, a class without windows or of one person only, no electrode that the encoder knows,
            or centering would take out the classes.
    """
    check_windows(windows, None)
    check_people_of_classes(windows)
    if center:
        refuse_to_center_classes(windows.subjects, windows.labels)
    started = time.perf_counter()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model, extractor = build_classifier(
            checkpoint, windows, spatial_projection=False, statistics_stride=STATISTICS_STRIDE, power_maps=True
        )
    statistics = feature_statistics(model.dare_eeg, prepare_inputs(extractor, windows), STATISTICS_STRIDE, progress)
    if center:
        statistics = center_by_subject(statistics, windows.subjects)
    classifier = feature_classifier(windows.subjects).fit(statistics, windows.labels)
    copy_into_probe(classifier, model.probe)
    metrics = {
        "mode": "statistics",
        "regularization": float(np.ravel(classifier[-1].C_)[0]),
        "seed": seed,
        "trainable_parameters": sum(p.numel() for p in model.probe.parameters()),
        "seconds": round(time.perf_counter() - started, 3),
    }
    return FinetuningResult(model.eval(), extractor, None, metrics)


@torch.no_grad()
def predict_centered(
    model: DareEegForSequenceClassification, extractor: DareEegFeatureExtractor, windows: LabelledWindows
) -> np.ndarray:
    """Class probabilities (W, K) by a classifier of centred statistics; see `centering` for what has to hold."""
    stride = model.config.statistics_stride
    maps = model.config.use_power_maps
    statistics = feature_statistics(model.dare_eeg, prepare_inputs(extractor, windows), stride, with_power_maps=maps)
    logits = model.probe.classify(torch.from_numpy(center_by_subject(statistics, windows.subjects)))
    return logits.double().softmax(-1).numpy()


def check_people_of_classes(windows: LabelledWindows) -> None:
    """Refuse windows from which regularisation cannot be chosen.

    Raises:
        ValueError: of several people, one alone has a class; or there is one person with very few windows of a class.
    """
    counts = np.bincount(windows.labels, minlength=len(windows.label_names))
    several = len(np.unique(windows.subjects)) > 1
    for label, name in enumerate(windows.label_names):
        people = np.unique(windows.subjects[windows.labels == label]).tolist()
        if several and len(people) == 1:
            raise ValueError(
                f"only {people[0]} has windows of {name!r}: whatever is peculiar to that person would be learned as "
                "the class; two people or more have to have it"
            )
        if not several and counts[label] < FEWEST_WINDOWS:
            raise ValueError(
                f"there is {counts[label]} window of {name!r}, where {FEWEST_WINDOWS} or more are needed to choose "
                "how strongly to regularise"
            )


@torch.no_grad()
def copy_into_probe(classifier: Pipeline, probe: DareEegStatisticsProbe) -> None:
    """Make the head of a model compute what a fitted `feature_classifier` computes of the same statistics."""
    scaler, regression = classifier[0], classifier[-1]
    weight, bias = regression.coef_, regression.intercept_
    if len(weight) == 1:  # of two classes, only how far the second is ahead
        weight, bias = np.concatenate((-weight, weight)) / 2, np.concatenate((-bias, bias)) / 2
    probe.standardization.mean.copy_(torch.from_numpy(scaler.mean_))
    probe.standardization.scale.copy_(torch.from_numpy(1 / scaler.scale_))
    # What the mean loses in single precision is made up for, since features may vary little beside it.
    lost = (probe.standardization.mean.double().numpy() - scaler.mean_) / scaler.scale_
    probe.linear.weight.copy_(torch.from_numpy(weight))
    probe.linear.bias.copy_(torch.from_numpy(bias + weight @ lost))
