"""User input opened as sources of signal: files, MNE objects, arrays in any container.

Reading a file needs MNE. Where the package dare_eeg_hf is installed, its readers open files of any make and its
cleaning normalises them, as in training: it offers both as entry points, so that nothing here depends on it.
"""

import contextlib
import copy
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import numpy as np

from .inputs_dare_eeg import (
    DESCRIPTION,
    ReadingOptions,
    as_array,
    as_rate,
    check_axes,
    columns_as_channels,
    eeg_channels,
    electrodes_named,
    is_mne,
    is_nested_numbers,
    is_numbers,
    is_table,
    read_mapping,
    refuse_what_is_no_signal,
)
from .lost_samples_dare_eeg import alive_channels, bridge, find_lost_samples
from .montage import match_channels, normalize_channel_name
from .remedies_dare_eeg import InputError
from .signal_dare_eeg import MICROVOLTS, canonical_unit, line_frequency
from .signal_reports_dare_eeg import EegWarning
from .usability_dare_eeg import Loss, find_breaks, is_break, losses_from_annotations, stretches
from .windows_dare_eeg import SEGMENT_SECONDS, Source

RECORDINGS_GROUP = "dare_eeg_hf.recordings"
"""Entry points of this group read and normalise recordings."""

OFFERED: dict[str, str] = {}
"""The same by name, `module:function`, for a package that is on the path without having been installed."""


def offered(task: str) -> Any | None:
    """What an installed package offers for a task, or None where there is none.

    Args:
        task: "read", `(path, sidecar, **reader_options)` to an MNE Raw or Epochs; or "normalise",
            `(raw, feature_extractor, rename=, unit=)` to what gives normalised pieces of it, `(start, stop)` to a Raw.
    """
    registered = [EntryPoint(name, value, RECORDINGS_GROUP) for name, value in OFFERED.items() if name == task]
    for entry in registered or entry_points(group=RECORDINGS_GROUP, name=task):
        with contextlib.suppress(ImportError):
            return entry.load()
    return None


def open_sources(
    inputs: Any,
    feature_extractor: Any,
    *,
    filter: bool | None = None,
    channel_names: Sequence[str] | None = None,
    sampling_rate: float | None = None,
    **reading: Any,
) -> list[Source]:
    """Open user input: one `Source` for a continuous recording, otherwise one per trial.

    Args:
        inputs: A path; an MNE Raw or Epochs; a dictionary with `signal` and the three descriptions; or an array
            (C, T) or (trials, C, T), with the descriptions as arguments; see `EegPipeline`.
        feature_extractor: Fulfils the signal contract.
        filter: See `EegPipeline`.
        channel_names: C names, for arrays.
        sampling_rate: In Hz, for arrays.
        reading: See `ReadingOptions`; arrays need its `unit`: "V", "mV", "uV" or "nV".

    Raises:
        ValueError: If the input is none of these, or its description is incomplete.
        ImportError: If a path is given and MNE is not installed.
    """
    options = ReadingOptions(**reading)
    feature_extractor = options.adjust(feature_extractor)
    described = {"channel_names": channel_names, "sampling_rate": sampling_rate}
    given = [key for key, value in described.items() if value is not None]
    if isinstance(inputs, Mapping):
        if given or options.unit is not None:
            raise InputError(f"A dictionary brings its own {', '.join(DESCRIPTION)}: do not pass them as well.")
        array = read_mapping(inputs)
        return open_sources(array.pop("signal"), feature_extractor, filter=filter, **{**reading, **array})
    refuse_what_is_no_signal(inputs)
    if isinstance(inputs, (str, os.PathLike)) or is_mne(inputs):
        if given:
            raise InputError(f"A file or MNE object brings its own {', '.join(given)}: do not pass them.")
        if isinstance(inputs, (str, os.PathLike)):
            recording = read_file(inputs, options)
            if hasattr(recording, "n_times"):
                return [_open_raw(recording, feature_extractor, options)]
            return _open_epochs(recording, feature_extractor, filter, options)
        options.refuse_file_options(f"this {type(inputs).__name__}")
        if hasattr(inputs, "n_times"):
            return [_open_raw(inputs, feature_extractor, options)]
        return _open_epochs(inputs, feature_extractor, filter, options)
    options.refuse_file_options("an array")
    return _open_numbers(inputs, feature_extractor, {**described, "unit": options.unit, "filter": filter}, options)


def _open_numbers(
    inputs: Any, feature_extractor: Any, description: dict[str, Any], options: ReadingOptions
) -> list[Source]:
    """Open an array, tensor, nested list or table that `description` describes."""
    if not (is_numbers(inputs) or is_nested_numbers(inputs)):
        raise InputError(
            f"A {type(inputs).__name__} is not a recording: pass a path, an MNE Raw or Epochs, or an array with "
            "names, rate and unit."
        )
    if is_table(inputs) and description["channel_names"] is None:
        description["channel_names"] = columns_as_channels(inputs)
    signal = as_array(inputs)
    missing = missing_description({key: description[key] for key in DESCRIPTION})
    if signal.ndim not in (2, 3) or missing:
        raise InputError(
            f"An array must be (channels, samples) or (trials, channels, samples), got {signal.shape}, and "
            f"come with {', '.join(missing) or 'its description'}."
        )
    check_axes(signal.shape, description["channel_names"])
    description["sampling_rate"] = as_rate(description["sampling_rate"])
    description |= {"rename": options.rename, "montage": options.montage}
    places = [_Place(None, 0.0)] if signal.ndim == 2 else [_Place(number, 0.0) for number in range(len(signal))]
    return _open_arrays([signal] if signal.ndim == 2 else list(signal), places, feature_extractor, description)


def missing_description(description: Mapping[str, Any]) -> list[str]:
    """Return which of names, rate and unit were not given."""
    return [key for key, value in description.items() if value is None]


@dataclass(frozen=True)
class _Place:
    """Number of a trial, its onset in seconds, and the breaks in it."""

    trial: int | None
    onset: float | None
    breaks: tuple[tuple[float, float], ...] = ()


def _open_arrays(
    signals: Sequence[np.ndarray], places: Sequence[_Place], feature_extractor: Any, description: dict[str, Any]
) -> list[Source]:
    """Open signals (C, T) in memory that share their description; what they lost is bridged in a copy."""
    rate, names = float(description["sampling_rate"]), [str(name) for name in description["channel_names"]]
    rows = _rows_in_use(feature_extractor, names, description["rename"], description["montage"])
    lost = [_find_lost(signal, rows, rate, description["unit"]) for signal in signals]
    alive = alive_channels(lost)
    entirely_lost = all(codes.size > 0 and codes.all() for codes in lost)
    opened = []
    for signal, place, codes in zip(signals, places, lost, strict=True):
        signal, losses = _mend(signal, rows, codes, alive, rate)
        opened.append(
            Source(
                feature_extractor,
                signal.shape[1],
                rate,
                partial(_read_array, signal, description, losses, place.breaks),
                breaks=place.breaks,
                trial=place.trial,
                onset=place.onset,
                entirely_lost=entirely_lost,
            )
        )
    return opened


def _read_array(
    signal: np.ndarray,
    description: dict[str, Any],
    losses: Sequence[Loss],
    breaks: Sequence[tuple[float, float]],
    start: int,
    stop: int,
) -> tuple[np.ndarray, dict[str, Any], list[Loss]]:
    """A range of a signal in memory, with its description and losses."""
    begin, end = start / description["sampling_rate"], stop / description["sampling_rate"]
    inside = [(first - begin, last - begin) for first, last in breaks]
    return signal[:, start:stop], {**description, "breaks": inside}, _within(losses, begin, end)


def _within(losses: Iterable[Loss], begin: float, end: float) -> list[Loss]:
    """The losses that lie between `begin` and `end` seconds, cut to it and counted from `begin`."""
    cut = []
    for loss in losses:
        first, last = max(loss.onset, begin), min(loss.onset + loss.duration, end)
        if first < last:
            cut.append(replace(loss, onset=first - begin, duration=last - first))
    return cut


def _rows_in_use(
    feature_extractor: Any, names: Sequence[str], rename: Mapping[str, str] | None, montage: str | None
) -> dict[str, int]:
    """Electrode -> row of a signal with these names, for the channels that the feature extractor will take."""
    if feature_extractor.electrode_names is None:
        electrodes = electrodes_named(names, feature_extractor.channel_names, rename, montage)
        return dict(match_channels(list(names), feature_extractor.channel_names, electrodes).indices)
    wanted = {normalize_channel_name(name) for name in feature_extractor.electrode_names}
    return {name: row for row, name in enumerate(names) if normalize_channel_name(name) in wanted}


def _find_lost(signal: np.ndarray, rows: Mapping[str, int], rate: float, unit: str) -> np.ndarray:
    """Codes (channels in use, T) of the samples of a signal (C, T) that carry nothing; see `find_lost_samples`."""
    microvolts = (signal[list(rows.values())] * MICROVOLTS[canonical_unit(unit)]).astype(np.float32)
    lost = find_lost_samples(microvolts, rate) if len(microvolts) else None
    return np.zeros(microvolts.shape, np.uint8) if lost is None else lost


def _mend(
    signal: np.ndarray, rows: Mapping[str, int], lost: np.ndarray, alive: np.ndarray, rate: float
) -> tuple[np.ndarray, list[Loss]]:
    """Bridge what is lost in a copy of a signal (C, T), and list the stretches of the channels that are `alive`."""
    if not lost.any():
        return signal, []
    used = signal[list(rows.values())]
    bridge(used, lost)
    signal = signal.astype(used.dtype)
    signal[list(rows.values())] = used
    names = [name for name, is_alive in zip(rows, alive, strict=True) if is_alive]
    return signal, stretches(lost[alive], rate, names)


def _open_epochs(epochs: Any, feature_extractor: Any, filter: bool | None, options: ReadingOptions) -> list[Source]:
    """Open every epoch; onsets are in the recording's own seconds where they can be known."""
    names = eeg_channels(epochs)
    if not names:
        raise ValueError(f"The epochs have no EEG channel; their channels are {', '.join(epochs.ch_names) or 'none'}.")
    if not len(epochs):
        raise InputError("There is no epoch: none was made, or all were dropped (epochs.drop_log says why).")
    description = {"channel_names": names, "sampling_rate": float(epochs.info["sfreq"]), "unit": options.unit or "V"}
    description |= {"filter": filter, "rename": options.rename, "montage": options.montage}
    onsets = _onsets_of_epochs(epochs)
    places = [
        _Place(number, onset, breaks)
        for number, (onset, breaks) in enumerate(zip(onsets, _breaks_in_epochs(epochs), strict=True))
    ]
    return _open_arrays(list(epochs.get_data(picks=names)), places, feature_extractor, description)


def _onsets_of_epochs(epochs: Any) -> list[float | None]:
    """Seconds from the sample that events count from to the first sample of each epoch.

    Events count samples of the recording, whose rate MNE keeps when epochs are decimated or resampled. Where they are
    mere numbers (0, 1, 2, ...: what MNE gives arrays without events, of which some may have been selected), the times
    of the epochs are unknown.
    """
    rate = float(np.ravel(getattr(epochs, "_raw_sfreq", None) or epochs.info["sfreq"])[0])
    samples = epochs.events[:, 0]
    if len(samples) and samples[-1] > 0 and np.array_equal(samples, epochs.selection):
        warnings.warn("The epochs' events only number them, so their onsets are unknown.", EegWarning, stacklevel=2)
        return [None] * len(samples)
    return [float(sample / rate + epochs.tmin) for sample in samples]


def _breaks_in_epochs(epochs: Any) -> list[tuple[tuple[float, float], ...]]:
    """Breaks in time inside each epoch, in seconds since its first sample."""
    if getattr(epochs, "annotations", None) is None:
        return [()] * len(epochs)
    return [
        tuple(
            (onset - epochs.tmin, onset - epochs.tmin + duration)
            for onset, duration, text, *_ in each
            if is_break(text)
        )
        for each in epochs.get_annotations_per_epoch()
    ]


def read_file(path: str | os.PathLike, options: ReadingOptions | None = None) -> Any:
    """Open a recording as an MNE Raw without reading its samples, or a file of epochs as MNE Epochs.

    Args:
        path: The file.
        options: Its `sidecar` and `reader_options` say how to read it.

    Raises:
        FileNotFoundError: If there is no such file.
        ImportError: If MNE is not installed.
        ValueError: If the file cannot be read as a recording.
    """
    path, options = Path(path), options or ReadingOptions()
    if not path.exists():
        raise FileNotFoundError(f"There is no file {path}.")
    read_recording = offered("read")
    if read_recording is not None:
        return read_recording(path, options.sidecar, **(options.reader_options or {}))
    try:
        import mne
    except ImportError as error:
        raise ImportError(
            "Reading a file needs MNE: `pip install mne`, or pass an array with names, rate and unit."
        ) from error
    try:
        return mne.io.read_raw(path, preload=False, verbose="ERROR", **(options.reader_options or {}))
    except Exception as error:
        # Each of MNE's readers fails in its own way on a file that is not what its name says.
        raise ValueError(f"{path.name} cannot be read as a recording: {error}") from error


def _open_raw(raw, feature_extractor, options: ReadingOptions) -> Source:
    """Open an MNE Raw, whose samples may still lie on the disk.

    A Raw that is not normalised yet goes through the package's cleaning where that is installed. A classifier adapted
    to the electrodes of one data set needs all of them, good or bad, and only its feature extractor knows which.
    """
    normalised = raw.info.get("description") == feature_extractor.normalized_description
    unit = options.unit or "V"
    rate = float(raw.info["sfreq"])
    breaks, clock = find_breaks(raw), (raw.annotations.orig_time, float(raw.first_time))
    normalise_pieces = None if normalised or feature_extractor.electrode_names is not None else offered("normalise")
    if normalise_pieces is not None:
        given = options.names(raw.ch_names, feature_extractor.channel_names)
        normalizer = normalise_pieces(raw, feature_extractor, rename=given, unit=unit)

        def read(start: int, stop: int) -> tuple[Any, dict[str, Any], list[Loss]]:
            piece = normalizer(start, stop)
            return piece, {}, losses_from_annotations(piece.annotations, piece.first_time)

        return Source(feature_extractor, raw.n_times, rate, read, breaks=breaks, clock=clock, normalizer=normalizer)
    names = eeg_channels(raw)
    if not names:
        raise ValueError(f"The recording has no EEG channel; its channels are {', '.join(raw.ch_names) or 'none'}.")
    if feature_extractor.notch == "auto" and not normalised:
        # The mains frequency is a property of the place, so one piece of the recording determines it for all.
        middle = max(0, raw.n_times // 2 - int(SEGMENT_SECONDS * rate) // 2)
        feature_extractor = copy.copy(feature_extractor)
        feature_extractor.notch = line_frequency(
            raw.get_data(names, middle, min(raw.n_times, middle + int(SEGMENT_SECONDS * rate))), rate
        )
    description = {"channel_names": names, "sampling_rate": rate, "unit": unit, "filter": not normalised}
    description |= {"rename": options.rename, "montage": options.montage}
    marked = losses_from_annotations(raw.annotations, raw.first_time)
    rows = _rows_in_use(feature_extractor, names, options.rename, options.montage)

    def read(start: int, stop: int) -> tuple[Any, dict[str, Any], list[Loss]]:
        signal = raw.get_data(names, start, stop)
        if normalised:
            return _read_array(signal, description, _within(marked, start / rate, stop / rate), (), 0, stop - start)
        lost = _find_lost(signal, rows, rate, unit)
        signal, losses = _mend(signal, rows, lost, np.ones(len(lost), bool), rate)
        inside = [(first - start / rate, last - start / rate) for first, last in breaks]
        return signal, {**description, "breaks": inside}, losses

    return Source(feature_extractor, raw.n_times, rate, read, breaks=breaks, clock=clock)
