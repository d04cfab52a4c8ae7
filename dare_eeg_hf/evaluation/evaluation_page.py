"""An evaluation of one's own recordings as one HTML page."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dare_eeg_hf.evaluation.contestants import short_name
from dare_eeg_hf.evaluation.evaluation_report import (
    COLUMNS,
    NO_DIAGNOSIS,
    UNKNOWN_PEOPLE,
    description,
    findings,
    result_rows,
)
from dare_eeg_hf.evaluation.own_recordings import Evaluation
from dare_eeg_hf.evaluation.tables import NAMES
from dare_eeg_hf.html_page import HtmlPage
from dare_eeg_hf.visualization import (
    plot_confusion,
    plot_embedding_map,
    plot_people,
    plot_scalp_map,
    project_to_plane,
)

MOST_POINTS = 3_000
"""A map of more windows shows this many of them, evenly chosen."""
MOST_FILES = 200


def write_page(evaluation: Evaluation, path: Path) -> Path:
    """Write the page; returns its path."""
    what = " and ".join([", ".join(evaluation.windows.label_names[:-1]), evaluation.windows.label_names[-1]])
    page = HtmlPage(f"Can {what} be told apart?")
    page.paragraph(description(evaluation)).paragraph(NO_DIAGNOSIS, kind="warning")
    if not evaluation.windows.people_known:
        page.paragraph(UNKNOWN_PEOPLE, kind="warning")
    _results(page, evaluation)
    _people(page, evaluation)
    _confusion(page, evaluation)
    _map(page, evaluation)
    _importance(page, evaluation)
    _files(page, evaluation)
    return page.write(path)


def _results(page: HtmlPage, evaluation: Evaluation) -> None:
    page.heading("Results").table(
        COLUMNS,
        result_rows(evaluation),
        "Balanced accuracy is the mean share of windows recognised over the labels. Every window was predicted by a "
        "model trained on other people. The interval resamples people, not windows, because windows of one person "
        "resemble each other.",
    )
    for sentence in findings(evaluation):
        if sentence != UNKNOWN_PEOPLE:  # which stands above
            page.paragraph(sentence)


def _people(page: HtmlPage, evaluation: Evaluation) -> None:
    scores = {
        name: _mean_over_seeds([record["metrics"]["per_subject_balanced_accuracy"] for record in records])
        for name, records in evaluation.contestants().items()
        if name != NAMES["chance"]
    }
    first = next(iter(scores))
    told = "Share recognised" if evaluation.one_class_per_person else "Balanced accuracy"
    page.heading("Who was told apart").figure(
        plot_people(
            scores,
            1 / len(evaluation.windows.label_names),
            f"{evaluation.title}, {short_name(evaluation.model)} and others: {told.lower()} of each person",
            told,
        ),
        alt=f"{told} of each person by {', '.join(scores)}; the table below has the numbers of the model.",
    )
    windows, predicted = evaluation.windows, evaluation.probabilities.argmax(axis=1)
    rows = []
    for person in sorted(scores[first], key=lambda name: (-scores[first][name], name)):
        own = windows.subjects == person
        of_labels = [
            f"{int((predicted[own & (windows.labels == label)] == label).sum())} of "
            f"{int((own & (windows.labels == label)).sum())}"
            for label in range(len(windows.label_names))
        ]
        best = max((values[person] for name, values in scores.items() if name != first), default=float("nan"))
        files = len(np.unique(windows.recordings[own]))
        rows.append([person, files, *of_labels, float(scores[first][person]), float(best)])
    page.table(
        [
            "person",
            "files",
            *(f"{name} recognised" for name in windows.label_names),
            told.lower(),
            "best of the others",
        ],
        rows,
        f"{first}. An accuracy of a single person rests on few windows that resemble each other.",
    )


def _confusion(page: HtmlPage, evaluation: Evaluation) -> None:
    record = evaluation.records[0]
    figure = plot_confusion(
        record["metrics"]["confusion_matrix"],
        evaluation.windows.label_names,
        f"{evaluation.title}, {short_name(evaluation.model)}",
    )
    page.heading("What was taken for what").figure(
        figure,
        alt="Confusion matrix in shares of each true label's windows.",
        caption="Each row adds up to 100%. The lower number counts windows.",
    )


def _map(page: HtmlPage, evaluation: Evaluation) -> None:
    if len(evaluation.windows) < 3:
        return
    shown = np.unique(np.linspace(0, len(evaluation.windows) - 1, MOST_POINTS).round().astype(int))
    points, method = project_to_plane(evaluation.features[shown])
    page.heading("How the encoder sees the windows")
    model = short_name(evaluation.model)
    labels = [evaluation.windows.label_names[label] for label in evaluation.windows.labels[shown]]
    for names, legend in ((labels, "label"), (evaluation.windows.subjects[shown], "person")):
        page.figure(
            plot_embedding_map(points, names, f"{evaluation.title}, {model}: windows by {legend}", legend, method),
            alt=f"Windows in a plane by {method}, coloured by {legend}.",
        )
    page.paragraph(
        "Windows with similar features lie close together. Where people lie apart from each other more clearly than "
        "labels do, a classifier has to look past who was recorded; a map in two dimensions shows only part of what "
        "the classifier can use, and proves nothing.",
        kind="note",
    )


def _importance(page: HtmlPage, evaluation: Evaluation) -> None:
    if not evaluation.importance:
        return
    drops = {each.name: 100 * each.drop for each in evaluation.importance}
    title = f"{evaluation.title}, {short_name(evaluation.model)}: loss without the electrode"
    page.heading("Which electrodes the model relies on")
    try:
        figure = plot_scalp_map(drops, title, "Points of balanced accuracy")
    except ValueError:  # an electrode without a place on the scalp
        figure = None
    if figure is not None and len(drops) > 2:
        page.figure(figure, alt="Loss of accuracy without each electrode over the head; the table has the numbers.")
    rows = [
        [each.name, f"{100 * each.drop:+.1f}", "-" if each.interval is None else _interval(each.interval)]
        for each in evaluation.importance
    ]
    page.table(["electrode", "points lost without it", "95% over people"], rows[:20])
    page.paragraph(
        "The electrode's signal was left out of what the encoder gets, on people the classifier had not seen; below 0 "
        "the model did better without it. Neighbours show much of the same, so a small loss does not mean that "
        "nothing is there; an interval that includes 0 may be chance, and among this many so may be some that do not.",
        kind="note",
    )


def _files(page: HtmlPage, evaluation: Evaluation) -> None:
    page.heading("What was used and what was left out")
    for sentence in evaluation.remarks():
        page.paragraph(sentence[0].upper() + sentence[1:] + ".")
    if left_out := evaluation.left_out():
        page.table(["left out"], [[sentence[0].upper() + sentence[1:]] for sentence in left_out])
    if evaluation.read is None:
        return
    rows = [
        [
            each.name,
            each.person,
            ", ".join(f"{count} {label}" for label, count in each.labels.items()) or "none",
            each.error or "; ".join(f"{count}: {reason}" for reason, count in each.rejected.items()),
        ]
        for each in evaluation.read.recordings
    ]
    page.heading("Files").table(["file", "person", "windows", "left out"], rows[:MOST_FILES])
    if len(rows) > MOST_FILES:
        page.paragraph(f"{len(rows) - MOST_FILES} more files are in results.json.", kind="note")
    doubts = [f"{each.name}: {warning}" for each in evaluation.read.recordings for warning in each.warnings]
    if doubts:
        page.folded(f"{len(doubts)} remarks about single files", doubts[: 5 * MOST_FILES])


def _mean_over_seeds(of_seeds: list[dict[str, float]]) -> dict[str, float]:
    return {person: float(np.mean([scores[person] for scores in of_seeds])) for person in of_seeds[0]}


def _interval(interval: tuple[float, float]) -> str:
    return f"{100 * interval[0]:+.1f} to {100 * interval[1]:+.1f}"
