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

from ..atomic_files import replacing, write_text
from ..remedies_dare_eeg import message_on
from .corpus import EegCorpus, RecordingFile
from .storage import window_features

PARTS_FOLDER = ".parts"
ROWS_PER_GROUP = 128


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
    labels: dict[str, int] = field(default_factory=dict)
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
    """The record as JSON that does not tell where the corpus lay on the machine that built it."""
    folder = f"{recording.path.parents[recording.name.count('/')]}/"
    text = json.dumps(asdict(record), ensure_ascii=False, default=float)
    text = text.replace(json.dumps(folder, ensure_ascii=False)[1:-1], "")
    return text.encode("utf-8", "replace").decode()


def _windows_of(corpus: EegCorpus, recording: RecordingFile, record: PartRecord) -> pa.Table:
    tables = []
    rejected: Counter = Counter()
    labels: Counter = Counter()
    for windows, report in corpus.windows(recording):
        rejected.update(windows.rejected)
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
                session=recording.session,
                recording=recording.name,
                corpus=corpus.name,
            )
        )
    record.rejected, record.labels = dict(sorted(rejected.items())), dict(sorted(labels.items()))
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
    """The record of a part that was built with these settings from the file as it is now; None where there is none."""
    data, note = part_paths(output, recording.name)
    try:
        record = PartRecord(**json.loads(note.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    current = record.fingerprint == fingerprint and record.source == _file_states(corpus, recording)
    return record if current and (record.error is not None or data.is_file()) else None


def part_paths(output: Path, name: str) -> tuple[Path, Path]:
    """Paths of the windows and of the record of a recording. No name of a recording leads out of the folder."""
    readable = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[-60:]
    key = f"{readable}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"
    return output / PARTS_FOLDER / f"{key}.parquet", output / PARTS_FOLDER / f"{key}.json"


def take_parts(output: Path, folders: Sequence[Path]) -> None:
    """Bring the parts that other builds have made, in other folders, into this output."""
    target = output / PARTS_FOLDER
    target.mkdir(parents=True, exist_ok=True)
    for folder in folders:
        if not (folder / PARTS_FOLDER).is_dir():
            raise FileNotFoundError(f"{folder} holds no parts of a build (no folder {PARTS_FOLDER})")
        # The records last: a part without a record does not count.
        for path in sorted((folder / PARTS_FOLDER).iterdir(), key=lambda path: (path.suffix == ".json", path.name)):
            if path.suffix in {".parquet", ".json"} and not path.name.startswith(".") and not _is_better(target, path):
                with replacing(target / path.name) as temporary:
                    shutil.copyfile(path, temporary)


def _is_better(target: Path, path: Path) -> bool:
    """Whether the part in `target` went well: another machine's failure must not replace it."""
    try:
        return json.loads((target / path.with_suffix(".json").name).read_text(encoding="utf-8"))["error"] is None
    except (FileNotFoundError, ValueError, KeyError):
        return False


def table_writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """A writer of Parquet whose bytes depend on the rows alone.

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
    """Size and time of change of a recording and its companions: what was exchanged is built anew."""
    states = []
    for path in (recording.path, *corpus.companions(recording)):
        try:
            state = path.stat()
        except OSError:
            states.append([])
        else:
            states.append([state.st_size, state.st_mtime_ns])
    return states
