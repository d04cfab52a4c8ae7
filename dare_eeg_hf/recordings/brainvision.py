"""BrainVision recordings whose texts or units MNE misreads: UTF-16, code pages unknown to Python, Greek mu."""

import re
import warnings
from pathlib import Path

import mne

from dare_eeg_hf.recordings.edf import voltage_unit
from dare_eeg_hf.recordings.errors import RecordingError, RecordingWarning
from dare_eeg_hf.recordings.line_endings import describe_damage
from dare_eeg_hf.recordings.text import decode_file, folder_of_copies

_UNITS = ("V", "mV", "µV", "uV", "nV")
"""As MNE spells them."""


def read_brainvision(path: Path, **options) -> mne.io.BaseRaw:
    """Read a header file (.vhdr, .ahdr) with MNE; where MNE would misread its texts, from a copy of them in UTF-8.

    Raises:
        RecordingError: line endings of the data were converted.
    """
    content = path.read_bytes()
    text = _decode(content)
    data = path.parent / _entry(text, "DataFile", path.with_suffix(".eeg").name).replace("$b", path.stem)
    markers = path.parent / _entry(text, "MarkerFile", "").replace("$b", path.stem)
    binary = _entry(text, "DataFormat", "BINARY").upper() != "ASCII"
    if binary and data.is_file() and (damage := describe_damage(data)):
        raise RecordingError(f"{data}: {damage}")
    texts = {path: content}
    if markers.is_file():
        texts[markers] = markers.read_bytes()
    plain = {file: _plain(_decode(content)) for file, content in texts.items()}
    if _as_mne_reads(content) == plain[path] and _is_utf8(texts.get(markers, b"")):
        return mne.io.read_raw_brainvision(path, verbose="WARNING", **options)
    if _as_mne_reads(content) is None:
        message = f"{path.name} is in an encoding that MNE does not know; its texts were converted"
        warnings.warn(message, RecordingWarning, stacklevel=2)
    with folder_of_copies({file: _name_codepage(text) for file, text in plain.items()}, data) as folder:
        raw = mne.io.read_raw_brainvision(folder / path.name, verbose="WARNING", **options)
    raw.filenames = [data.resolve()]
    return raw


def _is_utf8(content: bytes) -> bool:
    """Markers in anything else stop MNE, which looks for the date in them without regard to their code page."""
    return decode_file(content)[1] == "utf-8"


def _decode(content: bytes) -> str:
    declared = _declared(content)
    try:
        return content.decode("utf-8" if declared is None else declared)
    except (UnicodeDecodeError, LookupError):
        return decode_file(content)[0]


def _as_mne_reads(content: bytes) -> str | None:
    """The text as MNE decodes it; None where it cannot."""
    try:
        return content.decode(_declared(content) or "utf-8")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
        return None if "\x00" in text else text
    except LookupError:
        return None


def _declared(content: bytes) -> str | None:
    found = re.search(r"Codepage=(.+)", content.decode("ascii", "ignore"), re.IGNORECASE)
    name = found[1].strip() if found else None
    return "cp1252" if name == "ANSI" else name


def _entry(text: str, key: str, otherwise: str) -> str:
    found = re.search(rf"^[ \t]*{key}[ \t]*=[ \t]*(\S.*?)\s*?$", text, re.MULTILINE | re.IGNORECASE)
    return found[1] if found else otherwise


def _plain(text: str) -> str:
    """The text with every voltage in the spelling that MNE knows."""

    def known(match: re.Match) -> str:
        return match[1] + (match[2] if match[2] in _UNITS else voltage_unit(match[2]) or match[2])

    return re.sub(r"^(Ch\d+=[^,\n]*,[^,\n]*,[^,\n]*,)([^,\r\n]+)", known, text.lstrip("\ufeff"), flags=re.MULTILINE)


def _name_codepage(text: str) -> str:
    if re.search(r"^Codepage=", text, re.MULTILINE | re.IGNORECASE):
        return re.sub(r"^Codepage=.*?(\r?)$", r"Codepage=UTF-8\1", text, count=1, flags=re.MULTILINE | re.IGNORECASE)
    return text
