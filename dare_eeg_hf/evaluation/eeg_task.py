"""One task of the benchmark: from the folder of a corpus to labelled windows and their folds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from dare_eeg_hf.adaptation.euclidean_alignment import align_windows
from dare_eeg_hf.adaptation.labelled_windows import LabelledWindows
from dare_eeg_hf.corpora.corpus import WHOLE_MONTAGE, EegCorpus, RecordingFile
from dare_eeg_hf.evaluation.protocols import Fold


@dataclass(frozen=True)
class EegTask:
    """One row group of the benchmark.

    Attributes:
        name: as on the command line.
        title: as in tables.
        folders: names under the data root, of which the first that is there is read.
        label_names: the classes.
        window_seconds: length of a window.
        protocol: one sentence for the table.
        split: windows to folds.
        corpus: declares the files as the authors distribute them; None where only a prepared data set is read.
        classes: label of the corpus -> class of the task, where the task names them differently or leaves some out.
        normalized: whether the corpus' windows went through the signal contract.
        align: Euclidean alignment per session (no labels; unlabelled test windows are used).
        leave_out: the part of the corpus that this task must not touch, such as one kept for a final evaluation.
        every_folder: read all of `folders` that are there: the people of one corpus are shared out over them.
    """

    name: str
    title: str
    folders: tuple[str, ...]
    label_names: tuple[str, ...]
    window_seconds: float
    protocol: str
    split: Callable[[LabelledWindows], list[Fold]]
    corpus: type[EegCorpus] | None = None
    classes: Mapping[str, str] = field(default_factory=dict)
    normalized: bool = True
    align: bool = False
    leave_out: str | None = None
    every_folder: bool = False

    def find(self, data_root: Path | str) -> list[Path]:
        """The folders that this task's data are read from.

        Raises:
            FileNotFoundError: naming the folders that were looked for, and how to make them.
        """
        found = [folder for name in self.folders if (folder := Path(data_root) / name).is_dir()]
        if not found:
            distributed = "" if self.corpus is None else "put the corpus there as its authors distribute it, or "
            raise FileNotFoundError(
                f"task {self.name} needs one of the folders {', '.join(self.folders)} in {data_root}; {distributed}"
                f"make it with the corpus's script in dataset_scripts/ (--output {Path(data_root) / self.folders[0]})"
            )
        return found if self.every_folder else found[:1]

    def sources(self, data_root: Path | str) -> dict:
        """What the windows are made from: how they are cut, and name, size and time of change of every file."""
        seen = [
            [str(file.relative_to(folder)), file.stat().st_size, file.stat().st_mtime_ns]
            for folder in self.find(data_root)
            for file in sorted(folder.rglob("*"))
            if file.is_file()
        ]
        digest = hashlib.sha256(json.dumps(seen).encode()).hexdigest()
        cut = None if self.corpus is None else self.declared().fingerprint()
        return {"classes": list(self.label_names), "window_seconds": self.window_seconds, "cut": cut, "files": digest}

    def load(self, data_root: Path | str) -> LabelledWindows:
        """All windows of the task.

        Raises:
            FileNotFoundError: the data are not there.
            ValueError: a prepared data set has windows of another length or other classes.
        """
        found = [
            self.read_prepared(folder) if any(folder.rglob("*.parquet")) else self.read(folder)
            for folder in self.find(data_root)
        ]
        windows = LabelledWindows.concatenate(found) if len(found) > 1 else found[0]
        windows = windows.select(windows.parts != self.leave_out) if self.leave_out else windows
        return align_windows(windows) if self.align else windows

    def folds(self, windows: LabelledWindows) -> list[Fold]:
        """The task's protocol on its windows."""
        return self.split(windows)

    def read_prepared(self, folder: Path) -> LabelledWindows:
        """The windows of a prepared data set, checked against the task; errors as in `load`."""
        windows = LabelledWindows.from_folder(folder)
        seconds = windows.signals.shape[-1] / windows.sampling_rate
        if abs(seconds - self.window_seconds) > 1 / windows.sampling_rate:
            raise ValueError(f"{folder} has windows of {seconds:g} s; task {self.name} needs {self.window_seconds:g}")
        if not windows.people_known:
            raise ValueError(
                f"{folder}: {windows.people_statement}; task {self.name} needs to know who was recorded. "
                "Prepare it with the corpus's script, or with dataset_scripts/recordings.py --subject-pattern"
            )
        return self._in_classes(windows, folder)

    def read(self, folder: Path | str, window_seconds: float | None = None) -> LabelledWindows:
        """The windows of recordings named as the corpus' authors name theirs.

        Args:
            folder: holds the files.
            window_seconds: length of a window, if not the task's.

        Raises:
            FileNotFoundError: no file has such a name, or the package does not declare the corpus.
        """
        if self.corpus is None:
            raise FileNotFoundError(
                f"{folder} holds no Parquet files: task {self.name} reads a data set prepared by dataset_scripts/"
            )
        corpus = self.declared(window_seconds)
        windows = LabelledWindows.from_corpus(corpus, self.recordings(folder), normalized=self.normalized)
        return self._in_classes(windows, folder)

    def recordings(self, folder: Path | str) -> list[RecordingFile]:
        """The corpus' recordings that may have windows of the task's classes, in order of name.

        Raises:
            FileNotFoundError: there is none.
        """
        corpus, wanted = self.declared(), set(self.classes or self.label_names)
        found = [file for file in corpus.recordings(folder) if wanted.intersection(corpus.expected_classes([file]))]
        if not found:
            raise FileNotFoundError(f"{folder} holds no recording of {', '.join(sorted(wanted))}")
        return found

    def declared(self, window_seconds: float | None = None) -> EegCorpus:
        """The corpus as declared, except for what the task changes."""
        corpus = self.corpus()
        for name, value in {**WHOLE_MONTAGE, "window_seconds": window_seconds or self.window_seconds}.items():
            setattr(corpus, name, value)
        return corpus

    def _in_classes(self, windows: LabelledWindows, folder: Path | str) -> LabelledWindows:
        """The windows of the task's classes, which may have other names in the corpus."""
        if windows.label_names == self.label_names:
            return windows
        if not self.classes or not self.classes.keys() <= set(windows.label_names):
            raise ValueError(
                f"{folder} has the classes {', '.join(windows.label_names)}; task {self.name} needs "
                f"{', '.join(self.classes or self.label_names)}"
            )
        meant = {index: self.classes[name] for index, name in enumerate(windows.label_names) if name in self.classes}
        windows = windows.select(np.isin(windows.labels, list(meant)))
        labels = np.array([self.label_names.index(meant[label]) for label in windows.labels.tolist()], dtype=np.int64)
        return replace(windows, labels=labels, label_names=self.label_names)
