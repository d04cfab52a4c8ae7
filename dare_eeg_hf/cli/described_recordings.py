"""Any folder of recordings, described on the command line: what `dare-eeg prepare` builds without `--corpus`."""

# ruff: noqa: ARG002 -- what a corpus overrides has arguments that not every corpus needs.

import argparse
import hashlib

from dare_eeg_hf.cli.prepare_arguments import ABOUT_RECORDINGS, add_recordings_arguments
from dare_eeg_hf.cli.reading_arguments import reading_options
from dare_eeg_hf.corpora.people import listed
from dare_eeg_hf.corpora.recordings_folder import RecordingsFolder
from dare_eeg_hf.corpora.windows import events_from_annotations, label_from_name, labels_from_table
from dare_eeg_hf.recordings.event_checks import match_texts, texts_with_counts
from dare_eeg_hf.recordings.side_tables import warn
from dare_eeg_hf.recordings.triggers import annotate_from_channel, codes_of_stim_channels
from dare_eeg_hf.remedies_dare_eeg import COMMAND_LINE

__doc__ = ABOUT_RECORDINGS  # the help of its script, as with every corpus


class Recordings(RecordingsFolder):
    """Whatever EEG is in a folder, described on the command line."""

    license_note = "The licence is that of the recordings."
    restricted = True
    interpolate = ()
    surface = COMMAND_LINE
    tried_on = "real recordings of several makers"

    def __init__(self):
        super().__init__()
        self.label_pattern: str | None = None
        self.event_labels: dict[str, str] = {}
        self.event_channel: str | None = None
        self.label_of: dict[str, str] = {}
        self.validation, self.test = 0.0, 0.0

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Everything that the other scripts know about their corpus."""
        add_recordings_arguments(parser)

    def configure(self, options: argparse.Namespace) -> None:
        """Take over the options; a mistake in them is one clear error."""
        self.name, self.license = options.name, options.license
        self.label_names = tuple(label.strip() for label in options.labels)
        self.subject_pattern, self.subject_table = options.subject_pattern, options.subject_table
        self.label_pattern, self.event_channel = options.label_pattern, options.events_from_channel
        self.window_seconds, self.overlap = options.window_seconds, options.overlap
        self.tmin, self.tmax = options.tmin, options.tmax
        self.validation, self.test = options.validation, options.test
        if min(self.validation, self.test) < 0 or self.validation + self.test > 1:
            raise ValueError(
                f"--validation {self.validation:g} and --test {self.test:g} are shares of the people: none below 0, "
                "and 1 at most together"
            )
        self.read_as(reading_options(options))
        self.event_labels = _pairs(options.events)
        self.interpolate = tuple(options.interpolate)
        if options.label_table:
            self.label_of = labels_from_table(options.label_table, key=options.label_key, label=options.label_column)
            meant = match_texts(self.label_names, self.label_of.values())
            self.label_of = {key: meant.get(label, label) for key, label in self.label_of.items()}
        has_source = bool(self.event_labels or self.label_pattern or self.label_of)
        if has_source != bool(self.label_names):
            raise ValueError("--labels and one of --events, --label-pattern, --label-table belong together")
        if unknown := sorted({*self.event_labels.values()} - {*self.label_names}):
            raise ValueError(f"--events names {', '.join(unknown)}, which --labels does not have")
        if self.event_channel and not self.event_labels:
            raise ValueError("--events-from-channel needs --events: which code is which class, such as 1=left 2=right")

    def split(self, recording):
        """By the name of the subject, so that it never depends on the other subjects."""
        digest = hashlib.sha256(recording.subject.encode()).digest()
        place = int.from_bytes(digest[:8], "big") / 2**64
        return "test" if place < self.test else "validation" if place < self.test + self.validation else "train"

    def segments(self, recording):
        """With the codes of a trigger channel as annotations, where events are asked for."""
        for segment in super().segments(recording):
            if self.event_labels:
                annotate_from_channel(segment.raw, self.event_channel)
                _say_what_there_is(segment.raw, self.event_labels)
            yield segment

    def events(self, raw, recording):
        """The annotations that have a class."""
        return events_from_annotations(raw, self.event_labels) if self.event_labels else None

    def remarks(self, recordings):
        """Also rows of the label table that match no recording."""
        there = {name for recording in recordings for name in (recording.name, recording.subject)}
        unused = sorted(self.label_of.keys() - there)
        remark = f"the label table has rows that match no recording: {listed(unused)}"
        return [*super().remarks(recordings), *([remark] if unused else [])]

    def label(self, recording):
        """The class of the whole recording, where it has one."""
        if self.label_pattern:
            return label_from_name(recording.name, self.label_pattern)
        if self.label_of:
            label = self.label_of.get(recording.name, self.label_of.get(recording.subject))
            if label is None:
                raise ValueError(f"the label table has neither {recording.name} nor {recording.subject}")
            return label
        return None


def _say_what_there_is(raw, wanted: dict[str, str]) -> None:
    """Warn where a recording has none of the events asked for, and of channels whose codes may be them."""
    texts = set(raw.annotations.description.tolist())
    if match_texts(wanted, texts):
        return
    held = [f"has none of the events {', '.join(wanted)}"]
    held += [
        f"its channel {name} holds the codes {texts_with_counts(codes)}: --events-from-channel {name}"
        for name, codes in codes_of_stim_channels(raw).items()
        if codes and not codes.keys() <= texts
    ]
    warn("; ".join(held))


def _pairs(items: list[str]) -> dict[str, str]:
    """`["T1=left"]` -> `{"T1": "left"}`."""
    if wrong := [item for item in items if "=" not in item]:
        raise ValueError(f"{wrong[0]}: give two texts with = between them, such as T1=left")
    return dict(map(str.strip, item.rsplit("=", 1)) for item in items)
