"""The features of many recordings in one table, a window in each row, with its file, person and label where known.

The table is put together from files that hold the features of one recording each (`predictions.save_features`), one
at a time: a thousand recordings need no more memory than one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from dare_eeg_hf.atomic_files import replacing
from dare_eeg_hf.corpora.label_table import LabelRow

FORMATS = (".parquet", ".csv")
ROWS_AT_ONCE = 4096

CENTERING = (
    "From each feature of a person their mean over all usable windows of theirs in this run is subtracted. That takes "
    "away what differs between people, and with it everything a person's recordings have in common. It is sound only "
    "where all windows of a person are there and hold about the same mixture of states for everyone: where one person "
    "was recorded in one state only, or much longer in it than others, the state is subtracted with the person."
)


@dataclass(frozen=True)
class EncodedRecording:
    """The features of a recording and what is known about it.

    Attributes:
        features: the .npz file.
        file: name of the recording.
        person: who was recorded, None where that is not known.
        labels: what has a label: the whole recording, or stretches of it.
    """

    features: Path
    file: str
    person: str | None = None
    labels: tuple[LabelRow, ...] = ()


class FeatureRows:
    """The rows of several recordings, read one recording at a time.

    Args:
        recordings: in the order of the table.
        center: subtract each person's mean; see `CENTERING`.

    Attributes:
        width: features of a window.
        windows_of: with `center`, person -> usable windows.
        one_label: with `center`, the people all of whose windows have the same label, if there are several.

    Raises:
        ValueError: there is no recording, features were not pooled or are of different widths; or, with `center`, a
            person is not known, or most people have windows of one label only.
    """

    def __init__(self, recordings: Sequence[EncodedRecording], center: bool = False) -> None:
        if not recordings:
            raise ValueError("there are no features to put into a table")
        self.recordings = list(recordings)
        self.width, self.has_trials = self._look()
        self.windows_of: Counter[str] = Counter()
        self.one_label: list[str] = []
        self.centers: dict[str, np.ndarray] = self._centers() if center else {}

    def __iter__(self) -> Iterator[pd.DataFrame]:
        """Yield the rows of each recording: `file`, `person`, `label`, `onset`, `duration`, `partial`, `usable`,
        `reason` and `f_0` ... .
        """
        for recording in self.recordings:
            stored = _read(recording)
            features = stored["features"]
            if self.centers:
                features = features - self.centers[recording.person]
            known = {
                "file": recording.file,
                "person": recording.person,
                "label": window_labels(stored["onset"], stored["duration"], recording.labels),
                **{name: stored[name] for name in ("onset", "duration", "partial", "usable", "reason")},
            }
            if self.has_trials:  # continuous recordings beside them have no number
                known["trial"] = pd.array(stored["trial"] if "trial" in stored else [pd.NA] * len(features), "Int64")
            columns = [f"f_{index}" for index in range(self.width)]
            rows = pd.DataFrame(known, index=range(len(features)))
            yield pd.concat([rows, pd.DataFrame(features.astype(np.float32), columns=columns)], axis=1)

    def _look(self) -> tuple[int, bool]:
        """The width of all features, and whether there are trials."""
        widths: dict[tuple[int, ...], str] = {}
        has_trials = False
        for recording in self.recordings:
            with np.load(recording.features, allow_pickle=False) as stored:
                widths.setdefault(_shape(stored)[1:], recording.file)
                has_trials |= "trial" in stored
        if len(widths) > 1 or len(next(iter(widths))) != 1:
            told = " and ".join(f"{file} has features of shape {shape}" for shape, file in list(widths.items())[:2])
            raise ValueError(f"a table takes one vector of the same width for each window, but {told}")
        return next(iter(widths))[0], has_trials

    def _centers(self) -> dict[str, np.ndarray]:
        """Mean over the usable windows of each person, who is not taken for granted."""
        sums: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(self.width))
        classes: dict[str, set[str]] = defaultdict(set)
        for recording in self.recordings:
            if recording.person is None:
                raise ValueError(f"centering by person takes the person of each recording; {recording.file} has none")
            stored = _read(recording)
            usable = stored["usable"]
            sums[recording.person] += stored["features"][usable].sum(axis=0, dtype=np.float64)
            self.windows_of[recording.person] += int(usable.sum())
            labels = window_labels(stored["onset"], stored["duration"], recording.labels)
            classes[recording.person] |= set(labels[usable]) - {None}
        self._refuse_one_label(classes)
        return {who: (sums[who] / max(1, count)).astype(np.float32) for who, count in self.windows_of.items()}

    def _refuse_one_label(self, classes: Mapping[str, set[str]]) -> None:
        if len(set().union(*classes.values())) > 1:
            self.one_label = sorted(who for who, own in classes.items() if len(own) == 1)
        if 2 * len(self.one_label) > len(classes):
            raise ValueError(
                f"{len(self.one_label)} of {len(classes)} people have windows of one label only "
                f"({', '.join(self.one_label[:5])}): subtracting their mean would take the label away with the "
                "person, so leave centering out"
            )


def window_labels(onsets: np.ndarray, durations: np.ndarray, rows: Sequence[LabelRow]) -> np.ndarray:
    """Label (W,) of each window, None where it has none.

    A window has the label of a stretch that it lies in wholly, or of a marker without a duration that lies in it.
    Windows whose onset is not known have the label of the whole recording only.
    """
    labels = np.full(len(onsets), None, object)
    for row in rows:
        if row.onset is None:
            labels[:] = row.label
            continue
        begin, end = onsets + 1e-6, onsets + durations - 1e-6
        if row.duration:
            inside = (begin >= row.onset) & (end <= row.onset + row.duration)
        else:
            inside = (onsets <= row.onset) & (row.onset < end)
        labels[inside] = row.label
    return labels


def write_feature_table(rows: Iterable[pd.DataFrame], path: str | Path) -> int:
    """Write rows as Parquet or CSV, whole or not at all; the suffix of `path` chooses. Returns how many there are.

    Raises:
        ValueError: the suffix is neither.
    """
    path = Path(path)
    check_table_name(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with replacing(path) as unfinished, ExitStack() as files:
        writer: Any = None
        for table in _in_portions(rows):
            if path.suffix == ".csv":
                table.to_csv(unfinished, mode="a", header=count == 0, index=False)
            else:
                arrow = pa.Table.from_pandas(table, _schema(table), preserve_index=False)
                if writer is None:
                    writer = files.enter_context(pq.ParquetWriter(unfinished, arrow.schema))
                writer.write_table(arrow)
            count += len(table)
    return count


def check_table_name(path: Path) -> None:
    """Refuse a table that is neither Parquet nor CSV."""
    if path.suffix.lower() not in FORMATS:
        raise ValueError(f"{path} must end in {' or '.join(FORMATS)}")


def sampled_rows(rows: FeatureRows, most: int) -> pd.DataFrame:
    """At most so many usable rows, evenly spread over all."""
    counts = []
    for recording in rows.recordings:
        with np.load(recording.features, allow_pickle=False) as stored:
            counts.append(int(stored["usable"].sum()))
    total = sum(counts)
    chosen = np.unique(np.linspace(0, total - 1, min(most, total)).round().astype(int)) if total else np.array([], int)
    picked, first = [], 0
    for table, count in zip(rows, counts, strict=True):
        own = chosen[(chosen >= first) & (chosen < first + count)] - first
        picked.append(table[table["usable"].to_numpy()].iloc[own])
        first += count
    return pd.concat(picked, ignore_index=True)


def _read(recording: EncodedRecording) -> dict[str, np.ndarray]:
    with np.load(recording.features, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files if name not in ("channel_names", "channel_mask")}


def _shape(stored: Any) -> tuple[int, ...]:
    """Shape of the features, from the header alone."""
    with stored.zip.open("features.npy") as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        return read(file)[0]


def _in_portions(rows: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """Join small tables: a Parquet file of many small groups of rows is slow to read."""
    waiting: list[pd.DataFrame] = []
    for table in rows:
        waiting.append(table)
        if sum(map(len, waiting)) >= ROWS_AT_ONCE:
            yield pd.concat(waiting, ignore_index=True)
            waiting = []
    if waiting:
        yield pd.concat(waiting, ignore_index=True)


def _schema(table: pd.DataFrame) -> pa.Schema:
    """The same for every portion, also where one holds no person or label at all."""
    kinds = {"file": pa.string(), "person": pa.string(), "label": pa.string(), "reason": pa.string()}
    kinds |= {"onset": pa.float64(), "duration": pa.float64(), "partial": pa.bool_(), "usable": pa.bool_()}
    kinds |= {"trial": pa.int64()}
    return pa.schema([(name, kinds.get(name, pa.float32())) for name in table.columns])
