"""`dare-eeg convert`: turn a checkpoint of the reference implementation into one for Transformers."""

import argparse

from dare_eeg_hf.hub import convert

DESCRIPTION = "Convert a Lightning .ckpt of the reference implementation to safetensors; no code in it is run."
EXAMPLES = "  dare-eeg convert reference.ckpt converted/ --config reference.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("checkpoint", help="the reference's .ckpt file")
    parser.add_argument("output_folder", help="folder to write the checkpoint to")
    parser.add_argument("--config", required=True, help="JSON with sizes, head count and channel names")


def run(options: argparse.Namespace) -> int:
    """Convert, and report what was used and ignored; returns the exit status."""
    return convert.main([options.checkpoint, options.output_folder, "--config", options.config])
