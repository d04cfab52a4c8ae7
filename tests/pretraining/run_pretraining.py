"""Started by the tests as a process of its own: one pre-training run from a JSON job on the command line."""

import json
import os
import resource
import signal
import sys
import time
from pathlib import Path

import datasets
import torch

from dare_eeg_hf.pretraining import run as pretraining
from dare_eeg_hf.pretraining.arguments import PretrainingArguments
from dare_eeg_hf.pretraining.run import pretrain
from dare_eeg_hf.pretraining.run_setup import PretrainingRun


def main() -> None:
    job = json.loads(sys.argv[1])
    arguments = PretrainingArguments(**{"trackers": [], "cpu": True, "log_every": 1, **job["arguments"]})

    def load(folder):
        return datasets.Dataset.from_parquet(str(Path(folder) / "train.parquet"))

    advance = pretraining.advance

    def take_step_then_do_as_told(run, batches):
        advance(run, batches)
        step = run.progress.step
        if job.get("slow"):
            time.sleep(job["slow"])
        if step == job.get("kill_at") and run.processes.rank == job.get("kill_rank", 0):
            os.kill(os.getpid(), signal.Signals[job["signal"]])
        if step == job.get("file_limit_at"):
            # From here on no file may grow past what a traceback needs and a checkpoint does not fit into: the nearest
            # to a full disk without owning one.
            resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 15, 1 << 15))

    pretraining.advance = take_step_then_do_as_told
    torch.set_default_dtype(getattr(torch, job.get("dtype", "float32")))
    if "batches_of_last_rank" in job and os.environ.get("RANK") == str(int(os.environ.get("WORLD_SIZE", "1")) - 1):
        loader = PretrainingRun.loader
        PretrainingRun.loader = lambda *where, **more: list(loader(*where, **more))[: job["batches_of_last_rank"]]
    validation = load(job["validation"]) if job["validation"] else None
    result = pretrain(arguments, [load(folder) for folder in job["train"]], validation)
    rank, world_size = os.environ.get("RANK", "0"), int(os.environ.get("WORLD_SIZE", "1"))
    report = {"world_size": world_size, "step": result.step, "best_step": result.best_step, "by": result.stopped_by}
    Path(arguments.output_dir, f"result-{rank}.json").write_text(json.dumps(report))


if __name__ == "__main__":
    main()
