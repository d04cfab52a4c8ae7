"""Bringing an MNE Raw to the signal contract: channels, units, band, reference, rate, with a report of every step."""

import os
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import mne
import numpy as np

from dare_eeg_hf import signal_dare_eeg
from dare_eeg_hf.caps_dare_eeg import ask_for_electrodes, names_given, numbered_channels, which_cap
from dare_eeg_hf.feature_extraction_dare_eeg import DareEegFeatureExtractor
from dare_eeg_hf.lost_samples_dare_eeg import common_loss, dead_channels, main_reason
from dare_eeg_hf.montage import list_by_reason, match_channels
from dare_eeg_hf.recordings.errors import RecordingError
from dare_eeg_hf.recordings.formats import detect_format, main_file
from dare_eeg_hf.recordings.losses import (
    at_new_rate,
    bridge_losses,
    carried_losses,
    describe_losses,
    find_losses,
    heard_samples,
)
from dare_eeg_hf.recordings.quality import find_bad_channels
from dare_eeg_hf.recordings.report import RecordingReport
from dare_eeg_hf.remedies_dare_eeg import about
from dare_eeg_hf.signal_dare_eeg import MICROVOLTS, canonical_unit, check_amplitude, spread
from dare_eeg_hf.signal_reports_dare_eeg import amplitude_statistics
from dare_eeg_hf.usability_dare_eeg import NO_SIGNAL, Loss, find_breaks, uninterrupted

READ_AT_ONCE = 16_000_000
"""Values (channels times samples) that are held in double precision at once."""

BYTES_PER_VALUE = 16
"""Memory that normalising takes for each value: the signal in single precision, its spectrum, the result."""


class Recording(NamedTuple):
    """A normalised recording and the report of how it came to be."""

    raw: mne.io.BaseRaw
    report: RecordingReport


def normalize_raw(
    raw: mne.io.BaseRaw,
    feature_extractor: DareEegFeatureExtractor | None = None,
    *,
    interpolate: Iterable[str] = (),
    bad_channels: str | Iterable[str] | Mapping[str, str] = "detect",
    rename: Mapping[str, str | None] | None = None,
    montage: str | None = None,
    unit: str = "V",
    line_frequency: float | str | None = "contract",
    verify: bool = True,
    file: str | os.PathLike | None = None,
) -> Recording:
    """Bring a Raw to the signal contract: vocabulary names, band, notch, average reference, rate. Data stay in volts,
    as MNE has them.

    Args:
        raw: any MNE Raw; it is not changed. One that was normalised to this contract is not filtered again.
        feature_extractor: holds the contract; the default one if not given.
        interpolate: channels of the vocabulary to fill by spherical splines where they are missing or bad; `"bad"`
            among them stands for all bad channels. Everything else stays missing.
        bad_channels: `"detect"` finds flat, noisy and uncorrelated channels (and takes those marked in
            `raw.info["bads"]`); or names of the bad channels, an empty list for none; or a mapping of names to the
            reasons that the report gives. Bad channels are left out of the result and of the average reference.
        rename: recorded name -> electrode, where only the user can know; None for no electrode.
        montage: the cap of numbered channels, one of MNE's standard montages: each socket stands for the electrode
            nearest to it; see `caps_dare_eeg.electrodes_of_cap`. `rename` takes precedence.
        unit: the actual unit of the numbers, where a file wrongly says volts.
        line_frequency: 50, 60, `"auto"` or None; by default the contract's `notch`.
        verify: raise where the amplitudes cannot be EEG. False is for pieces of a recording that was verified as a
            whole.
        file: the file's name for messages; by default that of the Raw.

    Raises:
        RecordingError: no scalp channel, nothing but flat channels, or amplitudes that the unit cannot explain.
    """
    extractor = feature_extractor or DareEegFeatureExtractor()
    name = str(file or (raw.filenames[0] if raw.filenames and raw.filenames[0] else "recording"))
    report = RecordingReport(
        file=name,
        format=_format(Path(name)),
        sampling_rate=float(raw.info["sfreq"]),
        duration=raw.n_times / raw.info["sfreq"],
        recorded_channels=list(raw.ch_names),
    )
    _check_memory(raw, name)
    try:
        given = names_given(raw.ch_names, extractor.channel_names, rename, montage)
        if rename and not set(rename) & set(raw.ch_names):
            report.warn(f"rename names {', '.join(list(rename)[:8])}, but none of them was recorded")
        if montage:
            near = sum(electrode is not None for electrode in given.values())
            report.steps.append(
                f"cap {montage}: {near} of {len(given)} sockets stand for the electrode nearest to them"
            )
        signal = _scalp_signal(raw, extractor, given, canonical_unit(unit), report)
        again = raw.info["description"] == extractor.normalized_description
        breaks = find_breaks(raw)
        lost = find_losses(signal, breaks, verify, report) if not again else np.zeros(signal.shape, np.uint8)
        heard = heard_samples(lost, breaks, report.sampling_rate)
        repaired = bridge_losses(signal, lost, report)
        _describe_amplitude(signal[:, heard], canonical_unit(unit), verify, report)
        if line_frequency == "contract":
            line_frequency = extractor.notch
        if line_frequency == "auto":
            line_frequency = signal_dare_eeg.line_frequency(signal[:, heard], report.sampling_rate)
        report.line_frequency = line_frequency
        if again and bad_channels == "detect":
            bad_channels = raw.info["bads"]
        recorded = list(report.channels)
        report.pieces = len(uninterrupted(raw.n_times, report.sampling_rate, breaks))
        signal = extractor.filter_pieces(
            signal, report.sampling_rate, report, breaks, filtered=not again, notch=report.line_frequency
        )
        lost, heard = at_new_rate(lost, signal.shape[1]), at_new_rate(heard, signal.shape[1])
        bad = _bad_channels(signal[:, heard], lost[:, heard], bad_channels, raw.info["bads"], extractor, report)
        signal, lost = _leave_out(bad, signal, lost, report)
        losses = carried_losses(raw, report) if again else describe_losses(lost, extractor.sampling_rate, report)
        signal, lost = _interpolate(signal, lost, list(interpolate), recorded, extractor, report)
        if extractor.reference == "average":
            valid = lost == 0 if lost.any() else np.ones(len(signal), bool)
            extractor.rereference(signal, valid, report, len(recorded))
        if not lost.all():
            signal[lost > 0] = 0.0
        report.missing = [name for name in extractor.channel_names if name not in report.channels]
        report.amplitude_after_uv = amplitude_statistics(signal.std(axis=1))
        result = _to_raw(signal, report.channels, extractor, raw)
        _carry_annotations(raw, result, report, repaired, losses)
    except ValueError as error:
        raise about(name, error, RecordingError) from error
    return Recording(result, report)


def _check_memory(raw: mne.io.BaseRaw, name: str) -> None:
    """Refuse a recording that does not fit into memory, rather than let the system end the program."""
    needed, available = BYTES_PER_VALUE * len(raw.ch_names) * raw.n_times, available_memory()
    if available is not None and needed > available:
        raise RecordingError(
            f"{name}: {raw.n_times / raw.info['sfreq'] / 3600:.1f} hours of {len(raw.ch_names)} channels need about "
            f"{needed / 1e9:.0f} GB of memory, and {available / 1e9:.0f} GB are free. `dare-eeg predict` and `embed` "
            "read a recording piece by piece; for everything else, cut it (raw.crop) first."
        )


def available_memory() -> int | None:
    """Bytes of memory that are free or could be freed; None where the system does not say."""
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None


def _format(path: Path) -> str:
    try:
        return detect_format(main_file(path))
    except RecordingError:
        return ""


def _scalp_signal(
    raw: mne.io.BaseRaw,
    extractor: DareEegFeatureExtractor,
    rename: dict[str, str | None],
    unit: str,
    report: RecordingReport,
) -> np.ndarray:
    """Scalp channels as (channels, samples) float32 in microvolts."""
    picks = _match(raw, extractor, rename, report)
    if raw.n_times < 2:
        raise ValueError("holds no samples")
    if unit != "V":
        report.unit_rescaling = f"the numbers of the file were taken as {unit}, not as the volts it claims"
    signal = np.empty((len(picks), raw.n_times), np.float32)
    # MNE reads double precision: a stretch at a time, so that a long recording is not held twice.
    stretch = max(1, READ_AT_ONCE // len(picks))
    for start in range(0, raw.n_times, stretch):
        stop = min(raw.n_times, start + stretch)
        try:
            volts = raw.get_data(picks, start, stop)
        except Exception as error:
            # Headers are checked on opening, but damage inside the data shows only here, in a reader's own words.
            seconds = start / report.sampling_rate
            raise ValueError(
                f"its data cannot be read from {seconds:.1f} s on; the file is damaged: {error}"
            ) from error
        np.multiply(volts, MICROVOLTS[unit], out=signal[:, start:stop], casting="unsafe")
    return signal


def _match(
    raw: mne.io.BaseRaw, extractor: DareEegFeatureExtractor, rename: dict[str, str | None], report: RecordingReport
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
        fault = f"no channel is an electrode of the vocabulary: {list_by_reason(report.dropped)}"
        raise ask_for_electrodes(usable, fault)
    unexplained = [name for name in report.dropped if name not in rename]
    if len(numbered := numbered_channels(unexplained)) > len(match.indices):
        report.warn(f"the {which_cap(numbered)}; pass montage or rename, or they stay unused")
    return [raw.ch_names.index(usable[index]) for index in match.indices.values()]


def _describe_amplitude(signal: np.ndarray, unit: str, verify: bool, report: RecordingReport) -> None:
    overall, local = spread(signal, report.sampling_rate)
    report.amplitude_uv = amplitude_statistics(overall)
    if verify:
        alive = overall > 0
        if not alive.any():
            raise ValueError("every channel is flat: there is no signal")
        check_amplitude(overall[alive], local[alive], unit)


def _bad_channels(
    signal: np.ndarray,
    lost: np.ndarray,
    bad_channels: str | Iterable[str],
    marked: list[str],
    extractor: DareEegFeatureExtractor,
    report: RecordingReport,
) -> dict[str, str]:
    """Name the bad channels of a filtered signal (channels, samples) and why they are; `lost` holds reasons."""
    names = report.channels
    known = {report.renamed.get(name, name) for name in marked}
    marked_bad = {name: "marked bad in the file" for name in names if name in known}
    if bad_channels == "detect":
        found = {index: main_reason(lost[[index]]) for index in np.flatnonzero(dead_channels(lost)).tolist()}
        found |= find_bad_channels(signal, extractor.sampling_rate, lost > 0)
        return marked_bad | {names[i]: why for i, why in found.items()}
    given = bad_channels if isinstance(bad_channels, Mapping) else dict.fromkeys(bad_channels, "named by the user")
    return {name: marked_bad.get(name, why) for name, why in given.items() if name in names}


def _leave_out(
    found: dict[str, str], signal: np.ndarray, lost: np.ndarray, report: RecordingReport
) -> tuple[np.ndarray, np.ndarray]:
    """Set bad channels apart; returns the signal and the losses of the others."""
    names = report.channels
    report.bad = found | report.bad
    report.flat = [name for name, why in report.bad.items() if why == "flat"]
    if not report.bad:
        return signal, lost
    listed = list_by_reason(report.bad)
    if len(report.bad) == len(names):
        raise ValueError(f"every channel is bad: {listed}")
    report.warn(f"bad channels left out: {listed}")
    good = [index for index, name in enumerate(names) if name not in report.bad]
    report.channels = [names[index] for index in good]
    return signal[good], lost[good]


def _interpolate(
    signal: np.ndarray,
    lost: np.ndarray,
    wanted: list[str],
    recorded: list[str],
    extractor: DareEegFeatureExtractor,
    report: RecordingReport,
) -> tuple[np.ndarray, np.ndarray]:
    """Fill channels by spherical splines (Perrin et al. 1989, as in MNE); returns signal and losses of all.

    Bad channels get back their place among the `recorded` ones, so that recordings with one montage stay alike
    whatever was filled; channels that were never recorded come last.
    """
    names = dict.fromkeys(name for item in wanted for name in (report.bad if item == "bad" else [item]))
    unknown = [name for name in names if name not in extractor.channel_names]
    if unknown:
        raise ValueError(f"cannot interpolate {', '.join(unknown)}: not in the vocabulary")
    names = [name for name in names if name not in report.channels]
    if not names:
        return signal, lost
    if len(report.channels) < 4:
        raise ValueError(f"cannot interpolate from {len(report.channels)} channels")
    channels = [*report.channels, *names]
    info = mne.create_info(channels, extractor.sampling_rate, "eeg")
    filler = np.zeros((len(names), signal.shape[1]), np.float32)
    whole = mne.io.RawArray(np.concatenate([signal, filler]) * 1e-6, info, verbose="ERROR")
    whole.set_montage(_standard_montage(), match_case=False, verbose="ERROR")
    whole.info["bads"] = names
    whole.interpolate_bads(reset_bads=True, verbose="ERROR")
    order = sorted(channels, key=[*recorded, *names].index)
    report.channels, report.interpolated = order, names
    report.steps.append("interpolated by spherical splines: " + ", ".join(names))
    # An interpolated channel has no signal where most of those around it have none.
    lost = np.concatenate([lost, np.tile(lost.max(axis=0) * common_loss(lost), (len(names), 1))])
    lost = lost[[channels.index(name) for name in order]]
    return (whole.get_data(picks=order) * 1e6).astype(np.float32), lost


@lru_cache(maxsize=1)
def _standard_montage() -> mne.channels.DigMontage:
    # MNE 1.13 gave the same positions a better name.
    names = mne.channels.get_builtin_montages()
    return mne.channels.make_standard_montage("colin27_1005" if "colin27_1005" in names else "standard_1005")


@lru_cache(maxsize=64)
def _info_with_positions(names: tuple[str, ...], rate: float) -> mne.Info:
    """Names, rate and template positions. The recordings of a corpus share them, and MNE takes long to set them."""
    info = mne.create_info(list(names), rate, "eeg")
    info.set_montage(_standard_montage(), match_case=False, verbose="ERROR")
    return info


def _to_raw(
    signal: np.ndarray, names: list[str], extractor: DareEegFeatureExtractor, source: mne.io.BaseRaw
) -> mne.io.RawArray:
    info = _info_with_positions(tuple(names), float(extractor.sampling_rate)).copy()
    info["description"] = extractor.normalized_description
    info["line_freq"] = source.info["line_freq"]
    with info._unlock():  # MNE has no other way to say how a signal was filtered
        info["highpass"] = max(extractor.highpass or 0.0, source.info["highpass"])
        info["lowpass"] = min(extractor.lowpass or np.inf, source.info["lowpass"], info["lowpass"])
    raw = mne.io.RawArray(signal * np.float64(1e-6), info, copy=None, verbose="ERROR")
    raw.set_meas_date(source.info["meas_date"])
    return raw


def _carry_annotations(
    source: mne.io.BaseRaw,
    result: mne.io.BaseRaw,
    report: RecordingReport,
    repaired: list[tuple[int, int]],
    losses: list[Loss],
) -> None:
    """Put the source's annotations and what was found on the result."""
    annotations = mne.Annotations([], [], [])
    for onset, duration, text, names in zip(
        source.annotations.onset - source.first_time,
        source.annotations.duration,
        source.annotations.description,
        source.annotations.ch_names,
        strict=True,
    ):
        kept = [name for name in (report.renamed.get(name, name) for name in names) if name in report.channels]
        if kept or not names or not text.startswith(NO_SIGNAL):
            annotations.append(onset, duration, text, [tuple(kept)])
    for start, stop in repaired:
        annotations.append(start / report.sampling_rate, (stop - start) / report.sampling_rate, "BAD_repaired")
    for loss in losses:
        annotations.append(loss.onset, loss.duration, f"{NO_SIGNAL}: {loss.reason}", [loss.channels])
    result.set_annotations(annotations, verbose="ERROR")
