"""One part per recording: what makes a build resumable, and lets several machines share it.

A part is two files in the folder `.parts` of the output: the windows as Parquet, and a JSON record of how they came
to be. The record is written last, and both appear under their names only when they are complete, so whatever
interrupts a build, a part is there or it is not.
"""

import hashlib
import json
import logging
import re
import shutil
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from dare_eeg_hf.atomic_files import replacing, write_text
from dare_eeg_hf.corpora.corpus import EegCorpus, RecordingFile
from dare_eeg_hf.corpora.storage import window_features
from dare_eeg_hf.remedies_dare_eeg import message_on

PARTS_FOLDER = ".parts"
ROWS_PER_GROUP = 128
MOST_TEXTS = 100
"""How many different texts of annotations the record of a recording keeps."""


@dataclass
class PartRecord:
    """What became of one recording; `error` is None where it went well."""

    recording: str
    subject: str
    split: str
    fingerprint: str
    source: list[list[int]]
    windows: int = 0
    seconds: float = 0.0
    bytes: int = 0
    subject_source: str = ""
    labels: dict[str, int] = field(default_factory=dict)
    texts: dict[str, int] = field(default_factory=dict)
    channels: list[list[str]] = field(default_factory=list)
    rejected: dict[str, int] = field(default_factory=dict)
    reports: list[dict] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    error: str | None = None


def build_part(corpus: EegCorpus, recording: RecordingFile, output: Path, fingerprint: str) -> PartRecord:
    """Turn one recording into its part; an error ends up in the record and stops nothing else."""
    record = PartRecord(
        recording=recording.name,
        subject=recording.subject,
        split=corpus.split(recording),
        fingerprint=fingerprint,
        source=_file_states(corpus, recording),
        subject_source=recording.subject_source,
    )
    table = None
    with warnings.catch_warnings(record=True) as caught, _quiet_mne():
        warnings.simplefilter("always")
        try:
            table = _windows_of(corpus, recording, record)
        except Exception as error:
            # Whatever a damaged file makes a reader raise, the thousand others must still be built.
            message = " ".join(message_on(corpus.surface, error).split())
            record.error = f"{type(error).__name__}: {message or 'no message'}"
    record.warnings = list(dict.fromkeys(str(warning.message) for warning in caught))
    data, note = part_paths(output, recording.name)
    data.parent.mkdir(parents=True, exist_ok=True)
    if table is not None:
        with replacing(data) as temporary, table_writer(temporary, table.schema) as writer:
            write_groups(writer, [table])
    write_text(note, _without_folder(record, recording))
    return PartRecord(**json.loads(note.read_text(encoding="utf-8")))


def _without_folder(record: PartRecord, recording: RecordingFile) -> str:
    """The record as JSON, without the place of the corpus on the machine that built it."""
    folder = f"{recording.path.parents[recording.name.count('/')]}/"
    text = json.dumps(asdict(record), ensure_ascii=False, default=float)
    text = text.replace(json.dumps(folder, ensure_ascii=False)[1:-1], "")
    return text.encode("utf-8", "replace").decode()


def _windows_of(corpus: EegCorpus, recording: RecordingFile, record: PartRecord) -> pa.Table:
    tables = []
    rejected: Counter = Counter()
    labels: Counter = Counter()
    texts: Counter = Counter()
    for windows, report in corpus.windows(recording):
        rejected.update(windows.rejected)
        texts.update(windows.texts)
        record.reports.append(report)
        if not len(windows):
            continue
        labels.update(windows.labels or [])
        record.windows += len(windows)
        record.seconds += len(windows) * windows.signals.shape[2] / windows.sampling_rate
        record.channels = sorted({*map(tuple, record.channels), windows.channel_names})
        tables.append(
            windows.to_table(
                label_names=corpus.label_names,
                subject=recording.subject,
                subject_source=recording.subject_source,
                session=recording.session,
                recording=recording.name,
                corpus=corpus.name,
            )
        )
    record.rejected, record.labels = dict(sorted(rejected.items())), dict(sorted(labels.items()))
    record.texts = dict(texts.most_common(MOST_TEXTS))
    table = pa.concat_tables([window_features(corpus.label_names).arrow_schema.empty_table(), *tables])
    record.bytes = table.nbytes
    return table


@contextmanager
def _quiet_mne() -> Iterator[None]:
    """MNE issues each warning and logs it as well; the log would tear the progress bar apart."""
    logger = logging.getLogger("mne")
    silent = logging.Filter("nothing")
    logger.addFilter(silent)
    try:
        yield
    finally:
        logger.removeFilter(silent)


def read_record(corpus: EegCorpus, recording: RecordingFile, output: Path, fingerprint: str) -> PartRecord | None:
    """The record of a part that this code built with these settings from the file as it is now, where there is one."""
    data, note = part_paths(output, recording.name)
    try:
        record = PartRecord(**json.loads(note.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    who = (record.subject, record.subject_source, record.split)
    current = record.fingerprint == fingerprint and record.source == _file_states(corpus, recording)
    # Who was recorded may depend on the other files of the folder, which another build did not see.
    current = current and who == (recording.subject, recording.subject_source, corpus.split(recording))
    return record if current and (record.error is not None or data.is_file()) else None


def is_of_another_version(recording: RecordingFile, output: Path, fingerprint: str) -> bool:
    """Whether there is a part of a recording that other code, or other settings, have made."""
    made_by = _read_note(part_paths(output, recording.name)[1]).get("fingerprint")
    return made_by is not None and made_by != fingerprint


def part_paths(output: Path, name: str) -> tuple[Path, Path]:
    """Paths of the windows and of the record of a recording. No name of a recording leads out of the folder."""
    readable = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[-60:]
    key = f"{readable}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"
    return output / PARTS_FOLDER / f"{key}.parquet", output / PARTS_FOLDER / f"{key}.json"


def take_parts(output: Path, folders: Sequence[Path], fingerprint: str) -> None:
    """Bring the parts that other builds have made, in other folders, into this output.

    Those that went well here, under the same fingerprint, stay.
    """
    target = output / PARTS_FOLDER
    target.mkdir(parents=True, exist_ok=True)
    for folder in folders:
        if not (folder / PARTS_FOLDER).is_dir():
            raise FileNotFoundError(f"{folder} holds no parts of a build (no folder {PARTS_FOLDER})")
        # The records last: a part without a record does not count.
        for path in sorted((folder / PARTS_FOLDER).iterdir(), key=lambda path: (path.suffix == ".json", path.name)):
            is_part = path.suffix in {".parquet", ".json"} and not path.name.startswith(".")
            if is_part and not _is_better(target, path, fingerprint):
                with replacing(target / path.name) as temporary:
                    shutil.copyfile(path, temporary)


def _is_better(target: Path, path: Path, fingerprint: str) -> bool:
    """Whether the part in `target` went well: another machine's failure must not replace it."""
    note = _read_note(target / path.with_suffix(".json").name)
    return note.get("fingerprint") == fingerprint and note.get("error") is None


def _read_note(path: Path) -> dict:
    """The record of a part as it was written, whatever version wrote it; empty where none can be read."""
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


def table_writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """A writer of Parquet whose bytes depend on the rows only.

    The signal does not compress (8 % with zstd, which makes reading three times slower), the other columns repeat.
    """
    others = [name for name in schema.names if name != "signal"]
    return pq.ParquetWriter(
        path,
        schema,
        compression=dict.fromkeys(others, "zstd") | {"signal": "none"},
        use_dictionary=others,
        write_statistics=others,
    )


def write_groups(writer: pq.ParquetWriter, tables: Iterator[pa.Table] | Sequence[pa.Table]) -> None:
    """Write tables one after the other in row groups of equal size, wherever a table ends."""
    waiting: list[pa.Table] = []
    count = 0
    for table in tables:
        waiting.append(table)
        count += len(table)
        while count >= ROWS_PER_GROUP:
            joined = pa.concat_tables(waiting)
            writer.write_table(joined.slice(0, ROWS_PER_GROUP).combine_chunks())
            waiting, count = [joined.slice(ROWS_PER_GROUP)], count - ROWS_PER_GROUP
    if count:
        writer.write_table(pa.concat_tables(waiting).combine_chunks())


def _file_states(corpus: EegCorpus, recording: RecordingFile) -> list[list[int]]:
    """Size and modification time of a recording and its companions: what was replaced is built again."""
    states = []
    for path in (recording.path, *corpus.companions(recording)):
        try:
            state = path.stat()
        except OSError:
            states.append([])
        else:
            states.append([state.st_size, state.st_mtime_ns])
    return states
