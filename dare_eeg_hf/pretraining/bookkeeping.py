"""What a run writes while it trains: log, validations, checkpoints and, at the end, the model."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from dare_eeg_hf.metrics_log import FILE_NAME as METRICS_FILE
from dare_eeg_hf.metrics_log import read_metrics
from dare_eeg_hf.pretraining.checkpointing import MODEL_FILES, PretrainingError, export_model
from dare_eeg_hf.pretraining.hub_push import BackgroundPush
from dare_eeg_hf.pretraining.run_log import NotFiniteError
from dare_eeg_hf.pretraining.run_setup import PretrainingRun, windows_per_step

WriteCard = Callable[[Path, dict[str, object]], list[Path]]
"""Writes a model card from a folder and what a run says about its model; returns the card's files."""


@contextmanager
def open_books(run: PretrainingRun) -> Iterator[None]:
    """Say what is about to be trained, and keep log, trackers and uploads open while it is.

    Raises:
        PretrainingError: when the log cannot be written.
    """
    arguments = run.arguments
    if run.processes.is_main and arguments.push_to_hub:
        run.push = BackgroundPush(arguments.push_to_hub, arguments.output_dir / ".hub-upload")
    parameters = sum(parameter.numel() for parameter in run.network.parameters() if parameter.requires_grad)
    run.log.say(
        f"{parameters / 1e6:.2f} M trained parameters, {run.processes.world_size} process(es) on "
        f"{run.accelerator.device.type}, {windows_per_step(arguments, run.processes)} windows per step, "
        f"{run.total_steps} steps, learning rate up to {run.peak_learning_rate:g}. Files go to {arguments.output_dir}."
    )
    for remark in run.remarks:
        run.log.say(remark)
    with run.writing("The log"):
        arguments.output_dir.mkdir(parents=True, exist_ok=True)
        run.log.open(run.progress.step, run.total_steps, asdict(arguments))
    try:
        yield
    finally:
        run.log.close()
        if run.push is not None:
            run.push.close()
            run.push = None


def log_when_due(run: PretrainingRun) -> None:
    """Write the mean of the newest steps every `log_every` steps, and at the end.

    Raises:
        PretrainingError: when they are not finite, or cannot be written.
    """
    progress = run.progress
    if progress.step % run.arguments.log_every and progress.step != run.total_steps:
        return
    collect_numbers(run)
    with run.writing(f"The log of step {progress.step}"):
        run.log.write_training(progress.step, progress.epoch, progress.unlogged)
    progress.unlogged = []


def collect_numbers(run: PretrainingRun) -> None:
    """Read the newest steps' numbers and make sure that they are finite.

    Raises:
        PretrainingError: at the first step whose loss or gradient is not finite; under a gradient scaler, which
            halves its factor and skips such a step, when gradients overflow without any factor too.
    """
    try:
        rows = run.log.collect()
    except NotFiniteError as error:
        raise PretrainingError(
            f"The loss or its gradient became NaN or infinite in step {run.progress.step - error.steps_ago} "
            f"({error.values}). Usual causes: a window with NaN or huge values, too high a learning rate, or "
            f"fp16. {run.store.advice()}"
        ) from error
    scaler = run.accelerator.scaler
    if scaler is not None and scaler.get_scale() < 1 and any(run.log.is_skipped(row) for row in rows):
        raise PretrainingError(
            f"The gradient was still NaN or infinite at step {run.progress.step} after the loss scaler of fp16 had "
            "gone down to 1, so scaling is not the cause. Usual causes: a window with huge values, too high a "
            f"learning rate, or a model that needs the range of bf16 (--mixed-precision bf16). {run.store.advice()}"
        )
    run.progress.unlogged += rows


def validation_is_due(run: PretrainingRun) -> bool:
    """At every `validate_every` steps (an epoch), and at the end."""
    if not run.validation_datasets and not run.probes:
        return False
    every = run.arguments.validate_every or run.steps_per_epoch or 500
    return run.progress.step % every == 0 or run.progress.step == run.total_steps


def note_validation(run: PretrainingRun, metrics: dict[str, object]) -> None:
    """Write what a validation found, and remember whether it is the best so far.

    Raises:
        PretrainingError: for a loss that is not a number, with which no later one could be compared; and when it
            cannot be written.
    """
    progress = run.progress
    if not math.isfinite(metrics.get("loss", 0.0)):
        raise PretrainingError(
            f"The validation loss is not a number at step {progress.step} ({metrics}). Usual causes: a validation "
            "window with NaN or huge values, weights grown too large (too high a learning rate), or fp16. "
            f"{run.store.advice()}"
        )
    with run.writing(f"The log of step {progress.step}"):
        run.log.write({"step": progress.step, "epoch": progress.epoch, "split": "validation", **metrics})
    if metrics.get("collapsed"):
        run.log.say(
            f"Warning: the features of different windows are nearly the same at step {progress.step} (relative "
            f"std {metrics['feature_std']:.2g}, effective rank {metrics['effective_rank']:.1f}). The encoder may "
            "be collapsing: look at the mask-alignment loss, the learning rate and the data's amplitude."
        )
    progress.note_validation(metrics)
    run.log.restart_clock(progress.step)


def patience_is_over(run: PretrainingRun) -> bool:
    """Whether the last validations brought no improvement."""
    patience = run.arguments.patience
    return patience is not None and run.progress.validations_since_best >= patience


def checkpoint_is_due(run: PretrainingRun) -> bool:
    """Every `checkpoint_every` steps, at the best validation, when patience is over, and at the end."""
    step = run.progress.step
    due = step % run.arguments.checkpoint_every == 0 or step in (run.total_steps, run.progress.best_step)
    return due or patience_is_over(run)


def save_checkpoint(run: PretrainingRun) -> None:
    """Save everything needed to go on, whole or not at all, and drop checkpoints no longer kept.

    Raises:
        PretrainingError: when it cannot be written; the checkpoints before it are untouched.
    """
    collect_numbers(run)
    step, fill = run.progress.step, run.state.gathered()
    with run.writing(f"The checkpoint of step {step}"):
        if run.processes.is_main:
            run.store.write(step, fill, best_step=run.progress.best_step)
    if run.push is not None:
        push(run, [run.store.path(step) / name for name in MODEL_FILES], f"Step {step}")


def push(run: PretrainingRun, files: list[Path], message: str) -> None:
    """Upload files in the background, and the log where there is one already."""
    log = run.log.metrics.file
    run.push.submit([*files, log] if log.is_file() else files, message)


def finish(run: PretrainingRun, write_card: WriteCard | None = None) -> tuple[dict[str, object], int]:
    """Put a completed run's best model into its folder as a complete checkpoint; return its metrics and step.

    Raises:
        PretrainingError: when it cannot be written.
    """
    progress, output_dir = run.progress, run.arguments.output_dir
    best_step = progress.best_step if progress.best_step in run.store.steps() else progress.step
    run.processes.wait()
    file = output_dir / METRICS_FILE
    records = read_metrics(file) if file.exists() else []
    metrics = progress.last_validation or (records[-1] if records else {})
    completed = run.stopped_by in (None, "patience")
    with run.writing(f"The model of step {best_step}"):
        if completed and run.processes.is_main and run.store.path(best_step).is_dir():
            files = export_model(run.store.path(best_step), output_dir)
            if write_card is not None:
                files += write_card(output_dir, facts_for_card(run))
            run.log.say(f"The model of step {best_step} is in {output_dir}.")
            if run.push is not None:
                push(run, files, f"The model of step {best_step} of {progress.step}")
    return metrics, best_step


def facts_for_card(run: PretrainingRun) -> dict[str, object]:
    """What only the run knows about its model: licence, settings, its choice and, where they were given, corpora."""
    arguments = run.arguments
    left_out = ("corpora", "license", "output_dir")
    settings = {name: value for name, value in asdict(arguments).items() if name not in left_out}
    if run.probes:  # by name: where they lie is nobody's business
        settings["probe_data"] = [probe.name for probe in run.probes]
    facts = {"license": arguments.license, "arguments": settings, "choice": how_chosen(run)}
    return {**facts, "corpora": arguments.corpora} if arguments.corpora else facts


def how_chosen(run: PretrainingRun) -> str:
    """Sentences on which of the checkpoints was kept, and why."""
    progress = run.progress
    if progress.best_step is None:
        return f"The checkpoint of the last step, {progress.step}, was kept."
    kept = f"The checkpoint of step {progress.best_step} of {progress.step} was kept"
    if progress.best_probe is None:
        return f"{kept}: it had the lowest validation loss."
    names = ", ".join(probe.name for probe in run.probes)
    chance = progress.last_validation.get("probe_chance", 0.0)
    by_loss = " Between checkpoints within a standard error of the highest the validation loss decided."
    return (
        f"{kept}: a linear probe of labelled windows of people who were not trained on ({names}) had a balanced "
        f"accuracy of {progress.best_probe:.3f} there (guessing: {chance:.3f}; the highest of all, "
        f"{progress.highest_probe:.3f}).{'' if progress.best_loss is None else by_loss} Chosen for its height, the "
        "figure is too high for new people."
    )
