"""Any EEG file to a normalised MNE Raw, with a report of everything that was done to it.

    raw, report = load_recording("S001R01.edf")
    print(report)

From the command line: `dare-eeg inspect FILE_OR_FOLDER`.
"""

import os
import sys
import tempfile
import warnings
from pathlib import Path

import mne

from dare_eeg_hf.feature_extraction_dare_eeg import DareEegFeatureExtractor
from dare_eeg_hf.recordings.bids import is_bids_root
from dare_eeg_hf.recordings.errors import RecordingError, RecordingWarning
from dare_eeg_hf.recordings.formats import detect_format, is_named_like_a_recording, main_file, recording_folder
from dare_eeg_hf.recordings.normalization import Recording, normalize_raw
from dare_eeg_hf.recordings.readers import read_raw
from dare_eeg_hf.recordings.report import RecordingReport
from dare_eeg_hf.recordings.tables import TABLE_FORMATS, find_sidecar

__all__ = [
    "Recording",
    "RecordingError",
    "RecordingReport",
    "RecordingWarning",
    "find_recordings",
    "load_recording",
    "normalize_raw",
    "read_raw",
    "save_recording",
]


def load_recording(
    path: str | os.PathLike,
    feature_extractor: DareEegFeatureExtractor | None = None,
    *,
    sidecar: dict | str | os.PathLike | None = None,
    reader_options: dict | None = None,
    **options,
) -> Recording:
    """Read and normalise one file.

    Args:
        path, sidecar, reader_options: as in `read_raw`.
        feature_extractor, options: as in `normalize_raw`.

    Raises:
        RecordingError: with the file's name and the remedy.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        raw = read_raw(path, sidecar, **(reader_options or {}))
        raw, report = normalize_raw(raw, feature_extractor, file=path, **options)
    report.warnings = list(dict.fromkeys([*(str(w.message) for w in caught), *report.warnings]))
    return Recording(raw, report)


def find_recordings(root: str | os.PathLike, tables: bool = False) -> list[Path]:
    """List the recordings under a folder, sorted by path.

    In a BIDS data set these are the `*_eeg.*` files of its subjects. Elsewhere they are all files with the extension
    of an EEG format, and tables (CSV, MAT, NPZ, ...) that have a sidecar; companions of a recording (.vmrk, .fdt, ...)
    are not listed. Links to folders are followed, each folder once, so that loops end.

    Args:
        root: a folder, or one file.
        tables: also list tables that have no sidecar of their own.

    Raises:
        RecordingError: the path does not exist or cannot be read.
    """
    root = Path(root)
    if not root.is_dir() or recording_folder(root):
        detect_format(root)
        return [root]
    bids = is_bids_root(root)
    table = tuple(extension for extensions in TABLE_FORMATS.values() for extension in extensions)
    found, seen = [], set()
    for folder, folders, files in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        recordings = [name for name in folders if recording_folder(Path(folder) / name)]
        folders[:] = sorted(name for name in folders if name not in recordings and not name.startswith("."))
        if bids and Path(folder) == root:
            folders[:] = [name for name in folders if name.startswith("sub-")]
        for name in sorted(files):
            path, lowered = Path(folder) / name, name.lower()
            if is_named_like_a_recording(path) or (lowered.endswith(table) and (tables or _is_described(path))):
                recordings.append(name)
        for name in recordings:
            path = Path(folder) / name
            if main_file(path) == path and (not bids or path.name.split(".")[0].endswith("_eeg")):
                found.append(path)
    return sorted(found)


def _is_described(path: Path) -> bool:
    return ".rd" in path.name.lower() or find_sidecar(path) is not None


def save_recording(raw: mne.io.BaseRaw, path: str | os.PathLike) -> Path:
    """Write a normalised Raw as FIF or EDF, by the extension; the file appears only when it is complete.

    FIF keeps everything in single precision. EDF has 16 bits, spread over the range of each channel.

    Raises:
        RecordingError: another extension.
    """
    path = Path(path)
    if path.suffix.lower() not in (".fif", ".edf"):
        raise RecordingError(f"{path}: can be written as .fif or .edf only")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".") as folder, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This filename .* does not conform to MNE naming conventions")
        if path.suffix.lower() == ".edf":
            mne.export.export_raw(Path(folder) / path.name, raw, add_ch_type=False, verbose="ERROR")
        else:
            raw.save(Path(folder) / path.name, verbose="ERROR")
        for part in Path(folder).iterdir():  # MNE splits FIF at 2 GB
            os.replace(part, path.parent / part.name)
    return path


if __name__ == "__main__":
    sys.exit("This command is now `dare-eeg inspect`.")
