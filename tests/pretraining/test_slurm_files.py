"""The Slurm files, with two "machines" that are this one: stand-ins for srun and scontrol, everything else real."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SRUN = """#!/bin/bash
for ((node = 0; node < SLURM_NNODES; node++)); do
  SLURM_NODEID=$node "$@" &
  tasks+=($!)
done
trap 'kill -TERM "${tasks[@]}"' TERM
for task in "${tasks[@]}"; do
  until wait "$task"; status=$?; [[ $status -le 128 ]] || ! kill -0 "$task" 2>/dev/null; do :; done
  [[ $status -eq 0 ]] || worst=$status
done
exit "${worst:-0}"
"""
SCONTROL = """#!/bin/bash
case "$1" in
  show) echo localhost ;;
  requeue) echo "$2" >> "$REQUEUED" ;;
esac
"""


@pytest.fixture
def submit(tmp_path, windows_folder, tiny_config):
    """`submit(name, steps)` starts a job file, edited as its comments ask, and gives its process."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in (("srun", SRUN), ("scontrol", SCONTROL)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    settings = {"batch_size": 4, "trackers": [], "checkpoint_every": 50, "config": tiny_config}

    def start(name: str, max_steps: int) -> subprocess.Popen:
        (tmp_path / "settings.yaml").write_text(yaml.safe_dump({**settings, "max_steps": max_steps}))
        script = (ROOT / "examples" / "slurm" / name).read_text()
        for there, here in (
            ("source /path/to/venv/bin/activate", "true"),
            ("DATA=/path/to/windows", f"DATA={windows_folder(40)}"),
            ("OUTPUT=/path/to/runs/", f"OUTPUT={tmp_path}/"),
            ("examples/configs/deep.yaml", str(tmp_path / "settings.yaml")),
        ):
            assert there in script
            script = script.replace(there, here)
        (tmp_path / name).write_text(script)
        environment = {
            "PATH": f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "REQUEUED": str(tmp_path / "requeued"),
            "ACCELERATE_USE_CPU": "1",
            "SLURM_JOB_ID": str(os.getpid()),
            "SLURM_JOB_NODELIST": "localhost",
            "SLURM_NNODES": "2",
            "SLURM_GPUS_ON_NODE": "1",
        }
        with (tmp_path / "job.log").open("a") as log:
            return subprocess.Popen(
                ["bash", tmp_path / name], cwd=ROOT, env={**os.environ, **environment}, stdout=log, stderr=log
            )

    return start


def steps_logged(run: Path) -> list[int]:
    file = run / "metrics.jsonl"
    return [json.loads(line)["step"] for line in file.read_text().splitlines()] if file.exists() else []


def test_a_preempted_job_saves_and_goes_back_into_the_queue(submit, tmp_path):
    run = tmp_path / "deep"
    job = submit("multi_node.sbatch", max_steps=100_000)
    while not steps_logged(run):
        assert job.poll() is None, (tmp_path / "job.log").read_text()
        time.sleep(0.1)
    job.send_signal(signal.SIGTERM)
    assert job.wait(timeout=60) == 0, (tmp_path / "job.log").read_text()
    assert (tmp_path / "requeued").read_text() == f"{os.getpid()}\n"
    assert "2 process(es)" in (tmp_path / "job.log").read_text()
    [saved] = sorted(int(folder.name.removeprefix("step-")) for folder in (run / "checkpoints").glob("step-*"))[-1:]
    assert saved >= max(steps_logged(run))


def test_a_job_that_fails_is_not_queued_again(submit, tmp_path):
    """On CPUs Accelerate falls back from FSDP, which pretrain.py refuses: both launchers got as far as that."""
    job = submit("multi_node_fsdp2.sbatch", max_steps=2)
    assert job.wait(timeout=120) != 0
    assert "FSDP was asked for, but Accelerate runs MULTI_CPU" in (tmp_path / "job.log").read_text()
    assert not (tmp_path / "requeued").exists()
