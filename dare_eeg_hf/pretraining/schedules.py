"""How fast to learn at which step: pure functions of the step, so a resumed run needs no scheduler state."""

import math
from collections.abc import Iterable

import torch

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
