"""A corpus on the disk -> a folder of Parquet files and a card: in parallel, resumable, the same bytes every time."""

import hashlib
import json
import logging
import multiprocessing
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from dare_eeg_hf.atomic_files import TEMPORARY_PREFIX, write_text
from dare_eeg_hf.cluster import over_cluster
from dare_eeg_hf.corpora.card import render_card
from dare_eeg_hf.corpora.corpus import EegCorpus, RecordingFile
from dare_eeg_hf.corpora.parts import (
    PARTS_FOLDER,
    ROWS_PER_GROUP,
    PartRecord,
    build_part,
    is_of_another_version,
    part_paths,
    read_record,
    table_writer,
    take_parts,
    write_groups,
)
from dare_eeg_hf.corpora.storage import window_features
from dare_eeg_hf.progress import progress_bar
from dare_eeg_hf.recordings.event_checks import texts_with_counts

logger = logging.getLogger(__name__)

FILE_BYTES = 500_000_000
"""Approximate size of a Parquet file; a recording is never split between two."""

MOST_WARNINGS = 5
"""How many different warnings the closing table shows; recordings.jsonl has them all."""


@dataclass
class BuildResult:
    """What a build has done: the records of all its recordings, and those that are not there yet.

    Attributes:
        output: folder of the data set.
        records: of all recordings that were tried.
        missing: names of recordings that were not built yet.
        expected: classes that must have windows; none where this is one shard of a build.
        remarks: sentences about the recordings as a whole.
    """

    output: Path
    records: list[PartRecord]
    missing: list[str]
    expected: Sequence[str] = ()
    remarks: Sequence[str] = ()

    @property
    def failed(self) -> list[PartRecord]:
        """Recordings that could not be built."""
        return [record for record in self.records if record.error is not None]

    @property
    def empty_classes(self) -> list[str]:
        """Classes that must have windows and have none."""
        there = {label for record in self.records for label in record.labels}
        return [name for name in self.expected if name not in there]

    @property
    def complete(self) -> bool:
        """Whether every recording was built."""
        return not self.failed and not self.missing

    def emptiness(self) -> list[str]:
        """Sentences about expected windows that are missing, with what the recordings do hold."""
        some = any(record.windows for record in self.records)
        if self.missing or (some and not self.empty_classes):
            return []
        texts = sum((Counter(record.texts) for record in self.records), Counter())
        labels = sum((Counter(record.labels) for record in self.records), Counter())
        held = f"; windows found: {texts_with_counts(labels)}" if labels else ""
        held += f"; annotations of the recordings: {texts_with_counts(texts)}" if texts else ""
        if not some:
            return ["no recording gave a window" + held]
        return [f"no window is of the class {name}{held}" for name in self.empty_classes]

    def __str__(self) -> str:
        """The closing table: per split files, windows and minutes; what was rejected and why; what failed and why."""
        built = [record for record in self.records if record.error is None]
        lines = [f"{'split':<14}{'files':>8}{'windows':>10}{'minutes':>10}{'rejected':>10}"]
        splits = sorted({record.split for record in built})
        groups = [(split, [record for record in built if record.split == split]) for split in splits]
        for name, group in [*groups, ("all", built)] if len(groups) != 1 else groups:
            rejected = sum(sum(record.rejected.values()) for record in group)
            lines.append(
                f"{name:<14}{len(group):>8}{sum(record.windows for record in group):>10}"
                f"{sum(record.seconds for record in group) / 60:>10.1f}{rejected:>10}"
            )
        reasons = sum((Counter(record.rejected) for record in built), Counter())
        lines += [f"  rejected {count:>7}: {reason}" for reason, count in reasons.most_common()]
        warned = Counter(message for record in built for message in record.warnings)
        lines += [f"  in {count} recordings: {message}" for message, count in warned.most_common(MOST_WARNINGS)]
        if len(warned) > MOST_WARNINGS:
            lines.append(f"  more warnings, in recordings.jsonl: {len(warned) - MOST_WARNINGS}")
        lines += [f"  failed {record.recording}: {record.error}" for record in self.failed]
        lines += [f"  not built yet: {name}" for name in self.missing]
        lines += [f"  {remark}" for remark in self.remarks]
        lines += [f"  empty: {sentence}" for sentence in self.emptiness()]
        return "\n".join(lines)


def build(
    corpus: EegCorpus,
    source: str | Path,
    output: str | Path,
    *,
    subjects: Sequence[str] | None = None,
    num_proc: int = 1,
    shard: tuple[int, int] | None = None,
    cluster: str | None = None,
) -> BuildResult:
    """Build a data set; a second call only does what is missing or has failed.

    The bytes of the result depend only on the files and the settings: not on the number of processes, nor on
    interruptions, nor on the shards.

    Args:
        corpus: what to build.
        source: folder of the corpus.
        output: folder of the data set.
        subjects: only these.
        num_proc: how many processes share the recordings.
        shard: `(i, n)` builds only each n-th recording, from number i on (i from 0), and leaves joining to `merge`.
        cluster: address of a cluster that shares the recordings, instead of `num_proc`; see `cluster.check_cluster`.

    Raises:
        FileNotFoundError: if the source holds no recordings.
    """
    output = Path(output)
    recordings = corpus.recordings(Path(source).absolute(), subjects)
    remarks, expected = corpus.remarks(recordings), corpus.expected_classes(recordings)
    if shard is not None:
        recordings, expected = recordings[shard[0] :: shard[1]], ()
    fingerprint = corpus.fingerprint()
    (output / PARTS_FOLDER).mkdir(parents=True, exist_ok=True)
    records = {recording.name: read_record(corpus, recording, output, fingerprint) for recording in recordings}
    outdated = sum(is_of_another_version(recording, output, fingerprint) for recording in recordings)
    if outdated:
        logger.warning(
            "%d of %d recordings in %s were cut by another version of the code or with other settings: they are cut "
            "again, so that all windows of the data set are made alike.",
            outdated,
            len(recordings),
            output,
        )
    done = {name for name, record in records.items() if record is not None and record.error is None}
    todo = [recording for recording in recordings if recording.name not in done]
    progress = progress_bar(
        _build_parts(corpus, todo, output, fingerprint, num_proc, cluster),
        total=len(recordings),
        initial=len(done),
        desc=corpus.name,
        unit="file",
    )
    for record in progress:
        records[record.recording] = record
    result = BuildResult(output, [records[recording.name] for recording in recordings], [], expected, remarks)
    if shard is None:
        _assemble(corpus, result)
    return result


def merge(
    corpus: EegCorpus,
    source: str | Path,
    output: str | Path,
    folders: Sequence[str | Path] = (),
    *,
    subjects: Sequence[str] | None = None,
) -> BuildResult:
    """Join what `build(..., shard=...)` has made into what one build would have given.

    Args:
        corpus: what was built.
        source: folder of the corpus; it shows whether anything is missing.
        output: folder of the data set.
        folders: the outputs of the shards, where they are not `output` itself.
        subjects: only these.

    The files of the corpus must be the same here as where the shards were built, including modification times
    (a shared file system, or copies made with `rsync -a`).

    Raises:
        FileNotFoundError: if a folder holds no parts, or the source holds no recordings.
    """
    output = Path(output)
    fingerprint = corpus.fingerprint()
    take_parts(output, [Path(folder) for folder in folders], fingerprint)
    recordings = corpus.recordings(Path(source).absolute(), subjects)
    records = [(recording, read_record(corpus, recording, output, fingerprint)) for recording in recordings]
    result = BuildResult(
        output,
        [record for _, record in records if record is not None],
        [_what_is_missing(recording, output, fingerprint) for recording, record in records if record is None],
        corpus.expected_classes(recordings),
        corpus.remarks(recordings),
    )
    if not result.missing:
        _assemble(corpus, result)
    return result


def _what_is_missing(recording: RecordingFile, output: Path, fingerprint: str) -> str:
    """The name of a recording and, where there is a part that does not fit, what is wrong with it."""
    if not is_of_another_version(recording, output, fingerprint):
        return recording.name
    return (
        f"{recording.name} (cut by another version of the code or with other settings than here: run its shard again "
        "with the code and the options of this merge)"
    )


def _build_parts(
    corpus: EegCorpus,
    recordings: list[RecordingFile],
    output: Path,
    fingerprint: str,
    num_proc: int,
    cluster: str | None,
) -> Iterator[PartRecord]:
    """Yield the record of each recording as soon as it is there."""
    if cluster is not None:
        yield from over_cluster(partial(_build_there, corpus, output.absolute(), fingerprint), recordings, cluster)
        return
    if num_proc == 1 or len(recordings) <= 1:
        for recording in recordings:
            yield build_part(corpus, recording, output, fingerprint)
        return
    left = {recording.name: recording for recording in recordings}
    try:
        with _pool(min(num_proc, len(recordings))) as pool:
            jobs = [pool.submit(build_part, corpus, recording, output, fingerprint) for recording in recordings]
            for job in as_completed(jobs):
                record = job.result()
                del left[record.recording]
                yield record
    except BrokenProcessPool:
        # A worker was killed from outside, usually because memory ran out, and took the others with it: continue with
        # one process per recording, to find the one at fault and lose only that one.
        for recording in left.values():
            yield _build_alone(corpus, recording, output, fingerprint)


def _build_there(corpus: EegCorpus, output: Path, fingerprint: str, recording: RecordingFile) -> PartRecord:
    """`build_part` on another machine, or nothing where a worker that was taken for dead has done it already."""
    done = read_record(corpus, recording, output, fingerprint)
    return build_part(corpus, recording, output, fingerprint) if done is None or done.error else done


def _build_alone(corpus: EegCorpus, recording: RecordingFile, output: Path, fingerprint: str) -> PartRecord:
    try:
        with _pool(1) as pool:
            return pool.submit(build_part, corpus, recording, output, fingerprint).result()
    except BrokenProcessPool:
        error = "its process was killed, perhaps because memory ran out"
        return PartRecord(recording.name, recording.subject, corpus.split(recording), fingerprint, [], error=error)


def _pool(num_proc: int) -> ProcessPoolExecutor:
    # Not fork, which torch and its threads do not survive; a fork server imports everything once for all workers.
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    if "forkserver" in methods:
        context.set_forkserver_preload([build_part.__module__])
    return ProcessPoolExecutor(num_proc, context, initializer=torch.set_num_threads, initargs=(1,))


def _assemble(corpus: EegCorpus, result: BuildResult) -> None:
    """Join the parts into the data set: staged beside it, then put in its place."""
    records = sorted((record for record in result.records if record.error is None), key=lambda r: r.recording)
    text = json.dumps([[record.recording, record.fingerprint, record.source] for record in records])
    state = hashlib.sha256((text + str(result)).encode()).hexdigest()
    state_file = result.output / PARTS_FOLDER / "assembled.txt"
    if state_file.is_file() and state_file.read_text() == state and (result.output / "data").is_dir():
        return
    state_file.unlink(missing_ok=True)
    for folder in (result.output, result.output / PARTS_FOLDER):
        for leftover in folder.glob(f"{TEMPORARY_PREFIX}*"):
            leftover.unlink(missing_ok=True)
    staging = result.output / ".staging"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    schema = window_features(corpus.label_names).arrow_schema
    for split in sorted({record.split for record in records}):
        files = _shared_out([record for record in records if record.split == split])
        for number, group in enumerate(files):
            path = staging / f"{split}-{number:05d}-of-{len(files):05d}.parquet"
            with table_writer(path, schema) as writer:
                write_groups(writer, _tables(result.output, group))
    shutil.rmtree(result.output / "data", ignore_errors=True)
    staging.rename(result.output / "data")
    write_text(result.output / "recordings.jsonl", "".join(_public_line(record) for record in records))
    write_text(result.output / "README.md", render_card(corpus, records, result.failed, result.remarks))
    state_file.write_text(state)


def _shared_out(records: list[PartRecord]) -> list[list[PartRecord]]:
    """Groups of recordings of about `FILE_BYTES`; recordings without windows need no file."""
    files: list[list[PartRecord]] = []
    size = FILE_BYTES
    for record in records:
        if record.windows == 0:
            continue
        if size >= FILE_BYTES:
            files.append([])
            size = 0
        files[-1].append(record)
        size += record.bytes
    return files


def _tables(output: Path, records: list[PartRecord]) -> Iterator[pa.Table]:
    for record in progress_bar(records, desc="writing", unit="file", leave=False):
        with pq.ParquetFile(part_paths(output, record.recording)[0]) as part:
            for batch in part.iter_batches(ROWS_PER_GROUP):
                yield pa.Table.from_batches([batch])


def _public_line(record: PartRecord) -> str:
    """What the data set says about one recording, without times and paths of the machine that built it."""
    names = (
        "recording",
        "subject",
        "subject_source",
        "split",
        "windows",
        "seconds",
        "labels",
        "rejected",
        "reports",
        "warnings",
    )
    return json.dumps({name: getattr(record, name) for name in names}, ensure_ascii=False) + "\n"
