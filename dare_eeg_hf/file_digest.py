"""Digests of files, and the error for a download that does not match what its publisher lists."""

import hashlib
from pathlib import Path

BLOCK = 1 << 20


class DownloadError(OSError):
    """Something could not be downloaded complete and unchanged; the message says what, and what to do."""


def file_digest(*paths: Path) -> str:
    """The SHA-256 of files' contents, one after the other, in hexadecimal."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                digest.update(block)
    return digest.hexdigest()
