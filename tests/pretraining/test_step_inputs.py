"""What a model is given in a step: its channels, crop, strength and masks; each window's own, however it is shared."""

import pytest
import torch

from dare_eeg_hf import DareEegConfig
from dare_eeg_hf.pretraining.step_inputs import augment, crop_centre, model_inputs, step_masks

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


def without_channels(count, step, share=0.75, ids_of_each_window=False, **masks):
    ids = 10 * torch.arange(count)
    ids = ids.expand(6, -1) if ids_of_each_window else ids
    # The value of a channel is its id, so that both have to be cut alike.
    given = {"input_values": 10.0 * torch.arange(count).expand(6, 32, -1).transpose(1, 2), "channel_ids": ids, **masks}
    settings = {"patch_size": 16, "crop_patches": None, "amplitude_spread": 0.0, "channel_dropout": share}
    return augment(given, **settings, seed=0, step=step)


@pytest.mark.parametrize("ids_of_each_window", [False, True])
def test_a_share_of_the_channels_is_left_out_another_in_each_step(ids_of_each_window):
    counts, seen = [], set()
    for step in range(200):
        found = without_channels(20, step, ids_of_each_window=ids_of_each_window)
        assert torch.equal(found["input_values"][..., 0], found["channel_ids"].expand(6, -1).float())
        row = found["channel_ids"].reshape(-1, found["channel_ids"].shape[-1])[0]
        assert torch.equal(row, row.unique()), "in their order"
        counts.append(len(row))
        seen |= set(row.tolist())
    assert min(counts) == 5
    assert max(counts) == 20
    assert sum(counts) / 200 == pytest.approx(20 * (1 - 0.75 / 2), abs=1)
    assert len(seen) == 20


def test_few_and_padded_channels_are_all_kept():
    assert without_channels(4, step=0)["input_values"].shape[1] == 4
    assert {without_channels(5, step)["input_values"].shape[1] for step in range(20)} == {4, 5}
    padded = without_channels(20, step=0, channel_mask=torch.ones(6, 20, dtype=torch.bool))
    assert padded["input_values"].shape[1] == 20
    assert without_channels(20, step=0, share=0.0)["input_values"].shape[1] == 20


def test_validation_looks_at_the_middle():
    middle = crop_centre({"input_values": RAMP}, patch_size=16, crop_patches=2)["input_values"]
    assert middle[0, 0, 0] == 48
    assert middle.shape == (6, 3, 32)


def batch(names, config, masked=()):
    ids = torch.tensor([config.channel_names.index(name) for name in names]).expand(3, -1)
    mask = torch.ones(3, len(names), dtype=torch.bool)
    for window, channel in masked:
        mask[window, channel] = False
    values = torch.randn(3, len(names), 128)
    return {"input_values": values, "channel_ids": ids, "channel_mask": mask, "patch_mask": torch.ones(3, 8).bool()}


def test_only_channels_of_the_pretraining_montage_reach_the_model():
    config = DareEegConfig.from_preset("nano")
    found = model_inputs(batch(["C3", "AF7", "CZ", "PO5"], config), config)
    assert [config.channel_names[number] for number in found["channel_ids"]] == ["C3", "CZ"]
    assert found["input_values"].shape == (3, 2, 128)
    assert found.keys() == {"input_values", "channel_ids"}, "masks that mask nothing are left out"
    padded = batch(["C3", "CZ", "C4"], config, masked=[(1, 2)])
    found = model_inputs(padded, config)
    assert found["channel_mask"].tolist()[1] == [True, True, False]
    assert found["input_values"][1, 2].abs().max() == 0
    with pytest.raises(ValueError, match="pretraining_channel_names"):
        model_inputs(batch(["AF7", "AF8"], config), config)


@pytest.mark.parametrize("reconstructed_share", [1.0, 0.25])
@pytest.mark.parametrize("scope", ["batch", "sample"])
@pytest.mark.parametrize("shares", [(12, 12), (6,) * 4, (1,) * 24], ids=["two", "four", "twenty-four"])
def test_a_windows_mask_does_not_depend_on_how_windows_are_shared(scope, shares, reconstructed_share):
    config = DareEegConfig.from_preset("nano", masking={"scope": scope})
    where = {"seed": 1, "purpose": "training", "step": 7, "reconstructed_share": reconstructed_share}

    def masks(count, rank):
        return step_masks(config, {"input_values": torch.zeros(count, 20, 1024)}, rank=rank, **where)

    whole = masks(24, 0)
    parts = [masks(count, rank) for rank, count in enumerate(shares)]
    for name in ("context_mask", "second_context_mask", "target_mask"):
        joined = torch.cat([getattr(part, name).expand(shares[0], -1, -1) for part in parts])
        assert torch.equal(joined, getattr(whole, name).expand(24, -1, -1))
    where["step"] = 8
    assert not torch.equal(masks(24, 0).context_mask, whole.context_mask)
    if scope == "sample":
        assert len(torch.unique(whole.context_mask, dim=0)) == 24


def test_a_window_that_a_stream_holds_too_late_to_be_looked_at_is_named_by_its_channels(tiny_config):
    config = DareEegConfig(**tiny_config)
    ids = torch.tensor([config.get_channel_ids(["AF7", "AF8"])])
    batch = {
        "input_values": torch.zeros(1, 2, 128),
        "channel_ids": ids,
        "channel_mask": torch.ones(1, 2, dtype=torch.bool),
        "patch_mask": torch.ones(1, 8, dtype=torch.bool),
    }
    with pytest.raises(ValueError, match=r"channels AF7, AF8 has none in .*pretraining_channel_names=all"):
        model_inputs(batch, config)


@pytest.mark.parametrize("masked", [(), [(1, 2), (1, 3)]], ids=["whole", "padded"])
@pytest.mark.parametrize("scope", ["batch", "sample"])
def test_a_share_of_the_targets_leaves_views_as_they_are_and_is_drawn_anew_in_each_step(scope, masked):
    config = DareEegConfig.from_preset("nano", masking={"scope": scope})
    inputs = model_inputs(batch(["FZ", "C3", "CZ", "C4", "PZ", "OZ"], config, masked), config)

    def masks(step, **share):
        return step_masks(config, inputs, seed=1, purpose="training", step=step, **share)

    chosen = []
    for step in range(4):
        whole, part = masks(step), masks(step, reconstructed_share=0.25)
        assert torch.equal(part.context_mask, whole.context_mask)
        assert torch.equal(part.second_context_mask, whole.second_context_mask)
        assert not (part.target_mask & ~whole.target_mask).any()
        counts = whole.target_mask.flatten(1).sum(-1)
        assert torch.equal(part.target_mask.flatten(1).sum(-1), (0.25 * counts).round().clamp(min=1).long())
        assert torch.equal(part.target_mask, masks(step, reconstructed_share=0.25).target_mask)
        chosen.append(part.target_mask)
    assert len(torch.unique(torch.stack([grid[0] for grid in chosen]), dim=0)) == 4
