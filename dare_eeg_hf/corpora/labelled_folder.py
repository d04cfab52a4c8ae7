"""A folder of one's own recordings with labels, from a table or from the annotations in the files, as a corpus."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dare_eeg_hf.corpora.corpus import WHOLE_MONTAGE, RecordingFile
from dare_eeg_hf.corpora.label_pairing import Pairing, pair_labels
from dare_eeg_hf.corpora.label_table import LabelError, LabelTable
from dare_eeg_hf.corpora.people import People, one_spelling
from dare_eeg_hf.corpora.recordings_folder import RecordingsFolder
from dare_eeg_hf.corpora.windows import Event, events_from_annotations
from dare_eeg_hf.recordings.triggers import annotate_from_channel


class LabelledFolder(RecordingsFolder):
    """Recordings in a folder and their labels, cut as the benchmark cuts its tasks (`WHOLE_MONTAGE`).

    A stretch that has a label of its own is cut from its onset on, as long as it lasts; a marker without a duration
    gives one window. Who was recorded is told by the table's column of people, else by `subject_pattern`, BIDS or the
    files' names.

    Args:
        table: from `label_table.read_label_table`.
        annotations: text of an annotation -> label, where there is no table.
        classes: the classes in order, where others than these are to be left out; by default all, in natural order.
        subject_pattern: regular expression whose first group is the person, searched in the path inside the folder.
        window_seconds, overlap: of the windows.
        reading: what only the user can know about the recordings, as in `ReadingOptions`.
        leave_out_unmatched: go on without recordings that have no label and labels that have no recording.

    Raises:
        LabelError: there is neither a table nor annotations, or a class is not among the labels.

    ```python
    corpus = LabelledFolder(read_label_table("labels.csv"))
    windows = LabelledWindows.from_corpus(corpus, corpus.recordings("recordings"))
    ```
    """

    title = "labelled EEG recordings"

    def __init__(
        self,
        table: LabelTable | None = None,
        *,
        annotations: Mapping[str, str] | None = None,
        classes: Sequence[str] = (),
        subject_pattern: str | None = None,
        window_seconds: float = 4.0,
        overlap: float = 0.0,
        reading: Mapping[str, Any] | None = None,
        leave_out_unmatched: bool = False,
        feature_extractor=None,
    ):
        super().__init__(feature_extractor)
        if (table is None) == (not annotations):
            raise LabelError("give either a table of labels or the annotations that are labels")
        if table is None and len(set(annotations.values())) < 2:
            only = next(iter(annotations.values()))
            raise LabelError(f"all annotations stand for {only}; telling classes apart takes two or more")
        if not 0 <= overlap < 1 or not window_seconds > 0:
            raise ValueError(
                f"windows of {window_seconds:g} s with an overlap of {overlap:g} cannot be cut: the length is above "
                "0, the overlap a share from 0 to below 1"
            )
        for name, value in WHOLE_MONTAGE.items():
            setattr(self, name, value)
        self.read_as(reading or {})
        self.annotations = dict(annotations or {})
        self.labels: dict[str, list] = {}
        self.subject_pattern = subject_pattern
        self.window_seconds, self.overlap = window_seconds, overlap
        self.leave_out_unmatched = leave_out_unmatched
        self.label_names = _chosen(classes, table.label_names if table else dict.fromkeys(self.annotations.values()))
        self._table = table
        self._pairing = Pairing({})

    def counts(self, path: Path) -> bool:
        """The table of labels is not a recording, wherever it lies."""
        return self._table is None or path.resolve() != self._table.path.resolve()

    def files(self, source: Path) -> Iterator[tuple[Path, str]]:
        """The recordings that have a label.

        Raises:
            LabelError: as in `pair_labels`.
        """
        found = list(super().files(source))
        if self._table is None:
            return iter(found)
        self._pairing = pair_labels(
            self._table, [name for _, name in found], self._people.of, leave_out_unmatched=self.leave_out_unmatched
        )
        rows = self._pairing.rows
        self.labels = {name: [[row.onset, row.duration, row.label] for row in own] for name, own in rows.items()}
        if "person" in self._table.columns and not self._table.of_people:
            column = f"{self._table.columns['person']} of {self._table.path.name}"
            spelling = one_spelling(row.person for own in rows.values() for row in own)
            self._people = People({name: spelling[own[0].person] for name, own in rows.items()}, "column", column)
        wanted = set(self.label_names)
        return ((path, name) for path, name in found if any(row.label in wanted for row in rows.get(name, ())))

    def people_of_labels(self, recordings: Sequence[RecordingFile]) -> dict[str, set[str]]:
        """Class -> who has it by the table, before anything is read; nothing where annotations are the labels."""
        if self._table is None:
            return {}
        rows = self._pairing.rows
        return {
            name: {each.subject for each in recordings if any(row.label == name for row in rows[each.name])}
            for name in self.label_names
        }

    def identify(self, name: str, groups: dict[str, str]) -> dict[str, str]:
        """With the session of the table."""
        known = super().identify(name, groups)
        own = self._pairing.rows.get(name)
        return {**known, "session": own[0].session} if own and own[0].session else known

    def segments(self, recording: RecordingFile):
        """With the codes of a trigger channel as annotations, where annotations are asked for."""
        for segment in super().segments(recording):
            if self.annotations:
                annotate_from_channel(segment.raw)
            yield segment

    def label(self, recording: RecordingFile) -> str | None:
        """The label of the whole recording, where it has one."""
        first = (self._pairing.rows.get(recording.name) or [None])[0]
        return first.label if first is not None and first.onset is None else None

    def events(self, raw, recording: RecordingFile) -> Sequence[Event] | None:
        """The stretches that have a label; None where the whole recording has one."""
        if self.annotations:
            found = events_from_annotations(raw, self.annotations)
        elif self.label(recording) is None:
            rows = self._pairing.rows[recording.name]
            found = [Event(row.onset, row.duration or 0.0, row.label) for row in rows]
        else:
            return None
        wanted = [event for event in found if event.label in self.label_names]
        return [Event(event.onset, event.duration or self.window_seconds, event.label) for event in wanted]

    def remarks(self, recordings: Sequence[RecordingFile]) -> list[str]:
        """Also what of the table was read differently or left out."""
        return [*super().remarks(recordings), *self._pairing.remarks]


def _chosen(classes: Sequence[str], there: Sequence[str]) -> tuple[str, ...]:
    """The classes asked for, as the labels spell them, or all."""
    spelled = {label.casefold(): label for label in there}
    for name in classes:
        if name.casefold() not in spelled:
            raise LabelError(f"no label is {name!r}; the labels are {', '.join(there)}")
    chosen = tuple(spelled[name.casefold()] for name in classes) or tuple(there)
    if classes and len(set(chosen)) < 2:
        raise LabelError(f"{chosen[0]} is one class; telling classes apart takes two or more")
    return chosen
