"""One training step and one validation, on a model and its batches alone: no run, no folder, no launcher.

    >>> model = DareEegForPreTraining(DareEegConfig.from_preset("nano"))
    >>> optimizer = torch.optim.AdamW(model.parameters(), lr=5e-4)
    >>> for batch in batches:
    ...     result = take_step(model, batch, optimizer)
    >>> validate(model, held_out_batches)["loss"]

A batch is a dictionary of the model's arguments: `input_values (B, C, T)`, `channel_ids (C,)` or `(B, C)`, and where
there are any, padding masks, the masks of both views and of the targets, and `generator`. A model is whatever returns
the losses of `DareEegForPreTraining` and has its `update_momentum_encoder`.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from torch.nn.parallel import DistributedDataParallel

from dare_eeg_hf.pretraining.processes import ProcessGroup

LOSSES = ("loss", "loss_reconstruction", "loss_spectrum", "loss_anchor", "loss_mask_alignment", "loss_activation")


@dataclass
class StepResult:
    """What a step measured, on the model's device: reading it makes the program wait for the device.

    Attributes:
        losses: scalars by name, each the mean over the step's batches.
        gradient_norm: scalar, before clipping.
    """

    losses: dict[str, torch.Tensor]
    gradient_norm: torch.Tensor


def take_step(
    model: torch.nn.Module,
    batch: Mapping[str, object] | Sequence[Mapping[str, object]],
    optimizer: torch.optim.Optimizer,
    *,
    momentum: float = 0.996,
    max_gradient_norm: float | None = None,
    accelerator: Accelerator | None = None,
) -> StepResult:
    """One step of the optimiser, and one of the momentum encoder.

    Args:
        model: in whatever wrapper it is trained; it is left in training mode.
        batch: the model's arguments, on its device; or several such batches, whose gradients are averaged.
        optimizer: of the model's parameters; its groups hold the step's learning rate.
        momentum: how much of itself the momentum encoder (target encoder) keeps.
        max_gradient_norm: clip the gradient to this norm; None leaves it.
        accelerator: what prepared model and optimiser, if anything did: knows precision and processes.

    Returns:
        A [`StepResult`].
    """
    batches = [batch] if isinstance(batch, Mapping) else list(batch)
    model.train()
    rows = []
    for number, each in enumerate(batches, start=1):
        accumulates = accelerator is not None and number < len(batches)
        with accelerator.no_sync(model) if accumulates else nullcontext():
            losses = losses_of(model, each, accelerator)
            backward = torch.Tensor.backward if accelerator is None else accelerator.backward
            backward(losses["loss"] / len(batches))
        rows.append(torch.stack([loss.detach().float() for loss in losses.values()]))
    gradient_norm = clip_gradients(model, optimizer, max_gradient_norm, accelerator)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    unwrapped(model).update_momentum_encoder(momentum)
    means = torch.stack(rows).mean(0)
    return StepResult(dict(zip(losses, means.unbind(), strict=True)), gradient_norm.detach().float())


@torch.no_grad()
def validate(
    model: torch.nn.Module,
    batches: Iterable[Mapping[str, object]],
    *,
    accelerator: Accelerator | None = None,
    processes: ProcessGroup | None = None,
) -> dict[str, float]:
    """Mean losses over windows, in evaluation mode; the model's mode is restored.

    The numbers depend on nothing but the model and the batches when these hold their masks.

    Args:
        model: as for `take_step`.
        batches: the model's arguments, on its device. One that is only there so that all processes run the model
            equally often has `"counts": False` beside them.
        accelerator: knows the precision; None computes as the model is.
        processes: those that share the windows; None where all of them are here.

    Returns:
        The losses by name, weighted by windows.

    Raises:
        ValueError: when there are no windows.
    """
    network = unwrapped(model)
    was_training = network.training
    network.eval()
    names, totals, windows = [], torch.zeros(len(LOSSES), dtype=torch.float64), 0
    for batch in batches:
        inputs = dict(batch)
        counts = inputs.pop("counts", True)
        losses = losses_of(network, inputs, accelerator)
        names = list(losses)
        if counts:
            size = len(inputs["input_values"])
            values = torch.stack([loss.float() for loss in losses.values()])
            totals[: len(names)] += values.double().cpu() * size
            windows += size
    network.train(was_training)
    sums = [*totals.tolist(), windows]
    *sums, windows = sums if processes is None else processes.sum(sums)
    if windows == 0:
        raise ValueError("The validation data set has no windows.")
    return {name: total / windows for name, total in zip(names, sums, strict=False)}


def losses_of(
    model: torch.nn.Module, inputs: Mapping[str, object], accelerator: Accelerator | None = None
) -> dict[str, torch.Tensor]:
    """The losses that a model returned, scalars in the order of `LOSSES`, in the precision of the accelerator."""
    with nullcontext() if accelerator is None else accelerator.autocast():
        output = model(**inputs, return_dict=True)
    return {name: loss for name in LOSSES if (loss := getattr(output, name, None)) is not None}


def clip_gradients(
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    max_norm: float | None,
    accelerator: Accelerator | None = None,
) -> torch.Tensor:
    """Clip where asked for; return the gradient's norm before that, without the factor of fp16's scaler."""
    parameters = [parameter for parameter in model.parameters() if parameter.grad is not None]
    if max_norm is not None:
        clip = torch.nn.utils.clip_grad_norm_ if accelerator is None else accelerator.clip_grad_norm_
        norm = clip(parameters, max_norm)  # Accelerate's unscales first
    else:
        if accelerator is not None:
            accelerator.unscale_gradients(optimizer)
        norm = torch.nn.utils.get_total_norm([parameter.grad for parameter in parameters])
    return norm.full_tensor() if hasattr(norm, "full_tensor") else norm


def unwrapped(model: torch.nn.Module) -> torch.nn.Module:
    """The network inside what shares its gradients between processes."""
    return model.module if isinstance(model, DistributedDataParallel) else model
