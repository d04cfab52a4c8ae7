"""XDF recordings, as LabRecorder writes them: the EEG among several streams, and the others' markers on its clock."""

import contextlib
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mne
import numpy as np

from dare_eeg_hf.recordings.edf import voltage_unit
from dare_eeg_hf.recordings.errors import RecordingError, RecordingWarning
from dare_eeg_hf.recordings.sample_times import timeline_of_stamps
from dare_eeg_hf.recordings.timeline import Timeline, place_annotations
from dare_eeg_hf.remedies_dare_eeg import Remedy
from dare_eeg_hf.signal_dare_eeg import MICROVOLTS

CHANNEL_TYPES = {
    "eeg": "eeg",
    "eog": "eog",
    "ecg": "ecg",
    "ekg": "ecg",
    "emg": "emg",
    "trigger": "stim",
    "stim": "stim",
}
"""Type of a channel in XDF -> MNE's; everything else is of no use here ("misc")."""

RATE_TOLERANCE = 0.005
"""Share by which samples may really come faster or slower than announced before the announced rate is not believed."""


@dataclass(frozen=True)
class Stream:
    """What one stream of a file says of itself, and what it holds.

    Attributes:
        number: its identifier in the file.
        name, kind: name and type, as "BioSemi" and "EEG".
        rate: nominal rate in hertz; 0 where samples come at no regular rate.
        channels: of each channel, its label, type and unit where the description has them.
        samples: (T, C) numbers, or T lists of C texts.
        stamps: (T,) seconds on the clock of the computer that recorded.
        ended: whether its recording was ended properly.
    """

    number: int
    name: str
    kind: str
    rate: float
    channels: Sequence[Mapping[str, str]]
    samples: Any
    stamps: np.ndarray
    ended: bool = True

    @property
    def holds_texts(self) -> bool:
        """Whether its samples are texts rather than numbers."""
        return isinstance(self.samples, list)

    @property
    def holds_markers(self) -> bool:
        """Whether its samples are events: texts, or numbers of a stream that calls itself so."""
        events = self.kind.lower() in ("marker", "markers", "event", "events", "stim", "stimulus", "trigger")
        return self.rate == 0 and (self.holds_texts or events)

    def __str__(self) -> str:
        rate = f"{self.rate:g} Hz" if self.rate else "no regular rate"
        return f"{self.name!r} (number {self.number}, type {self.kind or 'unknown'}, {len(self.channels)} x {rate})"


def read_xdf(path: Path, stream: str | int | None = None, preload: bool = True) -> mne.io.RawArray:  # noqa: ARG001
    """Read the EEG of an XDF file, with the markers of its other streams as annotations.

    The clocks of all streams are brought to that of the computer that recorded. Where samples were lost the recording
    is interrupted: the break is marked, and nothing is made up for it.

    Args:
        path: the file.
        stream: name or number of the stream to read; by default the only one of type EEG.
        preload: the signal is always held in memory.

    Raises:
        RecordingError: no EEG stream, or several, an empty one, or one of texts.
    """
    header, streams = _load(path)
    chosen = _choose(path, streams, stream)
    if not chosen.ended:
        _warn(f"the stream {chosen.name!r} has no footer: the recording was cut off, and its end may be missing")
    if len(chosen.stamps) < 2:
        raise RecordingError(f"{path}: its stream {chosen} holds no samples")
    nominal = chosen.rate or 1 / float(np.median(np.diff(chosen.stamps)))
    timeline, effective = timeline_of_stamps(chosen.stamps, nominal)
    rate = _believed_rate(chosen, effective)
    if rate != nominal:
        timeline, _ = timeline_of_stamps(chosen.stamps, rate)
    raw = mne.io.RawArray(_volts(chosen), _info(chosen, rate), verbose="ERROR")
    raw.filenames = [path.resolve()]
    raw.set_meas_date(_recorded_at(header))
    raw.set_annotations(_annotations(streams, chosen, timeline, 0.5 / rate), verbose="WARNING")
    others = [str(each) for each in streams if each is not chosen and not each.holds_markers]
    if others:
        _warn(f"the stream {chosen.name!r} was read, and left out were {', '.join(others)}")
    return raw


def _load(path: Path) -> tuple[Mapping, list[Stream]]:
    """The file's header and its streams, with the clocks of all of them brought together."""
    import pyxdf

    with _quiet("pyxdf"):
        # Jitter is smoothed here afterwards: pyxdf bridges every gap of less than a second.
        found, header = pyxdf.load_xdf(path, synchronize_clocks=True, dejitter_timestamps=False, verbose=False)
    return header["info"], [_stream(content) for content in found]


@contextlib.contextmanager
def _quiet(library: str) -> Iterator[None]:
    """Only errors of a library are heard: what matters to a user is said by what was read."""
    logger = logging.getLogger(library)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _stream(content: Mapping) -> Stream:
    info = content["info"]
    described = _entry(_entry(info.get("desc"), "channels"), "channel", every=True)
    count = int(_text(info, "channel_count") or 0)
    labelled = [{key: _text(channel, key) for key in ("label", "type", "unit")} for channel in described]
    return Stream(
        number=int(info["stream_id"]),
        name=_text(info, "name"),
        kind=_text(info, "type"),
        rate=float(_text(info, "nominal_srate") or 0),
        channels=labelled if len(labelled) == count else [{}] * count,
        samples=content["time_series"],
        stamps=np.asarray(content["time_stamps"], dtype=np.float64),
        ended="footer" in content,
    )


def _entry(found: Any, key: str | None = None, every: bool = False) -> Any:
    """What stands under a key of pyxdf's rendering of XML, in which every element is a list and any may be None."""
    found = found[0] if isinstance(found, list) and found else found
    inner = (found or {}).get(key) if isinstance(found, Mapping) else None
    return [item for item in inner or [] if item] if every else inner


def _text(element: Mapping, key: str) -> str:
    return str((element.get(key) or [""])[0] or "").strip()


def _choose(path: Path, streams: Sequence[Stream], wanted: str | int | None) -> Stream:
    """The stream that was asked for, or the only one with EEG.

    Raises:
        RecordingError: that cannot be told; the message lists the streams.
    """
    numeric = [stream for stream in streams if not stream.holds_texts and not stream.holds_markers]
    if wanted is not None:
        found = [stream for stream in streams if str(wanted) in (stream.name, str(stream.number))]
        fault = f"has no stream {str(wanted)!r}" if not found else f"has {len(found)} streams called {str(wanted)!r}"
        if len(found) == 1 and found[0] not in numeric:
            found, fault = [], f"the stream {found[0]} holds no signal"
    else:
        eeg = [stream for stream in numeric if stream.kind.upper() == "EEG"]
        found = [stream for stream in eeg if len(stream.stamps)] or eeg  # one without samples is said to have none
        fault = f"has {len(found) or 'no'} stream{'s' * (len(found) > 1)} of type EEG"
    if len(found) == 1:
        return found[0]
    choices = found if len(found) > 1 else numeric
    listed = ", ".join(map(str, choices)) or "none with a signal"
    same_name = len({stream.name for stream in choices}) < len(choices)
    names = [choice.number if same_name else choice.name for choice in choices]
    remedies = [Remedy("reader_options", ("stream", name)) for name in names[:1]]
    raise RecordingError(f"{path}: {fault}; its streams are {listed}", *remedies)


def _believed_rate(stream: Stream, effective: float) -> float:
    """The rate of the signal in hertz: the announced one, unless samples really came at another."""
    if stream.rate and abs(effective / stream.rate - 1) <= RATE_TOLERANCE:
        return stream.rate
    rate = round(effective, 2)
    announced = f"announces {stream.rate:g} Hz" if stream.rate else "announces no rate"
    _warn(f"the stream {stream.name!r} {announced}, but its samples come at {rate:g} Hz, which was taken")
    return rate


def _volts(stream: Stream) -> np.ndarray:
    """(C, T) float64 in volts where a channel is electrical, as MNE has it."""
    signal = np.asarray(stream.samples, dtype=np.float64).T.copy()
    unknown = set()
    for row, channel in zip(signal, stream.channels, strict=True):
        if _kind(stream, channel) in ("stim", "misc"):
            continue
        unit = voltage_unit(channel.get("unit", "")) or _spelled_out(channel.get("unit", ""))
        if unit is None:
            unknown.add(channel.get("unit", ""))
        row *= MICROVOLTS[unit or "uV"] * 1e-6
    if unknown:
        said = " or ".join(repr(unit) for unit in sorted(unknown) if unit) or "nothing"
        _warn(f"of its unit the stream {stream.name!r} says {said}; microvolts were taken, as is usual in XDF")
    return signal


def _spelled_out(unit: str) -> str | None:
    """Words that LSL programs use for a unit."""
    return {"millivolt": "mV", "millivolts": "mV", "nanovolt": "nV", "nanovolts": "nV"}.get(unit.lower())


def _kind(stream: Stream, channel: Mapping[str, str]) -> str:
    """MNE's type of a channel; that of its stream where it has none of its own."""
    said = channel.get("type") or ("eeg" if stream.kind.upper() == "EEG" or not stream.kind else stream.kind)
    return CHANNEL_TYPES.get(said.lower(), "misc")


def _info(stream: Stream, rate: float) -> mne.Info:
    """Names and types. Channels without labels are numbered, which says nothing about their place on the head."""
    names = [channel.get("label") or str(number) for number, channel in enumerate(stream.channels, start=1)]
    if any(names.count(name) > 1 for name in names):
        names = [f"{name}-{number}" for number, name in enumerate(names, start=1)]
        _warn(f"the stream {stream.name!r} gives several channels one label: numbers were added")
    return mne.create_info(names, rate, [_kind(stream, channel) for channel in stream.channels], verbose="ERROR")


def _annotations(streams: Sequence[Stream], chosen: Stream, timeline: Timeline, half_sample: float) -> mne.Annotations:
    """The markers of all streams at the samples of their time, and the breaks."""
    start = chosen.stamps[0]
    marked = sorted(
        (float(stamp - start), text)
        for stream in streams
        if stream.holds_markers
        for stamp, sample in zip(stream.stamps, stream.samples, strict=True)
        if (text := _marker(sample))
    )
    onsets, texts = [onset for onset, _ in marked], [text for _, text in marked]
    markers = mne.Annotations(onsets, np.zeros(len(onsets)), texts)
    if len(timeline.clocks) > 1:
        return place_annotations(timeline, markers, np.zeros(len(onsets)), half_sample)
    placed = [timeline.locate(onset, 0.0)[0] for onset in onsets]
    return mne.Annotations(placed, np.zeros(len(onsets)), texts)


def _marker(sample: Any) -> str:
    """A marker as text: numbers without a trailing .0, several channels with / between them."""
    values = [value if isinstance(value, str) else f"{value:g}" for value in np.asarray(sample).ravel().tolist()]
    return "/".join(value.strip() for value in values if value.strip())


def _recorded_at(header: Mapping) -> datetime | None:
    """When the recording began, where the file says so in a way that can be understood."""
    try:
        return datetime.fromisoformat(_text(header, "datetime")).astimezone(UTC)
    except ValueError:
        return None


def _warn(message: str) -> None:
    warnings.warn(message, RecordingWarning, stacklevel=4)
