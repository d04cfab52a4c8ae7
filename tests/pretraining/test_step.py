"""One step and one validation as in a notebook: a model, an optimiser of torch's own, a list of batches."""

import copy
from types import SimpleNamespace

import pytest
import torch
from accelerate import Accelerator
from datasets import Dataset

from dare_eeg_hf import DareEegConfig, DareEegForPreTraining
from dare_eeg_hf.corpora.loading import WindowCollator, training_dataloader
from dare_eeg_hf.corpora.windows import cut_windows
from dare_eeg_hf.masking_dare_eeg import draw_masks
from dare_eeg_hf.optimization import momentum_at, one_cycle_learning_rate, parameter_groups
from dare_eeg_hf.pretraining.arguments import PretrainingArguments
from dare_eeg_hf.pretraining.run import pretrain
from dare_eeg_hf.pretraining.run_setup import seed_step
from dare_eeg_hf.pretraining.starting_point import starting_model
from dare_eeg_hf.pretraining.step import take_step, validate
from dare_eeg_hf.pretraining.step_inputs import model_inputs, step_masks
from dare_eeg_hf.randomness import derive_seed
from dare_eeg_hf.recordings.recordings import load_recording
from dare_eeg_hf.recordings.simulation import simulate_recordings


@pytest.fixture
def model(tiny_config):
    torch.manual_seed(0)
    return DareEegForPreTraining(DareEegConfig(**tiny_config))


def waves(count: int, seed: int = 0, channels: int = 6) -> dict[str, torch.Tensor]:
    """Windows that share a slow wave, so that there is something to learn."""
    generator = torch.Generator().manual_seed(seed)
    phases = 6.3 * torch.rand(count, 1, 1, generator=generator)
    values = torch.sin(torch.arange(128) / 8 + phases).expand(-1, channels, -1)
    noise = 0.1 * torch.randn(count, channels, 128, generator=generator)
    return {"input_values": values + noise, "channel_ids": torch.arange(channels)}


def with_masks(model, batch, seed: int = 0) -> dict[str, torch.Tensor]:
    batch_size, channels, samples = batch["input_values"].shape
    patches = samples // model.config.patch_size
    generator = torch.Generator().manual_seed(seed)
    return {
        **batch,
        **vars(draw_masks(model.config.mask_settings, patches, channels, batch_size=batch_size, generator=generator)),
    }


def parameters(model, start: str) -> list[torch.Tensor]:
    return [value.detach().clone() for name, value in model.named_parameters() if name.startswith(start)]


def test_a_model_is_trained_and_validated_with_nothing_else(model):
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    batches = [waves(8, seed) for seed in range(40)]
    held_out = [with_masks(model, waves(8, seed=100))]
    before = validate(model, held_out)
    losses = [take_step(model, batch, optimizer).losses["loss"].item() for batch in batches]
    after = validate(model, held_out)
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])
    assert after["loss_reconstruction"] < before["loss_reconstruction"]


def test_a_step_is_the_optimisers_and_the_momentum_encoders(model):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    online, momentum = parameters(model, "online_encoder."), parameters(model, "dare_eeg.")
    expected = copy.deepcopy(model).train()
    batch = with_masks(model, waves(4))
    expected(**batch).loss.backward()
    gradients = [value.grad for name, value in expected.named_parameters() if name.startswith("online_encoder.")]
    result = take_step(model, batch, optimizer, momentum=0.9)
    for before, gradient, after in zip(online, gradients, parameters(model, "online_encoder."), strict=True):
        assert torch.allclose(after, before - 0.1 * gradient, atol=1e-6)
    moved = zip(momentum, parameters(model, "online_encoder."), parameters(model, "dare_eeg."), strict=True)
    assert all(torch.allclose(after, 0.9 * before + 0.1 * online, atol=1e-6) for before, online, after in moved)
    norms = [value.grad.norm() for value in expected.parameters() if value.grad is not None]
    assert result.gradient_norm.item() == pytest.approx(torch.stack(norms).norm().item(), rel=1e-4)
    assert all(value.grad is None for value in model.parameters())
    assert not any(loss.requires_grad for loss in result.losses.values())


def test_several_batches_give_the_mean_of_their_gradients_and_losses(model):
    batches = [with_masks(model, waves(4, seed), seed) for seed in range(2)]
    losses = [validate(model, [batch])["loss_reconstruction"] for batch in batches]
    apart = [copy.deepcopy(model) for _ in batches]
    for one, batch in zip(apart, batches, strict=True):
        take_step(one, batch, torch.optim.SGD(one.parameters(), lr=0.1))
    result = take_step(model, batches, torch.optim.SGD(model.parameters(), lr=0.1))
    assert result.losses["loss_reconstruction"].item() == pytest.approx(sum(losses) / 2, rel=1e-5)
    for together, *each in zip(*(parameters(part, "predictor.") for part in (model, *apart)), strict=True):
        assert torch.allclose(together, sum(each) / 2, atol=1e-6)


def test_a_clipped_gradient_moves_no_further_than_its_norm(model):
    before = parameters(model, "")
    result = take_step(
        model, waves(4), torch.optim.SGD(model.parameters(), lr=1.0), momentum=1, max_gradient_norm=0.01
    )
    moved = [(one - other).norm() for one, other in zip(before, parameters(model, ""), strict=True)]
    assert torch.stack(moved).norm().item() == pytest.approx(0.01, rel=1e-3)
    assert result.gradient_norm > 0.01, "the norm is that before clipping"


def test_an_accelerator_changes_nothing_about_a_step_in_float32(model):
    other, batch = copy.deepcopy(model), with_masks(model, waves(4))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    take_step(model, [batch, batch], optimizer, max_gradient_norm=1.0)
    accelerator = Accelerator(cpu=True)
    wrapped, optimizer = accelerator.prepare(other, torch.optim.AdamW(other.parameters(), lr=1e-3))
    take_step(wrapped, [batch, batch], optimizer, max_gradient_norm=1.0, accelerator=accelerator)
    assert all(map(torch.equal, parameters(model, ""), parameters(other, "")))
    assert validate(model, [batch]) == validate(wrapped, [batch], accelerator=accelerator)


def test_a_validation_weighs_windows_and_leaves_the_model_as_it_was(model):
    before, batches = parameters(model, ""), [with_masks(model, waves(count, count), count) for count in (2, 6)]
    model.train()
    small, large = (validate(model, [batch]) for batch in batches)
    both = validate(model, iter(batches))
    assert both.keys() == small.keys()
    assert all(both[name] == pytest.approx((2 * small[name] + 6 * large[name]) / 8, rel=1e-6) for name in both)
    assert validate(model, [*batches, {**batches[0], "counts": False}]) == both
    assert model.training
    assert all(map(torch.equal, before, parameters(model, "")))
    assert all(value.grad is None for value in model.parameters())
    with pytest.raises(ValueError, match="no windows"):
        validate(model, [])


@pytest.mark.parametrize("switch", ["use_anchor_alignment", "use_mask_alignment"])
def test_a_loss_that_is_switched_off_is_not_among_the_losses(tiny_config, switch):
    model = DareEegForPreTraining(DareEegConfig(**tiny_config, **{switch: False}))
    missing = {"use_anchor_alignment": "loss_anchor", "use_mask_alignment": "loss_mask_alignment"}[switch]
    losses = take_step(model, waves(4), torch.optim.AdamW(model.parameters())).losses
    assert missing not in losses
    assert losses.keys() == validate(model, [waves(4)]).keys()


class OtherModel(torch.nn.Module):
    """Somebody's own: returns losses of these names, and follows with an average of its weight."""

    def __init__(self):
        super().__init__()
        self.weight, self.average = torch.nn.Parameter(torch.tensor(3.0)), torch.tensor(3.0)

    def forward(self, input_values, return_dict=True):
        loss = (self.weight * input_values).square().mean()
        names = ("loss_anchor", "loss_mask_alignment", "loss_activation")
        return SimpleNamespace(loss=loss, loss_reconstruction=loss, **dict.fromkeys(names))

    def update_momentum_encoder(self, momentum):
        self.average = momentum * self.average + (1 - momentum) * self.weight.detach()


def test_any_model_that_returns_such_losses_is_trained():
    model = OtherModel()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    batches = [{"input_values": torch.ones(4, 2, 8)}] * 30
    assert take_step(model, batches[0], optimizer).losses.keys() == {"loss", "loss_reconstruction"}
    for batch in batches:
        take_step(model, batch, optimizer, momentum=0.5)
    assert abs(model.weight.item()) < 0.1
    assert abs(model.average.item()) < 0.1
    assert validate(model, batches)["loss"] == pytest.approx(model.weight.item() ** 2, rel=1e-5)


def test_the_way_from_an_eeg_file_to_a_loss(tmp_path):
    """The walk of CONTRIBUTING.md: each function takes what the one before it returns."""
    file, *_ = simulate_recordings(tmp_path, subjects=1, seconds=20)
    recording = load_recording(file)
    table = cut_windows(recording.raw).to_table(subject="S1", recording=file.stem, corpus="mine")
    loader = training_dataloader(Dataset(table), batch_size=2, collator=WindowCollator(), seed=0)
    model = DareEegForPreTraining(DareEegConfig(hidden_size=16, num_attention_heads=2, num_hidden_layers=1))
    optimizer = torch.optim.AdamW(model.parameters())
    losses = [take_step(model, model_inputs(batch, model.config), optimizer).losses["loss"] for batch in loader]
    assert len(losses) == 2
    assert all(0 < loss < 100 for loss in losses)


def test_a_run_is_such_steps_and_nothing_else(common_arguments, windows):
    """Three steps of a run, and the same by hand: equal to the last bit."""
    arguments = PretrainingArguments(**common_arguments, max_steps=3)
    torch.manual_seed(5)  # whatever was drawn before
    trained = pretrain(arguments, windows(12)).output_dir
    seed_step(arguments.seed, "initialisation")
    model = starting_model(arguments)
    config = model.config
    optimizer = torch.optim.AdamW(parameter_groups(model.named_parameters(), arguments.weight_decay), fused=True)
    collator = WindowCollator(config.channel_names, config.patch_size)
    order = derive_seed(arguments.seed, "order") % 2**32
    loader = training_dataloader(windows(12), batch_size=4, collator=collator, seed=order)
    for step, rows in enumerate(loader):
        for group in optimizer.param_groups:
            group["lr"] = one_cycle_learning_rate(step, 3, arguments.learning_rate)
        batch = model_inputs(rows, config)
        masks = step_masks(config, batch, seed=arguments.seed, purpose="training", step=step)
        momentum = momentum_at(step, 3, arguments.momentum_start, arguments.momentum_end)
        take_step(model, {**batch, **vars(masks)}, optimizer, momentum=momentum)
    weights = DareEegForPreTraining.from_pretrained(trained).state_dict()
    assert [name for name, value in model.state_dict().items() if not torch.equal(value, weights[name])] == []


def test_a_share_of_the_targets_changes_the_reconstruction_alone(common_arguments):
    model = starting_model(PretrainingArguments(**common_arguments, max_steps=1)).eval()
    batch = {"input_values": torch.randn(3, 6, 128), "channel_ids": torch.arange(6)}
    place = {"seed": 0, "purpose": "training", "step": 0}
    whole, part = (
        model(**batch, **vars(step_masks(model.config, batch, **place, reconstructed_share=share)))
        for share in (1.0, 0.3)
    )
    assert part.reconstruction.shape[1] == round(0.3 * whole.reconstruction.shape[1])
    assert part.loss_reconstruction != whole.loss_reconstruction
    for name in ("loss_anchor", "loss_mask_alignment", "loss_activation", "first_view_embedding"):
        assert torch.equal(part[name], whole[name]), name


def test_targets_in_bf16_change_the_anchor_loss_alone_and_by_their_rounding(common_arguments):
    model = starting_model(PretrainingArguments(**common_arguments, max_steps=1)).eval()
    batch = {"input_values": torch.randn(3, 6, 128), "channel_ids": torch.arange(6)}
    masks = vars(step_masks(model.config, batch, seed=0, purpose="training", step=0))
    exact, rounded = (model(**batch, **masks, bf16_targets=rounds) for rounds in (False, True))
    for name in ("loss_reconstruction", "loss_mask_alignment", "loss_activation"):
        assert torch.equal(rounded[name], exact[name]), name
    error = (rounded.anchor_features - exact.anchor_features).square().mean()
    assert 0 < error < 1e-3 * exact.anchor_features.square().mean()
    assert rounded.anchor_features.dtype == torch.float32
