"""`dare-eeg predict`: label recordings window by window."""

import argparse
import csv
import json
import sys
import warnings
from pathlib import Path
from typing import Any

from dare_eeg_hf.cli.each_recording import for_each_recording, recordings_given
from dare_eeg_hf.cli.failures import say
from dare_eeg_hf.cli.model_results import add_model_arguments, is_done, load_model, maker_of, name_of_model, tell
from dare_eeg_hf.cli.prediction_summary import PredictionSummary
from dare_eeg_hf.cli.provenance import read_result_report, write_result_report
from dare_eeg_hf.cli.reading_arguments import reading_options
from dare_eeg_hf.predictions import flatten_prediction, read_predictions, save_annotations, save_predictions

DESCRIPTION = (
    "Label recordings with a fine-tuned model, window by window. Without --output the table goes to the standard\n"
    "output as CSV. With it, each recording gets a table of its own and a report of its channels: which were used,\n"
    "renamed, dropped or bad, and which electrodes of the model are missing. Several recordings end with a\n"
    "summary.csv: the share of time in each class, file by file.\n"
    "\n"
    "Times are seconds from the beginning of the recording. A window in which the recording ends is padded and\n"
    "marked partial; it is answered all the same, so that the table covers the recording (--drop-partial leaves it\n"
    "out). One without signal, or across a break in time, is not usable: it has a reason and no label.\n"
    "Results are for research, not diagnoses."
)
EXAMPLES = (
    "  dare-eeg predict my-org/eyes-closed S001R01.edf > S001R01.csv\n"
    "  dare-eeg predict runs/eyes recordings/ --output results/\n"
    "  dare-eeg predict runs/eyes recordings/ --output results/ --html --importance\n"
    "  dare-eeg predict runs/eyes night.edf --overlap 0.5 --format json --annotations --output results/\n"
    "which puts the labels beside the recording's own annotations in MNE:\n"
    '  raw.set_annotations(raw.annotations + mne.read_annotations("results/night-annot.fif"))'
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="write one table per recording into a folder")
    parser.add_argument("--format", choices=("csv", "json"), default="csv", help="of the tables (default: csv)")
    parser.add_argument(
        "--annotations",
        action="store_true",
        help="also write onset, duration and label, with equal windows joined: NAME_annotations.csv for spreadsheets "
        "and NAME-annot.fif for MNE",
    )
    parser.add_argument(
        "--drop-partial", action="store_true", help="leave out windows in which the recording ends, which are padded"
    )
    parser.add_argument("--figures", action="store_true", help="also draw the probabilities along time")
    parser.add_argument(
        "--html",
        "--page",
        action="store_true",
        help="also write a page: classes along time, traces of the surest windows, gaps, channels",
    )
    parser.add_argument(
        "--importance",
        action="store_true",
        help="also tell which electrodes the answers rest on: each of them is left out in turn, which takes time",
    )
    add_model_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Label every recording; returns the exit status."""
    wants_files = [name for name in ("annotations", "figures", "html", "importance") if getattr(options, name)]
    if options.output is None and wants_files:
        raise ValueError(f"--{wants_files[0]} needs --output: a folder to write to.")
    recordings = recordings_given(options.recordings, options.output, tables=options.sidecar is not None)
    settings = {"overlap": options.overlap, "drop_partial": options.drop_partial, **reading_options(options)}
    classify = load_model(options, "eeg-classification")
    maker = options.output and maker_of(options, settings)
    summary = PredictionSummary(list(classify.model.config.id2label.values()))
    printed = _Printer(options.format, several=len(recordings) > 1)

    def predict(path: Path, relative: Path) -> None:
        if options.output is None:
            predictions = classify(path, batch_size=options.batch_size, **settings)
            tell(path, predictions.report)
            printed(path, predictions)
            summary.add(path, predictions, predictions.report)
            return
        files = _ResultFiles((options.output / relative).with_suffix(f".{options.format}"), options)
        complete = files.has_importance() and is_done(files.table, files.beside, maker, path, options.overwrite)
        if complete:
            summary.add(path, read_predictions(files.table), read_result_report(files.table))
            return
        predictions = classify(path, batch_size=options.batch_size, **settings)
        tell(path, predictions.report)
        _write(files, path, classify, predictions, maker, reading_options(options), name_of_model(options.model))
        summary.add(path, predictions, predictions.report)
        say(str(files.table))

    status = for_each_recording(recordings, predict, summary.add_failure)
    if len(recordings) > 1:
        print(summary.sentence(), file=sys.stderr)
        if options.output is not None:
            summary.write(options.output, [relative for _, relative in recordings])
    return status


class _ResultFiles:
    """The files about one recording; those beside the table are None where they are not asked for."""

    def __init__(self, table: Path, options: argparse.Namespace) -> None:
        stem = table.stem
        self.table = table
        self.annotations = table.with_name(f"{stem}_annotations.csv") if options.annotations else None
        self.mne_annotations = table.with_name(f"{stem}-annot.fif") if options.annotations else None
        self.figure = table.with_suffix(".png") if options.figures else None
        self.page = table.with_suffix(".html") if options.html else None
        self.importance = table.with_name(f"{stem}_importance.png") if options.importance else None

    @property
    def beside(self) -> list[Path | None]:
        return [self.annotations, self.mne_annotations, self.figure, self.page]

    def has_importance(self) -> bool:
        """Whether importance was told before, where it is asked for; it need not have a figure."""
        if self.importance is None or not self.table.exists():
            return True
        return "importance" in read_result_report(self.table)


def _write(
    files: _ResultFiles,
    path: Path,
    classify: Any,
    predictions: Any,
    maker: Any,
    reading: dict[str, Any],
    model: str,
) -> None:
    """Write what was asked for, the table last: where it is, the others are."""
    title = f"{path.name} · {model}"
    importance = _importance(classify, path, predictions, reading) if files.importance else None
    found = {} if importance is None else {"importance": importance}
    write_result_report(files.table, maker, path, predictions.report, **found)
    for annotations in (files.annotations, files.mne_annotations):
        if annotations:
            save_annotations(predictions, annotations)
    if files.figure:
        _draw(predictions, files.figure, title)
    if importance:
        _draw_importance(importance, files.importance, title)
    if files.page:
        _write_page(files.page, path, classify, predictions, importance, reading, model)
    save_predictions(predictions, files.table)


def _importance(classify: Any, path: Path, predictions: Any, reading: dict[str, Any]) -> dict[str, float]:
    from dare_eeg_hf.channel_importance import importance_of_channels

    with warnings.catch_warnings(record=True):  # they were shown when the recording was labelled
        importance = importance_of_channels(classify, path, predictions, **reading)
    if not importance:
        say(f"{path}: importance takes classes, and a whole usable window of two or more channels; there is none")
    return importance


def _write_page(
    target: Path,
    path: Path,
    classify: Any,
    predictions: Any,
    importance: dict[str, float] | None,
    reading: dict[str, Any],
    model: str,
) -> None:
    from dare_eeg_hf.prediction_page import prediction_page, read_traces, surest_windows

    traces = read_traces(path, classify.feature_extractor, surest_windows(predictions), **reading)
    page = prediction_page(
        predictions, predictions.report, file=path.name, model=model, traces=traces, importance=importance
    )
    page.write(target)


def _draw(predictions: list[dict[str, Any]], path: Path, title: str) -> None:
    from dare_eeg_hf.visualization import plot_classification

    path.parent.mkdir(parents=True, exist_ok=True)
    plot_classification(predictions, title=title).savefig(path, dpi=120)


def _draw_importance(importance: dict[str, float], path: Path, title: str) -> None:
    from dare_eeg_hf.channel_importance import plot_importance

    figure = plot_importance(importance, f"{title}\nwhat leaving an electrode out takes away")
    if figure is not None:
        figure.savefig(path, dpi=120)


class _Printer:
    """Prints tables to the standard output; those of several recordings as one, with a column `file`."""

    def __init__(self, format: str, several: bool) -> None:
        self.format = format
        self.several = several
        self.columns: list[str] | None = None

    def __call__(self, path: Path, predictions: list[dict[str, Any]]) -> None:
        """Print the table of one recording."""
        if self.format == "json":
            print(json.dumps(predictions, indent=1))
            return
        rows = [({"file": str(path)} if self.several else {}) | flatten_prediction(each) for each in predictions]
        columns = list(rows[0])
        writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
        if columns != self.columns:
            writer.writeheader()  # again where trials follow a continuous recording
            self.columns = columns
        writer.writerows(rows)
