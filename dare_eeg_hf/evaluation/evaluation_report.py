"""An evaluation of one's own recordings in words, in a table for the terminal, and in files."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dare_eeg_hf.atomic_files import replacing, write_json
from dare_eeg_hf.evaluation.benchmark_report import summarize
from dare_eeg_hf.evaluation.contestants import short_name
from dare_eeg_hf.evaluation.own_recordings import Evaluation
from dare_eeg_hf.evaluation.tables import NAMES

FEW_PEOPLE = 10

COLUMNS = ("model", "balanced accuracy", "95% over people", "AUROC", "people above chance")

UNKNOWN_PEOPLE = (
    "Who was recorded is not known: the same people may have been trained on and tested, and all figures may be too "
    "good. Say who it was with a column person in the table, or with --subject-pattern."
)

NO_DIAGNOSIS = (
    "This says how well labels can be told in these recordings, for research; it is no diagnosis of anyone, and a "
    "figure for other people, devices or instructions has to be measured on them."
)


def result_rows(evaluation: Evaluation) -> list[tuple[str, str, str, str, str]]:
    """A row of `COLUMNS` for each contestant; seeds are averaged, with their standard deviation where several."""
    rows = []
    for name, records in evaluation.contestants().items():
        if name == NAMES["chance"]:
            rows.append((name, _percent(1 / len(evaluation.windows.label_names)), "-", "-", "-"))
            continue
        row = summarize(records)
        low, high = row["interval"]
        above = _above_chance(evaluation, records)
        auroc = row["auroc"][0]
        rows.append(
            (
                name,
                _percent(*row["balanced_accuracy"]),
                f"{100 * low:.1f} to {100 * high:.1f}%",
                "-" if auroc is None else f"{auroc:.3f}",
                f"{above} of {len(evaluation.people)}",
            )
        )
    return rows


def description(evaluation: Evaluation) -> str:
    """What was tested, in a sentence."""
    counts = np.bincount(evaluation.windows.labels).tolist()
    labels = ", ".join(f"{count} {name}" for name, count in zip(evaluation.windows.label_names, counts, strict=True))
    known, statement = evaluation.windows.people_known, evaluation.windows.people_statement
    return (
        f"{evaluation.title}: {len(evaluation.windows)} windows of {evaluation.window_seconds:g} s ({labels}) of "
        f"{len(evaluation.people)} {'people' if known else 'files or folders'}, "
        f"{len(evaluation.windows.channel_names)} electrodes; {evaluation.protocol}. "
        f"{statement[0].upper()}{statement[1:]}."
    )


def findings(evaluation: Evaluation) -> list[str]:
    """What the figures say and what they do not, a sentence each, the most important first."""
    chance = 1 / len(evaluation.windows.label_names)
    records = next(iter(evaluation.contestants().values()))
    row = summarize(records)
    low, high = row["interval"]
    model, accuracy = short_name(evaluation.model), _percent(row["balanced_accuracy"][0])
    found = [
        f"A logistic regression on a frozen {model} and power maps reaches a balanced accuracy of {accuracy}, where "
        f"guessing reaches {100 * chance:.1f}%. Depending on who is recorded, this may vary from about "
        f"{100 * low:.1f} to {100 * high:.1f}% (95% interval over people)."
    ]
    if low <= chance:
        found.append("Guessing lies within that interval: that the model can tell these labels apart is not shown.")
    found += _comparisons(evaluation)
    if evaluation.one_class_per_person:
        found.append(
            "Each person has one label here, so what is told of a person is the share of their windows that was "
            "recognised; a model may as well recognise whatever else differs between these groups of people."
        )
    if evaluation.centered:
        found.append(
            "Features were centered by person, without labels: to use such a model on someone new, all their windows "
            "have to be there before the first is classified, and in about this mixture of labels."
        )
    if len(evaluation.people) < FEW_PEOPLE:
        found.append(
            f"{len(evaluation.people)} {'people' if evaluation.windows.people_known else 'files'} are few: the "
            "intervals are rough and mostly too narrow."
        )
    if not evaluation.windows.people_known:
        found.insert(0, UNKNOWN_PEOPLE)
    return found


def write_results(evaluation: Evaluation, output: Path) -> None:
    """Write results.json and predictions.csv."""
    output.mkdir(parents=True, exist_ok=True)
    write_json(output / "results.json", {**evaluation.to_dict(), "findings": findings(evaluation)})
    windows, predicted = evaluation.windows, evaluation.probabilities.argmax(axis=1)
    with replacing(output / "predictions.csv") as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "person", "onset", "label", "predicted", "probability"])
        for i in np.lexsort((windows.onsets, windows.recordings)):
            guess = predicted[i]
            names = windows.label_names[windows.labels[i]], windows.label_names[guess]
            told = (windows.recordings[i], windows.subjects[i], f"{windows.onsets[i]:g}", *names)
            writer.writerow([*told, f"{evaluation.probabilities[i, guess]:.4f}"])


def _comparisons(evaluation: Evaluation) -> list[str]:
    """How the model compares with the others on the same people."""
    model, sentences = next(iter(evaluation.contestants())), []
    for name, found in evaluation.differences().items():
        points = 100 * found["mean"]
        low, high = (100 * bound for bound in found["interval"])
        sure = "" if low > 0 or high < 0 else ": the difference may be chance"
        better = f"{abs(points):.1f} points {'better' if points > 0 else 'worse'} than {name}"
        better = f"as good as {name}" if abs(points) < 0.05 else better
        sentences.append(
            f"{model}: {better} on average over people (95% interval {low:+.1f} to {high:+.1f}; better for "
            f"{found['better']}, worse for {found['worse']}){sure}."
        )
    return sentences


def _above_chance(evaluation: Evaluation, records: Sequence[dict]) -> int:
    """People whose accuracy, averaged over seeds, lies above chance."""
    chance = 1 / len(evaluation.windows.label_names)
    of_seeds = [record["metrics"]["per_subject_balanced_accuracy"] for record in records]
    return sum(np.mean([scores[person] for scores in of_seeds]) > chance + 1e-9 for person in of_seeds[0])


def _percent(mean: float | None, spread: float | None = None) -> str:
    return f"{100 * mean:.1f}%" + (f" ± {100 * spread:.1f}" if spread is not None else "")
