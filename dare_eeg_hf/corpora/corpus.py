"""What a corpus must declare so that it can be built: files, electrodes, units, events, labels, splits and terms."""

# ruff: noqa: ARG002 -- what a subclass may override has arguments for the subclass.

import argparse
import hashlib
import inspect
import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import mne
import numpy as np

from dare_eeg_hf.argument_names import refuse_misspelt_names
from dare_eeg_hf.corpora.code_version import code_version
from dare_eeg_hf.corpora.people import ASSUMED, one_spelling, statement, weakest
from dare_eeg_hf.corpora.windows import Event, Rejection, Windows, cut_windows
from dare_eeg_hf.feature_extraction_dare_eeg import DareEegFeatureExtractor
from dare_eeg_hf.recordings.event_checks import warn_of_events_outside
from dare_eeg_hf.recordings.recordings import Recording, normalize_raw, read_raw
from dare_eeg_hf.remedies_dare_eeg import PYTHON
from dare_eeg_hf.signal_dare_eeg import MICROVOLTS

WHOLE_MONTAGE = {
    "bad_channels": (),
    "interpolate": ("bad",),
    "line_frequency": "contract",
    "rejection": Rejection(None, None, None),
}
"""How recordings are cut to compare models on them: each keeps the montage of its corpus, no channel is judged, those
marked bad are interpolated, and every window that holds signal is kept."""

COMPANIONS = (".fdt", ".vmrk", ".eeg", ".json", ".mat", ".rec")


@dataclass(frozen=True)
class RecordingFile:
    """One file of a corpus.

    Attributes:
        path: where it is.
        name: its path inside the corpus, with `/`; it names the recording in the data set.
        subject: who was recorded.
        session: which of the subject's sessions, where there are several.
        run: which run of the session, where there are several.
        subject_source: how the subject is known, or that it is assumed; see `corpora.people`.
    """

    path: Path
    name: str
    subject: str
    session: str = ""
    run: str = ""
    subject_source: str = "scheme"


@dataclass
class Segment:
    """An uninterrupted stretch of a recording, not yet normalised, and its label where it has one of its own."""

    raw: mne.io.BaseRaw
    label: str | None = None
    onset: float = 0.0


def raw_from_array(
    signal: np.ndarray, channel_names: Sequence[str], sampling_rate: float, unit: str
) -> mne.io.RawArray:
    """A Raw of EEG channels out of numbers (C, T) in `unit` (`"V"`, `"mV"` or `"uV"`)."""
    info = mne.create_info(list(channel_names), sampling_rate, "eeg")
    millivolts = np.asarray(signal, dtype=np.float64) * (MICROVOLTS[unit] / MICROVOLTS["mV"])
    return mne.io.RawArray(millivolts / 1e3, info, verbose="error")


def recording_name(path: Path, source: Path) -> str:
    """The path inside the source, with `/`; bytes that are not text become `\\xff` and the like."""
    return os.fsencode(path.relative_to(source).as_posix()).decode("utf-8", "backslashreplace")


class EegCorpus:
    """Base class of the corpora in `dataset_scripts/`: a subclass fills in what is below and overrides what differs.

    Class attributes:
        name: short name, the `corpus` column.
        title: full name, for the card.
        license: identifier that the Hub knows, such as `odc-by`, or `other`.
        license_note: the terms in a sentence, where the identifier does not say it.
        citation: how to cite the corpus.
        homepage: where it lives.
        access: how to get it.
        restricted: whether its terms forbid passing it on; it is then never uploaded where others can see it.
        name_pattern: regular expression for the path inside the source folder, with the groups subject and, where
            there are any, session and run. Files that do not match are not part of the corpus.
        sidecar: as in `read_raw`, for corpora of CSV, ARFF, MAT or NPZ files.
        reader_options: as in `read_raw`, such as `{"data_format": "int32"}` for CNT files.
        electrode_names: the electrodes as the montage calls them.
        rename: name in the file -> electrode, where it cannot be guessed.
        sampling_rate: hertz of the files.
        unit: unit of the numbers in the files. (MNE turns them into volts where the format says which they are.)
        reference: the reference electrode of the recordings.
        line_frequency: mains frequency in hertz at the place of recording, or `"auto"`.
        label_names: the classes, in the order of their integers; empty for a corpus without labels.
        window_seconds, overlap: of windows that follow each other.
        tmin, tmax: seconds around the onset of an event, where there is one window per event.
        rejection: which windows are left out.
        bad_channels: as in `normalize_raw`.
        interpolate: as in `normalize_raw`. By default bad channels are filled from their neighbours, so that all
            windows of a corpus have the same montage and go into the same batches.
        physionet: `slug/version`, for a corpus that is open to all on PhysioNet.
        tried_on: what the script was tried on.
    """

    name: str
    title: str
    license: str = "other"
    license_note: str = ""
    citation: str = ""
    homepage: str = ""
    access: str = ""
    restricted: bool = False
    name_pattern: str = r"(?P<subject>[^/]+)\.[^.]+$"
    sidecar: Mapping | None = None
    reader_options: Mapping = {}
    electrode_names: Sequence[str] = ()
    rename: Mapping[str, str] = {}
    sampling_rate: float | None = None
    unit: str = "uV"
    reference: str = ""
    line_frequency: float | str = "auto"
    label_names: Sequence[str] = ()
    window_seconds: float = 4.0
    overlap: float = 0.0
    tmin: float | None = None
    tmax: float | None = None
    rejection: Rejection = Rejection()
    bad_channels: str | Sequence[str] = "detect"
    interpolate: Sequence[str] = ("bad",)
    physionet: str = ""
    tried_on: str = ""

    surface = PYTHON  # a remedy is followed in the class that declares the corpus

    def __init_subclass__(cls, **kwargs) -> None:
        super().__init_subclass__(**kwargs)
        declared = [name for name in vars(cls) if name.islower()]  # others are classes and constants of its own
        known = {*EegCorpus.__annotations__, *dir(EegCorpus)}
        refuse_misspelt_names(declared, known, f"The corpus {cls.__name__}")

    def __init__(self, feature_extractor: DareEegFeatureExtractor | None = None):
        self.feature_extractor = feature_extractor or DareEegFeatureExtractor()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the command-line options that only this corpus has."""

    def configure(self, options: argparse.Namespace) -> None:
        """Apply the options given on the command line."""

    # -- what a subclass may override ---------------------------------------------------------------------------------

    def files(self, source: Path) -> Iterator[tuple[Path, str]]:
        """All files below the source with their names in it; linked folders are followed, each one once."""
        seen = set()
        for folder, folders, names in os.walk(source, followlinks=True):
            real = os.path.realpath(folder)
            folders[:] = [] if real in seen else [name for name in folders if not name.startswith(".")]
            for name in names if real not in seen else ():
                path = Path(folder, name)
                yield path, recording_name(path, source)
            seen.add(real)

    def identify(self, name: str, groups: dict[str, str]) -> dict[str, str]:
        """Subject, session and run of a file, out of what `name_pattern` found in its name.

        Where a corpus declares no pattern of its own, each file is counted as a separate person.
        """
        return groups | ({"subject_source": "file"} if self.name_pattern == EegCorpus.name_pattern else {})

    def companions(self, recording: RecordingFile) -> list[Path]:
        """Files that may belong to a recording; when one of them changes, the recording is built again."""
        return [recording.path.with_suffix(suffix) for suffix in COMPANIONS]

    def split(self, recording: RecordingFile) -> str:
        """The split of a recording; all recordings of a subject must have the same."""
        return "train"

    def segments(self, recording: RecordingFile) -> Iterator[Segment]:
        """Read a file. Most corpora have one stretch per file; one of separate trials yields each of them."""
        yield Segment(read_raw(recording.path, self.sidecar, **self.reader_options))

    def normalize(self, raw: mne.io.BaseRaw, recording: RecordingFile, **options: Any) -> Recording:
        """Bring a stretch to the signal contract; `options` of `normalize_raw` in addition to what is declared."""
        return normalize_raw(
            raw,
            self.feature_extractor,
            interpolate=self.interpolate,
            bad_channels=self.bad_channels,
            rename=self.rename,
            line_frequency=self.line_frequency,
            file=recording.path,
            **options,
        )

    def events(self, raw: mne.io.BaseRaw, recording: RecordingFile) -> Sequence[Event] | None:
        """The events of a normalised stretch, or None to cut all of it."""
        return None

    def label(self, recording: RecordingFile) -> str | None:
        """The label of a whole recording, where it has one."""
        return None

    def expected_classes(self, recordings: Sequence[RecordingFile]) -> Sequence[str]:
        """The classes that must have windows in these recordings; it is an error if one has none."""
        return self.label_names

    def remarks(self, recordings: Sequence[RecordingFile]) -> list[str]:
        """Sentences about the recordings as a whole, shown before and after a build and in the card."""
        source = weakest({recording.subject_source for recording in recordings})
        return [statement(source)] if source in ASSUMED else []

    def wanted(self, name: str) -> bool:
        """Whether a download needs the file with this path in the project."""
        return re.search(self.name_pattern, name) is not None

    # -- what they have in common -------------------------------------------------------------------------------------

    def recordings(self, source: str | Path, subjects: Sequence[str] | None = None) -> list[RecordingFile]:
        """The recordings below a folder, sorted by name.

        Args:
            source: folder of the corpus.
            subjects: only these.

        Raises:
            FileNotFoundError: if the folder does not exist, or holds no recording (of these subjects).
        """
        source = Path(source)
        if not source.is_dir():
            raise FileNotFoundError(f"{source} is not a folder. {self.access}")
        found = [
            RecordingFile(path, name, **self.identify(name, match.groupdict(default="")))
            for path, name in self.files(source)
            if (match := re.search(self.name_pattern, name))
        ]
        spelling = one_spelling(recording.subject for recording in found)
        found = [replace(recording, subject=spelling[recording.subject]) for recording in found]
        if not found:
            raise FileNotFoundError(
                f"{source} holds no file of {self.title}: no name matches {self.name_pattern}. {self.access}"
            )
        if subjects is not None:
            unknown = sorted(set(subjects) - {recording.subject for recording in found})
            if unknown:
                raise FileNotFoundError(f"{source} holds no recordings of the subjects {', '.join(unknown)}")
            found = [recording for recording in found if recording.subject in subjects]
        self._check_splits(found)
        return sorted(found, key=lambda recording: recording.name)

    def _check_splits(self, recordings: Sequence[RecordingFile]) -> None:
        split_of: dict[str, str] = {}
        for recording in recordings:
            split = split_of.setdefault(recording.subject, self.split(recording))
            if split != self.split(recording):
                raise ValueError(
                    f"{self.name}: subject {recording.subject} would be in the splits {split} and "
                    f"{self.split(recording)}; all recordings of a subject belong to one"
                )

    def windows(self, recording: RecordingFile) -> Iterator[tuple[Windows, dict]]:
        """The windows of each stretch of a recording, and the report of how the stretch was normalised."""
        for segment in self.segments(recording):
            raw, report = self.normalize(segment.raw, recording)
            events = self.events(raw, recording)
            warn_of_events_outside(events or (), raw.times[-1], segment.raw.info["sfreq"], recording.name)
            windows = cut_windows(
                raw,
                self.window_seconds,
                self.overlap,
                events=events,
                tmin=self.tmin,
                tmax=self.tmax,
                label=segment.label or self.label(recording),
                reject=self.rejection,
            )
            windows.onsets = windows.onsets + segment.onset
            windows.texts = Counter(segment.raw.annotations.description.tolist())
            yield windows, report.to_dict()

    def settings(self) -> dict:
        """Everything declared, and the signal contract, as JSON can hold it."""
        names = [*EegCorpus.__annotations__, *(name for name in vars(self) if not name.startswith("_"))]
        declared = {name: getattr(self, name) for name in names}
        declared["rejection"] = asdict(self.rejection)
        declared["feature_extractor"] = self.feature_extractor.to_dict()
        return json.loads(json.dumps(declared, default=list, sort_keys=True))

    def fingerprint(self) -> str:
        """Changes with the settings, the code of the corpus and the code that reads, normalises and cuts recordings:
        what was built before is then built again."""
        code = [inspect.getsource(kind) for kind in type(self).__mro__ if issubclass(kind, EegCorpus)]
        text = json.dumps([self.settings(), code, code_version(type(self))], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()
