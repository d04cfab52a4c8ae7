"""Power maps: Welch's powers, the 10-10 system on a sphere, slopes that any montage has."""

import warnings

import mne
import numpy as np
import pytest
import torch
from scipy.signal import welch
from torch._subclasses import FakeTensorMode

from dare_eeg_hf import DareEegConfig
from dare_eeg_hf.montage import CHANNEL_VOCABULARY
from dare_eeg_hf.power_maps_dare_eeg import (
    FREQUENCY_BANDS,
    HARMONICS,
    NUM_POWER_MAP_FEATURES,
    SMALLEST_POWER,
    band_powers,
    electrode_direction,
    power_maps,
    spherical_harmonics,
)

CONFIG = DareEegConfig()


def ids_of(*names: str) -> torch.Tensor:
    return torch.tensor([CHANNEL_VOCABULARY.index(name) for name in names])


def noise(count=3, channels=5, samples=1280, seed=0):
    return 0.02 * torch.randn(count, channels, samples, generator=torch.Generator().manual_seed(seed))


def maps_of(values, ids, channel_mask=None, patch_mask=None):
    """(B, K, H)"""
    return power_maps(values, ids, channel_mask, patch_mask, CONFIG).unflatten(1, (len(FREQUENCY_BANDS), -1))


@pytest.mark.parametrize("samples", [512, 1024, 1280])
def test_band_powers_are_those_of_scipy(samples):
    values = noise(samples=samples)
    found = band_powers(values, torch.ones(3, samples), 256)
    frequencies, density = welch(values.double().numpy(), 256, nperseg=512)
    for place, (low, high) in enumerate(FREQUENCY_BANDS.values()):
        inside = (frequencies >= low) & (frequencies < high)
        np.testing.assert_allclose(found[..., place], density[..., inside].mean(-1), rtol=1e-4)


@pytest.mark.parametrize("samples", [64, 320, 640, 1024])
def test_padding_at_the_end_changes_nothing(samples):
    values = noise(samples=samples)
    padded = torch.cat((values, torch.full((3, 5, 320), 7.0)), dim=-1)
    mask = (torch.arange(padded.shape[-1] // 64) < samples // 64).expand(3, -1)
    torch.testing.assert_close(
        maps_of(padded, ids_of(*"C3 CZ C4 O1 O2".split()), patch_mask=mask),
        maps_of(values, ids_of(*"C3 CZ C4 O1 O2".split())),
        rtol=1e-4,
        atol=1e-4,
    )


@pytest.mark.parametrize("samples", [192, 1024])
def test_a_stronger_rhythm_is_told_in_its_band_whatever_the_length(samples):
    time = torch.arange(samples) / 256
    values = noise(samples=samples)
    stronger = values + 0.1 * torch.sin(2 * torch.pi * 20 * time)
    ids = ids_of(*"C3 CZ C4 O1 O2".split())
    rise = (maps_of(stronger, ids) - maps_of(values, ids))[..., 0]
    beta = list(FREQUENCY_BANDS).index("beta")
    assert rise[:, beta].min() > 1
    assert rise[:, [0, 1]].abs().max() < 0.3


def test_electrodes_lie_where_the_ten_ten_system_has_them():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # names that MNE is about to change
        places = mne.channels.make_standard_montage("standard_1005").get_positions()["ch_pos"]
    places = {name.upper(): place for name, place in places.items()}
    measured = np.array([places[name] for name in CHANNEL_VOCABULARY])
    measured = measured - measured.mean(axis=0)
    found = np.array([electrode_direction(name) for name in CHANNEL_VOCABULARY])
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1)
    for axis in range(3):
        assert np.corrcoef(found[:, axis], measured[:, axis])[0, 1] > 0.97
    mirrored = found * [-1, 1, 1]
    for name, place in zip(CHANNEL_VOCABULARY, mirrored, strict=True):
        other = name if name.endswith("Z") else name[:-1] + str(int(name[-1]) + (1 if int(name[-1]) % 2 else -1))
        np.testing.assert_allclose(electrode_direction(other), place, atol=1e-12)


@pytest.mark.parametrize("name", ["A1", "M2", "T1", "E12", "EOG", "CB1", "FC", ""])
def test_other_names_have_no_place(name):
    assert electrode_direction(name) is None


def test_harmonics_can_be_told_apart_on_a_whole_cap():
    harmonics = np.array(spherical_harmonics(CHANNEL_VOCABULARY))
    assert harmonics.shape == (62, len(HARMONICS))
    assert np.isfinite(harmonics).all()
    assert np.linalg.matrix_rank(harmonics) == len(HARMONICS)


def test_a_montage_with_half_of_the_electrodes_shows_the_same_map():
    """Alpha that rises to the back and to the right is seen by 62 electrodes as by every other one."""
    directions = torch.tensor([electrode_direction(name) for name in CHANNEL_VOCABULARY])
    time = torch.arange(1024) / 256
    strength = 10 ** (0.5 * directions[:, 0] - 0.5 * directions[:, 1])
    alpha = 0.1 * strength[:, None] * torch.sin(2 * torch.pi * 10 * time)
    values = (alpha + noise(1, 62, 1024)[0])[None]
    place = list(FREQUENCY_BANDS).index("alpha")
    whole = maps_of(values, torch.arange(62))[0, place]
    half = maps_of(values[:, ::2], torch.arange(62)[::2])[0, place]
    right, front = HARMONICS.index("right"), HARMONICS.index("front")
    for found in (whole, half):
        assert found[right] > 0.3
        assert found[front] < -0.3
    torch.testing.assert_close(whole[[right, front]], half[[right, front]], atol=0.1, rtol=0)


def test_order_of_channels_and_masked_ones_do_not_matter():
    values, ids = noise(), ids_of(*"C3 CZ C4 O1 O2".split())
    order = torch.tensor([4, 2, 0, 1, 3])
    expected = maps_of(values, ids)
    torch.testing.assert_close(maps_of(values[:, order], ids[order]), expected, rtol=1e-4, atol=1e-4)
    more = torch.cat((values, 5 * noise(channels=2, seed=3)), dim=1)
    mask = torch.tensor([True] * 5 + [False] * 2).expand(3, -1)
    more_ids = torch.cat((ids, ids_of("PZ", "FZ")))
    torch.testing.assert_close(maps_of(more, more_ids, channel_mask=mask), expected, rtol=1e-4, atol=1e-4)


def test_one_electrode_has_a_mean_and_no_slopes():
    maps = maps_of(noise(channels=1), ids_of("CZ"))
    assert torch.isfinite(maps).all()
    assert maps[..., 1:].abs().max() == 0


def test_windows_without_signal_stay_finite():
    maps = maps_of(torch.zeros(2, 5, 512), torch.arange(5), patch_mask=torch.zeros(2, 8, dtype=torch.bool))
    assert torch.equal(maps[..., 0], torch.full((2, 5), np.log10(SMALLEST_POWER)))
    assert maps.flatten(1).shape == (2, NUM_POWER_MAP_FEATURES)


def test_an_electrode_whose_place_is_not_known_has_a_part_in_the_mean_alone():
    config = DareEegConfig(channel_names=["C3", "CZ", "C4", "DEPTH1"], pretraining_channel_names=["C3", "CZ"])
    values = noise(channels=4)
    bands = (len(FREQUENCY_BANDS), -1)
    whole = power_maps(values, torch.arange(4), None, None, config).unflatten(1, bands)
    without = power_maps(values[:, :3], torch.arange(3), None, None, config).unflatten(1, bands)
    torch.testing.assert_close(whole[..., 1:], without[..., 1:])
    powers = band_powers(values, torch.ones(3, 1280), 256).log10()
    torch.testing.assert_close(whole[..., 0], powers.mean(1))
    alone = power_maps(values[:, 3:], torch.tensor([3]), None, None, config).unflatten(1, bands)
    torch.testing.assert_close(alone[..., 0], powers[:, 3])
    assert alone[..., 1:].abs().max() == 0


def test_a_batch_of_mixed_montages_gives_each_what_it_has_alone():
    first, second = noise(1, 5, seed=1), noise(1, 3, seed=2)
    ids = (ids_of(*"C3 CZ C4 O1 O2".split()), ids_of("FZ", "PZ", "T7"))
    values = torch.zeros(2, 5, 1280)
    values[0], values[1, :3] = first[0], second[0]
    both_ids = torch.stack((ids[0], torch.cat((ids[1], torch.zeros(2, dtype=torch.long)))))
    mask = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    together = maps_of(values, both_ids, channel_mask=mask)
    torch.testing.assert_close(together[:1], maps_of(first, ids[0]))
    torch.testing.assert_close(together[1:], maps_of(second, ids[1]))


def test_half_precision_is_computed_in_single():
    values = noise()
    found = power_maps(values.bfloat16(), torch.arange(5), None, None, CONFIG)
    assert found.dtype == torch.float32
    expected = power_maps(values.bfloat16().float(), torch.arange(5), None, None, CONFIG)
    assert torch.equal(found, expected)
    expected = power_maps(values, torch.arange(5), None, None, CONFIG)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(power_maps(values, torch.arange(5), None, None, CONFIG), expected)


def test_bands_above_half_of_the_rate_count_as_silent():
    config = DareEegConfig(sampling_rate=64, patch_size=16, window_size=256)
    maps = power_maps(noise(samples=256), torch.arange(5), None, None, config).unflatten(1, (len(FREQUENCY_BANDS), -1))
    gamma = list(FREQUENCY_BANDS).index("gamma")
    assert torch.isfinite(maps).all()
    assert (maps[:, gamma, 0] > np.log10(SMALLEST_POWER)).all()  # 30 to 32 Hz are there
    slow = DareEegConfig(sampling_rate=50, patch_size=10, window_size=200)
    maps = power_maps(noise(samples=200), torch.arange(5), None, None, slow).unflatten(1, (len(FREQUENCY_BANDS), -1))
    assert torch.equal(maps[:, gamma, 0], torch.full((3,), np.log10(SMALLEST_POWER)))


def test_what_was_computed_under_a_tracer_is_not_kept():
    """A constant made while a graph is traced holds no numbers; calls after it must not meet it again."""
    values = noise()
    with FakeTensorMode(allow_non_fake_inputs=True):
        maps_of(values, torch.arange(5))
    assert type(maps_of(values, torch.arange(5))) is torch.Tensor
