"""Annotations and time stamps of EDF+ and BDF+ files: lists of (onset, duration, texts) that each data record may
hold (Kemp and Olivan 2003)."""

import re
import warnings
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import mne
import numpy as np

from dare_eeg_hf.recordings.edf import TIME_STAMP, EdfHeader
from dare_eeg_hf.recordings.errors import RecordingWarning
from dare_eeg_hf.recordings.text import decode_text, quoted
from dare_eeg_hf.recordings.timeline import Timeline, place_annotations

_LIST = re.compile(rb"([+-]\d+(?:[.,]\d*)?)(?:\x15([\d.,]*))?\x14([^\x00]*)\x00")

JITTER = 0.1
"""Seconds."""


class Entry(NamedTuple):
    """One annotation as the file has it: seconds since the file's start time, and the record that stores it."""

    onset: float
    duration: float
    text: bytes
    record: int


def set_edf_annotations(raw: mne.io.BaseRaw, path: Path, header: EdfHeader, encoding: str | None = None) -> None:
    """Give a Raw the file's annotations, at the samples recorded at their time, and mark every break of the signal.

    MNE takes the records of a file as following on each other, which those of EDF+D and BDF+D do not, and refuses the
    recording for one text that is not UTF-8.

    Args:
        raw: as MNE read it; its annotations are replaced.
        header: of the same file.
        encoding: of the texts; by default UTF-8, and Latin-1 for each text that is not UTF-8.
    """
    signals = [_signal_bytes(path, header, index) for index in header.annotation_signals]
    if header.discontinuous and not signals:
        warnings.warn(
            "the header says that the recording is interrupted (EDF+D), but no time stamp says where; it was read as "
            "continuous",
            RecordingWarning,
            stacklevel=2,
        )
    if not signals:
        return
    stamps, decimals = _time_stamps(signals)
    if header.discontinuous and np.isnan(stamps).any():
        warnings.warn(
            f"the header says that the recording is interrupted (EDF+D), but {np.isnan(stamps).sum()} of its "
            f"{len(stamps)} records have no time stamp; those were read as following the record before them",
            RecordingWarning,
            stacklevel=2,
        )
    start = 0.0 if np.isnan(stamps[0]) else stamps[0]
    entries = [entry for signal in signals for entry in _entries(signal)]
    annotations, records = _to_annotations(entries, start, raw.ch_names, encoding)
    timeline = edf_timeline(stamps - start, header.record_seconds, raw.info["sfreq"], decimals)
    if timeline is not None:
        near = records * header.record_seconds
        annotations = place_annotations(timeline, annotations, near, 0.5 / raw.info["sfreq"])
    raw.set_annotations(annotations, on_missing="ignore", verbose="WARNING")


def edf_timeline(stamps: np.ndarray, seconds: float, rate: float, decimals: int) -> Timeline | None:
    """Find where the time stamps of the records jump; None where they follow the records.

    A difference below half a sample, or below what the stamps' decimals can express, is not a jump. Times that go
    back and forth by less than `JITTER` come from another clock: signals are not lost and found again.

    Args:
        stamps: (R,) seconds at which each record began, counted from the first; NaN where the file does not say.
        seconds: length of a record. `rate`: hertz. `decimals`: digits after the point that the stamps have.
    """
    count = np.arange(len(stamps))
    known = ~np.isnan(stamps)
    if not known.any():
        return None
    last = np.maximum.accumulate(np.where(known, count, -1))
    first = int(np.argmax(known))
    last[:first] = first
    stamps = stamps[last] + (count - last) * seconds
    rounded = abs(seconds * 10**decimals - round(seconds * 10**decimals)) > 1e-6
    tolerance = max(0.5 / rate, 10.0**-decimals if rounded else 0.0) * (1 - 1e-6)
    jumps = np.diff(stamps) - seconds
    off = np.ptp(stamps - count * seconds)
    if (jumps >= tolerance).any() and (jumps <= -tolerance).any() and off < JITTER:
        warnings.warn(
            f"the records' time stamps jitter by {1000 * off:.3g} ms, like those of a computer's clock; they were not "
            "taken for interruptions",
            RecordingWarning,
            stacklevel=3,
        )
        return None
    jumped = np.abs(jumps) >= tolerance
    edges = np.concatenate([[0], np.flatnonzero(jumped) + 1, [len(stamps)]])
    clocks, positions, drifts = [], [], False
    for begin, end in pairwise(edges):
        nominal = stamps[begin] + np.arange(end - begin + 1) * seconds
        clock = np.append(stamps[begin:end], stamps[end - 1] + seconds)
        if np.abs(clock - nominal).max() < tolerance:
            clock, knots = nominal[[0, -1]], np.array([begin, end])
        else:
            knots, drifts = np.arange(begin, end + 1), True
        clocks.append(clock)
        positions.append(knots * seconds)
    return Timeline(clocks, positions) if len(clocks) > 1 or drifts else None


def _signal_bytes(path: Path, header: EdfHeader, index: int) -> np.ndarray:
    """(records, bytes) of one signal; nothing else of the file is read."""
    size = header.sample_bytes * np.array(header.samples)
    start, records = int(size[:index].sum()), header.complete_records
    file = np.memmap(path, np.uint8, "r", header.header_bytes, (records, int(size.sum())))
    return np.array(file[:, start : start + size[index]])


def _time_stamps(signals: list[np.ndarray]) -> tuple[np.ndarray, int]:
    """(R,) seconds since the start time of the header, NaN where a record has no time stamp; and how many
    decimals they have."""
    stamps, decimals = np.full(len(signals[0]), np.nan), 0
    for signal in signals:
        for record in np.flatnonzero(np.isnan(stamps)):
            if match := TIME_STAMP.match(signal[record, :40].tobytes()):
                stamps[record] = _seconds(match[1])
                decimals = max(decimals, len(match[1].replace(b",", b".").partition(b".")[2]))
    return stamps, decimals


def _entries(signal: np.ndarray) -> list[Entry]:
    found, width = [], signal.shape[1]
    for match in _LIST.finditer(signal.tobytes()):
        onset, duration = _seconds(match[1]), _seconds(match[2] or b"0")
        texts = [text for text in match[3].split(b"\x14") if text]
        found += [Entry(onset, duration, text, match.start() // width) for text in texts]
    return found


def _seconds(number: bytes) -> float:
    return float(number.replace(b",", b"."))


def _to_annotations(
    entries: list[Entry], start: float, channels: list[str], encoding: str | None
) -> tuple[mne.Annotations, np.ndarray]:
    """Annotations with onsets since `start`, and (A,) the record that stores each.

    A text that ends in `@@` and a channel's name belongs to that channel (as edfio writes them).
    """
    rows: dict[tuple, list] = {}
    lenient = []
    for number, (onset, duration, data, record) in enumerate(entries):
        if encoding:
            text = data.decode(encoding)
        else:
            text, found = decode_text(data)
            if found != "utf-8":
                lenient.append(text)
        text, mark, channel = text.partition("@@")
        if mark and channel not in channels:
            text, mark = text + mark + channel, ""
        key = (onset, duration, text) if mark else (onset, duration, text, number)
        row = rows.setdefault(key, [onset - start, duration, text, (), record])
        row[3] += (channel,) if mark else ()
    if lenient:
        warnings.warn(
            f"annotations that are not UTF-8 were read as Latin-1: {quoted(lenient)}", RecordingWarning, stacklevel=3
        )
    # As MNE sorts annotations, so that the records come in the same order.
    ordered = sorted(rows.values(), key=lambda row: (row[0], row[1]))
    onset, duration, text, names, records = zip(*ordered, strict=True) if ordered else ([],) * 5
    return mne.Annotations(onset, duration, text, ch_names=names), np.array(records, float)
