"""Windows that can be told apart by their first value."""

import numpy as np
from datasets import Dataset

from dare_eeg_hf.corpora.windows import windows_table

FOUR, THREE = ("FP1", "CZ", "OZ", "O2"), ("C3", "CZ", "C4")


def make(count, channels=FOUR, samples=128, corpus="a", first=0, labels=("x", "y"), unit="mV"):
    """Windows whose first value is their number: whoever reads them can tell which one it was."""
    signals = np.random.default_rng(count).normal(0, 0.02, (count, len(channels), samples)).astype(np.float32)
    signals[:, 0, 0] = np.arange(first, first + count)
    return Dataset(
        windows_table(
            signals,
            channel_names=channels,
            onsets=np.arange(count),
            subject="S1",
            recording="r",
            corpus=corpus,
            unit=unit,
            labels=[labels[i % len(labels)] for i in range(count)] if labels else None,
            label_names=labels,
        )
    )
