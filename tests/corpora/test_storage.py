"""How windows are stored: small, without loss that matters, and readable without the package."""

import io

import numpy as np
import pyarrow.parquet as pq
import pytest
from datasets import Dataset

from dare_eeg_hf.corpora.parts import table_writer
from dare_eeg_hf.corpora.windows import decode_signal, windows_table
from dare_eeg_hf.montage import PRETRAINING_CHANNELS


@pytest.mark.parametrize("scale", [1e-3, 1e-2, 1.0, 50.0])
def test_storage_loses_less_than_a_thousandth_of_the_amplitude(scale):
    signals = np.random.default_rng(0).normal(0, scale, (3, 58, 1024)).astype(np.float32)
    rows = Dataset(_table(signals))
    for row, signal in zip(rows, signals, strict=True):
        decoded = decode_signal(row)
        assert decoded.dtype == np.float32
        lost = np.abs(decoded - signal).max(axis=1) / np.abs(signal).max(axis=1)
        assert 0 < lost.max() <= 1e-3


def test_a_window_of_58_channels_takes_at_most_120_kilobytes():
    signals = np.random.default_rng(0).normal(0, 0.02, (64, 58, 1024)).astype(np.float32)
    table = _table(signals)
    file = io.BytesIO()
    with table_writer(file, table.schema) as writer:
        writer.write_table(table)
    assert table.nbytes / 64 < 120_000
    assert file.tell() / 64 < 120_000
    assert pq.read_table(io.BytesIO(file.getvalue())).equals(table)


def test_a_row_says_all_that_is_needed_to_read_it_without_the_package():
    signals = np.random.default_rng(1).normal(0, 0.02, (1, 58, 1024)).astype(np.float32)
    row = Dataset(_table(signals))[0]
    plain = np.frombuffer(row["signal"], row["signal_dtype"]).reshape(row["n_channels"], -1).astype("float32")
    assert np.array_equal(plain, decode_signal(row))
    assert row["unit"] == "mV"
    assert row["sampling_rate"] == 256
    assert row["channel_names"] == list(PRETRAINING_CHANNELS)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e6])
def test_what_cannot_be_stored_is_an_error_that_names_the_channel(value):
    signals = np.zeros((1, 58, 64), np.float32)
    signals[0, 4, 10] = value
    with pytest.raises(ValueError, match="channel number 4"):
        _table(signals)


def test_a_label_outside_the_declared_classes_is_an_error():
    with pytest.raises(ValueError, match=r"'flying'.*declared classes rest, task"):
        _table(np.zeros((1, 58, 64)), labels=["flying"], label_names=["rest", "task"])
    with pytest.raises(ValueError, match="need as many labels"):
        _table(np.zeros((1, 58, 64)), label_names=["rest", "task"])


def test_another_storage_form_is_refused():
    row = Dataset(_table(np.zeros((1, 58, 64))))[0] | {"signal_dtype": "float64"}
    with pytest.raises(ValueError, match="float64"):
        decode_signal(row)


def _table(signals, **options):
    onsets = np.arange(len(signals)) * 4.0
    return windows_table(
        signals, channel_names=PRETRAINING_CHANNELS, onsets=onsets, subject="S1", recording="r", corpus="c", **options
    )
