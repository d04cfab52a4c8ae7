"""The cost estimate agrees with what torch counts and what the model is."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from dare_eeg_hf import DareEegConfig, DareEegForPreTraining
from dare_eeg_hf.masking_dare_eeg import draw_masks
from dare_eeg_hf.pretraining import estimate
from dare_eeg_hf.pretraining.estimate import StepShape, forward_flops, training_flops


def count(config, batch_size=2):
    """Operations torch counts in a forward and in a training step, and the shape of the step."""
    config._attn_implementation = "eager"  # torch counts matrix products; it does not know the CPU's fused attention
    model = DareEegForPreTraining(config).train()
    channels, patches = len(config.pretraining_channel_names), config.window_size // config.patch_size
    masks = draw_masks(config.mask_settings, patches, channels, generator=torch.Generator().manual_seed(0))
    kept = int(masks.context_mask.any(-1).sum())
    visible = int(masks.context_mask.sum()) / kept
    shape = StepShape(patches, kept, channels, visible, int(masks.target_mask.sum()))
    with FlopCounterMode(display=False) as counter:
        output = model(
            torch.randn(batch_size, channels, config.window_size),
            torch.arange(channels),
            context_mask=masks.context_mask,
            second_context_mask=masks.second_context_mask,
            target_mask=masks.target_mask,
        )
        forward = counter.get_total_flops()
        output.loss.backward()
    return forward / batch_size, counter.get_total_flops() / batch_size, shape


@pytest.mark.parametrize(
    "config",
    [
        DareEegConfig.from_preset("nano"),
        DareEegConfig.from_preset("light", num_summary_tokens=4, num_hidden_layers=2),
        DareEegConfig.from_preset("nano", use_mask_alignment=False),
        DareEegConfig.from_preset("nano", use_anchor_alignment=False, mlp_ratio=2.0),
        DareEegConfig.from_preset("nano", spectrum_loss_weight=1.0),
    ],
    ids=["nano", "four summary tokens", "one view", "no anchor", "spectrum"],
)
def test_operations_agree_with_torchs_counter(config):
    forward, step, shape = count(config)
    assert sum(forward_flops(config, shape).values()) == pytest.approx(forward, rel=0.001)
    assert training_flops(config, shape) == pytest.approx(step, rel=0.02)


def test_expected_shape_is_the_mean_of_drawn_masks():
    config = DareEegConfig.from_preset("nano")
    generator = torch.Generator().manual_seed(0)
    draws = [draw_masks(config.mask_settings, 16, 58, generator=generator) for _ in range(600)]
    expected = estimate.step_shape(config)
    assert torch.stack([draw.target_mask.sum().double() for draw in draws]).mean() == pytest.approx(
        expected.targets, rel=0.03
    )
    assert torch.stack([draw.context_mask.any(-1).sum().double() for draw in draws]).mean() == pytest.approx(
        expected.kept, rel=0.03
    )


def test_state_is_weights_gradients_moments_and_the_momentum_encoder(tiny_config):
    config = DareEegConfig(**tiny_config)
    model = DareEegForPreTraining(config)
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    frozen = sum(parameter.numel() for parameter in model.parameters() if not parameter.requires_grad)
    assert estimate.state_bytes(config) == 4 * (4 * trained + frozen)


def test_activations_are_about_what_autograd_keeps():
    """Within a third: an estimate for planning, not a promise."""
    config = DareEegConfig.from_preset("nano")
    model = DareEegForPreTraining(config).train()
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    masks = draw_masks(config.mask_settings, 16, 58, generator=torch.Generator().manual_seed(0))
    kept = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model(
            torch.randn(8, 58, 1024),
            torch.arange(58),
            context_mask=masks.context_mask,
            second_context_mask=masks.second_context_mask,
            target_mask=masks.target_mask,
        )
    rows = int(masks.context_mask.any(-1).sum())
    shape = StepShape(16, rows, 58, 12, int(masks.target_mask.sum()))
    assert estimate.activation_bytes(config, 8, shape) == pytest.approx(sum(kept.values()), rel=0.34)


def test_devices():
    assert estimate.parse_device("h100:8", "bf16") == ("h100", 989e12, 8)
    assert estimate.parse_device("h100:8", "float32") == ("h100", 67e12, 8)
    assert estimate.parse_device("mine=2.5e11:2", "bf16") == ("mine", 2.5e11, 2)
    for wrong in ("nosuch", "h100:0", "mine=fast", "mine=0", "mine=-1e9", "mine=nan"):
        with pytest.raises(ValueError, match=r"known|least one|convert|positive"):
            estimate.parse_device(wrong, "float32")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--efficiency", "0"], "above 0 and at most 1, not 0.0"),
        (["--efficiency", "1.5"], "above 0 and at most 1, not 1.5"),
        (["--device", "mine=0"], "mine=0: the peak must be a positive number of operations per second"),
    ],
)
def test_numbers_that_cannot_be_are_errors_of_the_command_line(arguments, message, capsys):
    with pytest.raises(SystemExit) as exit_information:
        estimate.main(["--preset", "nano", *arguments])
    assert exit_information.value.code == 2
    assert message in capsys.readouterr().err


def test_hours_are_those_of_the_precision(capsys):
    def hours(*precision):
        assert estimate.main(["--preset", "base", "--device", "a100", *precision]) == 0
        printed = capsys.readouterr().out.splitlines()
        return printed[-3], float(printed[-1].split()[-1])

    (in_float32, slow), (in_bf16, fast) = hours(), hours("--bf16")
    assert "of the float32 peak" in in_float32
    assert "of the bf16 peak" in in_bf16
    assert slow / fast == pytest.approx(312 / 19.5, rel=0.01)


def test_command_prints_hours_that_follow_from_its_numbers(capsys):
    arguments = [
        "--preset",
        "nano",
        "--windows",
        "1000",
        "--epochs",
        "10",
        "--device",
        "mine=1e9",
        "--efficiency",
        "0.5",
    ]
    assert estimate.main(arguments) == 0
    printed = float(capsys.readouterr().out.splitlines()[-1].split()[-1])
    expected = 10_000 * training_flops(DareEegConfig.from_preset("nano")) / 0.5e9 / 3600
    assert printed == pytest.approx(expected, abs=0.01)
