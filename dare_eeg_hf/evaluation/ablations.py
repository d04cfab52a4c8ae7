"""The paper's ablation cases, pre-trained at a small scale under equal budgets and compared.

    python -m dare_eeg_hf.evaluation.ablations --pretraining-data recordings/ --data-root data --task eyes-eegmmidb \\
        --output runs/ablations --preset nano --max-steps 300 --seeds 0 1 2
    python -m dare_eeg_hf.evaluation.ablations --pretraining-data windows/mental_arithmetic --data-root data \\
        --task mental-arithmetic --mode pooled --config examples/configs/nano_open.yaml --max-steps 1000 \\
        --output runs/ablations
    python -m dare_eeg_hf.evaluation.ablations --pretraining-data windows/mental_arithmetic --data-root data \\
        --mode pooled --config SETTINGS.yaml --cases "all on" "a quarter of the targets" --seeds 0 1 2 3 4 \\
        --output runs/share_of_targets

Every case sees the same windows in the same order for the same number of steps; only the objective differs, or how
much of it a step computes. The report has the balanced accuracy of a probe on the task, and on held-out windows the
reconstruction error over all targets and mask invariance, over seeds. At this scale
the differences say what the switches do here, not what the paper found. Finished runs are not repeated, and a run
that was stopped continues where it was.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from dare_eeg_hf.adaptation.labelled_windows import LabelledWindows
from dare_eeg_hf.atomic_files import write_json, write_text
from dare_eeg_hf.command_line import layer_settings
from dare_eeg_hf.command_parser import CommandParser
from dare_eeg_hf.configuration_dare_eeg import PRESETS
from dare_eeg_hf.evaluation.benchmark import Cell, evaluate_cell, prepare_tasks, windows_file
from dare_eeg_hf.evaluation.contestant_names import ENCODER_MODES
from dare_eeg_hf.evaluation.tables import markdown_table, mean_text
from dare_eeg_hf.evaluation.tasks import TASKS
from dare_eeg_hf.pretraining.arguments import PretrainingArguments
from dare_eeg_hf.pretraining.checkpointing import PretrainingError
from dare_eeg_hf.pretraining.data import is_prepared, open_windows, prepare_windows, split_by_subject
from dare_eeg_hf.pretraining.run import pretrain
from dare_eeg_hf.progress import progress_bar

CASES: dict[str, dict[str, bool]] = {
    "all on": {},
    "without anchor alignment": {"use_anchor_alignment": False},
    "without target LayerNorm": {"normalize_targets": False},
    "without skip": {"use_skip_connection": False},
    "without mask alignment": {"use_mask_alignment": False},
}
"""The cases of the paper (METHOD.md, "Losses"): what each switches off in the model's configuration."""

RECIPES: dict[str, dict[str, float]] = {
    "half of the targets": {"reconstructed_share": 0.5},
    "a quarter of the targets": {"reconstructed_share": 0.25},
}
"""Cases that train the same model in another way: fields of `PretrainingArguments`."""

EXIT_INTERRUPTED = 130


class StoppedError(RuntimeError):
    """A signal ended a run before its model was written."""


def open_pretraining_windows(source: str, output: Path, seed: int):
    """Training and validation windows of a prepared data set, or of recordings, which are cut first.

    Raises:
        ValueError: invariance cannot be measured on the windows to validate on: there are fewer than two.
    """
    prepared = source if is_prepared(source) else prepare_windows(source, output / "pretraining_windows")
    train, validation = open_windows(prepared)
    if validation is None:
        train, validation = split_by_subject(train, seed=seed)
    if validation is None or len(validation) < 2:
        raise ValueError(
            f"{source} leaves fewer than two windows to validate on, and the cases are compared on them: pre-train on "
            "two or more recordings, or give a data set with a larger validation split"
        )
    return train, validation


def check_budget(budget: dict) -> None:
    """Refuse settings under which nothing would be measured at the end of a run."""
    windows = budget.get("invariance_windows", 2)
    if windows < 2:
        raise ValueError(
            f"invariance_windows is {windows}, but the cases are compared by their invariance: set it to 2 or more, "
            "or leave it out"
        )


def run_case(case: str, seed: int, data: str, task: str, output: Path, budget: dict, mode: str = "probe") -> dict:
    """Pre-train one case with one seed, probe it, measure invariance; or read what was measured before.

    Raises:
        StoppedError: a signal ended pre-training.
    """
    inputs = {"case": case, "seed": seed, "task": task, "mode": mode, "data": Path(data).name, **budget}
    pretraining = json.dumps([str(Path(data).resolve()), budget], sort_keys=True)
    described = hashlib.sha256(pretraining.encode()).hexdigest()[:8]
    folder = output / f"{case.replace(' ', '-')}-seed{seed}-{described}"
    file = folder / "ablation.json"
    if file.exists() and (stored := json.loads(file.read_text(encoding="utf-8")))["inputs"] == inputs:
        return stored
    # The split does not depend on the seed: cases and seeds are compared on the same held-out windows.
    train, validation = open_pretraining_windows(data, output, seed=0)
    own = {"output_dir": folder, "seed": seed, "trackers": [], "resume": True, "log_every": 50}
    own["config"] = {**budget.get("config", {}), **CASES.get(case, {})}
    own |= RECIPES.get(case, {})
    arguments = PretrainingArguments(**{**budget, **own})
    pretrained = pretrain(arguments, train, validation)
    if pretrained.stopped_by not in (None, "patience"):
        raise StoppedError(
            f"Stopped by {pretrained.stopped_by} at step {pretrained.step} of {case!r}, seed {seed}; the same command "
            "continues."
        )
    windows = LabelledWindows.load(windows_file(output, task))
    cell = Cell(task, str(folder), mode, seed)
    probe = evaluate_cell(cell, windows, {}, str(folder), output / "features")
    curve = pretrained.metrics["invariance"]
    record = {
        "inputs": inputs,
        "balanced_accuracy": probe["metrics"]["balanced_accuracy"],
        "loss_reconstruction": pretrained.metrics["loss_reconstruction"],
        "similarity": sum(point["similarity"] for point in curve) / len(curve),
        "other_windows_similarity": sum(point["other_windows_similarity"] for point in curve) / len(curve),
        "retrieval_accuracy": pretrained.metrics["retrieval_accuracy"],
        "retrieval_chance": pretrained.metrics["chance"],
        "effective_rank": pretrained.metrics["effective_rank"],
        "invariance": curve,
    }
    write_json(file, record)
    return record


def ablation_table(records: Sequence[dict], task: str) -> str:
    """One row per case, mean and standard deviation over seeds."""
    seeds = sorted({record["inputs"]["seed"] for record in records})
    lines = [
        f"# Ablations: {TASKS[task].title}",
        "",
        f"Seeds {' '.join(map(str, seeds))}; {records[0]['inputs']['max_steps']} steps of "
        f"{records[0]['inputs']['batch_size']} windows, size {records[0]['inputs']['preset']}. Similarity and "
        "retrieval compare two masked views of held-out windows, averaged over overlaps; guessing retrieves "
        f"{records[0]['retrieval_chance']:.3f}.",
        "",
    ]
    columns = {
        "balanced_accuracy": "probe balanced accuracy",
        "loss_reconstruction": "reconstruction error",
        "similarity": "similarity of views",
        "other_windows_similarity": "of other windows",
        "retrieval_accuracy": "retrieval",
        "effective_rank": "effective rank",
    }
    cases = [*CASES, *RECIPES]
    of_cases = {case: [record for record in records if record["inputs"]["case"] == case] for case in cases}
    rows = [
        [case, *(mean_text([record[column] for record in own]) for column in columns)]
        for case, own in of_cases.items()
        if own
    ]
    return "\n".join([*lines, *markdown_table(("case", *columns.values()), rows)]) + "\n"


def run_ablations(
    data: str,
    data_root: Path,
    task: str,
    output: Path,
    *,
    cases: Sequence[str],
    seeds: Sequence[int],
    budget: dict,
    mode: str = "probe",
) -> str:
    """All cases and seeds; writes ablations.json and ablations.md and returns the table.

    Args:
        data: prepared data set or folder of recordings to pre-train on.
        data_root: holds the task's corpus.
        task: what the probe is tested on.
        output: folder for runs and tables.
        cases: keys of `CASES` and `RECIPES`.
        seeds: one run of each case per seed.
        budget: fields of `PretrainingArguments` that all runs share: preset, max_steps, batch_size at least; its
            `config` holds what all cases change in the model.
        mode: how the encoders are tested, as in the benchmark.

    Raises:
        ValueError: the budget or the data leave nothing to measure; before anything is trained.
        StoppedError: a signal ended a run; the same call goes on.
        PretrainingError: a run failed.
    """
    check_budget(budget)
    prepare_tasks([task], data_root, output)
    runs = [(case, seed) for seed in seeds for case in cases]
    with progress_bar(runs, desc="ablations", unit="run") as bar:  # its line ends before a message about a run begins
        records = [run_case(case, seed, data, task, output, budget, mode) for case, seed in bar]
    table = ablation_table(records, task)
    write_json(output / "ablations.json", records)
    write_text(output / "ablations.md", table)
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = CommandParser(
        prog="python -m dare_eeg_hf.evaluation.ablations",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--pretraining-data", required=True, help="prepared data set, or folder of recordings")
    parser.add_argument("--data-root", type=Path, required=True, help="folder that holds the task's corpus")
    parser.add_argument("--task", choices=TASKS, default="eyes-eegmmidb", help="default: %(default)s")
    parser.add_argument("--output", type=Path, required=True, help="folder for runs and tables")
    cases = {"choices": [*CASES, *RECIPES], "default": list(CASES)}
    parser.add_argument("--cases", nargs="+", **cases, help="default: those of the paper")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], help="default: 0 1 2")
    parser.add_argument(
        "--mode", choices=ENCODER_MODES, default="probe", help="how encoders are tested (default: %(default)s)"
    )
    parser.add_argument("--config", metavar="FILE", help="settings of pre-training that all runs share, as YAML")
    parser.add_argument("--preset", choices=PRESETS, help="size (default: nano)")
    parser.add_argument("--max-steps", type=int, help="steps of every run (default: 300)")
    parser.add_argument("--batch-size", type=int, help="windows per step (default: 64)")
    options = parser.parse_args(arguments)
    try:
        defaults = {"preset": "nano", "max_steps": 300, "batch_size": 64}
        known = {field.name for field in fields(PretrainingArguments)}
        budget = layer_settings(defaults, options.config, options, known)
        table = run_ablations(
            options.pretraining_data,
            options.data_root,
            options.task,
            options.output,
            cases=options.cases,
            seeds=options.seeds,
            budget=budget,
            mode=options.mode,
        )
    except StoppedError as stop:
        print(stop, file=sys.stderr)
        return EXIT_INTERRUPTED
    except (PretrainingError, ValueError, FileNotFoundError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(table)
    print(f"Written to {options.output}: ablations.md, ablations.json")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
