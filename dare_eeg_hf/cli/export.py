"""`dare-eeg export`: a checkpoint for runtimes other than PyTorch."""

import argparse

from dare_eeg_hf.hub.command_arguments import add_export_arguments as add_arguments

__all__ = ["DESCRIPTION", "EXAMPLES", "add_arguments", "run"]

DESCRIPTION = (
    "Export a checkpoint to ONNX (.onnx) or torch.export (.pt2), with dynamic batch, channels and length. The file\n"
    "holds the signal contract and the labels, and is only written where its output is the model's."
)
EXAMPLES = "  dare-eeg export runs/eyes model.onnx\n  dare-eeg export my-org/dare-eeg-base model.pt2"


def run(options: argparse.Namespace) -> int:
    """Export; returns the exit status."""
    from dare_eeg_hf.hub import export

    return export.run(options)
