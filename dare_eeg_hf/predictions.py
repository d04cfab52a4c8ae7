"""What to do with the pipelines' answers: join them, keep them as a table, put them beside a recording."""

import csv
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import compress
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
    raw: "mne.io.BaseRaw | None" = None,
    *,
    merge: bool = True,
    orig_time: Any = "recording",
) -> "mne.Annotations":
    """Return predictions as MNE Annotations that add to those of the recording.

        raw.set_annotations(raw.annotations + to_annotations(predictions, raw))

    A label that rests on a padded window ends in " (partial)"; what lies in unusable windows alone is annotated
    `BAD_no_signal` with the reason, so that MNE leaves it out.

    A Raw without a date of measurement that does not begin at sample 0 (it was cropped, or a system counted on) needs
    `annotate`: there MNE's `set_annotations` moves what was in `raw.annotations` once more by the time of the first
    sample.

    Args:
        predictions: What the classification pipeline returned for one continuous recording.
        raw: The recording, for predictions that no longer carry it (read from a file, or part of a list).
        merge: Join neighbouring windows of the same label.
        orig_time: `raw.info["meas_date"]`, or None for onsets since the first sample. By default that of the
            recording, which the pipeline's result carries (together with how far a Raw was cropped).

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
    rows += unanswered(predictions)
    rows.sort(key=lambda row: row["onset"])
    shift = 0.0 if orig_time is None else first_time
    return mne.Annotations(
        onset=[row["onset"] + shift for row in rows],
        duration=[row["duration"] for row in rows],
        description=[row["label"] for row in rows],
        orig_time=orig_time,
    )


def annotate(raw: "mne.io.BaseRaw", predictions: Sequence[Mapping[str, Any]], merge: bool = True) -> "mne.io.BaseRaw":
    """Add predictions to the annotations of a Raw, in place, whatever its date and first sample; returns the Raw.

    Args:
        raw: The recording that was labelled.
        predictions, merge: See `to_annotations`.
    """
    added = to_annotations(predictions, raw, merge=merge, orig_time=None)
    # `raw.annotations` count from the date of measurement or, without one, from sample 0: not from the first sample.
    raw.annotations.append(added.onset + raw.first_time, added.duration, added.description)
    return raw


def shares_of_time(predictions: Sequence[Mapping[str, Any]]) -> dict[str | None, float]:
    """Share of the time under a classifier's windows that has each label, and none (None), the largest first.

    Where windows overlap, no moment counts twice; see `merge_predictions`. Trials count by their durations.
    """
    seconds: Counter[str | None] = Counter()
    along_time = not any("trial" in each for each in predictions)
    for row in merge_predictions(predictions) if along_time else predictions:
        seconds[row["label"]] += row["duration"]
    for row in unanswered(predictions) if along_time else ():
        seconds[None] += row["duration"]
    return {label: each / seconds.total() for label, each in seconds.most_common()}


def unanswered(predictions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Stretches in unusable windows and in no usable one, neighbours with the same reason joined.

    Returns `onset` and `duration` in seconds, `reason`, and `label`: the text of an annotation.
    """
    answered = [_is_answered(each) for each in predictions]
    usable = [(each["onset"], each["onset"] + each["duration"]) for each in compress(predictions, answered)]
    rows: list[dict[str, Any]] = []
    silent = (each for each, is_answered in zip(predictions, answered, strict=True) if not is_answered)
    for window in sorted(silent, key=lambda each: each["onset"]):
        start, stop = window["onset"], window["onset"] + window["duration"]
        start = max([start, *(end for begin, end in usable if begin <= start < end)])
        stop = min([stop, *(begin for begin, end in usable if start < begin < stop)])
        label = f"{NO_SIGNAL}: {window['reason']}"
        if rows and rows[-1]["label"] == label and start <= rows[-1]["onset"] + rows[-1]["duration"] + 1e-6:
            rows[-1]["duration"] = max(stop - rows[-1]["onset"], rows[-1]["duration"])
        elif start < stop:
            rows.append({"onset": start, "duration": stop - start, "label": label, "reason": window["reason"]})
    return rows


def _is_answered(prediction: Mapping[str, Any]) -> bool:
    return prediction["label"] is not None if "label" in prediction else prediction["usable"]


def save_annotations(predictions: Sequence[Mapping[str, Any]], path: str | os.PathLike) -> Path:
    """Write predictions as annotations; the suffix of `path` chooses.

    `.csv` is a table for people and other programs: `onset` (seconds from the first sample), `duration` and
    `description`. `-annot.fif` is for MNE and keeps the recording's date, so that it adds up:
    `raw.set_annotations(raw.annotations + mne.read_annotations("night-annot.fif"))`. MNE cannot read the table: it
    takes the onsets of any CSV for times of day, or for milliseconds.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".fif":
        with replacing(path) as unfinished:
            to_annotations(predictions).save(unfinished, verbose="ERROR")
        return path
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


def read_predictions(path: str | os.PathLike) -> list[dict[str, Any]]:
    """Read back what `save_predictions` wrote, as the pipeline returned it."""
    path = Path(path)
    with path.open(encoding="utf-8", newline="") as file:
        if path.suffix == ".json":
            return json.load(file)
        return [_unflatten(row) for row in csv.DictReader(file)]


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


def _unflatten(row: Mapping[str, str]) -> dict[str, Any]:
    """The prediction of a row of a CSV file; the opposite of `flatten_prediction`."""
    prediction: dict[str, Any] = {}
    for column, text in row.items():
        kind, _, name = column.partition("_")
        if kind in ("score", "value") and name:
            prediction.setdefault(f"{kind}s", {})[name] = float(text) if text else None
        elif column in ("partial", "usable"):
            prediction[column] = text == "True"
        elif column in ("trial", "channels"):
            prediction[column] = int(text)
        elif column == "labels":
            prediction[column] = [label for label in text.split(";") if label] if row["usable"] == "True" else None
        elif column in ("label", "reason"):
            prediction[column] = text or None
        else:
            prediction[column] = float(text) if text else None
    return prediction
