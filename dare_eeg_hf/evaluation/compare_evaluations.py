"""Several results of `dare-eeg evaluate` side by side: which model told the same people's labels apart better.

    evaluations = read_evaluations(["results/nano", "results/own"])
    write_comparison(evaluations, "comparison.html")

Each evaluation stands for the model it was asked for. Differences are paired: of the same people, with intervals over
people.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dare_eeg_hf.evaluation.benchmark_report import paired_difference
from dare_eeg_hf.html_page import HtmlPage
from dare_eeg_hf.visualization import Curve, Panel, plot_curves

RESULTS_NAME = "results.json"
COLUMNS = ("evaluation", "model", "balanced accuracy", "95% over people", "people", "against the first", "95%")


@dataclass(frozen=True)
class EvaluationResults:
    """What one `dare-eeg evaluate` found about its model.

    Attributes:
        name: of the folder.
        model: that was asked for.
        records: of the model, one for each seed.
        windows: fingerprint of the windows.
        protocol: how it was tested.
        title: what the recordings are called.
    """

    name: str
    model: str
    records: Sequence[Mapping]
    windows: str
    protocol: str
    title: str

    @property
    def accuracies(self) -> dict[str, float]:
        """Person -> balanced accuracy, averaged over seeds."""
        of_seeds = [record["metrics"]["per_subject_balanced_accuracy"] for record in self.records]
        return {person: sum(scores[person] for scores in of_seeds) / len(of_seeds) for person in of_seeds[0]}


def is_evaluation(folder: str | os.PathLike) -> bool:
    """Whether a folder holds results of an evaluation or a benchmark, rather than a run."""
    return (Path(folder) / RESULTS_NAME).is_file()


def read_evaluations(folders: Sequence[str | os.PathLike]) -> list[EvaluationResults]:
    """Read the results in these folders.

    Raises:
        FileNotFoundError: a folder holds no results.
        ValueError: there are fewer than two, one is named twice or is of something else, or no person is in all.
    """
    paths = [Path(folder) for folder in folders]
    if len(paths) < 2:
        raise ValueError("one evaluation has nothing to be compared with; name two or more")
    if len({path.resolve() for path in paths}) < len(paths):
        raise ValueError("an evaluation is named twice")
    names = [path.resolve().name for path in paths]
    if len(set(names)) < len(names):
        names = [path.as_posix() for path in paths]
    evaluations = [_read(name, path) for name, path in zip(names, paths, strict=True)]
    if not people_of_all(evaluations):
        raise ValueError(f"{', '.join(names)} have no person in common: nothing can be compared")
    return evaluations


def people_of_all(evaluations: Sequence[EvaluationResults]) -> list[str]:
    """The people that every evaluation tested, in order of name."""
    return sorted(set.intersection(*(set(each.accuracies) for each in evaluations)))


def summary_rows(evaluations: Sequence[EvaluationResults]) -> list[list[str]]:
    """A row of `COLUMNS` for each evaluation; accuracies are of all its people, differences of those in common."""
    first, people = evaluations[0], people_of_all(evaluations)
    rows = []
    for each in evaluations:
        low, high = (
            sum(record["metrics"]["confidence_intervals"]["balanced_accuracy"][side] for record in each.records)
            / len(each.records)
            for side in (0, 1)
        )
        accuracy = sum(record["metrics"]["balanced_accuracy"] for record in each.records) / len(each.records)
        row = [each.name, each.model, f"{100 * accuracy:.1f}%", f"{100 * low:.1f} to {100 * high:.1f}%"]
        row.append(str(len(each.accuracies)))
        if each is first:
            rows.append([*row, "", ""])
            continue
        found = paired_difference(_of_people(each.records, people), _of_people(first.records, people))
        interval = found["interval"]
        spread = "" if interval is None else f"{100 * interval[0]:+.1f} to {100 * interval[1]:+.1f}"
        rows.append([*row, f"{100 * found['mean']:+.1f} points", spread])
    return rows


def remarks(evaluations: Sequence[EvaluationResults]) -> list[str]:
    """Sentences about what makes the comparison less than a fair one."""
    people, said = people_of_all(evaluations), []
    if any(len(each.accuracies) > len(people) for each in evaluations):
        said.append(f"Not all tested the same people; differences are of the {len(people)} in common.")
    if len({each.windows for each in evaluations}) > 1:
        said.append("The windows are not the same in all: recordings, labels or how they were cut differ.")
    if len({each.protocol for each in evaluations}) > 1:
        said.append("They were tested differently: " + "; ".join(f"{e.name}: {e.protocol}" for e in evaluations) + ".")
    if len({each.records[0]["inputs"]["mode"] for each in evaluations}) > 1:
        said.append("They were read differently: with or without power maps, or centered by person or not.")
    said.append("An interval that includes 0 means that the difference may be chance.")
    return said


def write_comparison(evaluations: Sequence[EvaluationResults], path: str | os.PathLike) -> Path:
    """Write one HTML page; returns its path."""
    people = people_of_all(evaluations)
    page = HtmlPage(f"{len(evaluations)} evaluations side by side").table(COLUMNS, summary_rows(evaluations))
    for sentence in remarks(evaluations):
        page.paragraph(sentence)
    page.paragraph(
        "This compares models on recordings, for research; nothing here is a diagnosis of anyone.", kind="warning"
    )
    page.heading("Person by person")
    first = evaluations[0].accuracies
    order = sorted(people, key=lambda person: (-first[person], person))
    curves = [
        Curve(range(len(order)), [100 * each.accuracies[person] for person in order], each.name, style="")
        for each in evaluations
    ]
    panel = Panel(curves, x_label=f"People, in the order of {evaluations[0].name}", y_label="Balanced accuracy (%)")
    page.figure(
        plot_curves([panel], size=8.0), alt="Balanced accuracy of each person in each evaluation; the table has them."
    )
    rows = [[person, *(float(each.accuracies[person]) for each in evaluations)] for person in order]
    page.table(["person", *(each.name for each in evaluations)], rows)
    return page.write(path)


def _of_people(records: Sequence[Mapping], people: Sequence[str]) -> list[dict]:
    """Records as `paired_difference` reads them, of these people only."""
    return [
        {"metrics": {"per_subject_balanced_accuracy": {person: scores[person] for person in people}}}
        for scores in (record["metrics"]["per_subject_balanced_accuracy"] for record in records)
    ]


def _read(name: str, folder: Path) -> EvaluationResults:
    file = folder / RESULTS_NAME
    if not file.is_file():
        raise FileNotFoundError(f"{folder} holds no {RESULTS_NAME}: give the folder that `dare-eeg evaluate` has left")
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        inputs = found["records"][0]["inputs"]
        same = [r for r in found["records"] if all(r["inputs"][key] == inputs[key] for key in ("model", "mode"))]
        results = EvaluationResults(name, inputs["model"], same, inputs["windows"], found["protocol"], found["title"])
        if not results.accuracies:
            raise KeyError("people")
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ValueError(f"{file} is not what `dare-eeg evaluate` leaves") from error
    return results
