"""Moving files to and from the Hub so that what arrives is what was sent, with errors that say what to do."""

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    LocalTokenNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import sha

from dare_eeg_hf.file_digest import DownloadError, file_digest

RETRY_PAUSES = (2.0, 8.0)
"""Seconds before the second and the third attempt of a commit; single requests are retried by huggingface_hub."""

LOADABLE = ("*.safetensors", "*.json", "*.py", "*.md", "*.txt")
"""What a checkpoint's download may include: no pickle, nothing that is not needed."""

T = TypeVar("T")


class PublishingError(RuntimeError):
    """Something could not be published; the message says what and what to do."""


def upload(
    api: HfApi, files: dict[str, Path | bytes], repo_id: str, repo_type: str, *, tag: str | None, private: bool
) -> tuple[str, str]:
    """Upload files in one commit, check their hashes on the Hub, and tag the commit.

    Weights of an earlier version that the new one does not have are deleted in the same commit, so a repository is
    never a mixture of two. Returns the page's URL and the commit.

    Raises:
        PublishingError: the Hub refuses, the tag is taken, or what arrived is not what was sent.
    """
    with explained(repo_id, PublishingError):
        api.whoami()
        sdk = {"space_sdk": "gradio"} if repo_type == "space" else {}
        url = api.create_repo(repo_id, repo_type=repo_type, private=private, exist_ok=True, **sdk)
        repo_id = url.repo_id
        _check_repository(api, repo_id, repo_type, tag=tag, private=private)
        commit = _with_retries(lambda: _commit(api, files, repo_id, repo_type, tag))
        _check_arrival(api, files, repo_id, repo_type, commit)
        if tag is not None:
            api.create_tag(repo_id, tag=tag, revision=commit, repo_type=repo_type)
    return str(url), commit


def download_checkpoint(
    repo_id: str, *, revision: str = "main", cache_dir: Path | str | None = None, api: HfApi | None = None
) -> Path:
    """Download a model repository, check every file against the Hub's hashes, and return its folder.

    `from_pretrained` checks lengths but not hashes; load the returned folder where a silently damaged file must not
    pass. A damaged file is taken out of the cache, so that the next call fetches it again.

    Raises:
        DownloadError: there is no such repository or revision, it has no safetensors weights, the connection broke
            off, or a file is damaged.
    """
    api = api or HfApi()
    with explained(repo_id, DownloadError):
        names = api.list_repo_files(repo_id, revision=revision)
        if not any(name.endswith(".safetensors") for name in names):
            found = ", ".join(sorted(names)) or "nothing"
            raise DownloadError(
                f"{repo_id} has no safetensors weights (it has {found}). Weights in other formats are pickles, which "
                "run code when they are loaded, so they are refused. Ask its owner to convert them."
            )
        folder = snapshot_download(
            repo_id,
            revision=revision,
            cache_dir=cache_dir,
            allow_patterns=list(LOADABLE),
            endpoint=api.endpoint,
            token=api.token,
        )
        folder = Path(folder)
        report = api.verify_repo_checksums(repo_id, revision=folder.name, local_dir=folder)
    if report.mismatches:
        damaged = [mismatch["path"] for mismatch in report.mismatches]
        for path in damaged:
            (folder / path).resolve().unlink(missing_ok=True)
            (folder / path).unlink(missing_ok=True)
        raise DownloadError(
            f"{', '.join(damaged)} of {repo_id} arrived damaged: the SHA-256 is not the one the Hub states. "
            "The copy has been deleted; download again, and if it happens again tell the owner of the repository."
        )
    return folder


def _check_repository(api: HfApi, repo_id: str, repo_type: str, *, tag: str | None, private: bool) -> None:
    if private and api.repo_info(repo_id, repo_type=repo_type).private is False:
        raise PublishingError(f"{repo_id} is public already. Pass --public (private=False) if everyone may see this.")
    tags = {reference.name for reference in api.list_repo_refs(repo_id, repo_type=repo_type).tags}
    if tag in tags:
        raise PublishingError(
            f"{repo_id} has a version {tag} already, and versions do not change. Choose another tag."
        )


def _commit(api: HfApi, files: dict[str, Path | bytes], repo_id: str, repo_type: str, tag: str | None) -> str:
    there = api.list_repo_files(repo_id, repo_type=repo_type)
    stale = [name for name in there if name not in files and _is_data(name)]
    operations = [CommitOperationAdd(name, content) for name, content in sorted(files.items())]
    operations += [CommitOperationDelete(name) for name in stale]
    message = f"Publish {tag}" if tag else "Publish"
    return api.create_commit(repo_id, operations, commit_message=message, repo_type=repo_type).oid


def _is_data(name: str) -> bool:
    return name.endswith((".safetensors", ".safetensors.index.json", ".parquet"))


def _check_arrival(api: HfApi, files: dict[str, Path | bytes], repo_id: str, repo_type: str, commit: str) -> None:
    entries = api.list_repo_tree(repo_id, recursive=True, revision=commit, repo_type=repo_type)
    remote = {entry.path: entry for entry in entries if hasattr(entry, "blob_id")}
    wrong = [name for name, content in files.items() if name not in remote or not _is_same(content, remote[name])]
    if wrong:
        raise PublishingError(
            f"The Hub holds something other than what was sent ({', '.join(sorted(wrong))}): publish again."
        )


def _is_same(content: Path | bytes, remote) -> bool:
    if remote.lfs is None:
        return sha.git_hash(content if isinstance(content, bytes) else content.read_bytes()) == remote.blob_id
    if isinstance(content, bytes):
        return sha.sha256(content).hexdigest() == remote.lfs.sha256
    return file_digest(content) == remote.lfs.sha256


def _with_retries(action: Callable[[], T]) -> T:
    """Repeat what failed because of a lost connection or a busy Hub; what has been uploaded is not uploaded again."""
    for pause in RETRY_PAUSES:
        try:
            return action()
        except Exception as error:
            if not _is_passing(error):
                raise
            time.sleep(pause)
    return action()


def _is_passing(error: BaseException) -> bool:
    if isinstance(error, HfHubHTTPError):
        return error.response.status_code == 429 or error.response.status_code >= 500
    return _is_network_error(error) or (error.__cause__ is not None and _is_passing(error.__cause__))


def _is_network_error(error: BaseException) -> bool:
    # huggingface_hub has changed its HTTP library before (requests, httpx, httpx2); their names for this agree.
    names = {cls.__name__ for cls in type(error).__mro__}
    return bool(names & {"TransportError", "ConnectionError", "NetworkError"})


@contextlib.contextmanager
def explained(repo_id: str, error_type: type[Exception]) -> Iterator[None]:
    """Turn what the client raises into one sentence and a remedy. No sentence holds a token or a signed address."""
    try:
        yield
    except (PublishingError, DownloadError):
        raise
    except Exception as error:
        raise error_type(_explanation(error, repo_id)) from error


def _explanation(error: BaseException, repo_id: str) -> str:
    status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
    if isinstance(error, HFValidationError):
        return f"{repo_id!r} is not the name of a repository, which looks like owner/name."
    if isinstance(error, GatedRepoError):
        return f"{repo_id} is gated: ask for access on its page, then log in with `hf auth login`."
    if isinstance(error, RevisionNotFoundError):
        return f"{repo_id} exists, but not the revision asked for. Its versions are listed on its page under 'Files'."
    if isinstance(error, RepositoryNotFoundError):
        return (
            f"There is no repository {repo_id}, or it is private and your token may not see it. Check the name, and "
            "log in with `hf auth login`."
        )
    if isinstance(error, LocalTokenNotFoundError) or status == 401:
        return (
            "The Hub does not accept the access token (401): there is none, or it is wrong, expired or revoked. Make "
            "one with write access at https://huggingface.co/settings/tokens, then `hf auth login` or set HF_TOKEN."
        )
    if status == 403:
        return f"The Hub forbids this (403): may the token write to {repo_id}? Check the owner and the token's rights."
    cause = error.__cause__
    if str(error).startswith("Error while uploading"):
        name = str(error).split("'")[1]
        return f"The upload of {name} broke off. Run the same again: what has arrived is not sent a second time."
    if isinstance(error, OSError) and "Consistency check failed" in str(error):
        return f"A file of {repo_id} arrived incomplete: shorter than the Hub says it is. Download again."
    if _is_network_error(error) or isinstance(error, LocalEntryNotFoundError) or (cause and _is_network_error(cause)):
        return f"The connection to the Hub broke off or could not be made while working on {repo_id}. Try again."
    first_line = next(iter(str(error).strip().splitlines()), "no message")
    return f"{repo_id}: {type(error).__name__}: {first_line}"
