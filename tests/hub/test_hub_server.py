"""The loopback Hub must refuse what the Hub refuses, or the tests that rely on it would prove nothing."""

import hashlib

import pytest
import requests
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, hf_hub_download, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, RemoteEntryNotFoundError, RepositoryNotFoundError

WEIGHTS = bytes(range(256)) * 40


@pytest.fixture
def repository(api):
    api.create_repo("org/thing", private=True)
    operations = [CommitOperationAdd("a/b/c.txt", b"deep"), CommitOperationAdd("model.safetensors", WEIGHTS)]
    api.create_commit("org/thing", operations, commit_message="first")
    return "org/thing"


def test_a_repository_is_created_once(api, repository):
    with pytest.raises(HfHubHTTPError, match="409"):
        api.create_repo(repository)
    assert api.create_repo(repository, exist_ok=True).repo_id == repository


def test_commits_branches_and_tags_point_at_unchanging_snapshots(api, repository):
    api.create_tag(repository, tag="v1")
    api.create_branch(repository, branch="trial")
    api.create_commit(repository, [CommitOperationDelete("a/", is_folder=True)], commit_message="second")
    assert api.list_repo_files(repository) == ["model.safetensors"]
    for revision in ("v1", "trial"):
        assert sorted(api.list_repo_files(repository, revision=revision)) == ["a/b/c.txt", "model.safetensors"]
    assert [commit.title for commit in api.list_repo_commits(repository)] == ["second", "first", "initial commit"]


def test_tree_lists_one_level_or_all_and_states_hashes(api, repository):
    flat = {entry.path for entry in api.list_repo_tree(repository)}
    assert flat == {"a", "model.safetensors"}
    entries = {entry.path: entry for entry in api.list_repo_tree(repository, recursive=True)}
    assert set(entries) == {"a", "a/b", "a/b/c.txt", "model.safetensors"}
    assert entries["model.safetensors"].lfs.sha256 == hashlib.sha256(WEIGHTS).hexdigest()
    assert entries["a/b/c.txt"].blob_id == hashlib.sha1(b"blob 4\0deep").hexdigest()


def test_downloads_are_complete_and_the_token_stays_with_the_hub(hub_server, api, repository, tmp_path):
    folder = snapshot_download(repository, endpoint=api.endpoint, token=api.token, cache_dir=tmp_path)
    assert api.verify_repo_checksums(repository, local_dir=folder).mismatches == []
    tokens = {with_token for _, path, with_token in hub_server.log if path.startswith("/cdn/")}
    assert tokens == {False}


def test_ranges_are_honoured(hub_server, api, repository):
    url = f"{hub_server.url}/{repository}/resolve/main/model.safetensors"
    for wanted, expected in {
        "bytes=10-19": WEIGHTS[10:20],
        "bytes=-5": WEIGHTS[-5:],
        "bytes=9990-": WEIGHTS[9990:],
    }.items():
        answer = requests.get(url, headers={"Range": wanted, "Authorization": "Bearer hf_loopback"}, timeout=5)
        # A client drops its token at the redirect to another host, and the range goes on.
        assert (answer.status_code, answer.content) == (206, expected)


def test_strangers_see_no_private_repository(hub_server, repository):
    with pytest.raises(RepositoryNotFoundError):
        HfApi(endpoint=hub_server.url, token=False).model_info(repository)


def test_missing_files_are_told_from_missing_repositories(api, repository, tmp_path):
    options = {"endpoint": api.endpoint, "token": api.token, "cache_dir": tmp_path}
    with pytest.raises(RemoteEntryNotFoundError):
        hf_hub_download(repository, "nothing.txt", **options)
    with pytest.raises(RepositoryNotFoundError):
        hf_hub_download("org/nothing", "config.json", **options)


def test_an_object_with_a_wrong_hash_is_refused(hub_server):
    announced = hashlib.sha256(b"announced").hexdigest()
    assert requests.put(f"{hub_server.url}/lfs/{announced}", data=b"another", timeout=5).status_code == 400
    assert announced not in hub_server.objects


def test_a_commit_of_an_object_that_never_came_is_refused(hub_server, api, repository):
    lines = '{"key": "header", "value": {"summary": "x"}}\n{"key": "lfsFile", "value": {"path": "m", "oid": "00"}}'
    answer = requests.post(
        f"{hub_server.url}/api/models/{repository}/commit/main",
        data=lines,
        headers={"Authorization": "Bearer hf_loopback"},
        timeout=5,
    )
    assert answer.status_code == 400
    assert "m" not in hub_server.repository(repository).files()


def test_writing_needs_a_token(hub_server):
    with pytest.raises(HfHubHTTPError, match="401"):
        HfApi(endpoint=hub_server.url, token=False).create_repo("org/other")
    assert not hub_server.repositories
