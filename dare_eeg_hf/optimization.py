"""Learning rates that shrink towards the input, for fine-tuning a whole encoder."""

from __future__ import annotations

import torch
from torch import nn


def layer_of(name: str, num_layers: int) -> int:
    """Depth of a parameter: 0 for embeddings, 1 to L for the blocks, L + 1 for everything new (adapter and head)."""
    if ".layers." in name:
        return int(name.split(".layers.")[1].split(".")[0]) + 1
    return 0 if ".embeddings." in name else num_layers + 1


def layerwise_parameter_groups(
    model: nn.Module, learning_rate: float, weight_decay: float, layer_decay: float
) -> list[dict]:
    """AdamW groups in which the learning rate falls by `layer_decay` with every block below the head.

    The adapter in front of the encoder is new, like the head, and learns at the full rate. Biases and vectors have
    no weight decay.

    Args:
        model: a classifier; parameters without gradient are left out.
        learning_rate: of the head.
        weight_decay: of matrices.
        layer_decay: 0.65 to 0.9 is usual here (METHOD.md, "Conv-linear-probing"); 1 gives all the same rate.
    """
    num_layers = model.config.num_hidden_layers
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        rate = learning_rate * layer_decay ** (num_layers + 1 - layer_of(name, num_layers))
        decay = weight_decay if parameter.ndim >= 2 else 0.0
        groups.setdefault((rate, decay), []).append(parameter)
    return [{"params": parameters, "lr": rate, "weight_decay": decay} for (rate, decay), parameters in groups.items()]


def one_cycle(
    optimizer: torch.optim.Optimizer, total_steps: int, warmup_fraction: float
) -> torch.optim.lr_scheduler.OneCycleLR:
    """OneCycle with each group's own rate as its maximum, up over `warmup_fraction` of the steps, cosine down."""
    return torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=[group["lr"] for group in optimizer.param_groups],
        total_steps=max(total_steps, 2),
        pct_start=warmup_fraction,
        cycle_momentum=False,
    )
