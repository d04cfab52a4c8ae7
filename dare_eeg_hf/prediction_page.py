"""One HTML page about what a classifier said of a recording: which class when, from which channels, and the gaps."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dare_eeg_hf.channel_importance import WHAT_IT_IS, plot_importance
from dare_eeg_hf.coverage_dare_eeg import AnswerReport
from dare_eeg_hf.html_page import HtmlPage
from dare_eeg_hf.montage import CHANNEL_VOCABULARY, normalize_channel_name
from dare_eeg_hf.predictions import shares_of_time, unanswered
from dare_eeg_hf.signal_dare_eeg import MICROVOLTS
from dare_eeg_hf.sources_dare_eeg import open_sources
from dare_eeg_hf.visualization.electrodes import plot_electrodes
from dare_eeg_hf.visualization.predictions import plot_classification
from dare_eeg_hf.visualization.signals import VISIBLE_PATCH_COLOR, plot_traces
from dare_eeg_hf.visualization.style import time_unit

NO_DIAGNOSIS = "For research only: this is not a medical device, and nothing here is a diagnosis."
NO_ANSWER = "no answer"
AROUND_SECONDS = 3.0
"""Seconds of signal that are drawn before and after the window whose traces are shown."""
SMALL_IMPORTANCE = 0.01
MAX_TRACES = 24
MAX_GAPS = 40
TEN_TWENTY = frozenset("FP1 FP2 F7 F3 FZ F4 F8 T7 C3 CZ C4 T8 P7 P3 PZ P4 P8 O1 O2".split())
MAX_CLASSES_WITH_TRACES = 6


@dataclass
class Traces:
    """Normalised signal around a window.

    Attributes:
        window: The window's prediction.
        signal_uv: (C, T) in microvolts.
        channel_names: C names.
        sampling_rate: In Hz.
        onset: Time of the first sample in seconds.
    """

    window: Mapping[str, Any]
    signal_uv: np.ndarray
    channel_names: list[str]
    sampling_rate: float
    onset: float


def surest_windows(predictions: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The whole window with the highest probability of each of the first six classes that won somewhere."""
    whole = [each for each in predictions if each.get("label") is not None and not each["partial"]]
    classes = [name for name in (predictions[0]["scores"] if whole else ()) if any(w["label"] == name for w in whole)]
    of = {name: [each for each in whole if each["label"] == name] for name in classes[:MAX_CLASSES_WITH_TRACES]}
    return [max(windows, key=lambda each: each["score"]) for windows in of.values()]


def read_traces(
    recording: Any, feature_extractor: Any, windows: Sequence[Mapping[str, Any]], **reading: Any
) -> list[Traces]:
    """Read the signal around windows of a recording as the model is given it.

    Args:
        recording: What was labelled.
        feature_extractor: Of the model.
        windows: Some of the predictions.
        reading: See `ReadingOptions`.
    """
    if not windows:
        return []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they were issued when the recording was labelled
        sources = open_sources(recording, feature_extractor, **reading)
        found = []
        for window in windows:
            source = sources[window.get("trial", 0)]
            onset = window["onset"] - source.onset if "trial" not in window else 0.0
            start = max(0, round((onset - AROUND_SECONDS) * source.rate)) if "trial" not in window else 0
            stop = min(source.samples, round((onset + window["duration"] + AROUND_SECONDS) * source.rate))
            piece = source.read(start, stop)
            heard = piece.channel_mask.numpy()
            names = [name for name, is_heard in zip(piece.channel_names, heard, strict=True) if is_heard]
            microvolts = piece.values.numpy()[heard] * MICROVOLTS[feature_extractor.unit]
            found.append(Traces(window, microvolts, names, source.rate, start / source.rate + (source.onset or 0.0)))
    return found


def prediction_page(
    predictions: Sequence[Mapping[str, Any]],
    report: AnswerReport,
    *,
    file: str,
    model: str,
    traces: Sequence[Traces] = (),
    importance: Mapping[str, float] | None = None,
) -> HtmlPage:
    """Put what a classifier said about a recording on a page.

    Args:
        predictions: What the classification pipeline returned.
        report: Their report.
        file, model: Names of the recording and the model.
        traces: See `read_traces`, for some of the windows.
        importance: See `importance_of_channels`; None where it was not asked for.
    """
    title = f"{file} · {model}"
    page = HtmlPage(f"{file}, labelled by {model}").paragraph(NO_DIAGNOSIS, "warning")
    for message in report.warnings:
        page.paragraph(f"{message[:1].upper()}{message[1:]}.", "warning")
    answered = [each for each in predictions if each["usable"]]
    page.paragraph(
        f"{len(predictions)} windows, {len(answered)} of them with an answer; "
        f"{report.electrodes[:1].lower()}{report.electrodes[1:]}."
    )
    if "label" in predictions[0]:
        _add_classes(page, predictions, title)
    else:
        _add_values(page, answered)
    _add_gaps(page, predictions)
    for each in traces:
        _add_traces(page, each, title)
    if importance is not None:
        _add_importance(page, importance, title)
    _add_channels(page, report, title)
    return page


def _add_classes(page: HtmlPage, predictions: Sequence[Mapping[str, Any]], title: str) -> None:
    page.heading("Classes along time")
    if all(each["onset"] is not None for each in predictions):
        page.figure(
            plot_classification(predictions, title=title),
            "Probability of each class along time, and the winning class below it",
            "Upper panel: probability of each class. Lower strip: the winning class of each window. Hatched: no "
            "answer. Dotted line: the recording ends inside the window.",
        )
    else:
        page.paragraph("The onsets of these trials are unknown, so they cannot be drawn along time.", "note")
    shares = shares_of_time(predictions)
    counts = {label: sum(each["label"] == label for each in predictions) for label in shares}
    surest = {each["label"]: each["score"] for each in surest_windows(predictions)}
    page.table(
        ["class", "share of time", "windows", "highest probability"],
        [
            [label or NO_ANSWER, f"{share:.1%}", counts[label], "" if label is None else surest.get(label, "")]
            for label, share in shares.items()
        ],
    )
    page.paragraph(
        "A window gets the class with the highest probability, however low that is. The probabilities are the model's "
        "own and were not calibrated on this recording.",
        "note",
    )


def _add_values(page: HtmlPage, answered: Sequence[Mapping[str, Any]]) -> None:
    page.heading("Values")
    if not answered:
        return
    names = answered[0]["values"]
    rows = []
    for name in names:
        values = [each["values"][name] for each in answered]
        rows.append([name, float(np.mean(values)), min(values), max(values)])
    page.table(["value", "mean", "lowest", "highest"], rows)


def _add_gaps(page: HtmlPage, predictions: Sequence[Mapping[str, Any]]) -> None:
    """Stretches, or trials, without an answer and those that were padded."""
    page.heading("What got no answer")
    if "trial" in predictions[0]:
        rows = [[f"trial {each['trial']}", each["reason"]] for each in predictions if not each["usable"]]
    else:
        gaps = unanswered(predictions)
        rows = [[f"{gap['onset']:g} to {gap['onset'] + gap['duration']:g} s", gap["reason"]] for gap in gaps]
    if rows:
        page.table(["where", "why"], rows[:MAX_GAPS])
        if len(rows) > MAX_GAPS:
            page.paragraph(f"And {len(rows) - MAX_GAPS} more: the table of predictions has them all.", "note")
    else:
        page.paragraph("Every window got an answer.")
    padded = [each for each in predictions if each["partial"] and each["usable"]]
    if padded:
        seconds = ", ".join(f"{each['duration']:g} s" for each in padded[:8])
        page.paragraph(
            f"Windows in which the recording, or an uninterrupted piece of it, ends: {len(padded)}, which hold only "
            f"{seconds} of signal; their answers are less reliable.",
            "note",
        )


def _add_traces(page: HtmlPage, traces: Traces, title: str) -> None:
    window = traces.window
    where = f"trial {window['trial']}" if "trial" in window else f"{window['onset']:g} s"
    page.heading(f"Surest window of {window['label']}")
    shown = _channels_to_draw(traces.channel_names)
    names = [traces.channel_names[index] for index in shown]
    figure = plot_traces(traces.signal_uv[shown], names, traces.sampling_rate, traces.onset)
    figure.suptitle(title.replace("$", r"\$"), x=0.01, ha="left", fontsize=10)
    if "trial" not in window:
        unit, _ = time_unit(traces.onset + traces.signal_uv.shape[1] / traces.sampling_rate)
        begin, end = window["onset"] / unit, (window["onset"] + window["duration"]) / unit
        figure.axes[0].axvspan(begin, end, color=VISIBLE_PATCH_COLOR, alpha=0.6, linewidth=0, zorder=0)
    count = len(traces.channel_names)
    fewer = f" Of {count} channels {len(shown)} are drawn." if len(shown) < count else ""
    page.figure(
        figure,
        f"Traces around the surest window of {window['label']}",
        f"At {where}, {window['duration']:g} s (shaded) with a probability of {window['score']:.2f} for "
        f"{window['label']}, as the model is given them: filtered and re-referenced.{fewer}",
    )


def _channels_to_draw(names: Sequence[str]) -> list[int]:
    """All channels, or of many those of the 10-20 system, or else some evenly spread."""
    if len(names) <= MAX_TRACES:
        return list(range(len(names)))
    known = [index for index, name in enumerate(names) if normalize_channel_name(name) in TEN_TWENTY]
    return known if len(known) >= MAX_TRACES / 2 else list(range(0, len(names), -(-len(names) // MAX_TRACES)))


def _add_importance(page: HtmlPage, importance: Mapping[str, float], title: str) -> None:
    page.heading("Which electrodes the answers rest on")
    figure = plot_importance(importance, title)
    if figure is None:
        page.paragraph("It takes a whole usable window of two or more electrodes to tell; there is none.", "note")
        return
    page.figure(figure, "Fall of the winning probability without each electrode, over the head", WHAT_IT_IS)
    largest = max(map(abs, importance.values()))
    if largest < SMALL_IMPORTANCE:
        page.paragraph(
            f"No electrode matters much by itself: without any one of them the probability changes by at most "
            f"{largest:.3f}, so make little of the differences between them."
        )
    ranked = sorted(importance.items(), key=lambda item: -item[1])
    page.folded("All electrodes", [f"{name}: {value:+.3f}" for name, value in ranked])


def _add_channels(page: HtmlPage, report: AnswerReport, title: str) -> None:
    page.heading("Channels")
    page.paragraph(f"{report.electrodes[:1].upper()}{report.electrodes[1:]}.")
    places = {normalize_channel_name(name) for name in [*report.present, *report.missing]}
    if places and places <= set(CHANNEL_VOCABULARY):
        page.figure(
            plot_electrodes(report.present, report.missing, title),
            "Electrodes of the model over the head",
            "Filled: electrodes that the model was trained with and that this recording has. Empty: those it lacks.",
        )
    rows = channel_outcomes(report)
    not_used = [row for row in rows if row[2] != "used"]
    if not_used:
        page.table(["channel in the file", "electrode", "outcome"], not_used, "Channels that were not used")
    page.folded(
        f"Channels that were used ({len(rows) - len(not_used)})",
        [f"{name} as {electrode}" if name != electrode else name for name, electrode, what in rows if what == "used"],
    )
    page.folded("What was done to the signal", report.steps)


def channel_outcomes(report: AnswerReport) -> list[list[str]]:
    """One row for each recorded channel: its name in the file, the electrode it stands for, what became of it."""
    recorded = {electrode: name for name, electrode in report.renamed.items()}
    rows = [[recorded.get(name, name), name, "used"] for name in report.channels]
    rows += [[recorded.get(name, name), name, f"not used: {why}"] for name, why in report.bad.items()]
    return rows + [[name, "", f"not used: {why}"] for name, why in report.dropped.items()]
