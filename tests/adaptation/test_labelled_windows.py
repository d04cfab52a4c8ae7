"""Labelled windows from rows and from each other: what belongs together stays together, in the memory of one copy."""

import tracemalloc
from contextlib import contextmanager

import numpy as np
import pytest
from datasets import Dataset, concatenate_datasets

from dare_eeg_hf.adaptation.labelled_windows import LabelledWindows
from dare_eeg_hf.corpora.windows import windows_table
from tests.adaptation.conftest import easy_windows


def rows(count, channels=("C3", "CZ", "C4"), samples=64, first=0):
    """Rows of a prepared data set; the signal of a channel is its window's number plus a tenth of its place."""
    places = np.arange(len(channels))[:, None] / 10
    signals = np.arange(first, first + count)[:, None, None] + places + np.zeros(samples)
    return Dataset(
        windows_table(
            signals.astype(np.float32),
            channel_names=channels,
            onsets=np.arange(count),
            subject="S1",
            recording="r",
            corpus="a",
            labels=[("x", "y")[i % 2] for i in range(count)],
            label_names=("x", "y"),
        )
    )


@contextmanager
def peak_memory():
    """`with peak_memory() as peak:` appends the bytes that arrays took at most beside what was there."""
    peak = []
    tracemalloc.start()
    yield peak
    peak.append(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()


def test_rows_become_windows_on_common_channels_and_unlabelled_ones_are_left_out():
    unlabelled = [{**row, "label": label} for row, label in zip(rows(2, first=2), (None, -1), strict=True)]
    dataset = [*rows(2), *unlabelled, *rows(2, ("C4", "FZ", "C3"), first=4)]
    windows = LabelledWindows.from_rows(dataset, parts=["train"] * 2 + ["none"] * 2 + ["test"] * 2)
    assert windows.channel_names == ("C3", "C4")
    np.testing.assert_allclose(windows.signals[:, :, 0], [[0, 0.2], [1, 1.2], [4.2, 4], [5.2, 5]], atol=0.01)
    assert windows.parts.tolist() == ["train", "train", "test", "test"]
    with pytest.raises(ValueError, match=r"different lengths: \[32, 64\]"):
        LabelledWindows.from_rows(concatenate_datasets([rows(2), rows(2, samples=32)]))


def test_a_prepared_data_set_keeps_the_part_of_each_row(tmp_path):
    for name, first in (("test", 3), ("train", 0)):
        rows(3, first=first).to_parquet(tmp_path / f"{name}-00000-of-00001.parquet")
    windows = LabelledWindows.from_folder(tmp_path)
    parts = {
        round(float(signal[0, 0])): str(part) for signal, part in zip(windows.signals, windows.parts, strict=True)
    }
    assert parts == {0: "train", 1: "train", 2: "train", 3: "test", 4: "test", 5: "test"}
    assert windows.label_names == ("x", "y")


def test_reading_rows_takes_the_memory_of_their_windows_once():
    dataset = rows(400, samples=2560)
    with peak_memory() as peak:
        windows = LabelledWindows.from_rows(dataset)
    assert peak[0] < 1.3 * windows.signals.nbytes


def test_joining_takes_the_memory_of_the_result_once():
    parts = [LabelledWindows.from_rows(rows(40, samples=2560)) for _ in range(10)]
    with peak_memory() as peak:
        windows = LabelledWindows.concatenate(parts)
    assert peak[0] < 1.3 * windows.signals.nbytes
    with pytest.raises(ValueError, match="different lengths"):
        LabelledWindows.concatenate([parts[0], LabelledWindows.from_rows(rows(2))])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_no_number_is_named(value):
    signals = np.zeros((3, 2, 8), dtype=np.float32)
    signals[1, 1, 4] = value
    with pytest.raises(ValueError, match="window 1, channel Cz contains NaN or infinity"):
        LabelledWindows.from_arrays(signals, [0, 1, 0], channel_names=["C3", "Cz"], sampling_rate=256, unit="mV")


def test_windows_survive_saving(tmp_path):
    windows = easy_windows(6)
    windows.save(tmp_path / "w.npz")
    again = LabelledWindows.load(tmp_path / "w.npz")
    assert again.fingerprint() == windows.fingerprint()
    assert again.label_names == windows.label_names
    np.testing.assert_array_equal(again.subjects, windows.subjects)
    assert list(tmp_path.iterdir()) == [tmp_path / "w.npz"]
