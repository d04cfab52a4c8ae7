"""From EDF files to a pre-trained model and back, in a few minutes on a laptop: what `make demo` runs.

    python examples/demo.py                        simulated recordings with known content
    python examples/demo.py --data eegmmidb        real ones (eyes open S001R01.edf, closed S001R02.edf)

The demo chains the other examples, as you would by hand, and prints each command: pretrain.py learns from recordings
without labels, finetune.py adapts the result to eyes open and closed, predict.py labels a recording. The people it is
tested on were never seen before, neither in pre-training nor in fine-tuning. With --data, each is left out in turn.
Finally, the classifier that comes with the repository, trained on real recordings, labels the same recording.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import mne
import numpy as np

from dare_eeg_hf.child_process import run_python
from dare_eeg_hf.corpora.corpus import RecordingFile
from dare_eeg_hf.evaluation.tasks import TASKS
from dare_eeg_hf.metrics_log import FILE_NAME, read_metrics
from dare_eeg_hf.montage import normalize_channel_name
from dare_eeg_hf.pretraining.report import draw_reconstruction
from dare_eeg_hf.recordings.recordings import find_recordings, load_recording
from dare_eeg_hf.recordings.simulation import simulate_recordings
from dare_eeg_hf.visualization import plot_loss_curves, plot_scalp_map

EXAMPLES = Path(__file__).resolve().parent
SHIPPED_CLASSIFIER = EXAMPLES.parent / "model_cards" / "dare-eeg-nano-eyes"
"""Eyes open or closed, trained on real recordings of two people; it comes with the repository."""
CAP_32 = (
    "Fp1 Fp2 AF3 AF4 F7 F3 Fz F4 F8 FC5 FC1 FC2 FC6 T7 C3 Cz C4 T8 CP5 CP1 CP2 CP6 P7 P3 Pz P4 P8 PO3 PO4 O1 Oz O2"
).split()
"""Montage of the simulated pre-training recordings: a common cap of 32 electrodes."""
TEN_TWENTY = "Fp1 Fp2 F7 F3 Fz F4 F8 T3 C3 Cz C4 T4 T5 P3 Pz P4 T6 O1 O2".split()
"""Montage of the simulated recordings for fine-tuning: the 10-20 system under its old names."""


@dataclass
class Fold:
    """One round of the demo: who is tested, on whose recordings the rest is done, and where it is written."""

    output: Path
    pretraining: Path
    labelled: Path
    test_subjects: list[str]


def simulated_fold(output: Path, seed: int) -> Fold:
    """Simulate people for pre-training, and others, with another cap at another rate, for fine-tuning and testing."""
    pretraining, labelled = output / "recordings" / "pretraining", output / "recordings" / "labelled"
    simulate_recordings(pretraining, subjects=10, montage=CAP_32, sampling_rate=256, seed=seed)
    simulate_recordings(labelled, subjects=12, montage=TEN_TWENTY, sampling_rate=200, seed=seed + 1, prefix="P")
    return Fold(output, pretraining, labelled, ["P010", "P011", "P012"])


def resting_recordings(folder: Path) -> list[RecordingFile]:
    """The recordings with open and closed eyes that are named as in EEGMMIDB; there may be none."""
    try:
        return TASKS["eyes-eegmmidb"].recordings(folder)
    except FileNotFoundError:
        return []


def folds_of_real_recordings(data: Path, output: Path) -> list[Fold]:
    """Leave out each person who has recordings with eyes open and closed, in pre-training and in fine-tuning."""
    recordings = find_recordings(data)
    numbers = Counter(recording.subject for recording in resting_recordings(data))
    labelled = [subject for subject, number in numbers.items() if number == 2]
    if len(labelled) < 3:
        raise SystemExit(
            f"{data} holds {len(labelled)} people with one recording like S001R01.edf (eyes open) and one like "
            "S001R02.edf (eyes closed); the demo needs three. For other recordings see examples/pretrain.py --help."
        )
    folds = []
    for subject in sorted(labelled):
        folder = output / f"without_{subject}"
        others = folder / "recordings"
        for path in recordings:
            if not path.name.startswith(subject):
                link = others / path.relative_to(data)
                link.parent.mkdir(parents=True, exist_ok=True)
                link.unlink(missing_ok=True)
                link.symlink_to(path.resolve())
        folds.append(Fold(folder, others, data, [subject]))
    return folds


def run_fold(fold: Fold, pretraining_steps: int, seed: int) -> dict[str, float]:
    """Pre-train, fine-tune and test; return what finetune.py measured."""
    pretrained, classifier = fold.output / "pretrained", fold.output / "classifier"
    run_python(
        EXAMPLES / "pretrain.py",
        *("--data", fold.pretraining, "--output", pretrained, "--preset", "nano", "--num-proc", 2),
        *("--max-steps", pretraining_steps, "--batch-size", 32, "--learning-rate", 2e-3, "--seed", seed),
        *("--validate-every", max(1, pretraining_steps // 4), "--resume"),
        # A run of minutes, not of days: 19 electrodes, tokens that carry the signal from the start, and a heavier
        # weight on telling windows apart.
        *("--patch-initializer-range", 2.0, "--set", "mask_alignment_loss_weight=0.5"),
        f"pretraining_channel_names=[{', '.join(normalize_channel_name(name) for name in TEN_TWENTY)}]",
    )
    run_python(
        EXAMPLES / "finetune.py",
        *("--checkpoint", pretrained, "--data", fold.labelled, "--output", classifier, "--seed", seed),
        *("--test-subjects", *fold.test_subjects, "--epochs", 200, "--learning-rate", 1e-2, "--compare-random"),
    )
    return json.loads((classifier / "test_results.json").read_text())


def join_test_recording(fold: Fold) -> Path:
    """Write one recording of a person never seen: eyes open, then closed."""
    subject = fold.test_subjects[0]
    paths = [recording.path for recording in resting_recordings(fold.labelled) if recording.subject == subject]
    raws = [mne.io.read_raw(path, preload=True, verbose="error").crop(0, 60, include_tmax=False) for path in paths]
    joined = mne.concatenate_raws(raws, verbose="error")
    joined.set_annotations(None)
    output = fold.output / f"{subject}_open_then_closed.edf"
    mne.export.export_raw(output, joined, overwrite=True, verbose="error")
    return output


def draw(fold: Fold, figures: Path) -> None:
    """Draw the loss curves, a masked window and its reconstruction, and where eyes closed differs from open."""
    pretrained = fold.output / "pretrained"
    plot_loss_curves(read_metrics(pretrained / FILE_NAME)).savefig(figures / "loss_curves.png", dpi=120)
    reconstruction, _, _ = draw_reconstruction(pretrained)
    reconstruction.savefig(figures / "reconstruction.png", dpi=120)
    subject = fold.test_subjects[0]
    paths = [recording.path for recording in resting_recordings(fold.labelled) if recording.subject == subject]
    opened, closed = (alpha_power(path) for path in paths)
    # An electrode that is bad in one of the recordings is left out of it.
    difference = {name: 10 * np.log10(closed[name] / opened[name]) for name in opened if name in closed}
    title = f"{subject}: alpha power (8-12 Hz), eyes closed against open"
    plot_scalp_map(difference, title=title, unit="dB").savefig(figures / "scalp_map.png", dpi=120)


def alpha_power(path: Path) -> dict[str, float]:
    """Power between 8 and 12 Hz of each electrode."""
    raw = load_recording(path).raw
    spectrum = raw.compute_psd(fmin=8, fmax=12, verbose="error")
    return dict(zip(raw.ch_names, spectrum.get_data().mean(axis=1), strict=True))


def print_table(results: dict[str, dict[str, float]]) -> None:
    """Balanced accuracy of people never seen, beside a random encoder and chance."""
    print(f"\n{'people never seen':<24}{'pre-trained':>12}{'random encoder':>16}{'chance':>8}")
    rows = [(name, r["balanced_accuracy"], r["random_encoder"], r["chance"]) for name, r in results.items()]
    if len(rows) > 1:
        rows.append(("mean", *(float(np.mean([row[column] for row in rows])) for column in (1, 2, 3))))
    for name, pretrained, random, chance in rows:
        print(f"{name:<24}{pretrained:>12.3f}{random:>16.3f}{chance:>8.3f}")
    print("(balanced accuracy of 4-second windows, eyes open or closed; the same probe on each encoder)")


def main() -> None:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of real recordings (default: simulate some)")
    parser.add_argument("--output", type=Path, default=Path("demo_output"), help="default: %(default)s")
    parser.add_argument("--pretraining-steps", type=int, default=300, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.data is not None and not options.data.is_dir():
        raise SystemExit(f"{options.data} is not a folder.")
    started = time.monotonic()
    options.output.mkdir(parents=True, exist_ok=True)
    if options.data is None:
        print("Simulating recordings: pink noise, blinks, and alpha waves that grow when the eyes close.")
        folds = [simulated_fold(options.output, options.seed)]
    else:
        folds = folds_of_real_recordings(options.data, options.output)

    results = {
        ", ".join(fold.test_subjects): run_fold(fold, options.pretraining_steps, options.seed) for fold in folds
    }
    figures = options.output / "figures"
    figures.mkdir(exist_ok=True)
    recording = join_test_recording(folds[-1])
    for classifier, output in ((folds[-1].output / "classifier", figures), (SHIPPED_CLASSIFIER, figures / "shipped")):
        run_python(EXAMPLES / "predict.py", "--model", classifier, "--recording", recording, "--output", output)
    print_table(results)
    draw(folds[-1], figures)
    print(f"\nPre-trained model:  {folds[-1].output / 'pretrained'}   (AutoModel.from_pretrained loads it)")
    print(f"Classifier:         {folds[-1].output / 'classifier'}")
    print("Figures:")
    for figure in sorted(figures.rglob("*.png")):
        print(f"  {figure}")
    print("  (minutes of pre-training tell windows apart; reconstructing hidden patches takes thousands of steps)")
    print(f"{time.monotonic() - started:.0f} seconds in all.")


if __name__ == "__main__":
    main()
