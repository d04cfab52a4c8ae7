"""Pushing in the background: what waits is whole, and what fails is told and takes nothing else with it."""

import shutil
import threading
from pathlib import Path

import pytest

from dare_eeg_hf.pretraining import hub_push
from dare_eeg_hf.pretraining.hub_push import BackgroundPush


class FakeHub:
    """Stands for `HfApi`; keeps what it is given, one upload at a time, whenever it is let go on."""

    def __init__(self):
        self.go_on = threading.Semaphore(0)
        self.started = threading.Semaphore(0)
        self.commits: dict[str, dict[str, bytes]] = {}

    def create_repo(self, *_, **__):
        pass

    def upload_folder(self, *, repo_id: str, folder_path: Path, commit_message: str):
        self.started.release()
        assert self.go_on.acquire(timeout=60)
        self.commits[commit_message] = {file.name: file.read_bytes() for file in folder_path.iterdir()}


@pytest.fixture
def hub(monkeypatch):
    hub = FakeHub()
    monkeypatch.setattr(hub_push, "HfApi", lambda: hub)
    monkeypatch.setattr(hub_push, "FIRST_PAUSE", 0.01)
    return hub


@pytest.fixture
def push(hub, tmp_path):
    """A push whose first upload is under way and waits."""
    push = BackgroundPush("someone/eeg", tmp_path / "staging")
    push.submit([written(tmp_path / "first.txt")], "first")
    assert hub.started.acquire(timeout=60)
    yield push
    hub.go_on.release(10)
    push.close(10)


def written(file: Path, content: str = "") -> Path:
    file.write_text(content or file.stem)
    return file


def test_files_that_cannot_be_prepared_are_told_and_do_not_harm_those_that_wait(hub, push, tmp_path, caplog):
    push.submit([written(tmp_path / "a.txt"), written(tmp_path / "b.txt")], "second")
    push.submit([written(tmp_path / "c.txt"), tmp_path / "missing.txt"], "third")
    assert "Could not prepare a push" in caplog.text
    hub.go_on.release(10)
    push.close(10)
    assert hub.commits == {"first": {"first.txt": b"first"}, "second": {"a.txt": b"a", "b.txt": b"b"}}
    assert "The last push to someone/eeg failed: FileNotFoundError" in caplog.text


def test_files_that_vanish_do_not_stop_the_pushes_after_them(hub, push, tmp_path, caplog):
    push.submit([written(tmp_path / "a.txt")], "second")
    shutil.rmtree(tmp_path / "staging" / "pending")
    hub.go_on.release(10)
    push.close(10)
    assert "The last push to someone/eeg failed: FileNotFoundError" in caplog.text


def test_a_push_after_one_that_failed_makes_up_for_it(hub, push, tmp_path, caplog):
    push.submit([tmp_path / "missing.txt"], "second")
    push.submit([written(tmp_path / "a.txt")], "third")
    hub.go_on.release(10)
    push.close(10)
    assert hub.commits.keys() == {"first", "third"}
    assert "The last push" not in caplog.text
    assert not (tmp_path / "staging").exists()


def test_a_log_that_grows_meanwhile_is_pushed_as_it_was_and_weights_are_not_copied(hub, push, tmp_path):
    log, weights = written(tmp_path / "metrics.jsonl", "{}\n"), tmp_path / "model.safetensors"
    weights.write_bytes(b"\2\0\0\0\0\0\0\0{}")
    push.submit([log, weights], "second")
    with log.open("a") as stream:
        stream.write('{"half a li')
    assert (tmp_path / "staging" / "pending" / "model.safetensors").samefile(weights)
    hub.go_on.release(10)
    push.close(10)
    assert hub.commits["second"]["metrics.jsonl"] == b"{}\n"
