"""Windows as users of scikit-learn have them, arrays or MNE Epochs, and which of them hold signal."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from numbers import Real

import numpy as np
from sklearn.utils.validation import check_is_fitted, validate_data

from dare_eeg_hf.adaptation.labelled_windows import LabelledWindows
from dare_eeg_hf.inputs_dare_eeg import eeg_channels, is_mne
from dare_eeg_hf.lost_samples_dare_eeg import bridge, find_lost_samples
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
            return signals, names, rate, "V"
        signals = validate_data(self, X, reset=reset, ensure_2d=False, allow_nd=True, ensure_all_finite=False)
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

    def _read_as_fitted(self, X) -> tuple[LabelledWindows, np.ndarray]:
        """Windows with the electrodes and the rate that `fit` saw, in that order, and which of them (W,) are usable;
        labels are placeholders."""
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
        signals, usable = judge_windows(signals, rate, unit)
        return unlabelled_windows(signals, self.electrode_names_, rate, unit), usable


def judge_windows(signals: np.ndarray, rate: float, unit: str) -> tuple[np.ndarray, np.ndarray]:
    """Tell which windows hold enough signal for an answer; a warning names the others.

    Args:
        signals: (W, C, T) in `unit`, NaN or infinite samples among them. `rate`: hertz.

    Returns:
        The signals with such samples bridged, and bool (W,), True where a window is usable.
    """
    scale = MICROVOLTS[canonical_unit(unit)]
    microvolts = [np.asarray(signal * scale, np.float32) for signal in signals]
    reasons = judge_trials(microvolts, rate)
    unusable = [f"{index} ({reason})" for index, reason in enumerate(reasons) if reason]
    if unusable:
        more = f" and {len(unusable) - 8} more" if len(unusable) > 8 else ""
        warnings.warn(
            f"{len(unusable)} of {len(reasons)} windows hold no usable signal: {', '.join(unusable[:8])}{more}",
            EegWarning,
            stacklevel=3,
        )
    damaged = [index for index, signal in enumerate(microvolts) if not np.isfinite(signal).all()]
    if damaged:
        signals = np.array(signals)
        for index in damaged:
            bridge(microvolts[index], find_lost_samples(microvolts[index], rate))
            signals[index] = microvolts[index] / scale
    return signals, np.array([reason is None for reason in reasons], bool)


def _epochs_in(X) -> list:
    """MNE Epochs, alone or as the list of single trials that scikit-learn makes of them when it selects; else []."""
    parts = list(X) if isinstance(X, list | tuple) else [X]
    return parts if all(is_mne(part) for part in parts) else []


def _eeg_channels(epochs) -> list[str]:
    """The EEG channels that are not marked bad; an error where there is none."""
    kept = eeg_channels(epochs)
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


def unlabelled_windows(signals: np.ndarray, names: Sequence[str], rate: float, unit: str) -> LabelledWindows:
    """Windows (W, C, T) whose labels are placeholders."""
    labels = np.zeros(len(signals), dtype=int)
    return LabelledWindows.from_arrays(
        signals, labels, channel_names=names, sampling_rate=rate, unit=unit, label_names=["none", "other"]
    )


def check_center(center: str | None) -> None:
    """Refuse a kind of centering that there is not.

    Raises:
        ValueError: with what there is.
    """
    if center not in (None, "person"):
        raise ValueError(f"center must be 'person' or None, got {center!r}")


def people_of(groups: Sequence | None, count: int) -> np.ndarray:
    """(W,) texts: who each of `count` windows is of.

    Raises:
        ValueError: it is not told, or of another number of windows.
    """
    if groups is None:
        raise ValueError(
            "center='person' needs groups: who each window is of. Pass groups=..., and in pipelines "
            "enable_metadata_routing and set_transform_request(groups=True)"
        )
    people = np.asarray(list(groups)).astype(str)
    if people.shape != (count,):
        raise ValueError(f"groups has {len(people)} entries for {count} windows")
    return people
