"""Batches out of streams of windows, without a copy on the disk."""

from collections import defaultdict, deque
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from datasets import Dataset, IterableDataset

from dare_eeg_hf.corpora.collator import WindowCollator
from dare_eeg_hf.corpora.rows import Row, TableRows, same_labels

READ_ROWS = 128
BUFFER_ROWS = 1024
OPEN_FILES = 4
"""Rows of one recording lie side by side in a file: reading several files at once mixes recordings."""


class WindowStream(torch.utils.data.IterableDataset):
    """Yields the collated batches of one epoch and process; the arguments are those of `training_dataloader`.

    Without weights the data sets take turns, row by row, until each has ended. With weights each row comes from a data
    set drawn at random; one that has ended starts again, and the epoch ends when each has ended once.
    """

    def __init__(
        self,
        datasets: Sequence[Dataset | IterableDataset],
        *,
        weights: Sequence[float] | None,
        batch_size: int,
        collator: WindowCollator,
        seed: int,
        epoch: int,
        start_batch: int,
        rank: int,
        world_size: int,
        shuffle: bool,
        group_by_montage: bool,
        drop_last: bool,
    ):
        self.datasets = [
            dataset.to_iterable_dataset() if isinstance(dataset, Dataset) else dataset for dataset in datasets
        ]
        self.weights, self.batch_size, self.collator = weights, batch_size, collator
        self.seed, self.epoch, self.start_batch = seed, epoch, start_batch
        self.rank, self.world_size = rank, world_size
        self.shuffle, self.group_by_montage, self.drop_last = shuffle, group_by_montage, drop_last
        self.labelled = same_labels(datasets)

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        step: list[list[Row]] = []
        number = 0
        for batch in self._batches():
            step.append(batch)
            # A process only gets its batch once every other one has its own: all end after the same number of steps.
            if len(step) == self.world_size:
                if number >= self.start_batch:
                    yield self.collator(step[self.rank])
                number += 1
                step = []

    def _batches(self) -> Iterator[list[Row]]:
        """The batches of all processes, in turn."""
        waiting: dict[tuple, list[Row]] = defaultdict(list)
        filled: set[tuple] = set()
        for row in self._rows():
            layout = (row["channel_names"], row["signal"].shape[1]) if self.group_by_montage else ()
            waiting[layout].append(row)
            if len(waiting[layout]) == self.batch_size:
                filled.add(layout)
                yield waiting.pop(layout)
        if not self.drop_last:
            yield from waiting.values()
            return
        # Montages with less than a batch share padded ones; otherwise they would never be seen, in no epoch.
        rare = [row for layout, rows in waiting.items() if layout not in filled for row in rows]
        for start in range(0, len(rare) - self.batch_size + 1, self.batch_size):
            yield rare[start : start + self.batch_size]

    def _rows(self) -> Iterator[Row]:
        """The mixed rows of all data sets."""
        rng = np.random.default_rng([self.seed, self.epoch])
        passes = [0] * len(self.datasets)
        rows = [self._read(number, 0) for number in range(len(self.datasets))]
        running = {number for number in range(len(rows)) if self.weights is None or self.weights[number] > 0}
        turn = -1
        while running:
            if self.weights is None:
                turn = min((number for number in running if number > turn), default=min(running))
            else:
                turn = int(rng.choice(len(rows), p=np.asarray(self.weights) / np.sum(self.weights)))
            row = next(rows[turn], None)
            if row is None:
                running.discard(turn)
                if self.weights is not None and running:
                    passes[turn] += 1
                    rows[turn] = self._read(turn, passes[turn])
                continue
            yield row

    def _read(self, number: int, passes: int) -> Iterator[Row]:
        """One data set from its start; shuffled, its files come in another order and its rows through a buffer."""
        dataset = self.datasets[number].with_format("arrow")
        if not self.shuffle:
            for table in dataset.iter(batch_size=READ_ROWS):
                yield from self._unlabelled(TableRows(table))
            return
        rng = np.random.default_rng([self.seed, self.epoch, number, passes])
        files = [dataset.shard(dataset.num_shards, int(index)) for index in rng.permutation(dataset.num_shards)]
        buffer: list[Row] = []
        for table in _take_turns([iter(file.iter(batch_size=READ_ROWS)) for file in files], OPEN_FILES):
            for row in self._unlabelled(TableRows(table)):
                # A view would keep the whole table alive for one row of it.
                buffer.append(row | {"signal": row["signal"].copy()})
                if len(buffer) > BUFFER_ROWS:
                    place = int(rng.integers(len(buffer)))
                    buffer[place], buffer[-1] = buffer[-1], buffer[place]
                    yield buffer.pop()
        yield from (buffer[place] for place in rng.permutation(len(buffer)))

    def _unlabelled(self, rows: TableRows) -> Iterator[Row]:
        """The rows of a table; without their labels where those mean different classes in different data sets."""
        for place in range(len(rows)):
            yield rows[place] if self.labelled else rows[place] | {"label": None}


def _take_turns(sources: list[Iterator], at_once: int) -> Iterator:
    """One item of each of the first `at_once` sources in turn; where one ends, the next one takes its place."""
    waiting, running = deque(sources), deque()
    while waiting or running:
        while waiting and len(running) < at_once:
            running.append(waiting.popleft())
        source = running.popleft()
        for item in source:
            yield item
            running.append(source)
            break
