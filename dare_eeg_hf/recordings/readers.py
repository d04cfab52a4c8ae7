"""Opening an EEG file of any make as an MNE Raw."""

import contextlib
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import mne
import numpy as np

from dare_eeg_hf.recordings.bci2000 import read_bci2000
from dare_eeg_hf.recordings.bids import apply_bids_sidecars
from dare_eeg_hf.recordings.brainvision import read_brainvision
from dare_eeg_hf.recordings.edf import correct_header_texts, correct_units, gdf_dimensions, inspect_edf, plain_header
from dare_eeg_hf.recordings.edf_annotations import set_edf_annotations
from dare_eeg_hf.recordings.errors import RecordingError, RecordingWarning
from dare_eeg_hf.recordings.formats import FORMATS, detect_format, main_file
from dare_eeg_hf.recordings.persyst import read_persyst
from dare_eeg_hf.recordings.tables import TABLE_FORMATS, read_table
from dare_eeg_hf.recordings.text import decode_text
from dare_eeg_hf.recordings.timeline import boundaries
from dare_eeg_hf.recordings.xdf import read_xdf
from dare_eeg_hf.remedies_dare_eeg import Remedy


def read_raw(
    path: str | os.PathLike, sidecar: dict | str | os.PathLike | None = None, **reader_options
) -> mne.io.BaseRaw:
    """Open a recording as it is: any format MNE reads, and CSV, TSV, TXT, ARFF, MAT and NPZ tables with a sidecar.

    The content determines the format, whatever the extension says. Files of epochs become one Raw with `BAD
    boundary` and `EDGE boundary` annotations between the epochs. In a BIDS data set, `channels.tsv`, `events.tsv` and
    `eeg.json` are applied. What is odd but usable (truncated, different rates, wrong extension) is issued as a
    `RecordingWarning`.

    Args:
        path: file, or folder in the case of EGI MFF. A companion file (`.eeg`, `.vmrk`, `.fdt`, ...) stands for its
            recording.
        sidecar: names, rate and unit for a table: a dictionary, or the path of a JSON file (see `tables.py`). By
            default the JSON file of the same name, or `recordings.json` in the same folder.
        reader_options: passed to MNE's reader of the format, such as `data_format="int32"` for CNT or `preload=True`.

    Raises:
        RecordingError: with the file's name and the remedy.
    """
    path = main_file(Path(path))
    name = detect_format(path)
    with _one_kind_of_error(path, name):
        if name in TABLE_FORMATS:
            raw = read_table(path, name, sidecar, **reader_options)
        else:
            raw = _read_with_mne(path, name, reader_options)
        if isinstance(raw, mne.BaseEpochs):
            raw = epochs_to_raw(raw)
        return apply_bids_sidecars(raw, path)


def read_epochs(path: str | os.PathLike) -> mne.BaseEpochs | None:
    """Open a file of epochs (FIF, EEGLAB) as they are; None for every other file, which is `read_raw`'s.

    Raises:
        RecordingError: with the file's name and the remedy.
    """
    path = main_file(Path(path))
    name = detect_format(path)
    if name not in ("FIF", "EEGLAB"):
        return None
    with _one_kind_of_error(path, name):
        content = _read_with_mne(path, name, {})
        return content if isinstance(content, mne.BaseEpochs) else None


def read_recording(
    path: str | os.PathLike, sidecar: dict | str | os.PathLike | None = None, **reader_options
) -> mne.io.BaseRaw | mne.BaseEpochs:
    """Open a file of epochs as they are, like `read_epochs`, and every other file like `read_raw`."""
    epochs = read_epochs(path)
    return read_raw(path, sidecar, **reader_options) if epochs is None else epochs


@contextlib.contextmanager
def _one_kind_of_error(path: Path, name: str) -> Iterator[None]:
    """Readers fail on damaged files in every way there is (struct, unicode, index, memory, ...): one exception for
    all."""
    try:
        yield
    except RecordingError:
        raise
    except FileNotFoundError as error:
        raise RecordingError(f"{path}: a file that belongs to it is missing: {error}") from error
    except PermissionError as error:
        raise RecordingError(
            f"{path}: no permission to read {error.filename or 'it'}; change its mode or owner"
        ) from error
    except Exception as error:
        # MNE's CNT reader puts a traceback and a warning into its message; what counts stands between them.
        reason = str(error).rpartition("RuntimeError: ")[2].partition("WARNING:")[0]
        reason = " ".join(reason.split()).rstrip(".") or type(error).__name__
        advice, remedies = _remedy(name, path, reason)
        raise RecordingError(f"{path}: cannot be read as {name}: {reason}{advice}", *remedies) from error


def _read_with_mne(path: Path, name: str, options: dict) -> mne.io.BaseRaw | mne.BaseEpochs:
    if name not in FORMATS:
        return mne.io.read_raw(path, verbose="WARNING", **options)
    needed = FORMATS[name].needs
    if needed and find_spec(needed) is None:
        raise RecordingError(f"{path}: {name} recordings need the package {needed}: pip install {needed}")
    if name in ("EDF", "BDF"):
        return _read_edf(path, name, options)
    readers = {
        "FIF": _read_fif,
        "EEGLAB": _read_eeglab,
        "Persyst": read_persyst,
        "BrainVision": read_brainvision,
        "Nihon Kohden": _read_nihon,
        "GDF": _read_gdf,
        "XDF": read_xdf,
        "BCI2000": read_bci2000,
        "Nicolet": partial(mne.io.read_raw_nicolet, ch_type="eeg", verbose="WARNING"),
    }
    read = readers.get(name, partial(FORMATS[name].read, verbose="WARNING"))
    if path.is_dir() or path.name.lower().endswith(FORMATS[name].extensions):
        content = read(path, **options)
    else:
        content = _read_renamed(path, name, read, options)
    return content if isinstance(content, mne.BaseEpochs) else _mark_interruptions(content, name)


def _read_edf(path: Path, name: str, options: dict) -> mne.io.BaseRaw:
    """MNE's reading of the signals, with the texts and times that MNE misreads corrected."""
    header = inspect_edf(path)
    for message in header.warnings:
        warnings.warn(message, RecordingWarning, stacklevel=4)
    encoding = options.get("encoding")
    # In Latin-1 every text can be read; set_edf_annotations replaces what MNE makes of it.
    given = {**({"exclude": header.excluded} if header.excluded else {}), **options, "encoding": "latin1"}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"(Omitted|Limited) \d+ annotation")
        content = plain_header(path)
        if content is not None or not path.name.lower().endswith(FORMATS[name].extensions):
            raw = _read_renamed(path, name, FORMATS[name].read, {"verbose": "WARNING", **given}, content)
        else:
            raw = FORMATS[name].read(path, verbose="WARNING", **given)
    correct_header_texts(raw, header)
    set_edf_annotations(raw, path, header, encoding)
    return raw


def _read_renamed(
    path: Path, name: str, read: Callable, options: dict, header: bytes | None = None
) -> mne.io.BaseRaw | mne.BaseEpochs:
    """MNE insists on the right extension and on certain texts: open a file through a link with that extension, or
    through a copy with another header."""
    extensions = FORMATS[name].extensions
    if not path.name.lower().endswith(extensions):
        warnings.warn(
            f"{path.name} is a {name} file by its content, whatever its extension", RecordingWarning, stacklevel=4
        )
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder) / (path.stem + extensions[0])
        if header is None:
            link.symlink_to(path.resolve())
        else:
            shutil.copyfile(path, link)
            with link.open("r+b") as file:
                file.write(header)
        content = read(link, **{**options, "preload": True})
    if isinstance(content, mne.io.BaseRaw):
        content.filenames = [path.resolve()]
    return content


def _read_fif(path: Path, **options) -> mne.io.BaseRaw | mne.BaseEpochs:
    try:
        return mne.io.read_raw_fif(path, verbose="ERROR", **options)
    except ValueError as error:
        if "No raw data" not in str(error):
            raise
    try:
        return mne.read_epochs(path, verbose="ERROR")
    except ValueError:
        raise RecordingError(f"{path}: this FIF file holds neither raw data nor epochs") from None


def _read_eeglab(path: Path, **options) -> mne.io.BaseRaw | mne.BaseEpochs:
    # MATLAB stores two bytes per letter; unless told, scipy takes the lower one of each and decodes them as UTF-8.
    codec = {"uint16_codec": options.get("uint16_codec", "utf-16-le")}
    try:
        return mne.io.read_raw_eeglab(path, verbose="WARNING", **{**options, **codec})
    except TypeError as error:
        if "number of trials" not in str(error):
            raise
    return mne.io.read_epochs_eeglab(path, verbose="ERROR", **codec)


def _read_gdf(path: Path, **options) -> mne.io.BaseRaw:
    raw = mne.io.read_raw_gdf(path, verbose="WARNING", **options)
    if dimensions := gdf_dimensions(path):
        correct_units(raw, [dimensions[index] for index in raw._raw_extras[0]["sel"]])
    return raw


def _read_nihon(path: Path, **options) -> mne.io.BaseRaw:
    """MNE leaves out every event whose text is not UTF-8, and marks breaks half a sample early."""
    raw = mne.io.read_raw_nihon(path, verbose="WARNING", **{"encoding": "latin1", **options})
    if not len(raw.annotations):
        return raw
    onset, texts = raw.annotations.onset.copy(), [str(text) for text in raw.annotations.description]
    for index, text in enumerate(texts):
        if text in ("BAD boundary", "EDGE boundary"):
            onset[index] = np.ceil(np.round(onset[index] * raw.info["sfreq"], 3)) / raw.info["sfreq"]
        elif "encoding" not in options:
            texts[index] = decode_text(text.encode("latin1"))[0]
    annotations = mne.Annotations(onset, raw.annotations.duration, texts, orig_time=raw.annotations.orig_time)
    return raw.set_annotations(annotations, verbose="WARNING")


def _mark_interruptions(raw: mne.io.BaseRaw, name: str) -> mne.io.BaseRaw:
    """Mark the breaks that a format stores as special events, at the first sample after each break."""
    rate, events = raw.info["sfreq"], raw.annotations
    text = {"EEGLAB": "boundary", "BrainVision": "New Segment/", "GDF": "32766"}.get(name)
    if text is None:
        return raw
    texts = [str(description) for description in events.description]
    found = np.array([description.startswith(text) for description in texts], bool)
    onset, duration = events.onset - raw.first_time, events.duration.copy()
    if name == "EEGLAB":
        # A boundary lies between two samples, and its duration is that of the data that were removed there.
        found |= np.array([description == "-99" for description in texts], bool)
        onset[found] = np.ceil(np.round(onset[found] * rate, 3)) / rate
        duration[found] = 0.0
    breaks = np.unique(onset[found & (onset > 0.5 / rate)])
    if not found.any():
        return raw
    annotations = mne.Annotations(onset, duration, texts, ch_names=events.ch_names)
    if name != "EEGLAB" or "-99" in texts:
        annotations += boundaries(breaks)
    raw.set_annotations(annotations, verbose="ERROR")
    if not len(breaks):
        return raw
    times = "once" if len(breaks) == 1 else f"{len(breaks)} times"
    warnings.warn(f"the recording is interrupted {times}; the breaks are marked", RecordingWarning, stacklevel=4)
    return raw


def epochs_to_raw(epochs: mne.BaseEpochs) -> mne.io.RawArray:
    """Put epochs one after the other, each event annotated with its name and breaks annotated so that nothing runs
    across them."""
    epochs.load_data()
    data = epochs.get_data(copy=False)
    count, channels, samples = data.shape
    raw = mne.io.RawArray(data.transpose(1, 0, 2).reshape(channels, -1), epochs.info, verbose="ERROR")
    rate = epochs.info["sfreq"]
    starts = np.arange(count) * samples / rate
    names = {code: name for name, code in epochs.event_id.items()}
    events = [names.get(code, str(code)) for code in epochs.events[:, 2]]
    raw.set_annotations(mark_breaks(starts, samples / rate, events, onset=max(0.0, -epochs.tmin)))
    warnings.warn(
        f"holds {count} epochs of {samples / rate:g} s; they were put one after the other",
        RecordingWarning,
        stacklevel=4,
    )
    return raw


def mark_breaks(starts: np.ndarray, seconds: float, texts: list[str], onset: float = 0.0) -> mne.Annotations:
    """Annotations for consecutive trials: `texts` at each trial's `onset`, to its end, and a break between trials."""
    return mne.Annotations(starts + onset, seconds - onset, texts) + boundaries(starts[1:])


def _remedy(name: str, path: Path, reason: str) -> tuple[str, list[Remedy]]:
    """What a user can do about a reader's failure, as far as it is known: advice and remedies."""
    if name == "Neuroscan CNT" and "data_format" in reason:
        formats = [Remedy("reader_options", ("data_format", bits)) for bits in ("int32", "int16")]
        return ". Say how its samples are stored", formats
    if name == "EGI MFF" and (path / "categories.xml").exists():
        return (
            ". It has categories, so it holds segments or averages rather than a continuous recording; "
            "mne.read_evokeds_mff opens averages",
            [],
        )
    if name.startswith(".") or name == "unknown":
        known = ", ".join([*FORMATS, *TABLE_FORMATS])
        return f". Formats that can be read: {known}", []
    return "", []
