"""Masks: shares, overlaps, padding, determinism."""

import pytest
import torch

from dare_eeg_hf.mask_settings_dare_eeg import MaskSettings
from dare_eeg_hf.masking_dare_eeg import draw_masks, draw_share, select_targets, select_visible

MASKS = MaskSettings()


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_shares_of_the_pretraining_montage():
    kept_share, target_share = [], []
    for seed in range(200):
        masks = draw_masks(MASKS, 16, 58, generator=generator(seed))
        visible = masks.context_mask[0].sum(-1)
        assert set(visible.tolist()) <= {0, 12}
        kept = visible > 0
        assert masks.target_mask[0][~kept].all()
        assert not (masks.context_mask & masks.target_mask).any()
        kept_share.append(kept.float().mean())
        target_share.append(masks.target_mask[0][kept].sum() / (46 * kept.sum()))
    assert torch.stack(kept_share).mean() == pytest.approx(0.5, abs=0.03)
    assert torch.stack(target_share).mean() == pytest.approx(0.2, abs=0.01)


@pytest.mark.parametrize("scope", ["batch", "sample"])
def test_second_view_keeps_the_time_patches_and_overlaps_as_asked(scope):
    settings = MaskSettings(scope=scope)
    overlaps = []
    for seed in range(100):
        masks = draw_masks(settings, 16, 58, batch_size=3, generator=generator(seed))
        first, second = masks.context_mask, masks.second_context_mask
        assert torch.equal(first.any(-1), second.any(-1))
        assert torch.equal(first.sum(-1), second.sum(-1))
        overlap = (first & second).sum(-1) / (first | second).sum(-1).clamp(min=1)
        overlaps += overlap[first.any(-1)].tolist()
    # m * 2r / (1 + r) shared channels, rounded: with 12 visible the overlap lies within half a channel of r.
    assert 0.2 <= min(overlaps) < 0.25
    assert 0.75 < max(overlaps) <= 0.85
    assert sum(overlaps) / len(overlaps) == pytest.approx(0.5, abs=0.05)


def test_one_mask_for_the_batch_or_one_for_each_window():
    shared = draw_masks(MASKS, 16, 58, batch_size=4, generator=generator())
    assert shared.context_mask.shape == (1, 16, 58)
    own = draw_masks(MaskSettings(scope="sample"), 16, 58, batch_size=4, generator=generator())
    assert own.context_mask.shape == (4, 16, 58)
    assert (own.context_mask.any(-1).sum(-1) == 8).all()
    assert not torch.equal(own.context_mask[0], own.context_mask[1])
    assert len(own.target_mask.flatten(1).sum(-1).unique()) == 1


def test_same_generator_state_gives_the_same_masks():
    first, second = (draw_masks(MASKS, 16, 19, generator=generator(7)) for _ in range(2))
    other = draw_masks(MASKS, 16, 19, generator=generator(8))
    assert torch.equal(first.context_mask, second.context_mask)
    assert torch.equal(first.target_mask, second.target_mask)
    assert not torch.equal(first.context_mask, other.context_mask)


@pytest.mark.parametrize("scope", ["batch", "sample"])
@pytest.mark.parametrize(("num_patches", "num_channels"), [(2, 1), (1, 2), (4, 3), (16, 2), (3, 62), (40, 14)])
def test_any_window_size_leaves_something_visible_and_something_to_reconstruct(scope, num_patches, num_channels):
    settings = MaskSettings(scope=scope)
    for seed in range(30):
        masks = draw_masks(settings, num_patches, num_channels, batch_size=2, generator=generator(seed))
        assert masks.context_mask.flatten(1).any(-1).all()
        assert masks.second_context_mask.flatten(1).any(-1).all()
        assert masks.target_mask.flatten(1).any(-1).all()
        assert not (masks.context_mask & masks.target_mask).any()


def test_a_single_patch_cannot_be_masked():
    with pytest.raises(ValueError, match="at least two patches"):
        draw_masks(MASKS, 1, 1)


@pytest.mark.parametrize(
    ("settings", "num_channels", "message"),
    [
        ({"patch_drop_probability": 1.0}, 19, "patch_drop_probability 1"),
        ({"patch_drop_probability": 0.0, "visible_channel_ratio": 1.0}, 19, "visible_channel_ratio 1.0"),
        ({"patch_drop_probability": 0.0, "target_probability": 0.0}, 19, "target_probability 0.0"),
        ({"patch_drop_probability": 0.0}, 1, "1 channel"),
    ],
)
def test_settings_that_never_give_a_mask_are_refused(settings, num_channels, message):
    with pytest.raises(ValueError, match=message):
        draw_masks(MaskSettings(**settings), 16, num_channels)


@pytest.mark.parametrize("changes", [{}, {"patch_drop_probability": 0.1}, {"visible_channel_ratio": 1.0}])
@pytest.mark.parametrize("share", [{}, {"target_probability": 0.0}, {"target_probability": 1.0}])
@pytest.mark.parametrize(("num_patches", "num_channels"), [(1, 2), (2, 1), (3, 1), (1, 5), (2, 2), (9, 1), (4, 3)])
def test_every_window_of_two_patches_or_more_has_something_to_see_and_to_reconstruct(
    changes, share, num_patches, num_channels
):
    settings = MaskSettings(scope="sample", **changes, **share)
    for seed in range(5):
        masks = draw_masks(settings, num_patches, num_channels, batch_size=4, generator=generator(seed))
        for mask in (masks.context_mask, masks.second_context_mask, masks.target_mask):
            assert mask.flatten(1).any(-1).all()
        assert not (masks.context_mask & masks.target_mask).any()


@pytest.mark.parametrize("scope", ["batch", "sample"])
def test_a_window_of_one_patch_in_a_padded_batch_is_told(scope):
    settings = MaskSettings(scope=scope)
    channel_mask, patch_mask = (torch.arange(4)[None] < torch.tensor([[4], [1]]) for _ in range(2))
    with pytest.raises(ValueError, match=r"1 time patch\(es\) and 1 channel\(s\) .* at least two patches"):
        draw_masks(settings, 4, 4, batch_size=2, channel_mask=channel_mask, patch_mask=patch_mask)


def test_padding_is_neither_visible_nor_a_target():
    channel_mask = torch.arange(20)[None] < torch.tensor([[20], [7], [1]])
    patch_mask = torch.arange(10)[None] < torch.tensor([[10], [4], [6]])
    valid = patch_mask[:, :, None] & channel_mask[:, None]
    for seed in range(30):
        masks = draw_masks(
            MASKS,
            10,
            20,
            batch_size=3,
            channel_mask=channel_mask,
            patch_mask=patch_mask,
            generator=generator(seed),
        )
        for mask in (masks.context_mask, masks.second_context_mask, masks.target_mask):
            assert not (mask & ~valid).any()
            assert mask.flatten(1).any(-1).all()


def test_reference_second_view_takes_new_channels_from_the_rows_number():
    settings = MaskSettings(second_view_patches="reference")
    masks = draw_masks(settings, 16, 58, generator=generator())
    kept = masks.context_mask[0].any(-1).nonzero().squeeze(-1)
    positions = masks.second_context_mask[0]
    assert positions.shape == (len(kept), 12)
    for row, time_patch in enumerate(kept):
        assert set((positions[row] // 58).tolist()) <= {int(time_patch), row}
        assert len(positions[row].unique()) == 12


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scope": "window"}, "scope must be one of batch, sample, got 'window'"),
        ({"second_view_patches": "reference", "scope": "sample"}, "batch"),
        ({"min_view_overlap": 0.9}, "must not exceed"),
        ({"target_probability": 1.5}, "between 0 and 1"),
        ({"patch_drop_probability": "half"}, "patch_drop_probability must lie between 0 and 1, got 'half'"),
        ({"visible_channel_ratio": 0}, "above 0"),
    ],
)
def test_a_wrong_setting_says_which_and_why(settings, message):
    with pytest.raises(ValueError, match=message):
        MaskSettings(**settings)


def test_selection_gathers_what_the_grid_marks():
    grid = torch.zeros(2, 3, 4, dtype=torch.bool)
    grid[0, 0, [1, 3]] = grid[0, 2, [0, 1]] = True
    grid[1, 1, [2]] = True
    selection = select_visible(grid, 4)
    assert selection.positions.shape == (2, 2, 2)
    marked = [sorted(selection.positions[window][selection.visible[window]].tolist()) for window in range(len(grid))]
    assert marked == [[1, 3, 8, 9], [6]]
    assert selection.time_patches.tolist() == [[0, 2], [1, 3]]
    assert selection.kept.tolist() == [[True, True], [True, False]]

    even = select_visible(grid[:1], 4)
    assert even.visible is None
    assert even.kept is None
    assert even.positions.tolist() == [[[1, 3], [8, 9]]]


def test_targets_are_in_time_major_order():
    grid = torch.zeros(2, 2, 3, dtype=torch.bool)
    grid[0, 1, 0] = grid[0, 0, 2] = grid[1, 1, 1] = True
    positions, valid = select_targets(grid)
    assert positions[0].tolist() == [2, 3]
    assert positions[1, 0] == 4
    assert valid.tolist() == [[True, True], [True, False]]


def test_empty_masks_are_refused():
    empty = torch.zeros(1, 2, 3, dtype=torch.bool)
    with pytest.raises(ValueError, match="at least one visible"):
        select_visible(empty, 3)
    with pytest.raises(ValueError, match="mark at least one"):
        select_targets(empty)


def test_a_mean_over_a_drawn_share_estimates_the_mean_over_all_marked_patches():
    generator = torch.Generator().manual_seed(0)
    grid = torch.rand(3, 4, 5, generator=generator) < 0.7
    values = torch.randn(3, 4, 5, generator=generator)
    draws = torch.stack([draw_share(grid, 0.25, generator) for _ in range(4000)])
    counts = grid.flatten(1).sum(-1)
    drawn = (0.25 * counts).round()
    assert torch.equal(draws.flatten(2).sum(-1), drawn.expand(4000, -1)), "each window keeps its share"
    assert not (draws & ~grid).any()
    # A patch is drawn with the same probability as any other: five standard errors of 4,000 draws.
    expected = (drawn / counts)[:, None, None] * grid
    assert ((draws.float().mean(0) - expected).abs() < 5 * 0.5 / 4000**0.5).all()
    means = (draws * values).flatten(2).sum(-1) / drawn
    assert ((means.mean(0) - (grid * values).flatten(1).sum(-1) / counts).abs() < 5 * means.std(0) / 4000**0.5).all()


def test_a_share_leaves_at_least_one_target():
    grid = torch.zeros(2, 4, 5, dtype=torch.bool)
    grid[0, 1, 2] = True
    grid[1] = True
    assert draw_share(grid, 0.01).flatten(1).sum(-1).tolist() == [1, 1]
    assert torch.equal(draw_share(grid, 1.0), grid)
