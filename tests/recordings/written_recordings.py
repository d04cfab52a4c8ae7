"""Signals and files that the tests of reading make, and what is expected of them once read."""

import warnings
from datetime import datetime
from pathlib import Path

import edfio
import mne
import numpy as np

from dare_eeg_hf.recordings.readers import read_raw

NAMES = "Fp1 Fp2 F7 F3 Fz F4 F8 T7 C3 Cz C4 T8 P7 P3 Pz P4 P8 O1 O2".split()


RATE = 200


def make_eeg(names=NAMES, seconds=20.0, rate=RATE, seed=0) -> np.ndarray:
    """(channels, samples) in microvolts: sources that spread over the head, alpha at the back, drift, 50 Hz hum."""
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    sources = np.cumsum(random.standard_normal((8, len(time))), axis=1)
    sources -= np.linspace(0, 1, len(time)) * sources[:, -1:]
    mixing = random.uniform(0.2, 1.0, (len(names), 8))
    signal = mixing @ sources
    signal *= 15 / signal.std()
    back = np.array([name.upper().startswith(("O", "P")) for name in names])
    signal[back] += 20 * np.sin(2 * np.pi * 10 * time)
    signal += 3 * random.standard_normal(signal.shape)
    return signal + 8 * np.sin(2 * np.pi * 50 * time)


def make_raw(signal=None, names=NAMES, rate=RATE) -> mne.io.RawArray:
    signal = make_eeg(names, rate=rate) if signal is None else signal
    return mne.io.RawArray(signal * 1e-6, mne.create_info(list(names), rate, "eeg"), verbose="ERROR")


def write_edf(path: Path, signal=None, names=NAMES, rates=RATE, annotations=()) -> Path:
    signal = make_eeg(names) if signal is None else signal
    rates = np.broadcast_to(rates, len(names))
    signals = [
        edfio.EdfSignal(row, rate, label=name, physical_dimension="uV", physical_range=(-5000, 5000))
        for row, name, rate in zip(signal, names, rates, strict=True)
    ]
    notes = [edfio.EdfAnnotation(onset, duration, text) for onset, duration, text in annotations]
    edfio.Edf(signals, annotations=notes, starttime=datetime(2026, 1, 1, 12).time()).write(path)
    return path


def describe(**more) -> dict:
    return {"sampling_rate": RATE, "unit": "uV", "channel_names": NAMES, **more}


SIX = ["Fp1", "Fp2", "C3", "C4", "O1", "O2"]


SIGNAL = np.random.default_rng(0).normal(0, 20, (len(SIX), 20 * RATE))


def read_with_messages(path, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        raw = read_raw(path, **options)
    return raw, [str(w.message) for w in caught]


def check_signal(raw, names=SIX) -> None:
    assert raw.ch_names == list(names)
    assert set(raw.get_channel_types()) == {"eeg"}
    np.testing.assert_allclose(raw.get_data() * 1e6, SIGNAL, atol=0.1)


MICRO = {
    "uV": b"uV",
    "micro sign in Latin-1": "µV".encode("latin-1"),
    "micro sign in UTF-8": "µV".encode(),
    "Greek mu in UTF-8": "μV".encode(),
    "Greek mu in Shift-JIS": "μV".encode("shift-jis"),
    "Greek mu in ISO 8859-7": "μV".encode("iso8859-7"),
    "Greek mu in GBK": "μV".encode("gbk"),
    "micro sign in code page 437": "µV".encode("cp437"),
    "a lost letter": b"?V",
    "capitals": b"UV",
    "padded with zeros": b"uV\x00\x00",
}
