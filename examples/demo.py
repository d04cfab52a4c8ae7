"""The method at work in a few minutes on a laptop: what `make demo` runs.

    python examples/demo.py                        simulated recordings with known content
    python examples/demo.py --data eegmmidb        real ones (eyes open S001R01.edf, closed S001R02.edf)

pretrain.py learns from recordings without labels. Then, on people it has never seen, with another cap at another
rate: does it put the right signal into hidden patches, better than neighbouring electrodes tell? Do two views of a
window that share few electrodes land in the same place? What are its features worth where the labels are those of one
person and electrodes are lost? Beside it stand the same network with random weights and the model that comes with the
repository. A table is printed, and a page tells the story in five pictures. With --data, each person is left out in
turn.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import mne
import numpy as np
import torch
from huggingface_hub import ModelCard
from matplotlib.figure import Figure
from transformers import pipeline

from dare_eeg_hf import DareEegConfig, DareEegFeatureExtractor, DareEegForPreTraining
from dare_eeg_hf.adaptation.classifier_setup import prepare_inputs
from dare_eeg_hf.adaptation.labelled_windows import LabelledWindows
from dare_eeg_hf.child_process import run_python
from dare_eeg_hf.corpora.corpus import RecordingFile
from dare_eeg_hf.evaluation.compare_invariance import plot_models
from dare_eeg_hf.evaluation.few_labels import accuracy_from_one_labelled_person, paired_gain
from dare_eeg_hf.evaluation.reconstruction import CHANNEL_MEAN, INTERPOLATION, Reconstructions, reconstruct
from dare_eeg_hf.evaluation.tasks import TASKS
from dare_eeg_hf.html_page import HtmlPage
from dare_eeg_hf.metrics_log import FILE_NAME, read_metrics
from dare_eeg_hf.pretraining.invariance import measure_invariance
from dare_eeg_hf.recordings.recordings import find_recordings
from dare_eeg_hf.recordings.simulation import simulate_recordings
from dare_eeg_hf.visualization import (
    Curve,
    Panel,
    plot_classification,
    plot_curves,
    plot_loss_curves,
    plot_reconstruction,
)

EXAMPLES = Path(__file__).resolve().parent
CONFIG = EXAMPLES / "configs" / "demo.yaml"
PATCH_INITIALIZER_RANGE = 2.0
"""As in CONFIG: random weights are those that pre-training starts from."""
SHIPPED = EXAMPLES.parent / "model_cards" / "dare-eeg-nano"
"""Pre-trained on nine hours of real recordings; it comes with the repository, as does a classifier made from it."""
SHIPPED_CLASSIFIER = EXAMPLES.parent / "model_cards" / "dare-eeg-nano-eyes"
CAP_32 = (
    "Fp1 Fp2 AF3 AF4 F7 F3 Fz F4 F8 FC5 FC1 FC2 FC6 T7 C3 Cz C4 T8 CP5 CP1 CP2 CP6 P7 P3 Pz P4 P8 PO3 PO4 O1 Oz O2"
).split()
"""Montage of the simulated pre-training recordings: a common cap of 32 electrodes."""
TEN_TWENTY = "Fp1 Fp2 F7 F3 Fz F4 F8 T3 C3 Cz C4 T4 T5 P3 Pz P4 T6 O1 O2".split()
"""Montage of the simulated recordings with labels: the 10-20 system under its old names."""
PRETRAINED, RANDOM, SHIPPED_NAME = "pre-trained here", "random weights", "dare-eeg-nano"
SIMULATED = (
    "Simulated recordings: current dipoles in a spherical head, with rhythms, blinks, muscles and noise like real "
    "ones, but no brain. They show that the mechanics of the method work; what it is worth on EEG, only EEG can tell "
    "(picture 5). Pre-training: 12 people, 32 electrodes at 256 Hz, no labels. Labels and tests: others, 19 "
    "electrodes at 200 Hz. "
)
LOST = {"all electrodes": 0.0, "half of them lost": 0.5, "three quarters lost": 0.75}


@dataclass
class Fold:
    """One round of the demo: who is tested, on whose recordings the rest is done, and where it is written."""

    output: Path
    pretraining: Path
    labelled: Path
    test_subjects: list[str]


@dataclass
class Measured:
    """What a fold showed, by the name of a model or method.

    Attributes:
        reconstructions: of the tested people's windows.
        errors: of each tested person's hidden patches, relative to a flat line.
        invariance: what `measure_invariance` says.
        accuracy: (electrodes lost, tested people) from the labels of one person at a time.
        windows: number of windows that reconstruction and invariance were measured on.
        channel_names, sampling_rate: of these windows as the model sees them.
    """

    reconstructions: Reconstructions
    errors: dict[str, np.ndarray]
    invariance: dict[str, dict]
    accuracy: dict[str, np.ndarray]
    windows: int
    channel_names: Sequence[str]
    sampling_rate: float


def simulated_fold(output: Path, seed: int) -> Fold:
    """Simulate people for pre-training, and others, with another cap at another rate, for labels and for testing."""
    pretraining, labelled = output / "recordings" / "pretraining", output / "recordings" / "labelled"
    simulate_recordings(pretraining, subjects=12, montage=CAP_32, sampling_rate=256, seed=seed)
    # Their persons must not be the same, whatever the seed of the next run.
    simulate_recordings(
        labelled, subjects=21, montage=TEN_TWENTY, sampling_rate=200, seconds=32, seed=seed + 10_000, prefix="P"
    )
    return Fold(output, pretraining, labelled, [f"P{number:03d}" for number in range(10, 22)])


def resting_recordings(folder: Path) -> list[RecordingFile]:
    """The recordings with open and closed eyes that are named as in EEGMMIDB; there may be none."""
    try:
        return TASKS["eyes-eegmmidb"].recordings(folder)
    except FileNotFoundError:
        return []


def folds_of_real_recordings(data: Path, output: Path) -> list[Fold]:
    """Leave out each person who has recordings with eyes open and closed, in pre-training and in the labels."""
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


def pretrain(fold: Fold, steps: int | None, seed: int) -> None:
    """Pre-train on the fold's recordings without labels, as one would by hand."""
    run_python(
        EXAMPLES / "pretrain.py",
        *("--data", fold.pretraining, "--output", fold.output / "pretrained", "--config", CONFIG),
        *("--num-proc", 2, "--seed", seed, "--resume"),
        *(("--max-steps", steps) if steps else ()),
    )


def random_model(config: DareEegConfig, seed: int) -> DareEegForPreTraining:
    """The same network before it has learned anything."""
    torch.manual_seed(seed)
    return DareEegForPreTraining(config, PATCH_INITIALIZER_RANGE).eval()


def labelled_windows(fold: Fold, names: Sequence[str]) -> LabelledWindows:
    """Windows of 4 seconds, eyes open or closed, of these electrodes."""
    windows = TASKS["eyes-eegmmidb"].read(fold.labelled)
    kept = [place for place, name in enumerate(windows.channel_names) if name in names]
    return replace(
        windows, channel_names=tuple(windows.channel_names[i] for i in kept), signals=windows.signals[:, kept]
    )


def measure(fold: Fold, seed: int) -> Measured:
    """Reconstruction, mask invariance and few labels, on the fold's tested people."""
    trained = DareEegForPreTraining.from_pretrained(fold.output / "pretrained").eval()
    models = {PRETRAINED: trained, RANDOM: random_model(trained.config, seed)}
    # Under the same masks, and not those that it was trained with: the others would have more to see.
    models[SHIPPED_NAME] = DareEegForPreTraining.from_pretrained(SHIPPED, masking=trained.config.masking).eval()
    extractor = DareEegFeatureExtractor.from_pretrained(fold.output / "pretrained")
    windows = labelled_windows(fold, trained.config.pretraining_channel_names)
    tested = windows.select(np.flatnonzero(np.isin(windows.subjects, fold.test_subjects)))
    inputs = prepare_inputs(extractor, tested)
    inputs = {name: inputs[name] for name in ("input_values", "channel_ids")}
    shown = reconstruct(models, inputs, seed=seed, patches_at_once=1)
    errors = {
        name: np.array([shown.error(name, tested.subjects == person) for person in fold.test_subjects])
        for name in shown.filled
    }
    others = sorted(set(windows.subjects) - set(fold.test_subjects))
    accuracy = {
        name: accuracy_from_one_labelled_person(
            model.dare_eeg, extractor, windows, others, fold.test_subjects, tuple(LOST.values()), seed
        )
        for name, model in models.items()
    }
    invariance = {name: measure_invariance(model, [inputs], seed=seed) for name, model in models.items()}
    names = [trained.config.channel_names[number] for number in inputs["channel_ids"][0].tolist()]
    return Measured(shown, errors, invariance, accuracy, len(tested), names, trained.config.sampling_rate)


def join_test_recording(fold: Fold) -> Path:
    """Write one recording of a person never seen: eyes open, then closed."""
    subject = fold.test_subjects[0]
    paths = [recording.path for recording in resting_recordings(fold.labelled) if recording.subject == subject]
    raws = [mne.io.read_raw(path, preload=True, verbose="error") for path in paths]
    length = min(60.0, *(raw.duration for raw in raws))
    joined = mne.concatenate_raws([raw.crop(0, length, include_tmax=False) for raw in raws], verbose="error")
    joined.set_annotations(None)
    output = fold.output / f"{subject}_open_then_closed.edf"
    mne.export.export_raw(output, joined, overwrite=True, verbose="error")
    return output


def over_people(measured: Sequence[Measured]) -> dict[str, dict[str, np.ndarray]]:
    """The folds' errors (people,) and accuracies (electrodes lost, people), side by side."""
    errors = {name: np.concatenate([one.errors[name] for one in measured]) for name in measured[0].errors}
    accuracy = {name: np.hstack([one.accuracy[name] for one in measured]) for name in measured[0].accuracy}
    return {"errors": errors, "accuracy": accuracy}


def retrieval(measured: Sequence[Measured], name: str) -> float:
    """How often a view finds its window among all, where the two views share fewest electrodes."""
    return float(np.mean([one.invariance[name]["invariance"][0]["retrieval_accuracy"] for one in measured]))


def results_table(measured: Sequence[Measured]) -> tuple[list[str], list[list[object]]]:
    """Header and rows: what was measured, and what each model and baseline has."""
    people = over_people(measured)
    errors, accuracy = people["errors"], people["accuracy"]
    models = (PRETRAINED, RANDOM, SHIPPED_NAME)
    header = ["on people never seen", *models, "baseline", "gain of pre-training (95 % over people)"]
    baselines = f"{errors[INTERPOLATION].mean():.3f} {INTERPOLATION}, {errors[CHANNEL_MEAN].mean():.3f} {CHANNEL_MEAN}"
    gain = f"{paired_gain(errors[INTERPOLATION], errors[PRETRAINED])} on splines"
    rows = [["error of hidden patches", *(float(errors[name].mean()) for name in models), baselines, gain]]
    guessing = np.mean([1 / one.windows for one in measured])
    found = [retrieval(measured, name) for name in models]
    rows.append(["view finds its window", *found, f"{guessing:.3f} guessing", f"{found[0] - found[1]:+.3f} on random"])
    for number, condition in enumerate(LOST):
        values = [float(accuracy[name][number].mean()) for name in models]
        gain = f"{paired_gain(accuracy[PRETRAINED][number], accuracy[RANDOM][number])} on random"
        rows.append([f"eyes, 1 person labelled, {condition}", *values, "0.500 guessing", gain])
    return header, rows


def print_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """The results for the terminal."""
    texts = [[f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    print()
    for row in texts:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def draw_window(one: Measured) -> Figure:
    """Half of the window whose error is the median one, what was hidden of it, and what was put there."""
    shown = one.reconstructions
    errors = [shown.error(PRETRAINED, slice(number, number + 1)) for number in range(one.windows)]
    number = int(np.argsort(errors)[one.windows // 2])
    half = one.reconstructions.truth.shape[-1] // 2
    signal, model, splines = (
        shown.in_millivolts(name)[number, :, :half] for name in (None, PRETRAINED, INTERPOLATION)
    )
    visible = shown.visible[number, : shown.visible.shape[1] // 2]
    return plot_reconstruction(signal, model, visible, one.channel_names, one.sampling_rate, splines, INTERPOLATION)


def draw_accuracy(accuracy: Mapping[str, np.ndarray]) -> Figure:
    """Balanced accuracy against the electrodes that are left; bands are standard errors over people."""
    places = np.arange(len(LOST))
    curves = [
        Curve(places, values.mean(1), name, spread=values.std(1) / np.sqrt(values.shape[1]))
        for name, values in accuracy.items()
    ]
    panel = Panel(curves, y_label="Balanced accuracy (dotted: guessing)", level=0.5, ticks=list(LOST))
    return plot_curves([panel], size=6.5)


def draw_answers(recording: Path, classifier: Path) -> tuple[Figure, float]:
    """What a classifier says along a recording of open, then closed eyes; and how much of it is right."""
    windows = pipeline("eeg-classification", model=str(classifier))(recording)
    middle = max(window["onset"] + window["duration"] for window in windows) / 2
    truth = ["eyes open" if window["onset"] + window["duration"] / 2 < middle else "eyes closed" for window in windows]
    right = np.mean([window["label"] == label for window, label in zip(windows, truth, strict=True)])
    return plot_classification(windows, truth), float(right)


def evidence() -> list[list[object]]:
    """What the card of the shipped model reports on real recordings."""
    results = ModelCard.load(SHIPPED / "README.md").data.eval_results
    return [[result.dataset_name, result.dataset_split, float(result.metric_value)] for result in results]


def write_page(folds: Sequence[Fold], measured: Sequence[Measured], real: bool, output: Path) -> Path:
    """The story in five pictures."""
    fold, one = folds[-1], measured[-1]
    header, rows = results_table(measured)
    accuracy = over_people(measured)["accuracy"]
    names = ", ".join(person for each in folds for person in each.test_subjects)
    page = HtmlPage("DARE-EEG at work")
    page.paragraph(
        ("Real recordings; each person was left out of pre-training and labels in turn. " if real else SIMULATED)
        + f"Tested on {names}, whom the model pre-trained here has never seen."
    )
    page.paragraph("Research only: nothing here is a medical device, and no output of it is a diagnosis.", "warning")
    page.table(header, rows)

    page.heading("1. Learning without labels")
    page.figure(plot_loss_curves(read_metrics(fold.output / "pretrained" / FILE_NAME)), "Losses over the steps")
    page.paragraph(
        "Four fifths of the electrodes are hidden from the encoder in every quarter of a second. It learns to "
        "reconstruct them, to predict what the momentum encoder makes of the complete window (anchor), and to put two "
        "views of a window with few electrodes in common in the same place (mask alignment)."
    )
    page.heading("2. Hidden patches, filled in")
    errors = over_people(measured)["errors"]
    page.figure(draw_window(one), "A window, its reconstruction and its interpolation")
    page.paragraph(
        "Half of a window of a person never seen, the median one by its error. A flat line has an error of 1, "
        f"spherical splines through the visible electrodes {errors[INTERPOLATION].mean():.2f}, the model "
        f"{errors[PRETRAINED].mean():.2f}, mean over people. The model predicts the shape of a patch; its mean and "
        "size, which the objective takes off, are the true ones in the picture, for both methods."
    )
    page.heading("3. Two views of one window")
    page.figure(plot_models({name: [value] for name, value in one.invariance.items()}, one.windows), "Mask invariance")
    page.paragraph(
        "How alike the features of two views are, by the share of electrodes that both show, and how often a view "
        "finds its own window among all: before pre-training (random weights) and after it."
    )
    page.heading("4. Few labels, lost electrodes")
    page.figure(draw_accuracy(accuracy), "Balanced accuracy with fewer and fewer electrodes")
    page.paragraph(
        "Eyes open or closed, from the labels of a single person: a logistic regression on the frozen encoder's "
        "features, tested on the others, who lose electrodes, each others of them. Mean over the people whose labels "
        "are used; the band is the standard error over those tested."
    )
    page.heading("5. The model that comes with the repository")
    answers, right = draw_answers(join_test_recording(fold), SHIPPED_CLASSIFIER)
    page.figure(answers, "Answers of the shipped classifier along a recording")
    page.paragraph(
        f"dare-eeg-nano-eyes on {fold.test_subjects[0]}, open and then closed eyes: {right:.0%} of the windows are "
        "right. It was fitted to the real recordings of two people (EEGMMIDB S001 and S004). Its encoder, "
        "dare-eeg-nano, learned from nine hours of real recordings, those of S001 and S004 among them"
        + (", so that its columns above are not of people it never saw. " if real else ". ")
        + "What it does on real recordings, as its card reports it:"
    )
    page.table(["data", "split", "balanced accuracy"], evidence())
    return page.write(output / "demo.html")


def main() -> None:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of real recordings (default: simulate some)")
    parser.add_argument("--output", type=Path, default=Path("demo_output"), help="default: %(default)s")
    parser.add_argument("--pretraining-steps", type=int, help="default: as in examples/configs/demo.yaml")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.data is not None and not options.data.is_dir():
        raise SystemExit(f"{options.data} is not a folder.")
    started = time.monotonic()
    options.output.mkdir(parents=True, exist_ok=True)
    if options.data is None:
        print("Simulating recordings: dipoles in a spherical head, for whom it is known what they do.")
        folds = [simulated_fold(options.output, options.seed)]
    else:
        folds = folds_of_real_recordings(options.data, options.output)
    measured = []
    for fold in folds:
        pretrain(fold, options.pretraining_steps, options.seed)
        print(f"Testing on {', '.join(fold.test_subjects)} ...", flush=True)
        measured.append(measure(fold, options.seed))
    print_table(*results_table(measured))
    page = write_page(folds, measured, options.data is not None, options.output)
    print(f"\nPre-trained model: {folds[-1].output / 'pretrained'}   (AutoModel.from_pretrained loads it)")
    print(f"The story in five pictures: {page.resolve()}")
    print(f"{time.monotonic() - started:.0f} seconds in all.")


if __name__ == "__main__":
    main()
