"""Export a checkpoint for other runtimes: ONNX, or a program of torch.export, with dynamic batch, channels and length.

    python -m dare_eeg_hf.hub.export CHECKPOINT model.onnx     # for ONNX Runtime
    python -m dare_eeg_hf.hub.export CHECKPOINT model.pt2      # for torch.export.load

A classifier is exported with its head and gives `logits`; any other checkpoint gives the encoder's `last_hidden_state`
and `pooler_output`. The file says what it needs: its metadata holds the signal contract and the labels. Before it is
written under its name, its output is compared with the model's on windows of other sizes than it was traced with.
"""

import argparse
import json
import logging
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn
from transformers import (
    AutoConfig,
    AutoFeatureExtractor,
    AutoModel,
    AutoModelForSequenceClassification,
    PreTrainedModel,
)
from transformers.utils.logging import disable_progress_bar

import dare_eeg_hf  # noqa: F401  (registers the model)
from dare_eeg_hf.checkpoints import find_checkpoint
from dare_eeg_hf.command_parser import CommandParser
from dare_eeg_hf.hub.command_arguments import add_export_arguments

INPUT_NAMES = ("input_values", "channel_ids", "channel_mask", "patch_mask")
TOLERANCE = 1e-4
"""Largest difference from the model's output, as a share of the output's largest magnitude."""

OPSET = 20


class ExportedForward(nn.Module):
    """The model's forward pass with tensors in and a tuple of tensors out, as exporters expect it."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model
        classifier = type(model).__name__.endswith("ForSequenceClassification")
        self.output_names = ("logits",) if classifier else ("last_hidden_state", "pooler_output")

    def forward(
        self,
        input_values: torch.Tensor,
        channel_ids: torch.Tensor,
        channel_mask: torch.Tensor,
        patch_mask: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:
        """Run (B, C, T) windows; the masks, (B, C) and (B, N), are True where there is signal."""
        outputs = self.model(
            input_values=input_values,
            channel_ids=channel_ids,
            channel_mask=channel_mask,
            patch_mask=patch_mask,
            return_dict=True,
        )
        return tuple(outputs[name] for name in self.output_names)


def load_for_export(checkpoint: str | Path) -> PreTrainedModel:
    """Load a checkpoint in float32, as a classifier where it is one and as the encoder otherwise.

    Raises:
        FileNotFoundError: If there is no such checkpoint.
        ValueError: If it is not a DARE-EEG checkpoint.
    """
    checkpoint = find_checkpoint(checkpoint, weights=False)
    config = AutoConfig.from_pretrained(checkpoint)
    if config.model_type != "dare_eeg":
        raise ValueError(f"{checkpoint} holds a {config.model_type!r} model, not a DARE-EEG one.")
    find_checkpoint(checkpoint)
    classifier = any(name.endswith("ForSequenceClassification") for name in config.architectures or [])
    loader = AutoModelForSequenceClassification if classifier else AutoModel
    # Plain attention: its few operations exist in every runtime.
    return loader.from_pretrained(checkpoint, dtype=torch.float32, attn_implementation="eager").eval()


def example_inputs(
    model: PreTrainedModel, *, batch: int, channels: int, patches: int, seed: int = 0
) -> tuple[torch.Tensor, ...]:
    """Return windows of noise in the order of `INPUT_NAMES`, one channel and one time patch of the first one padded.

    What the model's head fixes, its electrodes or the length of a window, stays as the head needs it.
    """
    config = model.config
    generator = torch.Generator().manual_seed(seed)
    fixed_channels, fixed_length = fixed_sizes(model)
    if fixed_length:
        patches = config.num_patches
        samples = config.window_size
    else:
        samples = patches * config.patch_size
    if fixed_channels:
        channels = len(config.electrode_names)
    input_values = 0.02 * torch.randn(batch, channels, samples, generator=generator)
    channel_ids = (
        torch.stack([torch.randperm(len(config.channel_names), generator=generator)[:channels] for _ in range(batch)])
        if not fixed_channels
        else torch.arange(channels).remainder(len(config.channel_names)).repeat(batch, 1)
    )
    channel_mask = torch.ones(batch, channels, dtype=torch.bool)
    patch_mask = torch.ones(batch, patches, dtype=torch.bool)
    if not fixed_channels:
        channel_mask[0, -1] = False
    patch_mask[0, -1] = False
    return input_values, channel_ids, channel_mask, patch_mask


def fixed_sizes(model: PreTrainedModel) -> tuple[bool, bool]:
    """Tell whether the number of channels (by a spatial projection) and the length (by a head) are fixed."""
    config = model.config
    classifier = type(model).__name__.endswith("ForSequenceClassification")
    adapted = classifier and (config.use_spatial_projection or config.use_spectral_projection)
    return adapted, classifier


def dynamic_shapes(model: PreTrainedModel) -> dict[str, dict[int, object]]:
    """Name the free dimensions: `batch` always, `channels` and `patches` where the model leaves them free."""
    fixed_channels, fixed_length = fixed_sizes(model)
    batch = torch.export.Dim("batch", min=1, max=4096)
    # torch.export treats sizes of one as special: two channels and two patches are the minimum here.
    channels = torch.export.Dim("channels", min=2, max=len(model.config.channel_names))
    patches = torch.export.Dim("patches", min=2, max=4096)
    by_channel = {} if fixed_channels else {1: channels}
    return {
        "input_values": {0: batch} | by_channel | ({} if fixed_length else {2: model.config.patch_size * patches}),
        "channel_ids": {0: batch} | by_channel,
        "channel_mask": {0: batch} | by_channel,
        "patch_mask": {0: batch} | ({} if fixed_length else {1: patches}),
    }


def export_program(model: PreTrainedModel) -> torch.export.ExportedProgram:
    """Trace the model with torch.export."""
    inputs = example_inputs(model, batch=3, channels=5, patches=4)
    # Of the sizes that torch cannot compare with certainty, it is to ask when the program runs, not to rule them out.
    deferred = {"prefer_deferred_runtime_asserts_over_guards": True}
    with torch.no_grad():
        return torch.export.export(
            ExportedForward(model).eval(), inputs, dynamic_shapes=dynamic_shapes(model), **deferred
        )


def contract_metadata(checkpoint: str | Path, model: PreTrainedModel) -> dict[str, str]:
    """Return what a user of the exported file must know about the signal and the labels, as JSON texts."""
    feature_extractor = AutoFeatureExtractor.from_pretrained(checkpoint)
    metadata = {
        "signal_contract": json.dumps(feature_extractor.to_dict()),
        "channel_names": json.dumps(list(model.config.channel_names)),
        "patch_size": str(model.config.patch_size),
    }
    if fixed_sizes(model)[1]:
        metadata["labels"] = json.dumps([model.config.id2label[index] for index in range(model.config.num_labels)])
    return metadata


def largest_difference(model: PreTrainedModel, run: Callable[[tuple[torch.Tensor, ...]], list[np.ndarray]]) -> float:
    """Compare an exported model with the original on batches of several sizes.

    Args:
        model: The original.
        run: Takes tensors in the order of `INPUT_NAMES`, returns the outputs as arrays.

    Returns:
        The largest difference as a share of the largest magnitude of the original's output.
    """
    reference = ExportedForward(model).eval()
    worst = 0.0
    for seed, (batch, channels, patches) in enumerate([(1, 2, 2), (2, 19, 16), (3, 58, 7)]):
        inputs = example_inputs(model, batch=batch, channels=channels, patches=patches, seed=seed)
        with torch.no_grad():
            expected = [output.numpy() for output in reference(*inputs)]
        for name, ours, theirs in zip(reference.output_names, run(inputs), expected, strict=True):
            if ours.shape != theirs.shape:
                raise ValueError(f"{name} has shape {ours.shape} instead of {theirs.shape}.")
            worst = max(worst, float(np.abs(ours - theirs).max() / max(np.abs(theirs).max(), 1e-12)))
    return worst


def run_onnx(path: str | Path, threads: int = 1) -> Callable[[tuple[torch.Tensor, ...]], list[np.ndarray]]:
    """Return a function that runs an exported file with ONNX Runtime on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    # A spatial projection ignores the channel ids, and the exporter leaves unused inputs out.
    used = {entry.name for entry in session.get_inputs()}

    def run(inputs: tuple[torch.Tensor, ...]) -> list[np.ndarray]:
        feed = {name: tensor.numpy() for name, tensor in zip(INPUT_NAMES, inputs, strict=True) if name in used}
        return session.run(None, feed)

    return run


def export_checkpoint(checkpoint: str | Path, output: str | Path) -> float:
    """Write a checkpoint as `.onnx` or `.pt2` after checking the exported program against the model.

    Args:
        checkpoint: Folder or Hub id.
        output: File to write; its suffix chooses the format.

    Returns:
        The largest difference found, as a share of the output's largest magnitude.

    Raises:
        ValueError: If the suffix is unknown, the checkpoint is not ours, or the outputs differ by more than
            `TOLERANCE`; the file is then not written.
    """
    output = Path(output)
    if output.suffix not in {".onnx", ".pt2"}:
        raise ValueError(f"{output.name}: the name must end in .onnx or .pt2.")
    model = load_for_export(checkpoint)
    metadata = contract_metadata(checkpoint, model)
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".export_") as folder:
        unchecked = Path(folder, output.name)
        if output.suffix == ".onnx":
            _write_onnx(model, metadata, unchecked)
            run = run_onnx(unchecked)
        else:
            torch.export.save(export_program(model), unchecked, extra_files=metadata)
            module = torch.export.load(unchecked).module()
            run = _run_module(module)
        difference = largest_difference(model, run)
        if not difference <= TOLERANCE:
            raise ValueError(f"{output.name} differs from the model by {difference:.1e}, more than {TOLERANCE:.0e}.")
        os.replace(unchecked, output)
    return difference


def _run_module(module: nn.Module) -> Callable[[tuple[torch.Tensor, ...]], list[np.ndarray]]:
    def run(inputs: tuple[torch.Tensor, ...]) -> list[np.ndarray]:
        with torch.no_grad():
            return [output.numpy() for output in module(*inputs)]

    return run


def _write_onnx(model: PreTrainedModel, metadata: dict[str, str], path: Path) -> None:
    """Translate a model to ONNX, weights inside the file."""
    onnx_program = torch.onnx.export(
        export_program(model),
        input_names=list(INPUT_NAMES),
        output_names=list(ExportedForward(model).output_names),
        dynamic_shapes=dynamic_shapes(model),
        opset_version=OPSET,
        dynamo=True,
        verbose=False,
    )
    onnx_program.model.metadata_props.update(metadata)
    onnx_program.save(path, external_data=False)


def run(options: argparse.Namespace) -> int:
    """Export, and report how far the file is from the model; returns the exit status."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    disable_progress_bar()
    try:
        difference = export_checkpoint(options.checkpoint, options.output)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{options.output}: largest difference from the model {difference:.1e} of its largest output")
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = CommandParser(
        prog="python -m dare_eeg_hf.hub.export",
        description="Export a checkpoint to ONNX (.onnx) or torch.export (.pt2), checked against the model.",
        epilog="Example: python -m dare_eeg_hf.hub.export runs/eyes model.onnx",
    )
    add_export_arguments(parser)
    return run(parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
