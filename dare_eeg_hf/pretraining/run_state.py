"""What a run saves with every checkpoint and restores, so that it continues as if it had never stopped."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors.torch import save_file

from dare_eeg_hf.feature_extraction_dare_eeg import DareEegFeatureExtractor
from dare_eeg_hf.modeling_dare_eeg import DareEegForPreTraining
from dare_eeg_hf.pretraining import checkpointing

logger = logging.getLogger(__name__)


@dataclass
class Progress:
    """Where a run stands.

    Attributes:
        step: optimiser steps done.
        epoch: the current pass over the data.
        batch: batches of this epoch already used, per process.
        best_step: step whose checkpoint is kept, see `is_better`; None before the first validation.
        best_loss: the validation loss there.
        best_probe: what the probe found there; None where the loss decides.
        highest_probe: the most it found anywhere.
        validations_since_best: for early stopping: how many since the probe, or else the loss, was at its best.
        last_validation: what the newest validation found.
        unlogged: losses of steps that metrics.jsonl does not hold yet, one row a step.
    """

    step: int = 0
    epoch: int = 0
    batch: int = 0
    best_step: int | None = None
    best_loss: float | None = None
    best_probe: float | None = None
    highest_probe: float | None = None
    validations_since_best: int = 0
    last_validation: dict[str, object] = field(default_factory=dict)
    unlogged: list[list[float]] = field(default_factory=list)

    def note_validation(self, metrics: dict[str, object]) -> None:
        """Remember what a validation found, and whether it is the best so far."""
        self.last_validation = metrics
        improved = better = self.is_better(metrics)
        if "probe" in metrics:
            improved = self.highest_probe is None or metrics["probe"] > self.highest_probe
            self.highest_probe = max(metrics["probe"], self.highest_probe or 0.0)
        self.validations_since_best = 0 if improved else self.validations_since_best + 1
        if better:
            self.best_step, self.best_loss, self.best_probe = self.step, metrics.get("loss"), metrics.get("probe")

    def is_better(self, metrics: dict[str, object]) -> bool:
        """Whether a validation is better than the one that was kept so far.

        It is if its probe is higher. But where both are within one standard error of the highest probe so far, which
        is chance, the lower loss is better. Without a probe the loss alone decides, without a loss the probe.
        """
        if "probe" in metrics and self.best_probe is not None:
            enough = max(self.highest_probe, metrics["probe"]) - metrics["probe_error"]
            told_apart = min(metrics["probe"], self.best_probe) < enough
            if told_apart or self.best_loss is None or "loss" not in metrics:
                return metrics["probe"] > self.best_probe
        return self.best_loss is None or metrics["loss"] < self.best_loss

    def forget_best(self) -> None:
        """Look for the best from here on, as another probe, or the loss, will judge."""
        self.best_step = self.best_loss = self.best_probe = self.highest_probe = None
        self.validations_since_best = 0


def chosen_step(records: Iterable[Mapping[str, object]]) -> int | None:
    """The step that the validations among the rows of a metrics.jsonl chose; None where there were none."""
    progress = Progress()
    for record in records:
        if record.get("split") == "validation" and (record.get("loss") is not None or "probe" in record):
            progress.step = record["step"]
            progress.note_validation(record)
    return progress.best_step


@dataclass
class RunState:
    """Everything that decides how a run continues. No random state: randomness derives from (seed, step, rank).

    Attributes:
        network: the model, unwrapped.
        optimizer: torch's own.
        scaler: of fp16's gradients; None in other precisions.
        feature_extractor: the signal contract, saved beside the weights.
        setup: what must stay the same for a resumed run to be the run that was interrupted.
        progress: where the run stands.
    """

    network: DareEegForPreTraining
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler | None
    feature_extractor: DareEegFeatureExtractor
    setup: dict[str, object]
    progress: Progress = field(default_factory=Progress)

    def gathered(self) -> Callable[[Path], None]:
        """Gather the whole state on the CPU of every process; all must call this.

        Returns:
            A function that writes it into a folder: everything that a checkpoint holds.
        """
        weights = checkpointing.model_tensors(self.network)
        moments = checkpointing.optimizer_tensors(self.network, self.optimizer)
        state = {"progress": asdict(self.progress), "setup": self.setup}
        if self.scaler is not None:
            state["scaler"] = self.scaler.state_dict()

        def write(folder: Path) -> None:
            self.network.config.architectures = [type(self.network).__name__]
            self.network.config.save_pretrained(folder)
            self.feature_extractor.save_pretrained(folder)
            save_file(weights, folder / checkpointing.MODEL_FILE, metadata={"format": "pt"})
            checkpointing.save_training_state(folder, moments, state)

        return write

    def restore(self, checkpoint: Path) -> None:
        """Load the state of a checkpoint; settings that have changed since are named in warnings.

        Raises:
            CheckpointError: it belongs to a model with other parameters.
        """
        state = checkpointing.load_state(checkpoint)
        checkpointing.restore(checkpoint, self.network, self.optimizer)
        self.progress = Progress(**state["progress"])
        if self.scaler is not None and "scaler" in state:
            self.scaler.load_state_dict(state["scaler"])
        before = {"probe_data": [], **state["setup"]}  # an older version had no probes
        changed = {
            name: value
            for name, value in self.setup.items()
            if name in before and before[name] != value  # an older version may not have saved it
        }
        if changed:
            # The place in the epoch, where batches have another size than when it was saved.
            seen = self.progress.batch * before["batch_size"] * before["processes"]
            self.progress.batch = seen // (self.setup["batch_size"] * self.setup["processes"])
        if "probe_data" in changed:
            self.progress.forget_best()
            logger.warning(
                "The probe data are not those of before, so the best checkpoint is looked for anew, from step %d on.",
                self.progress.step,
            )
        for name, now in changed.items():
            logger.warning(
                "Resuming with %s = %s, which was %s: the run goes on, but not bit for bit.", name, now, before[name]
            )
