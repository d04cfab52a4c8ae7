"""What training changes in a window before the model sees it: where it is cut, and how strong it is."""

import torch

from dare_eeg_hf.randomness import generator_for


def augment(
    batch: dict[str, torch.Tensor],
    *,
    patch_size: int,
    crop_patches: int | None,
    amplitude_spread: float,
    seed: int,
    step: int,
    micro_batch: int = 0,
    rank: int = 0,
    world_size: int = 1,
) -> dict[str, torch.Tensor]:
    """Cut each window at a place of its own, and scale it by a factor of its own.

    What a window gets depends on (seed, step, its place in the whole step), not on how many processes share the step.

    Args:
        batch: model inputs with `input_values (B, C, T)` and, where there is padding, `patch_mask (B, N)`.
        patch_size: samples of a patch.
        crop_patches: length of the piece that is kept; it starts at any sample, not only between patches. None, or
            more than the windows have, keeps them whole. A batch with padded patches is kept whole too.
        amplitude_spread: standard deviation of the logarithm of the factor; 0 scales nothing.
        seed: the run's seed.
        step, micro_batch: where in the run.
        rank, world_size: which share of the step's windows this is.

    Returns:
        A batch of the same keys; the one given is left as it is.
    """
    values = batch["input_values"]
    batch_size, _, num_samples = values.shape
    own = slice(rank * batch_size, (rank + 1) * batch_size)
    parts = (seed, "augmentation", step, micro_batch)
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
