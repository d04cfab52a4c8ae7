"""Any EEG file to a normalised MNE Raw, with a report of everything that was done to it.

    raw, report = load_recording("S001R01.edf")
    print(report)

From the command line: `python -m dare_eeg_hf.data.recordings FILE_OR_FOLDER`.
"""

import os
import warnings
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import mne
import numpy as np

from .. import signal_dare_eeg
from ..feature_extraction_dare_eeg import NORMALIZED_MARK, DareEegFeatureExtractor, amplitude_statistics
from ..montage import match_channels
from ..signal_dare_eeg import MICROVOLTS, canonical_unit, check_amplitude, spread
from .bids import is_bids_root
from .errors import RecordingError, RecordingWarning
from .quality import BROKEN_SHARE, bridge_broken_samples, find_bad_channels, find_broken_samples, runs
from .readers import FORMATS, detect_format, main_file, read_raw
from .report import RecordingReport
from .tables import TABLE_FORMATS, find_sidecar

__all__ = [
    "Recording",
    "RecordingError",
    "RecordingReport",
    "RecordingWarning",
    "find_recordings",
    "load_recording",
    "normalize_raw",
    "read_raw",
]

_EDGES = ("edge", "boundary", "bad boundary", "bad_acq_skip")


class Recording(NamedTuple):
    """A normalised recording and the report of how it came to be."""

    raw: mne.io.BaseRaw
    report: RecordingReport


def load_recording(
    path: str | os.PathLike,
    feature_extractor: DareEegFeatureExtractor | None = None,
    *,
    sidecar: dict | str | os.PathLike | None = None,
    reader_options: dict | None = None,
    **options,
) -> Recording:
    """Read and normalise one file.

    Args:
        path, sidecar, reader_options: as in `read_raw`.
        feature_extractor, options: as in `normalize_raw`.

    Raises:
        RecordingError: with the file's name and the remedy.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        raw = read_raw(path, sidecar, **(reader_options or {}))
        raw, report = normalize_raw(raw, feature_extractor, file=path, **options)
    report.warnings = list(dict.fromkeys([*(str(w.message) for w in caught), *report.warnings]))
    return Recording(raw, report)


def normalize_raw(
    raw: mne.io.BaseRaw,
    feature_extractor: DareEegFeatureExtractor | None = None,
    *,
    interpolate: Iterable[str] = (),
    bad_channels: str | Iterable[str] = "detect",
    rename: Mapping[str, str] | None = None,
    unit: str = "V",
    line_frequency: float | str | None = "contract",
    file: str | os.PathLike | None = None,
) -> Recording:
    """Bring a Raw to the signal contract: vocabulary names, band, notch, average reference, rate. Data stay in volts,
    as MNE has them.

    Args:
        raw: any MNE Raw; it is not changed.
        feature_extractor: holds the contract; the default one if not given.
        interpolate: channels of the vocabulary to fill by spherical splines where they are missing or bad; `"bad"`
            among them stands for all bad channels. Everything else stays missing.
        bad_channels: `"detect"` finds flat, noisy and uncorrelated channels (and takes those marked in
            `raw.info["bads"]`); or names of the bad channels, an empty list for none. Bad channels are left out of the
            result and of the average reference.
        rename: recorded name -> electrode, where only the user can know.
        unit: the unit that the numbers really are in, where a file says volts and is wrong.
        line_frequency: 50, 60, `"auto"` or None; by default the contract's `notch`.
        file: the file's name for messages; by default that of the Raw.

    Raises:
        RecordingError: no scalp channel, nothing but flat channels, or amplitudes that the unit cannot explain.
    """
    extractor = feature_extractor or DareEegFeatureExtractor()
    name = str(file or (raw.filenames[0] if raw.filenames and raw.filenames[0] else "recording"))
    report = RecordingReport(
        file=name,
        format=detect_format(Path(name)) if file else type(raw).__name__,
        sampling_rate=float(raw.info["sfreq"]),
        duration=raw.n_times / raw.info["sfreq"],
        recorded_channels=list(raw.ch_names),
    )
    try:
        return _normalize(
            raw, extractor, report, list(interpolate), bad_channels, dict(rename or {}), unit, line_frequency
        )
    except RecordingError:
        raise
    except ValueError as error:
        raise RecordingError(f"{name}: {error}") from error


def _normalize(raw, extractor, report, interpolate, bad_channels, rename, unit, notch) -> Recording:
    rate = report.sampling_rate
    picks = _match(raw, extractor, rename, report)
    factor = MICROVOLTS[canonical_unit(unit)]
    if unit != "V":
        report.unit_rescaling = f"the numbers of the file were taken as {unit}, not as the volts it claims"
    signal = np.multiply(raw.get_data(picks), factor, dtype=np.float64).astype(np.float32)

    bad = {}
    repaired_runs = _repair(signal, report, bad)
    overall, local = spread(signal, rate)
    report.amplitude_uv = amplitude_statistics(overall)
    alive = overall > 0
    if not alive.any():
        raise ValueError("every channel is flat: there is no signal")
    check_amplitude(overall[alive], local[alive], canonical_unit(unit))

    notch = extractor.notch if notch == "contract" else notch
    if notch == "auto":
        notch = signal_dare_eeg.line_frequency(signal, rate)
    report.line_frequency = notch
    pieces = _pieces(raw)
    report.pieces = len(pieces)
    done = [extractor.filter_and_resample(signal[:, start:stop], rate, report, notch=notch) for start, stop in pieces]
    report.steps = list(dict.fromkeys(report.steps))
    signal = done[0] if len(done) == 1 else np.concatenate(done, axis=1)

    names = report.channels
    if bad_channels == "detect":
        bad |= {
            names[i]: why
            for i, why in find_bad_channels(signal, extractor.sampling_rate).items()
            if names[i] not in bad
        }
        marked = [match for recorded, match in _recorded(report).items() if recorded in raw.info["bads"]]
        bad |= {name: "marked bad in the file" for name in marked if name not in bad}
    else:
        bad |= dict.fromkeys((name for name in bad_channels if name in names), "named by the user")
    report.bad = bad
    report.flat = [name for name, why in bad.items() if why == "flat"]
    if len(bad) == len(names):
        raise ValueError(f"every channel is bad: {', '.join(f'{name} ({why})' for name, why in bad.items())}")
    if bad:
        report.warn("bad channels left out: " + ", ".join(f"{name} ({why})" for name, why in bad.items()))
    good = [i for i, name in enumerate(names) if name not in bad]
    signal, report.channels = signal[good], [names[i] for i in good]
    signal = _interpolate(signal, interpolate, extractor, report)
    if extractor.reference == "average":
        extractor.rereference(signal, np.ones(len(signal), bool), report)
    report.missing = [name for name in extractor.channel_names if name not in report.channels]
    report.amplitude_after_uv = amplitude_statistics(signal.std(axis=1))
    result = _to_raw(signal, report.channels, extractor, raw)
    _carry_annotations(raw, result, pieces, [piece.shape[1] for piece in done], repaired_runs)
    return Recording(result, report)


def _recorded(report: RecordingReport) -> dict[str, str]:
    """Recorded name -> vocabulary name of the channels kept."""
    return {**{name: name for name in report.channels}, **report.renamed}


def _match(
    raw: mne.io.BaseRaw, extractor: DareEegFeatureExtractor, rename: dict[str, str], report: RecordingReport
) -> list[int]:
    """Choose the scalp channels; fills `channels`, `renamed` and `dropped` of the report."""
    types = raw.get_channel_types() if raw.ch_names else []
    excluded = {
        name: f"channel type {kind}"
        for name, kind in zip(raw.ch_names, types, strict=True)
        if kind != "eeg" and name not in rename
    }
    usable = [name for name in raw.ch_names if name not in excluded]
    match = match_channels(usable, extractor.channel_names, rename)
    report.channels, report.renamed, report.dropped = list(match.indices), match.renamed, excluded | match.dropped
    for target, claimants in match.duplicates.items():
        report.warn(
            f"several channels claim {target} ({', '.join(claimants)}): none was taken; choose one with rename"
        )
    if len(match.references) > 1:
        report.warn(f"the channels have different references ({', '.join(sorted(match.references))})")
    if not match.indices:
        if not raw.ch_names:
            raise ValueError("holds no signals, only annotations (read them with mne.read_annotations)")
        reasons = ", ".join(f"{name} ({why})" for name, why in list(report.dropped.items())[:12])
        more = f" and {len(report.dropped) - 12} more" if len(report.dropped) > 12 else ""
        raise ValueError(
            f"no channel is an electrode of the vocabulary: {reasons}{more}; "
            "name electrodes with rename={recorded: electrode}"
        )
    return [raw.ch_names.index(usable[index]) for index in match.indices.values()]


def _repair(signal: np.ndarray, report: RecordingReport, bad: dict[str, str]) -> list[tuple[int, int]]:
    """Bridge broken samples in place; returns the stretches [start, stop) concerned."""
    broken = find_broken_samples(signal)
    if not broken.any():
        return []
    share = broken.mean(axis=1)
    for index in np.flatnonzero(share > BROKEN_SHARE):
        bad[report.channels[index]] = f"{share[index]:.1%} of the samples are NaN, infinite or absurd"
    if (share > BROKEN_SHARE).all():
        raise ValueError(
            "every channel is full of NaN, infinite or absurd values: "
            + "; ".join(f"{k}: {v}" for k, v in bad.items())
        )
    bridge_broken_samples(signal, broken)
    few = (share > 0) & (share <= BROKEN_SHARE)
    report.repaired = {report.channels[i]: int(broken[i].sum()) for i in np.flatnonzero(few)}
    if report.repaired:
        report.warn(
            f"bridged NaN, infinite or absurd samples: {report.repaired}; the stretches are annotated BAD_repaired"
        )
    return runs(broken[few].any(axis=0))


def _pieces(raw: mne.io.BaseRaw) -> list[tuple[int, int]]:
    """Split at the annotations that mark a break in time: [start, stop) in samples. Filters must not run across a
    break."""
    rate = raw.info["sfreq"]
    cuts = {0, raw.n_times}
    for onset, duration, text in zip(
        raw.annotations.onset, raw.annotations.duration, raw.annotations.description, strict=True
    ):
        if text.lower().startswith(_EDGES):
            begin = onset - raw.first_time
            cuts |= {round(begin * rate), round((begin + duration) * rate)}
    cuts = sorted(cut for cut in cuts if 0 <= cut <= raw.n_times)
    return list(pairwise(cuts))


def _interpolate(
    signal: np.ndarray, wanted: list[str], extractor: DareEegFeatureExtractor, report: RecordingReport
) -> np.ndarray:
    """Fill channels by spherical splines (Perrin et al. 1989, as in MNE); returns (channels, samples) with them
    appended."""
    names = dict.fromkeys(name for item in wanted for name in (report.bad if item == "bad" else [item]))
    unknown = [name for name in names if name not in extractor.channel_names]
    if unknown:
        raise ValueError(f"cannot interpolate {', '.join(unknown)}: not in the vocabulary")
    names = [name for name in names if name not in report.channels]
    if not names:
        return signal
    if len(report.channels) < 4:
        raise ValueError(f"cannot interpolate from {len(report.channels)} channels")
    channels = [*report.channels, *names]
    info = mne.create_info(channels, extractor.sampling_rate, "eeg")
    filler = np.zeros((len(names), signal.shape[1]), np.float32)
    whole = mne.io.RawArray(np.concatenate([signal, filler]) * 1e-6, info, verbose="ERROR")
    whole.set_montage(_standard_montage(), match_case=False, verbose="ERROR")
    whole.info["bads"] = names
    whole.interpolate_bads(reset_bads=True, verbose="ERROR")
    report.channels, report.interpolated = channels, names
    report.steps.append("interpolated by spherical splines: " + ", ".join(names))
    return (whole.get_data() * 1e6).astype(np.float32)


@lru_cache(maxsize=1)
def _standard_montage() -> mne.channels.DigMontage:
    # MNE 1.13 gave the same positions a better name.
    names = mne.channels.get_builtin_montages()
    return mne.channels.make_standard_montage("colin27_1005" if "colin27_1005" in names else "standard_1005")


def _to_raw(
    signal: np.ndarray, names: list[str], extractor: DareEegFeatureExtractor, source: mne.io.BaseRaw
) -> mne.io.RawArray:
    info = mne.create_info(names, extractor.sampling_rate, "eeg")
    info["description"] = (
        f"{NORMALIZED_MARK}: {extractor.highpass}-{extractor.lowpass} Hz, {extractor.reference} reference"
    )
    info["line_freq"] = source.info["line_freq"]
    raw = mne.io.RawArray(signal * np.float64(1e-6), info, verbose="ERROR")
    raw.set_montage(_standard_montage(), match_case=False, verbose="ERROR")
    raw.set_meas_date(source.info["meas_date"])
    return raw


def _carry_annotations(source, result, pieces, new_lengths, repaired) -> None:
    """Put the annotations on the new time axis: pieces keep their starts in samples, so times shift by rounding
    alone."""
    rate, new_rate = source.info["sfreq"], result.info["sfreq"]
    old_starts = np.array([start for start, _ in pieces]) / rate
    new_starts = np.concatenate([[0], np.cumsum(new_lengths)[:-1]]) / new_rate

    def moved(times: np.ndarray) -> np.ndarray:
        index = np.clip(np.searchsorted(old_starts, times + 0.5 / rate, side="right") - 1, 0, len(pieces) - 1)
        return new_starts[index] + (times - old_starts[index])

    onset = source.annotations.onset - source.first_time
    annotations = mne.Annotations(moved(onset), source.annotations.duration, source.annotations.description)
    for start, stop in repaired:
        annotations.append(moved(np.array([start / rate]))[0], (stop - start) / rate, "BAD_repaired")
    result.set_annotations(annotations, verbose="ERROR")


def find_recordings(root: str | os.PathLike) -> list[Path]:
    """List the recordings under a folder, sorted by path.

    In a BIDS data set these are the `*_eeg.*` files of its subjects. Elsewhere they are all files with the extension
    of an EEG format, and tables (CSV, MAT, NPZ, ...) that have a sidecar; companions of a recording (.vmrk, .fdt, ...)
    are not listed. Links to folders are followed, each folder once, so that loops end.

    Raises:
        RecordingError: the path does not exist or cannot be read.
    """
    root = Path(root)
    if not root.is_dir() or root.suffix.lower() == ".mff":
        detect_format(root)
        return [root]
    bids = is_bids_root(root)
    known = tuple(extension for extensions, _ in FORMATS.values() for extension in extensions)
    tables = tuple(extension for extensions in TABLE_FORMATS.values() for extension in extensions)
    found, seen = [], set()
    for folder, folders, files in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        recordings = [name for name in folders if name.lower().endswith(".mff")]
        folders[:] = sorted(name for name in folders if name not in recordings and not name.startswith("."))
        if bids and Path(folder) == root:
            folders[:] = [name for name in folders if name.startswith("sub-")]
        for name in sorted(files):
            path, lowered = Path(folder) / name, name.lower()
            if lowered.endswith(known) or (lowered.endswith(tables) and _is_described(path)):
                recordings.append(name)
        for name in recordings:
            path = Path(folder) / name
            if main_file(path) == path and (not bids or path.name.split(".")[0].endswith("_eeg")):
                found.append(path)
    return sorted(found)


def _is_described(path: Path) -> bool:
    return ".rd" in path.name.lower() or find_sidecar(path) is not None
