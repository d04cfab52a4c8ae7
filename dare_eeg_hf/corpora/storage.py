"""How a window is stored: the columns of a row, and the way into and out of them.

A row keeps its signal as float16, little-endian, channel after channel, in one binary value; `unit`, `signal_dtype`,
`n_channels`, `channel_names` and `sampling_rate` in the same row are all that is needed to read it without this
package:

    np.frombuffer(row["signal"], row["signal_dtype"]).reshape(row["n_channels"], -1).astype("float32")

`python benchmarks/data_loading.py` compares this form with the others that were considered: it is the smallest
(119 kB for 58 channels x 1024 samples), the fastest to read into torch, and loses at most 0.05 % of each amplitude.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from datasets import ClassLabel, Features, List, Value

from dare_eeg_hf.signal_dare_eeg import MICROVOLTS

SIGNAL_DTYPE = "float16"


def window_features(label_names: Sequence[str] = ()) -> Features:
    """The columns of a data set of windows; `label` is among them only where there are label names."""
    features = {
        "signal": Value("binary"),
        "signal_dtype": Value("string"),
        "n_channels": Value("int32"),
        "channel_names": List(Value("string")),
        "sampling_rate": Value("float32"),
        "unit": Value("string"),
        "subject": Value("string"),
        "subject_source": Value("string"),
        "session": Value("string"),
        "recording": Value("string"),
        "onset": Value("float64"),
        "corpus": Value("string"),
    }
    if label_names:
        features["label"] = ClassLabel(names=list(label_names))
    return Features(features)


def encode_signal(signal: np.ndarray) -> bytes:
    """Turn amplitudes (C, T) into the bytes of the `signal` column.

    Raises:
        ValueError: if a value is not finite, or too large for float16 (65,504).
    """
    stored = torch.from_numpy(np.ascontiguousarray(signal, dtype=np.float32)).half()
    if not torch.isfinite(stored).all():
        channel = int((~torch.isfinite(stored)).any(dim=1).nonzero()[0])
        raise ValueError(
            f"channel number {channel} has values that are not finite (NaN or infinity) or beyond 65,504; "
            "leave the channel out, or check the unit"
        )
    return stored.numpy().astype("<f2", copy=False).tobytes()


def decode_signal(row: Mapping[str, Any]) -> np.ndarray:
    """Return the signal of one row, (C, T) float32, in the row's `unit`."""
    # torch converts float16 about eight times faster than NumPy does.
    return torch.from_numpy(stored_signal(row)).float().numpy()


def stored_signal(row: Mapping[str, Any]) -> np.ndarray:
    """Return the signal of one row as it is stored, (C, T) float16.

    Raises:
        ValueError: if the row was stored in another form than this version reads.
    """
    if isinstance(row["signal"], np.ndarray):
        return row["signal"]
    if row["signal_dtype"] != SIGNAL_DTYPE:
        raise ValueError(f"the row stores {row['signal_dtype']!r}; this version of dare_eeg_hf reads {SIGNAL_DTYPE!r}")
    # bytearray: torch refuses to promise that it leaves read-only memory alone.
    return np.frombuffer(bytearray(row["signal"]), dtype="<f2").reshape(row["n_channels"], -1)


def windows_table(
    signals: np.ndarray,
    *,
    channel_names: Sequence[str],
    onsets: Sequence[float],
    subject: str,
    recording: str,
    corpus: str,
    session: str = "",
    subject_source: str = "column",
    sampling_rate: float = 256.0,
    unit: str = "mV",
    labels: Sequence[str] | None = None,
    label_names: Sequence[str] = (),
) -> pa.Table:
    """Put windows (W, C, T) of one recording into a table of rows; `datasets.Dataset(table)` makes a data set of it.

    Args:
        signals: amplitudes in `unit`.
        channel_names: C names.
        onsets: W seconds since the start of the recording.
        subject: who was recorded.
        recording: which file; it also names the recording inside its corpus.
        corpus: which corpus.
        session: which session of the subject, where there are several.
        subject_source: how the subject is known, or that it is assumed; see `corpora.people`.
        sampling_rate: hertz.
        unit: `"mV"`, or another one of `MICROVOLTS`.
        labels: W names out of `label_names`; needed where there are label names.
        label_names: the classes, in the order of their integers.

    Raises:
        ValueError: on shapes that do not agree, a value that is not finite, or a label outside `label_names`.
    """
    n_windows, n_channels, _ = np.shape(signals)
    if n_channels != len(channel_names) or n_windows != len(onsets):
        raise ValueError(
            f"{recording}: signals of shape {np.shape(signals)} do not fit {len(channel_names)} channel names and "
            f"{len(onsets)} onsets"
        )
    if unit not in MICROVOLTS:
        raise ValueError(f"{recording}: unit {unit!r} is not one of {', '.join(MICROVOLTS)}")
    columns: dict[str, Any] = {
        "signal": [encode_signal(window) for window in signals],
        "signal_dtype": [SIGNAL_DTYPE] * n_windows,
        "n_channels": [n_channels] * n_windows,
        "channel_names": [list(channel_names)] * n_windows,
        "sampling_rate": [sampling_rate] * n_windows,
        "unit": [unit] * n_windows,
        "subject": [subject] * n_windows,
        "subject_source": [subject_source] * n_windows,
        "session": [session] * n_windows,
        "recording": [recording] * n_windows,
        "onset": np.asarray(onsets, dtype=np.float64),
        "corpus": [corpus] * n_windows,
    }
    if label_names:
        columns["label"] = _label_integers(labels, label_names, n_windows, recording)
    return pa.table(columns, schema=window_features(label_names).arrow_schema)


def _label_integers(
    labels: Sequence[str] | None, label_names: Sequence[str], n_windows: int, recording: str
) -> list[int]:
    if labels is None or len(labels) != n_windows:
        raise ValueError(f"{recording}: {n_windows} windows need as many labels out of {', '.join(label_names)}")
    unknown = sorted(set(labels) - set(label_names))
    if unknown:
        raise ValueError(
            f"{recording}: label {unknown[0]!r} is outside the declared classes {', '.join(label_names)}; "
            "declare it, or leave its events out"
        )
    return [list(label_names).index(label) for label in labels]
