"""Fixtures for tests of reading: an EDF file, and a writer of EDF+ and BDF+ with any time stamps and texts."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from dare_eeg_hf.recordings.recordings import load_recording
from tests.recordings.written_recordings import write_edf


def write_edf_plus(
    path: Path,
    signal: np.ndarray,
    rate: int,
    names: Sequence[str | bytes],
    *,
    seconds: float = 1.0,
    stamps: Sequence[str | None] | None = None,
    annotations: Sequence[tuple[float, float, str | bytes]] = (),
    kind: str = "EDF+D",
    dimension: bytes = b"uV",
    annotation_signals: int = 1,
    patient: bytes = b"X X X X",
    reserved: bytes = b"",
) -> Path:
    """Write (channels, samples) microvolts in records of `seconds`.

    `stamps` are the texts of the records' time stamps (None for a record that has none), by default what a continuous
    recording has; annotations go into the record of their place in the list, or the last one.
    """
    size = 3 if kind.startswith("BDF") else 2
    per_record = round(seconds * rate)
    records = signal.shape[1] // per_record
    stamps = [f"+{i * seconds:g}" for i in range(records)] if stamps is None else stamps
    width = 120 // size
    labels = [name if isinstance(name, bytes) else name.encode() for name in names]
    labels += [kind[:3].encode() + b" Annotations"] * annotation_signals
    count, signals = len(labels), len(names)
    largest = 2 ** (8 * size - 1)
    columns = [
        (16, labels),
        (80, [b""] * count),
        (8, [dimension] * signals + [b""] * annotation_signals),
        (8, [b"-3276.8"] * count),
        (8, [b"3276.7"] * count),
        (8, [str(-largest).encode()] * count),
        (8, [str(largest - 1).encode()] * count),
        (80, [b""] * count),
        (8, [str(per_record).encode()] * signals + [str(width).encode()] * annotation_signals),
        (32, [reserved] * count),
    ]
    head = (b"0" if size == 2 else b"\xffBIOSEMI").ljust(8) + patient.ljust(80)
    head += b"Startdate 01-JAN-2020 X X X".ljust(80) + b"01.01.2010.00.00" + str(256 * (count + 1)).encode().ljust(8)
    head += kind.encode().ljust(44) + str(records).encode().ljust(8) + f"{seconds:g}".encode().ljust(8)
    head += str(count).encode().ljust(4)
    head += b"".join(item.ljust(length) for length, items in columns for item in items)
    digital = np.clip(np.round(signal * (largest / 3276.8)), -largest, largest - 1).astype("<i4")
    body = []
    for record in range(records):
        part = digital[:, record * per_record : (record + 1) * per_record]
        body.append(part[..., None].view(np.uint8)[..., :size].tobytes())
        first = b"" if stamps[record] is None else f"{stamps[record]}\x14\x14\x00".encode()
        mine = [item for i, item in enumerate(annotations) if min(i, records - 1) == record]
        lists = [
            f"+{onset:.9g}".encode()
            + (f"\x15{duration:g}".encode() if duration else b"")
            + b"\x14"
            + (text if isinstance(text, bytes) else text.encode())
            + b"\x14\x00"
            for onset, duration, text in mine
        ]
        # Texts go into the last annotation signal, time stamps into the first.
        blocks = [b""] * annotation_signals
        if blocks:
            blocks[0] += first
            blocks[-1] += b"".join(lists)
        body += [block.ljust(width * size, b"\x00") for block in blocks]
    path.write_bytes(head + b"".join(body))
    return path


@pytest.fixture(name="write_edf_plus", scope="session")
def edf_plus_writer() -> Callable[..., Path]:
    """`write_edf_plus(path, signal, rate, names, ...)` writes a file and returns its path."""
    return write_edf_plus


@pytest.fixture(scope="module")
def edf(tmp_path_factory) -> Path:
    return write_edf(tmp_path_factory.mktemp("edf") / "good.edf", annotations=[(5.0, 2.0, "T1"), (11.0, 0.0, "T2")])


@pytest.fixture(scope="module")
def recording(edf):
    return load_recording(edf)
