"""Normalised recordings -> windows: at fixed steps, or around events, with rules for what is left out and labels."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import mne
import numpy as np

from dare_eeg_hf.corpora.storage import decode_signal, encode_signal, window_features, windows_table
from dare_eeg_hf.recordings.event_checks import match_texts
from dare_eeg_hf.recordings.side_tables import is_missing, listed_lines, read_side_table, warn
from dare_eeg_hf.usability_dare_eeg import (
    NO_SIGNAL,
    find_breaks,
    is_break,
    losses_from_annotations,
    uninterrupted,
    why_unusable,
)
from dare_eeg_hf.windows_dare_eeg import window_starts

__all__ = [
    "Event",
    "Rejection",
    "Windows",
    "cut_windows",
    "decode_signal",
    "encode_signal",
    "events_from_annotations",
    "events_from_table",
    "label_from_name",
    "labels_from_table",
    "window_features",
    "windows_table",
]


@dataclass(frozen=True)
class Event:
    """Something that begins at `onset` and lasts `duration`, in seconds; without a label it has the recording's."""

    onset: float
    duration: float
    label: str | None = None


@dataclass(frozen=True)
class Rejection:
    """Which windows are left out; a rule that is None is off.

    Args:
        largest_uv: reject where any channel goes beyond this many microvolts, either way.
        flattest_uv: reject where any channel's standard deviation is below this many microvolts.
        annotations: reject where an annotation begins with this text (in any case) and touches the window.
    """

    largest_uv: float | None = 500.0
    flattest_uv: float | None = 0.05
    annotations: str | None = "BAD"


@dataclass
class Windows:
    """Windows of one recording.

    Attributes:
        signals: (W, C, T) float32 in millivolts.
        onsets: (W,) seconds since the start of the recording.
        labels: W names, or None where the recording has no labels.
        channel_names: C names.
        sampling_rate: hertz.
        rejected: reason -> how many windows were left out for it.
        texts: text of an annotation of the recording -> how often it occurs.
    """

    signals: np.ndarray
    onsets: np.ndarray
    labels: list[str] | None
    channel_names: tuple[str, ...]
    sampling_rate: float
    rejected: Counter = field(default_factory=Counter)
    texts: Counter = field(default_factory=Counter)

    def __len__(self) -> int:
        return len(self.signals)

    def to_table(self, *, label_names: Sequence[str] = (), **columns: str) -> Any:
        """A table of the row schema; `columns` are subject, recording, corpus and session."""
        return windows_table(
            self.signals,
            channel_names=self.channel_names,
            onsets=self.onsets,
            labels=self.labels,
            label_names=label_names,
            sampling_rate=self.sampling_rate,
            **columns,
        )


def cut_windows(
    raw: mne.io.BaseRaw,
    window_seconds: float = 4.0,
    overlap: float = 0.0,
    *,
    events: Iterable[Event] | None = None,
    tmin: float | None = None,
    tmax: float | None = None,
    label: str | None = None,
    reject: Rejection = Rejection(),
) -> Windows:
    """Cut a normalised recording into windows.

    Without events, windows follow each other through each uninterrupted piece of the recording. With events and
    `tmin`, `tmax`, there is one window from `tmin` to `tmax` seconds around each onset; with events alone, windows
    follow each other from each onset as long as the event lasts. They carry the event's label. Windows that
    `usability_dare_eeg` finds unusable (without signal, across a break) are always left out.

    Args:
        raw: data in volts, as MNE keeps them; all its channels go into the windows.
        window_seconds: length of windows that follow each other.
        overlap: share of a window that the next one repeats, at least 0 and below 1.
        events: what to cut around, or inside of.
        tmin, tmax: seconds relative to the onset of an event.
        label: the label of the whole recording, for windows without an event that has its own.
        reject: what to leave out.

    Raises:
        ValueError: if the overlap, the window or the span around an event makes no window.
    """
    if not 0 <= overlap < 1:
        raise ValueError(f"overlap is a share of the window, at least 0 and below 1; got {overlap}")
    if (tmin is None) != (tmax is None) or (tmin is not None and events is None):
        raise ValueError("tmin and tmax must be given together, and with events")
    rate = float(raw.info["sfreq"])
    length = round((window_seconds if tmin is None else tmax - tmin) * rate)
    if length < 1:
        raise ValueError(f"a window of {length} samples holds nothing; lengthen it, or swap tmin and tmax")
    events = None if events is None else [replace(event, label=event.label or label) for event in events]
    starts, labels = _first_samples(raw, length, overlap, events, tmin, label)
    signal = raw.get_data().astype(np.float32) * np.float32(1e3)

    rejected: Counter = Counter()
    kept = np.ones(len(starts), dtype=bool)
    for reason, wrong in _rejections(raw, signal, starts, length, reject):
        rejected[reason] += int((kept & wrong).sum())
        kept &= ~wrong
    if events is None and len(starts) == 0:
        rejected["recording shorter than one window"] += 1
    if events is not None and tmin is None:
        rejected["event shorter than one window"] += sum(round(event.duration * rate) < length for event in events)
    starts = starts[kept]
    signals = np.stack([signal[:, start : start + length] for start in starts]) if len(starts) else None
    return Windows(
        signals=np.zeros((0, len(signal), length), np.float32) if signals is None else signals,
        onsets=starts / rate,
        labels=None if labels is None else [name for name, keep in zip(labels, kept, strict=True) if keep],
        channel_names=tuple(raw.ch_names),
        sampling_rate=rate,
        rejected=+rejected,
    )


def _first_samples(
    raw: mne.io.BaseRaw,
    length: int,
    overlap: float,
    events: list[Event] | None,
    tmin: float | None,
    label: str | None,
) -> tuple[np.ndarray, list[str] | None]:
    """First samples (W,) of all windows before rejection, and their labels."""
    rate = raw.info["sfreq"]
    if tmin is not None:
        labels = [event.label for event in events]
        return np.array([round((event.onset + tmin) * rate) for event in events], dtype=int), _all_or_none(labels)
    step = max(1, round(length * (1 - overlap)))
    if events is None:
        pieces = uninterrupted(raw.n_times, rate, find_breaks(raw))
        starts = np.array([start for start, _ in window_starts(pieces, length, step)], dtype=int)
        return starts, _all_or_none([label] * len(starts))
    spans = [(round(e.onset * rate), round((e.onset + e.duration) * rate), e.label) for e in events]
    starts = [np.arange(start, min(stop, raw.n_times) - length + 1, step) for start, stop, _ in spans]
    labels = [name for (_, _, name), inside in zip(spans, starts, strict=True) for _ in inside]
    starts = np.concatenate([np.zeros(0, dtype=int), *starts])
    return starts, _all_or_none(labels)


def _all_or_none(labels: list[str | None]) -> list[str] | None:
    return None if None in labels else labels


def _rejections(
    raw: mne.io.BaseRaw, signal: np.ndarray, starts: np.ndarray, length: int, reject: Rejection
) -> Iterable[tuple[str, np.ndarray]]:
    """Yield a reason and which windows (W,) it concerns, the gravest reason first."""
    outside = (starts < 0) | (starts + length > raw.n_times)
    yield "reaches beyond the recording", outside
    starts = np.where(outside, 0, starts)
    rate = raw.info["sfreq"]
    breaks, losses = find_breaks(raw), losses_from_annotations(raw.annotations, raw.first_time)
    verdicts = np.array(
        [why_unusable(s / rate, (s + length) / rate, losses, breaks, 0.5 / rate) or "" for s in starts], dtype=object
    )
    for reason in dict.fromkeys(filter(None, verdicts)):
        yield reason, verdicts == reason
    for text, onset, duration in zip(
        raw.annotations.description, raw.annotations.onset - raw.first_time, raw.annotations.duration, strict=True
    ):
        known = is_break(text) or text.startswith(NO_SIGNAL)
        if reject.annotations and text.lower().startswith(reject.annotations.lower()) and not known:
            begin, end = round(onset * rate), round((onset + duration) * rate)
            yield f"annotation {text}", (begin < starts + length) & (end > starts)
    flattest, largest = [], []
    for start in starts:
        window = signal[:, start : start + length]
        flattest.append(window.std(axis=1).min(initial=np.inf))
        largest.append(np.abs(window).max(initial=0))
    if reject.flattest_uv is not None:
        yield f"a channel flatter than {reject.flattest_uv:g} uV", np.array(flattest) * 1e3 < reject.flattest_uv
    if reject.largest_uv is not None:
        yield f"amplitude beyond {reject.largest_uv:g} uV", np.array(largest) * 1e3 > reject.largest_uv


def events_from_annotations(
    raw: mne.io.BaseRaw, labels: Mapping[str, str], *, lengthen: Mapping[str, float] | None = None
) -> list[Event]:
    """Events out of the annotations whose description is a key of `labels`, which gives their label.

    Blanks around a text do not count, and "1.0" is taken for "1" where that is the only spelling, with a warning.

    Args:
        raw: with annotations.
        labels: description -> label; other annotations are not events.
        lengthen: description -> duration in seconds, for markers that have none of their own.
    """
    texts = raw.annotations.description.tolist()
    meant = match_texts(labels, texts)
    if respelled := [f"{text!r} for {key!r}" for text, key in meant.items() if text.strip() != key.strip()]:
        warn(f"events were taken by their number: {', '.join(respelled)}")
    onsets = raw.annotations.onset - raw.first_time
    return [
        Event(float(onset), float((lengthen or {}).get(meant[text], duration)), labels[meant[text]])
        for onset, duration, text in zip(onsets, raw.annotations.duration, texts, strict=True)
        if text in meant
    ]


def events_from_table(
    path: str | Path, *, onset: str = "onset", duration: str = "duration", label: str = "trial_type"
) -> list[Event]:
    """Events out of a .csv or .tsv file; the columns are called as in BIDS unless they are named.

    Rows without a label are not events; a warning names them. Without a duration an event lasts 0 s.

    Raises:
        ValueError: if a column is missing, or a labelled row has no onset or one that is not a number.
    """
    table = read_side_table(path, (onset, duration, label))
    unlabelled = is_missing(table[label])
    if unlabelled.any():
        warn(f"{path}: {listed_lines(table.index[unlabelled])} without a {label} left out")
    table = table[~unlabelled]
    if len(lines := table.index[is_missing(table[onset])]):
        raise ValueError(f"{path}: {listed_lines(lines)} with a {label} but without an {onset}")
    try:
        durations = table[duration].where(~is_missing(table[duration]), "0").astype(float)
        onsets = table[onset].astype(float)
    except ValueError as error:
        raise ValueError(f"{path}: {onset} and {duration} must be seconds: {error}") from error
    return [Event(*event) for event in zip(onsets, durations, table[label], strict=True)]


def labels_from_table(path: str | Path, *, key: str, label: str) -> dict[str, str]:
    """The column `label` of a .csv or .tsv file by the column `key`, such as the subject or the file name.

    Rows without a label, and rows that say the same twice, are named in a warning.

    Raises:
        ValueError: if a column is missing, a label has no key, or two rows give one key different labels.
    """
    table = read_side_table(path, (key, label))
    unlabelled = is_missing(table[label])
    if unlabelled.any():
        named = ", ".join(table[key][unlabelled].head())
        warn(f"{path}: {listed_lines(table.index[unlabelled])} without a {label}, of {named}")
    table = table[~unlabelled]
    if len(lines := table.index[is_missing(table[key])]):
        raise ValueError(f"{path}: {listed_lines(lines)} with a {label} but without a {key}")
    for name, rows in table[table[key].duplicated(keep=False)].groupby(key):
        if rows[label].nunique() > 1:
            told = ", ".join(f"{value} in line {line}" for line, value in rows[label].items())
            raise ValueError(f"{path}: {name} has several labels: {told}")
        warn(f"{path}: {name} is listed in {listed_lines(rows.index)}, each time with the same {label}")
    return dict(zip(table[key], table[label], strict=True))


def label_from_name(name: str, pattern: str, labels: Mapping[str, str] | None = None) -> str:
    """What the first group of a regular expression finds in a file's name, translated by `labels`.

    Raises:
        ValueError: if the pattern does not fit, or finds something that `labels` lacks.
    """
    match = re.search(pattern, name)
    if match is None:
        raise ValueError(f"{name}: no label, because {pattern!r} does not fit the name")
    found = match.group(1)
    if labels is None:
        return found
    if found not in labels:
        raise ValueError(f"{name}: {found!r} is not one of {', '.join(labels)}, which stand for labels in the name")
    return labels[found]
