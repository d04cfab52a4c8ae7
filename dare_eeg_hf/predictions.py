"""What to do with the pipelines' answers: join them, keep them as a table, put them beside a recording."""

import csv
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import mne
import numpy as np

from .atomic_files import replacing


def merge_predictions(predictions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Join windows that follow or overlap each other and have the same label.

    Returns a list of `onset`, `duration`, `label` and `score`, the mean over the windows joined. Where neighbours with
    different labels overlap, the earlier one ends where the later one starts, so that no moment has two labels.
    """
    merged: list[dict[str, Any]] = []
    members: list[float] = []
    for window in sorted(predictions, key=lambda each: each["onset"]):
        end = window["onset"] + window["duration"]
        if merged:
            last = merged[-1]
            last_end = last["onset"] + last["duration"]
            if last["label"] == window["label"] and window["onset"] <= last_end + 1e-6:
                members.append(window["score"])
                last.update(duration=max(end, last_end) - last["onset"], score=sum(members) / len(members))
                continue
            last["duration"] = min(last_end, window["onset"]) - last["onset"]
        merged.append({key: window[key] for key in ("onset", "duration", "label", "score")})
        members = [window["score"]]
    return merged


def to_annotations(
    predictions: Sequence[Mapping[str, Any]], merge: bool = True, orig_time: Any = None
) -> mne.Annotations:
    """Return predictions as MNE Annotations, for `raw.set_annotations` or `.save` beside the recording.

    Args:
        predictions: What the classification pipeline returned for one continuous recording.
        merge: Join neighbouring windows of the same label.
        orig_time: `raw.info["meas_date"]` where the annotations are to keep the time of day.

    Raises:
        ValueError: If the predictions have no label (a regression) or belong to trials.
    """
    if any("label" not in each or "trial" in each for each in predictions):
        raise ValueError("Only labels along one continuous recording can become annotations.")
    rows = merge_predictions(predictions) if merge else predictions
    return mne.Annotations(
        onset=[row["onset"] for row in rows],
        duration=[row["duration"] for row in rows],
        description=[row["label"] for row in rows],
        orig_time=orig_time,
    )


def save_predictions(predictions: Sequence[Mapping[str, Any]], path: str | os.PathLike) -> Path:
    """Write predictions as JSON or, one line a window with a column a class, as CSV; the suffix of `path` chooses.

    The file appears under its name only when it is complete.
    """
    path = Path(path)
    if path.suffix not in (".csv", ".json"):
        raise ValueError(f"{path.name}: predictions are saved as .csv or .json.")
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as unfinished, unfinished.open("w", encoding="utf-8", newline="") as file:
        if path.suffix == ".json":
            json.dump(list(predictions), file, indent=1, allow_nan=False)
        else:
            rows = [flatten_prediction(each) for each in predictions]
            writer = csv.DictWriter(file, fieldnames=list(rows[0]) if rows else ["onset", "duration"])
            writer.writeheader()
            writer.writerows(rows)
    return path


def save_features(features: Mapping[str, Any], path: str | os.PathLike) -> Path:
    """Write what the feature extraction pipeline returned as `.npz` (read it with `numpy.load`).

    The file appears under its name only when it is complete.
    """
    path = Path(path)
    if path.suffix != ".npz":
        raise ValueError(f"{path.name}: features are saved as .npz.")
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as unfinished, unfinished.open("wb") as file:
        np.savez_compressed(file, **{key: np.asarray(value) for key, value in features.items()})
    return path


def flatten_prediction(prediction: Mapping[str, Any]) -> dict[str, Any]:
    """Spread `scores` or `values` over columns and write a list of labels into one cell."""
    row = {key: value for key, value in prediction.items() if key not in ("scores", "values", "labels")}
    if "labels" in prediction:
        row["labels"] = ";".join(prediction["labels"])
    for kind in ("score", "value"):
        row |= {f"{kind}_{name}": number for name, number in prediction.get(f"{kind}s", {}).items()}
    return row
