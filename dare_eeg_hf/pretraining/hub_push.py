"""Pushing to the Hub during training: in the background, with retries, without ever holding it up."""

import contextlib
import logging
import os
import shutil
import threading
from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import HfApi

from dare_eeg_hf.leaks import find_leaks

logger = logging.getLogger(__name__)

ATTEMPTS = 5
FIRST_PAUSE = 10.0  # seconds; doubled after each further attempt


class BackgroundPush:
    """Uploads the newest folder it is given to a model repository, in a thread of its own.

    A newer folder replaces one that is still waiting. Failures are retried with growing pauses, then reported once and
    dropped: the files stay on disk, where the run saved them first. Files that give something away (leaks.py) are
    not uploaded at all.

    Args:
        repo_id: `owner/name` of the model repository; created (private unless told otherwise) when needed.
        staging: a folder on the same disk that the files are linked into, so that pruning a checkpoint does not pull
            them from under the upload.
        private: whether a repository that has to be created is private.

    Attributes:
        pushed: how many commits were made.
        preparation_error: why the newest files could not be handed over; None where they were.
        upload_error: why the newest upload did not arrive; None where it did.
    """

    def __init__(self, repo_id: str, staging: Path, *, private: bool = True) -> None:
        self.repo_id = repo_id
        self.staging = staging
        self.private = private
        self.pushed = 0
        self.preparation_error: str | None = None
        self.upload_error: str | None = None
        self._waiting: str | None = None
        self._closing = threading.Event()
        self._wake = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="hub-push", daemon=True)
        self._thread.start()

    def submit(self, files: Sequence[Path], message: str) -> None:
        """Hand over files to push under their own names; returns at once and never raises."""
        preparing, pending = self.staging / "preparing", self.staging / "pending"
        try:
            shutil.rmtree(preparing, ignore_errors=True)
            preparing.mkdir(parents=True)
            for file in files:
                _link_or_copy(file, preparing / file.name)
            with self._wake:  # up to here, what is waiting is complete
                shutil.rmtree(pending, ignore_errors=True)
                preparing.rename(pending)
                self._waiting = message
                self._wake.notify()
            self.preparation_error = None
        except OSError as error:
            self.preparation_error = _described(error)
            shutil.rmtree(preparing, ignore_errors=True)
            logger.warning("Could not prepare a push to the Hub: %s. Training goes on.", error)

    def close(self, timeout: float = 600.0) -> None:
        """Wait for what is under way or waiting, at most `timeout` seconds, and say if it did not arrive."""
        self._closing.set()
        with self._wake:
            self._wake.notify()
        self._thread.join(timeout)
        if self._thread.is_alive():
            self.upload_error = f"the upload did not end within {timeout:.0f} s"
        if error := self.preparation_error or self.upload_error:
            logger.warning(
                "The last push to %s failed: %s. Everything is saved locally; push it later with `dare-eeg publish`.",
                self.repo_id,
                error,
            )
        else:
            shutil.rmtree(self.staging, ignore_errors=True)

    def _work(self) -> None:
        uploading = self.staging / "uploading"
        while True:
            try:
                with self._wake:
                    self._wake.wait_for(lambda: self._waiting is not None or self._closing.is_set())
                    if self._waiting is None:
                        return
                    message, self._waiting = self._waiting, None
                    shutil.rmtree(uploading, ignore_errors=True)
                    os.rename(self.staging / "pending", uploading)
                self._push(uploading, message)
            except Exception as error:  # a thread that dies would take the pushes after this one with it
                self.upload_error = _described(error)
                logger.warning("A push to %s failed: %s. Training goes on.", self.repo_id, self.upload_error)

    def _push(self, folder: Path, message: str) -> None:
        if found := _given_away(folder):
            self.upload_error = f"the files give something away: {found}"
            logger.warning("Nothing was pushed to %s, because %s. Training goes on.", self.repo_id, self.upload_error)
            return
        for attempt in range(ATTEMPTS):
            try:
                api = HfApi()
                api.create_repo(self.repo_id, private=self.private, exist_ok=True)
                api.upload_folder(repo_id=self.repo_id, folder_path=folder, commit_message=message)
            except Exception as error:  # whatever the network or the Hub does, training goes on
                self.upload_error = _described(error)
                logger.info(
                    "Push to %s failed (attempt %d of %d): %s", self.repo_id, attempt + 1, ATTEMPTS, self.upload_error
                )
                # At the end of a run the event is set, and nobody waits through the long pauses.
                self._closing.wait(FIRST_PAUSE * 2**attempt)
            else:
                self.upload_error = None
                self.pushed += 1
                return


def _given_away(folder: Path) -> str:
    """What in the files must not be published, or why they could not be searched; empty where all is well."""
    try:
        leaks = [leak for file in sorted(folder.iterdir()) for leak in find_leaks(file.name, file)]
    except Exception as error:  # whatever a damaged file holds, training goes on
        return f"they could not be searched ({type(error).__name__}: {error})"
    return "; ".join(map(str, leaks[:5])) + (f"; and {len(leaks) - 5} more" if len(leaks) > 5 else "")


def _described(error: Exception) -> str:
    """Kind and first line of an error."""
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no message'}"


def _link_or_copy(source: Path, target: Path) -> None:
    """Weights are large and never change, so a link will do; the log grows while it is uploaded."""
    if source.suffix == ".safetensors":
        with contextlib.suppress(OSError):  # not every file system has links
            os.link(source, target)
            return
    shutil.copyfile(source, target)
