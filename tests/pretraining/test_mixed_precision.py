"""fp16 with a gradient scaler: it finds its factor by overflowing, which is no reason to end a run.

Accelerate gives fp16 and a scaler to GPUs only. The runs here get the same autocast and the same scaler of torch on
the CPU, where a run makes its accelerator.
"""

import shutil

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file

from dare_eeg_hf import DareEegConfig, launching
from dare_eeg_hf.adaptation import finetuning, finetuning_loop
from dare_eeg_hf.adaptation.labelled_windows import LabelledWindows
from dare_eeg_hf.metrics_log import read_metrics
from dare_eeg_hf.pretraining import run as pretraining
from dare_eeg_hf.pretraining import run_setup
from dare_eeg_hf.pretraining.arguments import PretrainingArguments
from dare_eeg_hf.pretraining.checkpointing import PretrainingError
from dare_eeg_hf.pretraining.run import pretrain


@pytest.fixture
def arguments(common_arguments):
    defaults = {"max_steps": 30, "checkpoint_every": 10, "invariance_windows": 0, "mixed_precision": "fp16"}
    return lambda **changes: PretrainingArguments(**{**common_arguments, **defaults, **changes})


@pytest.fixture
def scaled(monkeypatch):
    """`scaled(init_scale=..., ...)` gives the runs that follow fp16 and a scaler on the CPU."""

    def use(**settings) -> None:
        def with_scaler(make):
            def make_with_scaler(*arguments, **more):
                accelerator = make(*arguments, **more)
                accelerator.native_amp = True
                accelerator.scaler = torch.amp.GradScaler("cpu", **settings)
                return accelerator

            return make_with_scaler

        monkeypatch.setattr(run_setup, "make_accelerator", with_scaler(launching.make_accelerator))
        monkeypatch.setattr(finetuning, "Accelerator", with_scaler(Accelerator))

    return use


def training(result) -> list[dict]:
    return [row for row in read_metrics(result.output_dir / "metrics.jsonl") if row["split"] == "train"]


@pytest.mark.parametrize("max_gradient_norm", [None, 1.0])
def test_a_scaler_that_backs_off_from_overflow_ends_no_run(arguments, windows, tmp_path, scaled, max_gradient_norm):
    exact = pretrain(arguments(output_dir=tmp_path / "exact", mixed_precision="no"), windows(24))
    scaled(init_scale=2.0**30)
    result = pretrain(arguments(max_gradient_norm=max_gradient_norm, checkpoint_every=1, keep_last=99), windows(24))
    rows = training(result)
    taken = [row["step"] for row in rows if not row["skipped_steps"]]
    assert result.step == 30
    assert 5 < taken[0] < 25, "2 ** 30 is far too much, and some 2 ** 16 is right"
    assert all((row["gradient_norm"] is None) == bool(row["skipped_steps"]) for row in rows)
    # The norms are those of the gradient itself, without the factor of thousands.
    norms = [sorted(row["gradient_norm"] for row in part) for part in (training(exact), [rows[n - 1] for n in taken])]
    assert 0.1 < norms[1][len(norms[1]) // 2] / norms[0][len(norms[0]) // 2] < 10

    def online(step: int) -> dict[str, torch.Tensor]:
        weights = load_file(result.output_dir / "checkpoints" / f"step-{step:08d}" / "model.safetensors")
        return {name: value for name, value in weights.items() if name.startswith("online_encoder.layers")}

    first, skipped, stepped = online(1), online(taken[0] - 1), online(taken[0])
    assert all(torch.equal(value, skipped[name]) for name, value in first.items())
    assert not any(torch.equal(value, stepped[name]) for name, value in first.items())


@pytest.mark.parametrize("log_every", [1, 7])
def test_steps_are_counted_whose_gradient_was_skipped(arguments, windows, scaled, log_every):
    scaled(init_scale=2.0**24)
    rows = training(pretrain(arguments(log_every=log_every), windows(24)))
    assert 1 < sum(row["skipped_steps"] for row in rows) < 20
    assert [row["step"] for row in rows if row["gradient_norm"] is None] == [
        row["step"] for row in rows if row["skipped_steps"] == log_every
    ]
    assert any(row["gradient_norm"] for row in rows)


def test_a_gradient_that_overflows_without_any_factor_ends_the_run(arguments, windows, scaled, monkeypatch):
    advance = pretraining.advance

    def take_step_with_a_broken_gradient(run, batches):
        if run.progress.step == 12:
            next(run.network.predictor.parameters()).register_hook(lambda gradient: gradient * torch.inf)
        advance(run, batches)

    monkeypatch.setattr(pretraining, "advance", take_step_with_a_broken_gradient)
    scaled(init_scale=8.0)
    # Steps 13 to 16 are skipped at 8, 4, 2 and 1.
    with pytest.raises(
        PretrainingError, match=r"NaN or infinite at step 16 .*bf16.*last good checkpoint.*step-00000010"
    ):
        pretrain(arguments(), windows(24))


def test_a_loss_that_is_not_a_number_still_ends_the_run_at_once(arguments, windows, scaled, monkeypatch):
    advance = pretraining.advance

    def take_step_with_nan(run, batches):
        if run.progress.step == 3:
            batches = [{**batch, "input_values": batch["input_values"] * torch.nan} for batch in batches]
        advance(run, batches)

    monkeypatch.setattr(pretraining, "advance", take_step_with_nan)
    scaled(init_scale=8.0)
    with pytest.raises(PretrainingError, match="became NaN or infinite in step 4 "):
        pretrain(arguments(), windows(24))


def test_a_resumed_run_goes_on_with_the_scalers_factor(arguments, windows, tmp_path, scaled):
    """The factor grows and shrinks all the time here; a step that the one run skips, the other must skip too."""
    scaled(init_scale=2.0**22, growth_interval=2)
    common = {"max_steps": 20, "checkpoint_every": 1, "keep_last": 99}
    whole = pretrain(arguments(**common), windows(24))
    shutil.copytree(whole.output_dir, tmp_path / "broken")
    for folder in (tmp_path / "broken" / "checkpoints").iterdir():
        if int(folder.name[5:]) > 11:
            shutil.rmtree(folder)
    resumed = pretrain(arguments(**common, output_dir=tmp_path / "broken", resume=True), windows(24))
    skipped = [row["skipped_steps"] for row in training(whole)]
    assert 0 < sum(skipped[11:]) < 9, "the case that is meant"
    assert [row["skipped_steps"] for row in training(resumed)] == skipped
    first, second = (load_file(result.output_dir / "model.safetensors") for result in (whole, resumed))
    assert [name for name in first if not torch.equal(first[name], second[name])] == []


def test_fp16_on_a_cpu_is_told_to_be_none(arguments, windows, caplog):
    pretrain(arguments(max_steps=1), windows(4))
    assert "fp16 needs a GPU" in caplog.text


@pytest.fixture
def classes():
    """Two classes that differ in strength: what is learned does not matter here, only whether anything is."""
    labels = np.arange(32) % 2
    signals = np.random.default_rng(0).normal(0, 10, (32, 3, 128)) * (1 + labels[:, None, None])
    names = ["C3", "CZ", "C4"]
    return LabelledWindows.from_arrays(
        signals,
        labels,
        channel_names=names,
        sampling_rate=256,
        unit="uV",
        label_names=["weak", "strong"],
        subjects=[f"S{i % 4}" for i in range(32)],
    )


@pytest.mark.parametrize("bias", [0.0, np.inf])
def test_fine_tuning_survives_the_back_off_and_not_a_gradient_that_is_no_number(
    classes, tiny_config, scaled, monkeypatch, bias
):
    before = torch.nn.functional.cross_entropy

    def cross_entropy(logits, *arguments, **more):
        if logits.requires_grad:
            logits.register_hook(lambda gradient: gradient + bias)
        return before(logits, *arguments, **more)

    monkeypatch.setattr(finetuning_loop.F, "cross_entropy", cross_entropy)
    scaled(init_scale=2.0**10 if bias else 2.0**40)

    def trained(epochs: int) -> torch.Tensor:
        settings = {"mode": "full", "epochs": epochs, "batch_size": 4, "mixed_precision": "fp16", "patience": 0}
        arguments = finetuning.FinetuningArguments(**settings, spatial_projection=False)
        result = finetuning.finetune(DareEegConfig(**tiny_config), classes, None, arguments, progress=False)
        assert all(np.isfinite(record["loss"]) for record in result.history)
        return result.model.dare_eeg.get_parameter("layers.0.mlp.fc1.weight")

    if bias:
        with pytest.raises(FloatingPointError, match=r"NaN or infinite in epoch 2 .* use bf16"):
            trained(3)
        return
    # The eight steps of one epoch do not bring 2 ** 40 down to where the gradient is a number.
    assert torch.equal(trained(1), trained(2))
    assert not torch.equal(trained(1), trained(10))
