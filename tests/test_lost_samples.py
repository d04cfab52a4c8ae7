"""What looks like a signal is not taken for lost, at any rate, amplitude or resolution."""

import numpy as np

from dare_eeg_hf.lost_samples_dare_eeg import find_lost_samples
from tests.made_signals import make_signal


def test_real_looking_signal_at_any_rate_is_not_lost():
    rng = np.random.default_rng(18)
    for rate in (64, 99.97, 128, 250, 1000, 2048):
        assert find_lost_samples(make_signal(rng, rate, 20).astype(np.float32), rate) is None
    heavy_mains = make_signal(rng, 256, 20) + 300 * np.sin(2 * np.pi * 50 * np.arange(5120) / 256)
    assert find_lost_samples(heavy_mains.astype(np.float32), 256) is None
    quiet = make_signal(rng, 256, 20) / 30  # half a microvolt
    assert find_lost_samples(quiet.astype(np.float32), 256) is None


def test_a_coarse_converter_is_no_reason_to_lose_a_signal():
    rng = np.random.default_rng(19)
    for step in (0.1, 0.5, 1.0, 5.0):
        coarse = np.round(make_signal(rng, 250, 20) / step) * step
        assert find_lost_samples(coarse.astype(np.float32), 250) is None
