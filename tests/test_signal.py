"""Resampling and filters do what they promise, and units are defined once."""

import ast
from pathlib import Path

import mne
import numpy as np
import pytest

from dare_eeg_hf.signal_dare_eeg import filter_and_resample
from tests.made_signals import eeg


@pytest.mark.parametrize("rate", [100, 128, 160, 200, 250, 487.5, 500, 512, 1000, 1024, 5000])
def test_resampling_keeps_sines_and_removes_what_would_alias(rate):
    time = np.arange(round(4 * rate)) / rate
    kept, too_fast = 10.0, 300.0
    signal = np.sin(2 * np.pi * kept * time)
    if rate > 2 * too_fast:
        signal = signal + np.sin(2 * np.pi * too_fast * time)
    result = filter_and_resample(signal[None].astype(np.float32), rate, 256)[0]
    assert len(result) == 1024
    expected = np.sin(2 * np.pi * kept * np.arange(1024) / 256)
    assert np.abs(result - expected)[100:-100].max() < 2e-3


def test_resampling_agrees_with_mne():
    signal = eeg(4, 20, 160).astype(np.float32)
    expected = mne.filter.resample(signal.astype(float), 8, 5, verbose="ERROR")
    assert np.abs(filter_and_resample(signal, 160, 256) - expected)[:, 256:-256].max() < 0.02 * signal.std()


@pytest.mark.parametrize("band", [(0.5, None), (None, 40.0), (0.5, 75.0), (1.0, 30.0)])
def test_filters_agree_with_mne(band):
    signal = eeg(4, 30, 256, seed=3).astype(np.float32) + 30 * np.sin(np.arange(30 * 256) / 256 * 2 * np.pi * 0.05)
    result = filter_and_resample(signal.astype(np.float32), 256, highpass=band[0], lowpass=band[1])
    expected = mne.filter.filter_data(signal.astype(float), 256, *band, verbose="ERROR")
    middle = slice(5 * 256, -5 * 256)
    assert (result - expected)[:, middle].std() < 0.03 * expected[:, middle].std()


def test_filters_have_no_phase_and_the_promised_gain():
    rate, time = 256, np.arange(256 * 20) / 256
    for frequency, gain in ((0.05, 0.0), (1.0, 1.0), (10.0, 1.0), (50.0, 0.0), (47.0, 1.0), (70.0, 1.0), (100.0, 0.0)):
        wave = np.sin(2 * np.pi * frequency * time).astype(np.float32)
        result = filter_and_resample(wave[None], rate, highpass=0.5, lowpass=75.0, notches=[50.0])[0]
        assert np.abs(result - gain * wave)[1280:-1280].max() < 0.05, frequency


def test_there_is_one_table_of_units():
    """No other dictionary of the package has units for keys."""
    tables = []
    for file in sorted((Path(__file__).resolve().parents[1] / "dare_eeg_hf").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Dict):
                keys = {key.value for key in node.keys if isinstance(key, ast.Constant)}
                tables += [file.name] if {"mV", "uV"} <= keys else []
    assert tables == ["signal_dare_eeg.py"]
