"""`dare-eeg evaluate`: how well one's own labels can be told apart, in people the model never saw."""

import argparse
import sys
from pathlib import Path

from dare_eeg_hf.cli.label_arguments import LABELS_HELP, add_label_arguments, labelled_folder

DESCRIPTION = (
    "Tell how well labels can be told apart in a folder of recordings. Each person is tested by a model that was\n"
    "trained on the others: a logistic regression on a frozen encoder's features and maps of the power, next to the\n"
    "same with random weights, to the maps alone, band power, the Riemannian tangent space and chance, all on the\n"
    "same windows and folds. Ends in a table with intervals over people, and in a folder with\n"
    "  evaluation.html   the page to read: results, who was told apart, confusions, a map of the windows, which\n"
    "                    electrodes matter, and what was left out and why\n"
    "  results.json      every figure\n"
    "  predictions.csv   file, person, onset, label, predicted, probability\n"
    "Windows and features are kept there too: the same command again is quick.\n\n" + LABELS_HELP
)
EXAMPLES = (
    "  dare-eeg evaluate recordings/ --labels labels.csv\n"
    "  dare-eeg evaluate recordings/ --labels labels.csv --window-seconds 5 --model my-org/dare-eeg-base\n"
    "  dare-eeg evaluate bids/ --labels bids/participants.tsv --label-column group --output results/groups\n"
    '  dare-eeg evaluate recordings/ --annotations T1=left T2=right --subject-pattern "^(P[0-9]+)_"\n'
    "  dare-eeg evaluate windows/my_study            (a data set made by dataset_scripts/)"
)

KEPT = ".kept"
"""Folder for windows and features; hidden, so that it is never searched for recordings."""

CENTER_HELP = (
    "subtract from each person's features their mean over that person's windows, for the encoders and the baselines. "
    "No label is used, but all windows of a person have to be there before the first is classified, and in about the "
    "same mixture of labels for everyone"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_label_arguments(parser)
    testing = parser.add_argument_group("what is tested, and how")
    testing.add_argument(
        "--model", help="folder of a checkpoint, or its id on the Hub (default: dare-eeg-nano of the repository)"
    )
    testing.add_argument(
        "--folds",
        type=_folds,
        default=8,
        metavar="N",
        help="at most, and no more than people who have the rarest label (default: 8)",
    )
    testing.add_argument("--center", choices=("person",), help=CENTER_HELP)
    testing.add_argument(
        "--seeds",
        type=int,
        nargs="+",
        default=[0],
        metavar="SEED",
        help="of the encoder with random weights (default: 0)",
    )
    testing.add_argument(
        "--no-importance", action="store_true", help="do not measure what each electrode is worth, which takes longest"
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        default=Path("evaluation"),
        help="for the results (default: evaluation)",
    )


def run(options: argparse.Namespace) -> int:
    """Evaluate; returns the exit status, 1 where a recording could not be read."""
    from transformers.utils import logging as transformers_logging

    from dare_eeg_hf.checkpoints import find_checkpoint, shipped_checkpoint
    from dare_eeg_hf.evaluation.evaluation_page import write_page
    from dare_eeg_hf.evaluation.evaluation_report import (
        COLUMNS,
        NO_DIAGNOSIS,
        description,
        findings,
        result_rows,
        write_results,
    )
    from dare_eeg_hf.evaluation.own_recordings import evaluate_recordings
    from dare_eeg_hf.text_table import text_table

    transformers_logging.disable_progress_bar()  # of the loading of weights
    model = find_checkpoint(options.model) if options.model else shipped_checkpoint()
    recordings = read_recordings(options, model)
    evaluation = evaluate_recordings(
        model,
        recordings,
        options.output / KEPT,
        title=options.recordings.resolve().name,
        seeds=options.seeds,
        n_folds=options.folds,
        center=options.center is not None,
        importance=not options.no_importance,
        progress=True,
    )
    write_results(evaluation, options.output)
    page = write_page(evaluation, options.output / "evaluation.html")
    table = text_table(COLUMNS, result_rows(evaluation))
    print(description(evaluation), table, *findings(evaluation), sep="\n\n", end="\n\n")
    for sentence in evaluation.remarks():
        print(f"note: {sentence}", file=sys.stderr)
    for sentence in evaluation.left_out():
        print(f"left out: {sentence}", file=sys.stderr)
    print(f"{NO_DIAGNOSIS}\n\nWritten: {page}, and results.json and predictions.csv beside it")
    return 1 if evaluation.read is not None and evaluation.read.failed else 0


def read_recordings(options: argparse.Namespace, model: str):
    """The labelled windows that the options of `add_label_arguments` name.

    Args:
        options: parsed, with the folder `output`, where the windows are kept.
        model: decides the length of a window where the options do not.
    """
    from dare_eeg_hf.adaptation.labelled_recordings import read_labelled_recordings
    from dare_eeg_hf.adaptation.labelled_windows import LabelledWindows
    from dare_eeg_hf.configuration_dare_eeg import DareEegConfig
    from dare_eeg_hf.corpora.people import are_known
    from dare_eeg_hf.evaluation.people_folds import refuse_too_few_people

    if options.labels is None and not options.annotations and any(options.recordings.rglob("*.parquet")):
        return LabelledWindows.from_folder(options.recordings)
    config = DareEegConfig.from_pretrained(model)
    corpus = labelled_folder(options, config.window_size / config.sampling_rate)
    files = corpus.recordings(options.recordings)
    if having := corpus.people_of_labels(files):
        refuse_too_few_people(having, are_known(files[0].subject_source))
    return read_labelled_recordings(corpus, options.recordings, options.output / KEPT, progress=True)


def _folds(text: str) -> int:
    if not text.isdigit() or int(text) < 2:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of folds, 2 or more")
    return int(text)
