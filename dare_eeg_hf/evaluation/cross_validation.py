"""One contestant on every fold: each window is predicted by a model that was trained without its group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from dare_eeg_hf.adaptation.finetuning import FinetuningArguments
from dare_eeg_hf.adaptation.labelled_windows import LabelledWindows
from dare_eeg_hf.evaluation.contestants import Predictor, fit_contestant, with_window_values
from dare_eeg_hf.evaluation.metrics import classification_metrics
from dare_eeg_hf.evaluation.protocols import Fold, one_class_subjects, statistics_over_subjects
from dare_eeg_hf.launching import cpu_threads


@dataclass(frozen=True)
class CrossValidated:
    """What a contestant said about windows it was not trained on.

    Attributes:
        probabilities: (W, K), NaN for windows that no fold tests.
        folds: name of a fold -> balanced accuracy on its test part.
        predictors: one for each fold, where they were to be kept.
        trained_parameters: of each of them.
    """

    probabilities: np.ndarray
    folds: dict[str, float]
    predictors: Sequence[Predictor]
    trained_parameters: int

    def scores(self, windows: LabelledWindows) -> dict:
        """Metrics with intervals over subjects, statistics over subjects, and what was tested; as JSON can hold it."""
        tested = ~np.isnan(self.probabilities[:, 0])
        subjects, labels = windows.subjects[tested], windows.labels[tested]
        metrics = classification_metrics(labels, self.probabilities[tested], subjects)
        return {
            "metrics": metrics,
            "subjects": asdict(statistics_over_subjects(metrics["per_subject_balanced_accuracy"])),
            "folds": self.folds,
            "tested_windows": int(tested.sum()),
            "classes": list(windows.label_names),
            "one_class_per_subject": len(one_class_subjects(subjects, labels)) == len(np.unique(subjects)),
            "trainable_parameters": self.trained_parameters,
        }


def cross_validate(
    model: str,
    mode: str,
    windows: LabelledWindows,
    folds: Sequence[Fold],
    arguments: FinetuningArguments | None = None,
    checkpoint: str | None = None,
    seed: int = 0,
    keep: bool = False,
) -> CrossValidated:
    """Train and test on every fold.

    Args:
        model, mode, windows, arguments, checkpoint, seed: as in `contestants.fit_contestant`.
        folds: what is trained on and tested.
        keep: whether to keep the predictor of each fold, which takes memory where whole encoders are trained.
    """
    windows = with_window_values(model, windows)
    probabilities = np.full((len(windows), len(windows.label_names)), np.nan)
    scores, predictors, trained = {}, [], 0
    for fold in folds:
        predict, trained = fit_contestant(model, mode, windows, fold, arguments, checkpoint, seed)
        probabilities[fold.test] = predict(windows.select(fold.test))
        scores[fold.name] = classification_metrics(windows.labels[fold.test], probabilities[fold.test])[
            "balanced_accuracy"
        ]
        predictors += [predict] if keep else []
    return CrossValidated(probabilities, scores, predictors, trained)


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread for every library: workers would wait for each other, and sums depend on their number."""
    with cpu_threads(1), threadpool_limits(1):
        yield
