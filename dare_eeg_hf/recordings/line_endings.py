"""Binary recordings that were copied as if they were text, and how to undo it.

A copy in text mode (git autocrlf, FTP in ASCII mode) inserts a carriage return before every line feed, or removes it.
What was inserted can be removed again:

    python -m dare_eeg_hf.recordings.line_endings DAMAGED.edf RESTORED.edf
"""

import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from dare_eeg_hf.atomic_files import replacing
from dare_eeg_hf.command_parser import CommandParser
from dare_eeg_hf.recordings.errors import RecordingError

_CHUNK = 4_000_000
_FEWEST = 8
"""Enough line feeds to judge by; in binary data every byte value occurs about once in 256."""


def describe_damage(path: Path, expected: int | None = None, in_step: bool | None = None) -> str | None:
    """Say how line endings of a binary file were converted, and how to fix it; None where they were not.

    Args:
        expected: bytes that the file should have; None where that is unknown.
        in_step: whether the file's contents are at their places to the end; None where that is unknown.
    """
    if in_step:
        return None
    actual = path.stat().st_size
    pairs, feeds = _count_line_endings(path)
    if pairs == feeds >= max(_FEWEST, 1 if expected is not None and actual > expected else actual / 4096):
        return _describe_insertion(path, actual - pairs, expected)
    if expected is not None and actual < expected and in_step is False:
        return (
            "bytes are missing in the middle of it, so the samples after them are out of step. A line-ending "
            "conversion (git autocrlf, FTP in text mode), which removes the carriage return before each line feed, "
            "does that. Their places are unknown; copy the file again in binary mode"
        )
    return None


def samples_in_step(path: Path, header_bytes: int, sample_bytes: int) -> bool | None:
    """Tell from short stretches of the file whether the bytes of its samples keep their order; None where that cannot
    be told.

    The highest byte of an EEG sample takes fewer values than the others. It lies at a fixed place unless bytes were
    inserted or removed.
    """
    size, block = path.stat().st_size - header_bytes, 384
    if sample_bytes < 2 or size < 64 * block:
        return None
    data = np.memmap(path, np.uint8, "r", header_bytes)
    places = np.zeros(sample_bytes, int)
    for start in np.linspace(0, size - block, 256).astype(int):
        start -= start % sample_bytes
        columns = data[start : start + block].reshape(-1, sample_bytes).T
        # Simpson's index: the chance that two bytes of this place are the same.
        alike = np.array([(np.bincount(column, minlength=256) ** 2).sum() for column in columns])
        second, first = np.sort(alike)[-2:]
        if first > 2 * second:
            places[alike.argmax()] += 1
    second, first = np.sort(places)[-2:]
    if first + second < 32:
        return None
    return False if second > 0.1 * first else (True if second < 0.02 * first else None)


def _describe_insertion(path: Path, restored: int, expected: int | None) -> str:
    said = (
        "a line-ending conversion (git autocrlf, FTP in text mode) ruined it: every line feed follows a carriage "
        "return. "
    )
    if expected is not None and restored != expected:
        return said + (
            f"Without those it would have {restored} bytes rather than {expected}, so it cannot be undone exactly; "
            "copy the file again in binary mode"
        )
    return said + (
        "Copy the file again in binary mode, or remove them: "
        f"python -m dare_eeg_hf.recordings.line_endings {shlex.quote(str(path))} restored{path.suffix}"
    )


def restore_line_endings(path: str | os.PathLike, output: str | os.PathLike) -> Path:
    """Undo a conversion of LF to CR LF: write a copy without the carriage return before each line feed.

    The copy of an EDF or BDF file is kept only if it then has exactly the size that its header says.

    Raises:
        RecordingError: a line feed stands alone, so this is not what happened; or the size is not right.
    """
    path, output = Path(path), Path(output)
    pairs, feeds = _count_line_endings(path)
    if not feeds or pairs < feeds:
        raise RecordingError(
            f"{path}: {feeds - pairs} of its {feeds} line feeds do not follow a carriage return, so its line "
            "endings were not converted; there is nothing to remove"
        )
    with replacing(output) as temporary:
        with Path(temporary).open("wb") as file:
            for chunk in _chunks(path):
                file.write(chunk.replace(b"\r\n", b"\n"))
        _check_size(path, Path(temporary))
    return output


def _check_size(path: Path, restored: Path) -> None:
    with restored.open("rb") as file:
        fixed = file.read(256)
        if not fixed.startswith((b"0       ", b"\xffBIOSEMI")):
            return
        try:
            count, header_bytes, records = int(fixed[252:256]), int(fixed[184:192]), int(fixed[236:244])
            signals = file.read(256 * count)
            samples = sum(int(signals[at : at + 8]) for at in range(216 * count, 224 * count, 8))
        except ValueError as error:
            raise RecordingError(f"{path}: its header is still damaged ({error}); copy the file again") from error
    expected = header_bytes + records * samples * (2 if fixed.startswith(b"0") else 3)
    actual = restored.stat().st_size
    if records >= 0 and actual != expected:
        raise RecordingError(
            f"{path}: without the carriage returns it has {actual} bytes, and its header says {expected}, so it "
            "cannot be restored exactly; copy the file again in binary mode"
        )


def _chunks(path: Path) -> Iterator[bytes]:
    """The bytes of a file, never cut between a carriage return and a line feed."""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            while chunk.endswith(b"\r") and (following := file.read(1)):
                chunk += following
            yield chunk


def _count_line_endings(path: Path) -> tuple[int, int]:
    """How often a line feed follows a carriage return, and how often it occurs at all; counted until one stands alone,
    or until it is clear that they hardly occur."""
    pairs = feeds = size = 0
    for chunk in _chunks(path):
        size += len(chunk)
        pairs += chunk.count(b"\r\n")
        feeds += chunk.count(b"\n")
        if pairs < feeds or (size > 4 * _CHUNK and feeds < size / 4096):
            break
    return pairs, feeds


def main(arguments: list[str] | None = None) -> int:
    """Restore one file; returns the exit status."""
    parser = CommandParser(prog="python -m dare_eeg_hf.recordings.line_endings", description=__doc__.split("\n")[0])
    parser.add_argument("damaged", metavar="DAMAGED", help="the file whose line feeds all follow a carriage return")
    parser.add_argument("restored", metavar="RESTORED", help="where to write the copy without them")
    args = parser.parse_args(arguments)
    try:
        print(restore_line_endings(args.damaged, args.restored))
    except (RecordingError, OSError) as error:
        print(f"FAILED {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
