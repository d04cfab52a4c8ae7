"""Adapting a checkpoint to a labelled data set: probe, linear, full fine-tuning or LoRA; one call, model selection on
validation data only.

- ``probe``: conv-linear-probing. The encoder is frozen; a linear probe and, where asked for or needed, spatial and
  spectral projections are learned. Without projections the encoder's features are computed once and kept.
- ``linear``: the probe alone, never a projection.
- ``full``: everything is trained; the learning rate falls from block to block towards the input.
- ``lora``: low-rank updates of the attention projections (peft), merged into the weights at the end.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn
from torch.nn import functional as F
from tqdm.auto import tqdm

from dare_eeg_hf.adaptation.classifier_setup import build_classifier, prepare_inputs
from dare_eeg_hf.adaptation.encoder_features import attach_features, encode_inputs, encoder_fingerprint
from dare_eeg_hf.adaptation.euclidean_alignment import align_windows
from dare_eeg_hf.adaptation.labelled_windows import LabelledWindows
from dare_eeg_hf.atomic_files import write_text
from dare_eeg_hf.command_line import refuse_unknown_fields
from dare_eeg_hf.configuration_dare_eeg import DareEegConfig
from dare_eeg_hf.feature_extraction_dare_eeg import DareEegFeatureExtractor
from dare_eeg_hf.launching import forget_earlier_runs
from dare_eeg_hf.modeling_dare_eeg import DareEegForSequenceClassification, masked_mean
from dare_eeg_hf.optimization import layerwise_parameter_groups, one_cycle
from dare_eeg_hf.randomness import generator_for

MODES = ("probe", "linear", "full", "lora")
PREDICTION_BATCH = 128
STEPS_PER_EPOCH, SMALLEST_BATCH = 8, 8
"""Few windows are cut into smaller batches, as far as this, so that an epoch has this many steps."""
STANDARDIZATION_WINDOWS = 512

logger = logging.getLogger(__name__)


@refuse_unknown_fields
@dataclass
class FinetuningArguments:
    """How to adapt.

    Attributes:
        output_dir: where the classifier is saved; None keeps it in memory.
        mode: "probe", "linear", "full" or "lora".
        epochs: passes over the training windows, at most.
        batch_size: windows per step, over all processes; fewer where an epoch would have less than eight steps.
        learning_rate: maximum of the OneCycle schedule (of the head, in mode "full").
        weight_decay: of matrices.
        warmup_fraction: share of the steps over which the learning rate rises.
        patience: epochs without improvement on validation before stopping, not before the learning rate has
            reached its maximum; 0 never stops early.
        class_weights: weigh classes by the inverse of their frequency in the training windows.
        normalize_features: standardise the encoder's features before the probe. The paper's probe does not; without
            it, a probe on few windows hardly learns from features that vary little beside their mean.
        label_smoothing: of the training loss.
        channel_subsets: copies of each training window that show a random half of its electrodes, re-referenced to
            their own average. The classifier then keeps its accuracy where electrodes are missing, and encoding the
            training windows takes that many times longer.
        amplitude_spread: those copies are scaled by factors whose logarithm has this standard deviation: devices and
            people differ in amplitude more than a few training subjects show.
        layer_decay: factor of the learning rate per block, in mode "full".
        spatial_projection: learn a projection of the electrodes; None: where fewer than half of them are known.
        spectral_projection: learn a temporal filter per channel.
        projected_channel_names: vocabulary positions the spatial projection maps to.
        euclidean_alignment: whiten every session by its own mean covariance; uses no labels, but unlabelled windows
            of the sessions that are predicted.
        lora_rank: rank of the updates, in mode "lora".
        mixed_precision: "no", "bf16" or "fp16".
        seed: of initialisation, order and dropout.
    """

    output_dir: str | Path | None = None
    mode: str = "probe"
    epochs: int = 100
    batch_size: int = 64
    learning_rate: float = 5e-4
    weight_decay: float = 0.01
    warmup_fraction: float = 0.2
    patience: int = 20
    class_weights: bool = True
    normalize_features: bool = True
    label_smoothing: float = 0.0
    channel_subsets: int = 0
    amplitude_spread: float = 0.0
    layer_decay: float = 0.75
    spatial_projection: bool | None = None
    spectral_projection: bool = False
    projected_channel_names: Sequence[str] | None = None
    euclidean_alignment: bool = False
    lora_rank: int = 8
    mixed_precision: str = "no"
    seed: int = 0

    def __post_init__(self):
        if self.mode not in MODES:
            raise ValueError(f"mode must be one of {', '.join(MODES)}, got {self.mode!r}")
        for name in ("epochs", "batch_size", "learning_rate", "lora_rank"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        if not 0 < self.layer_decay <= 1:
            raise ValueError(f"layer_decay must lie in (0, 1], got {self.layer_decay}")
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"label_smoothing must lie in [0, 1), got {self.label_smoothing}")
        for name in ("channel_subsets", "amplitude_spread"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        if self.amplitude_spread and not self.channel_subsets:
            raise ValueError("amplitude_spread scales the copies that channel_subsets makes; ask for some")
        if self.channel_subsets and (self.spatial_projection or self.spectral_projection):
            raise ValueError("channel_subsets needs a classifier without projections: those read every electrode")
        if self.mode == "linear" and (self.spatial_projection or self.spectral_projection):
            raise ValueError("mode 'linear' has no projections; use mode 'probe'")


@dataclass
class FinetuningResult:
    """A trained classifier and what its training showed.

    Attributes:
        model: in evaluation mode, with the weights of the best epoch on validation.
        feature_extractor: turns windows into its input.
        output_dir: where both were saved, or None.
        metrics: best epoch, losses, validation balanced accuracy, trained parameters, seconds.
        history: one record per epoch and split, as in metrics.jsonl.
    """

    model: DareEegForSequenceClassification
    feature_extractor: DareEegFeatureExtractor
    output_dir: Path | None
    metrics: dict
    history: list[dict] = field(repr=False, default_factory=list)


def finetune(
    checkpoint: str | Path | DareEegConfig,
    train: LabelledWindows,
    validation: LabelledWindows | None = None,
    arguments: FinetuningArguments | None = None,
    *,
    progress: bool = True,
) -> FinetuningResult:
    """Train a classifier on `train`, choose the epoch on `validation`, save it.

    Args:
        checkpoint: folder or Hub id whose encoder is taken, or a configuration for a random encoder.
        train, validation: windows, or the rows of a prepared data set. Without validation data all epochs are run
            and the last one is kept.
        arguments: how; see `FinetuningArguments`.
        progress: show a progress bar.

    Raises:
        ValueError: one class only, a class without training windows, fewer windows than classes, channels or classes
            that differ between training and validation, or a checkpoint adapted to other electrodes.
    """
    arguments = arguments or FinetuningArguments()
    train = as_windows(train)
    validation = None if validation is None else as_windows(validation, train.label_names)
    check_windows(train, validation)
    if arguments.euclidean_alignment:
        train = align_windows(train)
        validation = None if validation is None else align_windows(validation)

    started = time.perf_counter()
    forget_earlier_runs()
    accelerator = Accelerator(mixed_precision=arguments.mixed_precision)
    # Whoever calls this keeps their own random state: everything below draws from a forked one.
    with torch.random.fork_rng():
        torch.manual_seed(arguments.seed)
        model, extractor = build_classifier(
            checkpoint,
            train,
            spatial_projection=False if arguments.mode == "linear" else arguments.spatial_projection,
            spectral_projection=arguments.spectral_projection,
            projected_channel_names=arguments.projected_channel_names,
            normalize_features=arguments.normalize_features,
        )
        choose_trained_parameters(model, arguments)
        trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
        train_inputs = classifier_inputs(model, extractor, train, accelerator.device)
        train_labels = np.tile(train.labels, 1 + arguments.channel_subsets)
        if arguments.channel_subsets:
            train_inputs = add_channel_subsets(train_inputs, model, extractor, train, arguments, accelerator.device)
        validation_inputs = (
            None if validation is None else classifier_inputs(model, extractor, validation, accelerator.device)
        )
        loop = TrainingLoop(model, train_inputs, train_labels, validation_inputs, validation, arguments, accelerator)
        loop.run(progress=progress and accelerator.is_main_process)

    model = loop.finished_model()
    metrics = loop.best | {
        "mode": arguments.mode,
        "seed": arguments.seed,
        "trainable_parameters": trained,
        "seconds": round(time.perf_counter() - started, 3),
        "processes": accelerator.num_processes,
    }
    output_dir = None if arguments.output_dir is None else Path(arguments.output_dir)
    if output_dir is not None and accelerator.is_main_process:
        name = checkpoint_name(checkpoint)
        save_classifier(output_dir, model, extractor, name, arguments, metrics, loop.history, train)
    accelerator.wait_for_everyone()
    return FinetuningResult(model, extractor, output_dir, metrics, loop.history)


# ---- data


def as_windows(data, label_names: Sequence[str] | None = None) -> LabelledWindows:
    """Windows as they are, or rows of a prepared data set as windows."""
    return data if isinstance(data, LabelledWindows) else LabelledWindows.from_rows(data, label_names)


def check_windows(train: LabelledWindows, validation: LabelledWindows | None) -> None:
    """Refuse windows nothing can be learned from; see `finetune`."""
    if len(train) < max(2, len(train.label_names)):
        raise ValueError(f"{len(train)} training windows are too few for {len(train.label_names)} classes")
    counts = np.bincount(train.labels, minlength=len(train.label_names))
    if (counts > 0).sum() < 2:
        raise ValueError(
            f"all training windows have the class {train.label_names[int(counts.argmax())]!r}; two are needed"
        )
    if missing := [name for name, count in zip(train.label_names, counts, strict=True) if count == 0]:
        raise ValueError(f"no training window has the class {', '.join(missing)}: it could never be predicted")
    if validation is None:
        return
    if len(validation) == 0:
        raise ValueError("there is no validation window; pass validation=None to train without selection")
    for name in ("channel_names", "sampling_rate", "label_names"):
        if getattr(train, name) != getattr(validation, name):
            raise ValueError(
                f"training and validation differ in {name}: {getattr(train, name)} and {getattr(validation, name)}"
            )


def classifier_inputs(
    model: DareEegForSequenceClassification,
    extractor: DareEegFeatureExtractor,
    windows: LabelledWindows,
    device: torch.device | str = "cpu",
) -> dict[str, torch.Tensor]:
    """What the classifier reads for each window: frozen features where they can be kept, signals otherwise."""
    if can_keep_features(model):
        if windows.features_of != encoder_fingerprint(model.dare_eeg, extractor):
            windows = attach_features(model.dare_eeg, extractor, windows, device)
        return {"features": windows.features, "patch_mask": windows.feature_mask}
    return prepare_inputs(extractor, windows)


def add_channel_subsets(
    inputs: dict[str, torch.Tensor],
    model: DareEegForSequenceClassification,
    extractor: DareEegFeatureExtractor,
    windows: LabelledWindows,
    arguments: FinetuningArguments,
    device: torch.device | str,
) -> dict[str, torch.Tensor]:
    """What the classifier reads, followed by `channel_subsets` copies of it with a random half of the electrodes.

    Raises:
        ValueError: the classifier has projections, or there are fewer than two electrodes.
    """
    if model.adapter.is_active:
        raise ValueError("channel_subsets needs a classifier without projections: those read every electrode")
    whole = inputs if "input_values" in inputs else prepare_inputs(extractor, windows)
    copies = [inputs]
    for copy in range(arguments.channel_subsets):
        generator = generator_for(arguments.seed, "channel subset", copy)
        part = half_of_channels(whole, generator)
        factors = (arguments.amplitude_spread * torch.randn(len(windows), 1, 1, generator=generator)).exp()
        part["input_values"] = part["input_values"] * factors
        if "features" in inputs:
            part = {"features": encode_inputs(model.dare_eeg, part, device), "patch_mask": part["patch_mask"]}
        copies.append(part)
    return {name: torch.cat([part[name] for part in copies]) for name in inputs}


def half_of_channels(inputs: dict[str, torch.Tensor], generator: torch.Generator) -> dict[str, torch.Tensor]:
    """Model inputs in which each window shows half of its channels, drawn anew for each, on their own average.

    Raises:
        ValueError: windows of a single channel.
    """
    mask = inputs["channel_mask"]
    if mask.shape[1] < 2:
        raise ValueError("channel_subsets needs at least two electrodes")
    places = torch.rand(mask.shape, generator=generator).masked_fill(~mask, 2.0).argsort(dim=1).argsort(dim=1)
    kept = mask & (places < (mask.sum(dim=1, keepdim=True) + 1) // 2)
    values = inputs["input_values"]
    average = masked_mean(values, kept, dim=1)[:, None]
    return {**inputs, "input_values": (values - average) * kept[..., None], "channel_mask": kept}


def can_keep_features(model: DareEegForSequenceClassification) -> bool:
    """True where nothing that is trained comes before or in the encoder."""
    return not model.adapter.is_active and not any(p.requires_grad for p in model.dare_eeg.parameters())


@torch.no_grad()
def standardize_features(
    model: DareEegForSequenceClassification, inputs: dict[str, torch.Tensor], device: torch.device | str
) -> None:
    """Fit the probe's standardisation before training, to kept features or to those of a share of the windows.

    What training changes in the encoder later, the probe's weights make up for.
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


def choose_trained_parameters(model: DareEegForSequenceClassification, arguments: FinetuningArguments) -> None:
    """Freeze, unfreeze or wrap the encoder as the mode asks."""
    model.freeze_encoder()
    if arguments.mode == "full":
        model.unfreeze_encoder()
    elif arguments.mode == "lora":
        try:
            from peft import LoraConfig, get_peft_model
        except ImportError as error:
            raise ImportError("mode 'lora' needs peft: pip install 'dare-eeg-hf[lora]'") from error
        updates = LoraConfig(
            r=arguments.lora_rank,
            lora_alpha=2 * arguments.lora_rank,
            target_modules=["attention.qkv", "attention.proj"],
        )
        model.dare_eeg = get_peft_model(model.dare_eeg, updates)


# ---- training


class ClassifierWithLoss(nn.Module):
    """The classifier on signals or on kept features, with the training loss: what processes share gradients of."""

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
        bar = tqdm(range(1, self.arguments.epochs + 1), desc=self.arguments.mode, unit="epoch", disable=not progress)
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
            # It halves its factor at each gradient that is not a number, and skips the step: nothing would be learned.
            raise FloatingPointError(
                f"the gradient was still not a number in epoch {epoch} after the loss scaler of fp16 had gone down to "
                "1: use bf16, or lower the learning rate"
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
    pieces = []
    for start in range(0, count, PREDICTION_BATCH):
        batch = {name: values[start : start + PREDICTION_BATCH].to(device) for name, values in inputs.items()}
        pieces.append(module.logits(batch).float().cpu())
    return torch.cat(pieces)


def predict_probabilities(
    model: DareEegForSequenceClassification,
    extractor: DareEegFeatureExtractor,
    windows: LabelledWindows,
    *,
    euclidean_alignment: bool = False,
) -> np.ndarray:
    """Class probabilities (W, K) in float64; `euclidean_alignment` as in training."""
    if euclidean_alignment:
        windows = align_windows(windows)
    model.eval()
    inputs = classifier_inputs(model, extractor, windows)
    logits = batched_logits(ClassifierWithLoss(model), inputs, "cpu")
    return logits.double().softmax(-1).numpy()


# ---- saving


def checkpoint_name(checkpoint: str | Path | DareEegConfig) -> str:
    """What cards call the start of fine-tuning: a Hub id, the last name of a folder, or "random weights"."""
    if isinstance(checkpoint, DareEegConfig):
        return "random weights"
    return Path(checkpoint).resolve().name if Path(checkpoint).is_dir() else str(checkpoint)


def save_classifier(
    output_dir: Path,
    model: DareEegForSequenceClassification,
    extractor: DareEegFeatureExtractor,
    checkpoint: str,
    arguments: FinetuningArguments,
    metrics: dict,
    history: list[dict],
    train: LabelledWindows,
) -> None:
    """Write a complete checkpoint folder: config, safetensors, preprocessor config, finetuning.json, metrics.jsonl."""
    output_dir.mkdir(parents=True, exist_ok=True)
    (output_dir / "test_results.json").unlink(missing_ok=True)  # of an earlier classifier
    model.save_pretrained(output_dir)
    extractor.save_pretrained(output_dir)
    facts = {
        "checkpoint": checkpoint,
        "arguments": {k: v for k, v in asdict(arguments).items() if k != "output_dir"},
        "metrics": metrics,
        "recorded_sampling_rate": train.sampling_rate,
        "training_subjects": sorted(set(train.subjects.tolist())),
        "subject_source": train.subject_source,
        "training_windows": len(train),
    }
    write_text(output_dir / "finetuning.json", json.dumps(facts, indent=2, default=str) + "\n")
    write_text(output_dir / "metrics.jsonl", "".join(json.dumps(record) + "\n" for record in history))
