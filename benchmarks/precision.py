"""Do bf16 and float32 pre-training end at the same validation losses, within the spread of seeds?

    python benchmarks/precision.py --data windows/ --output runs/precision
    python benchmarks/precision.py --data windows/ --output runs/precision --config examples/configs/nano_open.yaml

Trains nano (or what --config says) once per precision and seed on the same windows (held-out subjects for validation)
and compares the final validation losses: the gap between the means of the precisions against the standard deviation
over seeds. Runs that are done are not repeated, interrupted ones go on. Needs hardware with bf16 units to be quick: a
CPU without them computes bf16 products many times more slowly than float32.
"""

import argparse
import json
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np

from dare_eeg_hf.command_line import layer_settings
from dare_eeg_hf.metrics_log import read_metrics
from dare_eeg_hf.pretraining.arguments import PretrainingArguments
from dare_eeg_hf.pretraining.data import open_windows, split_by_subject
from dare_eeg_hf.pretraining.run import pretrain


def main() -> int:
    """Command line; exit status 1 where the precisions differ by more than the seeds do."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder of prepared windows")
    parser.add_argument("--output", required=True, type=Path, help="folder for the runs")
    parser.add_argument("--config", metavar="FILE", help="settings of pre-training, as YAML")
    parser.add_argument("--preset", help="size (default: nano)")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--batch-size", type=int, help="windows per step (default: 32)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    if len(options.seeds) < 2:
        parser.error("the spread over seeds needs at least two")

    known = {field.name for field in fields(PretrainingArguments)}
    settings = layer_settings({"preset": "nano", "batch_size": 32}, options.config, options, known)

    train, validation = open_windows(options.data)
    if validation is None:
        train, validation = split_by_subject(train, 0.2)
    finals: dict[str, list[float]] = {"no": [], "bf16": []}
    for precision, losses in finals.items():
        for seed in options.seeds:
            folder = options.output / f"{settings['preset']}-{precision}-seed{seed}"
            own = {"max_steps": options.steps, "seed": seed, "mixed_precision": precision, "resume": True}
            own |= {"validate_every": max(options.steps // 5, 1), "invariance_windows": 0, "output_dir": folder}
            pretrain(PretrainingArguments(**{**settings, **own}), train, validation)
            rows = [row for row in read_metrics(folder / "metrics.jsonl") if row["split"] == "validation"]
            losses.append(rows[-1]["loss"])
            print(json.dumps({"precision": precision, "seed": seed, "validation_loss": rows[-1]["loss"]}), flush=True)

    gap = abs(np.mean(finals["bf16"]) - np.mean(finals["no"]))
    spread = np.sqrt((np.var(finals["bf16"], ddof=1) + np.var(finals["no"], ddof=1)) / 2)
    for precision, losses in finals.items():
        name = "float32" if precision == "no" else precision
        print(f"{name:<8} {np.mean(losses):.5f} +- {np.std(losses, ddof=1):.5f} over {len(losses)} seeds")
    print(f"gap between precisions {gap:.5f}, standard deviation over seeds {spread:.5f}")
    return int(gap > 2 * spread)


if __name__ == "__main__":
    sys.exit(main())
