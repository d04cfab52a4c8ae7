"""Mask invariance of pre-trained models side by side, as a figure and a table.

    python -m dare_eeg_hf.evaluation.compare_invariance --data windows/guinea_bissau --output runs/invariance \\
        --models "runs/nano/seed{seed}" "runs/without-mask-alignment/seed{seed}" --seeds 0 1

Two views of each window show some of its channels; the overlap is the share they have in common. For each overlap: how
alike are the two views of a window, how alike are views of different windows, and how often is the second view of a
window the nearest of all to its first? The windows should be of people the models have never seen.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from dare_eeg_hf.atomic_files import write_json, write_text
from dare_eeg_hf.checkpoints import find_checkpoint
from dare_eeg_hf.command_parser import CommandParser
from dare_eeg_hf.corpora.collator import WindowCollator
from dare_eeg_hf.corpora.loading import load_windows
from dare_eeg_hf.evaluation.contestants import SEED, check_names, short_name
from dare_eeg_hf.evaluation.tables import markdown_table, mean_text
from dare_eeg_hf.modeling_dare_eeg import DareEegForPreTraining
from dare_eeg_hf.pretraining.invariance import measure_invariance
from dare_eeg_hf.pretraining.step_inputs import model_inputs
from dare_eeg_hf.progress import progress_bar
from dare_eeg_hf.visualization import Curve, Panel, plot_curves

BATCH_SIZE = 32
CURVES = ("similarity", "other_windows_similarity", "retrieval_accuracy")
"""What `measure_invariance` reports for each overlap, as shown here."""


def draw_rows(data: str, split: str | None, count: int) -> list[dict]:
    """`count` windows of a prepared data set, drawn with a fixed seed; all of one montage and length.

    Raises:
        ValueError: there are not that many, or they differ in channels or length.
    """
    windows = load_windows(data, split=split)
    if len(windows) < count:
        raise ValueError(f"{data} has {len(windows)} windows, fewer than the {count} to compare; lower --windows")
    rows = [windows[int(i)] for i in np.sort(np.random.default_rng(0).choice(len(windows), count, replace=False))]
    if len({(tuple(row["channel_names"]), len(row["signal"])) for row in rows}) > 1:
        raise ValueError(f"the windows of {data} differ in their channels or length; give windows of one montage")
    return rows


def measure(checkpoint: str, rows: Sequence[dict], seed: int) -> dict:
    """`measure_invariance` of one checkpoint; masks depend on the seed.

    Raises:
        ValueError: the checkpoint lacks parts of the pre-training model.
    """
    network, found = DareEegForPreTraining.from_pretrained(checkpoint, output_loading_info=True)
    if missing := sorted({key.split(".")[0] for key in found["missing_keys"]}):
        raise ValueError(
            f"{checkpoint} has no {', '.join(missing)}: mask invariance is measured on a pre-training run's "
            "own folder, not on a classifier or an encoder by itself"
        )
    network.eval()
    collator = WindowCollator(
        network.config.channel_names, network.config.patch_size, sampling_rate=network.config.sampling_rate
    )
    batches = [
        model_inputs(collator(rows[start : start + BATCH_SIZE]), network.config)
        for start in range(0, len(rows), BATCH_SIZE)
    ]
    return measure_invariance(network, batches, seed=seed)


def invariance_table(results: dict[str, list[dict]], windows: int) -> str:
    """A row per model and overlap, mean and standard deviation over seeds."""
    lines = [
        "# Mask invariance",
        "",
        f"{windows} windows; guessing retrieves {1 / windows:.4f}. Similarities are cosines after the mean over "
        "windows is removed.",
        "",
    ]
    header = ("model", "overlap", "similarity of a window's views", "of different windows' views", "retrieval")
    rows = []
    for model, seeds in results.items():
        for number, point in enumerate(seeds[0]["invariance"]):
            cells = [mean_text([result["invariance"][number][column] for result in seeds]) for column in CURVES]
            rows.append([model, f"{point['overlap']:.2f}", *cells])
    return "\n".join([*lines, *markdown_table(header, rows)]) + "\n"


def plot_models(results: dict[str, list[dict]], windows: int) -> Figure:
    """A figure: similarity and retrieval over overlap, a line per model."""
    similarity, retrieval = [], []
    for color, (model, seeds) in enumerate(results.items()):
        overlap = [point["overlap"] for point in seeds[0]["invariance"]]
        own, others, found = (
            np.mean([[point[column] for point in result["invariance"]] for result in seeds], axis=0)
            for column in CURVES
        )
        similarity.append(Curve(overlap, own, model, color))
        similarity.append(Curve(overlap, others, color=color, marker="", style="--"))
        retrieval.append(Curve(overlap, found, model, color))
    x_label = "Overlap of the views"
    panels = [
        Panel(similarity, x_label=x_label, y_label="Cosine (dashed: different windows)"),
        Panel(retrieval, x_label=x_label, y_label=f"Retrieval among {windows} (dotted: guessing)", level=1 / windows),
    ]
    return plot_curves(panels, size=4.5)


def compare(
    models: Sequence[str], data: str, split: str | None, windows: int, seeds: Sequence[int], output: Path
) -> str:
    """Measure all models and seeds; writes invariance.md, .json and .png into `output` and returns the table."""
    check_names(models)
    for model, seed in itertools.product(models, seeds):
        find_checkpoint(model.replace(SEED, str(seed)))
    rows = draw_rows(data, split, windows)
    runs = [(model, seed) for model in models for seed in seeds]
    results: dict[str, list[dict]] = {short_name(model): [] for model in models}
    with torch.inference_mode():
        for model, seed in progress_bar(runs, desc="models", unit="run"):
            results[short_name(model)].append(measure(model.replace(SEED, str(seed)), rows, seed))
    table = invariance_table(results, windows)
    output.mkdir(parents=True, exist_ok=True)
    write_json(output / "invariance.json", results)
    write_text(output / "invariance.md", table)
    plot_models(results, windows).savefig(output / "invariance.png", dpi=120)
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = CommandParser(
        prog="python -m dare_eeg_hf.evaluation.compare_invariance",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--models", nargs="+", required=True, metavar="FOLDER", help="pre-training runs; {seed} is filled in"
    )
    parser.add_argument("--data", required=True, help="prepared windows of one montage")
    parser.add_argument("--split", help="which of their splits")
    parser.add_argument("--windows", type=int, default=256, help="how many to tell apart (default: 256)")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0], help="default: 0")
    parser.add_argument("--output", type=Path, required=True, help="folder for the figure and the table")
    options = parser.parse_args(arguments)
    try:
        table = compare(options.models, options.data, options.split, options.windows, options.seeds, options.output)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(table)
    print(f"Written to {options.output}: invariance.png, invariance.md, invariance.json")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
