"""Small windows data sets and configurations for tests that train, and a way to start real training processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import datasets
import numpy as np
import pyarrow.parquet as pq
import pytest

from dare_eeg_hf.data.windows import windows_table

CHANNELS = ("F3", "FZ", "F4", "C3", "CZ", "C4", "P3", "PZ", "P4", "OZ")
TINY_CONFIG = {
    "hidden_size": 16,
    "num_summary_tokens": 1,
    "num_hidden_layers": 1,
    "predictor_num_hidden_layers": 1,
    "reconstructor_num_hidden_layers": 1,
    "num_attention_heads": 2,
    "patch_size": 16,
    "window_size": 128,
    "contrastive_hidden_size": 16,
    "contrastive_projection_size": 8,
    "visible_channel_ratio": 0.4,
}
RUNNER = Path(__file__).with_name("run_pretraining.py")


def make_windows(folder: Path, count: int, seed: int = 0, channels=CHANNELS, samples: int = 128) -> Path:
    """Write windows of noise and one slow wave per window as a Parquet data set."""
    rng = np.random.default_rng(seed)
    time = np.arange(samples) / 256
    waves = np.sin(2 * np.pi * rng.uniform(2, 20, (count, 1, 1)) * time + rng.uniform(0, 6, (count, len(channels), 1)))
    signals = 0.01 * waves + 0.003 * rng.standard_normal((count, len(channels), samples))
    folder.mkdir(parents=True, exist_ok=True)
    table = windows_table(
        signals,
        channel_names=channels,
        onsets=np.arange(count) * samples / 256,
        subject=f"subject {seed}",
        recording=f"recording {seed}",
        corpus="noise",
    )
    pq.write_table(table, folder / "train.parquet")
    return folder


@pytest.fixture(scope="session")
def tiny_config():
    """Fields of a model that trains a step in milliseconds."""
    return dict(TINY_CONFIG)


@pytest.fixture(scope="session")
def windows_folder(tmp_path_factory):
    """`windows_folder(count, seed=0, channels=...)` gives a folder with a Parquet data set of windows."""
    made = {}

    def folder(count: int, seed: int = 0, channels=CHANNELS) -> Path:
        key = (count, seed, tuple(channels))
        if key not in made:
            made[key] = make_windows(tmp_path_factory.mktemp("windows"), count, seed, channels)
        return made[key]

    return folder


@pytest.fixture(scope="session")
def windows(windows_folder):
    """`windows(count, seed=0, channels=...)` gives a map-style data set of windows."""

    def load(count: int, seed: int = 0, channels=CHANNELS):
        return datasets.Dataset.from_parquet(str(windows_folder(count, seed, channels) / "train.parquet"))

    return load


@pytest.fixture(scope="session")
def training_process():
    """`training_process(arguments, train=[folders], validation=folder, processes=1)` starts a real training run.

    Two processes are started the way that works on CPUs; the run writes its world size into `world_size.json`.
    """

    def start(arguments: dict, *, train, validation=None, processes: int = 1, wait: bool = True, **options):
        job = {
            "arguments": {**arguments, "output_dir": str(arguments["output_dir"])},
            "train": [str(folder) for folder in train],
            "validation": None if validation is None else str(validation),
            **options,
        }
        launcher = [sys.executable]
        if processes > 1:
            launcher += ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "1"}
        process = subprocess.Popen(
            [*launcher, str(RUNNER), json.dumps(job)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        if wait:
            process.output, _ = process.communicate(timeout=120)
        return process

    return start
