"""Pre-training, top to bottom: set up, take step after step, validate and save along the way, write the model.

    >>> from dare_eeg_hf.pretraining.arguments import PretrainingArguments
    >>> from dare_eeg_hf.pretraining.run import pretrain
    >>> arguments = PretrainingArguments("runs/nano", preset="nano", epochs=20)
    >>> result = pretrain(arguments, train_windows, validation_windows)

The same call runs in one process or in many; the launcher decides how many (`accelerate launch`,
`python -m torch.distributed.run`). Batch sizes are per process. All randomness derives from (seed, step, rank).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch

from dare_eeg_hf.launching import cpu_threads
from dare_eeg_hf.optimization import momentum_at, one_cycle_learning_rate
from dare_eeg_hf.pretraining.arguments import PretrainingArguments
from dare_eeg_hf.pretraining.bookkeeping import (
    WriteCard,
    checkpoint_is_due,
    finish,
    log_when_due,
    note_validation,
    open_books,
    patience_is_over,
    save_checkpoint,
    validation_is_due,
)
from dare_eeg_hf.pretraining.checkpointing import PretrainingError
from dare_eeg_hf.pretraining.invariance import measure_invariance
from dare_eeg_hf.pretraining.probe import measure_probes
from dare_eeg_hf.pretraining.processes import StopRequest, is_dead_worker, start_reading
from dare_eeg_hf.pretraining.run_setup import PretrainingRun, seed_step, set_up
from dare_eeg_hf.pretraining.step import take_step, validate
from dare_eeg_hf.pretraining.step_inputs import (
    augment,
    crop_centre,
    model_inputs,
    step_masks,
    validation_batches,
)

__all__ = ["PretrainingArguments", "PretrainingError", "PretrainingResult", "pretrain"]


@dataclass
class PretrainingResult:
    """What a run left behind.

    Attributes:
        output_dir: the run's folder; once completed it is itself a checkpoint that `from_pretrained` loads. A
            run stopped by a signal has its checkpoints only.
        metrics: what the last validation found, or the last training losses without validation data.
        best_step: the step whose weights were kept: see `Progress.is_better`; without a validation, the last.
        step: optimiser steps done.
        stopped_by: the signal (or "patience") that ended the run early; None when it ran to completion.
    """

    output_dir: Path
    metrics: dict[str, float]
    best_step: int
    step: int
    stopped_by: str | None = None


def pretrain(
    arguments: PretrainingArguments,
    train_datasets,
    validation_dataset=None,
    feature_extractor=None,
    *,
    write_card: WriteCard | None = None,
) -> PretrainingResult:
    """Pre-train a model, or go on with a run that was interrupted.

    Args:
        arguments: the settings of the run.
        train_datasets: data set of windows, or a list of them (a mixture); map-style or streaming.
        validation_dataset: windows of other subjects; picks the checkpoint, as far as `probe_data` do not.
            Without either the last step is kept.
        feature_extractor: its signal contract is saved beside the weights; the one the model's configuration
            implies when None.
        write_card: writes the model card of a completed run, such as `hub.cards.write_run_card`; None writes none.

    Returns:
        A `PretrainingResult`.

    Raises:
        PretrainingError: NaN loss, full disk, dead loader worker, damaged or wrong checkpoints; the message names
            the last good checkpoint and the remedy.
    """
    with cpu_threads(arguments.threads):
        run = set_up(arguments, train_datasets, validation_dataset, feature_extractor)
        with StopRequest() as stop, open_books(run):
            if patience_is_over(run):  # early stopping had ended the run that is resumed
                run.stopped_by = "patience"
            else:
                take_steps(run, stop)
            metrics, best_step = finish(run, write_card)
    return PretrainingResult(arguments.output_dir, metrics, best_step, run.progress.step, run.stopped_by)


def take_steps(run: PretrainingRun, stop: StopRequest) -> None:
    """Train, log, validate and save until the run is complete, its patience is over, or a signal arrives."""
    for batches in batches_of_each_step(run):
        advance(run, batches)
        log_when_due(run)
        if validation_is_due(run):
            note_validation(run, measure(run))
        [interrupted] = run.processes.any(stop)
        if interrupted or checkpoint_is_due(run):
            save_checkpoint(run)
        if interrupted or patience_is_over(run):
            run.stopped_by = (stop.signal_name or "a signal to another process") if interrupted else "patience"
            return


def advance(run: PretrainingRun, batches: list[dict[str, torch.Tensor]]) -> None:
    """One step of the run: its rates, its crops and masks, the step itself, and what it found for the log."""
    arguments, config, step = run.arguments, run.network.config, run.progress.step
    learning_rate = one_cycle_learning_rate(step, run.total_steps, run.peak_learning_rate)
    momentum = momentum_at(step, run.total_steps, arguments.momentum_start, arguments.momentum_end)
    for group in run.optimizer.param_groups:
        group["lr"] = learning_rate

    seed_step(arguments.seed, step)
    inputs = []
    for number, batch in enumerate(batches):
        place = {"seed": arguments.seed, "step": step, "micro_batch": number, "rank": run.processes.rank}
        batch = augment(
            batch,
            patch_size=config.patch_size,
            crop_patches=arguments.crop_patches,
            amplitude_spread=arguments.amplitude_spread,
            channel_dropout=arguments.channel_dropout,
            world_size=run.processes.world_size,
            **place,
        )
        masks = step_masks(
            config, batch, purpose="training", reconstructed_share=arguments.reconstructed_share, **place
        )
        steering = {"gather_negatives": arguments.gather_negatives, "bf16_targets": arguments.bf16_targets}
        inputs.append({**batch, **vars(masks), **steering})
    result = take_step(
        run.model,
        inputs,
        run.optimizer,
        momentum=momentum,
        max_gradient_norm=arguments.max_gradient_norm,
        accelerator=run.accelerator,
    )
    run.progress.step += 1
    run.log.note_step(result.losses, result.gradient_norm, {"learning_rate": learning_rate, "momentum": momentum})


def batches_of_each_step(run: PretrainingRun) -> Iterator[list[dict[str, torch.Tensor]]]:
    """Yield the accumulated batches of each step, epoch after epoch, until the run is complete.

    Before each step the processes tell each other whether they have their batches, so that none waits for one
    that has run out or failed. Batches at an epoch's end that do not fill a step are left out.

    Raises:
        PretrainingError: when a batch cannot be read in some process.
    """
    wanted, progress = run.arguments.accumulation_steps, run.progress
    while progress.step < run.total_steps:
        first_step, first_batch = progress.step, progress.batch
        error: Exception | None = None
        try:
            loader = start_reading(run.loader(progress.epoch, progress.batch))
        except Exception as problem:
            loader, error = iter(()), problem
        while progress.step < run.total_steps:
            batches: list[dict[str, torch.Tensor]] = []
            try:
                batches = [model_inputs(batch, run.network.config) for batch in islice(loader, wanted)]
            except Exception as problem:  # a dead worker, a damaged file: whatever it is, all processes must know
                error = problem
            ended, failed = run.processes.any(len(batches) < wanted, error)
            if failed:
                what = f"Reading the training data failed in step {progress.step + 1}"
                reason = "another process could not read its batch"
                if error is not None:
                    what = "A process that reads the training data died" if is_dead_worker(error) else what
                    reason = f"{type(error).__name__}: {error}"
                raise PretrainingError(f"{what}: {reason} {run.store.advice()}") from error
            if ended:
                break
            progress.batch += wanted
            yield [to_device(run, batch) for batch in batches]
        if progress.step == first_step and first_batch == 0:
            raise PretrainingError("An epoch gave no complete step: there are too few windows for this batch size.")
        if progress.step < run.total_steps:
            progress.epoch, progress.batch = progress.epoch + 1, 0


def measure(run: PretrainingRun) -> dict[str, object]:
    """Mean losses over the validation windows, how invariant the features are, if they collapse, what probes find.

    Returns:
        The losses by name, where there are validation windows; with `invariance_windows` also what
        `measure_invariance` returns, where there are windows to compare; with probes what `measure_probes` returns.
        Where the loss is not a number, nothing but the losses.
    """
    run.network.eval()
    metrics: dict[str, object] = {}
    if run.validation_datasets:
        metrics |= validate(run.network, validation_inputs(run), accelerator=run.accelerator, processes=run.processes)
        if not math.isfinite(metrics["loss"]):
            return metrics
        if run.arguments.invariance_windows:
            metrics |= invariance(run)
    if run.probes:
        metrics |= measure_probes(run.probes, run.network, run.accelerator.device, run.processes)
    return metrics


def validation_inputs(run: PretrainingRun) -> Iterator[dict[str, object]]:
    """This process's batches of the validation windows: the middle of each, under masks that never change."""
    config, arguments, processes = run.network.config, run.arguments, run.processes
    batches = validation_batches(
        run.validation_datasets, run.collator, arguments.batch_size, processes.rank, processes.world_size
    )
    for number, rows, counts in batches:
        batch = to_device(run, model_inputs(rows, config))
        batch = crop_centre(batch, patch_size=config.patch_size, crop_patches=arguments.crop_patches)
        masks = step_masks(config, batch, seed=arguments.seed, purpose="validation", step=number, rank=0)
        # A batch's losses must not depend on what the other processes have.
        yield {**batch, **vars(masks), "gather_negatives": False, "counts": counts}


def invariance(run: PretrainingRun) -> dict[str, object]:
    """What `measure_invariance` finds on the first validation windows; nothing when there is only one window."""
    batch_size = min(run.arguments.batch_size, run.arguments.invariance_windows)
    count = -(-run.arguments.invariance_windows // batch_size)
    rows = islice(validation_batches(run.validation_datasets, run.collator, batch_size), count)
    batches = [to_device(run, model_inputs(batch, run.network.config)) for _, batch, _ in rows]
    if sum(len(batch["input_values"]) for batch in batches) < 2:
        run.log.say_once(
            "Mask invariance and collapse are not measured: windows are compared with each other, and there is only "
            "one. Add validation windows, or raise invariance_windows."
        )
        return {}
    return measure_invariance(run.network, batches, seed=run.arguments.seed, autocast=run.accelerator.autocast)


def to_device(run: PretrainingRun, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The batch on the run's device."""
    return {name: value.to(run.accelerator.device, non_blocking=True) for name, value in batch.items()}
