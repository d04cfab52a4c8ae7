"""The baseline models: chance, band power, Riemannian geometry, and EEGNet trained from scratch.

Chance and EEGNet are scikit-learn classifiers of arrays (windows, channels, samples); the other two are transformers
of such arrays to features, which `adaptation.feature_classifier` reads.
EEGNet is our own torch code, written from the description in Lawhern et al., "EEGNet: a compact convolutional neural
network for EEG-based brain-computer interfaces", Journal of Neural Engineering 15 (2018), 056013; it is not the
authors' program.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from scipy.fft import next_fast_len
from scipy.signal import resample_poly, welch
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.dummy import DummyClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils.class_weight import compute_class_weight
from torch import nn

from dare_eeg_hf.evaluation.metrics import classification_metrics
from dare_eeg_hf.power_maps_dare_eeg import FREQUENCY_BANDS

BATCH_SIZE = 256


class BandPower(TransformerMixin, BaseEstimator):
    """Logarithmic power of each channel in the classical bands, by Welch's method with windows of up to 2 seconds.

    Args:
        sampling_rate: of the windows, in Hz. Bands without a frequency bin (short windows, low rates) are left out.
    """

    def __init__(self, sampling_rate: float):
        self.sampling_rate = sampling_rate

    def fit(self, X: np.ndarray, y: np.ndarray | None = None) -> BandPower:  # noqa: ARG002
        """Nothing is learned."""
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """(W, C, T) to (W, C * bands)."""
        # In pieces: a spectrum in float64 takes several times the memory of its windows.
        starts = range(0, max(len(X), 1), BATCH_SIZE)
        return np.concatenate([self._log_powers(X[start : start + BATCH_SIZE]) for start in starts])

    def _log_powers(self, windows: np.ndarray) -> np.ndarray:
        length = min(windows.shape[-1], round(2 * self.sampling_rate))
        frequencies, density = welch(windows.astype(np.float64), self.sampling_rate, nperseg=length)
        powers = []
        for low, high in FREQUENCY_BANDS.values():
            inside = (frequencies >= low) & (frequencies < high)
            if inside.any():
                powers.append(density[..., inside].mean(axis=-1))
        # The floor stands for a flat channel and lies far below the noise of any amplifier (1e-15 mV^2/Hz).
        return np.log10(np.maximum(np.concatenate(powers, axis=1), 1e-15))


def chance() -> DummyClassifier:
    """Always the most frequent class; its balanced accuracy is one over the number of classes."""
    return DummyClassifier(strategy="prior")


def tangent_space() -> Pipeline:
    """Covariance matrices (oracle approximating shrinkage) in the tangent space at their Riemannian mean.

    Shrinkage also makes average-referenced windows usable, whose plain covariance is singular. After Barachant et
    al., "Multiclass brain-computer interface classification by Riemannian geometry", IEEE TBME 59 (2012).

    Raises:
        ImportError: pyriemann is not installed.
    """
    try:
        from pyriemann.estimation import Covariances
        from pyriemann.tangentspace import TangentSpace
    except ImportError as error:
        raise ImportError("this baseline needs pyriemann: pip install 'dare-eeg-hf[benchmark]'") from error
    return make_pipeline(Covariances("oas"), TangentSpace("riemann"))


def filter_in_time(signals: torch.Tensor, filters: torch.Tensor) -> torch.Tensor:
    """Correlate each row of (B, F, T) with its own filter of (F, K), keeping T as padding="same" does.

    By Fourier transforms, which on CPUs takes a seventh of the time of `conv1d` with groups for filters this long.
    """
    length, size = signals.shape[-1], filters.shape[-1]
    padded = next_fast_len(length + size - 1, real=True)
    spectrum = torch.fft.rfft(signals, padded) * torch.fft.rfft(filters, padded).conj()
    return torch.fft.irfft(spectrum, padded).roll((size - 1) // 2, dims=-1)[..., :length]


class EEGNet(nn.Module):
    """EEGNet-8,2 for windows at 128 Hz: 8 temporal filters, 2 spatial filters for each.

    The paper filters in time first and over channels second. Both are linear, so this code uses the opposite
    order, at a fraction of the cost; the batch normalisation between them is left out, because the one that follows
    undoes any scale and shift it could give.

    Args:
        num_channels, num_samples: shape of a window.
        num_classes: outputs.
        dropout: 0.25 for classification across subjects, 0.5 within a subject (as the paper advises).
    """

    def __init__(self, num_channels: int, num_samples: int, num_classes: int, dropout: float = 0.25):
        super().__init__()
        first_pool = min(4, num_samples)
        second_pool = min(8, num_samples // first_pool)
        self.spatial = nn.Conv1d(num_channels, 16, 1, bias=False)
        self.temporal = nn.Conv1d(8, 8, 64, groups=8, bias=False)
        self.after_filters = nn.Sequential(nn.BatchNorm1d(16), nn.ELU(), nn.AvgPool1d(first_pool), nn.Dropout(dropout))
        self.separable = nn.Sequential(
            nn.Conv1d(16, 16, 16, padding="same", groups=16, bias=False),
            nn.Conv1d(16, 16, 1, bias=False),
            nn.BatchNorm1d(16),
            nn.ELU(),
            nn.AvgPool1d(second_pool),
            nn.Dropout(dropout),
            nn.Flatten(),
        )
        self.classifier = nn.Linear(16 * (num_samples // first_pool // second_pool), num_classes)

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        """(B, C, T) to logits (B, K)."""
        filters = self.temporal.weight[:, 0].repeat_interleave(2, dim=0)
        filtered = filter_in_time(self.spatial(windows), filters)
        return self.classifier(self.separable(self.after_filters(filtered)))

    @torch.no_grad()
    def limit_norms(self) -> None:
        """Hold every spatial filter to norm 1 and every class's weights to norm 0.25."""
        self.spatial.weight.copy_(self.spatial.weight.renorm(2, 0, 1.0))
        self.classifier.weight.copy_(self.classifier.weight.renorm(2, 0, 0.25))


class EEGNetClassifier(ClassifierMixin, BaseEstimator):
    """EEGNet trained from scratch with Adam and balanced class weights; the best epoch on validation data is kept.

    Args:
        sampling_rate: of the windows; they are resampled to 128 Hz with an anti-aliasing filter.
        epochs: at most.
        patience: epochs without a better balanced accuracy (then: lower loss) on validation before stopping.
        batch_size, learning_rate, dropout: as usual.
        seed: of initialisation, order and dropout.
    """

    def __init__(
        self,
        sampling_rate: float,
        epochs: int = 50,
        patience: int = 10,
        batch_size: int = 64,
        learning_rate: float = 1e-3,
        dropout: float = 0.25,
        seed: int = 0,
    ):
        self.sampling_rate = sampling_rate
        self.epochs = epochs
        self.patience = patience
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.dropout = dropout
        self.seed = seed

    def _prepare(self, X: np.ndarray) -> torch.Tensor:
        resampled = resample_poly(X.astype(np.float64), 128, round(self.sampling_rate), axis=-1)
        return torch.from_numpy((resampled / self.scale_).astype(np.float32))

    def fit(self, X: np.ndarray, y: np.ndarray, validation: tuple[np.ndarray, np.ndarray]) -> EEGNetClassifier:
        """Train on (W, C, T) and labels; `validation` is (X, y) of other subjects, used for selection only."""
        self.classes_, encoded = np.unique(y, return_inverse=True)
        self.scale_ = 1.0
        self.scale_ = float(self._prepare(X).std())
        inputs, labels, held_out = self._prepare(X), torch.from_numpy(encoded), self._prepare(validation[0])
        weights = torch.from_numpy(
            compute_class_weight("balanced", classes=np.arange(len(self.classes_)), y=encoded)
        ).float()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            self.model_ = EEGNet(inputs.shape[1], inputs.shape[2], len(self.classes_), self.dropout)
            optimizer = torch.optim.Adam(self.model_.parameters(), lr=self.learning_rate)
            best, best_state, since_best = (-1.0, 0.0), None, 0
            for _ in range(self.epochs):
                self.model_.train()
                for batch in torch.randperm(len(inputs)).split(self.batch_size):
                    if len(batch) == 1 and len(inputs) > 1:
                        continue  # batch normalisation cannot normalise a single short window
                    loss = nn.functional.cross_entropy(self.model_(inputs[batch]), labels[batch], weight=weights)
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                    self.model_.limit_norms()
                score = self._score(held_out, validation[1])
                since_best += 1
                if score > best:
                    best, best_state, since_best = score, copy.deepcopy(self.model_.state_dict()), 0
                if since_best >= self.patience:
                    break
        self.model_.load_state_dict(best_state)
        return self

    def _score(self, prepared: torch.Tensor, y: np.ndarray) -> tuple[float, float]:
        probabilities = self._probabilities(prepared)
        encoded = np.searchsorted(self.classes_, y)
        log_likelihood = float(np.log(probabilities[np.arange(len(y)), encoded] + 1e-12).mean())
        return classification_metrics(encoded, probabilities)["balanced_accuracy"], log_likelihood

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """(W, C, T) to probabilities (W, K) in the order of `classes_`."""
        return self._probabilities(self._prepare(X))

    @torch.inference_mode()
    def _probabilities(self, prepared: torch.Tensor) -> np.ndarray:
        self.model_.eval()
        logits = [self.model_(batch) for batch in prepared.split(256)]
        return torch.cat(logits).softmax(-1).numpy().astype(np.float64)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The most probable class of each window."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]
