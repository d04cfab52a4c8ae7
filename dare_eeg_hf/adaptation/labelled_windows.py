"""Labelled EEG windows of one electrode set in memory: what fine-tuning, the estimator and the benchmark work on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from dare_eeg_hf.atomic_files import replacing
from dare_eeg_hf.corpora.people import (
    are_known,
    listed,
    missing_people,
    one_spelling,
    people_of,
    source_of_rows,
    statement,
    weakest,
)
from dare_eeg_hf.progress import progress_bar

if TYPE_CHECKING:
    from dare_eeg_hf.corpora.corpus import EegCorpus, RecordingFile
    from dare_eeg_hf.corpora.windows import Windows

PER_WINDOW = ("signals", "labels", "subjects", "sessions", "recordings", "onsets", "parts")
DESCRIPTION = ("sampling_rate", "unit", "normalized", "subject_source")


@dataclass(frozen=True)
class LabelledWindows:
    """Windows of equal length and electrodes, each with a label and where it comes from.

    Attributes:
        signals: (W, C, T) float32 in `unit`.
        channel_names: C names, as the data set has them.
        sampling_rate: in Hz.
        unit: "V", "mV" or "uV".
        labels: (W,) integers from 0; index into `label_names`.
        label_names: the classes.
        subjects, sessions, recordings: (W,) strings; a session or recording is named within its subject.
        onsets: (W,) seconds from the start of the recording.
        parts: (W,) the part of the published split, such as "train"; empty where there is none.
        subject_source: how the subjects are known, or that they are assumed; see `corpora.people`.
        normalized: whether the signals already went through the signal contract (rate, unit, band, reference),
            as rows of a prepared data set did; they are then not filtered again.
        features: frozen encoder features (W, N*S, D) computed earlier, or None.
        feature_mask: (W, N) False at patches that are padding.
        features_of: fingerprint of the encoder they came from.
    """

    signals: np.ndarray
    channel_names: tuple[str, ...]
    sampling_rate: float
    unit: str
    labels: np.ndarray
    label_names: tuple[str, ...]
    subjects: np.ndarray
    sessions: np.ndarray
    recordings: np.ndarray
    onsets: np.ndarray
    parts: np.ndarray
    normalized: bool = False
    subject_source: str = "column"
    features: torch.Tensor | None = None
    feature_mask: torch.Tensor | None = None
    features_of: str | None = None

    def __post_init__(self):
        if self.signals.ndim != 3:
            raise ValueError(f"signals must be (windows, channels, samples), got shape {self.signals.shape}")
        if len(self.channel_names) != self.signals.shape[1]:
            raise ValueError(f"{len(self.channel_names)} channel names for {self.signals.shape[1]} channels")
        # Minimum and maximum need no memory of their own; both are NaN where one value is.
        if not np.isfinite([self.signals.min(initial=0), self.signals.max(initial=0)]).all():
            window, channel = np.argwhere(~np.isfinite(self.signals))[0][:2]
            raise ValueError(
                f"window {window}, channel {self.channel_names[channel]} contains NaN or infinity: "
                "drop such windows, or repair the recording first"
            )
        for name in PER_WINDOW[1:]:
            if len(getattr(self, name)) != len(self.signals):
                raise ValueError(f"{len(getattr(self, name))} {name} for {len(self.signals)} windows")

    def __len__(self) -> int:
        return len(self.signals)

    @property
    def people_known(self) -> bool:
        """Whether `subjects` are known to be people, rather than files that were taken for people."""
        return are_known(self.subject_source)

    @property
    def people_statement(self) -> str:
        """How people are told apart, in a sentence without its capital and full stop."""
        return statement(self.subject_source)

    @property
    def session_keys(self) -> np.ndarray:
        """(W,) session names that are unique over subjects."""
        return np.array([f"{s}/{k}" for s, k in zip(self.subjects, self.sessions, strict=True)])

    @property
    def recording_keys(self) -> np.ndarray:
        """(W,) recording names that are unique over subjects."""
        return np.array(
            [f"{s}/{k}/{r}" for s, k, r in zip(self.subjects, self.sessions, self.recordings, strict=True)]
        )

    def select(self, indices: Sequence[int] | np.ndarray) -> LabelledWindows:
        """The windows at these positions, or where a boolean mask is True, in order."""
        indices = np.asarray(indices)
        indices = np.flatnonzero(indices) if indices.dtype == bool else indices.astype(int)
        chosen = {name: getattr(self, name)[indices] for name in PER_WINDOW}
        if self.features is not None:
            positions = torch.from_numpy(indices)
            chosen |= {"features": self.features[positions], "feature_mask": self.feature_mask[positions]}
        return replace(self, **chosen)

    def with_signals(self, signals: np.ndarray) -> LabelledWindows:
        """The same windows with changed signals; features computed before no longer hold and are left out."""
        return replace(self, signals=np.ascontiguousarray(signals, dtype=np.float32), features=None, features_of=None)

    def with_labels(self, labels: np.ndarray) -> LabelledWindows:
        """The same windows with other labels."""
        return replace(self, labels=np.asarray(labels))

    def with_subject_pattern(self, pattern: str) -> LabelledWindows:
        """The same windows with the subjects that a regular expression's first group finds in `recordings`.

        Raises:
            ValueError: it does not match one of them.
        """
        people = people_of(sorted(set(self.recordings.tolist())), pattern)
        subjects = np.array([people.of[recording] for recording in self.recordings.tolist()])
        return replace(self, subjects=subjects, subject_source=people.source)

    def fingerprint(self) -> str:
        """A digest of the signals, their channels and rate: equal windows have equal fingerprints."""
        digest = hashlib.sha256(repr((self.channel_names, self.sampling_rate, self.unit, self.normalized)).encode())
        digest.update(repr(self.signals.shape).encode())
        digest.update(np.ascontiguousarray(self.signals).data)
        return digest.hexdigest()[:16]

    def save(self, path: Path | str) -> None:
        """Write everything but features to one .npz file, atomically; `load` reads it."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        described = {name: np.asarray(getattr(self, name)) for name in ("channel_names", "label_names", *DESCRIPTION)}
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **{name: getattr(self, name) for name in PER_WINDOW}, **described)

    @classmethod
    def load(cls, path: Path | str) -> LabelledWindows:
        """Read what `save` wrote; arrays only, nothing in the file is executed."""
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in PER_WINDOW}
            names = {name: tuple(stored[name].tolist()) for name in ("channel_names", "label_names")}
            return cls(**arrays, **names, **{name: stored[name].item() for name in DESCRIPTION if name in stored})

    @classmethod
    def from_arrays(
        cls,
        signals: np.ndarray,
        labels: Sequence | np.ndarray,
        *,
        channel_names: Sequence[str],
        sampling_rate: float,
        unit: str,
        label_names: Sequence[str] | None = None,
        subjects: Sequence[str] | None = None,
        sessions: Sequence[str] | None = None,
        recordings: Sequence[str] | None = None,
        onsets: Sequence[float] | None = None,
        parts: Sequence[str] | None = None,
        normalized: bool = False,
        subject_source: str = "column",
    ) -> LabelledWindows:
        """Windows from plain arrays; subject, session and recording default to a single unnamed one.

        Subjects that differ only in case or in surrounding blanks are one person.

        Raises:
            ValueError: some windows name a subject and others do not.
        """
        count = len(signals)
        if subjects is None:
            subject_source = "file"
        else:
            subjects = _named(subjects)

        def texts(values: Sequence[str] | None, default: str) -> np.ndarray:
            return np.full(count, default) if values is None else np.asarray(values).astype(str)

        labels = np.asarray(labels, dtype=np.int64)
        names = label_names if label_names is not None else range(int(labels.max(initial=-1)) + 1)
        return cls(
            signals=np.ascontiguousarray(signals, dtype=np.float32),
            channel_names=tuple(channel_names),
            sampling_rate=float(sampling_rate),
            unit=unit,
            labels=labels,
            label_names=tuple(str(name) for name in names),
            subjects=texts(subjects, "subject"),
            sessions=texts(sessions, "session"),
            recordings=texts(recordings, "recording"),
            onsets=np.arange(count, dtype=float) if onsets is None else np.asarray(onsets, dtype=float),
            parts=texts(parts, ""),
            normalized=normalized,
            subject_source=subject_source,
        )

    @classmethod
    def from_rows(
        cls,
        dataset: Sequence[Mapping],
        label_names: Sequence[str] | None = None,
        parts: Sequence[str] | np.ndarray | None = None,
    ) -> LabelledWindows:
        """Windows from the rows of a prepared data set (`corpora.loading.load_windows`).

        Channels that not all rows have are left out, and rows are put in one channel order. The rows are read
        twice, so that no signal but the one being read is in memory besides the result.

        Args:
            dataset: rows of the schema in `corpora.windows`, with labels.
            label_names: the classes; by default those of the data set's ClassLabel column.
            parts: of a published split, one for each row.

        Raises:
            ValueError: no rows, no labels, or rows of different rates, units or lengths.
        """
        described = [{name: value for name, value in row.items() if name != "signal"} for row in dataset]
        labelled = np.array([row.get("label") is not None and row["label"] != -1 for row in described], dtype=bool)
        rows = [row for row, kept in zip(described, labelled, strict=True) if kept]
        if not rows:
            raise ValueError("the data set has no labelled rows: fine-tuning needs a `label` in each row")
        for field in ("sampling_rate", "unit"):
            found = {row[field] for row in rows}
            if len(found) > 1:
                raise ValueError(
                    f"the rows differ in {field}: {sorted(found)}. Prepare them with one signal contract."
                )
        common = [name for name in rows[0]["channel_names"] if all(name in row["channel_names"] for row in rows)]
        if not common:
            raise ValueError("the rows have no channel in common; fine-tune on one montage at a time")
        if label_names is None:
            feature = getattr(dataset, "features", {}).get("label")
            label_names = getattr(feature, "names", None)
        return cls.from_arrays(
            _signals_of(compress(dataset, labelled), len(rows), common),
            [row["label"] for row in rows],
            channel_names=common,
            sampling_rate=rows[0]["sampling_rate"],
            unit=rows[0]["unit"],
            label_names=label_names,
            subjects=[row["subject"] for row in rows],
            subject_source=source_of_rows(
                [str(row["subject"]) for row in rows],
                [str(row["recording"]) for row in rows],
                {row.get("subject_source") for row in rows},
            ),
            sessions=[row["session"] or "" for row in rows],
            recordings=[row["recording"] for row in rows],
            onsets=[row["onset"] for row in rows],
            parts=None if parts is None else np.asarray(parts)[labelled],
            normalized=True,
        )

    @classmethod
    def from_folder(cls, folder: Path | str) -> LabelledWindows:
        """A prepared data set, with the part each row was published in kept in `parts`."""
        from datasets import concatenate_datasets

        from dare_eeg_hf.corpora.loading import load_windows, split_names

        splits = {name: load_windows(folder, split=name) for name in map(str, split_names(folder))}
        parts = np.repeat(list(splits), [len(rows) for rows in splits.values()])
        return cls.from_rows(concatenate_datasets(list(splits.values())), parts=parts)

    @classmethod
    def from_corpus(
        cls,
        corpus: EegCorpus,
        recordings: Iterable[RecordingFile],
        *,
        normalized: bool = True,
        watch: Callable[[Windows, dict], None] | None = None,
        progress: bool = True,
    ) -> LabelledWindows:
        """What a build would write of these recordings, in memory and in float32: labelled windows only.

        Args:
            corpus: declares how they are read, normalised, cut and labelled.
            recordings: of the corpus (`corpus.recordings(folder)`).
            normalized: whether the corpus brings them to the signal contract.
            watch: is shown what `corpus.windows` gives, such as what was left out and why.
            progress: show a progress bar.

        Raises:
            ValueError: no window has a label.
        """
        found = []
        names = list(corpus.label_names)
        for recording in progress_bar(recordings, desc="recordings", unit="file", leave=False, show=progress):
            for windows, report in corpus.windows(recording):
                if watch is not None:
                    watch(windows, report)
                if not windows.labels:
                    continue
                of_each = {"subjects": recording.subject, "sessions": recording.session, "recordings": recording.name}
                of_each["parts"] = corpus.split(recording)
                found.append(
                    cls.from_arrays(
                        windows.signals,
                        [names.index(label) for label in windows.labels],
                        channel_names=windows.channel_names,
                        sampling_rate=windows.sampling_rate,
                        unit="mV",
                        label_names=names,
                        onsets=windows.onsets,
                        normalized=normalized,
                        subject_source=recording.subject_source,
                        **{name: [value] * len(windows) for name, value in of_each.items()},
                    )
                )
        if not found:
            raise ValueError(f"no window of {corpus.title} has a label")
        return cls.concatenate(found)

    @classmethod
    def concatenate(cls, parts: Sequence[LabelledWindows]) -> LabelledWindows:
        """Several sets of windows as one, on the channels all of them have; rate, unit and classes must agree."""
        first = parts[0]
        for part in parts[1:]:
            for name in ("sampling_rate", "unit", "label_names", "normalized"):
                if getattr(part, name) != getattr(first, name):
                    raise ValueError(f"windows differ in {name}: {getattr(first, name)} and {getattr(part, name)}")
        common = [name for name in first.channel_names if all(name in part.channel_names for part in parts)]
        if not common:
            raise ValueError("the recordings have no channel in common")
        signals = np.empty((sum(map(len, parts)), len(common), first.signals.shape[-1]), dtype=np.float32)
        start = 0
        for part in parts:
            if part.signals.shape[-1] != signals.shape[-1]:
                lengths = sorted({each.signals.shape[-1] for each in parts})
                raise ValueError(f"windows have different lengths: {lengths} samples")
            order = [part.channel_names.index(name) for name in common]
            signals[start : start + len(part)] = part.signals[:, order]
            start += len(part)
        columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in PER_WINDOW[1:]}
        columns["subjects"] = _named(columns["subjects"].tolist())
        return replace(
            first,
            signals=signals,
            channel_names=tuple(common),
            subject_source=weakest({part.subject_source for part in parts}),
            features=None,
            features_of=None,
            **columns,
        )


def _named(subjects: Sequence) -> np.ndarray:
    """(W,) subjects as texts, each person spelled one way."""
    subjects = list(subjects)
    if missing := missing_people(subjects):
        rows = listed([str(row) for row in missing])
        raise ValueError(f"the subject of {len(missing)} of {len(subjects)} windows is missing: rows {rows}")
    texts = np.asarray(subjects).astype(str)
    spelling = one_spelling(texts.tolist())
    return np.array([spelling[name] for name in texts.tolist()])


def _signals_of(rows: Iterable[Mapping], count: int, channel_names: Sequence[str]) -> np.ndarray:
    """(W, C, T) float32 of `count` rows of a prepared data set, with these channels in this order."""
    from dare_eeg_hf.corpora.windows import decode_signal

    signals = None
    for number, row in enumerate(rows):
        signal = np.asarray(decode_signal(row))[[list(row["channel_names"]).index(name) for name in channel_names]]
        if signals is None:
            signals = np.empty((count, *signal.shape), dtype=np.float32)
        if signal.shape != signals.shape[1:]:
            lengths = sorted({signal.shape[-1], signals.shape[-1]})
            raise ValueError(f"the rows have windows of different lengths: {lengths} samples")
        signals[number] = signal
    return signals
