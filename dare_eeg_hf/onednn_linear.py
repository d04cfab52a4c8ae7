"""Linear maps in float32 by oneDNN on CPUs where torch's own library leaves half of the speed unused.

torch multiplies float32 matrices on CPUs with MKL, which reaches half of what an AMD EPYC with AVX-512 can do: one
thread 110 GFLOP/s. oneDNN, which comes with torch as well, reaches 240. Results differ by rounding alone. torch offers
no switch, hence the operation that its compiler uses.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import MethodType
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd.function import once_differentiable
from torch.overrides import TorchFunctionMode


def is_available() -> bool:
    """Whether this torch has oneDNN's linear map and this processor AVX-512."""
    return (
        torch.backends.mkldnn.is_available()
        and torch.backends.cpu.get_cpu_capability() == "AVX512"
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )


def _product(values: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """Map `(..., K)` by a weight `(N, K)` to `(..., N)`."""
    return torch.ops.mkldnn._linear_pointwise(values, weight, bias, "none", [], "")


class OneDnnLinear(torch.autograd.Function):
    """`F.linear` in float32, forward and backward by oneDNN."""

    @staticmethod
    def forward(ctx, values: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        """Map `(..., K)` to `(..., N)`."""
        ctx.save_for_backward(values, weight)
        return _product(values, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Gradients of values, weight and bias."""
        values, weight = ctx.saved_tensors
        needs_values, needs_weight, needs_bias = ctx.needs_input_grad
        rows = gradient.flatten(0, -2)
        return (
            _product(gradient, weight.t()) if needs_values else None,
            _product(rows.t(), values.flatten(0, -2).t()) if needs_weight else None,
            rows.sum(0) if needs_bias else None,
        )


def linear(values: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """`F.linear`, by oneDNN where everything is float32 on a CPU, and neither cast, traced nor compiled."""
    if (
        values.device.type != "cpu"
        or type(values) is not torch.Tensor  # other kinds, such as quantised ones, have their own products
        or type(weight) not in (torch.Tensor, nn.Parameter)
        or weight.dim() != 2  # F.linear takes a vector as well
        or not values.dtype == weight.dtype == torch.float32
        or torch.is_autocast_enabled("cpu")
        or torch.compiler.is_compiling()
        or torch.compiler.is_exporting()
        or torch.jit.is_tracing()
    ):
        return F.linear(values, weight, bias)
    if not torch.is_grad_enabled():
        return _product(values, weight, bias)
    return OneDnnLinear.apply(values, weight, bias)


def use_onednn(model: nn.Module) -> bool:
    """Let a model's linear maps compute by oneDNN; their names, weights and classes stay what they are.

    Returns:
        Whether this machine can; where it cannot, the model is left alone.
    """
    if not is_available():
        return False
    for layer in model.modules():
        if isinstance(layer, nn.Linear) and type(layer).forward is nn.Linear.forward:
            layer.forward = MethodType(_forward, layer)  # bound, so that a copy of the model computes with its own
    return True


def _forward(layer: nn.Linear, values: torch.Tensor) -> torch.Tensor:
    """What a linear map computes instead of `F.linear`."""
    return linear(values, layer.weight, layer.bias)


class _OneDnnProducts(TorchFunctionMode):
    """While it is entered, `F.linear` is `linear`."""

    def __torch_function__(self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        if function is F.linear:
            return linear(*args, **kwargs or {})
        return function(*args, **kwargs or {})


@contextmanager
def onednn_products(device: torch.device | str = "cpu") -> Iterator[None]:
    """Let all linear maps of this thread compute by oneDNN, where this machine can; no model is changed.

    Answers differ from torch's own by rounding alone.

    Args:
        device: where the model is. On others than CPUs everything stays as it is, at no cost.
    """
    if torch.device(device).type != "cpu" or not is_available():
        yield
        return
    with _OneDnnProducts():
        yield
