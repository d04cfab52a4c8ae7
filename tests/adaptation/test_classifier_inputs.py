"""Inputs of a classifier: channel subsets and the amplitudes of copies."""

import pytest
import torch

from dare_eeg_hf.adaptation.classifier_inputs import add_channel_subsets, half_of_channels
from dare_eeg_hf.adaptation.classifier_setup import build_classifier, prepare_inputs
from dare_eeg_hf.adaptation.finetuning import finetune
from tests.adaptation.conftest import easy_windows, quick


def test_half_of_the_channels_is_drawn_for_each_window_and_referenced_to_its_own_average():
    values = torch.randn(40, 6, 64)
    mask = torch.ones(40, 6, dtype=torch.bool)
    mask[:, 5] = False  # padding stays padding
    inputs = {"input_values": values, "channel_mask": mask, "channel_ids": torch.arange(6).expand(40, -1)}
    part = half_of_channels(inputs, torch.Generator().manual_seed(0))
    kept = part["channel_mask"]
    assert kept.sum(1).tolist() == [3] * 40
    assert not kept[:, 5].any()
    assert len({tuple(row.tolist()) for row in kept}) > 5
    assert part["input_values"][~kept].abs().max() == 0
    torch.testing.assert_close(part["input_values"].sum(1), torch.zeros(40, 64), atol=1e-5, rtol=0)
    first = kept[0].nonzero().ravel()
    expected = values[0, first] - values[0, first].mean(0)
    torch.testing.assert_close(part["input_values"][0, first], expected)
    with pytest.raises(ValueError, match="at least two electrodes"):
        half_of_channels({"input_values": values[:, :1], "channel_mask": mask[:, :1]}, torch.Generator())


@pytest.mark.parametrize("mode", ["probe", "full"])
def test_channel_subsets_multiply_the_training_windows(mode, tiny_encoder):
    arguments = quick(mode=mode, epochs=1, channel_subsets=2, amplitude_spread=0.3, learning_rate=1e-3)
    result = finetune(tiny_encoder, easy_windows(24), easy_windows(8, seed=1), arguments, progress=False)
    plain = finetune(tiny_encoder, easy_windows(24), None, quick(mode=mode, epochs=1), progress=False)
    assert result.history[0]["step"] == 3 * plain.history[0]["step"]


def test_copies_have_amplitudes_of_their_own(tiny_encoder):
    windows = easy_windows(200)
    model, extractor = build_classifier(tiny_encoder, windows)
    inputs = prepare_inputs(extractor, windows)

    def strength_of_copies(spread):
        arguments = quick(mode="full", channel_subsets=1, amplitude_spread=spread)
        together = add_channel_subsets(inputs, model, extractor, windows, arguments, "cpu")
        assert torch.equal(together["input_values"][:200], inputs["input_values"]), "the windows themselves come first"
        return together["input_values"][200:].square().mean((1, 2)).sqrt()

    factors = strength_of_copies(0.5) / strength_of_copies(0.0)
    assert factors.log().std().item() == pytest.approx(0.5, abs=0.1)
