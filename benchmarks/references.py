"""What becomes of open and closed eyes when few electrodes are left, as recorded and against their average.

    python benchmarks/references.py --data-root DATA \\
        --models "runs/evidence/runs/without_eegmmidb_and_ssvep/nano/seed{seed}"

Balanced accuracy on a task of the benchmark, in its folds, of a logistic regression on the frozen encoder's features
(mean over the seeds, plain and centered by person). The feature extractor averages five electrodes or more.
"""

import argparse
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np

from dare_eeg_hf.adaptation.classifier_setup import build_classifier
from dare_eeg_hf.adaptation.feature_statistics import attach_statistics
from dare_eeg_hf.adaptation.labelled_windows import LabelledWindows
from dare_eeg_hf.evaluation.benchmark import prepare_tasks, windows_file
from dare_eeg_hf.evaluation.contestant_names import CENTERED, POOLED
from dare_eeg_hf.evaluation.cross_validation import cross_validate
from dare_eeg_hf.evaluation.tasks import TASKS, task_named
from dare_eeg_hf.signal_dare_eeg import average_reference

SUBSETS = ("O1 O2", "C3 CZ C4", "FP1 FP2 O1 O2", "F3 F4 CZ P3 P4", "F3 F4 C3 C4 P3 P4", "F3 F4 C3 C4 P3 P4 O1 O2")


def with_electrodes(windows: LabelledWindows, names: list[str], averaged: bool) -> LabelledWindows:
    """Windows of some electrodes, as recorded or against their average."""
    places = [[name.upper() for name in windows.channel_names].index(name) for name in names]
    signals = windows.signals[:, places].copy()
    if averaged:
        signals = np.stack([average_reference(signal) for signal in signals])
    return replace(windows, signals=signals, channel_names=tuple(names), features=None)


def accuracies(checkpoint: str, windows: LabelledWindows, task: str) -> list[float]:
    """Balanced accuracy, plain and centered."""
    model, extractor = build_classifier(checkpoint, windows, spatial_projection=False)
    extractor.reference = None
    windows = attach_statistics(model.dare_eeg, extractor, windows)
    folds = task_named(task).folds(windows)
    tested = (
        cross_validate(checkpoint, mode, windows, folds, None, checkpoint) for mode in (POOLED, POOLED + CENTERED)
    )
    return [each.scores(windows)["metrics"]["balanced_accuracy"] for each in tested]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-root", type=Path, required=True, help="folder that holds the task's corpus")
    parser.add_argument("--models", required=True, help="a checkpoint, {seed} in its name for the seed")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], help="default: 0 1 2")
    parser.add_argument("--task", choices=TASKS, default="eyes-eegmmidb", help="default: %(default)s")
    parser.add_argument("--electrodes", nargs="+", default=SUBSETS, help="names in quotes, several times")
    parser.add_argument("--output", type=Path, default=Path("runs/references"), help="folder for the task's windows")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    prepare_tasks([options.task], options.data_root, options.output)
    windows = LabelledWindows.load(windows_file(options.output, options.task))
    print(f"{'electrodes':<32}{'as recorded':>18}{'averaged':>18}   (plain / centered)")
    for names in options.electrodes:
        cells = []
        for averaged in (False, True):
            chosen = with_electrodes(windows, names.split(), averaged)
            found = [accuracies(options.models.format(seed=seed), chosen, options.task) for seed in options.seeds]
            cells.append(" / ".join(f"{score:.3f}" for score in np.mean(found, axis=0)))
        print(f"{names:<32}{cells[0]:>18}{cells[1]:>18}", flush=True)


if __name__ == "__main__":
    main()
