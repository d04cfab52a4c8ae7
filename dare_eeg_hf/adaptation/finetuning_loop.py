"""The loop of fine-tuning: epochs over windows in memory, and the best of them on validation."""

from __future__ import annotations

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn
from torch.nn import functional as F

from dare_eeg_hf.adaptation.finetuning_arguments import FinetuningArguments
from dare_eeg_hf.adaptation.labelled_windows import LabelledWindows
from dare_eeg_hf.modeling_dare_eeg import DareEegForSequenceClassification
from dare_eeg_hf.onednn_linear import onednn_products
from dare_eeg_hf.optimization import layerwise_parameter_groups, one_cycle
from dare_eeg_hf.progress import progress_bar
from dare_eeg_hf.randomness import generator_for

PREDICTION_BATCH = 128
STEPS_PER_EPOCH, SMALLEST_BATCH = 8, 8
"""A small data set gets smaller batches, so that an epoch has this many steps."""
STANDARDIZATION_WINDOWS = 512


class ClassifierWithLoss(nn.Module):
    """The classifier on signals or on kept features, with the training loss: what processes share the gradients of."""

    def __init__(
        self,
        model: DareEegForSequenceClassification,
        class_weights: torch.Tensor | None = None,
        label_smoothing: float = 0.0,
    ):
        super().__init__()
        self.model, self.label_smoothing = model, label_smoothing
        self.register_buffer("class_weights", class_weights, persistent=False)

    def logits(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """Logits (B, K)."""
        if "features" in inputs:
            return self.model.classify_features(inputs["features"], inputs["patch_mask"])
        return self.model(**inputs, return_dict=True).logits

    def forward(self, inputs: dict[str, torch.Tensor], labels: torch.Tensor, batch_weight: float) -> torch.Tensor:
        """Summed loss of a process's share of a batch, divided by `batch_weight`.

        With the mean weight of the processes' shares there, the mean over processes is the loss of the whole batch.
        """
        loss = F.cross_entropy(
            self.logits(inputs).float(),
            labels,
            weight=self.class_weights,
            label_smoothing=self.label_smoothing,
            reduction="sum",
        )
        return loss / batch_weight


def balanced_class_weights(labels: np.ndarray, num_classes: int) -> torch.Tensor:
    """Weights (K,) inversely proportional to class counts, one on average over windows."""
    counts = np.bincount(labels, minlength=num_classes)
    return torch.from_numpy(len(labels) / (num_classes * counts)).float()


class TrainingLoop:
    """Epochs over windows held in memory, the best of them on validation kept.

    Every process holds all windows and takes its share of each batch: the order of windows and, up to rounding, their
    losses do not depend on the number of processes. Dropout and batch normalisation do.
    """

    def __init__(
        self,
        model: DareEegForSequenceClassification,
        train_inputs: dict[str, torch.Tensor],
        train_labels: np.ndarray,
        validation_inputs: dict[str, torch.Tensor] | None,
        validation: LabelledWindows | None,
        arguments: FinetuningArguments,
        accelerator: Accelerator,
    ):
        self.arguments, self.accelerator = arguments, accelerator
        self.train_inputs, self.train_labels = train_inputs, torch.from_numpy(train_labels)
        self.validation_inputs = validation_inputs
        self.validation_labels = None if validation is None else torch.from_numpy(validation.labels)
        weights = balanced_class_weights(train_labels, model.num_labels) if arguments.class_weights else None
        self.window_weights = torch.ones(len(train_labels)) if weights is None else weights[self.train_labels]
        wrapped = ClassifierWithLoss(model, weights, arguments.label_smoothing)
        layer_decay = arguments.layer_decay if arguments.mode == "full" else 1.0
        optimizer = torch.optim.AdamW(
            layerwise_parameter_groups(model, arguments.learning_rate, arguments.weight_decay, layer_decay), fused=True
        )
        self.module, prepared = accelerator.prepare(wrapped, optimizer)
        # Accelerate's wrapper is for fp16's scaled gradients; in every step it also searches the disk for a package.
        self.optimizer = prepared if accelerator.scaler else prepared.optimizer
        self.wrapped = accelerator.unwrap_model(self.module)
        if arguments.normalize_features:
            standardize_features(model, train_inputs, accelerator.device)
        batch_size = min(arguments.batch_size, max(len(train_labels) // STEPS_PER_EPOCH, SMALLEST_BATCH))
        batch_size = min(batch_size, len(train_labels))
        if accelerator.num_processes > batch_size:
            raise ValueError(
                f"{accelerator.num_processes} processes cannot share batches of {batch_size} windows: start fewer"
            )
        self.steps_per_epoch = max(len(train_labels) // batch_size, 1)
        self.batch_size = batch_size
        total = self.steps_per_epoch * arguments.epochs
        self.scheduler = one_cycle(optimizer, total, arguments.warmup_fraction)
        self.history: list[dict] = []
        self.best: dict = {}
        self._best_state: dict[str, torch.Tensor] | None = None

    def run(self, progress: bool = True) -> None:
        """Train; stops early where validation no longer improves."""
        since_best = 0
        epochs = range(1, self.arguments.epochs + 1)
        bar = progress_bar(epochs, desc=self.arguments.mode, unit="epoch", show=progress)
        for epoch in bar:
            step = epoch * self.steps_per_epoch
            self.history.append({"step": step, "epoch": epoch, "split": "train", "loss": self._train_epoch(epoch)})
            if self.validation_inputs is None:
                self.best = {"epoch": epoch, "train_loss": self.history[-1]["loss"]}
                continue
            record = {"step": step, "epoch": epoch, "split": "validation", **self._validate()}
            self.history.append(record)
            bar.set_postfix_str(
                f"loss {record['loss']:.3f}, balanced accuracy {record['balanced_accuracy']:.3f}", refresh=False
            )
            since_best += 1
            if self._improves(record):
                since_best = 0
                self.best = {
                    "epoch": epoch,
                    "validation_loss": record["loss"],
                    "validation_balanced_accuracy": record["balanced_accuracy"],
                }
                self._best_state = self._trained_state()
            warm = epoch >= self.arguments.warmup_fraction * self.arguments.epochs
            if self.arguments.patience and warm and since_best >= self.arguments.patience:
                break

    def _improves(self, record: dict) -> bool:
        """Higher balanced accuracy, or the same with a lower loss."""
        if not self.best:
            return True
        new = (record["balanced_accuracy"], -record["loss"])
        return new > (self.best["validation_balanced_accuracy"], -self.best["validation_loss"])

    def _trained_state(self) -> dict[str, torch.Tensor]:
        """Copies of everything training changes: parameters with gradient, and buffers (batch normalisation)."""
        module = self.wrapped.model
        trained = {name for name, parameter in module.named_parameters() if parameter.requires_grad}
        buffers = {name for name, _ in module.named_buffers()}
        return {k: v.clone() for k, v in module.state_dict().items() if k in trained or k in buffers}

    def _train_epoch(self, epoch: int) -> float:
        self.module.train()
        order = torch.randperm(
            len(self.train_labels), generator=generator_for(self.arguments.seed, "finetuning order", epoch)
        )
        rank, processes = self.accelerator.process_index, self.accelerator.num_processes
        total = torch.zeros((), device=self.accelerator.device)
        for step in range(self.steps_per_epoch):
            batch = order[step * self.batch_size : (step + 1) * self.batch_size]
            inputs, labels = self._take(self.train_inputs, batch[rank::processes]), self.train_labels[batch]
            weight = float(self.window_weights[batch].sum()) / processes
            loss = self.module(inputs, labels[rank::processes].to(self.accelerator.device), weight)
            self.accelerator.backward(loss)
            if not torch.isfinite(loss):
                raise FloatingPointError(f"the loss became {loss.item()} in epoch {epoch}: lower the learning rate")
            self.optimizer.step()
            self.scheduler.step()
            self.optimizer.zero_grad()
            total += loss.detach()
        if self.accelerator.scaler is not None and self.accelerator.scaler.get_scale() < 1:
            # It halves its factor at each gradient that is not finite, and skips the step: nothing would be learned.
            raise FloatingPointError(
                f"the gradient was still NaN or infinite in epoch {epoch} after the loss scaler of fp16 had gone down "
                "to 1: use bf16, or lower the learning rate"
            )
        return float(self.accelerator.reduce(total / self.steps_per_epoch, "mean"))

    def _take(self, inputs: dict[str, torch.Tensor], positions: torch.Tensor) -> dict[str, torch.Tensor]:
        return {name: values[positions].to(self.accelerator.device) for name, values in inputs.items()}

    @torch.no_grad()
    def _validate(self) -> dict[str, float]:
        self.wrapped.eval()
        logits = batched_logits(self.wrapped, self.validation_inputs, self.accelerator.device)
        weights = None if self.wrapped.class_weights is None else self.wrapped.class_weights.cpu()
        loss = F.cross_entropy(logits, self.validation_labels, weight=weights)
        predicted, truth = logits.argmax(-1), self.validation_labels
        recalls = [(predicted[truth == k] == k).float().mean() for k in truth.unique()]
        return {"loss": float(loss), "balanced_accuracy": float(torch.stack(recalls).mean())}

    def finished_model(self) -> DareEegForSequenceClassification:
        """The best epoch's model on the CPU, LoRA updates merged, in evaluation mode."""
        model = self.wrapped.model
        if self._best_state is not None:
            model.load_state_dict(self._best_state, strict=False)
        if self.arguments.mode == "lora":
            model.dare_eeg = model.dare_eeg.merge_and_unload()
            model.freeze_encoder()
        return model.cpu().eval()


@torch.no_grad()
def batched_logits(module: ClassifierWithLoss, inputs: dict[str, torch.Tensor], device) -> torch.Tensor:
    """Logits (W, K) on the CPU, in float32, computed in batches."""
    count = len(next(iter(inputs.values())))
    stride, patch_size = module.model.config.statistics_stride, module.model.config.patch_size
    # Overlap multiplies the patches of a window: a batch holds as many of them as one of plain windows.
    size = PREDICTION_BATCH if stride is None else max(1, PREDICTION_BATCH * stride // patch_size)
    pieces = []
    with onednn_products(device):
        for start in range(0, count, size):
            batch = {name: values[start : start + size].to(device) for name, values in inputs.items()}
            pieces.append(module.logits(batch).float().cpu())
    return torch.cat(pieces)


@torch.no_grad()
def standardize_features(
    model: DareEegForSequenceClassification, inputs: dict[str, torch.Tensor], device: torch.device | str
) -> None:
    """Fit the probe's standardisation before training, to kept features or to those of a share of the windows.

    The probe's weights make up for what training later changes in the encoder.
    """
    if "features" in inputs:
        model.fit_feature_standardization(inputs["features"].to(device), inputs["patch_mask"].to(device))
        return
    count = len(inputs["input_values"])
    chosen = torch.linspace(0, count - 1, min(count, STANDARDIZATION_WINDOWS)).long()
    model.eval()
    features = []
    for part in chosen.split(PREDICTION_BATCH):
        batch = {name: values[part].to(device) for name, values in inputs.items()}
        features.append(model.extract_features(**batch).last_hidden_state)
    patch_mask = None if model.adapter.is_active else inputs["patch_mask"][chosen].to(device)
    model.fit_feature_standardization(torch.cat(features), patch_mask)
