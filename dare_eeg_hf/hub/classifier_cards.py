"""The card of a classifier trained on one's own labelled windows: on what, and how well such classifiers do."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from dare_eeg_hf.adaptation.classifier_inputs import in_order
from dare_eeg_hf.adaptation.finetuning_arguments import STATISTICS
from dare_eeg_hf.adaptation.labelled_windows import LabelledWindows
from dare_eeg_hf.checkpoints import digest_of_weights
from dare_eeg_hf.evaluation.contestant_names import POOLED_POWER
from dare_eeg_hf.file_digest import file_digest
from dare_eeg_hf.hub.cards import write_model_card

RESULTS_NAME = "results.json"


def write_classifier_card(
    folder: Path,
    windows: LabelledWindows,
    *,
    name: str,
    title: str,
    label_table: Path | None = None,
    cross_validation: dict | None = None,
) -> Path:
    """Write the card of a classifier that `train_classifier` leaves in a folder.

    People are counted, not named.

    Args:
        folder: of the classifier, with its finetuning.json.
        windows: what it was trained on.
        name: of the classifier.
        title: what the recordings are called.
        label_table: the file that the labels were read from; its digest is told.
        cross_validation: from `cross_validation_of`.
    """
    facts = json.loads((folder / "finetuning.json").read_text(encoding="utf-8"))
    seconds = windows.signals.shape[-1] / windows.sampling_rate
    counts = np.bincount(windows.labels, minlength=len(windows.label_names)).tolist()
    corpus = {
        "name": title,
        "subjects": len(np.unique(windows.subjects)) if windows.people_known else "not known",
        "recordings": len(np.unique(windows.recording_keys)),
        "windows": len(windows),
        "hours": round(len(windows) * seconds / 3600, 2),
        "people": windows.people_statement,
    }
    arguments = {
        "checkpoint": facts["checkpoint"],
        **facts["arguments"],
        "window": f"{seconds:g} s",
        "windows of each class": ", ".join(
            f"{count} {label}" for label, count in zip(windows.label_names, counts, strict=True)
        ),
        "electrodes of the windows": " ".join(windows.channel_names),
    }
    if label_table is not None:
        arguments["table of labels"] = f"{label_table.name}, SHA-256 {file_digest(label_table)}"
    run = {"name": name, "corpora": [corpus], "arguments": arguments, "cross_validation": cross_validation}
    if "/" in facts["checkpoint"]:  # a folder is given by its last name only: this is a Hub id
        run["base_model"] = facts["checkpoint"]
    return write_model_card(folder, run=run)


def cross_validation_of(results: Path, windows: LabelledWindows, checkpoint: str, mode: str = STATISTICS) -> dict:
    """What `dare-eeg evaluate` found about classifiers made like this one, of the same windows.

    Args:
        results: the folder that it has left.
        windows, checkpoint, mode: of the classifier.

    Raises:
        FileNotFoundError: the folder holds no results.
        ValueError: they are of other windows, labels or people, of another encoder, or of another kind of classifier.
    """
    file = results / RESULTS_NAME
    if not file.is_file():
        raise FileNotFoundError(
            f"{results} holds no {RESULTS_NAME}: give the folder that `dare-eeg evaluate` has left"
        )
    found = json.loads(file.read_text(encoding="utf-8"))
    try:
        record = found["records"][0]
        inputs, labels, people = record["inputs"], found["windows"]["labels"], found["people"]["count"]
        metrics = record["metrics"]
        low, high = metrics["confidence_intervals"]["balanced_accuracy"]
    except (KeyError, IndexError, TypeError) as error:
        raise ValueError(f"{file} is not what `dare-eeg evaluate` leaves") from error
    counts = np.bincount(windows.labels, minlength=len(windows.label_names)).tolist()
    same = {
        "windows": inputs["windows"] == in_order(windows).fingerprint(),
        "labels": labels == dict(zip(windows.label_names, counts, strict=True)),
        "people": people == len(np.unique(windows.subjects)),
        "encoder": inputs["weights"] == digest_of_weights(Path(checkpoint)),
        "kind of classifier": mode == STATISTICS and inputs["mode"] == POOLED_POWER,
    }
    if others := [name for name, equal in same.items() if not equal]:
        raise ValueError(
            f"{results} was measured with other {', '.join(others)} than this classifier is made of: run `dare-eeg "
            "evaluate` with the same arguments"
        )
    return {
        "protocol": found["protocol"],
        "balanced_accuracy": metrics["balanced_accuracy"],
        "interval": [low, high],
        "findings": found.get("findings", []),
    }
