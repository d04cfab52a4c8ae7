"""Mean and spread of a frozen encoder's features over overlapping patches, and power maps beside them."""

import numpy as np
import pytest
import torch

from dare_eeg_hf import DareEegConfig, DareEegModel
from dare_eeg_hf.adaptation.classifier_setup import build_classifier, prepare_inputs
from dare_eeg_hf.adaptation.feature_statistics import feature_statistics, of_encoder_alone, power_map_features
from dare_eeg_hf.power_maps_dare_eeg import power_maps
from tests.adaptation.conftest import easy_windows


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return DareEegModel(DareEegConfig.from_preset("nano", hidden_size=32, num_summary_tokens=2))


def inputs_of(values, valid_patches=None):
    count, channels, samples = values.shape
    mask = torch.arange(samples // 64) < (valid_patches or samples // 64)
    return {
        "input_values": values,
        "channel_ids": torch.arange(channels).expand(count, -1),
        "patch_mask": mask.expand(count, -1),
    }


def test_equals_the_statistics_of_every_patch_encoded_by_itself(encoder):
    values = 0.02 * torch.randn(3, 5, 256)
    inputs = inputs_of(values)
    found = feature_statistics(encoder, inputs, stride=16, with_power_maps=False)
    patches = [values[..., start : start + 64].contiguous() for start in range(0, 256 - 64 + 1, 16)]
    with torch.no_grad():
        features = torch.stack([encoder(patch, channel_ids=torch.arange(5)).pooler_output for patch in patches], dim=1)
    expected = torch.cat((features.mean(1), features.std(1, correction=0).log()), dim=1).numpy()
    assert found.shape == (3, 2 * 2 * 32)
    np.testing.assert_allclose(found, expected, atol=2e-4)

    everything = feature_statistics(encoder, inputs, stride=16)
    np.testing.assert_array_equal(of_encoder_alone(everything), found)
    maps = power_maps(values, inputs["channel_ids"], None, None, encoder.config)
    np.testing.assert_allclose(everything[:, found.shape[1] :], maps, atol=1e-5)


def test_padding_at_the_end_changes_nothing(encoder):
    values = 0.02 * torch.randn(2, 5, 192)
    padded = torch.cat((values, 7 * torch.ones(2, 5, 128)), dim=-1)
    whole = feature_statistics(encoder, inputs_of(values))
    np.testing.assert_allclose(feature_statistics(encoder, inputs_of(padded, valid_patches=3)), whole, atol=2e-4)


def test_windows_of_one_patch_have_a_mean_and_no_spread(encoder):
    found = feature_statistics(encoder, inputs_of(0.02 * torch.randn(4, 5, 64)))
    assert np.isfinite(found).all()
    assert found[:, :64].std(axis=0).max() > 0
    spread = of_encoder_alone(found)[:, 64:]
    assert spread.shape == (4, 64)
    assert np.ptp(spread) == 0


def test_more_windows_than_a_batch_keep_their_order(encoder):
    values = 0.02 * torch.randn(70, 2, 128)
    together = feature_statistics(encoder, inputs_of(values), stride=32)
    alone = feature_statistics(encoder, inputs_of(values[65:66]), stride=32)
    np.testing.assert_allclose(together[65:66], alone, atol=1e-4)


def test_maps_alone_are_those_beside_the_encoder(encoder):
    windows = easy_windows(rate=200.0, seconds=2.3)
    model, extractor = build_classifier(encoder.config, windows, spatial_projection=False)
    beside = feature_statistics(model.dare_eeg, prepare_inputs(extractor, windows))[:, -270:]
    np.testing.assert_allclose(power_map_features(windows), beside, atol=1e-4)
