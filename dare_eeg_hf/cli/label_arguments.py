"""Which label each recording has, as options of a command line: `--labels`, `--annotations`, what goes with them."""

import argparse
from pathlib import Path

from dare_eeg_hf.cli.reading_arguments import add_reading_arguments, reading_options

LABELS_HELP = """\
labels, in one of three ways:
  --labels labels.csv          a table with the columns file and label and, where you have them, person, session, onset
                               and duration (seconds); commas, semicolons or tabs, as a spreadsheet writes it
  --labels participants.tsv    a table with a person in each row, as BIDS has it, and --label-column group
  --annotations T1=left T2=right
                               what is marked in the files themselves (or in the events.tsv of a BIDS data set)

people: the column person, or --subject-pattern, or BIDS names (sub-01) or another scheme that all names follow.
Otherwise each file counts as a person of its own, and results may be too good: people may be on both sides."""


def add_label_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the folder of recordings, their labels, how they are cut, and how they are read."""
    parser.add_argument("recordings", type=Path, help="folder of recordings (BIDS too), or a prepared data set")
    labels = parser.add_argument_group("labels")
    source = labels.add_mutually_exclusive_group()
    source.add_argument("--labels", type=Path, metavar="FILE", help="table of labels, .csv or .tsv")
    source.add_argument(
        "--annotations", nargs="+", type=_annotation, metavar="TEXT=LABEL", help="annotations in the files -> labels"
    )
    labels.add_argument("--file-column", metavar="COLUMN", help="of the table (default: file, filename, recording)")
    labels.add_argument("--label-column", metavar="COLUMN", help="of the table (default: label, class, group, ...)")
    labels.add_argument("--person-column", metavar="COLUMN", help="of the table (default: person, subject, ...)")
    labels.add_argument("--subject-pattern", metavar="REGEX", help="its first group, in a file's path, is the person")
    labels.add_argument("--classes", nargs="+", default=(), metavar="LABEL", help="only these, in this order")
    labels.add_argument(
        "--leave-out-unmatched",
        action="store_true",
        help="go on without recordings that have no label and labels that have no recording",
    )
    windows = parser.add_argument_group("windows")
    windows.add_argument(
        "--window-seconds", type=float, metavar="SECONDS", help="length of a window (default: as in pre-training)"
    )
    windows.add_argument(
        "--overlap",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="share of a window the next one repeats (default: 0)",
    )
    add_reading_arguments(parser, several=True)


def labelled_folder(options: argparse.Namespace, window_seconds: float):
    """The corpus that the options of `add_label_arguments` describe.

    Args:
        options: parsed.
        window_seconds: length of a window, if it is not among the options.

    Raises:
        LabelError: there are no labels, or the table cannot be read; see `corpora.label_table`.
    """
    from dare_eeg_hf.corpora.label_table import LabelError, read_label_table
    from dare_eeg_hf.corpora.labelled_folder import LabelledFolder

    if options.labels is None and not options.annotations:
        raise LabelError(
            "there are no labels: give --labels FILE.csv, a table with the columns file and label, or --annotations "
            "TEXT=LABEL, what is marked in the files"
        )
    columns = {name: getattr(options, name) for name in ("file_column", "label_column", "person_column")}
    return LabelledFolder(
        None if options.labels is None else read_label_table(options.labels, **columns),
        annotations=dict(options.annotations or ()),
        classes=options.classes,
        subject_pattern=options.subject_pattern,
        window_seconds=options.window_seconds or window_seconds,
        overlap=options.overlap,
        reading=reading_options(options),
        leave_out_unmatched=options.leave_out_unmatched,
    )


def _annotation(text: str) -> tuple[str, str]:
    """`T1=left`; a text alone is its own label."""
    name, separator, label = text.rpartition("=")
    if separator and not (name.strip() and label.strip()):
        raise argparse.ArgumentTypeError(f"{text!r} must have the form TEXT=LABEL, such as T1=left")
    return (name.strip(), label.strip()) if separator else (text.strip(), text.strip())
