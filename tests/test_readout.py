"""The readout of statistics: overlapping patches, their mean and spread, a head that takes windows of any length."""

import json
import math

import pytest
import torch
from huggingface_hub.errors import StrictDataclassError

from dare_eeg_hf import DareEegConfig, DareEegForSequenceClassification
from dare_eeg_hf.readout_dare_eeg import DareEegStatisticsProbe, mean_and_spread, overlapping_mask, overlapping_patches


@pytest.fixture(params=[False, True], ids=["statistics", "statistics and maps"])
def model(tiny_config, request):
    torch.manual_seed(0)
    fields = {"statistics_stride": 16, "use_power_maps": request.param}
    config = DareEegConfig(**{**tiny_config.to_dict(), **fields})
    return DareEegForSequenceClassification(config).eval()


def noise(count=3, channels=5, samples=256):
    return 0.02 * torch.randn(count, channels, samples, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("stride", [1, 16, 24, 64])
def test_a_patch_begins_every_stride_samples(stride):
    values = torch.arange(2 * 256.0).view(1, 2, 256)
    patches = overlapping_patches(values, 64, stride).unflatten(-1, (-1, 64))
    assert patches.shape[2] == (256 - 64) // stride + 1
    for number, patch in enumerate(patches[0, 1]):
        assert torch.equal(patch, values[0, 1, number * stride :][:64])


@pytest.mark.parametrize("stride", [8, 24, 64])
def test_a_patch_that_reaches_into_padding_does_not_count(stride):
    mask = torch.tensor([[True] * 3 + [False], [True] * 4, [False, True, True, True]])
    found = overlapping_mask(mask, 64, stride)
    samples = mask.repeat_interleave(64, dim=1).float()[:, None]
    whole = overlapping_patches(samples, 64, stride).unflatten(-1, (-1, 64)).all(-1)[:, 0]
    assert torch.equal(found, whole)


def test_spread_is_the_logarithm_of_the_standard_deviation():
    features = torch.randn(2, 7, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64).float()
    mask = torch.tensor([[True] * 7, [True] * 4 + [False] * 3])
    mean, spread = mean_and_spread(features, mask).chunk(2, dim=1)
    for row, count in enumerate((7, 4)):
        torch.testing.assert_close(mean[row], features[row, :count].mean(0))
        torch.testing.assert_close(spread[row], features[row, :count].std(0, correction=0).log())


def test_windows_of_one_patch_have_gradients(model):
    """The spread of one patch is no number whose root could be differentiated."""
    model.unfreeze_encoder()
    model(noise(samples=64), torch.arange(5), labels=torch.tensor([0, 1, 0])).loss.backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize("samples", [64, 192, 640])
def test_any_length_any_channels_and_padding(model, samples):
    values, ids = noise(samples=samples), torch.tensor([3, 9, 11, 40, 61])
    logits = model(values, ids).logits
    assert logits.shape == (3, 2)
    order = torch.tensor([4, 2, 0, 1, 3])
    torch.testing.assert_close(model(values[:, order], ids[order]).logits, logits, rtol=1e-3, atol=1e-4)
    padded = torch.cat((values, torch.full((3, 5, 128), 7.0)), dim=-1)
    mask = torch.arange(padded.shape[-1] // 64) < samples // 64
    for given in (mask, mask.expand(3, -1)):
        torch.testing.assert_close(model(padded, ids, patch_mask=given).logits, logits, rtol=1e-3, atol=1e-4)


def test_what_was_extracted_is_classified_as_by_forward(model):
    values, ids = noise(), torch.arange(5)
    mask = (torch.arange(4) < 3).expand(3, -1)
    features = model.extract_features(values, ids, patch_mask=mask).last_hidden_state
    assert features.shape == (3, 13 * 2, 32)
    maps = model.extract_power_maps(values, ids, patch_mask=mask)
    model.fit_feature_standardization(features, mask, maps)
    logits = model(values, ids, patch_mask=mask).logits
    torch.testing.assert_close(model.classify_features(features, mask, maps), logits)
    statistics = model.probe._statistics(features.unflatten(1, (13, -1)).flatten(2), mask, maps)
    standardized = (statistics - model.probe.standardization.mean) * model.probe.standardization.scale
    width = 128 + (270 if model.config.use_power_maps else 0)
    torch.testing.assert_close(standardized.mean(0), torch.zeros(width), atol=1e-3, rtol=0)
    with pytest.raises(ValueError, match=r"exactly where config\.use_power_maps asks for them"):
        model.classify_features(features, mask, torch.zeros(3, 270) if maps is None else None)


def test_features_that_hardly_vary_keep_their_digits():
    """Standardised features of a mean ten thousand times their deviation differ as they should."""
    probe = DareEegStatisticsProbe(64, 2, 64, 16, with_power_maps=False)
    features = 1000 + 0.1 * torch.randn(64, 13, 64, generator=torch.Generator().manual_seed(0))
    probe.fit_standardization(features)
    torch.nn.init.ones_(probe.linear.weight)
    torch.nn.init.zeros_(probe.linear.bias)
    exact = features.double()
    exact = torch.cat((exact.mean(1), exact.std(1, correction=0).log()), dim=1)
    expected = ((exact - exact.mean(0)) / exact.std(0, correction=0)).sum(1)
    assert (probe(features)[:, 0] - expected).abs().max() < 0.02 * math.sqrt(128)


def test_a_classifier_of_before_reads_no_maps(tiny_config, tmp_path):
    """A configuration without the field gives the head that it was saved with."""
    config = DareEegConfig(**{**tiny_config.to_dict(), "statistics_stride": 16})
    model = DareEegForSequenceClassification(config).eval()
    model.save_pretrained(tmp_path)
    stored = json.loads((tmp_path / "config.json").read_text())
    assert stored.pop("use_power_maps") is False
    (tmp_path / "config.json").write_text(json.dumps(stored))
    loaded = DareEegForSequenceClassification.from_pretrained(tmp_path)
    assert torch.equal(loaded(noise(), torch.arange(5)).logits, model(noise(), torch.arange(5)).logits)


def test_bad_settings_are_one_sentence(tiny_config):
    fields = tiny_config.to_dict()
    with pytest.raises(StrictDataclassError, match="statistics_stride must be at least 1, got 0"):
        DareEegConfig(**{**fields, "statistics_stride": 0})
    with pytest.raises(StrictDataclassError, match="needs a classifier without projections"):
        DareEegConfig(**{**fields, "statistics_stride": 8, "electrode_names": ["C3"], "use_spectral_projection": True})
    with pytest.raises(StrictDataclassError, match="use_power_maps needs statistics_stride"):
        DareEegConfig(**{**fields, "use_power_maps": True})
    model = DareEegForSequenceClassification(DareEegConfig(**{**fields, "statistics_stride": 8}))
    with pytest.raises(ValueError, match="not a whole number of patches"):
        model(noise(samples=200), torch.arange(5))
    with pytest.raises(ValueError, match=r"patch_mask has shape \(3, 5\)"):
        model(noise(), torch.arange(5), patch_mask=torch.ones(3, 5))
