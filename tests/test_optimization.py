"""Learning rate, momentum and weight-decay groups of the published recipe."""

import pytest
import torch

from dare_eeg_hf import DareEegConfig, DareEegForPreTraining
from dare_eeg_hf.optimization import (
    momentum_at,
    one_cycle_learning_rate,
    parameter_groups,
    scaled_learning_rate,
)


@pytest.mark.parametrize("total", [10, 57, 1000])
def test_one_cycle_equals_torchs(total):
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=5e-4,
        total_steps=total,
        pct_start=0.2,
        div_factor=2,
        final_div_factor=8,
        cycle_momentum=False,
    )
    for step in range(total):
        assert one_cycle_learning_rate(step, total, 5e-4) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9)
        optimizer.step()
        if step < total - 1:
            schedule.step()


def test_one_cycle_has_the_published_corners():
    assert one_cycle_learning_rate(0, 1000, 5e-4) == pytest.approx(2.5e-4)
    assert one_cycle_learning_rate(199, 1000, 5e-4) == pytest.approx(5e-4)
    assert one_cycle_learning_rate(999, 1000, 5e-4) == pytest.approx(2.5e-4 / 8)
    assert one_cycle_learning_rate(5000, 1000, 5e-4) == pytest.approx(2.5e-4 / 8)


@pytest.mark.parametrize("total", [1, 2, 3, 4])
def test_one_cycle_of_very_short_runs_stays_in_range(total):
    for step in range(total):
        assert 2.5e-4 / 8 - 1e-12 <= one_cycle_learning_rate(step, total, 5e-4) <= 5e-4 + 1e-12


def test_momentum_rises_linearly_to_one():
    values = [momentum_at(step, 101) for step in range(101)]
    assert (values[0], values[50], values[100]) == (pytest.approx(0.996), pytest.approx(0.998), 1.0)
    assert momentum_at(0, 1) == pytest.approx(0.996)


def test_only_matrices_decay_and_the_momentum_encoder_is_left_out():
    model = DareEegForPreTraining(DareEegConfig(hidden_size=16, num_attention_heads=2, num_hidden_layers=1))
    decayed, free = parameter_groups(model.named_parameters(), 1e-6)
    assert (decayed["weight_decay"], free["weight_decay"]) == (1e-6, 0.0)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    assert all(parameter.ndim >= 2 for parameter in decayed["params"])
    assert {names[id(parameter)].rsplit(".", 1)[1] for parameter in free["params"]} == {"weight", "bias"}
    assert not any(name.endswith("bias") for name in (names[id(p)] for p in decayed["params"]))
    inside = {names[id(parameter)] for group in (decayed, free) for parameter in group["params"]}
    assert inside == {name for name in names.values() if not name.startswith("dare_eeg.")}


def test_learning_rate_scaling():
    assert scaled_learning_rate(5e-4, 432) == 5e-4
    assert scaled_learning_rate(5e-4, 864, "sqrt") == pytest.approx(1e-3)
    assert scaled_learning_rate(5e-4, 432, "linear") == pytest.approx(1e-3)
    with pytest.raises(ValueError, match="sqrt"):
        scaled_learning_rate(5e-4, 432, "cubic")
