"""Rows that are read fast are the rows of the data set."""

import pickle

import numpy as np
from datasets import concatenate_datasets

from dare_eeg_hf.corpora.loading import load_windows
from dare_eeg_hf.corpora.rows import WindowRows
from dare_eeg_hf.corpora.windows import decode_signal
from tests.corpora.numbered_windows import FOUR, THREE, make


def test_fast_rows_are_the_rows_of_the_data_set():
    dataset = concatenate_datasets([make(5), make(4, THREE, first=5)]).shuffle(seed=1).select(range(7))
    rows = WindowRows([make(3), dataset])
    assert len(rows) == 10
    plain = [*make(3), *dataset]
    for row, expected in zip(rows.__getitems__(range(10)), plain, strict=True):
        assert np.array_equal(row["signal"].astype(np.float32), decode_signal(expected))
        assert list(row["channel_names"]) == expected["channel_names"]
        assert row["label"] == expected["label"]
    layouts = rows.layouts()
    same = [len(row["channel_names"]) for row in plain]
    assert all((layouts[i] == layouts[j]) == (same[i] == same[j]) for i in range(10) for j in range(10))


def test_rows_travel_to_a_worker_without_their_signals(tmp_path):
    make(50, samples=4096).to_parquet(tmp_path / "train.parquet")
    rows = WindowRows([load_windows(tmp_path)])
    packed = pickle.dumps(rows)
    assert len(packed) < rows[0]["signal"].nbytes
    assert np.array_equal(pickle.loads(packed)[7]["signal"], rows[7]["signal"])


def test_rows_know_how_long_they_are():
    rows = WindowRows([make(3, FOUR, 128), make(2, THREE, 512).select([1])])
    assert rows.durations().tolist() == [0.5, 0.5, 0.5, 2.0]


def test_layouts_tell_sampling_rates_apart():
    dataset = make(4).map(lambda row, number: row | {"sampling_rate": 128.0 + number % 2}, with_indices=True)
    assert WindowRows([dataset]).layouts().tolist() == [0, 1, 0, 1]
