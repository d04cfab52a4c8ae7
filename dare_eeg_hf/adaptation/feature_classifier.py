"""The classifier of all features, the encoder's and the baselines': standardised, then a logistic regression."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegressionCV
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

REGULARIZATION = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)


def logistic_regression(groups: np.ndarray | None = None) -> LogisticRegressionCV:
    """Logistic regression with balanced class weights whose regularisation is chosen inside the training data.

    Args:
        groups: (W,) subject of each training window; four folds of whole subjects then choose the strength by
            balanced accuracy. Without them (or with one subject, or where each class has one subject) the folds are
            four runs of consecutive windows of each class.
    """
    several = groups is not None and len(np.unique(groups)) > 1
    splitter = StratifiedGroupKFold(min(4, len(np.unique(groups)))) if several else None
    return LogisticRegressionCV(
        Cs=REGULARIZATION,
        cv=_GroupedFolds(splitter, groups if several else None),
        scoring="balanced_accuracy",
        class_weight="balanced",
        max_iter=2000,
        l1_ratios=(0,),
        use_legacy_attributes=False,
    )


class _GroupedFolds:
    """A splitter that knows the groups: `LogisticRegressionCV` cannot be handed them inside a pipeline.

    Folds that leave no window of a class to train on are left out; where all do, or there is no splitter of groups,
    the folds are of windows.
    """

    def __init__(self, splitter: StratifiedGroupKFold | None, groups: np.ndarray | None):
        self.splitter = splitter
        self.groups = groups

    def split(self, X, y, groups=None):  # noqa: ARG002
        classes, counts = np.unique(y, return_counts=True)
        folds = [] if self.splitter is None else list(self.splitter.split(X, y, self.groups))
        whole = [fold for fold in folds if len(np.unique(np.asarray(y)[fold[0]])) == len(classes)]
        return whole or list(StratifiedKFold(max(2, min(4, counts.min()))).split(X, y))

    def get_n_splits(self, X=None, y=None, groups=None) -> int:  # noqa: ARG002
        return 4 if self.splitter is None else self.splitter.get_n_splits()


def feature_classifier(groups: np.ndarray | None = None) -> Pipeline:
    """Standardised features (W, F), then `logistic_regression`."""
    return make_pipeline(StandardScaler(), logistic_regression(groups))
