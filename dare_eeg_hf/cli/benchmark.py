"""`dare-eeg benchmark`: models and baselines on labelled recordings of known corpora."""

import argparse

from dare_eeg_hf.evaluation.benchmark_arguments import add_arguments

__all__ = ["DESCRIPTION", "EXAMPLES", "add_arguments", "run"]

DESCRIPTION = """\
Tasks x models x modes x seeds, to JSON and a Markdown table.

Every cell (task, model, mode, seed) is one JSON file, written whole or not at all. Run the same command again and only
missing cells are computed; a cell whose data, weights or settings changed is computed again. `table.md` and
`results.json` hold nothing that differs between two runs on one machine: seconds and memory are in `costs.md`.

Each worker holds a task's windows in memory, 0.2 GB per 1,000 windows of 19 channels and 10 s at 256 Hz, up to 4 times
over (5 times in the mode full)."""
EXAMPLES = (
    "  dare-eeg benchmark --data-root data --output runs/benchmark --tasks mental-arithmetic eyes-eegmmidb\n"
    "  dare-eeg benchmark --data-root data --output runs/benchmark --tasks eyes-eegmmidb --modes probe full "
    "--models chance band-power riemann eegnet random:nano runs/pretrained --seeds 0 1 2 --workers 2\n"
    "  dare-eeg benchmark --data windows/mine --output runs/mine --modes pooled --models chance riemann runs/base\n"
    "  dare-eeg benchmark --list-tasks"
)


def run(options: argparse.Namespace) -> int:
    """Run the benchmark; returns the exit status."""
    from dare_eeg_hf.evaluation import benchmark

    return benchmark.run(options)
