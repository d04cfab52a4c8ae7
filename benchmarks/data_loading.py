"""How fast windows come into torch: `training_dataloader` beside an np.memmap of float32, and the forms of storage.

    python benchmarks/data_loading.py                 # random batches: ours against the floor, in turn, best of each
    python benchmarks/data_loading.py --formats       # the table behind the choice of storage

Both sides read the same random batches of 58 x 1024 windows from files in the page cache, one process, one thread.
The floor is what no format can beat: an uncompressed float32 array that is already in the model's form.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from datasets import load_dataset

from dare_eeg_hf.corpora.loading import WindowCollator, load_windows, training_dataloader
from dare_eeg_hf.corpora.parts import ROWS_PER_GROUP, table_writer, write_groups
from dare_eeg_hf.corpora.windows import windows_table
from dare_eeg_hf.montage import PRETRAINING_CHANNELS

SHAPE = (len(PRETRAINING_CHANNELS), 1024)


def make_windows(count: int) -> np.ndarray:
    """Smooth noise of 20 uV in millivolts, (count, 58, 1024) float32."""
    white = np.random.default_rng(0).normal(size=(count, SHAPE[0], SHAPE[1] + 3)).astype(np.float32)
    return 0.02 * (white[..., :-3] + white[..., 1:-2] + white[..., 2:-1] + white[..., 3:]) / 2


def compare_with_memmap(folder: Path, windows: np.ndarray, batch_size: int, repeats: int) -> None:
    """Print windows per second of both sides, measured in turn."""
    np.save(folder / "floor.npy", windows)
    floor = np.load(folder / "floor.npy", mmap_mode="r")
    (folder / "set").mkdir()
    table = _table(windows)
    with table_writer(folder / "set" / "train-00000-of-00001.parquet", table.schema) as writer:
        write_groups(writer, [table])
    stored = load_windows(folder / "set")
    stream = load_windows(folder / "set", streaming=True)
    collator = WindowCollator()

    def floor_batches(epoch: int) -> Iterator[torch.Tensor]:
        order = np.random.default_rng(epoch).permutation(len(floor))
        for start in range(0, len(order) - batch_size + 1, batch_size):
            yield torch.from_numpy(floor[order[start : start + batch_size]])

    def our_batches(source, epoch: int) -> Iterator[torch.Tensor]:
        for batch in training_dataloader(source, batch_size=batch_size, collator=collator, seed=0, epoch=epoch):
            yield batch["input_values"]

    sides: dict[str, Callable[[int], Iterator[torch.Tensor]]] = {
        "np.memmap float32 (floor)": floor_batches,
        "training_dataloader": partial(our_batches, stored),
        "training_dataloader, streaming": partial(our_batches, stream),
    }
    speeds: dict[str, list[float]] = {name: [] for name in sides}
    for epoch in range(repeats):
        for name, batches in sides.items():
            count = 0
            start = time.perf_counter()
            # As in training, one batch is still alive while the next one is read.
            for batch in batches(epoch):
                count += len(batch)
            speeds[name].append(count / (time.perf_counter() - start))
    best = {name: max(values) for name, values in speeds.items()}
    median = {name: float(np.median(values)) for name, values in speeds.items()}
    print(f"{len(windows)} windows of {SHAPE[0]} x {SHAPE[1]}, batches of {batch_size}, {repeats} rounds in turn")
    print(f"{'':34}{'best/s':>10}{'median/s':>10}{'of floor (median)':>20}")
    for name in sides:
        share = median[name] / median["np.memmap float32 (floor)"]
        print(f"{name:34}{best[name]:>10.0f}{median[name]:>10.0f}{share:>20.2f}")


def compare_formats(folder: Path, windows: np.ndarray, batch_size: int) -> None:
    """Print what each form of storage costs: bytes, speed, and what it loses of the amplitude."""
    count = len(windows)
    peak = np.abs(windows).max(axis=-1, keepdims=True)
    int16 = np.rint(windows / (peak / 32767)).astype(np.int16)
    float16 = windows.astype(np.float16)
    lost = {
        "int16": float((np.abs(int16 * (peak / 32767) - windows) / peak).max()),
        "float16": float((np.abs(float16.astype(np.float32) - windows) / peak).max()),
        "float32": 0.0,
    }
    forms = {
        "float32, list": (_lists(windows), "float32"),
        "float16, list": (_lists(float16), "float16"),
        "int16, list": (_lists(int16), "int16"),
        "float32, binary": (pa.array([window.tobytes() for window in windows]), "float32"),
        "int16, binary": (pa.array([window.tobytes() for window in int16]), "int16"),
        "float16, binary (chosen)": (pa.array([window.tobytes() for window in float16]), "float16"),
    }
    print(f"{'form':28}{'kB/window':>10}{'write/s':>9}{'load/s':>9}{'read/s':>9}{'lost':>10}")
    order = np.random.default_rng(0).permutation(count)
    for name, (column, dtype) in forms.items():
        place = folder / name.replace(" ", "_").replace(",", "")
        place.mkdir()
        table = pa.table({"signal": column})
        start = time.perf_counter()
        pq.write_table(
            table, place / "a.parquet", compression="none", use_dictionary=False, row_group_size=ROWS_PER_GROUP
        )
        written = time.perf_counter() - start
        start = time.perf_counter()
        rows = load_dataset(str(place), split="train", cache_dir=str(place / "cache")).with_format("arrow")
        loaded = time.perf_counter() - start
        start = time.perf_counter()
        for first in range(0, count - batch_size + 1, batch_size):
            signals = rows[order[first : first + batch_size]]["signal"]
            _batch(signals, dtype)
        read = time.perf_counter() - start
        size = (place / "a.parquet").stat().st_size / count / 1000
        print(
            f"{name:28}{size:>10.1f}{count / written:>9.0f}{count / loaded:>9.0f}{count / read:>9.0f}"
            f"{lost[dtype]:>10.2e}"
        )


def _lists(values: np.ndarray) -> pa.ListArray:
    offsets = pa.array(np.arange(len(values) + 1, dtype=np.int32) * values[0].size)
    return pa.ListArray.from_arrays(offsets, pa.array(values.reshape(-1)))


def _batch(signals: pa.ChunkedArray, dtype: str) -> torch.Tensor:
    """Signals (B, C, T) float32 out of the Arrow buffers. (int16 still lacks its scales: one pass more.)"""
    batch = torch.from_numpy(np.empty((len(signals), *SHAPE), dtype=np.float32))
    place = 0
    for chunk in signals.chunks:
        offsets = np.frombuffer(chunk.buffers()[1], np.int32)[chunk.offset : chunk.offset + len(chunk) + 1]
        if pa.types.is_binary(chunk.type):
            values = np.frombuffer(chunk.buffers()[2], np.uint8)[offsets[0] : offsets[-1]].view(dtype)
        else:
            values = chunk.values.to_numpy()[offsets[0] : offsets[-1]]
        batch[place : place + len(chunk)] = torch.tensor(values).view(len(chunk), *SHAPE)
        place += len(chunk)
    return batch


def _table(windows: np.ndarray) -> pa.Table:
    return windows_table(
        windows,
        channel_names=PRETRAINING_CHANNELS,
        onsets=4.0 * np.arange(len(windows)),
        subject="S001",
        recording="S001R01.edf",
        corpus="benchmark",
    )


def main() -> None:
    """Parse the command line and run one of the two comparisons."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=int, default=2000, help="how many windows of 58 x 1024 (237 kB each)")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--formats", action="store_true", help="compare forms of storage instead")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    windows = make_windows(arguments.windows)
    with tempfile.TemporaryDirectory() as folder:
        if arguments.formats:
            compare_formats(Path(folder), windows, arguments.batch_size)
        else:
            compare_with_memmap(Path(folder), windows, arguments.batch_size, arguments.repeats)


if __name__ == "__main__":
    main()
