"""Downloads from PhysioNet: checked against the published checksums, resumable, never an incomplete file."""

import os
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from dare_eeg_hf.file_digest import BLOCK, DownloadError, file_digest
from dare_eeg_hf.progress import progress_bar

PHYSIONET = "https://physionet.org/files/"
ATTEMPTS = 5


def download_physionet(
    project: str, folder: str | Path, wanted: Callable[[str], bool], base_url: str = PHYSIONET
) -> list[Path]:
    """Download the files of a project that are wanted and not there yet.

    Args:
        project: `slug/version`, such as `eegmmidb/1.0.0`.
        folder: where to put them, in the layout of the project.
        wanted: whether a file, by its path in the project, is needed.
        base_url: what stands before the project; a mirror with the same layout works as well.

    Returns:
        The paths of all wanted files.

    Raises:
        DownloadError: if the server does not give a file after several attempts, if a checksum does not match, if a
            recording of RECORDS has none, or if a name would lead out of the folder.
    """
    folder = Path(folder)
    url = f"{base_url.rstrip('/')}/{project}/"
    sums = _checksums(_text(url + "SHA256SUMS.txt"))
    records = [line.strip() for line in _text(url + "RECORDS").splitlines() if line.strip()]
    unchecked = [name for name in records if wanted(name) and name not in sums]
    if unchecked:
        raise DownloadError(f"{url}SHA256SUMS.txt has no checksum for {unchecked[0]}, which RECORDS lists")
    names = sorted(name for name in sums if wanted(name))
    if not names:
        raise DownloadError(f"{url} has none of the wanted files")
    for name in progress_bar(names, desc=project, unit="file"):
        _fetch(url + urllib.parse.quote(name), _inside(folder, name), sums[name])
    return [_inside(folder, name) for name in names]


def _fetch(url: str, path: Path, checksum: str) -> None:
    """Download one file, going on where an earlier attempt stopped."""
    if path.is_file() and file_digest(path) == checksum:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    for attempt in range(ATTEMPTS):
        try:
            _append(url, partial)
        except urllib.error.HTTPError as error:
            if error.code == 416:  # nothing is left to ask for: the checksum decides
                pass
            elif error.code < 500:
                raise DownloadError(f"{url}: {error.code} {error.reason}") from error
            else:
                time.sleep(_pause(attempt))
                continue
        except (OSError, ValueError):
            time.sleep(_pause(attempt))
            continue
        if file_digest(partial) == checksum:
            os.replace(partial, path)
            return
        partial.unlink()
    raise DownloadError(f"{url}: {ATTEMPTS} attempts gave no complete file that matches SHA256SUMS.txt")


def _append(url: str, partial: Path) -> None:
    """Request what is missing after the bytes already there, and append it."""
    have = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(request, timeout=60) as answer:
        # A server that does not support ranges answers 200 with everything.
        with partial.open("ab" if answer.status == 206 else "wb") as file:
            while block := answer.read(BLOCK):
                file.write(block)
        expected = answer.headers.get("Content-Length")
        written = partial.stat().st_size - (have if answer.status == 206 else 0)
        if expected is not None and written != int(expected):
            raise ValueError(f"{url} broke off after {written} of {expected} bytes")


def _text(url: str) -> str:
    for attempt in range(ATTEMPTS):
        try:
            with urllib.request.urlopen(url, timeout=60) as answer:
                return answer.read().decode("utf-8")
        except urllib.error.HTTPError as error:
            if error.code < 500:
                raise DownloadError(f"{url}: {error.code} {error.reason}") from error
            reason: object = f"{error.code} {error.reason}"
        except (OSError, UnicodeDecodeError) as error:
            reason = error
        time.sleep(_pause(attempt))
    raise DownloadError(f"{url} could not be downloaded in {ATTEMPTS} attempts: {reason}")


def _checksums(text: str) -> dict[str, str]:
    """The lines `checksum  name` of SHA256SUMS.txt."""
    pairs = (line.split(maxsplit=1) for line in text.splitlines() if line.strip())
    return {name.strip().removeprefix("*").removeprefix("./"): checksum for checksum, name in pairs}


def _inside(folder: Path, name: str) -> Path:
    """The path of a file of the project; a name that leads elsewhere is refused."""
    parts = PurePosixPath(name).parts
    if PurePosixPath(name).is_absolute() or ".." in parts or "\\" in name or not parts:
        raise DownloadError(f"the list of files has the name {name!r}, which leads out of the folder")
    return folder.joinpath(*parts)


def _pause(attempt: int) -> float:
    return 0.2 * 2**attempt
