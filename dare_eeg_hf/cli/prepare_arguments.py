"""The arguments of `dare-eeg prepare` and of the scripts in `dataset_scripts/`: light, so that help is quick."""

import argparse
import os
import re
from pathlib import Path

from dare_eeg_hf.cli.reading_arguments import add_reading_arguments
from dare_eeg_hf.corpora.download import PHYSIONET

ABOUT_RECORDINGS = """\
Any folder of EEG recordings, or the root of a BIDS data set, as a data set of windows.

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
                                (the key is the subject, or the path of the recording in the folder)
Windows     --window-seconds long with --overlap; around events with --tmin and --tmax.
Splits      --validation and --test are shares of the subjects; a subject's split depends on the name alone, so it
            stays where it is when others join.
Tried on    the real recordings of several makers and corpora.
"""


def add_build_arguments(parser: argparse.ArgumentParser, *, download: bool, restricted: bool) -> None:
    """Add how a data set is built, wherever its recordings come from.

    Args:
        parser: of the command or the script.
        download: whether the corpus can be downloaded.
        restricted: whether its terms forbid passing it on.
    """
    parser.add_argument("--output", type=Path, help="folder of the data set: Parquet files and a card")
    parser.add_argument("--subjects", help="only these, by name or number: S001,S002 or 1-10,15")
    parser.add_argument(
        "--num-proc", type=_positive, default=os.cpu_count() or 1, help="processes (default: one per core)"
    )
    parser.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="share the recordings over a cluster: dask://HOST:PORT or ray://HOST:PORT (see dare_eeg_hf.cluster)",
    )
    parser.add_argument("--dry-run", action="store_true", help="list the recordings and splits, nothing else")
    parser.add_argument("--shard", type=_shard, metavar="I/N", help="only build part I of N (1/N to N/N)")
    parser.add_argument(
        "--merge",
        nargs="*",
        type=Path,
        metavar="FOLDER",
        help="join the shards built in these output folders (default: in --output)",
    )
    if download:
        parser.add_argument(
            "--download",
            nargs="?",
            const=PHYSIONET,
            metavar="URL",
            help=f"first download what is missing in the source, with checksums (default: from {PHYSIONET})",
        )
    parser.add_argument("--push-to-hub", metavar="OWNER/NAME", help="then upload the data set, as a private one")
    if not restricted:
        parser.add_argument("--public", action="store_true", help="make the uploaded data set visible to everyone")


def add_recordings_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what only the user can know about a folder of recordings: people, classes, windows, splits."""
    parser.add_argument(
        "--name", default="recordings", help="short name of the corpus, column `corpus` (default: recordings)"
    )
    parser.add_argument("--license", default="other", help="licence, as the Hub calls it, such as cc-by-4.0")
    parser.add_argument(
        "--interpolate", nargs="+", default=[], metavar="SITE", help="fill these, or `bad` ones, from neighbours"
    )
    add_reading_arguments(parser, several=True)
    people = parser.add_argument_group("people")
    people.add_argument("--subject-pattern", metavar="REGEX", help="its first group is the person")
    people.add_argument("--subject-table", metavar="FILE", help=".csv or .tsv with columns filename and subject")
    labels = parser.add_argument_group("labels")
    labels.add_argument("--labels", nargs="+", default=[], metavar="CLASS", help="the classes, in order")
    source = labels.add_mutually_exclusive_group()
    source.add_argument("--events", nargs="+", default=[], metavar="TEXT=CLASS", help="annotations -> classes")
    source.add_argument("--label-pattern", metavar="REGEX", help="its first group is the class of the recording")
    source.add_argument("--label-table", type=Path, metavar="FILE", help=".csv or .tsv with the classes")
    labels.add_argument(
        "--events-from-channel", metavar="CHANNEL", help="trigger channel whose codes are events, such as Status"
    )
    labels.add_argument("--label-key", default="participant_id", metavar="COLUMN", help="subject or path")
    labels.add_argument("--label-column", default="label", metavar="COLUMN", help="the class")
    windows = parser.add_argument_group("windows and splits")
    windows.add_argument("--window-seconds", type=float, default=4.0, help="length of a window (default: 4)")
    windows.add_argument("--overlap", type=float, default=0.0, help="share of a window, from 0 to below 1")
    windows.add_argument("--tmin", type=float, help="seconds from the event to the start of its window")
    windows.add_argument("--tmax", type=float, help="seconds from the event to the end of its window")
    windows.add_argument("--validation", type=float, default=0.0, help="share of the subjects")
    windows.add_argument("--test", type=float, default=0.0, help="share of the subjects")


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number of processes")
    return int(text)


def _shard(text: str) -> tuple[int, int]:
    numbers = re.fullmatch(r"(\d+)/(\d+)", text)
    if not numbers or not 1 <= int(numbers[1]) <= int(numbers[2]):
        raise argparse.ArgumentTypeError(f"{text} is not a shard: give I/N with I from 1 to N, such as 3/10")
    return int(numbers[1]) - 1, int(numbers[2])
