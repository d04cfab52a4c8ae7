"""Data sets of windows -> batches for training, in an order that depends on nothing but the seed and the epoch."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from datasets import (
    Dataset,
    DatasetDict,
    IterableDataset,
    IterableDatasetDict,
    get_dataset_split_names,
    load_dataset,
)
from torch.utils.data import DataLoader

from dare_eeg_hf.checkpoints import may_be_on_hub
from dare_eeg_hf.corpora.collator import WindowCollator
from dare_eeg_hf.corpora.rows import WindowRows, check_columns
from dare_eeg_hf.corpora.streaming import WindowStream

__all__ = ["WindowCollator", "batch_plan", "load_windows", "split_names", "training_dataloader"]


def split_names(source: str | Path) -> list[str]:
    """The splits of a data set of windows, such as train and test.

    Args:
        source: folder with Parquet files, or `owner/name` on the Hub.

    Raises:
        FileNotFoundError: if `source` is neither a folder nor the name of a repository.
    """
    _check_source(source)
    return get_dataset_split_names(str(source))


def load_windows(source: str | Path, split: str | None = None, streaming: bool = False) -> Dataset | IterableDataset:
    """Open a data set of windows: a folder that a build wrote, or a repository of the Hub.

    Args:
        source: folder with Parquet files, or `owner/name` on the Hub.
        split: which split; may be left out where there is only one. `"train+validation"` joins two.
        streaming: read while training instead of keeping an Arrow copy in the cache.

    Raises:
        FileNotFoundError: if `source` is neither a folder nor the name of a repository.
        ValueError: if there are several splits and none is named, or the columns are not those of windows.
    """
    _check_source(source)
    windows = load_dataset(str(source), split=split, streaming=streaming)
    if isinstance(windows, DatasetDict | IterableDatasetDict):
        if len(windows) > 1:
            raise ValueError(f"{source} has the splits {', '.join(windows)}: name one with split=")
        windows = next(iter(windows.values()))
    if windows.column_names is not None:
        check_columns(windows.column_names)
    return windows


def _check_source(source: str | Path) -> None:
    if not Path(source).is_dir() and not may_be_on_hub(source):
        raise FileNotFoundError(f"{source} is neither a folder nor a repository name of the form owner/name")


def training_dataloader(
    datasets: Dataset | IterableDataset | Sequence[Dataset | IterableDataset],
    *,
    weights: Sequence[float] | None = None,
    batch_size: int,
    collator: WindowCollator,
    seed: int,
    epoch: int = 0,
    start_batch: int = 0,
    rank: int = 0,
    world_size: int = 1,
    num_workers: int = 0,
    shuffle: bool = True,
    group_by_montage: bool = True,
    drop_last: bool = True,
) -> DataLoader:
    """Batches of one epoch for one process.

    The order is a pure function of `(seed, epoch)`: neither the number of workers nor an interruption changes it, and
    calling again with `start_batch=k` goes on exactly where batch `k` would have come. The processes of one run get
    disjoint batches and equally many of them.

    Map-style data sets are read at random from memory-mapped files by all workers. Streams are shuffled by file and in
    a buffer; since their order must not depend on the workers, a stream is read by one worker at most, every process
    reads the whole stream and keeps its share, and resuming reads again what was skipped.

    Args:
        datasets: one data set or several.
        weights: share of each data set in the batches; an epoch is then as long as all of them together, and a data
            set is seen several times or in part. By default every window is seen once.
        batch_size: windows per process and step.
        collator: rows -> batch.
        seed: of the order.
        epoch: each has its own order.
        start_batch: how many batches to leave out at the start.
        rank: number of this process.
        world_size: how many processes there are.
        num_workers: worker processes that read ahead.
        shuffle: off keeps the order of the data sets (with `group_by_montage=False`, or a single montage).
        group_by_montage: only put windows of the same channels and length into one batch, so that nothing is padded.
            Montages with too few windows to fill a step share padded batches.
        drop_last: leave out what does not fill a batch; another part in each epoch. Off, montages share no batch, and
            only rows that cannot be shared out equally between several processes are left out.

    Raises:
        ValueError: if there is no batch, or the weights do not fit the data sets.
    """
    datasets = [datasets] if isinstance(datasets, Dataset | IterableDataset) else list(datasets)
    if weights is not None and (len(weights) != len(datasets) or min(weights) < 0 or sum(weights) <= 0):
        raise ValueError(f"{len(datasets)} data sets need as many weights, none negative, not all zero: got {weights}")
    # Its own generator: otherwise each new iterator would draw from, and so change, the global random state.
    common = {"num_workers": num_workers, "generator": torch.Generator().manual_seed(seed)}
    common["pin_memory"] = torch.cuda.is_available()
    if any(isinstance(dataset, IterableDataset) for dataset in datasets):
        stream = WindowStream(
            datasets,
            weights=weights,
            batch_size=batch_size,
            collator=collator,
            seed=seed,
            epoch=epoch,
            start_batch=start_batch,
            rank=rank,
            world_size=world_size,
            shuffle=shuffle,
            group_by_montage=group_by_montage,
            drop_last=drop_last,
        )
        return DataLoader(stream, batch_size=None, **common | {"num_workers": min(num_workers, 1)})
    rows = WindowRows(datasets)
    plan = batch_plan(
        [len(dataset) for dataset in datasets],
        weights=weights,
        layouts=rows.layouts() if group_by_montage else None,
        batch_size=batch_size,
        seed=seed,
        epoch=epoch,
        rank=rank,
        world_size=world_size,
        shuffle=shuffle,
        drop_last=drop_last,
    )
    if not plan:
        raise ValueError(
            f"{len(rows)} windows give no batch of {batch_size} for each of {world_size} processes; "
            "lower the batch size, or pass drop_last=False"
        )
    return DataLoader(rows, batch_sampler=plan[start_batch:], collate_fn=collator, **common)


def batch_plan(
    lengths: Sequence[int],
    *,
    batch_size: int,
    seed: int,
    epoch: int = 0,
    weights: Sequence[float] | None = None,
    layouts: np.ndarray | None = None,
    rank: int = 0,
    world_size: int = 1,
    shuffle: bool = True,
    drop_last: bool = True,
) -> list[np.ndarray]:
    """Row numbers of every batch of one epoch and process; data sets of the given lengths count on after each other.

    With `layouts`, one number per row, a batch holds rows of one layout only, and at each step every process has the
    same layout; except for those with too few rows for a step, which share batches (with `drop_last`).
    """
    rng = np.random.default_rng([seed, epoch])
    rows = _rows_of_epoch(lengths, weights, rng, shuffle)
    fewest = batch_size * world_size if drop_last else 1
    groups = [rows] if layouts is None else _groups_by_layout(rows, layouts[rows], fewest)
    batches = [batch for group in groups for batch in _shared_batches(group, batch_size, rank, world_size, drop_last)]
    order = rng.permutation(len(batches)) if shuffle else range(len(batches))
    return [batches[number] for number in order]


def _groups_by_layout(rows: np.ndarray, layouts: np.ndarray, fewest: int) -> list[np.ndarray]:
    """Rows separated by layout, those of layouts with fewer than `fewest` together at the end."""
    numbers, counts = np.unique(layouts, return_counts=True)
    groups = [rows[layouts == number] for number in numbers[counts >= fewest]]
    return [*groups, rows[np.isin(layouts, numbers[counts < fewest])]]


def _rows_of_epoch(
    lengths: Sequence[int], weights: Sequence[float] | None, rng: np.random.Generator, shuffle: bool
) -> np.ndarray:
    """Row numbers in the order in which the epoch goes through them."""
    starts = np.cumsum([0, *lengths])
    wanted = list(lengths)
    if weights is not None:
        ends = np.rint(np.cumsum(weights) / np.sum(weights) * sum(lengths)).astype(int)
        wanted = np.diff(ends, prepend=0).tolist()
    parts = []
    for start, length, count in zip(starts, lengths, wanted, strict=False):
        if length == 0 and count:
            raise ValueError("a data set without windows cannot have a weight")
        passes = [
            rng.permutation(length) if shuffle else np.arange(length) for _ in range(-(-count // max(length, 1)))
        ]
        parts.append(start + np.concatenate([np.zeros(0, np.int64), *passes])[:count])
    rows = np.concatenate(parts)
    return rng.permutation(rows) if shuffle else rows


def _shared_batches(
    rows: np.ndarray, batch_size: int, rank: int, world_size: int, drop_last: bool
) -> Iterator[np.ndarray]:
    """Cut rows into steps of `world_size` batches and yield this process's batch of each step."""
    step = batch_size * world_size
    for start in range(0, len(rows), step):
        rows_of_step = rows[start : start + step]
        share = len(rows_of_step) // world_size
        if share == batch_size or (share and not drop_last):
            yield rows_of_step[rank * share : (rank + 1) * share]
