"""Checks on the header of EDF and BDF files that MNE does not make: damage, missing records, channels at different
rates."""

import os
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import mne

from dare_eeg_hf.montage import match_channels
from dare_eeg_hf.recordings.errors import RecordingError
from dare_eeg_hf.recordings.line_endings import describe_damage, samples_in_step
from dare_eeg_hf.recordings.text import decode_text
from dare_eeg_hf.signal_dare_eeg import MICROVOLTS, canonical_unit

_ANNOTATION_LABELS = {"EDF Annotations", "BDF Annotations"}

TIME_STAMP = re.compile(rb"([+-]\d+(?:[.,]\d*)?)(?:\x15[\d.,]*)?\x14\x14")
"""Begins each data record's annotations: a list whose first text is empty says when the record began."""


@dataclass
class EdfHeader:
    """What the header of an EDF or BDF file says (Kemp and Olivan 2003), compared with the file.

    `labels`, `dimensions` (units) and `samples` (per record) are those of the signals, `rates` their hertz; `excluded`
    are labels of signals to leave out when reading, so that the scalp channels keep their rate. `records` is what the
    header says, `complete_records` what the file holds. `discontinuous` is the claim of EDF+D and BDF+D.
    """

    labels: list[str]
    dimensions: list[str]
    rates: list[float]
    samples: list[int]
    sample_bytes: int
    header_bytes: int
    records: int
    record_seconds: float
    discontinuous: bool
    complete_records: int = 0
    excluded: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def annotation_signals(self) -> list[int]:
        """Numbers of the signals that hold time stamps and annotations."""
        return [i for i, label in enumerate(self.labels) if label in _ANNOTATION_LABELS]


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
            dimensions = [per_signal[at : at + 8].decode("latin1") for at in range(96 * count, 104 * count, 8)]
            samples = [int(per_signal[at : at + 8]) for at in range(216 * count, 224 * count, 8)]
        except ValueError as error:
            reason = describe_damage(path) or "copy or download the file again"
            raise RecordingError(f"{path}: the header is damaged ({error}); {reason}") from error
    sample_bytes = 3 if fixed.startswith(b"\xffBIOSEMI") else 2
    rates = [n / seconds if seconds else 0.0 for n in samples]
    discontinuous = fixed[192:236].lstrip()[:5] in (b"EDF+D", b"BDF+D")
    header = EdfHeader(labels, dimensions, rates, samples, sample_bytes, header_bytes, records, seconds, discontinuous)
    signals = [i for i in range(count) if labels[i] not in _ANNOTATION_LABELS]
    if not signals:
        raise RecordingError(f"{path}: holds no signals, only annotations; read them with mne.read_annotations")
    if header_bytes != 256 * (count + 1):
        raise RecordingError(f"{path}: the header is damaged (its length does not fit its {count} signals)")
    if seconds <= 0:
        raise RecordingError(
            f"{path}: the header is damaged: its records last {seconds:g} s, so the sampling rate is unknown; export "
            "the recording again"
        )
    _compare_size(path, header)
    _compare_rates(header, signals)
    return header


def _compare_size(path: Path, header: EdfHeader) -> None:
    actual, record_bytes = path.stat().st_size, header.sample_bytes * sum(header.samples)
    header.complete_records = max(0, actual - header.header_bytes) // record_bytes if record_bytes else 0
    expected = header.header_bytes + header.records * record_bytes if header.records >= 0 else None
    if damage := describe_damage(path, expected, _in_step(path, header)):
        raise RecordingError(f"{path}: {damage}")
    if header.complete_records < 1:
        raise RecordingError(f"{path}: is truncated: it holds no complete record of {header.record_seconds:g} s")
    if expected is None:
        header.warnings.append("the recording was never closed (unknown number of records in its header)")
    elif actual < expected:
        missing = header.records - header.complete_records
        header.warnings.append(
            f"truncated: {missing} of {header.records} records are missing "
            f"(the last {missing * header.record_seconds:g} s)"
        )


def _in_step(path: Path, header: EdfHeader) -> bool | None:
    """Tell whether the records keep their places to the end: by the time stamp of the last one, or by the samples;
    None where that is unknown."""
    if header.annotation_signals and header.complete_records:
        sizes = [header.sample_bytes * count for count in header.samples]
        with path.open("rb") as file:
            file.seek(header.header_bytes + (header.complete_records - 1) * sum(sizes))
            file.seek(sum(sizes[: header.annotation_signals[0]]), os.SEEK_CUR)
            if TIME_STAMP.match(file.read(40)):
                return True
    # Samples can be in step by chance, where bytes were inserted in pairs; being out of step is proof.
    return False if samples_in_step(path, header.header_bytes, header.sample_bytes) is False else None


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
    header.warnings.append(f"channels at different rates: those at {common:g} Hz were read, {listed} left out")


def plain_header(path: Path) -> bytes | None:
    """The header without the texts on which MNE's reader fails, or None where there are none.

    Those are a patient's entry with two equals signs, and reserved fields that are not UTF-8.
    """
    with path.open("rb") as file:
        header = bytearray(file.read(256))
        count = int(header[252:256])
        header += file.read(256 * count)
    reserved = slice(256 + 224 * count, 256 + 256 * count)
    odd_patient = any(word.count(b"=") > 1 for word in header[8:88].split())
    if not odd_patient and decode_text(bytes(header[reserved]))[1] == "utf-8":
        return None
    if odd_patient:
        header[8:88] = b"X X X X".ljust(80)
    header[reserved] = b" " * (32 * count)
    return bytes(header)


def correct_header_texts(raw: mne.io.BaseRaw, header: EdfHeader) -> None:
    """Bring names and units to what the header means where MNE, which takes every text as Latin-1, misreads it."""
    selected = raw._raw_extras[0]["sel"]
    correct_units(raw, [header.dimensions[index] for index in selected])
    for key, text in dict(raw.info["subject_info"] or {}).items():
        if isinstance(text, str):
            raw.info["subject_info"][key] = decode_text(text.encode("latin1"))[0]
    names = {}
    for name, index in zip(raw.ch_names, selected, strict=True):
        label = header.labels[index]
        names[name] = name.replace(label, decode_text(label.encode("latin1"))[0].strip("\x00 "), 1)
    raw.rename_channels({old: new for old, new in names.items() if old != new}, verbose="ERROR")


def correct_units(raw: mne.io.BaseRaw, dimensions: list[str]) -> None:
    """Give the channels of an EDF, BDF or GDF recording the scale of their physical dimensions, given as Latin-1.

    MNE knows few spellings, and silently takes everything else as volts: UTF-8's 'µV', for example.
    """
    extras = raw._raw_extras[0]
    for row, dimension in enumerate(dimensions):
        unit = voltage_unit(dimension)
        volts = extras["units"][row] if unit is None else MICROVOLTS[unit] * 1e-6
        factor = volts / extras["units"][row]
        if not 0.999 < factor < 1.001 and raw.get_channel_types([row]) != ["stim"]:
            extras["units"][row] = volts
            if raw.preload:
                raw._data[row] *= factor


def voltage_unit(dimension: str) -> str | None:
    """The unit of a physical dimension, given in Unicode or as Latin-1; None where it is not a voltage.

    Micro is the only prefix that is not an ASCII letter, and every encoding has another byte for it (a question mark
    where it was lost).
    """
    try:
        return canonical_unit(re.sub(r"^([^\x20-\x7e]+|\?)(?=[vV]$)", "u", dimension.strip("\x00 ")))
    except ValueError:
        return None


def gdf_dimensions(path: Path) -> list[str] | None:
    """The physical dimensions of a GDF 1.x file as Latin-1; None for GDF 2.x, which has numbers for them."""
    with path.open("rb") as file:
        if float(file.read(8)[4:]) >= 1.9:
            return None
        file.seek(252)
        count = int.from_bytes(file.read(4), "little")
        file.seek(256 + 96 * count)
        return [file.read(8).decode("latin1") for _ in range(count)]
