"""Transfers to the loopback Hub that break off, are refused, or arrive as something else."""

import signal
import subprocess
import sys
import time

import pytest
from huggingface_hub import HfApi

from dare_eeg_hf.hub import transfer
from dare_eeg_hf.hub.publishing import publish_model
from dare_eeg_hf.hub.transfer import PublishingError
from tests.hub.conftest import REPO


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(transfer, "RETRY_PAUSES", (0, 0))


def test_an_upload_that_broke_off_goes_on_where_it_stopped(hub_server, api, sharded_folder):
    total = len(list(sharded_folder.glob("*.safetensors")))
    hub_server.faults.refuse_upload = 1
    with pytest.raises(PublishingError, match="Run the same again"):
        publish_model(sharded_folder, REPO, api=api)
    assert len(hub_server.objects) == 1
    assert not hub_server.repository(REPO).files()
    hub_server.faults.refuse_upload = None
    before = len(hub_server.uploads)
    publish_model(sharded_folder, REPO, api=api)
    assert len(hub_server.uploads) - before == total - 1


def test_a_killed_upload_goes_on_where_it_stopped(hub_server, api, sharded_folder, tmp_path):
    total = len(list(sharded_folder.glob("*.safetensors")))
    hub_server.faults.hang_upload = 1
    command = [sys.executable, "-m", "dare_eeg_hf.hub.publishing", str(sharded_folder), REPO]
    with subprocess.Popen(command, env=hub_server.environment(tmp_path / "home"), stderr=subprocess.PIPE) as process:
        assert hub_server.faults.hanging.wait(120), process.stderr.read().decode()
        deadline = time.monotonic() + 60
        while not hub_server.objects and time.monotonic() < deadline:
            time.sleep(0.05)  # files are sent in parallel: the one before may still be on its way
        process.send_signal(signal.SIGKILL)
    arrived = len(hub_server.objects)
    assert 1 <= arrived < total
    before = len(hub_server.uploads)
    publish_model(sharded_folder, REPO, api=api)
    assert len(hub_server.uploads) - before == total - arrived
    assert len(hub_server.repository(REPO).files()) > total


def test_a_dropped_connection_is_taken_up_by_itself(hub_server, api, tiny_run):
    hub_server.faults.drop_upload = 0
    publish_model(tiny_run, REPO, api=api)
    assert "model.safetensors" in hub_server.repository(REPO).files()


def test_a_busy_hub_is_asked_again(hub_server, api, tiny_run, impatient):
    hub_server.faults.fail_commits = 2
    publish_model(tiny_run, REPO, api=api)
    assert "model.safetensors" in hub_server.repository(REPO).files()


def test_a_hub_that_stays_busy_ends_in_an_error(hub_server, api, tiny_run, impatient):
    hub_server.faults.fail_commits = 99
    with pytest.raises(PublishingError, match="503"):
        publish_model(tiny_run, REPO, api=api)


def test_what_arrives_must_be_what_was_sent(hub_server, api, tiny_run, monkeypatch):
    repository_class = type(next(iter(_repositories(hub_server, api))))
    commit = repository_class.commit

    def forgetful(self, branch, message, changes, objects):
        return commit(self, branch, message, [c for c in changes if c["value"].get("path") != "montage.py"], objects)

    monkeypatch.setattr(repository_class, "commit", forgetful)
    with pytest.raises(PublishingError, match=r"something other than what was sent \(montage\.py\)"):
        publish_model(tiny_run, REPO, tag="v1", api=api)
    assert hub_server.repository(REPO).tags == {}


def _repositories(hub_server, api):
    api.create_repo("org/any")
    return hub_server.repositories.values()


def test_a_revoked_token_is_named_but_not_shown(hub_server, tiny_run):
    token = "hf_revokedrevoked"
    hub_server.revoked_tokens.add(token)
    with pytest.raises(PublishingError, match="wrong, expired or revoked") as error:
        publish_model(tiny_run, REPO, api=HfApi(endpoint=hub_server.url, token=token))
    assert token not in str(error.value)


def test_no_token_and_no_name_end_in_a_sentence(hub_server, api, tiny_run, tmp_path, monkeypatch):
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "no-token"))
    with pytest.raises(PublishingError, match="there is none"):
        publish_model(tiny_run, REPO, api=HfApi(endpoint=hub_server.url))
    with pytest.raises(PublishingError, match="looks like owner/name"):
        publish_model(tiny_run, "a/b/c", api=api)


def test_no_connection_ends_in_a_sentence(tiny_run, impatient, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with pytest.raises(PublishingError, match="connection to the Hub"):
        publish_model(tiny_run, REPO, api=HfApi(endpoint="http://127.0.0.1:9", token="hf_x"))
