"""Linear maps by oneDNN: what torch computes, within rounding; and torch itself wherever they do not apply."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from dare_eeg_hf import DareEegForPreTraining, DareEegModel, onednn_linear
from dare_eeg_hf.onednn_linear import OneDnnLinear, is_available, onednn_products, use_onednn


@pytest.fixture(autouse=True)
def able():
    if not is_available():
        pytest.skip("needs a processor with AVX-512 and torch's oneDNN")


def test_values_and_gradients_are_those_of_torch():
    torch.manual_seed(0)
    plain = nn.Linear(48, 20)
    fast = copy.deepcopy(plain)
    assert use_onednn(fast)
    values = torch.randn(3, 7, 48, requires_grad=True)
    outputs = [layer(values) for layer in (plain, fast)]
    assert "OneDnnLinear" in type(outputs[1].grad_fn).__name__
    torch.testing.assert_close(outputs[1], outputs[0], rtol=1e-5, atol=1e-5)
    gradients = [
        torch.autograd.grad(output.square().sum(), (values, *layer.parameters()))
        for layer, output in zip((plain, fast), outputs, strict=True)
    ]
    for found, wanted in zip(gradients[1], gradients[0], strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


def test_a_model_keeps_names_and_loss_and_a_copy_its_own_weights(tiny_config):
    torch.manual_seed(0)
    model = DareEegForPreTraining(tiny_config).eval()
    batch = {"input_values": 0.02 * torch.randn(2, 6, 256), "channel_ids": torch.arange(6)}

    def loss(network):
        return network(**batch, generator=torch.Generator().manual_seed(0)).loss

    wanted, names = loss(model), list(model.state_dict())
    assert use_onednn(model)
    assert list(model.state_dict()) == names
    torch.testing.assert_close(loss(model), wanted, rtol=1e-5, atol=1e-5)
    other = copy.deepcopy(model)
    nn.init.zeros_(other.predictor.proj.weight)
    torch.testing.assert_close(loss(model), wanted, rtol=1e-5, atol=1e-5)
    assert (loss(other) - wanted).abs() > 1e-3


def test_half_precision_stays_with_torch(monkeypatch):
    monkeypatch.setattr(OneDnnLinear, "apply", lambda *_: pytest.fail("computed by oneDNN"))
    layer = nn.Linear(8, 4)
    use_onednn(layer)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(torch.randn(2, 8)).dtype == torch.bfloat16
    assert layer.double()(torch.randn(2, 8, dtype=torch.float64)).dtype == torch.float64


def test_products_change_within_the_block_alone_and_no_model_is_touched(tiny_config):
    torch.manual_seed(0)
    model = DareEegModel(tiny_config).eval()
    batch = {"input_values": 0.02 * torch.randn(2, 6, 256), "channel_ids": torch.arange(6)}
    with torch.no_grad():
        wanted = model(**batch).last_hidden_state
        with onednn_products(), torch.profiler.profile() as inside:
            found = model(**batch).last_hidden_state
        with torch.profiler.profile() as outside:
            model(**batch)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
    assert any("_linear_pointwise" in each.key for each in inside.key_averages())
    assert not any("_linear_pointwise" in each.key for each in outside.key_averages())


def test_pipelines_answer_the_same_within_rounding(classify, encode, eyes_recordings, monkeypatch):
    recording = str(eyes_recordings[0])
    features, answers = encode(recording)["features"], classify(recording)
    monkeypatch.setattr(onednn_linear, "is_available", lambda: False)
    plain = encode(recording)["features"]
    assert np.linalg.norm(features - plain) <= 1e-4 * np.linalg.norm(plain)
    for found, wanted in zip(answers, classify(recording), strict=True):
        assert found["label"] == wanted["label"]
        assert found["score"] == pytest.approx(wanted["score"], abs=1e-4)
