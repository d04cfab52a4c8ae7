"""What to do with the pipelines' answers: join them, keep them as a table, put them beside a recording."""

import csv
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dare_eeg_hf.atomic_files import replacing
from dare_eeg_hf.usability_dare_eeg import NO_SIGNAL

if TYPE_CHECKING:
    import mne


def merge_predictions(predictions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Join windows that follow or overlap each other and have the same label.

    Returns a list of `onset`, `duration`, `label`, `score`, the mean over the windows joined, and `partial`; padded
    windows stay apart. Where neighbours with different labels overlap, the earlier one ends where the
    later one starts, so that no moment has two labels. Unusable windows have no label and are in none.
    """
    merged: list[dict[str, Any]] = []
    members: list[float] = []
    for window in sorted(predictions, key=lambda each: each["onset"]):
        if window["label"] is None:
            continue
        end = window["onset"] + window["duration"]
        partial = bool(window.get("partial"))
        if merged:
            last = merged[-1]
            last_end = last["onset"] + last["duration"]
            alike = last["label"] == window["label"] and last["partial"] == partial
            if alike and window["onset"] <= last_end + 1e-6:
                members.append(window["score"])
                last.update(duration=max(end, last_end) - last["onset"], score=sum(members) / len(members))
                continue
            last["duration"] = min(last_end, window["onset"]) - last["onset"]
        merged.append({key: window[key] for key in ("onset", "duration", "label", "score")} | {"partial": partial})
        members = [window["score"]]
    return merged


def to_annotations(
    predictions: Sequence[Mapping[str, Any]],
    merge: bool = True,
    orig_time: Any = "recording",
    *,
    raw: "mne.io.BaseRaw | None" = None,
) -> "mne.Annotations":
    """Return predictions as MNE Annotations: for `raw.set_annotations`, to add to `raw.annotations`, or to save.

    A label that rests on a padded window ends in " (partial)"; what lies in unusable windows alone is annotated
    `BAD_no_signal` with the reason, so that MNE leaves it out.

    Args:
        predictions: What the classification pipeline returned for one continuous recording.
        merge: Join neighbouring windows of the same label.
        orig_time: `raw.info["meas_date"]`, or None for onsets since the first sample. By default that of the
            recording, which the pipeline's result carries (together with how far a Raw was cropped).
        raw: The recording, for predictions that no longer carry it (read from a file, or part of a list).

    Raises:
        ValueError: If the predictions have no label (a regression) or belong to trials.
    """
    import mne

    if any("label" not in each or "trial" in each for each in predictions):
        raise ValueError("Only labels along one continuous recording can become annotations.")
    first_time = getattr(predictions, "first_time", 0.0) if raw is None else raw.first_time
    if orig_time == "recording":
        orig_time = getattr(predictions, "orig_time", None) if raw is None else raw.annotations.orig_time
    rows = merge_predictions(predictions) if merge else [each for each in predictions if each["label"] is not None]
    rows = [{**row, "label": f"{row['label']} (partial)" if row.get("partial") else row["label"]} for row in rows]
    rows += _unanswered(predictions)
    rows.sort(key=lambda row: row["onset"])
    shift = 0.0 if orig_time is None else first_time
    return mne.Annotations(
        onset=[row["onset"] + shift for row in rows],
        duration=[row["duration"] for row in rows],
        description=[row["label"] for row in rows],
        orig_time=orig_time,
    )


def _unanswered(predictions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What lies in unusable windows and in no usable one, neighbours with the same reason joined."""
    usable = [(each["onset"], each["onset"] + each["duration"]) for each in predictions if each["label"] is not None]
    rows: list[dict[str, Any]] = []
    for window in sorted((each for each in predictions if each["label"] is None), key=lambda each: each["onset"]):
        start, stop = window["onset"], window["onset"] + window["duration"]
        start = max([start, *(end for begin, end in usable if begin <= start < end)])
        stop = min([stop, *(begin for begin, end in usable if start < begin < stop)])
        label = f"{NO_SIGNAL}: {window['reason']}"
        if rows and rows[-1]["label"] == label and start <= rows[-1]["onset"] + rows[-1]["duration"] + 1e-6:
            rows[-1]["duration"] = max(stop - rows[-1]["onset"], rows[-1]["duration"])
        elif start < stop:
            rows.append({"onset": start, "duration": stop - start, "label": label})
    return rows


def save_annotations(predictions: Sequence[Mapping[str, Any]], path: str | os.PathLike) -> Path:
    """Write predictions as a table of `onset` (seconds from the first sample), `duration` and `description`.

    MNE's own CSV writes times of day instead, which other programs do not read as numbers.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    annotations = to_annotations(predictions, orig_time=None)
    with replacing(path) as unfinished, unfinished.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["onset", "duration", "description"])
        for onset, duration, text in zip(
            annotations.onset, annotations.duration, annotations.description, strict=True
        ):
            writer.writerow([f"{onset:.6f}".rstrip("0").rstrip("."), f"{duration:.6f}".rstrip("0").rstrip("."), text])
    return path


def save_predictions(predictions: Sequence[Mapping[str, Any]], path: str | os.PathLike) -> Path:
    """Write predictions as JSON or, one line per window with a column per class, as CSV; the suffix of `path` chooses.

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
        row["labels"] = ";".join(prediction["labels"] or [])
    for kind in ("score", "value"):
        row |= {f"{kind}_{name}": number for name, number in prediction.get(f"{kind}s", {}).items()}
    return row
