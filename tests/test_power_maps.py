"""Power maps: Welch's powers, slopes that any montage has, covariances of the scalp's components."""

import numpy as np
import pytest
import torch
from scipy.signal import csd, welch
from torch._subclasses import FakeTensorMode

from dare_eeg_hf import DareEegConfig
from dare_eeg_hf.montage import CHANNEL_VOCABULARY
from dare_eeg_hf.power_maps_dare_eeg import (
    COVARIANCE_NAMES,
    FREQUENCY_BANDS,
    NUM_POWER_MAP_FEATURES,
    POWER_MAP_NAMES,
    POWER_NAMES,
    SHRINKAGE,
    SMALLEST_POWER,
    band_covariances,
    band_powers,
    bands_of_segments,
    log_cholesky,
    power_maps,
    segment_spectra,
)
from dare_eeg_hf.scalp_harmonics_dare_eeg import HARMONICS, electrode_direction

CONFIG = DareEegConfig()


def ids_of(*names: str) -> torch.Tensor:
    return torch.tensor([CHANNEL_VOCABULARY.index(name) for name in names])


def noise(count=3, channels=5, samples=1280, seed=0):
    return 0.02 * torch.randn(count, channels, samples, generator=torch.Generator().manual_seed(seed))


def maps_of(values, ids, channel_mask=None, patch_mask=None, config=CONFIG):
    """(B, K, H)"""
    found = power_maps(values, ids, channel_mask, patch_mask, config)[:, : len(POWER_NAMES)]
    return found.unflatten(1, (len(FREQUENCY_BANDS), -1))


def covariances_of(values, ids, channel_mask=None, patch_mask=None, config=CONFIG):
    """(B, K, H * (H + 1) / 2)"""
    found = power_maps(values, ids, channel_mask, patch_mask, config)[:, len(POWER_NAMES) :]
    return found.unflatten(1, (len(FREQUENCY_BANDS), -1))


def welch_powers(values, sampling_rate=256):
    """(B, C, K)"""
    spectra = segment_spectra(values, torch.ones(len(values), values.shape[-1]), sampling_rate)
    return band_powers(spectra, bands_of_segments(sampling_rate))


@pytest.mark.parametrize("samples", [512, 1024, 1280])
def test_band_powers_are_those_of_scipy(samples):
    values = noise(samples=samples)
    found = welch_powers(values)
    frequencies, density = welch(values.double().numpy(), 256, nperseg=512)
    for place, (low, high) in enumerate(FREQUENCY_BANDS.values()):
        inside = (frequencies >= low) & (frequencies < high)
        np.testing.assert_allclose(found[..., place], density[..., inside].mean(-1), rtol=1e-4)


@pytest.mark.parametrize("samples", [64, 320, 640, 1024])
def test_padding_at_the_end_changes_nothing(samples):
    values = noise(samples=samples)
    padded = torch.cat((values, torch.full((3, 5, 320), 7.0)), dim=-1)
    mask = (torch.arange(padded.shape[-1] // 64) < samples // 64).expand(3, -1)
    ids = ids_of(*"C3 CZ C4 O1 O2".split())
    found = power_maps(padded, ids, None, mask, CONFIG)
    torch.testing.assert_close(found, power_maps(values, ids, None, None, CONFIG), rtol=1e-4, atol=1e-4)


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
    expected = power_maps(values, ids, None, None, CONFIG)
    found = power_maps(values[:, order], ids[order], None, None, CONFIG)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    more = torch.cat((values, 5 * noise(channels=2, seed=3)), dim=1)
    mask = torch.tensor([True] * 5 + [False] * 2).expand(3, -1)
    more_ids = torch.cat((ids, ids_of("PZ", "FZ")))
    torch.testing.assert_close(power_maps(more, more_ids, mask, None, CONFIG), expected, rtol=1e-4, atol=1e-4)


def test_one_electrode_has_a_mean_and_no_slopes():
    maps = maps_of(noise(channels=1), ids_of("CZ"))
    assert torch.isfinite(maps).all()
    assert maps[..., 1:].abs().max() == 0
    assert torch.isfinite(covariances_of(noise(channels=1), ids_of("CZ"))).all()


@pytest.mark.parametrize("names", ["C3 CZ C4", "C3 C4", "FZ CZ PZ", "T7 T8", "O1 O2"])
def test_a_number_that_electrodes_cannot_tell_is_constant(names):
    """Rounding that stands in for a number would become a feature like any other when features are standardised."""
    names = names.split()
    found = power_maps(noise(40, len(names)), ids_of(*names), None, None, CONFIG)
    deviations = found.std(dim=0)
    assert ((deviations == 0) | (deviations > 1e-6)).all()
    assert (deviations == 0).any()


def test_windows_without_signal_stay_finite():
    maps = maps_of(torch.zeros(2, 5, 512), torch.arange(5), patch_mask=torch.zeros(2, 8, dtype=torch.bool))
    assert torch.equal(maps[..., 0], torch.full((2, 5), np.log10(SMALLEST_POWER)))
    for mask in (None, torch.zeros(2, 8, dtype=torch.bool)):
        covariances = covariances_of(torch.zeros(2, 5, 512), torch.arange(5), patch_mask=mask)
        silent = 0.5 * np.log10(SHRINKAGE * SMALLEST_POWER)
        torch.testing.assert_close(covariances[..., : len(HARMONICS)], torch.full((2, 5, 9), silent).float())
        assert covariances[..., len(HARMONICS) :].abs().max() == 0


def test_an_electrode_whose_place_is_not_known_has_a_part_in_the_mean_alone():
    config = DareEegConfig(channel_names=["C3", "CZ", "C4", "DEPTH1"], pretraining_channel_names=["C3", "CZ"])
    values = noise(channels=4)
    whole = maps_of(values, torch.arange(4), config=config)
    without = maps_of(values[:, :3], torch.arange(3), config=config)
    torch.testing.assert_close(whole[..., 1:], without[..., 1:])
    powers = welch_powers(values).log10()
    torch.testing.assert_close(whole[..., 0], powers.mean(1))
    alone = maps_of(values[:, 3:], torch.tensor([3]), config=config)
    torch.testing.assert_close(alone[..., 0], powers[:, 3])
    assert alone[..., 1:].abs().max() == 0
    torch.testing.assert_close(
        covariances_of(values, torch.arange(4), config=config),
        covariances_of(values[:, :3], torch.arange(3), config=config),
    )


def test_a_batch_of_mixed_montages_gives_each_what_it_has_alone():
    first, second = noise(1, 5, seed=1), noise(1, 3, seed=2)
    ids = (ids_of(*"C3 CZ C4 O1 O2".split()), ids_of("FZ", "PZ", "T7"))
    values = torch.zeros(2, 5, 1280)
    values[0], values[1, :3] = first[0], second[0]
    both_ids = torch.stack((ids[0], torch.cat((ids[1], torch.zeros(2, dtype=torch.long)))))
    mask = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    together = power_maps(values, both_ids, mask, None, CONFIG)
    torch.testing.assert_close(together[:1], power_maps(first, ids[0], None, None, CONFIG))
    torch.testing.assert_close(together[1:], power_maps(second, ids[1], None, None, CONFIG))


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
    maps = maps_of(noise(samples=256), torch.arange(5), config=config)
    gamma = list(FREQUENCY_BANDS).index("gamma")
    assert torch.isfinite(maps).all()
    assert (maps[:, gamma, 0] > np.log10(SMALLEST_POWER)).all()  # 30 to 32 Hz are there
    slow = DareEegConfig(sampling_rate=50, patch_size=10, window_size=200)
    maps = maps_of(noise(samples=200), torch.arange(5), config=slow)
    assert torch.equal(maps[:, gamma, 0], torch.full((3,), np.log10(SMALLEST_POWER)))


def test_what_was_computed_under_a_tracer_is_not_kept():
    """A constant made while a graph is traced holds no numbers; calls after it must not meet it again."""
    values = noise()
    with FakeTensorMode(allow_non_fake_inputs=True):
        maps_of(values, torch.arange(5))
    assert type(maps_of(values, torch.arange(5))) is torch.Tensor


def test_each_number_has_a_name():
    found = power_maps(noise(), torch.arange(5), None, None, CONFIG)
    assert found.shape[1] == len(POWER_MAP_NAMES) == len(set(POWER_MAP_NAMES)) == NUM_POWER_MAP_FEATURES
    assert len(POWER_NAMES) + len(COVARIANCE_NAMES) == NUM_POWER_MAP_FEATURES


def test_covariances_are_those_of_scipy():
    values = noise()
    spectra = segment_spectra(values, torch.ones(3, 1280), 256)
    found = band_covariances(torch.eye(5).expand(3, 5, 5), spectra, bands_of_segments(256))
    first, second = values.double().numpy()[:, :, None], values.double().numpy()[:, None]
    frequencies, density = csd(first, second, 256, nperseg=512)
    for place, (low, high) in enumerate(FREQUENCY_BANDS.values()):
        inside = (frequencies >= low) & (frequencies < high)
        np.testing.assert_allclose(found[:, place], density[..., inside].real.mean(-1), rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_coordinates_are_those_of_numpy_s_cholesky_factor(seed):
    rng = np.random.default_rng(seed)
    roots = rng.normal(size=(4, 9, 12)) * 10.0 ** rng.uniform(-4, -1, size=(4, 1, 1))
    covariances = roots @ roots.transpose(0, 2, 1)
    mean_power = np.trace(covariances, axis1=1, axis2=2)[:, None, None] / 9
    factor = np.linalg.cholesky(covariances + SHRINKAGE * mean_power * np.eye(9))
    found = log_cholesky(torch.from_numpy(covariances)).numpy()
    np.testing.assert_allclose(found[:, :9], np.log10(np.diagonal(factor, axis1=1, axis2=2)), rtol=1e-9)
    below = (factor / np.sqrt(mean_power))[:, *np.tril_indices(9, -1)]
    np.testing.assert_allclose(found[:, 9:], below, atol=1e-9)


def test_what_swings_together_is_told_from_what_swings_apart():
    """Alpha that rises to the front and alpha that rises to the right: in phase, in opposition, or a quarter apart."""
    names = "FP1 FP2 F3 F4 FZ C3 C4 CZ P3 P4 PZ O1 O2 T7 T8".split()
    right = torch.tensor([electrode_direction(name)[0] for name in names])
    front = torch.tensor([electrode_direction(name)[1] for name in names])
    time = torch.arange(1280) / 256
    sine, cosine = (0.05 * wave(2 * torch.pi * 10 * time) for wave in (torch.sin, torch.cos))
    column = COVARIANCE_NAMES.index("coupling_alpha_front_with_right")

    def coupling(of_front, of_right):
        values = front[:, None] * of_front + right[:, None] * of_right + 0.1 * noise(1, len(names))[0]
        return power_maps(values[None], ids_of(*names), None, None, CONFIG)[0, len(POWER_NAMES) + column]

    together, apart, a_quarter = coupling(sine, sine), coupling(sine, -sine), coupling(sine, cosine)
    assert together > 0.5
    assert apart < -0.5
    assert abs(a_quarter) < 0.05


def test_scale_moves_logarithms_alone():
    values, ids = noise(), ids_of(*"C3 CZ C4 O1 O2".split())
    found, stronger = covariances_of(values, ids), covariances_of(10 * values, ids)
    logarithms = len(HARMONICS)
    torch.testing.assert_close(stronger[..., :logarithms], found[..., :logarithms] + 1, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(stronger[..., logarithms:], found[..., logarithms:], rtol=1e-3, atol=1e-3)
