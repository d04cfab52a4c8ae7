"""DARE-EEG in scikit-learn's conventions, for `cross_val_score`, pipelines and MOABB: a classifier and its features.

```python
from dare_eeg_hf.adaptation.estimator import DareEegClassifier

classifier = DareEegClassifier("dare-eeg-nano", channel_names=["C3", "Cz", "C4"], sampling_rate=250, unit="uV")
scores = cross_val_score(classifier, X, y, groups=subjects, cv=LeaveOneGroupOut())  # X: (windows, channels, samples)
```
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GroupShuffleSplit, StratifiedShuffleSplit
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import assert_all_finite, check_consistent_length, check_is_fitted, column_or_1d

from dare_eeg_hf.adaptation.classifier_setup import build_classifier, prepare_inputs
from dare_eeg_hf.adaptation.feature_statistics import feature_statistics
from dare_eeg_hf.adaptation.finetuning import FinetuningArguments, finetune, predict_probabilities
from dare_eeg_hf.adaptation.finetuning_arguments import STATISTICS
from dare_eeg_hf.adaptation.labelled_windows import LabelledWindows
from dare_eeg_hf.adaptation.reading_windows import (
    ReadsWindows,
    check_center,
    judge_windows,
    people_of,
    unlabelled_windows,
)
from dare_eeg_hf.adaptation.statistics_classifier import fit_statistics_classifier, predict_centered
from dare_eeg_hf.centering import center_by_subject
from dare_eeg_hf.configuration_dare_eeg import DareEegConfig
from dare_eeg_hf.montage import match_channels
from dare_eeg_hf.power_maps_dare_eeg import POWER_MAP_NAMES


class DareEegFeatures(ReadsWindows, TransformerMixin, BaseEstimator):
    """A frozen encoder's features of each window, their mean and log standard deviation over time, and power maps.

    Nothing is trained, so no label can leak in; see `adaptation.feature_statistics`. X as for
    `DareEegClassifier`; electrodes outside the 10-10 system are left out.

    ```python
    features = DareEegFeatures("dare-eeg-nano", channel_names=names, sampling_rate=250, unit="uV")
    classifier = make_pipeline(features, StandardScaler(), LogisticRegression(C=0.01))
    ```

    Args:
        checkpoint: folder or Hub id of any DARE-EEG checkpoint; or a `DareEegConfig` for a random encoder.
        channel_names: electrode of each channel of an array; Epochs name their own.
        sampling_rate: of arrays, in Hz.
        unit: of arrays: "V", "mV" or "uV".
        random_state: draws a random encoder's weights; a checkpoint has its own.
        center: "person" subtracts from each person's features their mean over that person's windows among those of one
            call, and `transform` needs `groups`. Use it only where a person's windows are all there beforehand and
            hold about the same mixture of states for everyone: what is peculiar to people is then gone, but of someone
            recorded in one state the state is gone, too. In a pipeline, with metadata routing:
            `DareEegFeatures(..., center="person").set_transform_request(groups=True)`.

    Attributes:
        n_features_in_: channels (samples, for one-channel windows).
        encoder_: the encoder.
    """

    role = "transformer"

    def __init__(
        self,
        checkpoint: str | Path | DareEegConfig,
        *,
        channel_names: Sequence[str] | None = None,
        sampling_rate: float = 256.0,
        unit: str = "uV",
        random_state: int | np.random.RandomState | None = None,
        center: str | None = None,
    ):
        self.checkpoint = checkpoint
        self.channel_names = channel_names
        self.sampling_rate = sampling_rate
        self.unit = unit
        self.random_state = random_state
        self.center = center

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True  # single samples are bridged, windows without signal get no answer
        tags.transformer_tags.preserves_dtype = ["float32"]
        tags.non_deterministic = isinstance(self.checkpoint, DareEegConfig) and self.random_state is None
        return tags

    def get_feature_names_out(self, input_features=None) -> np.ndarray:  # noqa: ARG002
        """(2 * S * D + 270,) names: `mean_0` ..., `log_deviation_0` ..., `power_delta_mean` ..., for any channels."""
        check_is_fitted(self)
        config = self.encoder_.config
        count = config.num_summary_tokens * config.hidden_size
        names = [f"{statistic}_{i}" for statistic in ("mean", "log_deviation") for i in range(count)]
        return np.array([*names, *POWER_MAP_NAMES], dtype=object)

    def fit(self, X, y=None) -> DareEegFeatures:  # noqa: ARG002
        """Load the encoder and remember electrodes and rate.

        Raises:
            ValueError: Channel names that do not fit, or no electrode the encoder knows.
        """
        check_center(self.center)
        signals, names, rate, unit = self._read(X, reset=True)
        self._check_names(names)
        self.electrode_names_, self.electrode_rate_ = names, rate
        with torch.random.fork_rng():
            torch.manual_seed(int(check_random_state(self.random_state).randint(2**31 - 1)))
            untrained, self.feature_extractor_ = build_classifier(
                self.checkpoint,
                unlabelled_windows(np.nan_to_num(signals), names, rate, unit),
                spatial_projection=False,
            )
        self.encoder_ = untrained.dare_eeg.eval()
        return self

    def _check_names(self, names: list[str]) -> None:
        given = self.checkpoint
        config = given if isinstance(given, DareEegConfig) else DareEegConfig.from_pretrained(given)
        if not match_channels(names, config.channel_names).indices:
            raise ValueError(
                f"none of the electrodes {', '.join(names)} is one that the encoder knows: set channel_names to the "
                "10-10 names of X's channels, such as ['C3', 'Cz', 'C4'], or rename the channels of the Epochs"
            )

    def fit_transform(self, X, y=None, groups: Sequence | None = None) -> np.ndarray:
        """`fit`, then `transform` of the same windows."""
        return self.fit(X, y).transform(X, groups)

    def transform(self, X, groups: Sequence | None = None) -> np.ndarray:
        """(W, 2 * S * D + 270) features of windows (W, C, T); NaN, and a warning, for those without usable signal.

        Args:
            X: windows; see the class.
            groups: (W,) who each window is of; needed, and used, with `center="person"` alone.

        Raises:
            ValueError: Features are to be centered, but who the windows are of is not told.
        """
        windows, usable = self._read_as_fitted(X)
        people = None if self.center is None else people_of(groups, len(windows))
        features = np.full((len(windows), len(self.get_feature_names_out())), np.nan, np.float32)
        # Where nothing is usable the feature extractor may know why: a wrong unit, say.
        inputs = prepare_inputs(self.feature_extractor_, windows.select(np.flatnonzero(usable | ~usable.any())))
        if usable.any():
            features[usable] = feature_statistics(self.encoder_, inputs)
        if people is not None:
            features[usable] = center_by_subject(features[usable], people[usable])
        return features


class DareEegClassifier(ReadsWindows, ClassifierMixin, BaseEstimator):
    """Adapts a checkpoint to windows of EEG; `adaptation.finetuning` does the work.

    X is an array (windows, channels, samples), or (windows, samples) for one channel, or MNE Epochs, which bring
    their own names, rate and unit.

    Args:
        checkpoint: folder or Hub id of any DARE-EEG checkpoint; or a `DareEegConfig` for a random encoder.
        mode: "probe", "linear", "full" or "lora"; or "statistics", a logistic regression on `DareEegFeatures`, which
            has no epochs and none of their settings.
        channel_names: electrode of each channel of an array. None: electrodes without a name, whose place on the
            scalp a spatial projection learns.
        sampling_rate: of arrays, in Hz.
        unit: of arrays: "V", "mV" or "uV".
        epochs, batch_size, learning_rate, weight_decay, class_weights, label_smoothing, spatial_projection,
            spectral_projection, euclidean_alignment, lora_rank: as in `FinetuningArguments`. Alignment treats all
            windows given to one call of `fit` or `predict` as one session, unless `fit` is told `groups`.
        early_stopping: set a part of the training windows aside to choose the epoch.
        validation_fraction: size of that part; whole groups where `fit` is told `groups`.
        patience: epochs without improvement before stopping, with `early_stopping`.
        random_state: seed of initialisation, order, dropout and of the part set aside.
        center: "person", with mode "statistics": as in `DareEegFeatures`, on the same condition. `fit`, `predict`,
            `predict_proba` and `score` then need `groups`.

    Attributes:
        classes_: (K,) labels.
        n_features_in_: channels (samples, for one-channel windows).
        result_: the `FinetuningResult` with model and feature extractor.
    """

    role = "classifier"

    def __init__(
        self,
        checkpoint: str | Path | DareEegConfig,
        *,
        mode: str = "probe",
        channel_names: Sequence[str] | None = None,
        sampling_rate: float = 256.0,
        unit: str = "uV",
        epochs: int = 100,
        batch_size: int = 64,
        learning_rate: float = 5e-4,
        weight_decay: float = 0.01,
        class_weights: bool = True,
        label_smoothing: float = 0.0,
        spatial_projection: bool | None = None,
        spectral_projection: bool = False,
        euclidean_alignment: bool = False,
        lora_rank: int = 8,
        early_stopping: bool = False,
        validation_fraction: float = 0.2,
        patience: int = 20,
        random_state: int | np.random.RandomState | None = None,
        center: str | None = None,
    ):
        self.checkpoint = checkpoint
        self.mode = mode
        self.channel_names = channel_names
        self.sampling_rate = sampling_rate
        self.unit = unit
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.class_weights = class_weights
        self.label_smoothing = label_smoothing
        self.spatial_projection = spatial_projection
        self.spectral_projection = spectral_projection
        self.euclidean_alignment = euclidean_alignment
        self.lora_rank = lora_rank
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.random_state = random_state
        self.center = center

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True  # single samples are bridged, windows without signal get no answer
        tags.non_deterministic = self.random_state is None
        return tags

    def fit(self, X, y, groups: Sequence | None = None) -> DareEegClassifier:
        """Train on windows and labels.

        Args:
            X: windows; see the class.
            y: (W,) labels of any type scikit-learn takes for classes.
            groups: (W,) subjects or sessions, kept together when a part is set aside or regularisation is chosen, and
                aligned, or centered, one by one.

        Raises:
            ValueError: One class only, too few windows, channel names that do not fit, or anything `finetune`
                refuses.
        """
        if y is None:
            raise ValueError("DareEegClassifier requires y to be passed, but the target y is None")
        self._check_settings()
        signals, names, rate, unit = self._read(X, reset=True)
        y = column_or_1d(y, warn=True)
        check_consistent_length(signals, y)
        if self.center is not None:
            people_of(groups, len(signals))
        assert_all_finite(y, input_name="y")
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y holds one class, '{self.classes_[0]}'; a classifier needs two or more")
        self.electrode_names_, self.electrode_rate_ = names, rate
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        signals, usable = judge_windows(signals, rate, unit)
        windows = LabelledWindows.from_arrays(
            signals,
            labels,
            channel_names=names,
            sampling_rate=rate,
            unit=unit,
            label_names=[str(name) for name in self.classes_],
            subjects=None if groups is None else list(groups),
        )
        windows = self._leave_out_unusable(windows, usable)
        if self.mode == STATISTICS:
            self.result_ = fit_statistics_classifier(
                self.checkpoint, windows, seed=seed, center=self.center is not None
            )
            return self
        train, validation = self._set_aside(windows, seed) if self.early_stopping else (windows, None)
        arguments = FinetuningArguments(
            mode=self.mode,
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            class_weights=self.class_weights,
            label_smoothing=self.label_smoothing,
            spatial_projection=self.spatial_projection,
            spectral_projection=self.spectral_projection,
            euclidean_alignment=self.euclidean_alignment,
            lora_rank=self.lora_rank,
            patience=self.patience,
            seed=seed,
        )
        self.result_ = finetune(self.checkpoint, train, validation, arguments, progress=False)
        self.n_iter_ = self.result_.history[-1]["epoch"]
        return self

    def predict_proba(self, X, groups: Sequence | None = None) -> np.ndarray:
        """(W, K) probabilities in the order of `classes_`; NaN, and a warning, for windows without usable signal.

        Args:
            X: windows; see the class.
            groups: (W,) who each window is of; needed, and used, with `center="person"` alone.
        """
        check_is_fitted(self)
        windows, usable = self._read_as_fitted(X)
        probabilities = np.full((len(windows), len(self.classes_)), np.nan)
        model, extractor = self.result_.model, self.result_.feature_extractor
        if self.center is not None:
            windows = replace(windows, subjects=people_of(groups, len(windows)))
        # Where nothing is usable the feature extractor may know why: a wrong unit, say.
        windows = windows.select(np.flatnonzero(usable | ~usable.any()))
        if self.center is None:
            answers = predict_probabilities(model, extractor, windows, euclidean_alignment=self.euclidean_alignment)
        else:
            answers = predict_centered(model, extractor, windows)
        if usable.any():
            probabilities[usable] = answers
        return probabilities

    def predict(self, X, groups: Sequence | None = None) -> np.ndarray:
        """(W,) the most probable class of each window; None, and a warning, where there is no usable signal."""
        check_is_fitted(self)
        probabilities = self.predict_proba(X, groups)
        unusable = np.isnan(probabilities).any(axis=1)
        classes = self.classes_[np.where(unusable[:, None], 0, probabilities).argmax(axis=1)]
        if unusable.any():
            classes = classes.astype(object)
            classes[unusable] = None
        return classes

    def score(self, X, y, sample_weight=None, groups: Sequence | None = None) -> float:
        """Share of windows that are recognised."""
        return float(accuracy_score(y, self.predict(X, groups), sample_weight=sample_weight))

    def save_pretrained(self, folder: str | Path) -> None:
        """Save the fitted classifier as a checkpoint that `from_pretrained` and the pipelines load.

        Raises:
            ValueError: Its features are centered: a pipeline cannot know who windows are of.
        """
        check_is_fitted(self)
        if self.center is not None:
            raise ValueError(
                "a classifier with center='person' cannot be saved: a pipeline is not told who is recorded"
            )
        self.result_.model.save_pretrained(folder)
        self.result_.feature_extractor.save_pretrained(folder)

    def _check_settings(self) -> None:
        """Refuse settings that the mode does not have."""
        check_center(self.center)
        if self.center is not None and self.mode != STATISTICS:
            raise ValueError(f"center={self.center!r} needs mode={STATISTICS!r}; mode {self.mode!r} is not centered")
        if self.mode == STATISTICS and (self.early_stopping or self.euclidean_alignment):
            raise ValueError(f"mode {STATISTICS!r} has neither early_stopping nor euclidean_alignment; leave them out")

    def _leave_out_unusable(self, windows: LabelledWindows, usable: np.ndarray) -> LabelledWindows:
        """The windows that hold signal; an error where a class has none."""
        lacking = [str(name) for index, name in enumerate(self.classes_) if index not in windows.labels[usable]]
        if lacking and usable.any():
            raise ValueError(f"no window of {', '.join(lacking)} holds usable signal")
        return windows.select(np.flatnonzero(usable | ~usable.any()))

    def _set_aside(self, windows: LabelledWindows, seed: int) -> tuple[LabelledWindows, LabelledWindows]:
        several = len(set(windows.subjects)) > 1
        splitter = (GroupShuffleSplit if several else StratifiedShuffleSplit)(
            n_splits=1, test_size=self.validation_fraction, random_state=seed
        )
        train, validation = next(splitter.split(windows.signals, windows.labels, windows.subjects))
        return windows.select(np.sort(train)), windows.select(np.sort(validation))
