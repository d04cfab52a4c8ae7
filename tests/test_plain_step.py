"""The plain implementation that benchmarks compare with computes what the package computes."""

import importlib.util
from pathlib import Path

import pytest
import torch

from dare_eeg_hf import DareEegForPreTraining
from dare_eeg_hf.pretraining.step_inputs import step_masks


@pytest.fixture(scope="module")
def plain_step():
    """benchmarks/plain_step.py, which lies beside the package."""
    path = Path(__file__).parents[1] / "benchmarks" / "plain_step.py"
    specification = importlib.util.spec_from_file_location("plain_step", path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_the_plain_step_gives_the_package_s_loss_and_takes_the_same_step(plain_step, tiny_config):
    torch.manual_seed(0)
    ours = DareEegForPreTraining(tiny_config).train()
    plain = plain_step.PlainStep(tiny_config)
    plain.load_state_dict(ours.state_dict())
    batch = {"input_values": 0.02 * torch.randn(4, 19, tiny_config.window_size), "channel_ids": torch.arange(3, 22)}
    for number in range(2):
        masks = step_masks(tiny_config, batch, seed=0, purpose="training", step=number)
        loss, plain_loss = ours(**batch, **vars(masks)).loss, plain(**batch, masks=masks)
        torch.testing.assert_close(plain_loss, loss, rtol=1e-5, atol=1e-5)
        for model, value in ((ours, loss), (plain, plain_loss)):
            parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
            for parameter, gradient in zip(parameters, torch.autograd.grad(value, parameters), strict=True):
                parameter.data.add_(gradient, alpha=-0.1)
            model.update_momentum_encoder(0.9)
    theirs = plain.state_dict()
    for name, weight in ours.state_dict().items():
        torch.testing.assert_close(theirs[name], weight, rtol=1e-4, atol=1e-5, msg=name)
