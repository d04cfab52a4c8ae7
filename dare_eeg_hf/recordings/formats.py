"""Which format a file has, by its content rather than its name, and which file of several to open."""

import stat
from collections.abc import Callable
from pathlib import Path

import mne

from dare_eeg_hf.recordings.errors import RecordingError
from dare_eeg_hf.recordings.tables import TABLE_FORMATS
from dare_eeg_hf.recordings.text import decode_file
from dare_eeg_hf.recordings.xdf import read_xdf

FORMATS: dict[str, tuple[tuple[str, ...], Callable]] = {
    # format: (extensions of the file to open, reader)
    "EDF": ((".edf", ".rec"), mne.io.read_raw_edf),
    "BDF": ((".bdf",), mne.io.read_raw_bdf),
    "GDF": ((".gdf",), mne.io.read_raw_gdf),
    "BrainVision": ((".vhdr", ".ahdr"), mne.io.read_raw_brainvision),
    "EEGLAB": ((".set",), mne.io.read_raw_eeglab),
    "FIF": ((".fif", ".fif.gz"), mne.io.read_raw_fif),
    "Neuroscan CNT": ((".cnt",), mne.io.read_raw_cnt),
    "ANT CNT": ((".cnt",), mne.io.read_raw_ant),
    "EGI MFF": ((".mff",), mne.io.read_raw_egi),
    "Nihon Kohden": ((".eeg",), mne.io.read_raw_nihon),
    "Persyst": ((".lay",), mne.io.read_raw_persyst),
    "XDF": ((".xdf", ".xdfz", ".xdf.gz"), read_xdf),
}

# First bytes of a file (after white space and in lower case for text) -> format, or what it is instead of a recording.
_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"0       ", "EDF"),
    (b"\xffBIOSEMI", "BDF"),
    (b"GDF ", "GDF"),
    (b"Version 3.0", "Neuroscan CNT"),
    (b"RIFF", "ANT CNT"),
    (b"\x00\x00\x00\x64\x00\x00\x00\x1f", "FIF"),
    (b"EEG-", "Nihon Kohden"),
    (b"QI-", "Nihon Kohden"),
    (b"XDF:", "XDF"),
)
_TEXT_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"brain vision data exchange header", "BrainVision"),
    (b"brainvision data exchange header", "BrainVision"),
    (b"[fileinfo]", "Persyst"),
)
_NOT_RECORDINGS: tuple[tuple[bytes, str], ...] = (
    (b"<!doctype html", "is a web page, not a recording: the server sent an error or login page; download it again"),
    (b"<html", "is a web page, not a recording: the server sent an error or login page; download it again"),
    (b"version https://git-lfs", "is a pointer of Git LFS, not the recording itself; run 'git lfs pull'"),
    (b"../.git/annex", "is a pointer of git-annex, not the recording itself; run 'datalad get'"),
    (b"/annex/objects", "is a pointer of git-annex, not the recording itself; run 'datalad get'"),
    (b"%pdf", "is a PDF document, not a recording"),
    (b"<?xml", "is an XML document; for an EGI recording give the .mff folder"),
)
_MAIN_FILES: dict[str, tuple[str, ...]] = {
    # extension of a companion file -> extensions of the file to open instead, when it is there
    ".eeg": (".vhdr", ".ahdr"),
    ".avg": (".vhdr", ".ahdr"),
    ".dat": (".vhdr", ".ahdr", ".lay"),
    ".vmrk": (".vhdr",),
    ".amrk": (".ahdr",),
    ".fdt": (".set",),
    ".pnt": (".eeg",),
    ".log": (".eeg",),
    ".21e": (".eeg",),
}


def main_file(path: Path) -> Path:
    """Return the file to open for a companion file (`x.vmrk` -> `x.vhdr`); other paths come back unchanged."""
    for extension in _MAIN_FILES.get(path.suffix.lower(), ()):
        for candidate in (path.with_suffix(extension), path.with_suffix(extension.upper())):
            if candidate != path and candidate.exists():
                return candidate
    return path


def detect_format(path: Path) -> str:
    """Name a file's format from its first bytes, or from its extension where those say nothing.

    Raises:
        RecordingError: the file cannot be opened, is empty, or is not a recording (a web page, an LFS pointer, ...).
    """
    head = _first_bytes(path)
    if head is None:
        return "EGI MFF"
    if not head:
        raise RecordingError(f"{path}: the file is empty (0 bytes)")
    if not head.strip(b"\x00"):
        raise RecordingError(f"{path}: begins with nothing but zero bytes; the copy or download did not finish")
    text = decode_file(head)[0].encode("utf-8").lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for signature, reason in _NOT_RECORDINGS:
        if text.startswith(signature):
            raise RecordingError(f"{path}: {reason}")
    for signature, name in _SIGNATURES:
        if head.startswith(signature):
            return name
    for signature, name in _TEXT_SIGNATURES:
        if text.startswith(signature):
            return name
    lowered = path.name.lower()
    for name, extensions in TABLE_FORMATS.items():
        if lowered.endswith(extensions) or (name == "UCI trial" and text.startswith(b"# co")):
            return name
    if lowered.endswith((".edf", ".bdf", ".gdf", ".vhdr", ".lay")):
        raise RecordingError(
            f"{path}: does not begin like {path.suffix.lower()[1:].upper()} data: damaged, or another format"
        )
    for name, (extensions, _) in FORMATS.items():
        if lowered.endswith(extensions):
            if name == "Nihon Kohden":
                raise RecordingError(
                    f"{path}: is the data of a BrainVision recording whose .vhdr is missing, or damaged"
                )
            return name
    return path.suffix or "unknown"


def _first_bytes(path: Path) -> bytes | None:
    """Read the beginning of a regular file; None for an MFF folder. A pipe or device is refused, because reading it
    could wait forever."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            if path.suffix.lower() == ".mff":
                return None
            raise RecordingError(f"{path}: is a folder; find_recordings lists the recordings in it")
        if not stat.S_ISREG(mode):
            raise RecordingError(f"{path}: is not a regular file (a pipe, socket or device)")
        with path.open("rb") as file:
            return file.read(512)
    except FileNotFoundError as error:
        reason = "is a link to a file that is not there" if path.is_symlink() else "does not exist"
        raise RecordingError(f"{path}: {reason}") from error
    except PermissionError as error:
        raise RecordingError(f"{path}: no permission to read it; change its mode or owner") from error
    except (OSError, RuntimeError) as error:
        loop = " (a loop of symbolic links)" if path.is_symlink() else ""
        raise RecordingError(f"{path}: cannot be opened{loop}: {error}") from error
