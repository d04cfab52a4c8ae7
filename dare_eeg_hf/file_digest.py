"""What files hold, as a digest to compare: of downloads, checkpoints, and weights that results belong to."""

import hashlib
from pathlib import Path

BLOCK = 1 << 20


def file_digest(*paths: Path) -> str:
    """The SHA-256 of files' contents, one after the other, in hexadecimal."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                digest.update(block)
    return digest.hexdigest()
