"""Pre-training: the recipe, its arguments and its result.

    >>> from dare_eeg_hf.pretraining.pretraining import PretrainingArguments, pretrain
    >>> arguments = PretrainingArguments("runs/nano", preset="nano", epochs=20)
    >>> result = pretrain(arguments, train_windows, validation_windows)

The same call runs in one process or in many; how many is the launcher's business (`accelerate launch`,
`python -m torch.distributed.run`). Batch sizes are per process. All that is random derives from (seed, step, rank).
"""

from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import torch

from dare_eeg_hf.command_line import refuse_unknown_fields
from dare_eeg_hf.configuration_dare_eeg import DareEegConfig
from dare_eeg_hf.launching import cpu_threads
from dare_eeg_hf.pretraining.augmentation import augment
from dare_eeg_hf.pretraining.interruption import StopRequest
from dare_eeg_hf.pretraining.run import PretrainingError, PretrainingRun
from dare_eeg_hf.pretraining.schedules import momentum_at, one_cycle_learning_rate
from dare_eeg_hf.pretraining.step_masks import step_masks
from dare_eeg_hf.pretraining.validation import validate

__all__ = ["PretrainingArguments", "PretrainingError", "PretrainingResult", "pretrain"]


@refuse_unknown_fields
@dataclass
class PretrainingArguments:
    """How to pre-train. Defaults are the published recipe (METHOD.md, "Optimisation") wherever it names a value.

    Args:
        output_dir: folder of the run: checkpoints, metrics, and in the end the model.
        preset: size of the model: nano, light, small, base or deep.
        config: fields of `DareEegConfig` to set differently, such as `{"masking": {"scope": "sample"}}`.
        patch_initializer_range: standard deviation that the patch projection's weights start with; None takes the
            configuration's `initializer_range`, as published. Signals in millivolts are small: 0.5 and more help on
            small data sets, where the encoder may otherwise learn to ignore them.
        initial_model: folder or Hub id of a pre-training checkpoint whose weights to start from, instead of `preset`.
        epochs: passes over the training windows.
        max_steps: optimiser steps; goes before `epochs`, and is needed for streamed data, whose length is unknown.
        batch_size: windows per process and accumulated batch.
        accumulation_steps: batches per optimiser step. InfoNCE's negatives come from one batch, not from all of them.
        crop_patches: train on pieces of this many patches, cut at a random sample of each window, instead of on whole
            windows. The encoder looks at one patch at a time, so short pieces teach it too, many times faster and
            never at the same place; the predictor, which works over time, learns from whole windows only.
        amplitude_spread: scale each window by a factor with this standard deviation of its logarithm.
        learning_rate: maximum of the OneCycle schedule, for 216 windows per step (72 on each of three GPUs).
        learning_rate_scaling: how to carry it to another number of windows per step: none, sqrt or linear.
        weight_decay: AdamW's, on matrices only.
        momentum_start: the momentum encoder's momentum at the first step; it rises linearly.
        momentum_end: its momentum at the last step.
        gather_negatives: take InfoNCE's negatives from all processes, with gradient, rather than from the own one.
        train_contrastive_projection: train the projection before InfoNCE; the public implementation keeps it random.
        max_gradient_norm: clip gradients to this norm; None leaves them, as published.
        seed: everything random follows from it.
        mixed_precision: no, bf16 or fp16; None leaves it to the launcher.
        compile: none, regional (each block by itself: starts faster) or full.
        gradient_checkpointing: recompute activations in the backward pass: less memory, about a third more time.
        deterministic: ask torch for algorithms that give the same bits each time (matters on GPUs, costs some speed).
        cpu: train on the CPU even if there is a GPU.
        threads: CPU threads that compute, per process; None is torch's choice. More threads round sums in another
            order: a run on CPUs repeats to the last bit only with the same number.
        num_workers: loader processes per training process.
        mixture_weights: relative frequency of each training data set; None takes them by their sizes.
        log_every: steps per line of metrics.jsonl and of the trackers.
        validate_every: steps between validations; None is once per epoch (every 500 steps for streamed data).
        checkpoint_every: steps between checkpoints; a kill loses at most these.
        keep_last: how many checkpoints to keep besides the best.
        patience: stop after this many validations without a better loss; None never stops early.
        invariance_windows: windows of the validation set on which mask invariance and collapse are measured; 0 is off.
        resume: go on from the newest intact checkpoint in `output_dir`; starts anew when there is none.
        trackers: Accelerate trackers by name (tensorboard, wandb, ...); None is TensorBoard where it is installed.
        push_to_hub: model repository to push checkpoints to, in the background; None never pushes.
        license: SPDX identifier of the weights, for the model card.
        corpora: what the model card says about the data: dicts with `name` and, where known, `license`, `url`.
    """

    output_dir: str | Path
    preset: str = "nano"
    config: dict[str, object] = field(default_factory=dict)
    patch_initializer_range: float | None = None
    initial_model: str | None = None
    epochs: int = 200
    max_steps: int | None = None
    batch_size: int = 72
    accumulation_steps: int = 1
    crop_patches: int | None = None
    amplitude_spread: float = 0.0
    learning_rate: float = 5e-4
    learning_rate_scaling: str = "none"
    weight_decay: float = 1e-6
    momentum_start: float = 0.996
    momentum_end: float = 1.0
    gather_negatives: bool = True
    train_contrastive_projection: bool = True
    max_gradient_norm: float | None = None
    seed: int = 0
    mixed_precision: str | None = None
    compile: str = "none"
    gradient_checkpointing: bool = False
    deterministic: bool = True
    cpu: bool = False
    threads: int | None = None
    num_workers: int = 0
    mixture_weights: list[float] | None = None
    log_every: int = 10
    validate_every: int | None = None
    checkpoint_every: int = 500
    keep_last: int = 2
    patience: int | None = None
    invariance_windows: int = 128
    resume: bool = False
    trackers: list[str] | None = None
    push_to_hub: str | None = None
    license: str = "apache-2.0"
    corpora: list[dict[str, object]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.output_dir = Path(self.output_dir)
        DareEegConfig.refuse_names_without_field(self.config)
        positive = ("epochs", "max_steps", "batch_size", "accumulation_steps", "log_every", "validate_every")
        for name in (*positive, "checkpoint_every", "crop_patches", "keep_last", "patience", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, not {value}")
        if self.amplitude_spread < 0:
            raise ValueError(f"amplitude_spread must not be negative, but it is {self.amplitude_spread}")
        if self.patch_initializer_range is not None and self.patch_initializer_range <= 0:
            raise ValueError(f"patch_initializer_range must be positive, got {self.patch_initializer_range}")
        for name in ("momentum_start", "momentum_end"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie between 0 and 1, got {getattr(self, name)}")
        if self.compile not in ("none", "regional", "full"):
            raise ValueError(f"compile must be none, regional or full, not {self.compile!r}")


@dataclass
class PretrainingResult:
    """What a run left behind.

    Attributes:
        output_dir: the run's folder; once completed it is itself a checkpoint that `from_pretrained` loads. What a
            signal stopped is in its checkpoints only.
        metrics: the last validation's losses (and invariance), or the last training losses without validation data.
        best_step: the step whose weights were kept: the lowest validation loss, or the last step.
        step: optimiser steps done.
        stopped_by: the signal (or "patience") that ended the run early; None when it ran to its end.
    """

    output_dir: Path
    metrics: dict[str, float]
    best_step: int
    step: int
    stopped_by: str | None = None


def pretrain(arguments: PretrainingArguments, train_datasets, validation_dataset=None, feature_extractor=None):
    """Pre-train a model, or go on with a run that was interrupted.

    Args:
        arguments: how.
        train_datasets: data set of windows, or a list of them (a mixture); map-style or streaming.
        validation_dataset: windows of other subjects; picks the checkpoint. Without it the last step is kept.
        feature_extractor: its signal contract is saved beside the weights; the one the model's configuration
            implies when None.

    Returns:
        A `PretrainingResult`.

    Raises:
        PretrainingError: NaN loss, full disk, dead loader worker, damaged or foreign checkpoints; the message names
            the last good checkpoint and the remedy.
    """
    with cpu_threads(arguments.threads):
        run = PretrainingRun(arguments, train_datasets, validation_dataset, feature_extractor)
        metrics, best_step = complete(run)
    return PretrainingResult(arguments.output_dir, metrics, best_step, run.progress.step, run.stopped_by)


def complete(run: PretrainingRun) -> tuple[dict[str, float], int]:
    """Take step after step to the run's end, or to a signal; return the last metrics and the step that was kept."""
    with StopRequest() as stop, run:
        if run.patience_is_over():  # early stopping had ended the run that is resumed
            run.stopped_by = "patience"
        else:
            take_steps(run, stop)
        return run.finish()


def take_steps(run: PretrainingRun, stop: StopRequest) -> None:
    """Train, log, validate and save until the run is complete, its patience is over, or a signal arrives."""
    for batches in run.batches_of_each_step():
        take_step(run, batches)
        run.log_when_due()
        if run.validation_is_due():
            run.note_validation(validate(run))
        [interrupted] = run.processes.any(stop)
        if interrupted or run.checkpoint_is_due():
            run.save_checkpoint()
        if interrupted or run.patience_is_over():
            run.stopped_by = (stop.signal_name or "a signal to another process") if interrupted else "patience"
            return


def take_step(run: PretrainingRun, batches: list[dict[str, torch.Tensor]]) -> None:
    """One optimiser step over the accumulated batches, and one of the momentum encoder."""
    arguments, config, step = run.arguments, run.network.config, run.progress.step
    learning_rate = one_cycle_learning_rate(step, run.total_steps, run.peak_learning_rate)
    momentum = momentum_at(step, run.total_steps, arguments.momentum_start, arguments.momentum_end)
    for group in run.optimizer.param_groups:
        group["lr"] = learning_rate

    run.seed_step(step)
    run.model.train()
    losses = []
    for number, batch in enumerate(batches):
        batch = augment(
            batch,
            patch_size=config.patch_size,
            crop_patches=arguments.crop_patches,
            amplitude_spread=arguments.amplitude_spread,
            seed=arguments.seed,
            step=step,
            micro_batch=number,
            rank=run.processes.rank,
            world_size=run.processes.world_size,
        )
        masks = step_masks(
            config,
            batch,
            seed=arguments.seed,
            purpose="training",
            step=step,
            micro_batch=number,
            rank=run.processes.rank,
        )
        is_last = number == len(batches) - 1
        with nullcontext() if is_last else run.accelerator.no_sync(run.model):
            output = run.forward(run.model, batch, masks, arguments.gather_negatives)
            run.accelerator.backward(output.loss / len(batches))
        losses.append(run.losses_of(output))

    gradient_norm = run.clip_gradients()
    run.optimizer.step()
    run.optimizer.zero_grad(set_to_none=True)
    run.network.update_momentum_encoder(momentum)
    run.note_step(torch.stack(losses).mean(0), gradient_norm, learning_rate, momentum)
