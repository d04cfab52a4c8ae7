"""Damage is what it says and the same for all."""

import numpy as np
import pytest

from dare_eeg_hf.evaluation.corruptions import (
    add_noise,
    interpolate_channels,
    lose_segments,
    lower_rate,
    remove_channels,
)


def random():
    return np.random.default_rng(0)


def test_removed_channels_are_gone_and_the_others_untouched(windows):
    fewer = remove_channels(windows, 0.5, random())
    assert len(fewer.channel_names) == 5
    kept = [windows.channel_names.index(name) for name in fewer.channel_names]
    np.testing.assert_array_equal(fewer.signals, windows.signals[:, kept])
    assert len(remove_channels(windows, 1.0, random()).channel_names) == 1


def test_baselines_get_the_same_channels_interpolated(windows):
    filled = interpolate_channels(windows, 0.25, random())
    kept = remove_channels(windows, 0.25, random()).channel_names
    assert filled.channel_names == windows.channel_names
    for i, name in enumerate(windows.channel_names):
        unchanged = np.allclose(filled.signals[:, i], windows.signals[:, i], atol=1e-9)
        assert unchanged == (name in kept), name
    lost = [i for i, name in enumerate(windows.channel_names) if name not in kept]
    assert filled.signals[:, lost].std() > 0


def test_noise_has_the_size_asked_for(windows):
    noise = add_noise(windows, 2.0, random()).signals - windows.signals
    ratio = noise.std(axis=-1) / windows.signals.std(axis=-1)
    assert ratio.mean() == pytest.approx(2.0, rel=0.02)


def test_lost_segments_are_one_stretch_in_all_channels(windows):
    signals = lose_segments(windows, 0.5, random()).signals
    zero = (signals == 0).all(axis=1)
    assert (zero.sum(axis=1) == windows.signals.shape[-1] // 2).all()
    assert (np.abs(np.diff(zero.astype(int), axis=1)).sum(axis=1) <= 2).all()
    assert len({row.tobytes() for row in zero}) > 1


def test_a_lower_rate_takes_out_high_frequencies_only(windows):
    low = lower_rate(windows, 64.0, random())
    assert low.signals.shape == windows.signals.shape
    before, after = (np.abs(np.fft.rfft(w.signals, axis=-1)) ** 2 for w in (windows, low))
    frequencies = np.fft.rfftfreq(windows.signals.shape[-1], 1 / windows.sampling_rate)
    assert after[..., frequencies > 40].sum() < 0.01 * before[..., frequencies > 40].sum()
    alpha = (frequencies > 8) & (frequencies < 12)
    assert after[..., alpha].sum() == pytest.approx(before[..., alpha].sum(), rel=0.05)
