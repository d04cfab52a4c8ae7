"""Any folder of recordings, or a BIDS root, as a corpus: no script has to be written for it."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dare_eeg_hf.corpora.corpus import EegCorpus, RecordingFile, recording_name
from dare_eeg_hf.corpora.people import People, people_of
from dare_eeg_hf.recordings.bids import participants_twice
from dare_eeg_hf.recordings.recordings import find_recordings


class RecordingsFolder(EegCorpus):
    """Whatever EEG lies in a folder; `corpora.people` tells who was recorded in each file.

    Attributes:
        subject_pattern: regular expression whose first group is the person, searched in the path inside the folder.
        subject_table: .csv or .tsv with the person of each file, as in `corpora.people.people_of_table`.
        true_unit, montage: what only the user can know, as `unit` and `montage` of `normalize_raw`.
    """

    name = "recordings"
    title = "EEG recordings"

    def __init__(self, feature_extractor=None):
        super().__init__(feature_extractor)
        self.subject_pattern: str | None = None
        self.subject_table: str | None = None
        self.true_unit, self.montage = "V", None
        self._people = People({}, "file")

    def read_as(self, options: Mapping[str, Any]) -> None:
        """Take over what only the user can know about the recordings: fields of `ReadingOptions` that are given."""
        self.rename, self.reader_options = options.get("rename", {}), options.get("reader_options", {})
        self.true_unit, self.montage = options.get("unit", "V"), options.get("montage")
        self.line_frequency = options.get("line_frequency", self.line_frequency)
        sidecar = options.get("sidecar")
        if sidecar is not None:
            described = isinstance(sidecar, Mapping)
            self.sidecar = sidecar if described else json.loads(Path(sidecar).read_text(encoding="utf-8"))

    def normalize(self, raw, recording, **options):
        """With what only the user can know about the unit and the cap."""
        return super().normalize(raw, recording, unit=self.true_unit, montage=self.montage, **options)

    def files(self, source: Path) -> Iterator[tuple[Path, str]]:
        """Everything that is an EEG recording, or is named like one.

        Raises:
            FileNotFoundError: where there is none.
        """
        paths = find_recordings(source, tables=self.sidecar is not None)
        found = {recording_name(path, source): path for path in paths if self.counts(path)}
        if not found:
            raise FileNotFoundError(f"{source} holds no EEG recordings (EDF, BDF, BrainVision, EEGLAB, FIF, ...).")
        self._people = people_of(list(found), self.subject_pattern, self.subject_table)
        return ((path, name) for name, path in found.items())

    def counts(self, path: Path) -> bool:  # noqa: ARG002 -- it is for the subclass
        """Whether what looks like a recording is one."""
        return True

    def identify(self, name: str, groups: dict[str, str]) -> dict[str, str]:  # noqa: ARG002 -- they are of a name pattern
        """Subject and session by the rules of BIDS, of the user, or of common sense."""
        session = re.search(r"(?:^|[/_])ses-([^/_]+)", name)
        return {
            "subject": self._people.of[name],
            "subject_source": self._people.source,
            "session": session[1] if session else "",
        }

    def remarks(self, recordings: Sequence[RecordingFile]) -> list[str]:
        """What was counted as a person, and any participant that BIDS lists twice."""
        if not recordings:
            return []
        first = recordings[0]
        source = first.path.parents[first.name.count("/")]
        remedy = "" if self._people.known else "; --subject-pattern tells who was recorded"
        return [self._people.statement() + remedy, *participants_twice(source)]
