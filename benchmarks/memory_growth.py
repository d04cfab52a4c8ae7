"""Does a long run's memory grow? Trains nano for many steps on noise and watches the process.

    python benchmarks/memory_growth.py                 2,000 steps, a few minutes; exit status 1 if memory grows
    python benchmarks/memory_growth.py --steps 300

Everything a real run does is on: loader workers, logging, validation, checkpoints, invariance. Resident memory (of a
GPU: memory allocated by torch) is read after each step; what counts is the slope of a straight line through the second
half, when caches are warm.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import datasets
import numpy as np
import psutil
import torch

from dare_eeg_hf.corpora.windows import windows_table
from dare_eeg_hf.montage import PRETRAINING_CHANNELS
from dare_eeg_hf.pretraining import run as pretraining
from dare_eeg_hf.pretraining.arguments import PretrainingArguments
from dare_eeg_hf.pretraining.run import pretrain

ALLOWED_GROWTH = 20 * 2**20  # bytes in 1,000 steps


def noise_windows(count: int, seed: int, samples: int) -> datasets.Dataset:
    """Windows of noise of the pre-training montage."""
    signals = 0.02 * np.random.default_rng(seed).standard_normal((count, len(PRETRAINING_CHANNELS), samples))
    onsets = np.arange(count) * samples / 256
    names = {"subject": f"subject {seed}", "recording": f"recording {seed}", "corpus": "noise"}
    return datasets.Dataset(windows_table(signals, channel_names=PRETRAINING_CHANNELS, onsets=onsets, **names))


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--batch-size", type=int, default=2)
    parser.add_argument(
        "--samples", type=int, default=512, help="samples of a window, at 256 Hz (default: %(default)s)"
    )
    options = parser.parse_args()

    seen: list[int] = []
    advance = pretraining.advance

    def measured_step(run, batches) -> None:
        advance(run, batches)
        on_gpu = run.accelerator.device.type == "cuda"
        seen.append(torch.cuda.memory_allocated() if on_gpu else psutil.Process().memory_info().rss)

    pretraining.advance = measured_step
    with tempfile.TemporaryDirectory() as folder:
        arguments = PretrainingArguments(
            Path(folder) / "run",
            preset="nano",
            max_steps=options.steps,
            batch_size=options.batch_size,
            num_workers=1,
            validate_every=max(options.steps // 10, 1),
            checkpoint_every=max(options.steps // 10, 1),
            invariance_windows=4,
        )
        pretrain(arguments, noise_windows(256, 0, options.samples), noise_windows(8, 1, options.samples))
    half = np.array(seen[len(seen) // 2 :], dtype=float)
    slope = np.polyfit(np.arange(len(half)), half, 1)[0] * 1000
    early = len(seen) // 10
    for step in (early, len(seen) - 1):
        print(f"memory after {step + 1} steps: {seen[step] / 2**20:.1f} MiB")
    allowed = ALLOWED_GROWTH / 2**20
    print(f"growth over the second half: {slope / 2**20:+.2f} MiB in 1,000 steps (allowed: {allowed:.0f})")
    return int(slope > ALLOWED_GROWTH)


if __name__ == "__main__":
    sys.exit(main())
