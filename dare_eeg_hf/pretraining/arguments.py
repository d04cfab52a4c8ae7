"""How to pre-train: every setting of a run, with the published recipe as its default."""

from dataclasses import dataclass, field
from pathlib import Path

from dare_eeg_hf.command_line import refuse_unknown_fields


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
        max_steps: optimiser steps; takes precedence over `epochs`, and is needed for streams, whose length is unknown.
        batch_size: windows per process and accumulated batch.
        accumulation_steps: batches per optimiser step. InfoNCE's negatives come from one batch, not from all of them.
        crop_patches: train on crops of this many patches, cut at a random sample of each window, instead of on whole
            windows. The encoder looks at one patch at a time, so short pieces teach it too, many times faster and
            never twice at the same place; the predictor, which works over time, learns from whole windows only.
        reconstructed_share: train on reconstructing only this share of the target patches, another random one in each
            step; 1 takes all of them, as published. Views, the other losses and validation stay as they are. A
            quarter makes steps on whole windows nearly twice as fast or more.
        amplitude_spread: jitter of the amplitude, as the standard deviation of the logarithm of each window's factor.
        channel_dropout: largest share of the channels that a batch loses before masks are drawn, another random one in
            each step: encoders then learn from few electrodes, too. Validation keeps them all.
        learning_rate: maximum of the OneCycle schedule, for 216 windows per step (72 on each of three GPUs).
        learning_rate_scaling: how to adapt it to another number of windows per step: none, sqrt or linear.
        weight_decay: AdamW's, on matrices only.
        momentum_start: momentum of the momentum (target) encoder at the first step; it rises linearly.
        momentum_end: its momentum at the last step.
        gather_negatives: take InfoNCE's negatives from all processes, with gradient, rather than from one only.
        train_contrastive_projection: train the projection before InfoNCE; the public implementation keeps it random.
        max_gradient_norm: clip gradients to this norm; None leaves them, as published.
        seed: everything random follows from it.
        mixed_precision: no, bf16 or fp16; None leaves it to the launcher.
        bf16_targets: compute the momentum encoder's features, which carry no gradient, in bf16 even where training is
            in float32. On CPUs with instructions for bf16 base has them in a third of the time; they change by 4e-5
            of their mean square.
        onednn: on CPUs with AVX-512, multiply float32 matrices by oneDNN rather than by torch's default: up to twice
            as fast on an AMD EPYC. Results differ by rounding; elsewhere it changes nothing.
        compile: none, regional (each block by itself: starts faster) or full.
        gradient_checkpointing: recompute activations in the backward pass: less memory, about a third more time.
        deterministic: ask torch for algorithms that give the same bits each time (matters on GPUs, costs some speed).
        cpu: train on the CPU even if there is a GPU.
        threads: CPU threads that compute, per process; None is torch's choice. More threads round sums in another
            order: a run on CPUs repeats to the last bit only with the same number.
        num_workers: loader processes per training process.
        mixture_weights: relative frequency of each training data set; None uses their sizes.
        log_every: steps per line of metrics.jsonl and of the trackers.
        validate_every: steps between validations; None is once per epoch (every 500 steps for streamed data).
        checkpoint_every: steps between checkpoints; a run that is killed loses no more than these.
        keep_last: how many checkpoints to keep besides the best.
        patience: stop after this many validations without a better loss or, with `probe_data`, a better probe; None
            never stops early.
        probe_data: folders of prepared, labelled windows (validation split, or the only one) of people who are not
            trained on. At each validation a linear classifier is fitted to the encoder's features of some people and
            tested on the others. The checkpoint with the higher balanced accuracy, as a mean over folders, is kept;
            between those within one standard error of the highest the validation loss decides. Never give test
            people: what chooses the checkpoint cannot judge it.
        probe_windows: how many windows of each folder to probe, at most, drawn evenly over people and classes.
        invariance_windows: windows of the validation set on which mask invariance and collapse are measured; 0 is off.
        resume: continue from the newest intact checkpoint in `output_dir`; start anew when there is none.
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
    reconstructed_share: float = 1.0
    amplitude_spread: float = 0.0
    channel_dropout: float = 0.0
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
    bf16_targets: bool = False
    onednn: bool = False
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
    probe_data: list[str] | None = None
    probe_windows: int = 400
    invariance_windows: int = 128
    resume: bool = False
    trackers: list[str] | None = None
    push_to_hub: str | None = None
    license: str = "apache-2.0"
    corpora: list[dict[str, object]] = field(default_factory=list)

    def __post_init__(self) -> None:
        from dare_eeg_hf.configuration_dare_eeg import DareEegConfig  # slow to load, and help needs the fields alone

        self.output_dir = Path(self.output_dir)
        if isinstance(self.probe_data, (str, Path)):
            self.probe_data = [self.probe_data]
        DareEegConfig.refuse_names_without_field(self.config)
        positive = ("epochs", "max_steps", "batch_size", "accumulation_steps", "log_every", "validate_every")
        positive += ("checkpoint_every", "crop_patches", "keep_last", "patience", "threads", "probe_windows")
        for name in positive:
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, not {value}")
        if not 0 < self.reconstructed_share <= 1:
            raise ValueError(f"reconstructed_share must be above 0 and at most 1, not {self.reconstructed_share}")
        if not 0 <= self.channel_dropout < 1:
            raise ValueError(f"channel_dropout must be at least 0 and below 1, not {self.channel_dropout}")
        if self.amplitude_spread < 0:
            raise ValueError(f"amplitude_spread must not be negative, but it is {self.amplitude_spread}")
        if self.patch_initializer_range is not None and self.patch_initializer_range <= 0:
            raise ValueError(f"patch_initializer_range must be positive, got {self.patch_initializer_range}")
        for name in ("momentum_start", "momentum_end"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie between 0 and 1, got {getattr(self, name)}")
        if self.compile not in ("none", "regional", "full"):
            raise ValueError(f"compile must be none, regional or full, not {self.compile!r}")
