"""Any folder of EEG recordings, or the root of a BIDS data set, as a data set of windows.

Files       everything that dare_eeg_hf reads: EDF, BDF, GDF, BrainVision, EEGLAB, FIF, CNT, EGI, Nihon Kohden,
            Persyst, and CSV, MAT, NPZ with a sidecar (see dare_eeg_hf.recordings.tables). What cannot be read is
            listed at the end.
Subjects    people: from --subject-table (columns filename and subject), --subject-pattern (its first group is the
            person), "sub-XX" in the path, or a naming scheme that all files follow (S001R01, Subject00_1, SC4001E0,
            chb01_03, ...). Otherwise each folder or file is taken as a person of its own; output and card say so.
Labels      none, or the classes of --labels, from
              the annotations:  --events T1=left T2=right (codes of a trigger channel: --events-from-channel Status)
              the file names:   --label-pattern "_(rest|task)"
              a table:          --label-table participants.tsv --label-key participant_id --label-column group
                                (the key is the subject, or the path of the recording below --source)
Windows     --window-seconds long with --overlap; around events with --tmin and --tmax.
Splits      --validation and --test are shares of the subjects; a subject's split depends on the name alone, so it
            stays where it is when others join.
Tried on    the real recordings of several makers and corpora.
"""

import argparse
import hashlib
from pathlib import Path

from dare_eeg_hf.cli.prepare import main
from dare_eeg_hf.cli.reading_arguments import add_reading_arguments, reading_options
from dare_eeg_hf.corpora.people import listed
from dare_eeg_hf.corpora.recordings_folder import RecordingsFolder
from dare_eeg_hf.corpora.windows import events_from_annotations, label_from_name, labels_from_table
from dare_eeg_hf.recordings.event_checks import match_texts, texts_with_counts
from dare_eeg_hf.recordings.side_tables import warn
from dare_eeg_hf.recordings.triggers import annotate_from_channel, codes_of_stim_channels
from dare_eeg_hf.remedies_dare_eeg import COMMAND_LINE


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
        parser.add_argument("--name", default=self.name, help="short name of the corpus (column `corpus`)")
        parser.add_argument("--license", default=self.license, help="licence, as the Hub calls it, such as cc-by-4.0")
        parser.add_argument(
            "--interpolate", nargs="+", default=[], metavar="SITE", help="fill these, or `bad` ones, from neighbours"
        )
        add_reading_arguments(parser, several=True)
        parser.add_argument("--subject-pattern", metavar="REGEX", help="its first group is the person")
        parser.add_argument("--subject-table", metavar="FILE", help=".csv or .tsv with columns filename and subject")
        parser.add_argument("--labels", nargs="+", default=[], metavar="CLASS", help="the classes, in order")
        source = parser.add_mutually_exclusive_group()
        source.add_argument("--events", nargs="+", default=[], metavar="TEXT=CLASS", help="annotations -> classes")
        source.add_argument("--label-pattern", metavar="REGEX", help="its first group is the class of the recording")
        source.add_argument("--label-table", type=Path, metavar="FILE", help=".csv or .tsv with the classes")
        parser.add_argument(
            "--events-from-channel", metavar="CHANNEL", help="trigger channel whose codes are events, such as Status"
        )
        parser.add_argument("--label-key", default="participant_id", metavar="COLUMN", help="subject or path")
        parser.add_argument("--label-column", default="label", metavar="COLUMN", help="the class")
        parser.add_argument("--window-seconds", type=float, default=self.window_seconds)
        parser.add_argument("--overlap", type=float, default=self.overlap, help="share of a window, from 0 to below 1")
        parser.add_argument("--tmin", type=float, help="seconds from the event to the start of its window")
        parser.add_argument("--tmax", type=float, help="seconds from the event to the end of its window")
        parser.add_argument("--validation", type=float, default=0.0, help="share of the subjects")
        parser.add_argument("--test", type=float, default=0.0, help="share of the subjects")

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


if __name__ == "__main__":
    raise SystemExit(main(Recordings()))
