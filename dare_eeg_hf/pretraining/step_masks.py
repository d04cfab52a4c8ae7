"""Which masks a step uses: a function of (seed, step, window), however many processes share the step."""

import torch

from dare_eeg_hf.configuration_dare_eeg import DareEegConfig
from dare_eeg_hf.masking_dare_eeg import PretrainingMasks, draw_masks
from dare_eeg_hf.randomness import generator_for

# Windows that draw from one generator: few enough to split a batch anywhere, enough to draw quickly.
WINDOWS_PER_DRAW = 8


def step_masks(
    config: DareEegConfig,
    batch: dict[str, torch.Tensor],
    *,
    seed: int,
    purpose: str,
    step: int,
    micro_batch: int = 0,
    rank: int = 0,
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
    """
    batch_size, num_channels, num_samples = batch["input_values"].shape
    num_patches = num_samples // config.patch_size
    settings = config.mask_settings
    parts = (seed, purpose, step, micro_batch)
    padding = {name: batch.get(name) for name in ("channel_mask", "patch_mask")}
    if any(mask is not None and not bool(mask.all()) for mask in padding.values()):
        generator = generator_for(*parts, "rank", rank)
        return draw_masks(settings, num_patches, num_channels, batch_size=batch_size, generator=generator, **padding)
    if settings.scope == "batch":
        return draw_masks(settings, num_patches, num_channels, generator=generator_for(*parts))

    first, last = rank * batch_size, (rank + 1) * batch_size
    blocks = range(first // WINDOWS_PER_DRAW, -(-last // WINDOWS_PER_DRAW))
    draws = [
        draw_masks(
            settings,
            num_patches,
            num_channels,
            batch_size=WINDOWS_PER_DRAW,
            generator=generator_for(*parts, "windows", block),
        )
        for block in blocks
    ]
    start = first - blocks.start * WINDOWS_PER_DRAW
    return PretrainingMasks(
        *(
            torch.cat([getattr(draw, name) for draw in draws])[start : start + batch_size]
            for name in ("context_mask", "second_context_mask", "target_mask")
        )
    )
