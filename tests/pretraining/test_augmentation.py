"""Cropping and scaling windows: what each window gets depends on its place in the step and on nothing else."""

import pytest
import torch

from dare_eeg_hf.pretraining.augmentation import augment, crop_centre

RAMP = torch.arange(128.0).expand(6, 3, 128).contiguous()
"""Six windows whose samples count themselves, so that a crop tells where it was cut."""


def augmented(values=RAMP, **changes):
    settings = {"patch_size": 16, "crop_patches": 2, "amplitude_spread": 0.0, "seed": 0, "step": 3} | changes
    return augment({"input_values": values, "channel_ids": torch.arange(3)}, **settings)["input_values"]


def test_each_window_is_cut_at_a_sample_of_its_own():
    crops = augmented()
    assert crops.shape == (6, 3, 32)
    assert torch.equal(crops.diff(dim=-1), torch.ones(6, 3, 31)), "samples stay in order"
    starts = crops[:, 0, 0]
    assert len(starts.unique()) > 3
    assert (starts % 16 != 0).any(), "not only between patches"
    everywhere = torch.cat([augmented(step=step)[:, 0, 0] for step in range(300)])
    assert everywhere.min() == 0
    assert everywhere.max() == 128 - 32, "the last possible start is drawn too"


def test_scaling_keeps_the_shape_of_a_window_and_changes_its_strength():
    values = torch.ones(4000, 1, 16)
    factors = augmented(values, crop_patches=None, amplitude_spread=0.3)[:, 0]
    assert torch.equal(factors.min(-1).values, factors.max(-1).values)
    assert factors[:, 0].log().std().item() == pytest.approx(0.3, abs=0.02)
    assert factors[:, 0].log().mean().item() == pytest.approx(0.0, abs=0.02)
    assert torch.equal(values, torch.ones(4000, 1, 16)), "the batch given is left as it is"


def test_shares_of_two_processes_are_the_step_of_one():
    settings = {"amplitude_spread": 0.2}
    shares = [augmented(RAMP[:3], rank=rank, world_size=2, **settings) for rank in (0, 1)]
    assert torch.equal(torch.cat(shares), augmented(**settings))


@pytest.mark.parametrize("change", [{"seed": 1}, {"step": 4}, {"micro_batch": 1}])
def test_seed_step_and_micro_batch_draw_anew(change):
    assert torch.equal(augmented(), augmented())
    assert not torch.equal(augmented(), augmented(**change))


def test_short_and_padded_windows_stay_whole():
    assert torch.equal(augmented(crop_patches=8), RAMP)
    padded = {"input_values": RAMP, "patch_mask": torch.ones(6, 8, dtype=torch.bool)}
    kept = augment(padded, patch_size=16, crop_patches=2, amplitude_spread=0.0, seed=0, step=0)
    assert torch.equal(kept["input_values"], RAMP)
    assert crop_centre(padded, patch_size=16, crop_patches=2) is padded


def test_validation_looks_at_the_middle():
    middle = crop_centre({"input_values": RAMP}, patch_size=16, crop_patches=2)["input_values"]
    assert middle[0, 0, 0] == 48
    assert middle.shape == (6, 3, 32)
