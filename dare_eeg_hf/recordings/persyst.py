"""Persyst recordings: MNE's reading, and the breaks that their [SampleTimes] show."""

import contextlib
import io
import re
import warnings
from pathlib import Path

import mne
import numpy as np

from dare_eeg_hf.recordings.errors import RecordingWarning
from dare_eeg_hf.recordings.text import decode_file, folder_of_copies
from dare_eeg_hf.recordings.timeline import Timeline, place_annotations

_DAY = 86_400.0


def read_persyst(path: Path, **options) -> mne.io.BaseRaw:
    """Read a layout file (.lay) with MNE; where its [SampleTimes] jump, mark the breaks and move the comments."""
    text, encoding = decode_file(path.read_bytes())
    # MNE prints what it cannot parse of the patient's data; printed text would break a JSON report.
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        timeline = _timeline(text)
        if timeline is not None:
            warnings.filterwarnings("ignore", r"(Omitted|Limited) \d+ annotation")
        if encoding == "utf-8":
            raw = mne.io.read_raw_persyst(path, verbose="WARNING", **options)
        else:
            data = path.with_name(re.search(r"^File=(?:.*[\\/])?(.+?)\s*$", text, re.MULTILINE | re.IGNORECASE)[1])
            with folder_of_copies({path: text}, data) as folder:
                raw = mne.io.read_raw_persyst(folder / path.name, verbose="WARNING", **options)
            raw.filenames = [data.resolve()]
    if encoding != "utf-8":
        warnings.warn(f"the texts of {path.name} were read as {encoding}", RecordingWarning, stacklevel=2)
    if timeline is not None:
        comments, near = _comments(text), np.zeros(len(_comments(text)))
        half_sample = 0.5 / raw.info["sfreq"]
        raw.set_annotations(place_annotations(timeline, comments, near, half_sample), verbose="WARNING")
    return raw


def _section(text: str, name: str) -> str:
    found = re.search(rf"^\[{name}\]\s*$(.*?)(?=^\[|\Z)", text, re.MULTILINE | re.IGNORECASE | re.DOTALL)
    return found[1] if found else ""


def _timeline(text: str) -> Timeline | None:
    """The clock by the lines `sample=seconds since midnight`; None where it follows the samples."""
    lines = re.findall(r"^\s*(\d+)\s*=\s*(\d+(?:\.\d*)?)\s*$", _section(text, "SampleTimes"), re.MULTILINE)
    rate = re.search(r"^SamplingRate=\s*([\d.]+)", text, re.MULTILINE | re.IGNORECASE)
    if len(lines) < 2 or rate is None:
        return None
    position = np.array([int(sample) for sample, _ in lines]) / float(rate[1])
    clock = np.array([float(time) for _, time in lines])
    clock[1:] += _DAY * np.cumsum(np.diff(clock) < 0)
    clock -= clock[0]
    decimals = max(len(time.partition(".")[2]) for _, time in lines)
    tolerance = max(0.5 / float(rate[1]), 10.0**-decimals)
    starts = np.flatnonzero(np.append(True, np.abs(np.diff(clock) - np.diff(position)) > tolerance))
    if len(starts) < 2:
        return None
    ends = np.append(position[starts[1:]], np.inf)
    lengths = np.minimum(ends - position[starts], _DAY * 365)
    return Timeline(
        clocks=[np.array([clock[k], clock[k] + n]) for k, n in zip(starts, lengths, strict=True)],
        positions=[np.array([position[k], position[k] + n]) for k, n in zip(starts, lengths, strict=True)],
    )


def _comments(text: str) -> mne.Annotations:
    """Annotations by the lines `seconds,duration,state,type,text`; MNE leaves out those after the signal's length."""
    lines = [line.split(",", 4) for line in _section(text, "Comments").splitlines() if line.count(",") >= 4]
    return mne.Annotations(
        [float(line[0]) for line in lines], [float(line[1]) for line in lines], [line[4].strip() for line in lines]
    )
