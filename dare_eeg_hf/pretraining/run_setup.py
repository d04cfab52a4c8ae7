"""A run before its first step: processes, model, optimiser, data and earlier state, put together."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from torch.utils.data import DataLoader

from dare_eeg_hf.corpora.loading import WindowCollator, training_dataloader
from dare_eeg_hf.launching import compile_model, make_accelerator
from dare_eeg_hf.modeling_dare_eeg import DareEegForPreTraining
from dare_eeg_hf.onednn_linear import use_onednn
from dare_eeg_hf.optimization import parameter_groups, scaled_learning_rate
from dare_eeg_hf.pretraining.arguments import PretrainingArguments
from dare_eeg_hf.pretraining.checkpointing import CheckpointError, CheckpointStore, PretrainingError, not_written
from dare_eeg_hf.pretraining.data import check_trainable, content_digest
from dare_eeg_hf.pretraining.hub_push import BackgroundPush
from dare_eeg_hf.pretraining.probe import Probe, open_probes, refuse_trained_people
from dare_eeg_hf.pretraining.processes import ProcessGroup
from dare_eeg_hf.pretraining.run_log import RunLog
from dare_eeg_hf.pretraining.run_state import Progress, RunState
from dare_eeg_hf.pretraining.starting_point import build_network, check_contract, signal_contract
from dare_eeg_hf.randomness import derive_seed

SAME_WHEN_RESUMED = (
    "seed",
    "batch_size",
    "accumulation_steps",
    "crop_patches",
    "reconstructed_share",
    "amplitude_spread",
    "channel_dropout",
    "learning_rate",
    "learning_rate_scaling",
    "weight_decay",
    "momentum_start",
    "momentum_end",
    "gather_negatives",
    "train_contrastive_projection",
    "max_gradient_norm",
    "bf16_targets",
    "onednn",
    "compile",
    "gradient_checkpointing",
    "deterministic",
    "mixture_weights",
)
"""Arguments with which a resumed run is, bit for bit, the run that was interrupted."""


@dataclass
class PretrainingRun:
    """The parts of one run. The recipe that uses them is in run.py.

    Attributes:
        arguments: how to train.
        train_datasets: windows to train on.
        validation_datasets: windows to validate on; empty for none.
        probes: labelled windows whose classification helps to choose the checkpoint; empty where the loss alone does.
        accelerator: device, precision, sharding, trackers.
        processes: those that take part.
        store: the checkpoints.
        model: what is trained, as the accelerator prepared it.
        network: the same, unwrapped.
        optimizer: as the accelerator prepared it.
        state: what is saved and restored.
        collator: rows to batches.
        steps_per_epoch: None for streamed data, whose length nobody knows before its end.
        total_steps: when the run is complete.
        peak_learning_rate: the highest of the schedule.
        log: where numbers and messages go.
        remarks: what to report about the data before the first step.
        push: uploads to the Hub, while the run is under way.
        stopped_by: the signal (or "patience") that ended the run early.
    """

    arguments: PretrainingArguments
    train_datasets: list
    validation_datasets: list
    probes: list[Probe]
    accelerator: Accelerator
    processes: ProcessGroup
    store: CheckpointStore
    model: torch.nn.Module
    network: DareEegForPreTraining
    optimizer: torch.optim.Optimizer
    state: RunState
    collator: WindowCollator
    steps_per_epoch: int | None
    total_steps: int
    peak_learning_rate: float
    log: RunLog
    remarks: list[str]
    push: BackgroundPush | None = None
    stopped_by: str | None = None

    @property
    def progress(self) -> Progress:
        """Where the run stands."""
        return self.state.progress

    def loader(self, epoch: int, start_batch: int = 0) -> DataLoader:
        """This process's training batches of an epoch, from one of them on."""
        return training_loader(
            self.arguments, self.train_datasets, self.collator, self.processes, epoch, start_batch=start_batch
        )

    @contextmanager
    def writing(self, what: str) -> Iterator[None]:
        """Context for writing files, in every process: if one cannot write, all stop, and none waits for it.

        Raises:
            PretrainingError: after an OSError or CheckpointError in any process.
        """
        error: Exception | None = None
        try:
            yield
        except (OSError, CheckpointError) as problem:
            error = problem
        [failed] = self.processes.any(error)
        if failed:
            reason = f"{what} could not be written by another process, whose message says why."
            if error is not None:
                said = isinstance(error, CheckpointError)
                reason = str(error) if said else not_written(what, self.arguments.output_dir, error)
            raise PretrainingError(f"{reason} {self.store.advice()}") from error


def set_up(arguments: PretrainingArguments, train_datasets, validation_dataset, feature_extractor) -> PretrainingRun:
    """Build everything a run needs, and load its newest intact checkpoint if it is resumed.

    Args:
        arguments: how to train.
        train_datasets: as for `pretrain`.
        validation_dataset: as for `pretrain`.
        feature_extractor: as for `pretrain`.

    Raises:
        PretrainingError: the folder holds a run that is not to be resumed, no intact checkpoint or another model's;
            the data do not fill a step, or their length is unknown and `max_steps` is missing.
        ValueError: the signal contract is not the model's, there are windows that cannot be trained on, or probe data
            that cannot be probed.
        LaunchError: the launcher did not do what it was asked.
    """
    feature_extractor = feature_extractor or signal_contract(arguments)
    accelerator = make_accelerator(
        arguments.output_dir / "trackers",
        trackers=arguments.trackers,
        mixed_precision=arguments.mixed_precision,
        deterministic=arguments.deterministic,
        cpu=arguments.cpu,
    )
    processes = ProcessGroup()
    store = CheckpointStore(arguments.output_dir / "checkpoints", arguments.keep_last)
    checkpoint = checkpoint_to_resume(arguments, store)
    seed_step(arguments.seed, "initialisation")
    network = build_network(arguments, checkpoint)
    network.to(accelerator.device)
    if arguments.onednn:
        use_onednn(network)
    compile_model(network, arguments.compile)
    adamw = torch.optim.AdamW(
        parameter_groups(network.named_parameters(), arguments.weight_decay), lr=arguments.learning_rate, fused=True
    )
    model, optimizer = accelerator.prepare(network, adamw)
    network = accelerator.unwrap_model(model)
    config = network.config
    check_contract(feature_extractor, config)
    training, validation = listed(train_datasets), listed(validation_dataset)
    probes = open_probes(arguments, config)
    probed = [probe.rows for probe in probes]
    remarks = check_trainable([*training, *validation, *probed], config, arguments.crop_patches)
    remarks += refuse_trained_people(probes, training)
    collator = WindowCollator(config.channel_names, config.patch_size, sampling_rate=config.sampling_rate)
    steps_per_epoch = count_steps_per_epoch(arguments, training, collator, processes)
    total_steps = count_total_steps(arguments, steps_per_epoch)
    setup = {
        "total_steps": total_steps,
        "processes": processes.world_size,
        "threads": torch.get_num_threads() if accelerator.device.type == "cpu" else None,
        "mixed_precision": accelerator.mixed_precision,
        **{name: getattr(arguments, name) for name in SAME_WHEN_RESUMED},
        **described(training, validation),
        "probe_data": [probe.fingerprint() for probe in probes],
    }
    state = RunState(network, adamw, accelerator.scaler, feature_extractor, setup)
    windows = windows_per_step(arguments, processes)
    run = PretrainingRun(
        arguments=arguments,
        train_datasets=training,
        validation_datasets=validation,
        probes=probes,
        accelerator=accelerator,
        processes=processes,
        store=store,
        model=model,
        network=network,
        optimizer=optimizer,
        state=state,
        collator=collator,
        steps_per_epoch=steps_per_epoch,
        total_steps=total_steps,
        peak_learning_rate=scaled_learning_rate(arguments.learning_rate, windows, arguments.learning_rate_scaling),
        log=RunLog(accelerator, processes, arguments.output_dir, windows),
        remarks=remarks,
    )
    if checkpoint is not None:
        resume(run, checkpoint)
    forget_later_steps(run)
    return run


def checkpoint_to_resume(arguments: PretrainingArguments, store: CheckpointStore) -> Path | None:
    """The newest intact checkpoint where a run is to be resumed; None where it starts anew."""
    if store.steps() and not arguments.resume:
        raise PretrainingError(
            f"{arguments.output_dir} already holds a run. Pass resume=True (--resume) to go on with it, or choose "
            "another output folder."
        )
    if not arguments.resume:
        return None
    checkpoint = store.latest()
    if checkpoint is None and store.steps():
        raise PretrainingError(f"No checkpoint in {store.folder} is intact. Move the folder away to start anew.")
    return checkpoint


def seed_step(seed: int, step: int | str) -> None:
    """Make whatever draws from torch's global generators a function of (seed, step, rank)."""
    rank = torch.distributed.get_rank() if torch.distributed.is_initialized() else 0
    # Every process initialises the same model.
    torch.manual_seed(derive_seed(seed, "step", step, 0 if isinstance(step, str) else rank))


def listed(datasets) -> list:
    """One data set, several or none as a list."""
    if datasets is None:
        return []
    return list(datasets) if isinstance(datasets, (list, tuple)) else [datasets]


def described(training: list, validation: list) -> dict[str, list]:
    """Which windows are used; None for streams, which would have to be read to the end."""
    return {
        "windows": [len(data) if hasattr(data, "__len__") else None for data in training],
        "training_data": [content_digest(data) if hasattr(data, "__len__") else None for data in training],
        "validation_data": [content_digest(data) if hasattr(data, "__len__") else None for data in validation],
    }


def windows_per_step(arguments: PretrainingArguments, processes: ProcessGroup) -> int:
    """Windows of one optimiser step, over all processes and accumulated batches."""
    return arguments.batch_size * arguments.accumulation_steps * processes.world_size


def training_loader(
    arguments: PretrainingArguments,
    datasets: list,
    collator: WindowCollator,
    processes: ProcessGroup,
    epoch: int = 0,
    start_batch: int = 0,
) -> DataLoader:
    """One process's training batches of an epoch, in the order that the run's seed gives it."""
    return training_dataloader(
        datasets,
        weights=arguments.mixture_weights,
        batch_size=arguments.batch_size,
        collator=collator,
        seed=derive_seed(arguments.seed, "order") % 2**32,
        epoch=epoch,
        start_batch=start_batch,
        rank=processes.rank,
        world_size=processes.world_size,
        num_workers=arguments.num_workers,
    )


def count_steps_per_epoch(
    arguments: PretrainingArguments, datasets: list, collator: WindowCollator, processes: ProcessGroup
) -> int | None:
    """Optimiser steps of one epoch; None for streamed data, whose length nobody knows before its end."""
    if not all(hasattr(dataset, "__len__") for dataset in datasets):
        return None
    steps = len(training_loader(arguments, datasets, collator, processes)) // arguments.accumulation_steps
    if steps == 0:
        raise PretrainingError(
            f"{sum(len(dataset) for dataset in datasets)} training windows do not fill one step of "
            f"{windows_per_step(arguments, processes)} windows. Lower the batch size or the accumulation, or add "
            "recordings."
        )
    return steps


def count_total_steps(arguments: PretrainingArguments, steps_per_epoch: int | None) -> int:
    """Optimiser steps of the whole run."""
    if arguments.max_steps is not None:
        return arguments.max_steps
    if steps_per_epoch is None:
        raise PretrainingError("Streamed data have no known length: say how many steps to take with max_steps.")
    return arguments.epochs * steps_per_epoch


def resume(run: PretrainingRun, checkpoint: Path) -> None:
    """Load the state of a checkpoint, and report it."""
    try:
        run.state.restore(checkpoint)
    except CheckpointError as error:
        raise PretrainingError(str(error)) from error
    run.log.say(f"Resuming from {checkpoint} (step {run.progress.step} of {run.total_steps}).")


def forget_later_steps(run: PretrainingRun) -> None:
    """Clear away what an interrupted run left of steps that are about to be repeated."""
    with run.writing("The state of the resumed run"):
        run.log.metrics.forget_after(run.progress.step)
        if run.processes.is_main:
            for damaged in run.store.set_aside_after(run.progress.step):
                run.log.say(f"A damaged checkpoint was renamed to {damaged}: delete it if you do not need it.")
