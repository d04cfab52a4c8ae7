"""Adapt a checkpoint to labelled recordings and test it on people it was not adapted to.

    python examples/finetune.py --checkpoint runs/pretrained --data recordings/ --output runs/probe

`--data` is a data set prepared by `dataset_scripts/` (its classes and splits are used), or a folder of EDF files whose
names hold the label: `S001R01.edf` eyes open, `S001R02.edf` eyes closed (EEGMMIDB), or `Subject00_1.edf` rest,
`Subject00_2.edf` arithmetic (EEGMAT). Where the data have no test part, the last quarter of the subjects is tested;
where they have no validation part, the last quarter of the others selects the epoch. Name subjects yourself with
`--test-subjects` and `--validation-subjects`. The output says whether subjects are known to be people; where the
data do not tell, give `--subject-pattern`: a regular expression whose first group, in a file's name, is the person.

Several processes: `python -m torch.distributed.run --nproc_per_node 2 examples/finetune.py ...`.
"""

from __future__ import annotations

import argparse
import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np

from dare_eeg_hf import DareEegConfig
from dare_eeg_hf.adaptation.finetuning import (
    MODES,
    FinetuningArguments,
    FinetuningResult,
    finetune,
    predict_probabilities,
)
from dare_eeg_hf.adaptation.labelled_windows import LabelledWindows
from dare_eeg_hf.atomic_files import write_text
from dare_eeg_hf.checkpoints import find_checkpoint
from dare_eeg_hf.command_parser import CommandParser
from dare_eeg_hf.corpora.people import REMEDY, listed
from dare_eeg_hf.evaluation.metrics import classification_metrics
from dare_eeg_hf.evaluation.protocols import Fold, fixed_split
from dare_eeg_hf.evaluation.tasks import TASKS

CROSS_VALIDATE = (
    "One split, not a result: other test subjects give another figure. Cross-validate over subjects, with "
    "cross_val_score, DareEegClassifier (dare_eeg_hf.adaptation.estimator) and groups, or with grouped_k_fold "
    "(dare_eeg_hf.evaluation.protocols) and finetune."
)


def read_windows(data: Path, seconds: float, subject_pattern: str | None = None) -> LabelledWindows:
    """Labelled windows of a prepared data set or of a folder of recordings whose names hold the label."""
    if not data.is_dir():
        raise SystemExit(f"error: there is no folder {data}; --data is a prepared data set or a folder of recordings")
    if any(data.rglob("*.parquet")):
        windows = LabelledWindows.from_folder(data)
    else:
        windows = read_named_recordings(data, seconds)
    return windows if subject_pattern is None else windows.with_subject_pattern(subject_pattern)


def read_named_recordings(folder: Path, seconds: float) -> LabelledWindows:
    """Windows of recordings named like those of EEGMMIDB or EEGMAT, without the published parts of those corpora."""
    for name in ("eyes-eegmmidb", "mental-arithmetic"):
        try:
            windows = TASKS[name].read(folder, seconds)
        except FileNotFoundError:
            continue
        return replace(windows, parts=np.full(len(windows), ""))
    raise SystemExit(
        f"no file in {folder} has its label in the name (S001R01.edf, Subject00_1.edf). Prepare others with\n"
        f"  python dataset_scripts/recordings.py --source {folder} --output PREPARED --help"
    )


def split_subjects(windows: LabelledWindows, test: list[str] | None, validation: list[str] | None) -> Fold:
    """Subjects as named, or else the data set's parts, or else a quarter of the subjects for each missing part."""
    published = {part: sorted(set(windows.subjects[windows.parts == part])) for part in ("validation", "test")}
    subjects = sorted(set(windows.subjects))
    if len(subjects) < 3:
        raise SystemExit(f"three subjects are needed to train, select and test; found {', '.join(subjects)}")
    elsewhere = set(windows.subjects[windows.parts != "test"])
    if test is None and (both := sorted(elsewhere.intersection(published["test"]))):
        raise SystemExit(f"{', '.join(both)} have windows in the test part and in others: name --test-subjects")
    quarter = max(1, len(subjects) // 4)
    test = test or published["test"] or [name for name in subjects if name not in (validation or ())][-quarter:]
    remaining = [subject for subject in subjects if subject not in test]
    validation = validation or [name for name in published["validation"] if name in remaining] or remaining[-quarter:]
    if unknown := sorted({*test, *validation} - set(subjects)):
        raise SystemExit(f"no subject is named {', '.join(unknown)}; there are {', '.join(subjects)}")
    train = [subject for subject in remaining if subject not in validation]
    return fixed_split(windows.subjects, {"train": train, "validation": validation, "test": test})[0]


def evaluate(result: FinetuningResult, test: LabelledWindows, euclidean_alignment: bool) -> dict:
    """Metrics on the tested subjects."""
    probabilities = predict_probabilities(
        result.model, result.feature_extractor, test, euclidean_alignment=euclidean_alignment
    )
    return classification_metrics(test.labels, probabilities, test.subjects)


def describe_test(test: LabelledWindows, published: bool) -> dict:
    """What the figures refer to: on whom the classifier was tested, and how that is known.

    Args:
        test: the windows tested on.
        published: whether they are the test part that the data set came with.
    """
    people = test.people_statement
    tested = "subjects never seen in fine-tuning" if test.people_known else f"held-out files ({people})"
    split = "the test part of the data set" if published else "one split, not a result"
    return {"split": f"{split}: {tested}", "subject_source": test.subject_source, "one_split": not published}


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = CommandParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    defaults = FinetuningArguments()
    parser.add_argument("--checkpoint", required=True, help="folder or Hub id of a DARE-EEG checkpoint")
    parser.add_argument("--data", required=True, type=Path, help="prepared data set, or folder of named recordings")
    parser.add_argument("--output", required=True, type=Path, help="folder for the classifier")
    parser.add_argument("--mode", choices=MODES, default=defaults.mode, help="what is trained (default: %(default)s)")
    parser.add_argument("--window-seconds", type=float, default=4.0, help="for folders of recordings")
    parser.add_argument("--subject-pattern", metavar="REGEX", help="its first group, in a file's name, is the person")
    parser.add_argument("--test-subjects", nargs="+", help="subjects to test on")
    parser.add_argument("--validation-subjects", nargs="+", help="subjects that select the epoch")
    parser.add_argument("--epochs", type=int, default=defaults.epochs)
    parser.add_argument("--batch-size", type=int, default=defaults.batch_size)
    parser.add_argument("--learning-rate", type=float, default=defaults.learning_rate)
    parser.add_argument(
        "--normalize-features",
        action=argparse.BooleanOptionalAction,
        default=defaults.normalize_features,
        help="standardise the encoder's features before the probe; the paper's probe does not",
    )
    parser.add_argument("--label-smoothing", type=float, default=defaults.label_smoothing)
    parser.add_argument(
        "--channel-subsets",
        type=int,
        default=defaults.channel_subsets,
        help="copies of each training window with half of its electrodes, against missing ones (default: %(default)s)",
    )
    parser.add_argument(
        "--amplitude-spread",
        type=float,
        default=defaults.amplitude_spread,
        help="standard deviation of the logarithm of those copies' amplitude (default: %(default)s)",
    )
    parser.add_argument("--layer-decay", type=float, default=defaults.layer_decay, help="mode full, per block")
    parser.add_argument("--patience", type=int, default=defaults.patience, help="epochs; 0 never stops early")
    parser.add_argument("--spatial-projection", action=argparse.BooleanOptionalAction, help="default: where needed")
    parser.add_argument("--spectral-projection", action="store_true", help="learn a temporal filter per channel")
    parser.add_argument(
        "--euclidean-alignment",
        action="store_true",
        help="whiten each session by its own windows; uses no labels, but unlabelled test windows",
    )
    parser.add_argument("--mixed-precision", choices=("no", "bf16", "fp16"), default=defaults.mixed_precision)
    parser.add_argument("--seed", type=int, default=defaults.seed)
    parser.add_argument("--compare-random", action="store_true", help="also train the same on a random encoder")
    return parser.parse_args()


def main() -> None:
    """Read, split, train, test, print."""
    options = parse_arguments()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        options.checkpoint = find_checkpoint(options.checkpoint)
        windows = read_windows(options.data, options.window_seconds, options.subject_pattern)
    except (ValueError, FileNotFoundError) as error:
        raise SystemExit(f"error: {error}") from None
    fold = split_subjects(windows, options.test_subjects, options.validation_subjects)
    train, validation, test = (windows.select(part) for part in (fold.train, fold.validation, fold.test))
    settings = {name: getattr(options, name) for name in vars(options) if hasattr(FinetuningArguments, name)}
    settings |= {"spatial_projection": options.spatial_projection}

    result = finetune(
        options.checkpoint, train, validation, FinetuningArguments(output_dir=options.output, **settings)
    )
    metrics = evaluate(result, test, options.euclidean_alignment)
    published = options.test_subjects is None and "test" in windows.parts
    metrics |= {"chance": 1 / len(windows.label_names), **describe_test(test, published)}
    if options.compare_random:
        config = DareEegConfig.from_pretrained(options.checkpoint)
        random = finetune(config, train, validation, FinetuningArguments(**settings))
        metrics["random_encoder"] = evaluate(random, test, options.euclidean_alignment)["balanced_accuracy"]
    if result.output_dir is not None:
        write_text(options.output / "test_results.json", json.dumps(metrics, indent=2) + "\n")

    low, high = metrics["confidence_intervals"]["balanced_accuracy"]
    names = sorted(set(test.subjects.tolist()))
    print(f"Classifier saved in {options.output} (best epoch on validation: {result.metrics['epoch']})")
    if test.people_known:
        print(f"Tested on {len(test)} windows of subjects never seen in fine-tuning: {', '.join(names)}")
    else:
        print(f"Tested on {len(test)} windows of {listed(names)}: {test.people_statement}. {REMEDY}")
    tested = set(test.labels.tolist())
    if untested := [name for label, name in enumerate(windows.label_names) if label not in tested]:
        print(f"No tested window is of the class {', '.join(untested)}: nothing was measured about it")
    over = "subjects" if test.people_known else f"{test.subject_source}s"
    print(f"balanced accuracy  {metrics['balanced_accuracy']:.3f}  (95% over {over}: {low:.3f} to {high:.3f})")
    if options.compare_random:
        print(f"random encoder     {metrics['random_encoder']:.3f}")
    print(f"chance             {metrics['chance']:.3f}")
    if not published:
        print(CROSS_VALIDATE)


if __name__ == "__main__":
    main()
