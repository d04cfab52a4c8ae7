"""The baseline for steady-state visual evoked potentials (SSVEP): signal-to-noise ratio and shrinkage LDA.

Who looks at a light that flickers at 13 Hz has, over the occipital cortex, a narrow peak in the spectrum at 13 Hz and
at its harmonics (Norcia et al., "The steady-state visual evoked potential in vision research: a review", Journal of
Vision 15 (2015)). How far it stands out from its neighbours is the same at any amplitude.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.pipeline import Pipeline, make_pipeline

HARMONICS = 2
"""The fundamental, and twice its frequency."""
NEIGHBOURHOOD_HZ = 2.0
"""How far from a peak its neighbours lie: half of the 4 Hz that are usual between stimuli."""
FREQUENCY = re.compile(r"(\d+(?:\.\d+)?)[ _]?hz", re.IGNORECASE)


def stimulation_frequencies(label_names: Sequence[str]) -> tuple[float, ...]:
    """The frequencies (Hz) that classes are named after, as in `13_hz` or `7.5 Hz`; other classes are rest."""
    return tuple(float(match[1]) for name in label_names if (match := FREQUENCY.fullmatch(name)))


class SteadyStateSnr(TransformerMixin, BaseEstimator):
    """Logarithm of each channel's power at the stimulation frequencies and harmonics over that of their neighbours.

    From the periodogram of the whole window, without a taper: windows of a few seconds hold a whole number of periods
    of most stimuli, whose peak is then one bin wide. The bins next to it are left out, in case it is not.

    Args:
        sampling_rate: of the windows, in Hz.
        frequencies: of stimulation, in Hz. Harmonics too high for the sampling rate are left out.
    """

    def __init__(self, sampling_rate: float, frequencies: Sequence[float]):
        self.sampling_rate = sampling_rate
        self.frequencies = frequencies

    def fit(self, X: np.ndarray, y: np.ndarray | None = None) -> SteadyStateSnr:  # noqa: ARG002
        """Nothing is learned."""
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """(W, C, T) to (W, C * peaks).

        Raises:
            ValueError: there are no frequencies, or windows are so short, or sampled so slowly, that a peak or its
                neighbours have no bin.
        """
        if not self.frequencies:
            raise ValueError("a signal-to-noise ratio needs stimulation frequencies: classes with names such as 13_hz")
        bins = np.fft.rfftfreq(X.shape[-1], 1 / self.sampling_rate)
        resolution, highest, fastest = bins[1], bins[-1] - NEIGHBOURHOOD_HZ, max(self.frequencies)
        # A peak's own bins reach 1.5 of them to either side: one more is its neighbour wherever the peak lies.
        if 2.5 * resolution > NEIGHBOURHOOD_HZ or fastest > highest:
            raise ValueError(
                f"windows of {X.shape[-1] / self.sampling_rate:g} s at {self.sampling_rate:g} Hz do not show a "
                f"response at {fastest:g} Hz beside its neighbours: that takes {2.5 / NEIGHBOURHOOD_HZ:g} s or more "
                f"at more than {2 * (fastest + NEIGHBOURHOOD_HZ):g} Hz"
            )
        peaks = [n * f for f in self.frequencies for n in range(1, HARMONICS + 1) if n * f <= highest]
        # The floor keeps flat channels finite; it lies far below the noise of any amplifier (in mV^2).
        power = np.maximum(np.abs(np.fft.rfft(X.astype(np.float64))) ** 2, 1e-15)
        ratios = []
        for peak in peaks:
            distance = np.abs(bins - peak)
            around = (distance > 1.5 * resolution) & (distance <= NEIGHBOURHOOD_HZ)
            ratios.append(power[..., distance.argmin()] / power[..., around].mean(axis=-1))
        return np.log10(np.concatenate(ratios, axis=1))


def shrinkage_lda() -> Pipeline:
    """Linear discriminant analysis whose covariance is shrunk as far as Ledoit and Wolf's estimate says."""
    return make_pipeline(LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"))
