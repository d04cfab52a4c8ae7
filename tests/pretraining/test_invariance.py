"""Invariance is measured on known cases: perfect, absent, collapsed; and on a real model."""

import copy

import pytest
import torch

from dare_eeg_hf import DareEegConfig, DareEegForPreTraining
from dare_eeg_hf.pretraining.invariance import (
    compare_views,
    effective_rank,
    measure_invariance,
    relative_std,
    views_at_overlap,
)


@pytest.fixture
def network():
    torch.manual_seed(0)
    config = DareEegConfig(
        hidden_size=32,
        num_summary_tokens=2,
        num_hidden_layers=1,
        predictor_num_hidden_layers=1,
        reconstructor_num_hidden_layers=1,
        num_attention_heads=4,
        patch_size=16,
        window_size=128,
        masking={"visible_channel_ratio": 0.3},
    )
    return DareEegForPreTraining(config)


def batches(count=12, channels=20, scale=1.0):
    generator = torch.Generator().manual_seed(1)
    values = scale * torch.randn(count, channels, 128, generator=generator)
    return [{"input_values": values, "channel_ids": torch.arange(channels)}]


def test_equal_views_are_found_and_unrelated_ones_are_not():
    generator = torch.Generator().manual_seed(0)
    view, other = torch.randn(200, 64, generator=generator), torch.randn(200, 64, generator=generator)
    same = compare_views(view, view.clone())
    assert same["similarity"] == pytest.approx(1, abs=1e-5)
    assert same["retrieval_accuracy"] == 1
    unrelated = compare_views(view, other)
    assert abs(unrelated["similarity"]) < 0.05
    assert unrelated["retrieval_accuracy"] < 0.05
    noisy = compare_views(view, view + other)
    assert 0.6 < noisy["similarity"] < 0.8, "cosine of a signal and itself with as much noise: 1 / sqrt(2)"


def test_what_all_windows_share_does_not_count_as_likeness():
    generator = torch.Generator().manual_seed(0)
    view, other = torch.randn(200, 64, generator=generator), torch.randn(200, 64, generator=generator)
    assert abs(compare_views(view + 100, other + 100)["similarity"]) < 0.05


def test_effective_rank_of_known_matrices():
    generator = torch.Generator().manual_seed(0)
    orthogonal = torch.linalg.qr(torch.randn(50, 8, generator=generator))[0]
    orthogonal = torch.linalg.qr(orthogonal - orthogonal.mean(0))[0]
    assert effective_rank(orthogonal) == pytest.approx(8, rel=0.05)
    line = torch.randn(50, 1, generator=generator) * torch.randn(1, 8, generator=generator)
    assert effective_rank(line) == pytest.approx(1, abs=1e-3)
    assert effective_rank(torch.ones(50, 8)) == 0
    assert relative_std(torch.ones(50, 8)) == pytest.approx(0, abs=1e-6)


def test_overlap_of_the_views_is_what_was_asked_for(network):
    for wanted in (0.2, 0.5, 0.8):
        first, second, overlap = views_at_overlap(network, batches(), wanted)
        assert overlap == pytest.approx(wanted, abs=0.12)
        assert first.shape == second.shape == (12, 2 * 32)
    first, second, overlap = views_at_overlap(network, batches(), 1.0)
    assert overlap == 1
    torch.testing.assert_close(first, second)


def test_similarity_of_a_real_model_grows_with_overlap(network):
    curve = measure_invariance(network, batches(count=24), overlaps=(0.1, 0.5, 1.0))["invariance"]
    similarities = [point["similarity"] for point in curve]
    assert similarities == sorted(similarities)
    assert similarities[-1] == pytest.approx(1, abs=1e-5)
    assert curve[-1]["retrieval_accuracy"] == 1


def test_collapse_is_noticed_and_a_healthy_encoder_is_not_accused(network):
    assert not measure_invariance(network, batches())["collapsed"]
    collapsed = copy.deepcopy(network)
    torch.nn.init.zeros_(collapsed.online_encoder.embeddings.patch_projection.weight)
    found = measure_invariance(collapsed, batches())
    assert found["collapsed"]
    assert found["retrieval_accuracy"] <= 2 * found["chance"]


def test_network_is_left_as_it_was_and_the_seed_decides(network):
    config, mode = network.config.to_dict(), network.training
    first = measure_invariance(network, batches(), seed=1)
    assert network.config.to_dict() == config
    assert network.training is mode
    assert measure_invariance(network, batches(), seed=1) == first
    assert measure_invariance(network, batches(), seed=2) != first


def test_padded_windows_give_what_they_give_alone(network):
    """A montage with fewer channels, padded into a larger batch."""
    [batch] = batches(count=6)
    padded = {
        "input_values": torch.cat([batch["input_values"], torch.zeros(6, 4, 128)], dim=1),
        "channel_ids": torch.arange(24).expand(6, -1) * (torch.arange(24) < 20),
        "channel_mask": (torch.arange(24) < 20).expand(6, -1),
    }
    found = measure_invariance(network, [padded])
    assert all(torch.isfinite(torch.tensor(point["similarity"])) for point in found["invariance"])
    assert [point["overlap"] for point in found["invariance"]] == sorted(
        point["overlap"] for point in found["invariance"]
    )


def test_one_window_is_refused(network):
    with pytest.raises(ValueError, match="at least two"):
        measure_invariance(network, batches(count=1))
