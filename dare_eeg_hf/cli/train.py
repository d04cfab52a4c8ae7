"""`dare-eeg train`: a classifier from one's own labelled recordings, for `dare-eeg predict` and everything else."""

import argparse
import sys
from functools import partial
from pathlib import Path

from dare_eeg_hf.adaptation.finetuning_arguments import STATISTICS, TRAINING_MODES
from dare_eeg_hf.cli.label_arguments import LABELS_HELP, add_label_arguments, labelled_folder

DESCRIPTION = (
    "Train a classifier on a folder of labelled recordings, all of them, and write it as a folder that\n"
    "`dare-eeg predict` and pipeline('eeg-classification') take, with a card that says what it was made of. The\n"
    "arguments are those of `dare-eeg evaluate`, which tells how good such a classifier is on people it never saw:\n"
    "run that first, and what it finds goes into the card.\n\n" + LABELS_HELP
)
EXAMPLES = (
    "  dare-eeg evaluate recordings/ --labels labels.csv\n"
    "  dare-eeg train recordings/ --labels labels.csv --output my_classifier\n"
    "  dare-eeg predict my_classifier new_recording.edf\n"
    "  dare-eeg train recordings/ --annotations T1=left T2=right --mode lora --epochs 30 --output hands\n"
    "  dare-eeg train windows/my_study --output my_classifier     (a data set made by dataset_scripts/)"
)
EVALUATION = Path("evaluation")
NO_DIAGNOSIS = "A classifier for research: what it says of a recording is no diagnosis of anyone."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_label_arguments(parser)
    training = parser.add_argument_group("training")
    training.add_argument(
        "--model", help="folder of a checkpoint, or its id on the Hub (default: dare-eeg-nano of the repository)"
    )
    training.add_argument(
        "--mode",
        choices=TRAINING_MODES,
        default=STATISTICS,
        help="statistics: a logistic regression on the frozen encoder's features and power maps, as evaluated; "
        "the others are fine-tuned, which takes longer (default: statistics)",
    )
    training.add_argument("--epochs", type=int, help="of fine-tuning (default: 100)")
    training.add_argument("--seed", type=int, default=0, help="of fine-tuning (default: 0)")
    parser.add_argument(
        "--evaluation",
        type=Path,
        metavar="FOLDER",
        help="results of `dare-eeg evaluate`, for the card (default: those in evaluation/, if of the same data)",
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="for the classifier; a new one")


def run(options: argparse.Namespace) -> int:
    """Train; returns the exit status, 1 where a recording could not be read."""
    from transformers.utils import logging as transformers_logging

    from dare_eeg_hf.adaptation.train_classifier import train_classifier
    from dare_eeg_hf.atomic_files import refuse_existing
    from dare_eeg_hf.checkpoints import find_checkpoint, shipped_checkpoint
    from dare_eeg_hf.hub.classifier_cards import write_classifier_card

    refuse_existing(options.output)
    transformers_logging.disable_progress_bar()  # of the loading of weights
    model = find_checkpoint(options.model) if options.model else shipped_checkpoint()
    read = read_recordings(options, model)
    windows = read.windows
    cross_validation = _cross_validation(options, windows, model)
    write_card = partial(
        write_classifier_card,
        windows=windows,
        name=options.output.resolve().name,
        title=options.recordings.resolve().name,
        label_table=options.labels,
        cross_validation=cross_validation,
    )
    settings = {} if options.epochs is None else {"epochs": options.epochs}
    train_classifier(
        model,
        windows,
        options.output,
        mode=options.mode,
        seed=options.seed,
        settings=settings,
        write_card=lambda folder, _: write_card(folder),
        progress=True,
    )
    for sentence in read.remarks:
        print(f"note: {sentence}", file=sys.stderr)
    for sentence in read.left_out():
        print(f"left out: {sentence}", file=sys.stderr)
    print(_what_it_is(windows), _how_good_it_is(cross_validation), NO_DIAGNOSIS, sep="\n\n", end="\n\n")
    print(f"Written: {options.output}. Label new recordings with\n  dare-eeg predict {options.output} RECORDING")
    return 1 if read.failed else 0


def read_recordings(options: argparse.Namespace, model: str):
    """The `LabelledRecordings` that the options name; of a prepared data set all windows, without an account of files.

    Args:
        options: parsed. Windows that `dare-eeg evaluate` has kept of the same recordings are not cut again.
        model: decides the length of a window where the options do not.
    """
    from dare_eeg_hf.adaptation.labelled_recordings import LabelledRecordings, read_labelled_recordings
    from dare_eeg_hf.adaptation.labelled_windows import LabelledWindows
    from dare_eeg_hf.cli.evaluate import KEPT
    from dare_eeg_hf.configuration_dare_eeg import DareEegConfig

    if options.labels is None and not options.annotations and any(options.recordings.rglob("*.parquet")):
        windows = LabelledWindows.from_folder(options.recordings)
        return LabelledRecordings(windows, (), [windows.people_statement])
    config = DareEegConfig.from_pretrained(model)
    corpus = labelled_folder(options, config.window_size / config.sampling_rate)
    kept = (options.evaluation or EVALUATION) / KEPT
    return read_labelled_recordings(corpus, options.recordings, kept if kept.is_dir() else None, progress=True)


def _cross_validation(options: argparse.Namespace, windows, model: str) -> dict | None:
    """What is known about classifiers made like this one; an error where the results asked for are of others."""
    from dare_eeg_hf.hub.classifier_cards import cross_validation_of

    try:
        return cross_validation_of(options.evaluation or EVALUATION, windows, model, options.mode)
    except (ValueError, FileNotFoundError):
        if options.evaluation is not None:
            raise
        return None


def _what_it_is(windows) -> str:
    """What the classifier was trained on, in a sentence."""
    counts = [int((windows.labels == label).sum()) for label in range(len(windows.label_names))]
    labels = ", ".join(f"{count} {name}" for count, name in zip(counts, windows.label_names, strict=True))
    people = len(set(windows.subjects.tolist()))
    unit = ("person" if people == 1 else "people") if windows.people_known else "files that count as people"
    seconds = windows.signals.shape[-1] / windows.sampling_rate
    lonely = " Nothing is known of it about anybody else." if people == 1 else ""
    return (
        f"Trained on {len(windows)} windows of {seconds:g} s ({labels}) of {people} {unit}, "
        f"{len(windows.channel_names)} electrodes.{lonely}"
    )


def _how_good_it_is(cross_validation: dict | None) -> str:
    """What cross-validation found, or how to find out."""
    if cross_validation is None:
        return (
            "How good it is on people it has not seen is not known: nobody was held out. `dare-eeg evaluate` with the "
            "same recordings and labels tells."
        )
    return "\n".join(
        ["Classifiers made in the same way, tested on people they were not trained on:"]
        + [f"- {sentence}" for sentence in cross_validation["findings"]]
    )
