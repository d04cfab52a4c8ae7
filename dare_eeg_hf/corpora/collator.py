"""Rows of a data set of windows -> one batch of model inputs."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from dare_eeg_hf.corpora.storage import stored_signal
from dare_eeg_hf.montage import CHANNEL_VOCABULARY
from dare_eeg_hf.signal_dare_eeg import MICROVOLTS


class WindowCollator:
    """Turn a list of rows into a batch in millivolts; shorter and narrower windows are padded and masked.

    Args:
        channel_names: the vocabulary; a channel's id is its place in it.
        patch_size: samples per patch; windows are padded to whole patches.
        electrode_names: give every window exactly these channels in exactly this order, as a learned spatial
            projection needs them. The ids then count the electrodes. By default each window keeps its channels.
        sampling_rate: what the model expects, in Hz; windows at another rate are refused. By default any rate will do.

    Example:
        >>> batch = WindowCollator()([dataset[0], dataset[1]])
        >>> batch["input_values"].shape
        torch.Size([2, 58, 1024])
    """

    def __init__(
        self,
        channel_names: Sequence[str] = CHANNEL_VOCABULARY,
        patch_size: int = 64,
        electrode_names: Sequence[str] | None = None,
        sampling_rate: float | None = None,
    ):
        self.channel_names = tuple(channel_names)
        self.patch_size = patch_size
        self.electrode_names = None if electrode_names is None else tuple(electrode_names)
        self.sampling_rate = sampling_rate
        self._ids: dict[tuple[str, ...], np.ndarray] = {}

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        """Return input_values (B, C, T) float32 in mV, channel_ids (B, C) int64, channel_mask (B, C) bool,
        patch_mask (B, N) bool, and labels (B,) int64 where every row has one.

        Raises:
            ValueError: on a channel that the vocabulary lacks, an electrode that a window lacks, windows of different
                sampling rates, or of another one than the model's.
        """
        rates = {float(row["sampling_rate"]) for row in rows}
        if len(rates) > 1:
            raise ValueError(f"one batch cannot mix windows at {sorted(rates)} Hz; resample, or batch them separately")
        if self.sampling_rate is not None and rates != {float(self.sampling_rate)}:
            raise ValueError(
                f"the windows are stored at {rates.pop():g} Hz, but the model works at {self.sampling_rate:g} Hz; cut "
                f"them again with sampling_rate {self.sampling_rate:g}, or configure the model for their rate"
            )
        signals, ids = zip(*(self._channels(row) for row in rows), strict=True)
        channels = np.array([signal.shape[0] for signal in signals])
        samples = np.array([signal.shape[1] for signal in signals])
        patches = -(-samples // self.patch_size)
        shape = (len(rows), channels.max(), patches.max() * self.patch_size)
        complete = (channels == shape[1]).all() and (samples == shape[2]).all()
        # NumPy asks for huge memory pages and torch does not: that alone makes reading twice as fast.
        input_values = torch.from_numpy((np.empty if complete else np.zeros)(shape, dtype=np.float32))
        channel_ids = np.zeros(shape[:2], dtype=np.int64)
        with warnings.catch_warnings():
            # The signals are views of a read-only file; they are only copied from.
            warnings.filterwarnings("ignore", message=".*not writable.*")
            for number, (place, signal) in enumerate(zip(input_values.unbind(), signals, strict=True)):
                (place if complete else place[: len(signal), : signal.shape[1]]).copy_(torch.from_numpy(signal))
                channel_ids[number, : len(signal)] = ids[number]
        for number, row in enumerate(rows):
            if row["unit"] != "mV":
                input_values[number] *= MICROVOLTS[row["unit"]] / MICROVOLTS["mV"]
        batch = {
            "input_values": input_values,
            "channel_ids": torch.from_numpy(channel_ids),
            "channel_mask": torch.from_numpy(np.arange(shape[1]) < channels[:, None]),
            "patch_mask": torch.from_numpy(np.arange(patches.max()) < patches[:, None]),
        }
        labels = [row.get("label") for row in rows]
        if None not in labels:
            batch["labels"] = torch.tensor(labels, dtype=torch.long)
        return batch

    def _channels(self, row: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
        """The stored signal (C, T) of one row and the ids (C,) of its channels."""
        signal, names = stored_signal(row), tuple(row["channel_names"])
        if self.electrode_names is None:
            return signal, self._vocabulary_ids(names)
        if names != self.electrode_names:
            missing = [name for name in self.electrode_names if name not in names]
            if missing:
                raise ValueError(f"a window of {row.get('recording', 'the data set')} lacks {', '.join(missing)}")
            signal = signal[[names.index(name) for name in self.electrode_names]]
        return signal, np.arange(len(self.electrode_names))

    def _vocabulary_ids(self, names: tuple[str, ...]) -> np.ndarray:
        if names not in self._ids:
            unknown = [name for name in names if name not in self.channel_names]
            if unknown:
                raise ValueError(
                    f"{', '.join(unknown)} is outside the channel vocabulary; "
                    "give electrode_names and train a spatial projection, or build the data set without it"
                )
            self._ids[names] = np.array([self.channel_names.index(name) for name in names])
        return self._ids[names]
