"""DARE-EEG in scikit-learn's conventions, for `cross_val_score`, pipelines and MOABB: a classifier and its features.

```python
from dare_eeg_hf.adaptation.estimator import DareEegClassifier

classifier = DareEegClassifier("dare-eeg-nano", channel_names=["C3", "Cz", "C4"], sampling_rate=250, unit="uV")
scores = cross_val_score(classifier, X, y, groups=subjects, cv=LeaveOneGroupOut())  # X: (windows, channels, samples)
```
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from numbers import Real
from pathlib import Path

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.model_selection import GroupShuffleSplit, StratifiedShuffleSplit
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    assert_all_finite,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from dare_eeg_hf.adaptation.classifier_setup import build_classifier, prepare_inputs
from dare_eeg_hf.adaptation.feature_statistics import feature_statistics
from dare_eeg_hf.adaptation.finetuning import FinetuningArguments, finetune, predict_probabilities
from dare_eeg_hf.adaptation.labelled_windows import LabelledWindows
from dare_eeg_hf.configuration_dare_eeg import DareEegConfig
from dare_eeg_hf.montage import match_channels
from dare_eeg_hf.signal_dare_eeg import MICROVOLTS, canonical_unit
from dare_eeg_hf.signal_reports_dare_eeg import EegWarning
from dare_eeg_hf.usability_dare_eeg import judge_trials


class ReadsWindows:
    """Reading windows as users have them: arrays that the estimator's arguments describe, or MNE Epochs."""

    def _read(self, X, reset: bool) -> tuple[np.ndarray, list[str], float, str]:
        """Signals (W, C, T), electrode names, rate and unit of what was given."""
        if parts := _epochs_in(X):
            names, rate = _eeg_channels(parts[0]), float(parts[0].info["sfreq"])
            signals = np.concatenate([_read_like(part, names, rate) for part in parts])
            if reset:  # later calls may bring more channels, in another order: Epochs name theirs
                self.n_features_in_ = len(names)
            assert_all_finite(signals, input_name="X")
            return signals, names, rate, "V"
        signals = validate_data(self, X, reset=reset, ensure_2d=False, allow_nd=True)
        if signals.ndim < 2 or signals.ndim > 3:
            raise ValueError(
                f"X must be (windows, channels, samples), or (windows, samples) for one channel. Got {signals.ndim} "
                "dimension(s). Reshape your data, or give MNE Epochs as they are."
            )
        self._count_features(signals, reset)
        signals = signals[:, None] if signals.ndim == 2 else signals
        if signals.shape[-1] < 2:
            raise ValueError("windows of one sample hold no signal (n_features = 1); a minimum of 2 is required")
        numbered = [f"electrode {i + 1}" for i in range(signals.shape[1])]
        names = numbered if self.channel_names is None else [str(name) for name in self.channel_names]
        if len(names) != signals.shape[1]:
            raise ValueError(f"channel_names holds {len(names)} names, but X has {signals.shape[1]} channels")
        rate = self.sampling_rate
        if not isinstance(rate, Real) or not rate > 0:
            raise ValueError(f"sampling_rate must be a positive number, the rate of X in Hz; got {rate!r}")
        return signals, names, float(rate), self.unit

    def _count_features(self, signals: np.ndarray, reset: bool) -> None:
        """Remember the number of channels (samples, for one-channel windows) in `fit`, compare with it afterwards."""
        count = signals.shape[1]
        if reset:
            self.n_features_in_ = count
        elif count != self.n_features_in_:
            raise ValueError(
                f"X has {count} features, but {type(self).__name__} is expecting {self.n_features_in_} features as "
                "input: fit and predict on the same channels (axis 1 of X)"
            )

    def _read_as_fitted(self, X) -> LabelledWindows:
        """Windows with the electrodes and the rate that `fit` saw, in the order it saw them; labels mean nothing."""
        check_is_fitted(self)
        signals, names, rate, unit = self._read(X, reset=False)
        if names != self.electrode_names_:
            missing = [name for name in self.electrode_names_ if name not in names]
            if missing:
                raise ValueError(
                    f"the {self.role} was fitted on the electrodes {', '.join(self.electrode_names_)}; these windows "
                    f"lack {', '.join(missing)} (they have {', '.join(names)})"
                )
            signals = signals[:, [names.index(name) for name in self.electrode_names_]]
        if rate != self.electrode_rate_:
            raise ValueError(
                f"the {self.role} was fitted at {self.electrode_rate_:g} Hz, these windows have {rate:g} Hz"
            )
        return _unlabelled(signals, self.electrode_names_, rate, unit)

    def _usable(self, windows: LabelledWindows) -> np.ndarray:
        """Which windows hold signal enough for an answer (W,); a warning names the others."""
        scale = MICROVOLTS[canonical_unit(windows.unit)]
        signals = [np.asarray(signal * scale, np.float32) for signal in windows.signals]
        reasons = judge_trials(signals, windows.sampling_rate)
        unusable = [f"{index} ({reason})" for index, reason in enumerate(reasons) if reason]
        if unusable:
            more = f" and {len(unusable) - 8} more" if len(unusable) > 8 else ""
            warnings.warn(
                f"{len(unusable)} of {len(reasons)} windows hold no usable signal: {', '.join(unusable[:8])}{more}",
                EegWarning,
                stacklevel=3,
            )
        return np.array([reason is None for reason in reasons], bool)


def _epochs_in(X) -> list:
    """MNE Epochs, alone or as the list of single trials that scikit-learn makes of them when it selects; else []."""
    parts = list(X) if isinstance(X, list | tuple) else [X]
    return parts if all(hasattr(part, "get_data") and hasattr(part, "ch_names") for part in parts) else []


def _eeg_channels(epochs) -> list[str]:
    """The EEG channels that are not marked bad."""
    kinds = dict(zip(epochs.ch_names, epochs.get_channel_types(), strict=True))
    kept = [name for name, kind in kinds.items() if kind == "eeg" and name not in epochs.info["bads"]]
    if not kept:
        raise ValueError(
            f"the Epochs have no EEG channel that is not marked bad; their channels are {', '.join(epochs.ch_names)}"
        )
    return kept


def _read_like(epochs, names: list[str], rate: float) -> np.ndarray:
    """(trials, C, T) of the EEG channels `names`, in that order."""
    if set(_eeg_channels(epochs)) != set(names) or epochs.info["sfreq"] != rate:
        raise ValueError(
            f"the Epochs in this list differ: the first have {', '.join(names)} at {rate:g} Hz, others "
            f"{', '.join(_eeg_channels(epochs))} at {epochs.info['sfreq']:g} Hz"
        )
    return epochs.get_data(picks=names)


def _unlabelled(signals: np.ndarray, names: Sequence[str], rate: float, unit: str) -> LabelledWindows:
    labels = np.zeros(len(signals), dtype=int)
    return LabelledWindows.from_arrays(
        signals, labels, channel_names=names, sampling_rate=rate, unit=unit, label_names=["none", "other"]
    )


class DareEegFeatures(ReadsWindows, TransformerMixin, BaseEstimator):
    """What a frozen encoder says about each window: mean and log deviation over time of its features.

    Nothing is trained, so nothing of the labels gets in; see `adaptation.feature_statistics`. X as for
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
    ):
        self.checkpoint = checkpoint
        self.channel_names = channel_names
        self.sampling_rate = sampling_rate
        self.unit = unit
        self.random_state = random_state

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        tags.non_deterministic = isinstance(self.checkpoint, DareEegConfig) and self.random_state is None
        return tags

    def get_feature_names_out(self, input_features=None) -> np.ndarray:  # noqa: ARG002
        """(2 * S * D,) names of the features: `mean_0` ..., then `log_deviation_0` ..., whatever the channels."""
        check_is_fitted(self)
        config = self.encoder_.config
        count = config.num_summary_tokens * config.hidden_size
        names = [f"{statistic}_{i}" for statistic in ("mean", "log_deviation") for i in range(count)]
        return np.array(names, dtype=object)

    def fit(self, X, y=None) -> DareEegFeatures:  # noqa: ARG002
        """Load the encoder and remember electrodes and rate.

        Raises:
            ValueError: NaN, channel names that do not fit, or no electrode the encoder knows.
        """
        signals, names, rate, unit = self._read(X, reset=True)
        self._check_names(names)
        self.electrode_names_, self.electrode_rate_ = names, rate
        with torch.random.fork_rng():
            torch.manual_seed(int(check_random_state(self.random_state).randint(2**31 - 1)))
            untrained, self.feature_extractor_ = build_classifier(
                self.checkpoint, _unlabelled(signals, names, rate, unit), spatial_projection=False
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

    def transform(self, X) -> np.ndarray:
        """(W, 2 * S * D) features of windows (W, C, T); NaN, and a warning, for those without usable signal."""
        windows = self._read_as_fitted(X)
        usable = self._usable(windows)
        features = np.full((len(windows), len(self.get_feature_names_out())), np.nan, np.float32)
        # Where nothing is usable the feature extractor may know why: a wrong unit, say.
        inputs = prepare_inputs(self.feature_extractor_, windows.select(np.flatnonzero(usable | ~usable.any())))
        if usable.any():
            features[usable] = feature_statistics(self.encoder_, inputs)
        return features


class DareEegClassifier(ReadsWindows, ClassifierMixin, BaseEstimator):
    """Adapts a checkpoint to windows of EEG; `adaptation.finetuning` does the work.

    X is an array (windows, channels, samples), or (windows, samples) for one channel, or MNE Epochs, which bring
    their own names, rate and unit.

    Args:
        checkpoint: folder or Hub id of any DARE-EEG checkpoint; or a `DareEegConfig` for a random encoder.
        mode: "probe", "linear", "full" or "lora".
        channel_names: electrode of each channel of an array. None: electrodes without a name, whose place on the
            scalp a spatial projection learns.
        sampling_rate: of arrays, in Hz.
        unit: of arrays: "V", "mV" or "uV".
        epochs, batch_size, learning_rate, weight_decay, class_weights, label_smoothing, spatial_projection,
            spectral_projection, euclidean_alignment, lora_rank: as in `FinetuningArguments`. Alignment treats all
            windows given to one call of `fit` or `predict` as one session, unless `fit` is told `groups`.
        early_stopping: set a part of the training windows aside to choose the epoch.
        validation_fraction: that part; whole groups where `fit` is told `groups`.
        patience: epochs without improvement before stopping, with `early_stopping`.
        random_state: seed of initialisation, order, dropout and of the part set aside.

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

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.non_deterministic = self.random_state is None
        return tags

    def fit(self, X, y, groups: Sequence | None = None) -> DareEegClassifier:
        """Train on windows and labels.

        Args:
            X: windows; see the class.
            y: (W,) labels of any type scikit-learn takes for classes.
            groups: (W,) subjects or sessions, kept together when a part is set aside, and aligned one by one.

        Raises:
            ValueError: NaN, one class only, too few windows, channel names that do not fit, or anything `finetune`
                refuses.
        """
        if y is None:
            raise ValueError("DareEegClassifier requires y to be passed, but the target y is None")
        signals, names, rate, unit = self._read(X, reset=True)
        y = column_or_1d(y, warn=True)
        check_consistent_length(signals, y)
        assert_all_finite(y, input_name="y")
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y holds one class, '{self.classes_[0]}'; a classifier needs two or more")
        self.electrode_names_, self.electrode_rate_ = names, rate
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        windows = LabelledWindows.from_arrays(
            signals,
            labels,
            channel_names=names,
            sampling_rate=rate,
            unit=unit,
            label_names=[str(name) for name in self.classes_],
            subjects=None if groups is None else list(groups),
        )
        windows = self._leave_out_unusable(windows)
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

    def predict_proba(self, X) -> np.ndarray:
        """(W, K) probabilities in the order of `classes_`; NaN, and a warning, for windows without usable signal."""
        check_is_fitted(self)
        windows = self._read_as_fitted(X)
        usable = self._usable(windows)
        probabilities = np.full((len(windows), len(self.classes_)), np.nan)
        # Where nothing is usable the feature extractor may know why: a wrong unit, say.
        answers = predict_probabilities(
            self.result_.model,
            self.result_.feature_extractor,
            windows.select(np.flatnonzero(usable | ~usable.any())),
            euclidean_alignment=self.euclidean_alignment,
        )
        if usable.any():
            probabilities[usable] = answers
        return probabilities

    def predict(self, X) -> np.ndarray:
        """(W,) the most probable class of each window; None, and a warning, where there is no usable signal."""
        check_is_fitted(self)
        probabilities = self.predict_proba(X)
        unusable = np.isnan(probabilities).any(axis=1)
        classes = self.classes_[np.where(unusable[:, None], 0, probabilities).argmax(axis=1)]
        if unusable.any():
            classes = classes.astype(object)
            classes[unusable] = None
        return classes

    def save_pretrained(self, folder: str | Path) -> None:
        """Save the fitted classifier as a checkpoint that `from_pretrained` and the pipelines load."""
        check_is_fitted(self)
        self.result_.model.save_pretrained(folder)
        self.result_.feature_extractor.save_pretrained(folder)

    def _leave_out_unusable(self, windows: LabelledWindows) -> LabelledWindows:
        """The windows that hold signal; an error where a class has none."""
        usable = self._usable(windows)
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
