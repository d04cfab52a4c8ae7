"""What goes wrong in long runs ends in one clear message that names the last good checkpoint, and can be resumed."""

import errno
import json
import os
import signal
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import datasets
import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from accelerate.utils import LoggerType
from tensorboard.summary.writer.record_writer import RecordWriter

from dare_eeg_hf import launching
from dare_eeg_hf.hub.cards import write_run_card
from dare_eeg_hf.launching import LaunchError
from dare_eeg_hf.metrics_log import read_metrics
from dare_eeg_hf.pretraining import hub_push
from dare_eeg_hf.pretraining import run as pretraining
from dare_eeg_hf.pretraining.arguments import PretrainingArguments
from dare_eeg_hf.pretraining.checkpointing import PretrainingError
from dare_eeg_hf.pretraining.run import pretrain


def poison(monkeypatch, at_step: int, *, weights: bool = False):
    """Make the loss NaN at a step, through the data or through the weights."""
    advance = pretraining.advance

    def poisoned(run, batches):
        if run.progress.step == at_step:
            batches = [{**batch, "input_values": batch["input_values"] * torch.nan} for batch in batches]
        advance(run, batches)

    monkeypatch.setattr(pretraining, "advance", poisoned)


@pytest.mark.parametrize("log_every", [1, 4])
def test_nan_loss_names_the_step_and_the_last_good_checkpoint(arguments, windows, monkeypatch, log_every):
    poison(monkeypatch, at_step=4)
    with pytest.raises(PretrainingError, match=r"step 5 .*last good checkpoint is .*step-00000004.*--resume"):
        pretrain(PretrainingArguments(**arguments(log_every=log_every)), windows(16))
    monkeypatch.undo()
    result = pretrain(PretrainingArguments(**arguments(log_every=log_every, resume=True)), windows(16))
    assert result.step == 8
    assert all(row["loss"] is not None for row in read_metrics(result.output_dir / "metrics.jsonl"))


def test_nan_is_never_saved(arguments, windows, monkeypatch):
    """Even where the checkpoint comes before the next look at the losses."""
    poison(monkeypatch, at_step=1)
    with pytest.raises(PretrainingError, match=r"step 2 .*No checkpoint was saved yet"):
        pretrain(PretrainingArguments(**arguments(log_every=100)), windows(16))
    assert not list((arguments()["output_dir"] / "checkpoints").glob("step-*"))


def test_full_disk(arguments, windows_folder, training_process, tmp_path):
    """The operating system refuses to let files grow: the message says so, and what was saved before stays good."""
    failed = training_process(arguments(), train=[windows_folder(16)], file_limit_at=3)
    assert not failed.succeeded
    assert "The checkpoint of step 4 could not be written" in failed.output
    assert "The last good checkpoint is" in failed.output
    assert "step-00000002" in failed.output
    left = sorted(entry.name for entry in (tmp_path / "run" / "checkpoints").iterdir())
    assert left == ["step-00000002"], "nothing half-written stays"
    resumed = training_process(arguments(resume=True), train=[windows_folder(16)])
    assert resumed.succeeded, resumed.output


def train_until_the_log_is_full(rank, arguments, train):
    """One of two processes; the first finds no room for its log in step 3."""
    advance = pretraining.advance

    def take_step_and_fill_the_disk(run, batches):
        advance(run, batches)
        if rank == 0 and run.progress.step == 3:
            run.log.metrics.file.unlink()
            run.log.metrics.file.symlink_to("/dev/full")  # opens like a file; every write says that the disk is full

    pretraining.advance = take_step_and_fill_the_disk
    reason = "be written to .*No space left on device" if rank == 0 else "be written by another process"
    with pytest.raises(PretrainingError, match=rf"The log of step 3 could not {reason}.*step-00000002.*--resume"):
        pretrain(PretrainingArguments(**arguments), train)


def test_no_room_for_the_log_ends_all_processes_and_names_the_last_good_checkpoint(
    arguments, windows, in_two_processes
):
    in_two_processes(train_until_the_log_is_full, arguments(), windows(16))


def test_no_room_for_a_tracker_ends_like_no_room_for_the_log(arguments, windows, monkeypatch, capsys):
    """TensorBoard fails when it is told a number, and again when it is closed."""
    advance = pretraining.advance

    def refuse(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    def take_step_and_fill_the_disk(run, batches):
        advance(run, batches)
        if run.progress.step == 3:
            monkeypatch.setattr(RecordWriter, "flush", refuse)

    monkeypatch.setattr(pretraining, "advance", take_step_and_fill_the_disk)
    with pytest.raises(PretrainingError, match=r"The log of step 3 could not .*No space left.*step-00000002"):
        pretrain(PretrainingArguments(**arguments(trackers=["tensorboard"])), windows(16))
    assert "trackers may lack the last steps" in capsys.readouterr().out


def test_a_model_that_cannot_be_put_into_its_place_is_told_with_its_checkpoint(arguments, windows):
    (arguments()["output_dir"] / "model.safetensors").mkdir(parents=True)
    with pytest.raises(PretrainingError, match=r"The model of step 8 could not be written .*step-00000008.*--resume"):
        pretrain(PretrainingArguments(**arguments()), windows(16))


@pytest.mark.parametrize("processes", [1, 2])
def test_a_damaged_newest_checkpoint_is_put_aside_and_told(arguments, windows_folder, training_process, processes):
    """Kept under its name it would, as one of the newest, have the good ones dropped."""
    common = {"keep_last": 1, "checkpoint_every": 1, "batch_size": 2}
    data = {"train": [windows_folder(16)], "processes": processes}
    training_process(arguments(**common | {"keep_last": 8}), **data, kill_at=7, signal="SIGTERM")
    checkpoints = arguments()["output_dir"] / "checkpoints"
    for step in (6, 7):
        (checkpoints / f"step-{step:08d}" / "model.safetensors").write_bytes(b"a damaged file")
    resumed = training_process(arguments(**common, resume=True, max_steps=6), **data)
    assert resumed.succeeded, resumed.output
    assert f"was renamed to {checkpoints / 'damaged-step-00000007'}" in resumed.output
    left = sorted(folder.name for folder in checkpoints.iterdir())
    assert left == ["damaged-step-00000006", "damaged-step-00000007", "step-00000006"]


@pytest.mark.parametrize("processes", [1, 2])
def test_loader_worker_that_dies(arguments, windows_folder, training_process, processes):
    train = [windows_folder(32)]
    running = training_process(
        arguments(num_workers=1, max_steps=400, checkpoint_every=5),
        train=train,
        processes=processes,
        wait=False,
        slow=0.02,
    )
    victim = psutil.Process(running.pids[-1])
    deadline = time.monotonic() + 60
    while not (running.run_folder / "checkpoints" / "step-00000005").exists():
        assert time.monotonic() < deadline, running.output
        time.sleep(0.01)
    workers = []
    while not workers:
        workers = [child for child in victim.children() if child.status() != psutil.STATUS_ZOMBIE]
    workers[0].kill()
    running.wait()
    assert not running.succeeded
    assert "A process that reads the training data died" in running.output, running.output
    assert "The last good checkpoint is" in running.output


@pytest.mark.parametrize("streamed", [False, True])
def test_damaged_window_in_the_data(arguments, windows_folder, streamed):
    """What is there to be looked at is named before the first step; a stream's later rows, when they come."""
    table = pa.concat_tables([pq.read_table(windows_folder(16) / "train.parquet")] * 6)
    signals = table.column("signal").to_pylist()
    signals[-4:] = [b"cut short"] * 4
    broken = datasets.Dataset(table.set_column(0, "signal", [signals]))
    message = r"4 windows of the corpus noise \(the first in recording 0\) are damaged: 9 bytes"
    if streamed:
        broken, message = broken.to_iterable_dataset(), "Reading the training data failed in step"
    with pytest.raises((PretrainingError, ValueError), match=message):
        pretrain(PretrainingArguments(**arguments(max_steps=30)), broken)


class BrokenHub(BaseHTTPRequestHandler):
    """A Hub that answers every request with an error."""

    asked = 0

    def _refuse(self):
        type(self).asked += 1
        self.send_error(500)

    do_GET = do_POST = do_HEAD = do_PUT = _refuse  # noqa: N815

    def log_message(self, *_):
        pass


@pytest.fixture
def broken_hub(monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), BrokenHub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.mark.parametrize("reachable", [True, False], ids=["broken Hub", "no Hub"])
def test_a_hub_that_fails_never_stops_training(arguments, windows, monkeypatch, caplog, broken_hub, reachable):
    endpoint = broken_hub if reachable else "http://127.0.0.1:9"
    api = hub_push.HfApi(endpoint=endpoint, token="hf_secret")
    monkeypatch.setattr(hub_push, "HfApi", lambda: api)
    monkeypatch.setattr(hub_push, "FIRST_PAUSE", 0.05)
    BrokenHub.asked = 0
    options = PretrainingArguments(**arguments(push_to_hub="someone/eeg"))
    result = pretrain(options, windows(16), write_card=write_run_card)
    assert result.step == 8
    assert (result.output_dir / "model.safetensors").is_file()
    assert "push to someone/eeg failed" in caplog.text
    assert "saved locally" in caplog.text
    assert "hf_secret" not in caplog.text
    if reachable:
        assert BrokenHub.asked >= 2, "it tried again"


def test_checkpoints_reach_the_hub_while_training_and_the_model_at_the_end(
    arguments, windows, monkeypatch, hub_server
):
    api = hub_push.HfApi(endpoint=hub_server.url, token="hf_loopback")
    monkeypatch.setattr(hub_push, "HfApi", lambda: api)
    monkeypatch.setattr(hub_push, "FIRST_PAUSE", 0.05)
    hub_server.faults.fail_commits = 1
    options = PretrainingArguments(**arguments(push_to_hub="someone/eeg"))
    result = pretrain(options, windows(16), write_card=write_run_card)
    there = set(api.list_repo_files("someone/eeg"))
    assert {"config.json", "model.safetensors", "preprocessor_config.json", "README.md", "metrics.jsonl"} <= there
    assert not any("optimizer" in name or "checkpoints" in name for name in there)
    assert not (result.output_dir / ".hub-upload").exists()


def test_a_secret_in_the_files_is_not_pushed_and_does_not_stop_training(
    arguments, windows, monkeypatch, caplog, hub_server
):
    api = hub_push.HfApi(endpoint=hub_server.url, token="hf_loopback")
    monkeypatch.setattr(hub_push, "HfApi", lambda: api)
    secret = "hf_" + "aB3" * 11
    options = arguments(push_to_hub="someone/eeg", corpora=[{"name": f"read with {secret}"}])
    result = pretrain(PretrainingArguments(**options), windows(16), write_card=write_run_card)
    assert result.step == 8
    assert "Nothing was pushed to someone/eeg" in caplog.text
    assert "a Hugging Face token" in caplog.text
    assert secret not in caplog.text
    # Checkpoints before it were clean, and may have been pushed.
    assert not api.repo_exists("someone/eeg") or "README.md" not in api.list_repo_files("someone/eeg")


def test_other_files_in_the_folder_of_the_run_are_neither_pushed_nor_in_the_way(
    arguments, windows, monkeypatch, hub_server
):
    api = hub_push.HfApi(endpoint=hub_server.url, token="hf_loopback")
    monkeypatch.setattr(hub_push, "HfApi", lambda: api)
    options = arguments(push_to_hub="someone/eeg")
    options["output_dir"].mkdir()
    (options["output_dir"] / "slurm-17.out").write_text("HF_TOKEN=hf_" + "aB3" * 11)
    (options["output_dir"] / "patients.csv").write_text("name,diagnosis\n")
    pretrain(PretrainingArguments(**options), windows(16), write_card=write_run_card)
    there = set(api.list_repo_files("someone/eeg")) - {".gitattributes"}
    model = {"config.json", "model.safetensors", "preprocessor_config.json"}
    assert there == model | {"README.md", "model_card.json", "training_curve.png", "metrics.jsonl"}


def test_ctrl_c_saves_and_ends_well(arguments, windows_folder, training_process):
    stopped = training_process(arguments(checkpoint_every=100), train=[windows_folder(16)], kill_at=3, signal="SIGINT")
    assert stopped.succeeded, stopped.output
    assert json.loads((stopped.run_folder / "result-0.json").read_text())["by"] == "SIGINT"
    assert (stopped.run_folder / "checkpoints" / "step-00000003" / "manifest.json").is_file()
    assert "Traceback" not in stopped.output


def test_unequal_shards_still_end(arguments, windows_folder, training_process):
    """17 windows cannot be shared equally by two processes; and a stream has no length at all."""
    done = training_process(
        arguments(max_steps=None, epochs=3, batch_size=2),
        train=[windows_folder(17)],
        validation=windows_folder(5, seed=1),
        processes=2,
    )
    assert done.succeeded, done.output
    results = [json.loads((done.run_folder / f"result-{rank}.json").read_text()) for rank in range(2)]
    assert [result["step"] for result in results] == [12, 12]
    assert [result["world_size"] for result in results] == [2, 2]


@pytest.mark.parametrize("processes", [1, 2])
def test_processes_that_run_out_at_different_times_end_together(
    arguments, windows_folder, training_process, processes
):
    """One process's loader ends earlier than the other's; without agreement the other would wait for ever."""
    done = training_process(
        arguments(max_steps=6), train=[windows_folder(32)], processes=processes, batches_of_last_rank=2
    )
    assert done.succeeded, done.output
    assert json.loads((done.run_folder / "result-0.json").read_text())["step"] == 6


def test_real_launcher_passes_sigterm_on_and_two_processes_run(arguments, windows_folder, training_process):
    """The launch line of the README, stopped as a cluster would stop it."""
    running = training_process(
        arguments(max_steps=100_000, checkpoint_every=100_000),
        train=[windows_folder(16)],
        processes=2,
        launcher=True,
        wait=False,
    )
    deadline = time.monotonic() + 90
    while not (running.run_folder / "metrics.jsonl").exists():
        assert time.monotonic() < deadline, running.output
        time.sleep(0.05)
    time.sleep(0.2)
    running.signal(signal.SIGTERM)
    running.wait()
    results = [json.loads((running.run_folder / f"result-{rank}.json").read_text()) for rank in range(2)]
    assert [result["world_size"] for result in results] == [2, 2]
    steps = {result["step"] for result in results}
    assert len(steps) == 1
    assert (running.run_folder / "checkpoints" / f"step-{steps.pop():08d}" / "manifest.json").is_file()


def test_a_launcher_that_starts_one_process_of_two_is_caught(arguments, windows, monkeypatch):
    """`accelerate launch --cpu --num_processes 2` sets these and starts one."""
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    with pytest.raises(LaunchError, match=r"only one runs.*torch\.distributed\.run"):
        pretrain(PretrainingArguments(**arguments()), windows(16))


def test_fsdp_that_does_not_come_about_is_caught(arguments, windows, monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(LaunchError, match="FSDP was asked for"):
        pretrain(PretrainingArguments(**arguments()), windows(16))


def test_a_named_tracker_that_cannot_be_used_is_an_error_that_says_what_to_do(arguments, windows, monkeypatch):
    monkeypatch.setattr(launching, "get_available_trackers", lambda: [LoggerType.TENSORBOARD])
    with pytest.raises(LaunchError, match=r"wandb is not installed: pip install wandb"):
        pretrain(PretrainingArguments(**arguments(trackers=["tensorboard", "wandb"])), windows(16))
    with pytest.raises(LaunchError, match=r"no tracker notebook\. Choose from: .*mlflow"):
        pretrain(PretrainingArguments(**arguments(trackers=["notebook"])), windows(16))


@pytest.mark.filterwarnings("error:.*no supported trackers:UserWarning")
@pytest.mark.parametrize("trackers", [None, []], ids=["default", "none"])
def test_without_tensorboard_the_default_is_no_tracker_which_is_told(
    arguments, windows, monkeypatch, caplog, trackers
):
    monkeypatch.setattr(launching, "get_available_trackers", list)
    result = pretrain(PretrainingArguments(**arguments(trackers=trackers)), windows(16))
    assert not (result.output_dir / "trackers").exists()
    assert caplog.text.count("TensorBoard is not installed") == (trackers is None)


def test_memory_does_not_grow(arguments, windows, tiny_config, monkeypatch):
    """Resident memory after 100 and after 300 steps; `benchmarks/memory_growth.py` takes 2,000 of nano."""
    seen = {}
    advance = pretraining.advance

    def measure(run, batches):
        advance(run, batches)
        seen[run.progress.step] = psutil.Process(os.getpid()).memory_info().rss

    monkeypatch.setattr(pretraining, "advance", measure)
    pretrain(PretrainingArguments(**arguments(max_steps=300, checkpoint_every=1000, log_every=10)), windows(64))
    before, after = (
        np.mean([seen[step] for step in range(100, 150)]),
        np.mean([seen[step] for step in range(250, 300)]),
    )
    assert after - before < 4 * 2**20, f"{(after - before) / 2**20:.1f} MiB in 150 steps"
