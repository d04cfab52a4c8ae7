"""Checks on the header of EDF and BDF files that MNE does not make: damage, missing records, channels at different
rates."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from ..montage import match_channels
from .errors import RecordingError

_ANNOTATION_LABELS = {"EDF Annotations", "BDF Annotations"}


@dataclass
class EdfHeader:
    """What the header of an EDF or BDF file says (Kemp and Olivan 2003), compared with the file.

    `rates` are hertz per signal; `excluded` are labels of signals to leave out when reading, so that the scalp
    channels keep their rate.
    """

    labels: list[str]
    rates: list[float]
    records: int
    record_seconds: float
    excluded: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def inspect_edf(path: Path) -> EdfHeader:
    """Read the header of an EDF or BDF file and compare it with the file's size.

    Raises:
        RecordingError: damaged header, line endings converted, annotations without signals, or no complete record.
    """
    with path.open("rb") as file:
        fixed = file.read(256)
        try:
            count = int(fixed[252:256])
            header_bytes = int(fixed[184:192])
            records = int(fixed[236:244])
            seconds = float(fixed[244:252])
            per_signal = file.read(256 * count)
            labels = [per_signal[16 * i : 16 * (i + 1)].decode("latin1").strip() for i in range(count)]
            at = 216 * count
            samples = [int(per_signal[at + 8 * i : at + 8 * (i + 1)]) for i in range(count)]
        except ValueError as error:
            raise RecordingError(f"{path}: the header is damaged ({error}); {_line_ending_hint(path)}") from error
    sample_bytes = 3 if fixed.startswith(b"\xffBIOSEMI") else 2
    record_bytes = sample_bytes * sum(samples)
    rates = [n / seconds if seconds else 0.0 for n in samples]
    header = EdfHeader(labels, rates, records, seconds)
    signals = [i for i in range(count) if labels[i] not in _ANNOTATION_LABELS]
    if not signals:
        raise RecordingError(f"{path}: holds no signals, only annotations; read them with mne.read_annotations")
    if header_bytes != 256 * (count + 1):
        raise RecordingError(f"{path}: the header is damaged (its length does not fit its {count} signals)")
    _compare_size(path, header, header_bytes, record_bytes)
    _compare_rates(header, signals)
    return header


def _compare_size(path: Path, header: EdfHeader, header_bytes: int, record_bytes: int) -> None:
    actual = path.stat().st_size
    available = (actual - header_bytes) // record_bytes if record_bytes else 0
    if available < 1:
        raise RecordingError(f"{path}: is truncated: not one complete record of {header.record_seconds:g} s is there")
    if header.records < 0:
        header.warnings.append("the recording was never closed (unknown number of records in its header)")
        return
    expected = header_bytes + header.records * record_bytes
    if actual > expected and _line_endings_converted(path):
        raise RecordingError(
            f"{path}: is {actual - expected} bytes too long and every line feed follows a carriage return: "
            "a line-ending conversion (git autocrlf, FTP in text mode) ruined it; get it again as a binary file"
        )
    if actual < expected:
        missing = header.records - available
        header.warnings.append(
            f"truncated: {missing} of {header.records} records are missing "
            f"(the last {missing * header.record_seconds:g} s)"
        )


def _compare_rates(header: EdfHeader, signals: list[int]) -> None:
    """Find signals whose rate differs from that of the scalp channels; MNE would bring everything to the highest
    rate."""
    rates = {round(header.rates[i], 6) for i in signals}
    if len(rates) == 1:
        return
    match = match_channels([header.labels[i] for i in signals])
    scalp = [signals[i] for i in match.indices.values()]
    common = Counter(round(header.rates[i], 6) for i in scalp or signals).most_common(1)[0][0]
    others = [i for i in signals if round(header.rates[i], 6) != common]
    if not scalp:
        header.warnings.append(
            f"channels at {len(rates)} different rates ({min(rates):g} to {max(rates):g} Hz); "
            f"all brought to {max(rates):g} Hz"
        )
        return
    kept_labels = {header.labels[i] for i in signals if i not in others}
    header.excluded = sorted({header.labels[i] for i in others} - kept_labels)
    listed = ", ".join(f"{header.labels[i]} ({header.rates[i]:g} Hz)" for i in others)
    header.warnings.append(f"channels at different rates: those at {common:g} Hz were read, left out were {listed}")


def _line_endings_converted(path: Path) -> bool:
    """In binary data a lone line feed is as common as any byte; after a conversion to CR LF there is none."""
    with path.open("rb") as file:
        data = file.read(4_000_000)
    return data.count(b"\r\n") == data.count(b"\n") >= 8


def _line_ending_hint(path: Path) -> str:
    if _line_endings_converted(path):
        return "a line-ending conversion (git autocrlf, FTP in text mode) ruined it; get it again as a binary file"
    return "get the file again"
