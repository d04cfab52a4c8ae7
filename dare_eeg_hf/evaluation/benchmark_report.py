"""From the cells of a benchmark to tables people read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dare_eeg_hf.atomic_files import write_json, write_text
from dare_eeg_hf.evaluation.contestant_names import CENTERED, is_centered
from dare_eeg_hf.evaluation.tables import NAMES, markdown_table, mean_and_spread, mean_text, number_text
from dare_eeg_hf.evaluation.tasks import task_named

METRICS = ("balanced_accuracy", "cohen_kappa", "weighted_f1", "auroc", "auprc")


def group_cells(records: Sequence[dict]) -> dict[tuple[str, str, str], list[dict]]:
    """Cells by (task, model, mode), seeds in order."""
    groups: dict[tuple[str, str, str], list[dict]] = {}
    for record in records:
        inputs = record["inputs"]
        groups.setdefault((inputs["task"], inputs["model"], inputs["mode"]), []).append(record)
    return {key: sorted(cells, key=lambda cell: cell["inputs"]["seed"]) for key, cells in groups.items()}


def subject_accuracies(cells: Sequence[dict]) -> np.ndarray:
    """Balanced accuracy of each subject, in order of name, averaged over seeds."""
    per_seed = [cell["metrics"]["per_subject_balanced_accuracy"] for cell in cells]
    return np.array([np.mean([scores[name] for scores in per_seed]) for name in sorted(per_seed[0])])


def summarize(cells: Sequence[dict]) -> dict:
    """One row: every metric over seeds, subjects averaged over seeds first."""
    of_subjects = subject_accuracies(cells)
    intervals = [cell["metrics"]["confidence_intervals"]["balanced_accuracy"] for cell in cells]
    return {
        **{name: mean_and_spread([cell["metrics"][name] for cell in cells]) for name in METRICS},
        "interval": np.mean(intervals, axis=0).tolist(),
        "subject_mean": float(of_subjects.mean()),
        "subject_spread": float(of_subjects.std(ddof=1)) if len(of_subjects) > 1 else None,
        "subject_worst": float(of_subjects.min()),
        "subjects": len(of_subjects),
        "trainable_parameters": cells[0]["trainable_parameters"],
        "seeds": [cell["inputs"]["seed"] for cell in cells],
        "tested_windows": cells[0]["tested_windows"],
        "classes": cells[0]["classes"],
        "one_class_per_subject": cells[0].get("one_class_per_subject", False),
    }


def paired_difference(cells: Sequence[dict], others: Sequence[dict]) -> dict:
    """How much better one contestant is than another on the same subjects.

    Seeds are averaged per subject, then subjects are resampled (10,000 times): what is uncertain is which people were
    recorded. With one subject there is no interval.

    Args:
        cells, others: the cells of two contestants on one task, over seeds.

    Returns:
        `mean` difference over subjects of their balanced accuracies, `interval` (low, high) or None, and the numbers
        of subjects for whom the first is `better` and `worse`.
    """
    differences = subject_accuracies(cells) - subject_accuracies(others)
    interval = None
    if len(differences) > 1:
        drawn = np.random.default_rng(0).integers(len(differences), size=(10_000, len(differences)))
        interval = np.percentile(differences[drawn].mean(axis=1), [2.5, 97.5]).tolist()
    return {
        "mean": float(differences.mean()),
        "interval": interval,
        "better": int((differences > 0).sum()),
        "worse": int((differences < 0).sum()),
    }


def differences_table(records: Sequence[dict], against: str) -> list[str]:
    """Lines of the table that compares every contestant with one.

    Encoders are compared in the same mode, baselines with each mode: with the centered ones where theirs are centered.
    """
    groups = group_cells(records)
    lines = [
        f"## Difference from {NAMES.get(against, against)}",
        "",
        "Mean over subjects of the difference in balanced accuracy, in points, with its 95% interval over subjects.",
        "",
    ]
    header = ("task", "model", "mode", "difference", "95% over subjects", "subjects better, worse")
    rows = []
    for (task, model, mode), cells in groups.items():
        if model == against:
            continue
        modes = {other for own_task, name, other in groups if (own_task, name) == (task, against)}
        comparable = modes & {mode, ""} or (set() if mode else modes)
        alike = {other for other in comparable if is_centered(against, other) == is_centered(model, mode)}
        for other_mode in sorted(alike or comparable):
            found = paired_difference(cells, groups[task, against, other_mode])
            low, high = found["interval"] or (None, None)
            interval = "-" if low is None else f"{100 * low:+.1f} to {100 * high:+.1f}"
            contestant = (NAMES.get(model, model), mode or other_mode or "-")
            counts = f"{found['better']}, {found['worse']}"
            rows.append((task_named(task).title, *contestant, f"{100 * found['mean']:+.1f}", interval, counts))
    return [*lines, *markdown_table(header, rows), ""]


def overview(records: Sequence[dict]) -> dict[tuple[str, bool], dict[str, list[dict]]]:
    """Cells side by side: (task, whether features are centered by subject) -> contestant -> cells over seeds.

    A contestant is called after its model, and its mode where encoders were adapted in several.
    """
    groups = group_cells(records)
    modes = {mode.removesuffix(CENTERED) for _, _, mode in groups if mode}
    rows: dict[tuple[str, bool], dict[str, list[dict]]] = {}
    for task in dict.fromkeys(key[0] for key in groups):
        for centered in (False, True):
            for (own_task, model, mode), cells in groups.items():
                if own_task == task and is_centered(model, mode) == centered:
                    name = model.removesuffix(CENTERED) if not mode else model
                    name += f", {mode.removesuffix(CENTERED)}" if mode and len(modes) > 1 else ""
                    rows.setdefault((task, centered), {})[name] = cells
    return rows


def overview_table(records: Sequence[dict]) -> list[str]:
    """Lines of a table of balanced accuracies: a column for each contestant, rows for tasks, plain and centered."""
    rows = overview(records)
    names = list(dict.fromkeys(name for found in rows.values() for name in found))
    lines = [
        [
            task_named(task).title,
            "centered" if centered else "plain",
            *(accuracy_text(found[name]) if name in found else "-" for name in names),
        ]
        for (task, centered), found in rows.items()
    ]
    return markdown_table(("task", "features", *names), lines)


def accuracy_text(cells: Sequence[dict]) -> str:
    """Balanced accuracy of a contestant over seeds."""
    return mean_text([cell["metrics"]["balanced_accuracy"] for cell in cells])


def encoders_legend(records: Sequence[dict]) -> list[str]:
    """Which encoder each name in the tables stands for, as it was given on the command line."""
    encoders = {r["inputs"]["model"]: r["contestant"] for r in records if r["inputs"]["weights"] is not None}
    if not encoders:
        return []
    meant = [f"{name} is `{contestant}`" for name, contestant in encoders.items()]
    random = " (random weights drawn for each seed)" if any(each.startswith("random") for each in encoders) else ""
    return ["Encoders: " + ", ".join(meant) + random + ".", ""]


RESULT_COLUMNS = (
    "model",
    "mode",
    "balanced accuracy",
    "95% over subjects",
    "subjects: mean ± sd, worst",
    "AUROC",
    "kappa",
    "trained parameters",
    "seeds",
)


def _result_cells(model: str, mode: str, row: dict) -> list[str]:
    """One row of the table of results."""
    low, high = row["interval"]
    return [
        NAMES.get(model, model),
        mode or "-",
        number_text(*row["balanced_accuracy"]),
        f"{low:.3f} to {high:.3f}",
        f"{number_text(row['subject_mean'], row['subject_spread'])}, {row['subject_worst']:.4f}",
        number_text(*row["auroc"]),
        number_text(*row["cohen_kappa"]),
        f"{row['trainable_parameters']:,}",
        " ".join(map(str, row["seeds"])),
    ]


def results_table(records: Sequence[dict], failures: dict[str, str], against: str | None = None) -> str:
    """The table of results. Nothing in it depends on the clock or on the number of workers."""
    groups = group_cells(records)
    lines = ["# Benchmark", ""]
    if records:
        lines += ["Balanced accuracy:", "", *overview_table(records), "", *encoders_legend(records)]
    for task in dict.fromkeys(key[0] for key in groups):
        described = task_named(task)
        rows = {key: summarize(cells) for key, cells in groups.items() if key[0] == task}
        first = next(iter(rows.values()))
        lines += [
            f"## {described.title}",
            "",
            f"{', '.join(first['classes'])}; windows of {described.window_seconds:g} s; {described.protocol}; "
            f"{first['tested_windows']} windows of {first['subjects']} subjects tested.",
            "",
            *markdown_table(
                RESULT_COLUMNS, [_result_cells(model, mode, row) for (_, model, mode), row in rows.items()]
            ),
            "",
        ]
        if first["one_class_per_subject"]:
            lines += [
                "Each subject has one class here: what is told over subjects, and of differences between models, is "
                "the share of their windows that was recognised.",
                "",
            ]
    lines += differences_table(records, against) if against else []
    lines += [
        "± is the standard deviation over seeds, or where it says so over subjects. The interval resamples "
        "subjects; with several seeds its ends are averaged. Models that need no validation data were given training "
        "and validation windows; the others chose their epoch on validation.",
        "",
        "Time and memory differ from run to run and stand in costs.md, beside this file.",
    ]
    if failures:
        lines += ["", "Failed: " + "; ".join(f"{name} ({reason})" for name, reason in sorted(failures.items()))]
    return "\n".join(lines) + "\n"


def costs_table(records: Sequence[dict]) -> str:
    """Seconds and peak memory per cell, mean and spread over seeds; these do differ from run to run."""
    header = ("task", "model", "mode", "seconds per seed (all folds)", "peak memory, MB")
    rows = []
    for (task, model, mode), cells in group_cells(records).items():
        seconds = mean_text([cell["costs"]["seconds"] for cell in cells], digits=1)
        memory = mean_text([cell["costs"]["peak_megabytes"] for cell in cells], digits=0)
        rows.append((task, NAMES.get(model, model), mode or "-", seconds, memory))
    return "\n".join(markdown_table(header, rows)) + "\n\nOver several seeds: mean ± standard deviation.\n"


def write_report(records: Sequence[dict], failures: dict[str, str], output: Path, against: str | None = None) -> None:
    """Write table.md, results.json (both free of timings) and costs.md."""
    output.mkdir(parents=True, exist_ok=True)
    without_costs = [{k: v for k, v in record.items() if k != "costs"} for record in records]
    write_json(output / "results.json", without_costs)
    write_text(output / "table.md", results_table(records, failures, against))
    write_text(output / "costs.md", costs_table(records))
