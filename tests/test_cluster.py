"""A Dask cluster of real processes on this machine builds the same bytes, whatever dies on the way."""

import operator
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

pytest.importorskip("distributed", reason="needs Dask (the extra `cluster`)")

from dare_eeg_hf.cluster import check_cluster, over_cluster
from dare_eeg_hf.corpora.build import build
from dare_eeg_hf.recordings.simulation import simulate_recordings
from tests.corpora.simulated_corpus import MONTAGE
from tests.corpora.slow_corpus import Slow
from tests.corpora.test_build import digests

ROOT = Path(__file__).resolve().parents[1]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """The address of a scheduler with two workers of one thread each, and the workers."""
    port = free_port()
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    common = {
        "env": environment,
        "cwd": tmp_path_factory.mktemp("workers"),
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
    }
    with ExitStack() as stack:

        def start(*words: str) -> subprocess.Popen:
            process = subprocess.Popen([sys.executable, "-m", "distributed.cli." + words[0], *words[1:]], **common)
            stack.callback(process.wait)
            stack.callback(process.kill)
            return process

        start("dask_scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard")
        address = f"tcp://127.0.0.1:{port}"
        quiet = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1")
        workers = [start("dask_worker", address, *quiet, "--name", name) for name in "ab"]
        yield f"dask://127.0.0.1:{port}", workers


def _reciprocal(value: int) -> float:
    return 1 / value


def test_results_come_as_they_are_ready_and_errors_arrive(cluster):
    address, _ = cluster
    assert sorted(over_cluster(operator.neg, range(20), address)) == list(range(-19, 1))
    with pytest.raises(ZeroDivisionError):
        list(over_cluster(_reciprocal, [1, 0], address))


def test_a_build_survives_the_death_of_a_worker(cluster, tmp_path):  # the last one to need the cluster
    address, workers = cluster
    source = tmp_path / "source"
    simulate_recordings(source, subjects=4, montage=MONTAGE, seconds=12)
    expected = digests(build(Slow(), source, tmp_path / "plain").output)
    begun = tmp_path / "begun"
    begun.unlink()

    def kill_one_at_work():
        while not begun.exists() or len(begun.read_text().splitlines()) < 4:
            time.sleep(0.05)
        workers[0].send_signal(signal.SIGKILL)

    killer = threading.Thread(target=kill_one_at_work)
    killer.start()
    result = build(Slow(), source, tmp_path / "clustered", cluster=address)
    killer.join()
    assert workers[0].wait(10) == -signal.SIGKILL
    assert result.complete
    assert digests(result.output) == expected
    times = Counter(line.split()[0] for line in begun.read_text().splitlines())
    assert len(times) == 8  # nothing lost
    assert sum(times.values()) <= 9  # at most the one in the dead worker's hands was begun again
    assert {line.split()[1] for line in begun.read_text().splitlines()} >= {str(worker.pid) for worker in workers}

    again = begun.read_text()
    assert digests(build(Slow(), source, tmp_path / "clustered", cluster=address).output) == expected
    assert begun.read_text() == again  # nothing twice


@pytest.mark.parametrize("address", ["localhost:8786", "http://localhost:1", "dask://", "dask"])
def test_an_address_of_no_cluster_is_refused(address):
    with pytest.raises(ValueError, match="give dask://HOST:PORT or ray://HOST:PORT"):
        check_cluster(address)


def test_where_nobody_listens_one_is_told(monkeypatch):
    from dare_eeg_hf import cluster as module

    monkeypatch.setattr(module, "PATIENCE", 1)
    with pytest.raises(ValueError, match=r"no Dask scheduler answers at 127\.0\.0\.1:1"):
        list(over_cluster(_reciprocal, [1], "dask://127.0.0.1:1"))
