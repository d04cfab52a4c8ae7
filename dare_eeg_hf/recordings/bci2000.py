"""BCI2000 recordings: MNE's reading, with the names and the gains that MNE leaves out."""

import re
from pathlib import Path
from urllib.parse import unquote

import mne
import numpy as np

from dare_eeg_hf.recordings.text import decode_file


def read_bci2000(path: Path, preload: bool = True) -> mne.io.BaseRaw:  # noqa: ARG001 -- MNE can only preload
    """Read a BCI2000 file (.dat) in volts.

    The parameters SourceChGain and SourceChOffset turn its numbers into microvolts; ChannelNames are its electrodes.

    Args:
        path: the file.
        preload: always true, because MNE reads these files as a whole.

    Raises:
        ValueError: there is not one gain for each channel, or MNE is older than its reader.
    """
    if not hasattr(mne.io, "read_raw_bci2k"):
        raise ValueError(f"MNE {mne.__version__} is too old for it: pip install -U mne")
    raw = mne.io.read_raw_bci2k(path, preload=True, verbose="WARNING")
    header = _header(path)
    eeg = mne.pick_types(raw.info, eeg=True)
    gain, offset = (np.array(_list(header, f"SourceCh{name}"), dtype=float) for name in ("Gain", "Offset"))
    if len(gain) != len(eeg) or len(offset) not in (0, len(eeg)):
        raise ValueError(f"its parameter SourceChGain has {len(gain)} values for {len(eeg)} channels")
    offset = offset if len(offset) else np.zeros(len(eeg))
    raw._data[eeg] = (raw._data[eeg] - offset[:, None]) * gain[:, None] * 1e-6
    names = [unquote(name) for name in _list(header, "ChannelNames")]
    if len(set(names)) == len(eeg):
        raw.rename_channels(dict(zip([raw.ch_names[index] for index in eeg], names, strict=True)))
    return raw


def _header(path: Path) -> str:
    with path.open("rb") as file:
        length = int(re.search(rb"HeaderLen=\s*(\d+)", file.readline())[1])
        file.seek(0)
        return decode_file(file.read(length))[0]


def _list(header: str, name: str) -> list[str]:
    """The values of a list parameter, `Name= COUNT VALUE VALUE ... DEFAULT LOW HIGH // comment`; units are cut off."""
    line = re.search(rf"\b{name}=[ \t]*(\d+)[ \t]+([^\r\n]*)", header)
    values = line[2].partition("//")[0].split()[: int(line[1])] if line else []
    return [re.sub(r"^([-+\d.eE]+)(?:muV|uV)$", r"\1", value) for value in values]
