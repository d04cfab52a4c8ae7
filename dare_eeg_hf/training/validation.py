"""Validation with fixed masks: the same windows, the same masks, the same numbers however many processes share it."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING

import torch
from torch.utils.data import DataLoader

from ..data.loading import training_dataloader
from ..evaluation.invariance import measure_invariance
from .augmentation import crop_centre
from .model_inputs import model_inputs
from .step_masks import step_masks

if TYPE_CHECKING:
    from .pretraining_run import PretrainingRun


def validation_batches(dataset, collator, batch_size: int, rank: int = 0, world_size: int = 1) -> Iterator[tuple]:
    """Every `world_size`-th batch of a data set, from batch `rank` on, as `(number of the batch, batch)`.

    Whole batches are dealt out, so the set of batches does not depend on how many processes there are.
    """
    loader = training_dataloader(
        dataset, batch_size=batch_size, collator=collator, seed=0, shuffle=False, drop_last=False
    )
    if loader.batch_sampler is None:  # a stream: everybody reads it, each keeps its share
        yield from islice(enumerate(loader), rank, None, world_size)
        return
    own = list(loader.batch_sampler)[rank::world_size]
    batches = DataLoader(loader.dataset, batch_sampler=own, collate_fn=collator)
    yield from zip(range(rank, rank + len(own) * world_size, world_size), batches, strict=True)


@torch.no_grad()
def validate(run: "PretrainingRun") -> dict[str, float]:
    """Mean losses over the validation windows, and how invariant and how alive the features are.

    Returns:
        The losses by name, weighted by windows; with `invariance_windows` also what `measure_invariance` returns.
    """
    run.network.eval()
    names = run.loss_names
    totals, windows = torch.zeros(len(names), dtype=torch.float64), 0
    batches = validation_batches(
        run.validation_dataset, run.collator, run.arguments.batch_size, run.processes.rank, run.processes.world_size
    )
    with negatives_from_own_process(run.network):
        for number, rows in batches:
            config = run.network.config
            batch = run.to_device(model_inputs(rows, config))
            batch = crop_centre(batch, patch_size=config.patch_size, crop_patches=run.arguments.crop_patches)
            masks = step_masks(config, batch, seed=run.arguments.seed, purpose="validation", step=number, rank=0)
            losses = run.losses_of(run.forward(run.network, batch, masks))
            totals += losses.double().cpu() * len(batch["input_values"])
            windows += len(batch["input_values"])
        *sums, windows = run.processes.sum([*totals.tolist(), windows])
        if windows == 0:
            raise ValueError("The validation data set has no windows.")
        metrics = {name: total / windows for name, total in zip(names, sums, strict=True)}
        if run.arguments.invariance_windows:
            metrics |= measure_invariance(
                run.network, run.invariance_batches(), seed=run.arguments.seed, autocast=run.accelerator.autocast
            )
    return metrics


@contextmanager
def negatives_from_own_process(network: torch.nn.Module) -> Iterator[None]:
    """Keep InfoNCE inside the process: in validation the processes may have different numbers of batches."""
    gathered = network.config.gather_negatives
    network.config.gather_negatives = False
    try:
        yield
    finally:
        network.config.gather_negatives = gathered
