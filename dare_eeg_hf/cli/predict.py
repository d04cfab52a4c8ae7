"""`dare-eeg predict`: label recordings window by window."""

import argparse
import csv
import json
import sys
from pathlib import Path
from typing import Any

from dare_eeg_hf.cli.each_recording import for_each_recording, recordings_given
from dare_eeg_hf.cli.model_results import add_model_arguments, is_done, load_model, maker_of, tell
from dare_eeg_hf.cli.provenance import write_result_report
from dare_eeg_hf.cli.reading_arguments import reading_options
from dare_eeg_hf.predictions import flatten_prediction, save_annotations, save_predictions

DESCRIPTION = (
    "Label recordings with a fine-tuned model. Without --output the table goes to the standard output as CSV.\n"
    "Times are seconds from the beginning of the recording; a window marked partial ends with the recording. One\n"
    "without signal, or across a break in time, is not usable: it has a reason and no label."
)
EXAMPLES = (
    "  dare-eeg predict my-org/eyes-closed S001R01.edf > S001R01.csv\n"
    "  dare-eeg predict runs/eyes recordings/ --output results/ --annotations --figures\n"
    "  dare-eeg predict runs/eyes night.edf --overlap 0.5 --format json --output results/"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_model_arguments(parser)
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="write one table per recording into a folder")
    parser.add_argument("--format", choices=("csv", "json"), default="csv", help="of the tables (default: csv)")
    parser.add_argument(
        "--annotations", action="store_true", help="also write onset, duration and label, with equal windows joined"
    )
    parser.add_argument("--figures", action="store_true", help="also draw the probabilities along time")


def run(options: argparse.Namespace) -> int:
    """Label every recording; returns the exit status."""
    if options.output is None and (options.annotations or options.figures):
        raise ValueError("--annotations and --figures need --output: a folder to write to.")
    recordings = recordings_given(options.recordings, options.output, tables=options.sidecar is not None)
    settings = {"overlap": options.overlap, "drop_partial": options.drop_partial, **reading_options(options)}
    classify = load_model(options, "eeg-classification")
    maker = options.output and maker_of(options, settings)

    def predict(path: Path, relative: Path) -> None:
        target = options.output and (options.output / relative).with_suffix(f".{options.format}")
        annotations = target and options.annotations and target.with_name(f"{target.stem}_annotations.csv")
        figure = target and options.figures and target.with_suffix(".png")
        if target and is_done(target, [annotations, figure], maker, path, options.overwrite):
            return
        predictions = classify(path, batch_size=options.batch_size, **settings)
        tell(path, predictions.report)
        if target is None:
            _print(predictions, options.format)
            return
        write_result_report(target, maker, path, predictions.report)
        if annotations:
            save_annotations(predictions, annotations)
        if figure:
            _draw(predictions, figure)
        print(save_predictions(predictions, target), file=sys.stderr)

    return for_each_recording(recordings, predict)


def _print(predictions: list[dict[str, Any]], format: str) -> None:
    if format == "json":
        print(json.dumps(predictions, indent=1))
        return
    rows = [flatten_prediction(each) for each in predictions]
    writer = csv.DictWriter(sys.stdout, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def _draw(predictions: list[dict[str, Any]], path: Path) -> None:
    from dare_eeg_hf.visualization import plot_classification

    path.parent.mkdir(parents=True, exist_ok=True)
    plot_classification(predictions).savefig(path, dpi=120)
