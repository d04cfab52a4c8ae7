"""From what a user has (a folder of recordings, or windows prepared earlier) to windows that can be trained on."""

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import datasets
import pandas as pd

from dare_eeg_hf.configuration_dare_eeg import DareEegConfig
from dare_eeg_hf.corpora.build import build
from dare_eeg_hf.corpora.loading import load_windows, split_names
from dare_eeg_hf.corpora.people import (
    are_known,
    listed,
    missing_people,
    one_spelling,
    people_of,
    source_of_rows,
    statement,
)
from dare_eeg_hf.corpora.recordings_folder import RecordingsFolder
from dare_eeg_hf.corpora.rows import WindowKind, WindowRows
from dare_eeg_hf.masking_dare_eeg import check_that_masks_can_be_drawn

STREAMED_ROWS = 64
"""How many rows of a stream are checked in advance; what later rows hold is only known when they are read."""

NAMED_CHANNELS = 8

WHOLE_VOCABULARY = (
    "pretraining_channel_names=all in the model's configuration (with `dare-eeg pretrain`: --set "
    "pretraining_channel_names=all)"
)


def prepare_windows(
    source: str | Path,
    cache: str | Path,
    feature_extractor=None,
    num_proc: int = 1,
    subject_pattern: str | None = None,
) -> Path:
    """Cut a folder of recordings into windows, once; a second call only adds what is missing.

    Args:
        source: folder of recordings, or a BIDS root.
        cache: folder for the windows (Parquet).
        feature_extractor: the signal contract; the default one when None.
        num_proc: processes that share the recordings.
        subject_pattern: regular expression whose first group is the person, searched in the path of each recording.

    Returns:
        `cache`. What was read, rejected or failed is printed.

    Raises:
        ValueError: when no recording could be read.
    """
    corpus = RecordingsFolder(feature_extractor)
    corpus.subject_pattern = subject_pattern
    result = build(corpus, source, cache, num_proc=num_proc)
    if os.environ.get("RANK", "0") == "0":  # the other processes find it done and need not report it again
        print(result)
    if not any(record.windows for record in result.records if record.error is None):
        raise ValueError(f"No window could be cut from {source}; the reasons are given above, file by file.")
    return Path(cache)


def is_prepared(source: str | Path) -> bool:
    """Whether a source already holds windows: a folder with Parquet files, or a data set on the Hub."""
    folder = Path(source)
    return any(folder.rglob("*.parquet")) if folder.is_dir() else not folder.exists()


def open_windows(source: str | Path, *, streaming: bool = False):
    """The training windows of a source and, where its builder made one, the validation split.

    Returns:
        `(train, validation or None)`.

    Raises:
        FileNotFoundError: when `source` is neither a folder nor looks like a repository's name.
        ValueError: when no split is called train: windows set aside for something else are not trained on.
    """
    splits = split_names(source)
    if "train" not in splits:
        raise ValueError(
            f"{source} has no split called train, only {', '.join(splits)}. Build it with a training split or, if its "
            "windows are to be trained on after all, rename its files to train-*.parquet."
        )
    train = load_windows(source, split="train", streaming=streaming)
    validation = load_windows(source, split="validation", streaming=streaming) if "validation" in splits else None
    return train, validation


def open_validation_windows(source: str | Path, *, streaming: bool = False):
    """Windows of a source used for validation alone: its validation split, or its only split, whatever its name.

    Raises:
        FileNotFoundError: when `source` is neither a folder nor looks like a repository's name.
        ValueError: when there are several splits and none is called validation.
    """
    splits = split_names(source)
    if "validation" not in splits and len(splits) > 1:
        raise ValueError(
            f"{source} has the splits {', '.join(splits)} and none called validation: give a data set that has one, "
            "or a folder with the windows to validate on alone."
        )
    return load_windows(source, split="validation" if "validation" in splits else splits[0], streaming=streaming)


def open_labelled_windows(source: str | Path) -> datasets.Dataset:
    """The windows of a source that a probe may see: its validation split, or its only split, with labels.

    Raises:
        FileNotFoundError: when `source` is neither a folder nor looks like a repository's name.
        ValueError: when there are several splits and none is called validation; when there is nothing but a test
            split; when there are no labels.
    """
    splits = split_names(source)
    if splits == ["test"]:
        raise ValueError(
            f"{source} has a test split alone, and a checkpoint must not be chosen on test people: give labelled "
            "windows of other people as probe_data."
        )
    windows = open_validation_windows(source)
    if not isinstance(windows.features.get("label"), datasets.ClassLabel):
        raise ValueError(
            f"{source} has no labels to probe for: prepare it with labels (`dare-eeg prepare --help`, under labels), "
            "or leave it out of probe_data."
        )
    return windows


def split_by_subject(
    windows: datasets.Dataset, fraction: float = 0.1, seed: int = 0, subject_pattern: str | None = None
):
    """Hold out whole subjects (whole recordings, if there is only one subject) for validation.

    Subjects are people only where `subject_source` says so: files that were taken for people may share one.

    Subjects are held out in an order that their names and the seed decide, as many as fit into the share of windows
    (the one with the fewest windows, where none fits), so that one subject with most of the recordings stays in
    training. Two windows of one recording are never on both sides.

    Args:
        windows: map-style data set of windows.
        fraction: share of windows to hold out, between 0 and 1; at least one subject where there are two.
        seed: another seed draws another share.
        subject_pattern: regular expression whose first group is the person, searched in the recordings' names, where
            the column `subject` does not tell people apart.

    Returns:
        `(train, validation)`; validation is None where there is nothing to hold out.

    Raises:
        ValueError: for a fraction outside [0, 1), or rows without a subject.
    """
    if not 0 <= fraction < 1:
        raise ValueError(f"validation_fraction must be at least 0 and below 1, not {fraction}")
    if fraction == 0:
        return windows, None
    for column in ("subject", "recording"):
        owners = owners_of(windows, column, subject_pattern)
        counts = Counter(owners)
        if len(counts) > 1:
            held_out = _held_out(counts, fraction * len(owners), seed)
            validation = [row for row, owner in enumerate(owners) if owner in held_out]
            train = [row for row, owner in enumerate(owners) if owner not in held_out]
            return windows.select(train), windows.select(validation)
    return windows, None


def _held_out(counts: Counter[str], share: float, seed: int) -> set[str]:
    """Names that fit into a share of the windows, taken in an order of their own; the smallest, where none fits."""
    held_out: set[str] = set()
    for name in sorted(counts, key=lambda name: hashlib.sha256(f"{seed}/{name}".encode()).digest()):
        if sum(counts[other] for other in held_out) + counts[name] <= share + 0.5:
            held_out.add(name)
    return held_out or {min(counts, key=lambda name: (counts[name], name))}


def owners_of(windows: datasets.Dataset, column: str = "subject", subject_pattern: str | None = None) -> list[str]:
    """The subject or recording of each window, after its corpus: names are unique within a corpus only."""
    table = windows.select_columns(["corpus", "subject", "recording"]).with_format("arrow")[:]
    corpora, subjects, recordings = (table.column(name).to_pylist() for name in table.column_names)
    if subject_pattern is not None:
        people = people_of(sorted(set(recordings)), subject_pattern).of
        subjects = [people[recording] for recording in recordings]
    if missing := missing_people(subjects):
        rows = listed([f"{row} ({recordings[row]})" for row in missing])
        raise ValueError(f"the subject of {len(missing)} of {len(subjects)} windows is missing: rows {rows}")
    spelling = one_spelling(subjects)
    names = zip(corpora, (spelling[subject] for subject in subjects), strict=True)
    owners = ["/".join(map(str, name)) for name in names]
    if column == "recording":
        return [f"{owner}/{recording}" for owner, recording in zip(owners, recordings, strict=True)]
    return owners


def source_of_subjects(windows: datasets.Dataset) -> str:
    """How the subjects of a map-style data set are known, or that they are assumed; see `corpora.people`."""
    columns = [name for name in ("subject", "recording", "subject_source") if name in windows.column_names]
    table = windows.select_columns(columns).with_format("arrow")[:].to_pandas().drop_duplicates()
    sources = set(table["subject_source"]) if "subject_source" in columns else set()
    return source_of_rows(table["subject"].astype(str), table["recording"].astype(str), sources)


def content_digest(windows: datasets.Dataset) -> str:
    """Identify a set of windows by their subjects, in order, and some of the signals.

    A data set's own fingerprint changes as soon as its files are copied or touched, and reading every signal
    would take as long as an epoch.

    Args:
        windows: map-style data set of windows.

    Returns:
        16 hexadecimal digits.
    """
    names = ["corpus", "subject", "session", "recording", "onset"]
    owners = windows.select_columns(names).with_format("arrow")[:].to_pandas()
    digest = hashlib.sha256(pd.util.hash_pandas_object(owners, index=False).to_numpy().tobytes())
    signals = windows.select_columns("signal").with_format("arrow")
    for row in range(0, len(windows), max(1, len(windows) // 8)):
        digest.update(signals[row]["signal"][0].as_py())
    return digest.hexdigest()[:16]


def describe(windows: Sequence[datasets.Dataset]) -> list[dict[str, object]]:
    """What a model card says about the corpora: names, subjects, recordings, windows, hours."""
    facts = []
    for dataset in windows:
        if not hasattr(dataset, "__len__"):
            continue
        source = source_of_subjects(dataset)
        table = dataset.select_columns(["corpus", "subject", "recording"]).to_pandas()
        table["seconds"] = WindowRows([dataset]).durations()
        for corpus, rows in table.groupby("corpus"):
            facts.append(
                {
                    "name": str(corpus),
                    "subjects": int(rows["subject"].nunique()) if are_known(source) else "not known",
                    "people": statement(source),
                    "recordings": int(rows[["subject", "recording"]].drop_duplicates().shape[0]),
                    "windows": len(rows),
                    "hours": round(float(rows["seconds"].sum()) / 3600, 2),
                }
            )
    return facts


def check_trainable(
    windows: Sequence[datasets.Dataset | datasets.IterableDataset],
    config: DareEegConfig,
    crop_patches: int | None = None,
) -> list[str]:
    """Check every montage and length of some data sets of windows, without reading the signals.

    Args:
        windows: data sets to train or validate on. Of a stream only the first rows are checked.
        config: its vocabulary, rate, pre-training montage and masks.
        crop_patches: length of the pieces that are trained on; None for whole windows.

    Returns:
        Sentences on channels that are left out because they are not in the pre-training montage.

    Raises:
        ValueError: naming corpus, recording and channels, when there are windows that cannot be trained on.
    """
    left_out: dict[str, dict[str, None]] = {}
    for dataset in windows:
        rows = dataset if isinstance(dataset, datasets.Dataset) else _first_rows(dataset)
        for kind in WindowRows([rows]).kinds() if len(rows) else ():
            described = rows.select_columns(["corpus", "recording"])[kind.first]
            check_kind(kind, config, crop_patches, f"{described['corpus']} (the first in {described['recording']})")
            outside = [name for name in kind.channel_names if name not in config.pretraining_channel_names]
            left_out.setdefault(described["corpus"], {}).update(dict.fromkeys(outside))
    return [
        f"{corpus}: its channels {', '.join(names)} are not in the pre-training montage and are left out; to train "
        f"on them too, set {WHOLE_VOCABULARY}."
        for corpus, names in left_out.items()
        if names
    ]


def check_kind(kind: WindowKind, config: DareEegConfig, crop_patches: int | None, where: str) -> None:
    """Raise a ValueError where windows of this kind, the first of which is `where`, cannot be trained on."""
    windows = f"{kind.count} windows of the corpus {where}"
    if not kind.samples or kind.samples % 1:
        raise ValueError(
            f"{windows} are damaged: {kind.signal_bytes} bytes are not a whole number of samples for each of "
            f"{len(kind.channel_names)} channels. Build the windows again."
        )
    if kind.sampling_rate != config.sampling_rate:
        raise ValueError(
            f"{windows} are stored at {kind.sampling_rate:g} Hz, and the model works at {config.sampling_rate} Hz: "
            "build the windows again with the model's rate, or set sampling_rate in the model's configuration."
        )
    named = ", ".join(kind.channel_names[:NAMED_CHANNELS]) + (
        f" and {len(kind.channel_names) - NAMED_CHANNELS} more" if len(kind.channel_names) > NAMED_CHANNELS else ""
    )
    if unknown := [name for name in kind.channel_names if name not in config.channel_names]:
        raise ValueError(
            f"{windows} have channels outside the model's vocabulary: {', '.join(unknown)}. Build the windows without "
            "them, or leave the corpus out."
        )
    channels = [name for name in kind.channel_names if name in config.pretraining_channel_names]
    if not channels:
        raise ValueError(
            f"{windows} have the channels {named}, none of which is in the pre-training montage. To train on the "
            f"whole vocabulary, set {WHOLE_VOCABULARY}; or leave the corpus out."
        )
    patches = -(-int(kind.samples) // config.patch_size)
    try:
        check_that_masks_can_be_drawn(config.mask_settings, min(patches, crop_patches or patches), len(channels))
    except ValueError as error:
        cropped = " Raise crop_patches" if crop_patches and crop_patches < patches else " Cut longer windows"
        raise ValueError(f"{windows} (channels {named}): {error}{cropped}, or leave the corpus out.") from error


def _first_rows(stream: datasets.IterableDataset) -> datasets.Dataset:
    """The first rows of a stream as a data set, without labels and whatever else is not needed here."""
    return datasets.Dataset.from_list(list(islice(stream.with_format(None), STREAMED_ROWS)), features=stream.features)
