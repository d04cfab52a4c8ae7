"""From a loader's batch to what a model is given in one step: its channels, its crop and amplitude, its masks.

All randomness is a function of (seed, step, window), however many processes share the step.
"""

from collections.abc import Iterator

import torch
from torch.utils.data import DataLoader

from dare_eeg_hf.configuration_dare_eeg import DareEegConfig
from dare_eeg_hf.corpora.loading import training_dataloader
from dare_eeg_hf.masking_dare_eeg import PretrainingMasks, draw_masks, draw_share
from dare_eeg_hf.randomness import generator_for

FEWEST_CHANNELS = 4
"""What leaving out channels leaves at least: two views need channels to choose from."""

# Windows that draw from one generator: few enough to split a batch anywhere, enough to draw quickly.
WINDOWS_PER_DRAW = 8


def model_inputs(batch: dict[str, torch.Tensor], config: DareEegConfig) -> dict[str, torch.Tensor]:
    """Keep the channels of the pre-training montage, and drop padding masks where nothing is padded.

    A mask of ones costs attention its fast path, and ids that are the same in every window need one row only.

    Args:
        batch: as `WindowCollator` makes it: `input_values (B, C, T)`, `channel_ids (B, C)`, `channel_mask (B, C)`,
            `patch_mask (B, N)`; labels are ignored.
        config: its `pretraining_channel_names` are the channels to keep.

    Returns:
        `input_values`, `channel_ids` of shape `(C,)` or `(B, C)`, and the masks that mask something.

    Raises:
        ValueError: when a window has no channel of the pre-training montage.
    """
    ids, present = batch["channel_ids"], batch["channel_mask"]
    wanted = torch.tensor([config.channel_names.index(name) for name in config.pretraining_channel_names])
    present = present & torch.isin(ids, wanted)
    without = (~present.any(1)).nonzero().flatten()
    if len(without):
        own = ids[without[0]][batch["channel_mask"][without[0]]]
        raise ValueError(
            f"A window with the channels {', '.join(config.channel_names[number] for number in own)} has none in the "
            "pre-training montage: leave it out, or set pretraining_channel_names=all in the model's configuration."
        )
    columns = present.any(0)
    values = batch["input_values"]
    if not bool(columns.all()):
        values, ids, present = values[:, columns], ids[:, columns], present[:, columns]
    inputs = {"input_values": values, "channel_ids": ids}
    if not bool(present.all()):
        # What a masked channel holds must not reach the average or the targets.
        inputs["input_values"] = values * present[..., None]
        inputs["channel_mask"] = present
    elif bool((ids == ids[:1]).all()):
        inputs["channel_ids"] = ids[0]
    if not bool(batch["patch_mask"].all()):
        inputs["patch_mask"] = batch["patch_mask"]
    return inputs


def augment(
    batch: dict[str, torch.Tensor],
    *,
    patch_size: int,
    crop_patches: int | None,
    amplitude_spread: float,
    channel_dropout: float = 0.0,
    seed: int,
    step: int,
    micro_batch: int = 0,
    rank: int = 0,
    world_size: int = 1,
) -> dict[str, torch.Tensor]:
    """Leave out channels, crop each window at a random place, scale it by a random factor (amplitude jitter).

    What a window gets depends on (seed, step, its place in the whole step), not on how many processes share the step.

    Args:
        batch: model inputs with `input_values (B, C, T)`, `channel_ids` and, where there is padding, `channel_mask
            (B, C)` and `patch_mask (B, N)`.
        patch_size: samples of a patch.
        crop_patches: length of the piece that is kept; it starts at any sample, not only between patches. None, or
            more than the windows have, keeps them whole. A batch with padded patches is kept whole too.
        amplitude_spread: standard deviation of the logarithm of the factor; 0 scales nothing.
        channel_dropout: largest share of the channels that the batch loses, in all of its windows; the share is drawn
            evenly from 0 on. Batches with padded channels, and with few, keep them all.
        seed: the run's seed.
        step, micro_batch: where in the run.
        rank, world_size: which share of the step's windows this is.

    Returns:
        A batch of the same keys; the one given is left as it is.
    """
    parts = (seed, "augmentation", step, micro_batch)
    if channel_dropout and "channel_mask" not in batch:
        batch = leave_out_channels(batch, channel_dropout, generator_for(*parts, "channels"))
    values = batch["input_values"]
    batch_size, _, num_samples = values.shape
    own = slice(rank * batch_size, (rank + 1) * batch_size)
    length = num_samples if crop_patches is None else crop_patches * patch_size
    if length < num_samples and "patch_mask" not in batch:
        generator = generator_for(*parts, "crop")
        starts = torch.randint(num_samples - length + 1, (world_size * batch_size,), generator=generator)[own]
        values = torch.stack(
            [window[:, start : start + length] for window, start in zip(values, starts.tolist(), strict=True)]
        )
    if amplitude_spread:
        normal = torch.randn(world_size * batch_size, generator=generator_for(*parts, "amplitude"))[own]
        values = values * (amplitude_spread * normal).exp().to(values)[:, None, None]
    return {**batch, "input_values": values}


def leave_out_channels(
    batch: dict[str, torch.Tensor], largest_share: float, generator: torch.Generator
) -> dict[str, torch.Tensor]:
    """The batch without a random share of its channels, from none to `largest_share`; few are left as they are."""
    count = batch["input_values"].shape[1]
    share = largest_share * float(torch.rand(1, generator=generator))
    kept = torch.randperm(count, generator=generator)[: max(FEWEST_CHANNELS, round(count * (1 - share)))].sort().values
    kept = kept.to(batch["input_values"].device)
    return {**batch, "input_values": batch["input_values"][:, kept], "channel_ids": batch["channel_ids"][..., kept]}


def crop_centre(
    batch: dict[str, torch.Tensor], *, patch_size: int, crop_patches: int | None
) -> dict[str, torch.Tensor]:
    """The middle `crop_patches` patches of each window: what validation looks at where training crops."""
    values = batch["input_values"]
    length = values.shape[-1] if crop_patches is None else crop_patches * patch_size
    if length >= values.shape[-1] or "patch_mask" in batch:
        return batch
    start = (values.shape[-1] - length) // 2
    return {**batch, "input_values": values[..., start : start + length].contiguous()}


def step_masks(
    config: DareEegConfig,
    batch: dict[str, torch.Tensor],
    *,
    seed: int,
    purpose: str,
    step: int,
    micro_batch: int = 0,
    rank: int = 0,
    reconstructed_share: float = 1.0,
) -> PretrainingMasks:
    """Masks of one process's batch in one step.

    Windows without padding are masked by their place in the whole step, over all processes: with
    the scope "batch" every process draws the same mask, with "sample" every window keeps its mask whether one
    process holds the step's windows or several share them. A batch with padding (mixed montages) draws for itself.

    Args:
        config: decides scope, shares and overlaps.
        batch: `input_values (B, C, T)` and, where there is padding, `channel_mask (B, C)`, `patch_mask (B, N)`.
        seed: the run's seed.
        purpose: `"training"` or `"validation"`, so the two never share a draw.
        step: the optimiser step (training) or the batch's number (validation).
        micro_batch: which of the accumulated batches of the step.
        rank: the process.
        reconstructed_share: which share of the target patches is left as targets, drawn after the masks: what is
            visible in either view does not depend on it.
    """
    batch_size, num_channels, num_samples = batch["input_values"].shape
    num_patches = num_samples // config.patch_size
    settings = config.mask_settings
    parts = (seed, purpose, step, micro_batch)

    def draw(*place: int | str, **windows) -> PretrainingMasks:
        generator = generator_for(*parts, *place)
        masks = draw_masks(settings, num_patches, num_channels, generator=generator, **windows)
        if reconstructed_share < 1:
            masks.target_mask = draw_share(masks.target_mask, reconstructed_share, generator)
        return masks

    padding = {name: batch.get(name) for name in ("channel_mask", "patch_mask")}
    if any(mask is not None and not bool(mask.all()) for mask in padding.values()):
        return draw("rank", rank, batch_size=batch_size, **padding)
    if settings.scope == "batch":
        return draw()
    first, last = rank * batch_size, (rank + 1) * batch_size
    blocks = range(first // WINDOWS_PER_DRAW, -(-last // WINDOWS_PER_DRAW))
    draws = [draw("windows", block, batch_size=WINDOWS_PER_DRAW) for block in blocks]
    start = first - blocks.start * WINDOWS_PER_DRAW
    return PretrainingMasks(
        *(
            torch.cat([getattr(block, name) for block in draws])[start : start + batch_size]
            for name in ("context_mask", "second_context_mask", "target_mask")
        )
    )


def validation_batches(
    dataset, collator, batch_size: int, rank: int = 0, world_size: int = 1
) -> Iterator[tuple[int, dict, bool]]:
    """Every `world_size`-th batch of a data set, from batch `rank` on.

    Whole batches are dealt out, so the set of batches does not depend on how many processes there are. Each process
    gets equally many, since a sharded model's forward pass needs them all: those left without one in the last
    round get the last batch again, which must not count twice.

    Yields:
        `(number of the batch, batch, whether it counts)`.
    """
    loader = training_dataloader(
        dataset, batch_size=batch_size, collator=collator, seed=0, shuffle=False, drop_last=False
    )
    if loader.batch_sampler is None:  # a stream: every process reads it and keeps its share
        last = None
        for last in enumerate(loader):
            if last[0] % world_size == rank:
                yield *last, True
        if last is not None and last[0] % world_size < rank:
            yield *last, False
        return
    plan = list(loader.batch_sampler)
    places = range(rank, -(-len(plan) // world_size) * world_size, world_size)
    numbers = [min(place, len(plan) - 1) for place in places]
    batches = DataLoader(loader.dataset, batch_sampler=[plan[number] for number in numbers], collate_fn=collator)
    for place, number, batch in zip(places, numbers, batches, strict=True):
        yield number, batch, place == number
