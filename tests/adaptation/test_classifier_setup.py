"""A classifier is set up for the electrodes of the windows."""

from dataclasses import replace

import numpy as np
import pytest

from dare_eeg_hf.adaptation.finetuning import finetune, predict_probabilities
from tests.adaptation.conftest import CHANNELS, easy_windows, quick, tiny_config


@pytest.mark.parametrize(
    ("channels", "rate", "seconds"),
    [
        (["EEG 1", "EEG 2", "EEG 3", "EEG 4"], 200.0, 1.0),  # names that say nothing
        (["Cz"], 256.0, 1.0),
        (["A", "B"], 100.0, 2.0),
        (["C3", "Cz", "C4"], 250.0, 1.5),
        (CHANNELS, 160.0, 0.9),  # no whole number of patches
        (CHANNELS, 500.0, 0.5),
    ],
)
def test_any_electrodes_rate_and_length(channels, rate, seconds, tmp_path):
    windows = easy_windows(12, channels, rate, seconds, classes=min(2, len(channels)) if len(channels) > 1 else 1)
    if len(channels) == 1:  # one channel: loud or quiet
        labels = np.arange(12) % 2
        windows = replace(windows, labels=labels, label_names=("quiet", "loud"))
        windows = windows.with_signals(windows.signals * (1 + 2 * labels[:, None, None]))
    result = finetune(tiny_config(), windows, None, quick(epochs=2, output_dir=tmp_path), progress=False)
    probabilities = predict_probabilities(result.model, result.feature_extractor, windows)
    assert probabilities.shape == (12, 2)
    np.testing.assert_allclose(probabilities.sum(1), 1)
    unnamed = not any(name in ("Cz", "C3") for name in channels)
    assert result.model.config.use_spatial_projection == unnamed
