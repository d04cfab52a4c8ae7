"""Files that are either complete or absent: written under a temporary name in the same folder, then renamed."""

import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TEMPORARY_PREFIX = ".tmp-"
"""How the temporary names start; a process that was killed may leave one behind."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary name in the folder of `path`, with its extension; what is written there becomes `path`.

    When the block fails, the temporary file is removed and `path` stays as it was. The folder must exist.
    """
    # Random rather than the process number: machines that share a folder may have processes of the same number.
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def refuse_existing(folder: Path) -> None:
    """Refuse a place for a new folder where there is something.

    Raises:
        FileExistsError: `folder` is a file, or a folder that holds something.
    """
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise FileExistsError(f"{folder} exists already; name a folder that does not, or remove it first")


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder beside `path`; what is written there becomes the folder `path`, or nothing does.

    Raises:
        FileExistsError: see `refuse_existing`.
    """
    refuse_existing(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}")
    temporary.mkdir()
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_text(path: Path, text: str) -> Path:
    """Write a whole text file in UTF-8, atomically; returns `path`."""
    return write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> Path:
    """Write a whole file, atomically; returns `path`."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)
    return path


def write_json(path: Path, content: object) -> Path:
    """Write a JSON file, atomically; returns `path`."""
    return write_text(path, json.dumps(content, indent=1) + "\n")
