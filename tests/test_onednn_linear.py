"""Linear maps by oneDNN: what torch computes, within rounding; and torch itself wherever they do not apply."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from dare_eeg_hf import (
    DareEegConfig,
    DareEegForPreTraining,
    DareEegForSequenceClassification,
    DareEegModel,
    onednn_linear,
)
from dare_eeg_hf.adaptation.encoder_features import encode_inputs
from dare_eeg_hf.adaptation.feature_statistics import feature_statistics
from dare_eeg_hf.adaptation.finetuning_loop import ClassifierWithLoss, batched_logits
from dare_eeg_hf.onednn_linear import OneDnnLinear, is_available, onednn_products, use_onednn

needs_onednn = pytest.mark.skipif(not is_available(), reason="needs a processor with AVX-512 and torch's oneDNN")


@pytest.fixture
def products(monkeypatch):
    """The shapes of what was multiplied "by oneDNN", for which torch stands in: on any machine."""
    shapes = []

    def product(values, weight, bias=None):
        shapes.append((*values.shape, len(weight)))
        return F.linear(values, weight, bias)

    monkeypatch.setattr(onednn_linear, "is_available", lambda: True)
    monkeypatch.setattr(onednn_linear, "_product", product)
    return shapes


@pytest.fixture
def inputs():
    """Two windows of six channels."""
    patches = torch.ones(2, 4, dtype=torch.bool)
    return {"input_values": 0.02 * torch.randn(2, 6, 256), "channel_ids": torch.arange(6), "patch_mask": patches}


@needs_onednn
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


@needs_onednn
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


@needs_onednn
def test_half_precision_stays_with_torch(monkeypatch):
    monkeypatch.setattr(OneDnnLinear, "apply", lambda *_: pytest.fail("computed by oneDNN"))
    layer = nn.Linear(8, 4)
    use_onednn(layer)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(torch.randn(2, 8)).dtype == torch.bfloat16
    assert layer.double()(torch.randn(2, 8, dtype=torch.float64)).dtype == torch.float64


@needs_onednn
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


@needs_onednn
def test_pipelines_answer_the_same_within_rounding(classify, encode, eyes_recordings, monkeypatch):
    recording = str(eyes_recordings[0])
    features, answers = encode(recording)["features"], classify(recording)
    monkeypatch.setattr(onednn_linear, "is_available", lambda: False)
    plain = encode(recording)["features"]
    assert np.linalg.norm(features - plain) <= 1e-4 * np.linalg.norm(plain)
    for found, wanted in zip(answers, classify(recording), strict=True):
        assert found["label"] == wanted["label"]
        assert found["score"] == pytest.approx(wanted["score"], abs=1e-4)


def test_pipelines_multiply_by_it(products, classify, encode, eyes_recordings):
    for pipeline in (classify, encode):
        products.clear()
        pipeline(str(eyes_recordings[0]))
        assert products


@pytest.mark.parametrize("call", [encode_inputs, feature_statistics])
def test_features_are_multiplied_by_it(products, tiny_config, inputs, call):
    call(DareEegModel(tiny_config), inputs)
    assert products


def test_logits_are_multiplied_by_it(products, tiny_config, inputs):
    batched_logits(ClassifierWithLoss(DareEegForSequenceClassification(tiny_config).eval()), inputs, "cpu")
    assert products


@pytest.mark.parametrize("device", ["cuda", torch.device("cuda", 1), "mps"], ids=str)
def test_models_elsewhere_than_on_a_cpu_are_left_alone(products, device):
    with onednn_products(device):
        F.linear(torch.ones(2, 3), torch.ones(4, 3))
    assert not products
    with onednn_products(torch.device("cpu")):
        F.linear(torch.ones(2, 3), torch.ones(4, 3))
    assert products == [(2, 3, 4)]


@pytest.mark.parametrize("trained", [False, True])
def test_products_with_a_vector_are_those_of_torch(products, trained):
    values, weight = torch.ones(2, 3), torch.arange(3.0, requires_grad=trained)
    with onednn_products():
        assert F.linear(values, weight).tolist() == [3, 3]
    assert not products


@needs_onednn
def test_a_compiled_encoder_gives_the_same_values(inputs):
    torch.manual_seed(0)
    model = DareEegModel(DareEegConfig.from_preset("nano")).eval()
    compiled = torch.compile(model, backend="eager")
    with torch.no_grad():
        wanted = model(**inputs).last_hidden_state
        with onednn_products():
            found = compiled(**inputs).last_hidden_state
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
