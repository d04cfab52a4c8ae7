"""Euclidean alignment of sessions."""

import numpy as np

from dare_eeg_hf.adaptation.euclidean_alignment import align_signals, align_windows
from dare_eeg_hf.adaptation.finetuning import finetune, predict_probabilities
from tests.adaptation.conftest import easy_windows, quick, tiny_config


def test_alignment_makes_the_mean_covariance_of_each_session_the_identity():
    random = np.random.default_rng(0)
    signals = random.normal(size=(20, 4, 128)) * np.array([1, 5, 10, 2.0])[:, None]
    signals[10:] = np.einsum("cd,wdt->wct", random.normal(size=(4, 4)), signals[10:])
    signals -= signals.mean(axis=1, keepdims=True)  # average reference: rank 3
    sessions = np.repeat(["a", "b"], 10)
    aligned = align_signals(signals, sessions)
    for session in ("a", "b"):
        covariance = np.einsum("wct,wdt->cd", aligned[sessions == session], aligned[sessions == session]) / (10 * 128)
        np.testing.assert_allclose(np.linalg.eigvalsh(covariance), [0, 1, 1, 1], atol=1e-5)


def test_alignment_knows_no_labels_and_keeps_sessions_apart():
    windows = easy_windows(16, subjects=2)
    aligned = align_windows(windows)
    other_labels = align_windows(windows.with_labels(windows.labels[::-1].copy()))
    np.testing.assert_array_equal(aligned.signals, other_labels.signals)
    alone = align_windows(windows.select(windows.subjects == "S0"))
    np.testing.assert_allclose(alone.signals, aligned.signals[windows.subjects == "S0"], rtol=1e-5)
    result = finetune(tiny_config(), windows, None, quick(epochs=2, euclidean_alignment=True), progress=False)
    assert np.isfinite(
        predict_probabilities(result.model, result.feature_extractor, windows, euclidean_alignment=True)
    ).all()
