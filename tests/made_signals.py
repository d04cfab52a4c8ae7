"""Signals that look like EEG, made for tests."""

import numpy as np

SECONDS = 60


def make_signal(rng: np.random.Generator, rate: float, seconds: float = SECONDS, channels: int = 19) -> np.ndarray:
    """Correlated 1/f noise of about 15 uV: (channels, samples) in microvolts."""
    samples = round(seconds * rate)
    frequency = np.fft.rfftfreq(samples, 1 / rate)
    spectrum = np.fft.rfft(rng.standard_normal((channels, samples))) / np.maximum(frequency, 0.5) ** 0.7
    noise = np.fft.irfft(spectrum, samples)
    noise = 0.6 * noise + noise.mean(axis=0) * np.sqrt(channels)
    return noise / noise.std() * 15


def eeg(channels=10, seconds=4.0, rate=256.0, seed=0, microvolts=20.0):
    """Band-limited noise that channels share in part, (channels, samples) in microvolts."""
    random = np.random.default_rng(seed)
    samples = round(seconds * rate)
    spectrum = np.fft.rfft(random.standard_normal((channels + 1, samples)))
    frequency = np.fft.rfftfreq(samples, 1 / rate)
    spectrum *= (frequency > 1) / np.maximum(frequency, 1) * (frequency < 0.4 * rate)
    signal = np.fft.irfft(spectrum, samples)
    signal = signal[1:] + signal[:1]
    return signal / signal.std() * microvolts
