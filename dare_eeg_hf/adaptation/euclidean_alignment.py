"""Euclidean alignment: give every session the same mean covariance, so that people and days become comparable.

He H, Wu D, "Transfer learning for brain-computer interfaces: a Euclidean space data alignment approach", IEEE
Transactions on Biomedical Engineering 67 (2020).

It needs no labels, neither of training nor of test windows. It does need a number of unlabelled windows of each
session, the tested one included: a result obtained with it is one where the test session was seen without labels, and
must be reported as such.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh

from dare_eeg_hf.adaptation.labelled_windows import LabelledWindows
from dare_eeg_hf.signal_dare_eeg import MICROVOLTS

ALIGNED_MICROVOLTS = 10.0
"""Amplitude of an aligned channel: alignment alone gives variance one without a unit; this keeps the contract."""


def inverse_square_root(matrix: np.ndarray) -> np.ndarray:
    """M^(-1/2) of a symmetric positive semi-definite matrix, (C, C), as a pseudo-inverse.

    An average reference makes covariances singular; the direction without any signal stays without any.
    """
    values, vectors = eigh(matrix)
    usable = values > values.max() * 1e-8
    return (vectors[:, usable] / np.sqrt(values[usable])) @ vectors[:, usable].T


def align_signals(signals: np.ndarray, sessions: np.ndarray) -> np.ndarray:
    """Whiten each session by the mean covariance of its own windows.

    Args:
        signals: (W, C, T).
        sessions: (W,) which windows belong together.

    Returns:
        (W, C, T) in float32; within every session the mean covariance is the identity (on the directions that have
        any signal).

    Raises:
        ValueError: a session without any signal.
    """
    aligned = np.empty_like(signals, dtype=np.float32)
    for session in np.unique(sessions):
        here = sessions == session
        windows = signals[here].astype(np.float64)
        covariance = np.einsum("wct,wdt->cd", windows, windows) / (len(windows) * windows.shape[-1])
        if not covariance.any():
            raise ValueError(f"session {session} is flat in all channels; it cannot be aligned")
        aligned[here] = inverse_square_root(covariance) @ windows
    return aligned


def align_windows(windows: LabelledWindows) -> LabelledWindows:
    """Euclidean alignment of each subject's sessions, scaled to an amplitude of 10 microvolts."""
    scale = ALIGNED_MICROVOLTS * (1 / MICROVOLTS[windows.unit])
    return windows.with_signals(align_signals(windows.signals, windows.session_keys) * scale)
