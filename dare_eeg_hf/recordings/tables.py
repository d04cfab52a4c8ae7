"""Recordings stored as plain numbers (CSV, TSV, TXT, ARFF, MAT, NPZ), with a sidecar that says what the numbers are.

The sidecar is a dictionary, or a JSON file: `x.csv.json` or `x.json` beside `x.csv`, or `recordings.json` for all
tables of a folder. A text table needs the first two fields, an array `channel_names` as well:

    {
      "sampling_rate": 128,
      "unit": "uV",
      "channel_names": ["AF3", "F7", "F3"],
      "columns": {"AF3": "EEG.AF3"},
      "annotations": {"Marker": {"1": "house"}},
      "variable": "x_train",
      "axes": ["time", "channel", "trial"],
      "labels": {"variable": "y_train", "texts": {"0": "left", "1": "right"}},
      "header": true,
      "delimiter": ","
    }

- `sampling_rate` is in hertz; `unit` is V, mV, uV or nV.
- `channel_names` are the electrodes; MAT and NPZ need them, and so does text without a header.
- `columns` (text) gives the column of an electrode, by name or counted from 0. By default it is the column of the
  electrode's own name or, without a header, of the same place.
- `annotations` (text) gives a column, and what its values mean; a run of equal values makes one annotation.
- `variable` and `axes` (MAT, NPZ) name the array and the meaning of its axes, ["channel", "time"] by default.
- `labels` (MAT, NPZ) makes one annotation per trial.
- `header` and `delimiter` (text) are guessed unless given.
"""

import gzip
import json
import os
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mne
import numpy as np

from dare_eeg_hf.recordings.errors import RecordingError, RecordingWarning
from dare_eeg_hf.recordings.text import decode_file
from dare_eeg_hf.recordings.timeline import boundaries
from dare_eeg_hf.remedies_dare_eeg import Remedy
from dare_eeg_hf.signal_dare_eeg import MICROVOLTS, canonical_unit

if TYPE_CHECKING:
    import pandas as pd

TABLE_FORMATS: dict[str, tuple[str, ...]] = {
    "CSV": (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".txt.gz"),
    "ARFF": (".arff",),
    "MAT": (".mat",),
    "NPZ": (".npz",),
    "UCI trial": (".rd", *(f".rd.{n:03d}" for n in range(200)), *(f".rd.{n:03d}.gz" for n in range(200))),
}

_KEYS = {
    "sampling_rate",
    "unit",
    "channel_names",
    "columns",
    "annotations",
    "variable",
    "axes",
    "labels",
    "header",
    "delimiter",
}


def read_table(path: Path, name: str, sidecar: dict | str | os.PathLike | None = None) -> mne.io.RawArray:
    """Read a table as a Raw (volts), by its sidecar.

    Args:
        path: the file. `name`: a key of `TABLE_FORMATS`.
        sidecar: see the module's documentation.

    Raises:
        RecordingError: no sidecar, or one that does not fit the file.
    """
    if name == "UCI trial":
        return _read_uci_trial(path)
    description = load_sidecar(path, sidecar)
    read = {"CSV": _read_text, "ARFF": _read_arff, "MAT": _read_array, "NPZ": _read_array}[name]
    return read(path, description)


def find_sidecar(path: Path) -> Path | None:
    """Return the JSON file that describes a table, if there is one."""
    stem = path.name.lower().removesuffix(".gz")
    stem = path.name[: len(stem.rsplit(".", 1)[0])]
    for candidate in (f"{path.name}.json", f"{stem}.json", "recordings.json"):
        if (path.parent / candidate).is_file():
            return path.parent / candidate
    return None


def load_sidecar(path: Path, sidecar: dict | str | os.PathLike | None) -> dict[str, Any]:
    """Return the description of a table, checked for the entries every table needs."""
    where = find_sidecar(path) if sidecar is None else sidecar
    if where is None:
        raise RecordingError(
            f"{path}: a table of numbers needs a sidecar that names sampling_rate, unit and channel_names (see "
            f"dare_eeg_hf.recordings.tables). Put {path.name}.json beside it",
            Remedy("sidecar"),
        )
    if isinstance(where, dict):
        description, source = dict(where), "the sidecar"
    else:
        source = str(where)
        try:
            description = json.loads(decode_file(Path(where).read_bytes())[0])
        except (OSError, ValueError) as error:
            raise RecordingError(f"{path}: its sidecar {where} cannot be read: {error}") from error
    if not isinstance(description, dict):
        raise RecordingError(f"{path}: {source} must hold a JSON object")
    if unknown := sorted(set(description) - _KEYS):
        raise RecordingError(
            f"{path}: {source} has unknown entries {', '.join(unknown)}; known are {', '.join(sorted(_KEYS))}"
        )
    if missing := sorted({"sampling_rate", "unit"} - set(description)):
        raise RecordingError(f"{path}: {source} lacks {' and '.join(missing)}")
    canonical_unit(description["unit"])
    return description


def _to_raw(signal: np.ndarray, names: list[str], sidecar: dict[str, Any]) -> mne.io.RawArray:
    """(channels, samples) in the sidecar's unit to a Raw in volts."""
    info = mne.create_info(names, float(sidecar["sampling_rate"]), "eeg")
    volts = np.asarray(signal, np.float64) * (MICROVOLTS[canonical_unit(sidecar["unit"])] * 1e-6)
    return mne.io.RawArray(volts, info, verbose="ERROR")


# ---- text
# ---------------------------------------------------------------------------------------------------------------


def _read_text(path: Path, sidecar: dict[str, Any]) -> mne.io.RawArray:
    import pandas as pd

    header = sidecar.get("header", _has_header(path))
    delimiter = sidecar.get("delimiter") or _guess_delimiter(path)
    read = partial(
        pd.read_csv,
        path,
        sep=delimiter,
        decimal="," if delimiter == ";" else ".",  # with semicolons between columns, numbers often have commas
        header=0 if header else None,
        skipinitialspace=True,
        comment=None if header else "#",
    )
    encoding = _encoding(path)
    try:
        frame = read(encoding=encoding)
    except UnicodeDecodeError:
        warnings.warn(f"texts in {path.name} that are not UTF-8 were read as Latin-1", RecordingWarning, stacklevel=5)
        frame = read(encoding="latin-1")
    frame.columns = [str(column).strip() for column in frame.columns]
    return _columns_to_raw(path, frame, sidecar)


def _read_arff(path: Path, sidecar: dict[str, Any]) -> mne.io.RawArray:
    import pandas as pd

    # scipy has an ARFF reader, but it is a hundred times slower than pandas on the data part.
    names, skipped = [], 0
    with path.open(encoding="utf-8", errors="replace") as file:
        for skipped, line in enumerate(file, start=1):  # noqa: B007
            words = line.split()
            if words and words[0].lower() == "@attribute":
                names.append(words[1].strip("'\""))
            if words and words[0].lower() == "@data":
                break
    frame = pd.read_csv(
        path, skiprows=skipped, header=None, names=names, comment="%", na_values="?", skipinitialspace=True
    )
    return _columns_to_raw(path, frame, sidecar)


def _columns_to_raw(path: Path, frame: "pd.DataFrame", sidecar: dict[str, Any]) -> mne.io.RawArray:
    import pandas as pd

    columns = dict(sidecar.get("columns") or {})
    names = list(sidecar.get("channel_names") or columns)
    if not names:
        raise RecordingError(
            f"{path}: the sidecar must name the electrodes in channel_names; it has {', '.join(frame.columns)}"
        )
    numbered = list(frame.columns) == [str(i) for i in range(frame.shape[1])]
    signal = np.empty((len(names), len(frame)))
    for row, electrode in enumerate(names):
        column = columns.get(electrode, row if numbered else electrode)
        column = frame.columns[column] if isinstance(column, int) and column < frame.shape[1] else column
        if column not in frame.columns:
            raise RecordingError(
                f"{path}: has no column {column!r} for {electrode}; the columns are {', '.join(frame.columns)}"
            )
        try:
            signal[row] = pd.to_numeric(frame[column])
        except (ValueError, TypeError) as error:
            raise RecordingError(f"{path}: column {column!r} ({electrode}) does not hold numbers: {error}") from error
    raw = _to_raw(signal, names, sidecar)
    for column, texts in (sidecar.get("annotations") or {}).items():
        if column not in frame.columns:
            raise RecordingError(
                f"{path}: has no column {column!r} for annotations; it has {', '.join(frame.columns)}"
            )
        raw.set_annotations(
            raw.annotations + _annotate_runs(frame[column].to_numpy(), texts, float(sidecar["sampling_rate"]))
        )
    return raw


def _annotate_runs(values: np.ndarray, texts: dict[str, str], rate: float) -> mne.Annotations:
    """One annotation for every run of equal values that `texts` knows."""
    keys = np.array([f"{value:g}" if isinstance(value, int | float | np.number) else str(value) for value in values])
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    stops = np.append(starts[1:], len(keys))
    known = [(a, b) for a, b in zip(starts, stops, strict=True) if keys[a] in texts]
    return mne.Annotations(
        [a / rate for a, _ in known], [(b - a) / rate for a, b in known], [texts[keys[a]] for a, _ in known]
    )


def _encoding(path: Path) -> str:
    """UTF-16 where the file begins like it (as Excel's Unicode text does), UTF-8 otherwise."""
    with _opener(path)(path, "rb") as file:
        encoding = decode_file(file.read(400))[1]
    return encoding if encoding.startswith("utf-16") else "utf-8"


def _opener(path: Path) -> Callable:
    return gzip.open if path.name.lower().endswith(".gz") else open


def _first_lines(path: Path, count: int = 2) -> list[str]:
    with _opener(path)(path, "rt", encoding=_encoding(path), errors="replace") as file:
        return [line for _, line in zip(range(count), file, strict=False)]


def _guess_delimiter(path: Path) -> str:
    line = (_first_lines(path) or [""])[0]
    best = max(",;\t", key=line.count)
    return best if best in line else r"\s+"


def _has_header(path: Path) -> bool:
    """A header line has a field that is not a number."""
    line = (_first_lines(path) or [""])[0].strip()
    fields = [field.strip(" \"'") for field in line.replace(";", ",").replace("\t", ",").split(",")]
    fields = fields if len(fields) > 1 else line.split()
    try:
        [float(field) for field in fields if field]
    except ValueError:
        return True
    return False


# ---- arrays
# -------------------------------------------------------------------------------------------------------------


def _read_array(path: Path, sidecar: dict[str, Any]) -> mne.io.RawArray:
    arrays = _load_arrays(path)
    name = sidecar.get("variable") or next((key for key, value in arrays.items() if np.ndim(value) >= 2), None)
    if name not in arrays:
        raise RecordingError(f"{path}: has no variable {name!r}; it holds {', '.join(arrays) or 'nothing'}")
    array, axes = np.asarray(arrays[name]), list(sidecar.get("axes") or ["channel", "time"])
    if array.ndim != len(axes) or not {"channel", "time"} <= set(axes) <= {"channel", "time", "trial"}:
        raise RecordingError(f"{path}: {name} has shape {array.shape}, which does not fit axes={axes}")
    names = sidecar.get("channel_names")
    if not names:
        raise RecordingError(
            f"{path}: the sidecar must name the {array.shape[axes.index('channel')]} electrodes in channel_names"
        )
    if len(names) != array.shape[axes.index("channel")]:
        raise RecordingError(
            f"{path}: {len(names)} channel_names for {array.shape[axes.index('channel')]} channels (axes={axes})"
        )
    if "trial" not in axes:
        return _to_raw(array.transpose(axes.index("channel"), axes.index("time")), names, sidecar)
    array = array.transpose(axes.index("channel"), axes.index("trial"), axes.index("time"))
    _, trials, samples = array.shape
    raw = _to_raw(array.reshape(len(names), -1), names, sidecar)
    rate = float(sidecar["sampling_rate"])
    texts = _trial_texts(path, arrays, sidecar, trials)
    starts = np.arange(trials) * samples / rate
    return raw.set_annotations(mne.Annotations(starts, samples / rate, texts) + boundaries(starts[1:]))


def _trial_texts(path: Path, arrays: dict[str, Any], sidecar: dict[str, Any], trials: int) -> list[str]:
    labels = sidecar.get("labels")
    if not labels:
        return ["trial"] * trials
    variable = labels.get("variable")
    if variable not in arrays:
        raise RecordingError(f"{path}: has no variable {variable!r} for labels; it holds {', '.join(arrays)}")
    values = np.ravel(arrays[variable])
    if len(values) != trials:
        raise RecordingError(f"{path}: {len(values)} labels in {variable} for {trials} trials")
    texts = labels.get("texts") or {}
    return [
        texts.get(f"{value:g}" if isinstance(value, np.number | int | float) else str(value), str(value))
        for value in values
    ]


def _load_arrays(path: Path) -> dict[str, Any]:
    if path.suffix.lower() == ".npz":
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in file.files}
    from pymatreader import read_mat

    return {key: value for key, value in read_mat(path).items() if not key.startswith("__")}


# ---- UCI EEG Database
# ---------------------------------------------------------------------------------------------------


def _read_uci_trial(path: Path) -> mne.io.RawArray:
    """One trial of the UCI EEG Database: lines `trial channel sample microvolts` under a header that gives rate, unit
    and condition."""
    import pandas as pd

    header = [line[1:].strip() for line in _first_lines(path, 5) if line.startswith("#")]
    frame = pd.read_csv(path, sep=" ", comment="#", header=None, names=["trial", "channel", "sample", "value"])
    names = frame["channel"].unique().tolist()
    if not names or len(frame) % len(names):
        raise RecordingError(f"{path}: its channels do not have the same number of samples: the file is truncated")
    signal = frame["value"].to_numpy(float).reshape(len(names), -1)
    # '3.906000 msecs' is 1000 / 256, rounded.
    milliseconds = next((float(line.split()[0]) for line in header if "msecs" in line), 3.906)
    raw = _to_raw(signal, names, {"sampling_rate": round(1000 / milliseconds), "unit": "uV"})
    condition = next(
        (line.split(",")[0].strip() for line in header if line.startswith("S1") or line.startswith("S2")), "trial"
    )
    return raw.set_annotations(mne.Annotations(0.0, raw.n_times / raw.info["sfreq"], condition))
