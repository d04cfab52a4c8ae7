"""Convert a checkpoint of the reference implementation to this package's layout.

    python -m dare_eeg_hf.hub.convert CHECKPOINT.ckpt OUTPUT_FOLDER --config CONFIG.json

The checkpoint is PyTorch Lightning's (a pickle, read with weights_only=True: no code in it runs); the JSON holds what
the checkpoint does not say: the head count above all. The output is a complete checkpoint folder with safetensors.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch

from dare_eeg_hf.argument_names import UnknownNameError, refuse_misspelt_names
from dare_eeg_hf.command_parser import CommandParser
from dare_eeg_hf.configuration_dare_eeg import DareEegConfig
from dare_eeg_hf.hub.command_arguments import add_conversion_arguments
from dare_eeg_hf.modeling_dare_eeg import DareEegForPreTraining

_ENCODER_PARTS = [
    (r"summary_token", r"embeddings.summary_tokens"),
    (r"patch_embed\.proj\.(weight|bias)", r"embeddings.patch_projection.\1"),
    (r"chan_embed\.weight", r"embeddings.channel_embeddings.weight"),
    (r"norm\.(weight|bias)", r"layernorm.\1"),
]
_BLOCK_PARTS = [
    (r"(\d+)\.attn\.(qkv|proj)\.(weight|bias)", r"layers.\1.attention.\2.\3"),
    (r"(\d+)\.(norm[12]|mlp\.fc[12])\.(weight|bias)", r"layers.\1.\2.\3"),
]


def _renaming_rules() -> list[tuple[re.Pattern[str], str]]:
    """Pairs of a pattern for the reference's name and what replaces it here."""
    rules = []
    for theirs, ours in [("encoder", "online_encoder"), ("target_encoder", "dare_eeg")]:
        rules += [(rf"{theirs}\.{pattern}", f"{ours}.{name}") for pattern, name in _ENCODER_PARTS]
        rules += [(rf"{theirs}\.blocks\.{pattern}", f"{ours}.{name}") for pattern, name in _BLOCK_PARTS]
    for part in ("predictor", "reconstructor"):
        rules += [
            (rf"{part}\.mask_token", f"{part}.mask_tokens"),
            (rf"{part}\.{part}_embed\.(weight|bias)", rf"{part}.embed.\1"),
            (rf"{part}\.{part}_norm\.(weight|bias)", rf"{part}.layernorm.\1"),
            (rf"{part}\.{part}_proj\.(weight|bias)", rf"{part}.proj.\1"),
            (rf"{part}\.chan_embed\.weight", f"{part}.channel_embeddings.weight"),
        ]
        rules += [(rf"{part}\.{part}_blocks\.{pattern}", f"{part}.{name}") for pattern, name in _BLOCK_PARTS]
    rules += [
        (r"loss_mc\.projection_head\.0\.(weight|bias)", r"contrastive_projection.fc1.\1"),
        (r"loss_mc\.projection_head\.2\.(weight|bias)", r"contrastive_projection.fc2.\1"),
    ]
    return [(re.compile(pattern), name) for pattern, name in rules]


_RULES = _renaming_rules()
_IGNORED = {
    r".*\.time_embed\.freqs": "rotary frequencies, computed from the configuration",
    r"loss_mc\.temperature": "temperature of InfoNCE, taken from the configuration",
}


class ConversionError(ValueError):
    """A checkpoint that cannot be converted, and why."""


@dataclass
class ConversionReport:
    """What became of every entry of the checkpoint."""

    used: dict[str, str] = field(default_factory=dict)
    ignored: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        lines = [f"{len(self.used)} entries used:"]
        lines += [f"  {theirs} -> {ours}" for theirs, ours in self.used.items()]
        lines += [f"{len(self.ignored)} entries ignored:"]
        lines += [f"  {theirs}: {reason}" for theirs, reason in self.ignored.items()]
        return "\n".join(lines)


_REFERENCE_FIELDS = (
    *("embed_dim", "embed_num", "depth", "num_heads", "channel_names", "mlp_ratio", "patch_size", "time_samples"),
    *("norm_eps", "interpolate_factor", "temperature", "loss_weights"),
)


def read_reference_config(path: str | Path) -> DareEegConfig:
    """Translate the JSON description of a reference model to a `DareEegConfig`.

    Raises:
        ConversionError: If the JSON lacks a field, misspells one or cannot be read.
    """
    try:
        reference = json.loads(Path(path).read_text(encoding="utf-8"))
        refuse_misspelt_names(reference, _REFERENCE_FIELDS, str(path))
        weights = reference.get("loss_weights", {})
        layers, predictor_layers, reconstructor_layers = reference["depth"]
        defaults = DareEegConfig()
        return DareEegConfig(
            hidden_size=reference["embed_dim"],
            num_summary_tokens=reference["embed_num"],
            num_hidden_layers=layers,
            predictor_num_hidden_layers=predictor_layers,
            reconstructor_num_hidden_layers=reconstructor_layers,
            num_attention_heads=reference["num_heads"],
            mlp_ratio=reference.get("mlp_ratio", defaults.mlp_ratio),
            patch_size=reference.get("patch_size", defaults.patch_size),
            window_size=reference.get("time_samples", defaults.window_size),
            layer_norm_eps=reference.get("norm_eps", defaults.layer_norm_eps),
            rotary_interpolation_factor=reference.get("interpolate_factor", defaults.rotary_interpolation_factor),
            contrastive_temperature=reference.get("temperature", defaults.contrastive_temperature),
            pretraining_channel_names=reference["channel_names"],
            reconstruction_loss_weight=weights.get("reconstruction", defaults.reconstruction_loss_weight),
            anchor_loss_weight=weights.get("anchor", defaults.anchor_loss_weight),
            mask_alignment_loss_weight=weights.get("mask_alignment", defaults.mask_alignment_loss_weight),
            activation_loss_weight=weights.get("activation", defaults.activation_loss_weight),
        )
    except UnknownNameError as error:
        raise ConversionError(str(error)) from error
    except OSError as error:
        raise ConversionError(f"{path} cannot be read: {error.strerror}.") from error
    except json.JSONDecodeError as error:
        raise ConversionError(f"{path} is not valid JSON: {error}.") from error
    except KeyError as error:
        raise ConversionError(f"{path} lacks the field {error}, which the checkpoint does not contain.") from error


def read_reference_checkpoint(path: str | Path) -> dict[str, torch.Tensor]:
    """Read the weights of a Lightning checkpoint without running any code in it.

    Raises:
        ConversionError: If the file is not such a checkpoint, or holds more than plain data.
    """
    path = Path(path)
    if not path.is_file():
        raise ConversionError(f"{path} is not a file.")
    if path.stat().st_size == 0:
        raise ConversionError(f"{path} is empty: the reference publishes an empty placeholder, not weights.")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ConversionError(f"{path} cannot be read as a checkpoint of plain tensors: {error}") from error
    state = checkpoint.get("state_dict", checkpoint) if isinstance(checkpoint, Mapping) else None
    if not isinstance(state, Mapping) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ConversionError(f"{path} holds no `state_dict` of tensors.")
    return dict(state)


def convert_state_dict(
    reference: Mapping[str, torch.Tensor], model: DareEegForPreTraining
) -> tuple[dict[str, torch.Tensor], ConversionReport]:
    """Rename and reshape the reference's weights.

    Args:
        reference: The reference's state dict.
        model: A model of the right configuration, whose weights say which names and shapes are expected.

    Returns:
        A state dict that sets every weight of the model, and the report.

    Raises:
        ConversionError: If a weight is left unset, is set twice, has the wrong shape, or an entry is not understood.
    """
    expected = model.state_dict()
    converted: dict[str, torch.Tensor] = {}
    report = ConversionReport()
    for theirs, tensor in reference.items():
        name = _translate(theirs)
        if name is None:
            report.ignored[theirs] = _reason_to_ignore(theirs)
        elif name not in expected:
            raise ConversionError(f"{theirs} does not fit this configuration: it would be {name}. Wrong JSON?")
        elif name in converted:
            raise ConversionError(f"{theirs} would set {name} a second time.")
        elif tensor.numel() != expected[name].numel() or tensor.shape[-1] != expected[name].shape[-1]:
            raise ConversionError(
                f"{theirs} has shape {tuple(tensor.shape)}, but {name} is {tuple(expected[name].shape)}. Wrong JSON?"
            )
        else:
            # Dimensions of size one that stand before the reference's tokens and inside its convolution.
            converted[name] = tensor.reshape(expected[name].shape).to(expected[name].dtype)
            report.used[theirs] = name
    unset = sorted(set(expected) - set(converted))
    if unset:
        raise ConversionError(f"The checkpoint leaves {len(unset)} weights unset: {', '.join(unset[:8])}...")
    return converted, report


def _translate(theirs: str) -> str | None:
    """Our name of the reference's entry, or None where it is not a weight we hold."""
    for pattern, name in _RULES:
        match = pattern.fullmatch(theirs)
        if match:
            return match.expand(name)
    return None


def _reason_to_ignore(theirs: str) -> str:
    """Why an entry is not used; an unknown entry stops the conversion."""
    for pattern, reason in _IGNORED.items():
        if re.fullmatch(pattern, theirs):
            return reason
    raise ConversionError(f"{theirs} is not an entry of a DARE-EEG checkpoint; nothing was converted.")


def convert_checkpoint(
    checkpoint: str | Path, output_folder: str | Path, config: str | Path
) -> tuple[DareEegForPreTraining, ConversionReport]:
    """Convert a reference checkpoint and save it.

    Args:
        checkpoint: The `.ckpt` file.
        output_folder: Where config.json, model.safetensors and preprocessor_config.json are written.
        config: The JSON that describes the reference model.

    Returns:
        The model and the report.

    Raises:
        ConversionError: As for its steps.
    """
    from dare_eeg_hf.feature_extraction_dare_eeg import DareEegFeatureExtractor

    model = DareEegForPreTraining(read_reference_config(config)).eval()
    state, report = convert_state_dict(read_reference_checkpoint(checkpoint), model)
    model.load_state_dict(state)
    model.save_pretrained(output_folder)
    DareEegFeatureExtractor.for_model(model.config).save_pretrained(output_folder)
    return model, report


def run(options: argparse.Namespace) -> int:
    """Convert, and report what was used and ignored; returns the exit status."""
    try:
        model, report = convert_checkpoint(options.checkpoint, options.output_folder, options.config)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(report)
    print(f"{model.num_parameters():,} parameters saved to {options.output_folder}")
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Command line; see the module's docstring."""
    parser = CommandParser(
        prog="python -m dare_eeg_hf.hub.convert",
        description="Convert a checkpoint of the reference implementation of DARE-EEG (Lightning .ckpt) to a folder "
        "that AutoModel.from_pretrained loads. Every entry is reported as used or ignored; a checkpoint that leaves "
        "a weight unset is refused.",
    )
    add_conversion_arguments(parser)
    return run(parser.parse_args(arguments))


if __name__ == "__main__":
    raise SystemExit(main())
