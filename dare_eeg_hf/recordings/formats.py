"""Which format a file has, by its content rather than its name, and which file of several to open."""

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import mne

from dare_eeg_hf.recordings.bci2000 import read_bci2000
from dare_eeg_hf.recordings.errors import RecordingError
from dare_eeg_hf.recordings.tables import TABLE_FORMATS
from dare_eeg_hf.recordings.text import decode_file
from dare_eeg_hf.recordings.xdf import read_xdf


class Format(NamedTuple):
    """A format of recordings.

    Attributes:
        extensions: of the file to open, or of its folder.
        read: the function that opens it.
        needs: a package that is not installed with this one.
        tried: on what reading was tried.
    """

    extensions: tuple[str, ...]
    read: Callable
    needs: str = ""
    tried: str = "real files"


def _mne_reader(name: str) -> Callable:
    """MNE's reader of this name; with an MNE that has none yet, a function that says so."""

    def too_old(*_: object, **__: object) -> None:
        raise ImportError(f"mne.io.{name} is missing, because MNE {mne.__version__} is too old: pip install -U mne")

    return getattr(mne.io, name, too_old)


WRITTEN, UNTRIED = "files the tests write", "nothing yet"
FORMATS: dict[str, Format] = {
    "EDF": Format((".edf", ".rec"), mne.io.read_raw_edf),
    "BDF": Format((".bdf",), mne.io.read_raw_bdf),
    "GDF": Format((".gdf",), mne.io.read_raw_gdf),
    "BrainVision": Format((".vhdr", ".ahdr"), mne.io.read_raw_brainvision),
    "EEGLAB": Format((".set",), mne.io.read_raw_eeglab),
    "FIF": Format((".fif", ".fif.gz"), mne.io.read_raw_fif),
    "XDF": Format((".xdf", ".xdfz", ".xdf.gz"), read_xdf, "pyxdf", WRITTEN),
    "Neuroscan CNT": Format((".cnt",), mne.io.read_raw_cnt),
    "ANT CNT": Format((".cnt",), _mne_reader("read_raw_ant"), "antio", UNTRIED),
    "Curry": Format((".cdt", ".dap"), mne.io.read_raw_curry, "curryreader", UNTRIED),
    "EGI MFF": Format((".mff",), mne.io.read_raw_egi, tried="a real file of averages, which is refused"),
    "EGI simple binary": Format((".raw",), mne.io.read_raw_egi, tried=WRITTEN),
    "Nihon Kohden": Format((".eeg",), mne.io.read_raw_nihon),
    "Nicolet": Format((".data",), mne.io.read_raw_nicolet, tried=WRITTEN),
    "Persyst": Format((".lay",), mne.io.read_raw_persyst),
    "BCI2000": Format((".dat",), read_bci2000, tried=WRITTEN),
    "Neuroelectrics NEDF": Format((".nedf",), mne.io.read_raw_nedf, tried=WRITTEN),
    "Nexstim eXimia": Format((".nxe",), mne.io.read_raw_eximia, tried=WRITTEN),
    "Blackrock NSx": Format(tuple(f".ns{number}" for number in range(1, 7)), mne.io.read_raw_nsx, tried=UNTRIED),
    "Neuralynx": Format((".ncs",), mne.io.read_raw_neuralynx, "neo", UNTRIED),
    "MEF3": Format((".mefd",), _mne_reader("read_raw_mef"), "pymef", UNTRIED),
}
"""Everything that MNE opens and that can be EEG, and XDF; magnetic, optical and eye-tracking formats are none."""

_FOLDERS = {".mff": "EGI MFF", ".mefd": "MEF3"}
"""Extension of a folder that is one recording."""
_NO_EEG = {
    ".ds": "a CTF recording, which is MEG",
    ".sqd": "a KIT recording, which is MEG",
    ".con": "a KIT recording, which is MEG",
    ".snirf": "a recording of light (fNIRS)",
    ".asc": "a recording of eye movements",
}
"""What MNE opens although it is no EEG."""
_SHARED_EXTENSIONS = (".dat", ".data", ".raw")
"""Extensions that many other programs use, so that they say nothing."""

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
    (b"BCI2000V=", "BCI2000"),
    (b"HeaderLen=", "BCI2000"),
    (b"BRSMPGRP", "Blackrock NSx"),
    (b"NEURALCD", "Blackrock NSx"),
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
    ".dat": (".vhdr", ".ahdr", ".lay", ".dap"),
    ".vmrk": (".vhdr",),
    ".amrk": (".ahdr",),
    ".fdt": (".set",),
    ".pnt": (".eeg",),
    ".log": (".eeg",),
    ".21e": (".eeg",),
    ".head": (".data",),
    ".rs3": (".dap",),
    ".dpa": ("",),  # x.cdt.dpa and x.cdt.cef lie beside x.cdt
    ".cef": ("", ".dap"),
    ".ceo": ("", ".dap"),
}


def main_file(path: Path) -> Path:
    """Return the file to open for a companion file (`x.vmrk` -> `x.vhdr`), the folder for a channel of a Neuralynx
    recording; other paths come back unchanged."""
    if path.suffix.lower() == ".ncs" and path.is_file():
        return path.parent
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
    if folder := recording_folder(path):
        return folder
    head = _first_bytes(path)
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
    if path.suffix.lower() in _NO_EEG:
        raise RecordingError(
            f"{path}: is {_NO_EEG[path.suffix.lower()]}; if it has EEG too, open it with MNE yourself"
        )
    for name, (extensions, *_) in FORMATS.items():
        if lowered.endswith(extensions) and (path.suffix.lower() not in _SHARED_EXTENSIONS or _fits(path, name, head)):
            if name == "Nihon Kohden":
                raise RecordingError(
                    f"{path}: is the data of a BrainVision recording whose .vhdr is missing, or damaged"
                )
            return name
    return path.suffix or "unknown"


def _fits(path: Path, name: str, head: bytes) -> bool:
    """Whether a file whose extension says nothing is of a format without a signature."""
    if name == "Nicolet":
        return path.with_suffix(".head").is_file()
    return name == "EGI simple binary" and head[:3] == bytes(3) and 2 <= head[3] <= 7


def is_named_like_a_recording(path: Path) -> bool:
    """Whether the name of a file is one of a recording; where other programs use it as well, its first bytes tell."""
    lowered = path.name.lower()
    if path.suffix.lower() in _SHARED_EXTENSIONS:
        try:
            return detect_format(path) in FORMATS
        except RecordingError:
            return False
    return lowered.endswith(tuple(extension for each in FORMATS.values() for extension in each.extensions))


def recording_folder(path: Path) -> str | None:
    """The format of a folder that is one recording; None for every other path."""
    if not os.path.isdir(path):  # False, too, where one may not look, which reading tells
        return None
    if path.suffix.lower() in _FOLDERS:
        return _FOLDERS[path.suffix.lower()]
    try:
        return "Neuralynx" if any(file.suffix.lower() == ".ncs" for file in path.iterdir()) else None
    except PermissionError:
        return None


def _first_bytes(path: Path) -> bytes:
    """Read the beginning of a regular file. A pipe or device is refused, because reading it could wait forever."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            what = _NO_EEG.get(path.suffix.lower(), "a folder; find_recordings lists the recordings in it")
            raise RecordingError(f"{path}: is {what}")
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
