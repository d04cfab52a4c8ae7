"""What is hidden from the encoder: masks of the first view, the second view, and the patches to reconstruct.

A window is a grid of N time patches x C channels. All masks are made on the CPU from their own generator, so that
a run gives the same masks on every device and a resumed run draws what the interrupted one would have drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from .mask_settings_dare_eeg import MaskSettings


@dataclass
class PretrainingMasks:
    """Masks of a batch; the leading dimension is 1 where all windows share them.

    Attributes:
        context_mask: Boolean grid `(1 or B, N, C)`, True where a patch is visible in the first view.
        second_context_mask: The same for the second view; or, with `second_view_patches="reference"`, integer
            positions `n * C + c` of shape `(1, K, V)`, one row for each kept time patch (a row may mix time patches,
            which a grid cannot say).
        target_mask: Boolean grid `(1 or B, N, C)`, True where a patch is to be reconstructed.
    """

    context_mask: torch.Tensor
    second_context_mask: torch.Tensor
    target_mask: torch.Tensor


@dataclass
class PatchSelection:
    """Visible patches of a batch, gathered by time patch: K kept time patches of V visible channels.

    Attributes:
        positions: Integer positions `n * C + c`, shape `(1 or B, K, V)`.
        time_patches: Index n of each kept time patch, shape `(1 or B, K)`; N where the row is padding.
        visible: Boolean `(1 or B, K, V)`, False at padding; None where nothing is padded.
    """

    positions: torch.Tensor
    time_patches: torch.Tensor
    visible: torch.Tensor | None = None

    @property
    def kept(self) -> torch.Tensor | None:
        """Boolean `(1 or B, K)`, True at rows that hold a visible patch; None where nothing is padded."""
        return None if self.visible is None else self.visible.any(-1)

    def to(self, device: torch.device) -> PatchSelection:
        """Return the selection on another device."""
        visible = None if self.visible is None else self.visible.to(device, non_blocking=True)
        return PatchSelection(
            self.positions.to(device, non_blocking=True), self.time_patches.to(device, non_blocking=True), visible
        )


def draw_masks(
    settings: MaskSettings,
    num_patches: int,
    num_channels: int,
    *,
    batch_size: int = 1,
    channel_mask: torch.Tensor | None = None,
    patch_mask: torch.Tensor | None = None,
    generator: torch.Generator | None = None,
) -> PretrainingMasks:
    """Draw the masks of one training step (METHOD.md, "Masks").

    Each time patch is dropped whole with `patch_drop_probability`, and all its channels become targets; of a kept one,
    `visible_channel_ratio` of the channels stay visible and each other becomes a target with `target_probability`.
    The second view keeps the same time patches; of m visible channels it shares m * 2r / (1 + r) with the first view,
    where r, the overlap, is uniform between `min_view_overlap` and `max_view_overlap`.
    A draw without a visible patch or without a target is drawn again.

    With `scope="sample"`, or where windows of a batch have different channels or lengths, each window has its own
    mask; the numbers of kept time patches and of targets are then exact shares, so that windows stay comparable.

    Args:
        settings: Shares, scope and overlaps.
        num_patches: N.
        num_channels: C.
        batch_size: B, used where each window has its own mask.
        channel_mask: Boolean `(B, C)`, False at channels that are padding.
        patch_mask: Boolean `(B, N)`, False at time patches that are padding.
        generator: Source of randomness, on the CPU.

    Returns:
        Masks on the CPU.

    Raises:
        ValueError: If the window is too small to hide anything, or the settings never leave both a visible patch and a
            target.
    """
    _check_that_patches_can_be_hidden(num_patches, num_channels)
    channels = _valid(channel_mask, batch_size, num_channels)
    patches = _valid(patch_mask, batch_size, num_patches)
    if settings.scope == "sample" or channels is not None or patches is not None:
        whole = torch.ones(batch_size, 1, dtype=torch.bool)
        channels = whole.expand(-1, num_channels) if channels is None else channels
        patches = whole.expand(-1, num_patches) if patches is None else patches
        smallest = int((patches.sum(-1) * channels.sum(-1)).argmin())
        _check_that_patches_can_be_hidden(int(patches[smallest].sum()), int(channels[smallest].sum()))
        return _draw_sample_masks(settings, channels, patches, generator)
    check_that_masks_can_be_drawn(settings, num_patches, num_channels)
    while True:
        masks = _draw_batch_masks(settings, num_patches, num_channels, generator)
        if masks.context_mask.any() and masks.target_mask.any():
            return masks


def draw_share(mask: torch.Tensor, share: float, generator: torch.Generator | None = None) -> torch.Tensor:
    """Draw which of the marked patches stay marked: in each window `share` of their number, but at least one.

    Every subset of that size is equally likely, so that a mean over what is drawn estimates the mean over all marked
    patches without bias.

    Args:
        mask: Boolean grid `(1 or B, N, C)`.
        share: Above 0, at most 1.
        generator: Source of randomness, on the CPU.

    Returns:
        A grid of the same shape.
    """
    marked = mask.flatten(1)
    scores = torch.rand(marked.shape, generator=generator).masked_fill(~marked, 2.0)
    wanted = (marked.sum(-1, keepdim=True) * share).round().clamp(min=1)
    return (marked & (_ranks(scores) < wanted)).view_as(mask)


def select_visible(mask: torch.Tensor, num_channels: int) -> PatchSelection:
    """Gather a context mask's visible patches by time patch, padding where counts differ.

    Args:
        mask: Boolean grid `(1 or B, N, C)`, or integer positions `(K, V)` or `(1 or B, K, V)`.
        num_channels: C.

    Returns:
        The selection, on the mask's device.

    Raises:
        ValueError: If a window has no visible patch.
    """
    if mask.dtype != torch.bool:
        positions = mask.long() if mask.dim() == 3 else mask.long()[None]
        return PatchSelection(positions, positions[..., 0] // num_channels)
    kept = mask.any(-1)
    num_kept = kept.sum(-1)
    if int(num_kept.min()) == 0:
        raise ValueError("A context mask hides every patch of a window; leave at least one visible.")
    num_patches, num_rows = mask.shape[1], int(num_kept.max())
    counts = mask.sum(-1)
    width = int(counts.max())

    time_patches = _true_first(kept)[:, :num_rows]
    rows = mask.gather(1, time_patches[..., None].expand(-1, -1, num_channels))
    channels = _true_first(rows)[..., :width]
    positions = time_patches[..., None] * num_channels + channels
    if int(num_kept.min()) == num_rows and bool((counts[kept] == width).all()):
        return PatchSelection(positions, time_patches)
    visible = rows.gather(2, channels)
    time_patches = time_patches.masked_fill(~visible.any(-1), num_patches)
    return PatchSelection(positions, time_patches, visible)


def select_targets(mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Gather a target mask's patches in time-major order, padding where counts differ.

    Args:
        mask: Boolean grid `(1 or B, N, C)`.

    Returns:
        Positions `n * C + c`, shape `(1 or B, M)`, and a boolean `(1 or B, M)` that is False at padding, or None.

    Raises:
        ValueError: If a window has no target.
    """
    mask = mask.flatten(1)
    counts = mask.sum(-1)
    if int(counts.min()) == 0:
        raise ValueError("A target mask leaves a window without a patch to reconstruct; mark at least one.")
    num_targets = int(counts.max())
    positions = _true_first(mask)[:, :num_targets]
    return positions, None if int(counts.min()) == num_targets else mask.gather(1, positions)


def _valid(mask: torch.Tensor | None, batch_size: int, size: int) -> torch.Tensor | None:
    """Return a padding mask as `(B, size)` on the CPU, or None where it pads nothing."""
    if mask is None:
        return None
    mask = mask.detach().to("cpu", torch.bool)
    return None if bool(mask.all()) else mask.expand(batch_size, size)


def _true_first(mask: torch.Tensor) -> torch.Tensor:
    """Indices along the last dimension, those of True entries first, each group in rising order."""
    return torch.argsort(mask.to(torch.uint8), dim=-1, descending=True, stable=True)


def _ranks(scores: torch.Tensor) -> torch.Tensor:
    """Rank of each entry along the last dimension, 0 for the smallest."""
    return scores.argsort(-1).argsort(-1)


def _shared_channels(num_visible, overlap):
    """Channels two views share, m * 2r / (1 + r), for m visible channels each and overlap r."""
    return num_visible * 2 * overlap / (1 + overlap)


def _num_visible(settings: MaskSettings, num_channels: int) -> int:
    """Channels that a kept time patch shows where all windows share a mask."""
    return min(max(round(num_channels * settings.visible_channel_ratio), 1), num_channels)


def _check_that_patches_can_be_hidden(num_patches: int, num_channels: int) -> None:
    if num_patches * num_channels < 2:
        raise ValueError(
            f"A window of {num_patches} time patch(es) and {num_channels} channel(s) cannot be split into visible and "
            "hidden patches; pre-training needs at least two patches."
        )


def check_that_masks_can_be_drawn(settings: MaskSettings, num_patches: int, num_channels: int) -> None:
    """Refuse windows that are too small to hide anything, and settings with which drawing would never end.

    Args:
        settings: Shares, scope and overlaps.
        num_patches: N, without padding.
        num_channels: C, without padding.

    Raises:
        ValueError: with the settings to change.
    """
    _check_that_patches_can_be_hidden(num_patches, num_channels)
    if settings.scope == "sample":  # exact shares always leave something visible and something hidden
        return
    if settings.patch_drop_probability == 1:
        raise ValueError("With patch_drop_probability 1 no time patch is ever visible; set it below 1.")
    drops_patches = settings.patch_drop_probability > 0 and num_patches > 1
    hides_channels = settings.target_probability > 0 and _num_visible(settings, num_channels) < num_channels
    if not drops_patches and not hides_channels:
        raise ValueError(
            f"Nothing of a window of {num_patches} time patch(es) and {num_channels} channel(s) would ever be hidden "
            f"with masking.patch_drop_probability {settings.patch_drop_probability}, visible_channel_ratio "
            f"{settings.visible_channel_ratio} and target_probability {settings.target_probability}. Raise the first "
            "(windows of one channel need it, and several time patches), or lower the second and raise the third."
        )


def _draw_batch_masks(
    settings: MaskSettings, num_patches: int, num_channels: int, generator: torch.Generator | None
) -> PretrainingMasks:
    """One mask for all windows, with time patches and targets drawn independently."""
    num_visible = _num_visible(settings, num_channels)
    kept = torch.rand(num_patches, generator=generator) >= settings.patch_drop_probability
    order = torch.rand(num_patches, num_channels, generator=generator).argsort(-1)
    chosen = torch.rand(num_patches, num_channels, generator=generator) < settings.target_probability
    spread = settings.max_view_overlap - settings.min_view_overlap
    overlap = settings.min_view_overlap + spread * torch.rand((), generator=generator).item()

    ranks = order.argsort(-1)
    visible = kept[:, None] & (ranks < num_visible)
    targets = ~visible & (chosen | ~kept[:, None])
    num_shared = max(
        min(round(_shared_channels(num_visible, overlap)), num_visible), num_visible - (num_channels - num_visible)
    )
    if settings.second_view_patches == "reference":
        second = _reference_second_view(kept, order, num_visible, num_shared, generator)
    else:
        new = (ranks >= num_visible) & (ranks < 2 * num_visible - num_shared)
        second = (kept[:, None] & ((ranks < num_shared) | new))[None]
    return PretrainingMasks(visible[None], second, targets[None])


def _reference_second_view(
    kept: torch.Tensor, order: torch.Tensor, num_visible: int, num_shared: int, generator: torch.Generator | None
) -> torch.Tensor:
    """Positions of a second view whose new channels are taken from the time patch of the row's number."""
    num_channels = order.shape[1]
    time_patches = kept.nonzero().squeeze(-1)
    rows = torch.arange(len(time_patches))
    shared = time_patches[:, None] * num_channels + order[time_patches, :num_shared]
    hidden = order[time_patches, num_visible:]
    picks = torch.rand(hidden.shape, generator=generator).argsort(-1)[:, : num_visible - num_shared]
    new = rows[:, None] * num_channels + hidden.gather(1, picks)
    return torch.cat([shared, new], dim=1)[None]


def _draw_sample_masks(
    settings: MaskSettings, channels: torch.Tensor, patches: torch.Tensor, generator: torch.Generator | None
) -> PretrainingMasks:
    """A mask for each window, with exact shares of its valid time patches and channels."""
    batch_size, num_channels = channels.shape
    num_patches = patches.shape[1]
    num_valid_patches, num_valid_channels = patches.sum(-1), channels.sum(-1)

    time_scores = torch.rand(batch_size, num_patches, generator=generator).masked_fill(~patches, 2.0)
    channel_scores = torch.rand(batch_size, num_patches, num_channels, generator=generator)
    channel_ranks = _ranks(channel_scores.masked_fill(~channels[:, None], 2.0))
    target_scores = torch.rand(batch_size, num_patches, num_channels, generator=generator)
    spread = settings.max_view_overlap - settings.min_view_overlap
    overlap = settings.min_view_overlap + spread * torch.rand(batch_size, generator=generator)

    num_kept = (num_valid_patches * (1 - settings.patch_drop_probability)).round().clamp(min=1).long()
    # A single channel has nothing to hide but time patches.
    most_kept = torch.where(num_valid_channels == 1, num_valid_patches - 1, num_valid_patches).clamp(min=1)
    num_kept = torch.minimum(num_kept, most_kept)
    kept = _ranks(time_scores) < num_kept[:, None]
    num_visible = (num_valid_channels * settings.visible_channel_ratio).round().clamp(min=1).long()
    # A window whose time patches are all kept still needs something to reconstruct.
    all_visible = (num_kept == num_valid_patches) & (num_visible == num_valid_channels)
    num_visible = torch.where(all_visible, (num_visible - 1).clamp(min=1), num_visible)
    num_hidden = num_valid_channels - num_visible
    num_shared = torch.minimum(_shared_channels(num_visible, overlap).round().long(), num_visible)
    num_shared = torch.maximum(num_shared, num_visible - num_hidden)
    num_targets = (num_hidden * settings.target_probability).round().long()
    num_targets = torch.where(num_kept == num_valid_patches, num_targets.clamp(min=1), num_targets)

    valid = patches[..., None] & channels[:, None]
    per_window = (slice(None), None, None)
    visible = valid & kept[..., None] & (channel_ranks < num_visible[per_window])
    hidden_ranks = _ranks(target_scores.masked_fill(visible | ~valid, 2.0))
    chosen = hidden_ranks < num_targets[per_window]
    targets = valid & ~visible & (chosen | ~kept[..., None])
    new = (channel_ranks >= num_visible[per_window]) & (channel_ranks < (2 * num_visible - num_shared)[per_window])
    second = valid & kept[..., None] & ((channel_ranks < num_shared[per_window]) | new)
    return PretrainingMasks(visible, second, targets)
