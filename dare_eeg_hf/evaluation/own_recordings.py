"""How well can a model tell one's own labels apart, in people it never saw? Cross-validated, beside the baselines.

    read = read_labelled_recordings(LabelledFolder(read_label_table("labels.csv")), "recordings")
    evaluation = evaluate_recordings("model_cards/dare-eeg-nano", read, Path("evaluation"))

The encoder stays as it is; a logistic regression reads the mean and the spread of its features over each window, and
maps of the window's power. Beside it stand the same encoder with random weights, the maps alone, band power and the
Riemannian tangent space with the same classifier, and chance. Windows, folds, classifiers and figures are those of the
benchmark.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from dare_eeg_hf.adaptation.classifier_inputs import in_order
from dare_eeg_hf.adaptation.feature_statistics import of_encoder_alone
from dare_eeg_hf.adaptation.labelled_recordings import LabelledRecordings
from dare_eeg_hf.adaptation.labelled_windows import LabelledWindows
from dare_eeg_hf.atomic_files import write_json
from dare_eeg_hf.configuration_dare_eeg import DareEegConfig
from dare_eeg_hf.evaluation.benchmark import Cell, cell_inputs
from dare_eeg_hf.evaluation.benchmark_report import paired_difference
from dare_eeg_hf.evaluation.channel_importance import ChannelImportance, channel_importance
from dare_eeg_hf.evaluation.contestant_names import BASELINES, CENTERED, POOLED_POWER, POWER_MAPS
from dare_eeg_hf.evaluation.contestants import (
    check_centering,
    is_random,
    resolve_checkpoint,
    short_name,
    with_kept_features,
)
from dare_eeg_hf.evaluation.cross_validation import CrossValidated, cross_validate, one_thread
from dare_eeg_hf.evaluation.people_folds import N_FOLDS, people_folds, protocol_of
from dare_eeg_hf.evaluation.protocols import Fold
from dare_eeg_hf.evaluation.tables import NAMES
from dare_eeg_hf.montage import CHANNEL_VOCABULARY, match_channels

OWN = "own recordings"
"""What stands for the task in records."""


@dataclass(frozen=True)
class Evaluation:
    """What was measured.

    Attributes:
        title: what the recordings are called.
        model: the model that was asked for.
        windows: that were tested; every one of them once.
        folds: who was tested by a model trained on whom.
        records: one for each contestant and seed, as the benchmark has them, the model's first.
        probabilities: (W, K) by the model, of its first seed.
        features: (W, F) by the model's encoder: mean and spread over each window.
        centered: whether features were centered by person.
        importance: electrodes, the most important first; empty where it was not asked for.
        read: how the windows came to be, or None where they were prepared earlier.
        notes: sentences about what could not be done.
    """

    title: str
    model: str
    windows: LabelledWindows
    folds: Sequence[Fold]
    records: Sequence[dict]
    probabilities: np.ndarray
    features: np.ndarray
    centered: bool = False
    importance: Sequence[ChannelImportance] = ()
    read: LabelledRecordings | None = None
    notes: Sequence[str] = ()

    @property
    def people(self) -> list[str]:
        """Who was tested, in order of name."""
        return np.unique(self.windows.subjects).tolist()

    @property
    def window_seconds(self) -> float:
        """Length of a window."""
        return self.windows.signals.shape[-1] / self.windows.sampling_rate

    @property
    def protocol(self) -> str:
        """How it was tested, in a few words."""
        return protocol_of(self.windows, list(self.folds))

    @property
    def one_class_per_person(self) -> bool:
        """Whether the label is a trait, such as a diagnosis."""
        return self.records[0]["one_class_per_subject"]

    def contestants(self) -> dict[str, list[dict]]:
        """Name for tables -> its records over seeds; the model's first."""
        found: dict[str, list[dict]] = {}
        for record in self.records:
            found.setdefault(display_name(record), []).append(record)
        return found

    def differences(self) -> dict[str, dict]:
        """How much better the model is than each other contestant but chance, on the same people."""
        (_, own), *others = self.contestants().items()
        return {name: paired_difference(own, cells) for name, cells in others if name != NAMES["chance"]}

    def left_out(self) -> list[str]:
        """Files, channels, windows and contestants that were left out, each with the reason."""
        return [*(self.read.left_out() if self.read else []), *self.notes]

    def remarks(self) -> list[str]:
        """Sentences about people and labels."""
        return list(self.read.remarks) if self.read else [self.windows.people_statement]

    def to_dict(self) -> dict[str, Any]:
        """Everything but signals, features and probabilities, as JSON can hold it."""
        labels = dict(zip(self.windows.label_names, np.bincount(self.windows.labels).tolist(), strict=True))
        return {
            "title": self.title,
            "model": short_name(self.model),
            "windows": {"count": len(self.windows), "seconds": self.window_seconds, "labels": labels},
            "electrodes": list(self.windows.channel_names),
            "people": {
                "count": len(self.people),
                "known": self.windows.people_known,
                "statement": self.windows.people_statement,
            },
            "protocol": self.protocol,
            "centered_by_person": self.centered,
            "records": list(self.records),
            "differences": self.differences(),
            "importance": [asdict(each) for each in self.importance],
            "left_out": self.left_out(),
            "remarks": self.remarks(),
            "recordings": [asdict(each) for each in self.read.recordings] if self.read else [],
        }


def display_name(record: dict) -> str:
    """A contestant's name for tables."""
    model = record["inputs"]["model"]
    if model in NAMES:
        return NAMES[model]
    name = f"{model} and power maps" if not model.startswith("random-") else "the same with random weights"
    return name + (", centered by person" if record["inputs"]["mode"].endswith(CENTERED) else "")


def evaluate_recordings(
    model: str,
    recordings: LabelledRecordings | LabelledWindows,
    kept: Path,
    *,
    title: str = "",
    seeds: Sequence[int] = (0,),
    n_folds: int = N_FOLDS,
    center: bool = False,
    importance: bool = True,
    progress: bool = False,
) -> Evaluation:
    """Cross-validate a model and the baselines on labelled recordings, grouped by person.

    Args:
        model: folder or Hub id of a checkpoint.
        recordings: what `read_labelled_recordings` gave, or windows from elsewhere.
        kept: folder for features and figures; what is there and still holds is not computed again.
        title: what the recordings are called, for tables and figures.
        seeds: of the encoder with random weights; `{seed}` in the model's name stands for each of them.
        n_folds: at most; with fewer people, one is left out at a time.
        center: subtract from each person's features their mean over that person's windows, training and test alike. It
            uses no label, but all windows of a person have to be there before the first of them is classified, and
            with about the same mixture of classes for everyone.
        importance: also measure what each electrode is worth.
        progress: show progress bars.

    Raises:
        LabelError: there is one person, or a class that only one person has.
        ValueError: centering would remove the classes; the encoder knows none of the electrodes.
    """
    read = recordings if isinstance(recordings, LabelledRecordings) else None
    windows = in_order(recordings if read is None else read.windows)
    folds = people_folds(windows, n_folds)
    suffix = CENTERED if center else ""
    mode = POOLED_POWER + suffix
    notes = []
    contestants = [(model, mode), (f"random:{model}", mode)]
    if match_channels(windows.channel_names, CHANNEL_VOCABULARY).indices:
        contestants.append((POWER_MAPS + suffix, ""))
    else:
        notes.append("power maps by themselves: no electrode has a name of the 10-10 system")
    contestants.append(("band-power" + suffix, ""))
    if find_spec("pyriemann") is not None:
        contestants.append(("riemann" + suffix, ""))
    else:
        notes.append("the Riemannian tangent space: it needs pyriemann (pip install 'dare-eeg-hf[benchmark]')")
    check_centering(model, mode, windows)
    found, records = {}, []
    with one_thread():
        for contestant, own_mode in [*contestants, ("chance", "")]:
            for seed in seeds if is_random(contestant, own_mode) else seeds[:1]:
                cell = Cell(OWN, contestant, own_mode, seed)
                record, probabilities = _cell(cell, windows, folds, kept, progress)
                records.append(record)
                found[contestant, seed] = probabilities
        checkpoint = resolve_checkpoint(model, seeds[0], kept / "random")
        encoded = with_kept_features(checkpoint, windows, kept / "features", None)
        notes += _unknown_electrodes(checkpoint, windows)
        measured = _importance(records[0], model, checkpoint, encoded, folds, kept, progress) if importance else []
    return Evaluation(
        title=title or OWN,
        model=model,
        windows=windows,
        folds=folds,
        records=records,
        probabilities=found[model, seeds[0]],
        features=of_encoder_alone(encoded.features[:, 0].numpy()),
        centered=center,
        importance=measured,
        read=read,
        notes=notes,
    )


def _cell(
    cell: Cell, windows: LabelledWindows, folds: Sequence[Fold], kept: Path, progress: bool
) -> tuple[dict, np.ndarray]:
    """The record of one contestant and seed and its probabilities (W, K), computed or found again."""
    checkpoint = None if cell.model in BASELINES else resolve_checkpoint(cell.model, cell.seed, kept / "random")
    inputs = cell_inputs(cell, windows, {}, checkpoint, folds)
    file = kept / "cells" / cell.file_name
    if file.is_file() and (stored := json.loads(file.read_text(encoding="utf-8")))["inputs"] == inputs:
        return stored["record"], np.array(stored["probabilities"])
    tested = _cross_validated(cell.model, cell.mode, windows, folds, checkpoint, kept, progress)
    record = {"inputs": inputs, **tested.scores(windows)}
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(file, {"inputs": inputs, "record": record, "probabilities": tested.probabilities.tolist()})
    return record, tested.probabilities


def _cross_validated(
    model: str,
    mode: str,
    windows: LabelledWindows,
    folds: Sequence[Fold],
    checkpoint: str | None,
    kept: Path,
    progress: bool = False,
    keep: bool = False,
) -> CrossValidated:
    if checkpoint is not None:
        windows = with_kept_features(checkpoint, windows, kept / "features", None, progress)
    return cross_validate(model, mode, windows, folds, None, checkpoint, keep=keep)


def _importance(
    record: dict,
    model: str,
    checkpoint: str,
    windows: LabelledWindows,
    folds: Sequence[Fold],
    kept: Path,
    progress: bool,
) -> list[ChannelImportance]:
    """What each electrode is worth to the model, measured or found again; nothing where there is only one."""
    inputs = record["inputs"]
    file = kept / "importance.json"
    if file.is_file() and (stored := json.loads(file.read_text(encoding="utf-8")))["inputs"] == inputs:
        return [
            ChannelImportance(name, drop, interval and tuple(interval)) for name, drop, interval in stored["found"]
        ]
    vocabulary = DareEegConfig.from_pretrained(checkpoint).channel_names
    if len(match_channels(windows.channel_names, vocabulary).indices) < 2:
        return []
    tested = _cross_validated(model, inputs["mode"], windows, folds, checkpoint, kept, keep=True)
    found = channel_importance(checkpoint, windows, folds, tested.predictors, progress)
    write_json(file, {"inputs": inputs, "found": [[each.name, each.drop, each.interval] for each in found]})
    return found


def _unknown_electrodes(checkpoint: str, windows: LabelledWindows) -> list[str]:
    """A sentence about electrodes that only the baselines could use."""
    matched = match_channels(windows.channel_names, DareEegConfig.from_pretrained(checkpoint).channel_names)
    unknown = [name for place, name in enumerate(windows.channel_names) if place not in matched.indices.values()]
    if not unknown:
        return []
    return [f"{', '.join(unknown)}, for {short_name(checkpoint)}, which does not know them: only other baselines do"]
