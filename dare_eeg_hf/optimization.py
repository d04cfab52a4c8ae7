"""How fast to learn: pre-training's rates as pure functions of the step, and fine-tuning's, smaller towards the input.

Resuming needs no scheduler state, because the rate depends on the step alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn

PUBLISHED_LEARNING_RATE = 5e-4
# 72 windows on each of three GPUs is the batch the published learning rate belongs to.
PUBLISHED_GLOBAL_BATCH_SIZE = 216


def one_cycle_learning_rate(
    step: int,
    total_steps: int,
    maximum: float,
    *,
    warmup_fraction: float = 0.2,
    start_divisor: float = 2.0,
    end_divisor: float = 8.0,
) -> float:
    """Learning rate of a step (0-based) under the published OneCycle schedule (METHOD.md, "Optimisation").

    It rises along a cosine from `maximum / start_divisor` to `maximum` over the first `warmup_fraction` of the steps
    and falls along a cosine to `maximum / start_divisor / end_divisor` at the last step. The same numbers as
    `torch.optim.lr_scheduler.OneCycleLR(pct_start=0.2, div_factor=2, final_div_factor=8)` gives.
    """
    start = maximum / start_divisor
    end = start / end_divisor
    peak_step = warmup_fraction * total_steps - 1
    last_step = total_steps - 1
    step = min(step, last_step)
    if step <= peak_step:
        return _cosine_between(start, maximum, step / peak_step if peak_step > 0 else 1.0)
    return _cosine_between(maximum, end, (step - peak_step) / max(last_step - peak_step, 1e-9))


def _cosine_between(first: float, last: float, fraction: float) -> float:
    return last + (first - last) / 2 * (1 + math.cos(math.pi * fraction))


def momentum_at(step: int, total_steps: int, start: float = 0.996, end: float = 1.0) -> float:
    """Momentum of the momentum encoder at a step (0-based), linear over the run (METHOD.md, "The four networks")."""
    return start + (end - start) * min(step / max(total_steps - 1, 1), 1.0)


def scaled_learning_rate(
    learning_rate: float, global_batch_size: int, rule: str = "none", reference: int = PUBLISHED_GLOBAL_BATCH_SIZE
) -> float:
    """Carry a learning rate from a step of `reference` windows to one of `global_batch_size` windows.

    Args:
        learning_rate: the rate that suits `reference` windows per step.
        global_batch_size: windows per optimiser step, over all processes and accumulated batches.
        rule: `"none"` keeps the rate, `"sqrt"` multiplies by the square root of the ratio of batch sizes (the usual
            rule for Adam, whose step does not grow with the gradient), `"linear"` by the ratio itself (the usual rule
            for SGD; for AdamW use it only upwards by small factors).
    """
    ratio = global_batch_size / reference
    factors = {"none": 1.0, "sqrt": math.sqrt(ratio), "linear": ratio}
    if rule not in factors:
        raise ValueError(f"learning_rate_scaling must be one of {sorted(factors)}, not {rule!r}")
    return learning_rate * factors[rule]


def parameter_groups(
    named_parameters: Iterable[tuple[str, torch.nn.Parameter]], weight_decay: float
) -> list[dict[str, object]]:
    """AdamW groups as published: decay on matrices (two dimensions and more), none on biases and vectors.

    Parameters without gradient (the momentum encoder's) are left out of the optimiser.
    """
    trained = [parameter for _, parameter in named_parameters if parameter.requires_grad]
    return [
        {"params": [parameter for parameter in trained if parameter.ndim >= 2], "weight_decay": weight_decay},
        {"params": [parameter for parameter in trained if parameter.ndim < 2], "weight_decay": 0.0},
    ]


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
