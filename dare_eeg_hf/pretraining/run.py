"""One pre-training run: its model, data, files and processes. The recipe that uses it is `pretraining.pretrain`."""

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import save_file

from dare_eeg_hf.configuration_dare_eeg import PRESETS, DareEegConfig
from dare_eeg_hf.corpora.loading import WindowCollator, training_dataloader
from dare_eeg_hf.launching import checkpoint_activations, compile_model, make_accelerator
from dare_eeg_hf.masking_dare_eeg import PretrainingMasks
from dare_eeg_hf.metrics_log import FILE_NAME as METRICS_FILE
from dare_eeg_hf.metrics_log import read_metrics
from dare_eeg_hf.modeling_dare_eeg import DareEegForPreTraining
from dare_eeg_hf.pretraining import checkpointing
from dare_eeg_hf.pretraining.checkpointing import CheckpointError, CheckpointStore, not_written
from dare_eeg_hf.pretraining.data import content_digest
from dare_eeg_hf.pretraining.hub_push import BackgroundPush
from dare_eeg_hf.pretraining.interruption import is_dead_worker, start_reading
from dare_eeg_hf.pretraining.model_export import MODEL_FILES, export_model
from dare_eeg_hf.pretraining.model_inputs import model_inputs
from dare_eeg_hf.pretraining.processes import ProcessGroup
from dare_eeg_hf.pretraining.run_log import NotFiniteError, RunLog
from dare_eeg_hf.pretraining.schedules import parameter_groups, scaled_learning_rate
from dare_eeg_hf.pretraining.starting_point import (
    check_contract,
    settings_asked_for,
    signal_contract,
    starting_model,
)
from dare_eeg_hf.pretraining.trainable_windows import check_trainable
from dare_eeg_hf.pretraining.validation import validation_batches
from dare_eeg_hf.randomness import derive_seed

if TYPE_CHECKING:
    from dare_eeg_hf.pretraining.pretraining import PretrainingArguments

logger = logging.getLogger(__name__)

LOSSES = ("loss", "loss_reconstruction", "loss_anchor", "loss_mask_alignment", "loss_activation")


class PretrainingError(RuntimeError):
    """A run cannot go on; the message says why, which checkpoint is good, and what to do."""


@dataclass
class Progress:
    """Where a run stands; saved with every checkpoint.

    Attributes:
        step: optimiser steps done.
        epoch: the current pass over the data.
        batch: batches of this epoch already used, per process.
        best_step: step with the lowest validation loss; None before the first validation.
        best_loss: that loss.
        validations_since_best: for early stopping.
        last_validation: what the newest validation found.
        unlogged: losses of steps that metrics.jsonl does not hold yet, one row a step.
    """

    step: int = 0
    epoch: int = 0
    batch: int = 0
    best_step: int | None = None
    best_loss: float | None = None
    validations_since_best: int = 0
    last_validation: dict[str, object] = field(default_factory=dict)
    unlogged: list[list[float]] = field(default_factory=list)


class PretrainingRun:
    """Builds everything a run needs, takes up a checkpoint where there is one, and keeps the books."""

    def __init__(self, arguments: "PretrainingArguments", train_datasets, validation_dataset, feature_extractor):
        self.arguments = arguments
        self.train_datasets = train_datasets if isinstance(train_datasets, (list, tuple)) else [train_datasets]
        self.validation_dataset = validation_dataset
        self.feature_extractor = feature_extractor or signal_contract(arguments)
        self.progress = Progress()
        self.stopped_by: str | None = None

        self.accelerator = make_accelerator(arguments)
        self.processes = ProcessGroup()
        self.store = CheckpointStore(arguments.output_dir / "checkpoints", arguments.keep_last)
        checkpoint = self._find_checkpoint()
        self.model, self.network, self.optimizer = self._build_model(checkpoint)
        config = self.network.config
        check_contract(self.feature_extractor, config)
        used = [*self.train_datasets, *self._validation_datasets]
        self._remarks = check_trainable(used, config, arguments.crop_patches)
        self.collator = WindowCollator(config.channel_names, config.patch_size, sampling_rate=config.sampling_rate)
        self.steps_per_epoch = self._count_steps_per_epoch()
        self.total_steps = self._count_total_steps()
        self.loss_names = [name for name in LOSSES if self._is_measured(name)]
        self.peak_learning_rate = scaled_learning_rate(
            arguments.learning_rate, self.windows_per_step, arguments.learning_rate_scaling
        )
        names = [*self.loss_names, "gradient_norm"]
        self.log = RunLog(self.accelerator, self.processes, arguments.output_dir, names, self.windows_per_step)
        if checkpoint is not None:
            self._restore(checkpoint)
        self._forget_later_steps()
        self._push: BackgroundPush | None = None

    @property
    def windows_per_step(self) -> int:
        """Windows of one optimiser step, over all processes and accumulated batches."""
        return self.arguments.batch_size * self.arguments.accumulation_steps * self.processes.world_size

    # ---- building -------------------------------------------------------------------------------------------------

    def _find_checkpoint(self) -> Path | None:
        if self.store.steps() and not self.arguments.resume:
            raise PretrainingError(
                f"{self.arguments.output_dir} already holds a run. Pass resume=True (--resume) to go on with it, or "
                "choose another output folder."
            )
        if not self.arguments.resume:
            return None
        checkpoint = self.store.latest()
        if checkpoint is None and self.store.steps():
            raise PretrainingError(
                f"No checkpoint in {self.store.folder} is intact. Move the folder away to start anew."
            )
        return checkpoint

    def _build_model(self, checkpoint: Path | None):
        arguments = self.arguments
        self.seed_step("initialisation")
        if checkpoint is not None:
            network = DareEegForPreTraining.from_pretrained(checkpoint, dtype=torch.float32)
            self._check_same_model(network.config, checkpoint)
        else:
            network = starting_model(arguments)
        # Without mask alignment nothing would give the projection a gradient.
        trained = arguments.train_contrastive_projection and network.config.use_mask_alignment
        network.contrastive_projection.requires_grad_(trained)
        if arguments.gradient_checkpointing:
            checkpoint_activations(network)
        network.to(self.accelerator.device)
        compile_model(network, arguments.compile)
        optimizer = torch.optim.AdamW(
            parameter_groups(network.named_parameters(), arguments.weight_decay),
            lr=arguments.learning_rate,
            fused=True,
        )
        model, prepared = self.accelerator.prepare(network, optimizer)
        return model, self.accelerator.unwrap_model(model), prepared

    def _check_same_model(self, config: DareEegConfig, checkpoint: Path) -> None:
        """Refuse to go on with another model than the one asked for: its results would pass for those.

        Raises:
            PretrainingError: a field that preset or config name has another value in the checkpoint.
        """
        arguments = self.arguments
        preset = {} if arguments.initial_model else PRESETS[arguments.preset]
        asked = {**preset, **arguments.config}
        wanted = settings_asked_for(DareEegConfig(**asked), asked)
        there = settings_asked_for(config, asked)
        changed = [
            f"{name} is {there[name]} there and {wanted[name]} here" for name in wanted if there[name] != wanted[name]
        ]
        if changed:
            raise PretrainingError(
                f"{checkpoint} holds another model: {'; '.join(changed)}. Choose another output folder for this one, "
                "or ask for the same settings to go on with that one."
            )

    def _is_measured(self, loss: str) -> bool:
        config = self.network.config
        switches = {"loss_anchor": config.use_anchor_alignment, "loss_mask_alignment": config.use_mask_alignment}
        return switches.get(loss, True)

    def _loader(self, epoch: int, start_batch: int = 0):
        return training_dataloader(
            self.train_datasets,
            weights=self.arguments.mixture_weights,
            batch_size=self.arguments.batch_size,
            collator=self.collator,
            seed=derive_seed(self.arguments.seed, "order") % 2**32,
            epoch=epoch,
            start_batch=start_batch,
            rank=self.processes.rank,
            world_size=self.processes.world_size,
            num_workers=self.arguments.num_workers,
        )

    def _count_steps_per_epoch(self) -> int | None:
        """Optimiser steps of one epoch; None for streamed data, whose length nobody knows before its end."""
        if not all(hasattr(dataset, "__len__") for dataset in self.train_datasets):
            return None
        steps = len(self._loader(epoch=0)) // self.arguments.accumulation_steps
        if steps == 0:
            windows = sum(len(dataset) for dataset in self.train_datasets)
            raise PretrainingError(
                f"{windows} training windows do not fill one step of {self.windows_per_step} windows. Lower the batch "
                "size or the accumulation, or add recordings."
            )
        return steps

    def _count_total_steps(self) -> int:
        if self.arguments.max_steps is not None:
            return self.arguments.max_steps
        if self.steps_per_epoch is None:
            raise PretrainingError("Streamed data have no known length: say how many steps to take with max_steps.")
        return self.arguments.epochs * self.steps_per_epoch

    def _setup(self) -> dict[str, object]:
        """What must stay the same for a resumed run to be the run that was interrupted."""
        arguments = self.arguments
        return {
            "seed": arguments.seed,
            "total_steps": self.total_steps,
            "processes": self.processes.world_size,
            "threads": torch.get_num_threads() if self.accelerator.device.type == "cpu" else None,
            "batch_size": arguments.batch_size,
            "accumulation_steps": arguments.accumulation_steps,
            "crop_patches": arguments.crop_patches,
            "amplitude_spread": arguments.amplitude_spread,
            "learning_rate": arguments.learning_rate,
            "learning_rate_scaling": arguments.learning_rate_scaling,
            "weight_decay": arguments.weight_decay,
            "momentum_start": arguments.momentum_start,
            "momentum_end": arguments.momentum_end,
            "gather_negatives": arguments.gather_negatives,
            "train_contrastive_projection": arguments.train_contrastive_projection,
            "max_gradient_norm": arguments.max_gradient_norm,
            "mixed_precision": self.accelerator.mixed_precision,
            "compile": arguments.compile,
            "gradient_checkpointing": arguments.gradient_checkpointing,
            "deterministic": arguments.deterministic,
            "mixture_weights": arguments.mixture_weights,
            "windows": [len(data) if hasattr(data, "__len__") else None for data in self.train_datasets],
            **self._data_digests,
        }

    @property
    def _validation_datasets(self) -> list:
        validation = self.validation_dataset or []
        return list(validation) if isinstance(validation, (list, tuple)) else [validation]

    @cached_property
    def _data_digests(self) -> dict[str, list[str | None]]:
        """What the windows are; None for streams, which would have to be read to the end."""
        used = {"training_data": self.train_datasets, "validation_data": self._validation_datasets}
        return {
            name: [content_digest(data) if hasattr(data, "__len__") else None for data in datasets]
            for name, datasets in used.items()
        }

    def _restore(self, checkpoint: Path) -> None:
        state = checkpointing.load_state(checkpoint)
        try:
            checkpointing.restore(checkpoint, self.network, self._plain_optimizer)
        except CheckpointError as error:
            raise PretrainingError(str(error)) from error
        self.progress = Progress(**state["progress"])
        if self.accelerator.scaler is not None and "scaler" in state:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        changed = {
            name: (state["setup"][name], value)
            for name, value in self._setup().items()
            if name in state["setup"] and state["setup"][name] != value  # an older version may not have told it
        }
        if changed:
            self._adapt_position(state["setup"])
            for name, (before, now) in changed.items():
                logger.warning(
                    "Resuming with %s = %s, which was %s: the run goes on, but not bit for bit.", name, now, before
                )
        self.log.say(f"Resuming from {checkpoint} (step {self.progress.step} of {self.total_steps}).")

    def _forget_later_steps(self) -> None:
        """Clear away what an interrupted run left behind of steps that are about to be taken (again)."""
        with self._writing("What goes on from an earlier run"):
            self.log.metrics.forget_after(self.progress.step)
            if self.processes.is_main:
                for damaged in self.store.set_aside_after(self.progress.step):
                    self.log.say(f"A damaged checkpoint was renamed to {damaged}: delete it if you do not need it.")

    def _adapt_position(self, before: dict) -> None:
        """Translate the place in the epoch where batches have another size than when it was saved."""
        seen = self.progress.batch * before["batch_size"] * before["processes"]
        self.progress.batch = seen // (self.arguments.batch_size * self.processes.world_size)

    @property
    def _plain_optimizer(self) -> torch.optim.Optimizer:
        return self.optimizer.optimizer

    # ---- running --------------------------------------------------------------------------------------------------

    def __enter__(self) -> "PretrainingRun":
        arguments = self.arguments
        if self.processes.is_main and arguments.push_to_hub:
            self._push = BackgroundPush(arguments.push_to_hub, arguments.output_dir / ".hub-upload")
        parameters = sum(parameter.numel() for parameter in self.network.parameters() if parameter.requires_grad)
        self.log.say(
            f"{parameters / 1e6:.2f} M trained parameters, {self.processes.world_size} process(es) on "
            f"{self.accelerator.device.type}, {self.windows_per_step} windows per step, {self.total_steps} steps, "
            f"learning rate up to {self.peak_learning_rate:g}. Files go to {arguments.output_dir}."
        )
        for remark in self._remarks:
            self.log.say(remark)
        with self._writing("The log"):
            arguments.output_dir.mkdir(parents=True, exist_ok=True)
            self.log.open(self.progress.step, self.total_steps, asdict(arguments))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self.log.close()
        if self._push is not None:
            self._push.close()
            self._push = None

    def batches_of_each_step(self) -> Iterator[list[dict[str, torch.Tensor]]]:
        """Yield the accumulated batches of each step, epoch after epoch, until the run is complete.

        Before each step the processes tell each other whether they have their batches, so that none waits for one
        that has run out or failed. Batches at an epoch's end that do not fill a step are left out.

        Raises:
            PretrainingError: when a batch cannot be read in some process.
        """
        wanted = self.arguments.accumulation_steps
        while self.progress.step < self.total_steps:
            first_step, first_batch = self.progress.step, self.progress.batch
            error: Exception | None = None
            try:
                loader = start_reading(self._loader(self.progress.epoch, self.progress.batch))
            except Exception as problem:
                loader, error = iter(()), problem
            while self.progress.step < self.total_steps:
                batches: list[dict[str, torch.Tensor]] = []
                try:
                    batches = [model_inputs(batch, self.network.config) for batch in islice(loader, wanted)]
                except Exception as problem:  # a dead worker, a damaged file: whatever it is, all processes must know
                    error = problem
                ended, failed = self.processes.any(len(batches) < wanted, error)
                if failed:
                    what = f"Reading the training data failed in step {self.progress.step + 1}"
                    reason = "another process could not read its batch"
                    if error is not None:
                        what = "A process that reads the training data died" if is_dead_worker(error) else what
                        reason = f"{type(error).__name__}: {error}"
                    raise PretrainingError(f"{what}: {reason} {self._advice()}") from error
                if ended:
                    break
                self.progress.batch += wanted
                yield [self.to_device(batch) for batch in batches]
            if self.progress.step == first_step and first_batch == 0:
                raise PretrainingError(
                    "An epoch gave no complete step: there are too few windows for this batch size."
                )
            if self.progress.step < self.total_steps:
                self.progress.epoch, self.progress.batch = self.progress.epoch + 1, 0

    def seed_step(self, step: int | str) -> None:
        """Make whatever draws from torch's global generators a function of (seed, step, rank)."""
        rank = torch.distributed.get_rank() if torch.distributed.is_initialized() else 0
        # Every process initialises the same model.
        torch.manual_seed(derive_seed(self.arguments.seed, "step", step, 0 if isinstance(step, str) else rank))

    def forward(
        self,
        model: torch.nn.Module,
        batch: dict[str, torch.Tensor],
        masks: PretrainingMasks,
        gather_negatives: bool,
    ):
        """The model's output under the run's precision. Masks stay on the CPU, where their shapes are known."""
        with self.accelerator.autocast():
            return model(
                **batch,
                context_mask=masks.context_mask,
                second_context_mask=masks.second_context_mask,
                target_mask=masks.target_mask,
                gather_negatives=gather_negatives,
                return_dict=True,
            )

    def losses_of(self, output) -> torch.Tensor:
        """The losses that are measured, in the order of `loss_names`, detached."""
        return torch.stack([getattr(output, name).detach().float() for name in self.loss_names])

    def clip_gradients(self) -> torch.Tensor:
        """Clip where asked for; return the gradient's norm before that, without the factor of fp16's scaler."""
        limit = self.arguments.max_gradient_norm
        parameters = [parameter for parameter in self.network.parameters() if parameter.grad is not None]
        if limit is not None:
            norm = self.accelerator.clip_grad_norm_(parameters, limit)  # this unscales first
        else:
            self.accelerator.unscale_gradients(self.optimizer)
            norm = torch.nn.utils.get_total_norm([parameter.grad for parameter in parameters])
        return norm.full_tensor() if hasattr(norm, "full_tensor") else norm

    # ---- books ----------------------------------------------------------------------------------------------------

    def note_step(self, losses: torch.Tensor, gradient_norm: torch.Tensor, learning_rate: float, momentum: float):
        """Count the step and hand its numbers to the log."""
        self._rates = {"learning_rate": learning_rate, "momentum": momentum}
        self.progress.step += 1
        self.log.note_step(torch.cat([losses, gradient_norm.detach().float().reshape(1)]))

    def _collect(self) -> None:
        """Read the newest steps' numbers and make sure that they are numbers.

        Raises:
            PretrainingError: at the first step whose loss or gradient is not finite; under a gradient scaler, which
                halves its factor and skips such a step, when gradients overflow without any factor too.
        """
        try:
            rows = self.log.collect()
        except NotFiniteError as error:
            raise PretrainingError(
                f"The loss or its gradient stopped being a number in step {self.progress.step - error.steps_ago} "
                f"({error.values}). Usual reasons: a window with NaN or huge values, a learning rate too high, or "
                f"fp16. {self._advice()}"
            ) from error
        scaler = self.accelerator.scaler
        if scaler is not None and scaler.get_scale() < 1 and any(self.log.is_skipped(row) for row in rows):
            raise PretrainingError(
                f"The gradient was still not a number at step {self.progress.step} after the loss scaler of fp16 had "
                "gone down to 1, so scaling is not the reason. Usual reasons: a window with huge values, a learning "
                f"rate too high, or a model that needs the range of bf16 (--mixed-precision bf16). {self._advice()}"
            )
        self.progress.unlogged += rows

    def log_when_due(self) -> None:
        """Write the mean of the newest steps every `log_every` steps, and at the end.

        Raises:
            PretrainingError: when they are not numbers, or cannot be written.
        """
        progress = self.progress
        if progress.step % self.arguments.log_every and progress.step != self.total_steps:
            return
        self._collect()
        with self._writing(f"The log of step {progress.step}"):
            self.log.write_training(progress.step, progress.epoch, progress.unlogged, self._rates)
        progress.unlogged = []

    def validation_is_due(self) -> bool:
        """At every `validate_every` steps (an epoch), and at the end."""
        if self.validation_dataset is None:
            return False
        every = self.arguments.validate_every or self.steps_per_epoch or 500
        return self.progress.step % every == 0 or self.progress.step == self.total_steps

    def invariance_batches(self) -> list[dict[str, torch.Tensor]]:
        """The first validation windows, on which invariance is measured; the same in every process."""
        batch_size = min(self.arguments.batch_size, self.arguments.invariance_windows)
        count = -(-self.arguments.invariance_windows // batch_size)
        batches = islice(validation_batches(self.validation_dataset, self.collator, batch_size), count)
        return [self.to_device(model_inputs(batch, self.network.config)) for _, batch, _ in batches]

    def to_device(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The batch on the run's device."""
        return {name: value.to(self.accelerator.device, non_blocking=True) for name, value in batch.items()}

    def note_validation(self, metrics: dict[str, object]) -> None:
        """Write what a validation found, and remember whether it is the best so far.

        Raises:
            PretrainingError: for a loss that is not a number, with which no later one could be compared; and when it
                cannot be written.
        """
        progress = self.progress
        if not math.isfinite(metrics["loss"]):
            raise PretrainingError(
                f"The validation loss is not a number at step {progress.step} ({metrics}). Usual reasons: a window "
                "for validation with NaN or huge values, weights grown too large (a learning rate too high), or fp16. "
                f"{self._advice()}"
            )
        with self._writing(f"The log of step {progress.step}"):
            self.log.write({"step": progress.step, "epoch": progress.epoch, "split": "validation", **metrics})
        if metrics.get("collapsed"):
            self.log.say(
                f"Warning: the features of different windows are nearly the same at step {progress.step} (relative "
                f"std {metrics['feature_std']:.2g}, effective rank {metrics['effective_rank']:.1f}). The encoder may "
                "be collapsing: look at the mask-alignment loss, the learning rate and the data's amplitude."
            )
        progress.last_validation = metrics
        if progress.best_loss is None or metrics["loss"] < progress.best_loss:
            progress.best_step, progress.best_loss, progress.validations_since_best = progress.step, metrics["loss"], 0
        else:
            progress.validations_since_best += 1
        self.log.restart_clock(progress.step)

    def patience_is_over(self) -> bool:
        """Whether the last validations brought nothing better."""
        patience = self.arguments.patience
        return patience is not None and self.progress.validations_since_best >= patience

    # ---- files ----------------------------------------------------------------------------------------------------

    @contextmanager
    def _writing(self, what: str) -> Iterator[None]:
        """Around writing files, in every process: where one cannot write, all end, and none waits for it.

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
            raise PretrainingError(f"{reason} {self._advice()}") from error

    def checkpoint_is_due(self) -> bool:
        """Every `checkpoint_every` steps, at the best validation loss, when patience is over, and at the end."""
        step = self.progress.step
        due = step % self.arguments.checkpoint_every == 0 or step in (self.total_steps, self.progress.best_step)
        return due or self.patience_is_over()

    def save_checkpoint(self) -> None:
        """Save everything needed to go on, whole or not at all, and drop checkpoints no longer kept.

        Raises:
            PretrainingError: when it cannot be written; the checkpoints before it are untouched.
        """
        self._collect()
        weights = checkpointing.model_tensors(self.network)
        moments = checkpointing.optimizer_tensors(self.network, self._plain_optimizer)
        state = {"progress": asdict(self.progress), "setup": self._setup()}
        if self.accelerator.scaler is not None:
            state["scaler"] = self.accelerator.scaler.state_dict()

        def fill(folder: Path) -> None:
            self.network.config.architectures = [type(self.network).__name__]
            self.network.config.save_pretrained(folder)
            self.feature_extractor.save_pretrained(folder)
            save_file(weights, folder / checkpointing.MODEL_FILE, metadata={"format": "pt"})
            checkpointing.save_training_state(folder, moments, state)

        with self._writing(f"The checkpoint of step {self.progress.step}"):
            if self.processes.is_main:
                self.store.write(self.progress.step, fill, best_step=self.progress.best_step)
        if self._push is not None:
            checkpoint = self.store.path(self.progress.step)
            self._submit([checkpoint / name for name in MODEL_FILES], f"Step {self.progress.step}")

    def _submit(self, files: list[Path], message: str) -> None:
        """Push files, and the log where there is one already."""
        log = self.log.metrics.file
        self._push.submit([*files, log] if log.is_file() else files, message)

    def finish(self) -> tuple[dict[str, object], int]:
        """Put a completed run's best model into its folder as a complete checkpoint; return its metrics and step.

        Raises:
            PretrainingError: when it cannot be written.
        """
        progress = self.progress
        best_step = progress.best_step if progress.best_step in self.store.steps() else progress.step
        self.processes.wait()
        file = self.arguments.output_dir / METRICS_FILE
        records = read_metrics(file) if file.exists() else []
        metrics = progress.last_validation or (records[-1] if records else {})
        completed = self.stopped_by in (None, "patience")
        with self._writing(f"The model of step {best_step}"):
            if completed and self.processes.is_main and self.store.path(best_step).is_dir():
                files = export_model(self.store.path(best_step), self.arguments.output_dir, self._card_facts())
                self.log.say(f"The model of step {best_step} is in {self.arguments.output_dir}.")
                if self._push is not None:
                    self._submit(files, f"The model of step {best_step} of {progress.step}")
        return metrics, best_step

    def _card_facts(self) -> dict[str, object]:
        """What the model card says about the run."""
        left_out = ("corpora", "license", "output_dir")
        settings = {name: value for name, value in asdict(self.arguments).items() if name not in left_out}
        facts = {"license": self.arguments.license, "arguments": settings}
        return {**facts, "corpora": self.arguments.corpora} if self.arguments.corpora else facts

    def _advice(self) -> str:
        good = self.store.latest()
        if good is None:
            return "No checkpoint was saved yet."
        return f"The last good checkpoint is {good}; once the reason is gone, the same command with --resume goes on."
