"""A probe while pre-training: how well a linear classifier reads labels of other people from the encoder, so far.

The losses go on falling when what can be read from the features gets no better, so they are a poor judge of which
checkpoint to keep. A probe looks at what features are for: it takes those of a few hundred labelled windows and tests
a classifier in closed form on people it did not learn from. Since it chooses among checkpoints, what it found for the
chosen one is no estimate for new people; for that, take people who were neither trained on nor probed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import datasets
import numpy as np
import torch
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dare_eeg_hf.centering import center_by_subject, refuse_to_center_classes
from dare_eeg_hf.configuration_dare_eeg import DareEegConfig
from dare_eeg_hf.corpora.loading import WindowCollator
from dare_eeg_hf.corpora.people import are_known, listed, one_spelling, statement
from dare_eeg_hf.launching import main_process_first
from dare_eeg_hf.modeling_dare_eeg import DareEegForPreTraining, DareEegModel
from dare_eeg_hf.pretraining.arguments import PretrainingArguments
from dare_eeg_hf.pretraining.checkpointing import model_tensors
from dare_eeg_hf.pretraining.data import (
    check_trainable,
    content_digest,
    open_labelled_windows,
    owners_of,
    source_of_subjects,
)
from dare_eeg_hf.pretraining.processes import ProcessGroup
from dare_eeg_hf.pretraining.step_inputs import model_inputs
from dare_eeg_hf.readout_dare_eeg import window_statistics

MOST_FOLDS = 5
BATCH_SIZE = 64
PENALTY = 1 / 16
"""Ridge penalty as a share of what standardised features sum up to (windows times features).

Strong and fixed: over eight encoders of size nano, random to trained, balanced accuracy of 400 windows then goes along
with that of the benchmark's logistic regression on 1,200 windows and overlapping patches (correlation 0.73 on mental
arithmetic, as a mean of plain and centered; 0.92 on epilepsy, plain). A penalty chosen by leaving single windows out
is too weak for other people (-0.41 and 0.83), and so is a discriminant analysis with shrinkage (-0.29 and 0.86).
"""


@dataclass(frozen=True)
class Probe:
    """Labelled windows of some people, ready to be encoded, and folds of whole people.

    Attributes:
        name: in the log.
        rows: the W windows of the data set.
        batches: their model inputs, with `patch_mask`.
        labels: (W,) integers.
        subjects: (W,) people.
        folds: positions to learn from and to test on; each window is tested on once.
        centers: whether features are centered by person as well.
    """

    name: str
    rows: datasets.Dataset
    batches: list[dict[str, torch.Tensor]]
    labels: np.ndarray
    subjects: np.ndarray
    folds: list[tuple[np.ndarray, np.ndarray]]
    centers: bool

    @property
    def measures(self) -> list[str]:
        """The names under which its findings are logged."""
        return [f"probe/{self.name}", *([f"probe/{self.name}_centered"] if self.centers else [])]

    @property
    def chance(self) -> float:
        """The balanced accuracy of guessing."""
        return 1 / len(np.unique(self.labels))

    @property
    def error(self) -> float:
        """The standard error of an accuracy of one half on so many windows."""
        return 0.5 / len(self.labels) ** 0.5

    def fingerprint(self) -> str:
        """A digest of the windows and their labels."""
        return hashlib.sha256(content_digest(self.rows).encode() + self.labels.tobytes()).hexdigest()[:16]

    @torch.no_grad()
    def measure(self, encoder: DareEegModel) -> dict[str, float]:
        """Balanced accuracy on people that the classifier did not learn from, of features as they are and centered.

        Features are mean and spread over time of adjacent patches, not of overlapping ones: a quarter of the work.
        """
        stride, device = encoder.config.patch_size, encoder.device
        inputs = ({name: values.to(device) for name, values in batch.items()} for batch in self.batches)
        statistics = [window_statistics(encoder, batch, stride, with_power_maps=False) for batch in inputs]
        features = torch.cat(statistics).double().cpu().numpy()
        variants = [features, *([center_by_subject(features, self.subjects)] if self.centers else [])]
        return {name: self._accuracy(each) for name, each in zip(self.measures, variants, strict=True)}

    def _accuracy(self, features: np.ndarray) -> float:
        predicted = np.empty_like(self.labels)
        for fit, test in self.folds:
            ridge = RidgeClassifier(PENALTY * features[fit].size, class_weight="balanced")
            classifier = make_pipeline(StandardScaler(), ridge)
            predicted[test] = classifier.fit(features[fit], self.labels[fit]).predict(features[test])
        return float(balanced_accuracy_score(self.labels, predicted))


def open_probes(arguments: PretrainingArguments, config: DareEegConfig) -> list[Probe]:
    """The probe of each folder of `probe_data`.

    Raises:
        FileNotFoundError: a source is neither a folder nor looks like a repository's name.
        ValueError: its windows cannot be probed (too few people, no labels, test people) or not be encoded.
    """
    sources = arguments.probe_data or []
    names = [Path(source).name for source in sources]
    if len(set(names)) < len(names):
        names = list(map(str, sources))
    with main_process_first(arguments.cpu):
        opened = [open_labelled_windows(source) for source in sources]
    return [
        make_probe(name, windows, config, arguments.probe_windows) for name, windows in zip(names, opened, strict=True)
    ]


def make_probe(name: str, windows: datasets.Dataset, config: DareEegConfig, count: int) -> Probe:
    """A probe on at most `count` labelled windows of a data set.

    Raises:
        ValueError: a class has fewer than two people, or there is only one class; the windows cannot be encoded.
    """
    rows = draw_evenly(windows, count)
    labels, subjects = np.asarray(rows["label"][:]), np.asarray(owners_of(rows))
    folds = folds_of_people(name, labels, subjects, rows.features["label"].names)
    check_trainable([rows], config)
    collator = WindowCollator(config.channel_names, config.patch_size, sampling_rate=config.sampling_rate)
    batches = []
    for start in range(0, len(rows), BATCH_SIZE):
        batch = collator([rows[row] for row in range(start, min(start + BATCH_SIZE, len(rows)))])
        batches.append({**model_inputs(batch, config), "patch_mask": batch["patch_mask"]})
    try:
        refuse_to_center_classes(subjects, labels)
        centers = True
    except ValueError:
        centers = False
    return Probe(name, rows, batches, labels, subjects, folds, centers)


def draw_evenly(windows: datasets.Dataset, count: int) -> datasets.Dataset:
    """At most `count` labelled windows, equally many of each person and class as far as there are; always the same."""
    table = windows.select_columns("label").to_pandas()
    table["subject"] = owners_of(windows)
    labelled = table[table["label"].notna() & (table["label"] >= 0)]
    shuffled = labelled.sample(frac=1, random_state=0)
    rounds = shuffled.groupby(["subject", "label"]).cumcount().sort_values(kind="stable")
    return windows.select(sorted(rounds.index[:count]))


def folds_of_people(
    name: str, labels: np.ndarray, subjects: np.ndarray, label_names: Sequence[str]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Folds of whole people, each of which leaves every class to learn from: five, or as many as people allow.

    Raises:
        ValueError: there is no window, one class, or a class that only one person has.
    """
    if not len(labels):
        raise ValueError(
            f"No window of the probe data {name} has a label: prepare them with labels of two classes or more, or "
            "leave them out of probe_data."
        )
    classes = np.unique(labels)
    having = {label_names[label]: len(np.unique(subjects[labels == label])) for label in classes}
    if len(having) < 2:
        raise ValueError(
            f"All labelled windows of the probe data {name} are of one class, {listed(list(having))}, and a probe "
            "tells classes apart: prepare them with labels of two classes or more, or leave them out of probe_data."
        )
    if alone := [label for label, people in having.items() if people < 2]:
        raise ValueError(
            f"The probe data {name} have {listed(alone)} of one person only: while this person is tested on, nobody "
            "is left to learn the class from. Add windows of others, or leave these data out of probe_data."
        )
    # With as many folds as people only one person at a time is missing, and each class has two.
    for count in (min(MOST_FOLDS, *having.values()), len(np.unique(subjects))):
        folds = list(StratifiedGroupKFold(count).split(labels, labels, subjects))
        if all(len(np.unique(labels[fit])) == len(classes) for fit, _ in folds):
            break
    return folds


def refuse_trained_people(probes: Sequence[Probe], training: Sequence) -> list[str]:
    """Refuse to probe on people who are trained on: what the encoder knows of them says nothing about others.

    Args:
        probes: of the run.
        training: its training data sets.

    Returns:
        Sentences on what cannot be known.

    Raises:
        ValueError: naming the people.
    """
    remarks = []
    for probe in probes:
        source = source_of_subjects(probe.rows)
        if not are_known(source):
            remarks.append(
                f"Probe {probe.name}: its people may be trained on, as far as is known; {statement(source)}."
            )
        if not all(hasattr(data, "__len__") for data in training):
            remarks.append(f"Probe {probe.name}: whether its people are in the streamed training data is not checked.")
        for data in training:
            if not hasattr(data, "__len__"):
                continue
            if shared := _in_both(owners_of(probe.rows), owners_of(data)):
                raise ValueError(
                    f"People of the probe data {probe.name} are in the training data: {listed(shared)}. "
                    "Give windows of other people as probe_data, or train without these: a data set prepared with a "
                    "validation split (`dare-eeg prepare --validation 0.2`) can be both, since its validation people "
                    "alone are probed and the others alone are trained on."
                )
            if shared := _in_both(_without_corpus(probe.rows), _without_corpus(data)):
                remarks.append(
                    f"Probe {probe.name}: recordings of the same names are in the training data under another corpus "
                    f"({listed(shared)}). If they are the same recordings, leave their people out of one of the two."
                )
    return remarks


def _in_both(some: Sequence[str], others: Sequence[str]) -> list[str]:
    """Names that are in both, whatever their spelling."""
    spelling = one_spelling({*some, *others})
    return sorted({spelling[name] for name in some} & {spelling[name] for name in others})


def _without_corpus(windows: datasets.Dataset) -> list[str]:
    return [name.partition("/")[2] for name in owners_of(windows, "recording")]


def measure_probes(
    probes: Sequence[Probe], network: DareEegForPreTraining, device: torch.device, processes: ProcessGroup
) -> dict[str, float]:
    """What the probes find in the momentum encoder, which is what a run is kept for; every process must call this.

    Returns:
        `probe`, the mean over probes, by which checkpoints are compared; `probe_error`, its standard error;
        `probe_chance`, what guessing gives; and `probe/NAME` and `probe/NAME_centered` of each. The same in all
        processes, to the last bit.
    """
    encoder = whole_encoder(network).to(device)
    names = [name for probe in probes for name in probe.measures]
    found = [0.0] * len(names)
    if processes.is_main:
        found = [value for probe in probes for value in probe.measure(encoder).values()]
    # One process computes, so that no rounding can make two of them disagree on which checkpoint is the best.
    values = dict(zip(names, processes.sum(found), strict=True))
    means = [np.mean([values[name] for name in probe.measures]) for probe in probes]
    chance = np.mean([probe.chance for probe in probes])
    error = np.linalg.norm([probe.error for probe in probes]) / len(probes)
    return {"probe": float(np.mean(means)), "probe_error": float(error), "probe_chance": float(chance), **values}


def whole_encoder(network: DareEegForPreTraining) -> DareEegModel:
    """A copy of the momentum encoder as anyone would load it, whole, not compiled; every process must call this."""
    weights = model_tensors(network.dare_eeg)
    with torch.random.fork_rng(devices=[]):  # training goes on as if no model had been initialised here
        encoder = DareEegModel(network.config).float()
    encoder.load_state_dict(weights)
    return encoder.eval()
