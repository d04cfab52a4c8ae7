"""Simulated recordings with known content: real EDF+ files for tests, examples and first steps without a download."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import mne
import numpy as np

from dare_eeg_hf.montage import PRETRAINING_CHANNELS

RUNS = {"R01": False, "R02": True}
"""Run name -> whether the eyes are closed, as in the two resting runs of PhysioNet EEGMMIDB."""


def simulate_recordings(
    folder: str | Path,
    *,
    subjects: int = 4,
    montage: Sequence[str] = PRETRAINING_CHANNELS,
    sampling_rate: float = 160.0,
    seconds: float = 60.0,
    line_frequency: float = 60.0,
    seed: int = 0,
    prefix: str = "S",
) -> list[Path]:
    """Write two EDF+ files per subject, eyes open (`S001/S001R01.edf`) and eyes closed (`S001/S001R02.edf`).

    Every recording is pink noise that spreads smoothly over the scalp, a posterior alpha rhythm whose frequency
    (9 to 11.5 Hz) and strength are the subject's own and which is several times stronger with eyes closed, blinks
    (eyes open only) and a little mains hum. The same arguments give the same bytes.

    Args:
        folder: where to write; one folder per subject is made in it.
        subjects: how many subjects.
        montage: electrode names of the 10-20, 10-10 or 10-05 system, written into the files as they are given.
        sampling_rate: hertz.
        seconds: length of each recording; EDF keeps whole seconds, so it is rounded down.
        line_frequency: hertz of the mains hum.
        seed: everything random follows from it.
        prefix: first letters of the subjects' names.

    Returns:
        The paths written, in order of subject and run.

    Raises:
        ValueError: if a name of the montage has no position in the 10-05 system.
    """
    positions = _scalp_positions(montage)
    n_samples = int(seconds) * int(sampling_rate)
    written = []
    for number in range(1, subjects + 1):
        subject = f"{prefix}{number:03d}"
        traits = np.random.default_rng([seed, number])
        alpha_frequency, alpha_volts = traits.uniform(9.0, 11.5), traits.uniform(12e-6, 22e-6)
        for run_number, (run, eyes_closed) in enumerate(RUNS.items()):
            rng = np.random.default_rng([seed, number, run_number])
            signal = _background(rng, positions, n_samples)
            alpha = _narrow_band(rng, alpha_frequency, n_samples, sampling_rate)
            strength = alpha_volts if eyes_closed else alpha_volts / 5
            signal += strength * _distance_weights(positions, "Oz", 0.05)[:, None] * alpha
            onsets = np.array([]) if eyes_closed else np.sort(rng.uniform(1, seconds - 1, size=int(seconds / 6)))
            signal += (
                120e-6
                * _distance_weights(positions, "Fpz", 0.035)[:, None]
                * _blinks(onsets, n_samples, sampling_rate)
            )
            time = np.arange(n_samples) / sampling_rate
            signal += 2e-6 * rng.uniform(0.7, 1.3, (len(montage), 1)) * np.sin(2 * np.pi * line_frequency * time)
            path = Path(folder) / subject / f"{subject}{run}.edf"
            _write_edf(path, signal, montage, sampling_rate, onsets)
            written.append(path)
    return written


def _scalp_positions(names: Sequence[str]) -> np.ndarray:
    """Positions in metres, (C, 3), of the 10-05 system; upper and lower case and dots do not matter."""
    known = _known_positions()
    unknown = [name for name in names if name.strip(".").upper() not in known]
    if unknown:
        raise ValueError(f"no scalp position is known for {', '.join(unknown)}; use names of the 10-05 system")
    return np.array([known[name.strip(".").upper()] for name in names])


@lru_cache(maxsize=1)
def _known_positions() -> dict[str, np.ndarray]:
    """The 10-05 system of MNE by upper-case name; the montage was renamed in MNE 1.13."""
    renamed = "colin27_1005" in mne.channels.get_builtin_montages()
    montage = mne.channels.make_standard_montage("colin27_1005" if renamed else "standard_1005")
    return {name.upper(): place for name, place in montage.get_positions()["ch_pos"].items()}


def _distance_weights(positions: np.ndarray, centre: str, width: float) -> np.ndarray:
    """Gaussian fall-off (C,) with the distance from one electrode; `width` in metres."""
    distance = np.linalg.norm(positions - _scalp_positions([centre]), axis=1)
    return np.exp(-(distance**2) / (2 * width**2))


def _background(rng: np.random.Generator, positions: np.ndarray, n_samples: int) -> np.ndarray:
    """Pink noise, (C, T) in volts with about 10 uV per channel: twenty sources mixed smoothly, and a little of each
    channel's own."""
    sources = rng.normal(size=(20, 3))
    sources = positions.mean(0) + 0.09 * sources / np.linalg.norm(sources, axis=1, keepdims=True)
    distance = np.linalg.norm(positions[:, None] - sources, axis=2)
    mixing = np.exp(-(distance**2) / (2 * 0.05**2))
    mixing /= np.linalg.norm(mixing, axis=1, keepdims=True)
    shared = mixing @ _pink_noise(rng, len(sources), n_samples)
    return 10e-6 * shared + 2e-6 * _pink_noise(rng, len(positions), n_samples)


def _pink_noise(rng: np.random.Generator, rows: int, n_samples: int) -> np.ndarray:
    """Noise (rows, T) of unit variance whose power falls with one over the frequency."""
    spectrum = np.fft.rfft(rng.normal(size=(rows, n_samples)))
    spectrum[:, 0] = 0
    spectrum[:, 1:] /= np.sqrt(np.arange(1, spectrum.shape[1]))
    noise = np.fft.irfft(spectrum, n_samples)
    return noise / noise.std(axis=1, keepdims=True)


def _narrow_band(rng: np.random.Generator, frequency: float, n_samples: int, sampling_rate: float) -> np.ndarray:
    """Waxing and waning oscillation (T,) of unit variance, about 1 Hz wide."""
    frequencies = np.fft.rfftfreq(n_samples, 1 / sampling_rate)
    spectrum = np.fft.rfft(rng.normal(size=n_samples)) * np.exp(-((frequencies - frequency) ** 2) / (2 * 0.5**2))
    wave = np.fft.irfft(spectrum, n_samples)
    return wave / wave.std()


def _blinks(onsets: np.ndarray, n_samples: int, sampling_rate: float) -> np.ndarray:
    """One smooth bump (T,) of height 1 and about 0.3 s width at each onset in seconds."""
    time = np.arange(n_samples) / sampling_rate
    return sum((np.exp(-((time - onset) ** 2) / (2 * 0.08**2)) for onset in onsets), np.zeros(n_samples))


def _write_edf(
    path: Path, signal: np.ndarray, names: Sequence[str], sampling_rate: float, blink_onsets: np.ndarray
) -> None:
    """Write volts (C, T) as EDF+ with the annotation T0 over the whole run and one `blink` at each onset."""
    raw = mne.io.RawArray(signal, mne.create_info(list(names), sampling_rate, "eeg"), verbose="error")
    raw.set_meas_date(datetime(2009, 8, 12, 16, 15, tzinfo=UTC))
    duration = signal.shape[1] / sampling_rate
    raw.set_annotations(
        mne.Annotations(
            [0.0, *blink_onsets],
            [duration] + [0.3] * len(blink_onsets),
            ["T0"] + ["blink"] * len(blink_onsets),
            orig_time=raw.info["meas_date"],
        )
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    mne.export.export_raw(path, raw, fmt="edf", physical_range="channelwise", overwrite=True, verbose="error")
