"""Small windows data sets and configurations for tests that train, and a way to start real training processes."""

import importlib.util
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import time
import traceback
from datetime import timedelta
from pathlib import Path

import datasets
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from dare_eeg_hf.corpora.windows import windows_table
from dare_eeg_hf.pretraining.arguments import PretrainingArguments
from dare_eeg_hf.pretraining.run import pretrain
from dare_eeg_hf.recordings.simulation import simulate_recordings

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
    "masking": {"visible_channel_ratio": 0.4},
}
ROOT = Path(__file__).resolve().parents[2]
RUNNER = Path(__file__).with_name("run_pretraining.py")


def make_windows(folder: Path, count: int, seed: int = 0, channels=CHANNELS, samples: int = 128) -> Path:
    """Write windows of noise and one slow wave per window as a Parquet data set."""
    rng = np.random.default_rng(seed)
    time = np.arange(samples) / 256
    waves = np.sin(2 * np.pi * rng.uniform(2, 20, (count, 1, 1)) * time + rng.uniform(0, 6, (count, len(channels), 1)))
    signals = 0.2 * waves + 0.1 * rng.standard_normal((count, len(channels), samples))
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


@pytest.fixture
def common_arguments(tmp_path, tiny_config):
    """What all runs of the tests have in common, as arguments of `PretrainingArguments`."""
    return {
        "output_dir": tmp_path / "run",
        "config": tiny_config,
        "batch_size": 4,
        "trackers": [],
        "log_every": 1,
        "cpu": True,
    }


@pytest.fixture
def arguments(common_arguments):
    """`arguments(**changes)`: a run of 8 steps with a checkpoint every second step."""
    defaults = {"max_steps": 8, "checkpoint_every": 2, "invariance_windows": 0, "keep_last": 2}
    return lambda **changes: {**common_arguments, **defaults, **changes}


def run(arguments: dict, *data, **more):
    """Train in this process."""
    return pretrain(PretrainingArguments(**arguments), *data, **more)


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


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Training:
    """One training run in processes of its own.

    The processes are forked from this one, which has everything imported: real processes, real signals, no waiting for
    imports. `launcher=True` starts them the way users do, through torch.distributed.run.
    """

    def __init__(self, job: dict, processes: int, launcher: bool):
        self.run_folder = Path(job["arguments"]["output_dir"])
        self.output_file = self.run_folder.with_suffix(".log")
        self.output_file.parent.mkdir(parents=True, exist_ok=True)
        self.launcher = self._launch(job, processes) if launcher else None
        self.pids = [] if launcher else self._fork(job, processes)

    def _launch(self, job: dict, processes: int) -> subprocess.Popen:
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
        with self.output_file.open("w") as output:
            return subprocess.Popen(
                [*command, str(RUNNER), json.dumps(job)],
                env={**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "1"},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def _fork(self, job: dict, processes: int) -> list[int]:
        port, pids = free_port(), []
        for rank in range(processes):
            pid = os.fork()
            if pid == 0:
                self._train_in_child(job, rank, processes, port)
            pids.append(pid)
        return pids

    def _train_in_child(self, job: dict, rank: int, processes: int, port: int) -> None:
        """Never returns."""
        status = 1
        try:
            with self.output_file.open("a") as output:
                os.dup2(output.fileno(), 1)
                os.dup2(output.fileno(), 2)
            sys.stdout, sys.stderr = (open(number, "w", buffering=1, closefd=False) for number in (1, 2))  # noqa: SIM115
            if processes > 1:
                ranks = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": processes, "LOCAL_WORLD_SIZE": processes}
                os.environ.update({name: str(value) for name, value in ranks.items()})
                os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
            torch.set_num_threads(1)
            sys.argv = [str(RUNNER), json.dumps(job)]
            runpy.run_path(str(RUNNER), run_name="__main__")
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            try:  # a test fills the disk; whatever cannot be written then, the child must not go on as a second pytest
                sys.stdout.flush()
                sys.stderr.flush()
            finally:
                os._exit(status)

    def signal(self, number: int) -> None:
        """Send a signal to the launcher, or to every process."""
        if self.launcher:
            self.launcher.send_signal(number)
        for pid in self.pids:
            os.kill(pid, number)

    def wait(self, timeout: float = 100) -> "Training":
        """Wait for all processes; when one fails the others are killed, as a launcher or a dead machine does."""
        if self.launcher:
            self.returncodes = [self.launcher.wait(timeout)]
            return self
        self.returncodes = []
        running, deadline = list(self.pids), time.monotonic() + timeout
        while running:
            late = time.monotonic() > deadline
            for pid in list(running):
                ended, status = os.waitpid(pid, os.WNOHANG)
                if ended:
                    running.remove(pid)
                    self.returncodes.append(os.waitstatus_to_exitcode(status))
            if late or any(self.returncodes):
                for pid in running:
                    os.kill(pid, signal.SIGKILL)
            assert not late, f"training did not end\n{self.output}"
            time.sleep(0.01)
        return self

    @property
    def output(self) -> str:
        return self.output_file.read_text()

    @property
    def succeeded(self) -> bool:
        return all(code == 0 for code in self.returncodes)


@pytest.fixture(scope="session")
def training_process():
    """`training_process(arguments, train=[folders], validation=folder, processes=1)` trains in other processes.

    Each process writes its world size, and how the run ended, into `result-RANK.json` of the run's folder.
    """
    import dare_eeg_hf.pretraining.run  # noqa: F401 - imported once, before forking

    def start(arguments, *, train, validation=None, processes=1, wait=True, launcher=False, **options) -> Training:
        job = {
            "arguments": {**arguments, "output_dir": str(arguments["output_dir"])},
            "train": [str(folder) for folder in train],
            "validation": None if validation is None else str(validation),
            **options,
        }
        training = Training(job, processes, launcher)
        return training.wait() if wait else training

    return start


@pytest.fixture(scope="session")
def in_two_processes():
    """`in_two_processes(function, *arguments)` calls `function(rank, *arguments)` in two processes of one gloo group.

    Both must succeed; whoever waits for the other longer than half a minute fails.
    """

    def call(function, *arguments) -> None:
        port = free_port()
        children = [_fork(function, rank, port, arguments) for rank in range(2)]
        assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0]

    return call


def _fork(function, rank: int, port: int, arguments: tuple) -> int:
    """The number of a new process, which ends when the function returns or raises."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), RANK=str(rank), WORLD_SIZE="2")
        os.environ.update(LOCAL_RANK=str(rank), LOCAL_WORLD_SIZE="2")
        torch.set_num_threads(1)
        torch.distributed.init_process_group("gloo", timeout=timedelta(seconds=30))
        function(rank, *arguments)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """EDF files of three simulated people."""
    folder = tmp_path_factory.mktemp("recordings")
    montage = ["Fp1", "Fp2", "F3", "F4", "C3", "C4", "P3", "P4", "O1", "O2"]
    simulate_recordings(folder, subjects=3, seconds=16, montage=montage)
    return folder


@pytest.fixture(scope="module")
def example():
    """The module examples/pretrain.py."""
    spec = importlib.util.spec_from_file_location("pretrain_example", ROOT / "examples" / "pretrain.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
