"""Classification metrics for EEG, with confidence intervals that respect subjects.

`EegClassificationMetrics` is an ordinary `evaluate.Metric`; it computes offline. The file imports nothing from this
package, so it can be pushed to the Hub unchanged as a metric script and loaded there with `evaluate.load`.

Windows of one person resemble each other, so an interval that treats windows as independent is far too narrow. The
intervals here resample whole subjects with replacement (the cluster bootstrap) and take percentiles.
"""

from __future__ import annotations

from collections.abc import Sequence

import datasets
import evaluate
import numpy as np
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    cohen_kappa_score,
    confusion_matrix,
    f1_score,
    roc_auc_score,
)

DESCRIPTION = """\
Accuracy, balanced accuracy, Cohen's kappa, weighted F1, AUROC, AUPRC and the confusion matrix of EEG windows, with
confidence intervals from a bootstrap over subjects.
"""

INPUTS_DESCRIPTION = """\
Args:
    predictions: per window either a label (int) or the probabilities of all classes (list of float, summing to 1).
        AUROC and AUPRC need probabilities.
    references: per window the true label (int, from 0).
    subjects: per window the subject; if given, intervals are computed by resampling subjects, and a table per subject.
    num_classes: how many classes there are, when not all of them occur (only needed with label predictions).
    confidence: the level of the intervals, default 0.95.
    n_resamples: bootstrap resamples, default 1000.
    seed: of the bootstrap, default 0.
Returns:
    accuracy, balanced_accuracy, cohen_kappa, weighted_f1, auroc, auprc (both None without probabilities or with only
    one class among the references), confusion_matrix (row: truth, column: prediction); with subjects also
    confidence_intervals (metric -> [low, high]) and per_subject_balanced_accuracy (subject -> value).
"""


def balanced_accuracy(confusion: np.ndarray) -> np.ndarray:
    """Mean recall over the classes that occur.

    Args:
        confusion: (..., K, K) counts, rows are the truth.

    Returns:
        (...) values in [0, 1].
    """
    support = confusion.sum(axis=-1)
    recall = np.diagonal(confusion, axis1=-2, axis2=-1) / np.maximum(support, 1)
    return recall.sum(axis=-1) / np.maximum((support > 0).sum(axis=-1), 1)


def area_scores(references: np.ndarray, probabilities: np.ndarray) -> tuple[float | None, float | None]:
    """Area under the ROC curve and average precision; one against the rest, macro-averaged, for three or more classes.

    Args:
        references: (W,) labels.
        probabilities: (W, K).

    Returns:
        (auroc, auprc); both None where fewer than two classes occur, because they are then undefined. Classes that do
        not occur are left out of the macro average.
    """
    present = np.unique(references)
    if len(present) < 2:
        return None, None
    positives = [1] if probabilities.shape[1] == 2 else present
    auroc = [roc_auc_score(references == k, probabilities[:, k]) for k in positives]
    auprc = [average_precision_score(references == k, probabilities[:, k]) for k in positives]
    return float(np.mean(auroc)), float(np.mean(auprc))


def resampled_area_scores(references: np.ndarray, probabilities: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """`area_scores` in every resample at once, which takes a hundredth of the time of asking scikit-learn for each.

    Args:
        references: (W,) labels.
        probabilities: (W, K).
        counts: (R, W) how often each window is in each resample.

    Returns:
        (R, 2) of auroc and auprc, NaN where fewer than two classes occur.
    """
    positives = [1] if probabilities.shape[1] == 2 else range(probabilities.shape[1])
    rows = max(1, 2**22 // len(references))  # resamples at once, for their sums to fit into memory
    pieces = []
    for start in range(0, len(counts), rows):
        part = counts[start : start + rows].astype(float)
        areas = np.stack([_binary_areas(references == k, probabilities[:, k], part) for k in positives])
        occurs = ~np.isnan(areas)
        total, number = np.where(occurs, areas, 0).sum(axis=0), occurs.sum(axis=0)
        pieces.append(np.where(number > 0, total / np.maximum(number, 1), np.nan))
    return np.concatenate(pieces)


def _binary_areas(positive: np.ndarray, scores: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """(R, 2) of auroc and average precision of one class against the rest, NaN where one of the two is empty."""
    order = np.argsort(-scores, kind="stable")
    thresholds = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)  # equal scores count together
    hits = np.cumsum(counts[:, order] * positive[order], axis=1)[:, thresholds]
    false_alarms = np.cumsum(counts[:, order] * ~positive[order], axis=1)[:, thresholds]
    new_hits, new_false_alarms = np.diff(hits, axis=1, prepend=0), np.diff(false_alarms, axis=1, prepend=0)
    number, others = hits[:, -1], false_alarms[:, -1]
    area = (new_false_alarms * (hits - new_hits / 2)).sum(axis=1) / np.maximum(number * others, 1)
    precision = hits / np.maximum(hits + false_alarms, 1)
    average_precision = (new_hits * precision).sum(axis=1) / np.maximum(number, 1)
    return np.where((number > 0) & (others > 0), [area, average_precision], np.nan).T


def point_metrics(references: np.ndarray, predictions: np.ndarray, num_classes: int) -> dict[str, float]:
    """The metrics that need labels only, on one set of windows."""
    labels = np.arange(num_classes)
    kappa = cohen_kappa_score(references, predictions, labels=labels)
    return {
        "accuracy": float(accuracy_score(references, predictions)),
        "balanced_accuracy": float(balanced_accuracy(confusion_matrix(references, predictions, labels=labels))),
        # One class in truth and prediction alike: agreement by chance is perfect too, and kappa is 0/0.
        "cohen_kappa": 0.0 if np.isnan(kappa) else float(kappa),
        "weighted_f1": float(f1_score(references, predictions, labels=labels, average="weighted", zero_division=0)),
    }


def draw_subjects(num_subjects: int, n_resamples: int, seed: int) -> np.ndarray:
    """How often each subject is in each resample with replacement: (n_resamples, num_subjects) counts."""
    equal = np.full(num_subjects, 1 / num_subjects)
    return np.random.default_rng(seed).multinomial(num_subjects, equal, size=n_resamples)


def resampled_label_metrics(confusions: np.ndarray, draws: np.ndarray) -> dict[str, np.ndarray]:
    """The metrics that need labels only, in every resample of the subjects at once.

    Args:
        confusions: (S, K, K), the confusion matrix of each subject; the metrics depend on nothing else.
        draws: (R, S) from `draw_subjects`.

    Returns:
        metric name -> (R,) for accuracy, balanced_accuracy, cohen_kappa and weighted_f1.
    """
    resampled = np.einsum("rs,sij->rij", draws.astype(float), confusions.astype(float))
    total = resampled.sum(axis=(1, 2))
    hits = np.diagonal(resampled, axis1=1, axis2=2)
    truth, predicted = resampled.sum(axis=2), resampled.sum(axis=1)
    accuracy = hits.sum(axis=1) / total
    by_chance = (truth * predicted).sum(axis=1) / total**2
    f1 = 2 * hits / np.maximum(truth + predicted, 1)
    return {
        "accuracy": accuracy,
        "balanced_accuracy": balanced_accuracy(resampled),
        "cohen_kappa": np.where(by_chance < 1, (accuracy - by_chance) / np.maximum(1 - by_chance, 1e-12), 0.0),
        "weighted_f1": (f1 * truth).sum(axis=1) / total,
    }


def percentile_interval(values: Sequence[float] | np.ndarray, confidence: float) -> list[float]:
    """The central interval that holds `confidence` of the values."""
    return [float(bound) for bound in np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])]


def classification_metrics(
    references: Sequence[int] | np.ndarray,
    predictions: Sequence | np.ndarray,
    subjects: Sequence[str] | np.ndarray | None = None,
    *,
    num_classes: int | None = None,
    confidence: float = 0.95,
    n_resamples: int = 1000,
    seed: int = 0,
) -> dict:
    """All metrics of a set of windows; see `INPUTS_DESCRIPTION`.

    Raises:
        ValueError: nothing to score, lengths that differ, a label outside the classes, or NaN probabilities.
    """
    references, predictions = np.asarray(references), np.asarray(predictions)
    if len(references) == 0:
        raise ValueError("there is no window to score")
    if len(references) != len(predictions):
        raise ValueError(f"{len(references)} references but {len(predictions)} predictions")
    probabilities = predictions.astype(float) if predictions.ndim == 2 else None
    if probabilities is not None:
        if not np.isfinite(probabilities).all():
            raise ValueError("the predicted probabilities contain NaN or infinity")
        predictions = probabilities.argmax(axis=1)
        num_classes = probabilities.shape[1]
    num_classes = num_classes or int(max(references.max(), predictions.max())) + 1
    if references.min() < 0 or references.max() >= num_classes:
        raise ValueError(
            f"references hold labels from {references.min()} to {references.max()}, "
            f"but there are {num_classes} classes (0 to {num_classes - 1})"
        )

    labels = np.arange(num_classes)
    result = point_metrics(references, predictions, num_classes)
    result["auroc"], result["auprc"] = (
        (None, None) if probabilities is None else area_scores(references, probabilities)
    )
    result["confusion_matrix"] = confusion_matrix(references, predictions, labels=labels).tolist()
    if subjects is None:
        return result

    subjects = np.asarray(subjects)
    if len(subjects) != len(references):
        raise ValueError(f"{len(references)} references but {len(subjects)} subjects")
    names, subject_index = np.unique(subjects, return_inverse=True)
    confusions = np.stack(
        [confusion_matrix(references[subjects == s], predictions[subjects == s], labels=labels) for s in names]
    )
    draws = draw_subjects(len(names), n_resamples, seed)
    samples = resampled_label_metrics(confusions, draws)
    if result["auroc"] is not None:
        areas = resampled_area_scores(references, probabilities, draws[:, subject_index])
        samples["auroc"], samples["auprc"] = areas[~np.isnan(areas).any(axis=1)].T
    result["confidence_intervals"] = {
        name: percentile_interval(values, confidence) for name, values in samples.items()
    }
    result["per_subject_balanced_accuracy"] = {
        str(name): float(balanced_accuracy(matrix)) for name, matrix in zip(names, confusions, strict=True)
    }
    return result


class EegClassificationMetrics(evaluate.Metric):
    """`evaluate.Metric` around `classification_metrics`.

    ```python
    metrics = EegClassificationMetrics()
    metrics.compute(references=[0, 1, 1], predictions=[[0.9, 0.1], [0.4, 0.6], [0.7, 0.3]], subjects=["a", "a", "b"])
    ```
    """

    def _info(self) -> evaluate.MetricInfo:
        labels = {"references": datasets.Value("int64")}
        return evaluate.MetricInfo(
            description=DESCRIPTION,
            citation="",
            inputs_description=INPUTS_DESCRIPTION,
            features=[
                datasets.Features({"predictions": datasets.Sequence(datasets.Value("float64")), **labels}),
                datasets.Features({"predictions": datasets.Value("int64"), **labels}),
            ],
            reference_urls=["https://scikit-learn.org/stable/modules/model_evaluation.html"],
        )

    def _compute(self, *, references, predictions, subjects=None, **options) -> dict:
        return classification_metrics(references, predictions, subjects, **options)
