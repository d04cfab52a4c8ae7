"""Tasks x models x modes x seeds in one command, to JSON and a Markdown table.

    python -m dare_eeg_hf.evaluation.benchmark --data-root data --output runs/benchmark \\
        --tasks mental-arithmetic eyes-eegmmidb --modes probe full \\
        --models chance band-power riemann eegnet random:nano runs/pretrained \\
        --seeds 0 1 2 --workers 2
    python -m dare_eeg_hf.evaluation.benchmark --data windows/my_study --output runs/mine --modes pooled \\
        --models chance band-power riemann runs/pretrained

Every cell (task, model, mode, seed) is one JSON file, written whole or not at all. Run the same command again and only
missing cells are computed; a cell whose data, weights or settings changed is computed again. `table.md` and
`results.json` hold nothing that differs between two runs on one machine: seconds and memory are in `costs.md`.

Each worker holds a task's windows in memory, 0.2 GB per 1,000 windows of 19 channels and 10 s at 256 Hz, up to 4 times
over (5 times in the mode full).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import sys
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from itertools import product
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from transformers.utils import logging as transformers_logging

from dare_eeg_hf.adaptation.labelled_windows import LabelledWindows
from dare_eeg_hf.atomic_files import write_json
from dare_eeg_hf.checkpoints import digest_of_weights
from dare_eeg_hf.command_parser import CommandParser
from dare_eeg_hf.evaluation.benchmark_arguments import add_arguments, finetuning_settings, listed_tasks
from dare_eeg_hf.evaluation.benchmark_report import write_report
from dare_eeg_hf.evaluation.contestant_names import POWER_MAPS, SSVEP, feature_baseline
from dare_eeg_hf.evaluation.contestants import (
    BASELINES,
    POOLED_MODES,
    POOLED_POWER,
    adaptation_arguments,
    check_centering,
    check_contestants,
    is_random,
    resolve_checkpoint,
    short_name,
    with_kept_features,
)
from dare_eeg_hf.evaluation.costs import measured_costs
from dare_eeg_hf.evaluation.cross_validation import cross_validate, one_thread
from dare_eeg_hf.evaluation.protocols import Fold
from dare_eeg_hf.evaluation.steady_state import stimulation_frequencies
from dare_eeg_hf.evaluation.tasks import task_named
from dare_eeg_hf.power_maps_dare_eeg import POWER_MAPS_VERSION
from dare_eeg_hf.progress import progress_bar
from dare_eeg_hf.readout_dare_eeg import STATISTICS_STRIDE


@dataclass(frozen=True)
class Cell:
    """One entry of the benchmark; `mode` is empty for baselines."""

    task: str
    model: str
    mode: str
    seed: int

    @property
    def file_name(self) -> str:
        """A readable name; what was computed is compared by content, not by name."""
        return (
            "__".join([Path(self.task).name, short_name(self.model), self.mode or "fit", f"seed{self.seed}"]) + ".json"
        )


def plan_cells(tasks: Sequence[str], models: Sequence[str], modes: Sequence[str], seeds: Sequence[int]) -> list[Cell]:
    """All combinations; baselines have no mode, and those without randomness one seed."""
    cells = []
    for task in tasks:
        for model in models:
            for mode in ("",) if model in BASELINES else modes:
                for seed in seeds if is_random(model, mode) else seeds[:1]:
                    cells.append(Cell(task, model, mode, seed))
    return cells


def cell_inputs(
    cell: Cell, windows: LabelledWindows, settings: dict, checkpoint: str | None, folds: Sequence[Fold] | None = None
) -> dict:
    """Everything a cell's numbers depend on; stored with them, and compared before they are used again.

    Args:
        cell, windows, settings, checkpoint: as for `evaluate_cell`.
        folds: of the windows, if not those of the cell's task.
    """
    folds = task_named(cell.task).folds(windows) if folds is None else folds
    described = hashlib.sha256(windows.labels.tobytes() + "".join(windows.subjects).encode())
    for fold in folds:
        for part in (fold.train, fold.validation, fold.test):
            described.update(part.astype(np.int64).tobytes())
    return {
        "task": cell.task,
        "model": short_name(cell.model),
        "mode": cell.mode,
        "seed": cell.seed,
        "windows": windows.fingerprint(),
        "labels_and_folds": described.hexdigest()[:16],
        "weights": None if checkpoint is None else digest_of_weights(Path(checkpoint)),
        "settings": _settings_that_count(cell, settings),
    }


def _settings_that_count(cell: Cell, settings: dict) -> dict:
    """Of fine-tuning where there is one, of pooled features how they are pooled, of baselines none."""
    reads_maps = cell.mode.startswith(POOLED_POWER) or feature_baseline(cell.model) == POWER_MAPS
    maps = {"power_maps": POWER_MAPS_VERSION} if reads_maps else {}
    if cell.mode in POOLED_MODES:
        return {"statistics_stride": STATISTICS_STRIDE} | maps
    return settings if is_random(cell.model, cell.mode) else maps


def run_cell(cell: Cell, output: Path, settings: dict) -> dict:
    """Compute a cell, or read it where it was computed from the same inputs."""
    file = output / "cells" / cell.file_name
    windows = LabelledWindows.load(windows_file(output, cell.task))
    checkpoint = None if cell.model in BASELINES else resolve_checkpoint(cell.model, cell.seed, output / "random")
    inputs = cell_inputs(cell, windows, settings, checkpoint)
    if file.exists():
        stored = json.loads(file.read_text(encoding="utf-8"))
        if stored["inputs"] == inputs:
            return {**stored, "contestant": cell.model}
    with one_thread(), measured_costs() as costs:
        result = evaluate_cell(cell, windows, settings, checkpoint, output / "features")
    record = {"inputs": inputs, "contestant": cell.model, **result, "costs": costs}
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(file, record)
    return record


def evaluate_cell(
    cell: Cell, windows: LabelledWindows, settings: dict, checkpoint: str | None, feature_cache: Path
) -> dict:
    """Train and test on every fold; every window is predicted by the model of the fold that tests it."""
    arguments = adaptation_arguments(cell.mode, cell.seed, **settings)
    check_centering(cell.model, cell.mode, windows)
    if checkpoint is not None:
        windows = with_kept_features(checkpoint, windows, feature_cache, arguments)
    folds = task_named(cell.task).folds(windows)
    return cross_validate(cell.model, cell.mode, windows, folds, arguments, checkpoint, cell.seed).scores(windows)


def applies(model: str, task: str) -> bool:
    """Whether a contestant can be tested on a task: the baseline for flickering lights needs such classes."""
    return feature_baseline(model) != SSVEP or bool(stimulation_frequencies(task_named(task).label_names))


def windows_file(output: Path, task: str) -> Path:
    """Where the windows of a task are kept between runs."""
    return output / "windows" / f"{Path(task).name}.npz"


def prepare_tasks(tasks: Sequence[str], data_root: Path, output: Path) -> None:
    """Read each task's recordings once, and again if the files or the task have changed."""
    for task in progress_bar(tasks, desc="reading tasks", unit="task"):
        file = windows_file(output, task)
        sources, described = task_named(task).sources(data_root), file.with_suffix(".json")
        known = json.loads(described.read_text(encoding="utf-8")) if described.is_file() and file.is_file() else None
        if known != sources:
            task_named(task).load(data_root).save(file)
            write_json(described, sources)


def _start_worker() -> None:
    """Keep the workers from writing over the main process's progress bar."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    transformers_logging.disable_progress_bar()


def _outcomes(cells: Sequence[Cell], output: Path, settings: dict, workers: int) -> Iterator[tuple[Cell, Future]]:
    """Each cell with its outcome, as they come; one worker is this process itself."""
    if workers == 1:
        for cell in cells:
            future: Future = Future()
            try:
                future.set_result(run_cell(cell, output, settings))
            except Exception as error:
                future.set_exception(error)
            yield cell, future
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_start_worker) as pool:
        running = {pool.submit(run_cell, cell, output, settings): cell for cell in cells}
        for future in as_completed(running):
            yield running[future], future


def run_benchmark(
    tasks: Sequence[str],
    models: Sequence[str],
    modes: Sequence[str],
    seeds: Sequence[int],
    data_root: Path,
    output: Path,
    *,
    workers: int = 1,
    settings: dict | None = None,
    against: str | None = None,
) -> tuple[list[dict], dict[str, str]]:
    """Run all cells and write the report.

    Args:
        tasks: names in `TASKS`, or folders of prepared data sets.
        models: contestants; see `contestants`.
        modes: of fine-tuning, for our models.
        seeds: of everything random.
        data_root: holds the corpora or prepared data sets.
        output: cells, table.md, results.json, costs.md; also the kept windows and features.
        workers: processes.
        settings: fields of `FinetuningArguments` other than mode and seed.
        against: one of `models`, with which the table compares every other one, subject by subject.

    Returns:
        The records of finished cells, and the failures (cell name -> reason).
    """
    for task in tasks:
        task_named(task).find(data_root)
    if len({windows_file(output, task) for task in tasks}) < len(tasks):
        raise ValueError("two tasks or data sets would have the same name; rename one of the folders")
    check_contestants(models, seeds)
    for task, model in product(tasks, models):
        if not applies(model, task):
            raise ValueError(
                f"{model} needs classes named after frequencies, such as 13_hz, and {task} has "
                f"{', '.join(task_named(task).label_names)}; run it on other tasks"
            )
    if against is not None and against not in models:
        raise ValueError(f"cannot compare with {against}: it is not among the models")
    prepare_tasks(tasks, data_root, output)
    cells = plan_cells(tasks, models, modes, seeds)
    records: dict[Cell, dict] = {}
    failures: dict[str, str] = {}
    bar = progress_bar(_outcomes(cells, output, settings or {}, workers), total=len(cells), desc="cells", unit="cell")
    for cell, future in bar:
        bar.set_postfix_str(f"{cell.task} {short_name(cell.model)} {cell.mode}", refresh=False)
        if error := future.exception():
            failures[cell.file_name.removesuffix(".json")] = f"{type(error).__name__}: {error}"
        else:
            records[cell] = future.result()
    finished = [records[cell] for cell in cells if cell in records]
    write_report(finished, failures, output, None if against is None else short_name(against))
    return finished, failures


def run(options: argparse.Namespace) -> int:
    """Run, print the table, and say what failed.

    Returns:
        The exit status: 1 where a cell failed.

    Raises:
        ValueError, FileNotFoundError: as for `run_benchmark`; also where no task is named, or its data are not.
    """
    if not options.tasks and not options.data:
        raise ValueError("there is nothing to test on: give --tasks or --data")
    if options.tasks and options.data_root is None:
        raise ValueError("--tasks needs --data-root, the folder that holds their corpora")
    transformers_logging.disable_progress_bar()  # of loading weights, once for each model
    _, failures = run_benchmark(
        [*options.tasks, *options.data],
        options.models,
        options.modes,
        options.seeds,
        options.data_root or Path(),
        options.output,
        workers=options.workers,
        settings=finetuning_settings(options),
        against=options.against,
    )
    print((options.output / "table.md").read_text(encoding="utf-8"))
    print(f"Written to {options.output}: table.md, results.json, costs.md")
    for name, reason in failures.items():
        print(f"FAILED {name}: {reason}", file=sys.stderr)
    return 1 if failures else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line of `python -m dare_eeg_hf.evaluation.benchmark`; 2 where it cannot be carried out."""
    parser = CommandParser(
        prog="python -m dare_eeg_hf.evaluation.benchmark",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"tasks:\n{listed_tasks()}",
    )
    add_arguments(parser)
    try:
        return run(parser.parse_args(arguments))
    except (ValueError, FileNotFoundError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    raise SystemExit(main())
