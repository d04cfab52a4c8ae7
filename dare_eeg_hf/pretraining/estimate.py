"""What pre-training will cost, known before it starts: memory, floating-point operations per window, hours.

    python -m dare_eeg_hf.pretraining.estimate
    python -m dare_eeg_hf.pretraining.estimate --preset base deep --windows 500000 --epochs 200 --batch-size 72
    python -m dare_eeg_hf.pretraining.estimate --preset base --device h200:8 --efficiency 0.35
    python -m dare_eeg_hf.pretraining.estimate --preset nano --device mine=250e9

Operations are counted from the configuration, matrix products and attention only, as one multiplication and one
addition each; the count agrees with torch's FlopCounterMode (the tests check it). Hours assume that a share of the
device's peak is reached; benchmarks/pretraining.py measures that share. Peaks are the manufacturers' figures for dense
matrix products in the precision asked for: float32 without TF32, as training computes by default, or bf16.
"""

import argparse
import sys
from dataclasses import dataclass

import torch

from dare_eeg_hf.command_parser import CommandParser
from dare_eeg_hf.configuration_dare_eeg import PRESETS, DareEegConfig
from dare_eeg_hf.modeling_dare_eeg import DareEegForPreTraining

DEVICE_PEAKS = {
    "v100": {"float32": 15.7e12, "bf16": 125e12},
    "t4": {"float32": 8.1e12, "bf16": 65e12},
    "a100": {"float32": 19.5e12, "bf16": 312e12},
    "rtx4090": {"float32": 82.6e12, "bf16": 165e12},
    "l40s": {"float32": 91.6e12, "bf16": 362e12},
    "h100": {"float32": 67e12, "bf16": 989e12},
    "h200": {"float32": 67e12, "bf16": 989e12},
    "b200": {"float32": 75e12, "bf16": 2250e12},
}
"""Dense operations per second from the manufacturers' data sheets; on V100 and T4 float16 stands for bf16."""

BYTES_PER_VALUE = {"float32": 4, "bf16": 2}
DEFAULT_EFFICIENCY = 0.25


@dataclass
class StepShape:
    """How many tokens the networks see of one window, on average over masks.

    Attributes:
        patches: time patches N. kept: time patches that stay. channels: C. visible: channels visible in a kept patch.
        targets: patches to reconstruct.
    """

    patches: float
    kept: float
    channels: float
    visible: float
    targets: float


def step_shape(config: DareEegConfig, num_channels: int | None = None, num_samples: int | None = None) -> StepShape:
    """Expected sizes under the configuration's masks; by default for the pre-training montage and window."""
    channels = num_channels or len(config.pretraining_channel_names)
    patches = (num_samples or config.window_size) // config.patch_size
    settings = config.mask_settings
    visible = max(round(channels * settings.visible_channel_ratio), 1)
    kept = patches * (1 - settings.patch_drop_probability)
    targets = (patches - kept) * channels + kept * (channels - visible) * settings.target_probability
    return StepShape(patches, kept, channels, visible, targets)


def block_flops(length: float, width: int, mlp_ratio: float, queries: float | None = None) -> float:
    """Forward operations of one transformer block for a sequence; `queries` where only the last tokens are wanted."""
    queries = length if queries is None else queries
    projections = 2 * length * width * 3 * width + 2 * queries * width * width
    attention = 2 * 2 * queries * length * width
    mlp = 2 * 2 * queries * width * mlp_ratio * width
    return projections + attention + mlp


def stack_flops(length: float, width: int, mlp_ratio: float, layers: int, wanted: float | None = None) -> float:
    """Forward operations of a stack whose last block computes only the `wanted` last tokens."""
    whole = block_flops(length, width, mlp_ratio)
    return (layers - 1) * whole + block_flops(length, width, mlp_ratio, wanted)


def forward_flops(config: DareEegConfig, shape: StepShape | None = None) -> dict[str, float]:
    """Forward operations of one window in each network (`online_encoder` covers both views)."""
    shape = shape or step_shape(config)
    width, summary, ratio, patch = config.hidden_size, config.num_summary_tokens, config.mlp_ratio, config.patch_size
    views = 2 if config.use_mask_alignment else 1
    layers = config.num_hidden_layers

    def encoder(rows: float, channels: float) -> float:
        embedding = 2 * channels * patch * width
        return rows * (embedding + stack_flops(channels + summary, width, ratio, layers, summary))

    tokens = shape.patches * summary
    predictor_layers = config.predictor_num_hidden_layers
    predictor = 2 * (shape.kept * summary + tokens) * width * width
    predictor += stack_flops(tokens, width, ratio, predictor_layers)
    outputs = patch + (patch // 2 + 1 if config.spectrum_loss_weight else 0)  # samples, and a log spectrum
    reconstructor = 2 * tokens * width * width + 2 * shape.targets * width * outputs
    reconstructor += stack_flops(
        tokens + shape.targets, width, ratio, config.reconstructor_num_hidden_layers, shape.targets
    )
    hidden, out = config.contrastive_hidden_size, config.contrastive_projection_size
    return {
        "online_encoder": views * encoder(shape.kept, shape.visible),
        "momentum_encoder": encoder(shape.patches, shape.channels) if config.use_anchor_alignment else 0.0,
        "predictor": predictor,
        "reconstructor": reconstructor,
        "contrastive_projection": 2 * 2 * (summary * width * hidden + hidden * out) if views == 2 else 0.0,
    }


def training_flops(
    config: DareEegConfig, shape: StepShape | None = None, *, gradient_checkpointing: bool = False
) -> float:
    """Operations of one window in one training step: backward costs twice the forward, checkpointing one more."""
    parts = forward_flops(config, shape)
    without_gradient = parts.pop("momentum_encoder")
    return without_gradient + sum(parts.values()) * (4 if gradient_checkpointing else 3)


def count_parameters(config: DareEegConfig) -> dict[str, int]:
    """Parameters with and without gradient, counted on a model without memory."""
    with torch.device("meta"):
        model = DareEegForPreTraining(config)
    counts = {"trained": 0, "momentum_encoder": 0}
    for parameter in model.parameters():
        counts["trained" if parameter.requires_grad else "momentum_encoder"] += parameter.numel()
    return counts


def state_bytes(config: DareEegConfig) -> float:
    """Weights, gradients and AdamW's two moments in float32, and the momentum encoder."""
    counts = count_parameters(config)
    return BYTES_PER_VALUE["float32"] * (4 * counts["trained"] + counts["momentum_encoder"])


def activation_bytes(
    config: DareEegConfig,
    batch_size: int,
    shape: StepShape | None = None,
    *,
    bytes_per_value: int = BYTES_PER_VALUE["float32"],
    gradient_checkpointing: bool = False,
) -> float:
    """What the backward pass keeps of the forward pass, roughly (attention weights are recomputed, not kept).

    With gradient checkpointing each block keeps its input alone, and one block at a time is kept whole while it is
    computed again.
    """
    shape = shape or step_shape(config)
    views = 2 if config.use_mask_alignment else 1
    summary = config.num_summary_tokens
    context = shape.patches * summary
    lengths = (views * shape.kept * (shape.visible + summary), context, context + shape.targets)
    layers = (config.num_hidden_layers, config.predictor_num_hidden_layers, config.reconstructor_num_hidden_layers)
    # Ten tensors of width D (input, two norms, query, key, value, the rotated two, attention, second residual, output)
    # and two of the MLP's width (before and after the GELU).
    per_token = (10 + 2 * config.mlp_ratio) * config.hidden_size * bytes_per_value
    inputs = config.hidden_size * bytes_per_value
    if gradient_checkpointing:
        kept = sum(length * count * inputs for length, count in zip(lengths, layers, strict=True))
        return batch_size * (kept + max(lengths) * per_token)
    return batch_size * sum(length * count * per_token for length, count in zip(lengths, layers, strict=True))


def training_hours(
    config: DareEegConfig,
    windows: int,
    epochs: int,
    peak: float,
    devices: int = 1,
    efficiency: float = DEFAULT_EFFICIENCY,
) -> float:
    """Hours for `epochs` passes over `windows`, on devices that reach `efficiency` of their peak.

    Raises:
        ValueError: for an efficiency outside (0, 1].
    """
    if not 0 < efficiency <= 1:
        raise ValueError(
            f"the efficiency is the share of the peak that is reached: above 0 and at most 1, not {efficiency}"
        )
    return windows * epochs * training_flops(config) / (peak * devices * efficiency) / 3600


def parse_device(text: str, precision: str) -> tuple[str, float, int]:
    """`h100`, `h100:8` or `name=peak[:count]` as `(name, operations per second in this precision, count)`.

    Raises:
        ValueError: for a name that is not known and has no peak, and for a peak or count that is not positive.
    """
    name, _, count = text.partition(":")
    name, _, given = name.partition("=")
    if not given and name.lower() not in DEVICE_PEAKS:
        raise ValueError(f"{name} is not a known device ({', '.join(DEVICE_PEAKS)}); give its peak as {name}=100e12")
    peak, number = float(given) if given else DEVICE_PEAKS[name.lower()][precision], int(count or 1)
    if not peak > 0:
        raise ValueError(f"{text}: the peak must be a positive number of operations per second, such as {name}=100e12")
    if number < 1:
        raise ValueError(f"{text}: there must be at least one device")
    return name, peak, number


def report(options: argparse.Namespace) -> str:
    """The tables the command prints."""
    lines = [
        f"{'preset':<8}{'trained':>10}{'GFLOP per':>12}{'state':>9}{'activations of':>17}{'with gradient':>16}",
        f"{'':<8}{'(M)':>10}{'window':>12}{'(GB)':>9}{f'{options.batch_size} windows (GB)':>17}{'checkpointing':>16}",
    ]
    precision = "bf16" if options.bf16 else "float32"
    size = BYTES_PER_VALUE[precision]
    configs = {name: DareEegConfig.from_preset(name) for name in options.preset}
    for name, config in configs.items():
        activations, checkpointed = (
            activation_bytes(config, options.batch_size, bytes_per_value=size, gradient_checkpointing=how)
            for how in (False, True)
        )
        lines.append(
            f"{name:<8}{count_parameters(config)['trained'] / 1e6:>10.2f}{training_flops(config) / 1e9:>12.2f}"
            f"{state_bytes(config) / 1e9:>9.2f}{activations / 1e9:>17.2f}{checkpointed / 1e9:>16.2f}"
        )
    recordings = options.windows * 4 / 3600
    lines += [
        "",
        f"Hours for {options.epochs} epochs of {options.windows} windows ({recordings:.0f} hours of EEG), if "
        f"{options.efficiency:.0%} of the {precision} peak is reached:",
        f"{'':<14}" + "".join(f"{name:>12}" for name in configs),
    ]
    for name, peak, count in (parse_device(device, precision) for device in options.device):
        hours = (
            training_hours(config, options.windows, options.epochs, peak, count, options.efficiency)
            for config in configs.values()
        )
        lines.append(f"{f'{count} x {name}':<14}" + "".join(f"{value:>12.2f}" for value in hours))
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    parser = CommandParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--preset", nargs="+", choices=list(PRESETS), default=list(PRESETS), help="sizes (default: all)"
    )
    parser.add_argument(
        "--windows", type=int, default=100_000, help="4 s windows of the corpus (default: %(default)s)"
    )
    parser.add_argument("--epochs", type=int, default=200, help="passes over them (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=72, help="windows per device (default: %(default)s)")
    parser.add_argument("--bf16", action="store_true", help="compute in bf16 rather than float32")
    parser.add_argument(
        "--device",
        nargs="+",
        default=["a100", "h100", "h200"],
        help="name[:count], or name=operations_per_second[:count] in the precision asked for",
    )
    parser.add_argument(
        "--efficiency", type=float, default=DEFAULT_EFFICIENCY, help="share of the peak reached (default: %(default)s)"
    )
    options = parser.parse_args(argv)
    try:
        print(report(options))
    except ValueError as error:
        parser.error(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
