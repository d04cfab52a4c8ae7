"""How a checkpoint is adapted: the modes and settings of fine-tuning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dare_eeg_hf.command_line import refuse_unknown_fields

MODES = ("probe", "linear", "full", "lora")
STATISTICS = "statistics"
TRAINING_MODES = (STATISTICS, "probe", "full", "lora")
"""What `train_classifier` offers: a logistic regression on the frozen encoder's features and power maps, and modes
of fine-tuning."""


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
        class_weights: weight classes by the inverse of their frequency in the training windows.
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
            raise ValueError("amplitude_spread scales the copies that channel_subsets makes; set that too")
        if self.channel_subsets and (self.spatial_projection or self.spectral_projection):
            raise ValueError("channel_subsets needs a classifier without projections: those read every electrode")
        if self.mode == "linear" and (self.spatial_projection or self.spectral_projection):
            raise ValueError("mode 'linear' has no projections; use mode 'probe'")
