"""How balanced accuracy falls as recordings get worse: ours against the baselines, as a figure and a table.

    python -m dare_eeg_hf.evaluation.robustness --data-root data --output runs/robustness --task eyes-eegmmidb \\
        --models band-power riemann random:nano runs/pretrained --seeds 0 1

Models are trained on intact windows and tested on damaged ones, fold by fold as in the benchmark. Removed channels are
simply left out for our models; baselines need them all, so theirs are interpolated by spherical splines, as a user
would do. The damage is the same for all models and depends on the seed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from dare_eeg_hf.adaptation.labelled_windows import LabelledWindows
from dare_eeg_hf.atomic_files import write_json, write_text
from dare_eeg_hf.command_parser import CommandParser
from dare_eeg_hf.evaluation.benchmark import (
    Cell,
    cell_inputs,
    prepare_tasks,
    windows_file,
)
from dare_eeg_hf.evaluation.benchmark_arguments import add_finetuning_options, finetuning_settings
from dare_eeg_hf.evaluation.contestant_names import ENCODER_MODES, POWER_MAPS, feature_baseline
from dare_eeg_hf.evaluation.contestants import (
    BASELINES,
    adaptation_arguments,
    check_centering,
    check_contestants,
    fit_contestant,
    resolve_checkpoint,
    short_name,
)
from dare_eeg_hf.evaluation.corruptions import CORRUPTIONS, Corruption
from dare_eeg_hf.evaluation.metrics import classification_metrics
from dare_eeg_hf.evaluation.tables import NAMES, markdown_table, mean_text
from dare_eeg_hf.evaluation.tasks import TASKS
from dare_eeg_hf.progress import progress_bar
from dare_eeg_hf.randomness import derive_seed
from dare_eeg_hf.visualization import Curve, Panel, plot_curves


def damaged(
    windows: LabelledWindows, corruption: Corruption, name: str, level: float, seed: int, baseline: bool
) -> LabelledWindows:
    """The windows at one level of damage; equal arguments give equal damage."""
    # Not of the level: more damage then adds to the same channels and noise instead of drawing others.
    random = np.random.default_rng(derive_seed(seed, "damage", name))
    apply = corruption.fixed_montage if baseline and corruption.fixed_montage else corruption.apply
    return apply(windows, level, random)


def robustness_of(
    model: str, task: str, windows: LabelledWindows, mode: str, seed: int, output: Path, settings: dict
) -> dict:
    """Balanced accuracy of one model and seed at every level of every damage; read where it was computed before."""
    checkpoint = None if model in BASELINES else resolve_checkpoint(model, seed, output / "random")
    cell = Cell(task, model, "" if model in BASELINES else mode, seed)
    inputs = cell_inputs(cell, windows, settings, checkpoint)
    inputs["levels"] = {name: list(corruption.levels) for name, corruption in CORRUPTIONS.items()}
    file = output / "cells" / cell.file_name
    if file.exists() and (stored := json.loads(file.read_text(encoding="utf-8")))["inputs"] == inputs:
        return stored

    fixed_montage = model in BASELINES and feature_baseline(model) != POWER_MAPS
    arguments = adaptation_arguments(cell.mode, seed, **settings)
    check_centering(model, cell.mode, windows)
    points = [(name, level) for name, corruption in CORRUPTIONS.items() for level in corruption.levels]
    probabilities = {point: np.full((len(windows), len(windows.label_names)), np.nan) for point in points}
    for fold in progress_bar(TASKS[task].folds(windows), desc=f"{short_name(model)}, seed {seed}", unit="fold"):
        predict, _ = fit_contestant(model, cell.mode, windows, fold, arguments, checkpoint, seed)
        intact = windows.select(fold.test)
        for name, level in points:
            test = damaged(intact, CORRUPTIONS[name], name, level, seed, fixed_montage)
            probabilities[name, level][fold.test] = predict(test)
    curves: dict[str, list[float]] = {name: [] for name in CORRUPTIONS}
    for name, level in points:
        tested = ~np.isnan(probabilities[name, level][:, 0])
        scores = classification_metrics(windows.labels[tested], probabilities[name, level][tested])
        curves[name].append(scores["balanced_accuracy"])
    record = {"inputs": inputs, "balanced_accuracy": curves}
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(file, record)
    return record


def robustness_table(curves: dict[str, list[dict]], title: str, chance: float) -> str:
    """One table per damage: a row per model, a column per level."""
    lines = [f"# Robustness: {title}", "", f"Balanced accuracy; chance is {chance:.3f}.", ""]
    for name, corruption in CORRUPTIONS.items():
        rows = []
        for model, records in curves.items():
            columns = zip(*(record["balanced_accuracy"][name] for record in records), strict=True)
            rows.append([NAMES.get(model, model), *map(mean_text, columns)])
        lines += [*markdown_table((corruption.title, *_levels(corruption)), rows), ""]
    return "\n".join(lines)


def _levels(corruption: Corruption) -> list[str]:
    return [f"{level:g}" for level in corruption.levels]


def plot_models(curves: dict[str, list[dict]], title: str, chance: float) -> Figure:
    """A figure with one panel per damage, one line per model."""
    panels = []
    for name, corruption in CORRUPTIONS.items():
        means = {
            NAMES.get(model, model): np.mean([record["balanced_accuracy"][name] for record in records], axis=0)
            for model, records in curves.items()
        }
        lines = [Curve(range(len(values)), values, label) for label, values in means.items()]
        y_label = "" if panels else "Balanced accuracy"
        panels.append(Panel(lines, x_label=corruption.title, y_label=y_label, level=chance, ticks=_levels(corruption)))
    return plot_curves(panels, columns=len(panels), title=title, share_y=True)


def run_robustness(
    task: str,
    models: Sequence[str],
    seeds: Sequence[int],
    data_root: Path,
    output: Path,
    mode: str = "probe",
    settings: dict | None = None,
) -> str:
    """Measure, write robustness.json, robustness.md and robustness.png; returns the table.

    `settings` are fields of `FinetuningArguments` other than mode and seed.
    """
    TASKS[task].find(data_root)
    check_contestants(models, seeds)
    if TASKS[task].align:
        raise ValueError(f"task {task} aligns sessions, which damaged windows would undo; choose another task")
    prepare_tasks([task], data_root, output)
    windows = LabelledWindows.load(windows_file(output, task))
    curves = {
        short_name(model): [robustness_of(model, task, windows, mode, seed, output, settings or {}) for seed in seeds]
        for model in models
    }
    title, chance = TASKS[task].title, 1 / len(windows.label_names)
    table = robustness_table(curves, title, chance)
    write_json(output / "robustness.json", curves)
    write_text(output / "robustness.md", table)
    plot_models(curves, title, chance).savefig(output / "robustness.png", dpi=120)
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = CommandParser(
        prog="python -m dare_eeg_hf.evaluation.robustness",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data-root", type=Path, required=True, help="folder that holds the corpora")
    parser.add_argument("--output", type=Path, required=True, help="folder for the figure and the tables")
    parser.add_argument("--task", choices=TASKS, default="eyes-eegmmidb", help="default: %(default)s")
    parser.add_argument(
        "--models", nargs="+", default=["band-power", "riemann"], metavar="MODEL", help="as in the benchmark"
    )
    parser.add_argument("--mode", choices=ENCODER_MODES, default="probe", help="of our models (default: probe)")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0], help="default: 0")
    add_finetuning_options(parser)
    options = parser.parse_args(arguments)
    try:
        table = run_robustness(
            options.task,
            options.models,
            options.seeds,
            options.data_root,
            options.output,
            options.mode,
            finetuning_settings(options),
        )
    except (ValueError, FileNotFoundError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(table)
    print(f"Written to {options.output}: robustness.png, robustness.md, robustness.json")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
