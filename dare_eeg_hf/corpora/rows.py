"""Random access to windows: straight from the Arrow buffers of a data set, without a copy and without Python lists."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from datasets import Dataset, IterableDataset

from dare_eeg_hf.corpora.storage import SIGNAL_DTYPE, window_features

Row = dict[str, Any]


@dataclass(frozen=True)
class WindowKind:
    """Windows that are alike: `count` of them, the first of which is row number `first`.

    Attributes:
        channel_names: C names. signal_bytes: of each signal. sampling_rate: in Hz.
    """

    channel_names: tuple[str, ...]
    signal_bytes: int
    sampling_rate: float
    count: int
    first: int

    @property
    def samples(self) -> float:
        """Samples of each channel; a whole number, unless the signals are damaged."""
        return self.signal_bytes / np.dtype(SIGNAL_DTYPE).itemsize / len(self.channel_names)


class TableRows:
    """The rows of one Arrow table of windows; `rows[i]` costs a few microseconds.

    Attributes:
        montages: the different lists of channel names in the table.
        montage_numbers: (W,) which of them each row has.
        signal_bytes: (W,) how many bytes each signal has.
        sampling_rates: (W,) in Hz.
    """

    def __init__(self, table: pa.Table):
        check_columns(table.column_names)
        chunks = table.column("signal").chunks
        self._starts = np.cumsum([0, *map(len, chunks)]).tolist()
        self._buffers = [_offsets_and_bytes(chunk) for chunk in chunks]
        self.signal_bytes = np.concatenate(
            [np.zeros(0, np.int64), *(np.diff(offsets) for offsets, _ in self._buffers)]
        )
        self.montages, self.montage_numbers = _distinct_montages(table.column("channel_names"))
        self.sampling_rates = table.column("sampling_rate").to_numpy()
        units = table.column("unit").combine_chunks().dictionary_encode()
        self._unit_names, self._unit_numbers = units.dictionary.to_pylist(), units.indices.to_numpy()
        self._labels = table.column("label").fill_null(-1).to_numpy() if "label" in table.column_names else None
        stored = table.column("signal_dtype").unique().to_pylist()
        if stored not in ([SIGNAL_DTYPE], []):
            raise ValueError(f"the rows store {stored}; this version of dare_eeg_hf reads {SIGNAL_DTYPE!r}")

    def __len__(self) -> int:
        return self._starts[-1]

    def __getitem__(self, number: int) -> Row:
        """Return one row: `signal` is a float16 view (C, T), `channel_names` a tuple that equal montages share."""
        chunk = bisect_right(self._starts, number) - 1
        offsets, data = self._buffers[chunk]
        place = number - self._starts[chunk]
        names = self.montages[self.montage_numbers[number]]
        label = -1 if self._labels is None else int(self._labels[number])
        return {
            "signal": data[offsets[place] : offsets[place + 1]].view("<f2").reshape(len(names), -1),
            "signal_dtype": SIGNAL_DTYPE,
            "n_channels": len(names),
            "channel_names": names,
            "sampling_rate": float(self.sampling_rates[number]),
            "unit": self._unit_names[self._unit_numbers[number]],
            "label": None if label < 0 else label,
        }


class WindowRows(torch.utils.data.Dataset):
    """Rows of several data sets after each other, for a `DataLoader` that asks for whole batches.

    Where the data sets have different classes, the rows have no label: one integer would mean different things.

    Args:
        datasets: map-style data sets of windows; selections and shuffles of them are followed.
    """

    def __init__(self, datasets: Sequence[Dataset]):
        self.datasets = list(datasets)
        self._prepare()

    def _prepare(self) -> None:
        # `data` is the whole table below a data set, `_indices` the rows of it that a selection or shuffle kept.
        self._tables = [TableRows(dataset.data.table) for dataset in self.datasets]
        self._selected = [
            None if dataset._indices is None else dataset._indices.column(0).to_numpy() for dataset in self.datasets
        ]
        self._starts = np.cumsum([0, *map(len, self.datasets)]).tolist()
        self._labelled = same_labels(self.datasets)

    def __getstate__(self) -> dict:
        # Views of memory-mapped files would be pickled as copies of their content: a spawned worker opens them again.
        return {"datasets": self.datasets}

    def __setstate__(self, state: dict) -> None:
        self.datasets = state["datasets"]
        self._prepare()

    def __len__(self) -> int:
        return self._starts[-1]

    def __getitem__(self, number: int) -> Row:
        corpus = bisect_right(self._starts, number) - 1
        number -= self._starts[corpus]
        selected = self._selected[corpus]
        row = self._tables[corpus][number if selected is None else selected[number]]
        return row if self._labelled else row | {"label": None}

    def __getitems__(self, numbers: Sequence[int]) -> list[Row]:
        return [self[number] for number in numbers]

    def layouts(self) -> np.ndarray:
        """Return a number (W,) per row, the same for rows with the same montage, length and sampling rate."""
        return np.unique(self._keys()[0], axis=0, return_inverse=True)[1].reshape(-1)

    def kinds(self) -> list[WindowKind]:
        """The different montages, lengths and rates of the rows as they first come, without reading a signal."""
        keys, montages = self._keys()
        distinct, first, counts = np.unique(keys, axis=0, return_index=True, return_counts=True)
        kinds = []
        for place in np.argsort(first):
            number, signal_bytes, rate = distinct[place].tolist()
            names = montages[int(number)]
            kinds.append(WindowKind(names, int(signal_bytes), rate, int(counts[place]), int(first[place])))
        return kinds

    def _keys(self) -> tuple[np.ndarray, list[tuple[str, ...]]]:
        """Number of the montage, bytes of the signal and rate (W, 3) of each row; and the montages."""
        known: dict[tuple[str, ...], int] = {}
        keys = [np.zeros((0, 3))]
        for table, selected in zip(self._tables, self._selected, strict=True):
            numbers = np.array([known.setdefault(montage, len(known)) for montage in table.montages], dtype=np.int64)
            key = np.stack([numbers[table.montage_numbers], table.signal_bytes, table.sampling_rates], axis=1)
            keys.append(key if selected is None else key[selected])
        return np.concatenate(keys), list(known)

    def durations(self) -> np.ndarray:
        """Return the length (W,) of each row in seconds, without reading a signal."""
        seconds = [np.zeros(0)]
        for table, selected in zip(self._tables, self._selected, strict=True):
            channels = np.array([len(montage) for montage in table.montages], dtype=np.int64)
            samples = table.signal_bytes / np.dtype(SIGNAL_DTYPE).itemsize / channels[table.montage_numbers]
            duration = samples / table.sampling_rates
            seconds.append(duration if selected is None else duration[selected])
        return np.concatenate(seconds)


def check_columns(column_names: Sequence[str]) -> None:
    """Raise a ValueError if the columns are not those of a data set of windows."""
    needed = [name for name in window_features() if name != "subject_source"]  # which older data sets lack
    missing = [name for name in needed if name not in column_names]
    if missing:
        raise ValueError(
            f"this is not a data set of EEG windows: the columns {', '.join(missing)} are missing; "
            "build one with a script of dataset_scripts/, or with dare_eeg_hf.corpora.storage.windows_table"
        )


def same_labels(datasets: Sequence[Dataset | IterableDataset]) -> bool:
    """Whether a label's integer means the same class in all data sets."""
    return len({str((dataset.features or {}).get("label")) for dataset in datasets}) == 1


def _offsets_and_bytes(chunk: pa.BinaryArray) -> tuple[np.ndarray, np.ndarray]:
    """Views of the offsets (W + 1,) and of the bytes of one chunk of binary values."""
    _, offsets, data = chunk.buffers()
    width = np.int64 if pa.types.is_large_binary(chunk.type) else np.int32
    views = np.frombuffer(offsets, dtype=width)[chunk.offset : chunk.offset + len(chunk) + 1]
    return views, np.frombuffer(data if data is not None else b"", dtype=np.uint8)


def _distinct_montages(column: pa.ChunkedArray) -> tuple[list[tuple[str, ...]], np.ndarray]:
    """The different lists of names, and for each row which of them it has."""
    known: dict[str, int] = {}
    numbers = [np.zeros(0, np.int64)]
    for chunk in column.chunks:
        joined = pc.binary_join(chunk, "\n").dictionary_encode()
        translation = np.array([known.setdefault(names, len(known)) for names in joined.dictionary.to_pylist()])
        numbers.append(translation[joined.indices.to_numpy()])
    return [tuple(names.split("\n")) for names in known], np.concatenate(numbers)
