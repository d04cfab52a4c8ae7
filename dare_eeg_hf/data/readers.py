"""Opening an EEG file of any make as an MNE Raw, by what is in it rather than by what it is called."""

import os
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import mne

COMPANIONS = {".vmrk", ".fdt", ".pnt", ".log", ".21e", ".11d", ".cn2"}
"""Extensions of files that belong to another file, which is the one to open."""


class RecordingError(ValueError):
    """A recording cannot be used; the message names the file, what is wrong, and the remedy."""


class RecordingWarning(UserWarning):
    """A recording can be used, but something in it is not as it should be."""


FORMATS: dict[str, tuple[tuple[str, ...], Callable]] = {
    # format: (extensions of the file to open, MNE's reader)
    "EDF": ((".edf", ".rec"), mne.io.read_raw_edf),
    "BDF": ((".bdf",), mne.io.read_raw_bdf),
    "GDF": ((".gdf",), mne.io.read_raw_gdf),
    "BrainVision": ((".vhdr",), mne.io.read_raw_brainvision),
    "EEGLAB": ((".set",), mne.io.read_raw_eeglab),
    "FIF": ((".fif", ".fif.gz"), mne.io.read_raw_fif),
    "Neuroscan CNT": ((".cnt",), mne.io.read_raw_cnt),
    "EGI MFF": ((".mff",), mne.io.read_raw_egi),
    "Nihon Kohden": ((".eeg",), mne.io.read_raw_nihon),
    "Persyst": ((".lay",), mne.io.read_raw_persyst),
}


def detect_format(path: Path) -> str:
    """Name the format of a file from its first bytes, else from its extension; raise `RecordingError` where it is none."""
    if path.is_dir():
        if path.suffix.lower() == ".mff":
            return "EGI MFF"
        raise RecordingError(f"{path}: is a folder; give a file, or list its recordings with find_recordings")
    with path.open("rb") as file:
        head = file.read(512)
    if not head:
        raise RecordingError(f"{path}: the file is empty")
    start = head.lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")):
        raise RecordingError(f"{path}: is a web page, not a recording; the download gave an error or login page")
    if start.startswith(b"version https://git-lfs"):
        raise RecordingError(f"{path}: is a pointer of Git LFS, not the recording; run 'git lfs pull'")
    if head.startswith(b"0       "):
        return "EDF"
    if head.startswith(b"\xffBIOSEMI"):
        return "BDF"
    if head.startswith(b"GDF "):
        return "GDF"
    if b"brain vision data exchange header" in start or start.startswith(b"brainvision data exchange header"):
        return "BrainVision"
    suffix = "".join(path.suffixes[-2:]).lower()
    for name, (extensions, _) in FORMATS.items():
        if suffix.endswith(extensions):
            return name
    raise RecordingError(f"{path}: unknown format {path.suffix!r}")


def read_raw(
    path: str | os.PathLike, sidecar: dict | str | os.PathLike | None = None, **reader_options
) -> mne.io.BaseRaw:
    """Open a recording as it is, without any processing.

    Args:
        path: file (or .mff folder).
        sidecar: names, rate and unit for CSV, MAT and NPZ files.
        reader_options: passed to MNE's reader of the format, such as `data_format="int32"` for CNT.

    Raises:
        RecordingError: with the file's name and the remedy.
    """
    path = Path(path)
    name = detect_format(path)
    extensions, reader = FORMATS[name]
    try:
        if path.name.lower().endswith(extensions):
            return reader(path, verbose="ERROR", **reader_options)
        warnings.warn(f"{path.name} is {name}, whatever its extension says", RecordingWarning, stacklevel=2)
        with tempfile.TemporaryDirectory() as folder:
            link = Path(folder) / (path.stem + extensions[0])
            link.symlink_to(path.resolve())
            return reader(link, preload=True, verbose="ERROR", **reader_options)
    except (OSError, RuntimeError, ValueError, UnicodeError, KeyError, IndexError) as error:
        raise RecordingError(f"{path}: {name} could not be read: {error}") from error
