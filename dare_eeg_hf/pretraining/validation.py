"""Validation with fixed masks: the same windows, the same masks, the same numbers however many processes share it."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch.utils.data import DataLoader

from dare_eeg_hf.corpora.loading import training_dataloader
from dare_eeg_hf.pretraining.augmentation import crop_centre
from dare_eeg_hf.pretraining.invariance import measure_invariance
from dare_eeg_hf.pretraining.model_inputs import model_inputs
from dare_eeg_hf.pretraining.step_masks import step_masks

if TYPE_CHECKING:
    from dare_eeg_hf.pretraining.run import PretrainingRun


def validation_batches(
    dataset, collator, batch_size: int, rank: int = 0, world_size: int = 1
) -> Iterator[tuple[int, dict, bool]]:
    """Every `world_size`-th batch of a data set, from batch `rank` on.

    Whole batches are dealt out, so the set of batches does not depend on how many processes there are. Each process
    gets equally many, since a sharded model's forward pass needs them all: those for whom none is left in the last
    round get the last batch of all again, which must not count twice.

    Yields:
        `(number of the batch, batch, whether it counts)`.
    """
    loader = training_dataloader(
        dataset, batch_size=batch_size, collator=collator, seed=0, shuffle=False, drop_last=False
    )
    if loader.batch_sampler is None:  # a stream: everybody reads it, each keeps its share
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


@torch.no_grad()
def validate(run: "PretrainingRun") -> dict[str, float]:
    """Mean losses over the validation windows, and how invariant and how alive the features are.

    Returns:
        The losses by name, weighted by windows; with `invariance_windows` also what `measure_invariance` returns,
        where there are windows to compare and the features are numbers.
    """
    run.network.eval()
    metrics = mean_losses(run)
    if run.arguments.invariance_windows and math.isfinite(metrics["loss"]):
        metrics |= invariance(run)
    return metrics


def mean_losses(run: "PretrainingRun") -> dict[str, float]:
    """The losses by name, weighted by windows, over all processes.

    Raises:
        ValueError: when there are no windows.
    """
    config, arguments = run.network.config, run.arguments
    totals, windows = torch.zeros(len(run.loss_names), dtype=torch.float64), 0
    batches = validation_batches(
        run.validation_dataset, run.collator, arguments.batch_size, run.processes.rank, run.processes.world_size
    )
    for number, rows, counts in batches:
        batch = run.to_device(model_inputs(rows, config))
        batch = crop_centre(batch, patch_size=config.patch_size, crop_patches=arguments.crop_patches)
        masks = step_masks(config, batch, seed=arguments.seed, purpose="validation", step=number, rank=0)
        # A batch's losses must not depend on what the other processes have.
        losses = run.losses_of(run.forward(run.network, batch, masks, gather_negatives=False))
        if counts:
            totals += losses.double().cpu() * len(batch["input_values"])
            windows += len(batch["input_values"])
    *sums, windows = run.processes.sum([*totals.tolist(), windows])
    if windows == 0:
        raise ValueError("The validation data set has no windows.")
    return {name: total / windows for name, total in zip(run.loss_names, sums, strict=True)}


def invariance(run: "PretrainingRun") -> dict[str, object]:
    """What `measure_invariance` finds on the first validation windows; nothing where one window has no other."""
    batches = run.invariance_batches()
    if sum(len(batch["input_values"]) for batch in batches) < 2:
        run.log.say_once(
            "Mask invariance and collapse are not measured: windows are compared for it, and there is one only. Add "
            "validation windows, or raise invariance_windows."
        )
        return {}
    return measure_invariance(run.network, batches, seed=run.arguments.seed, autocast=run.accelerator.autocast)
