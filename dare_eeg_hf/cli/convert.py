"""`dare-eeg convert`: turn a checkpoint of the reference implementation into one for Transformers."""

import argparse

from dare_eeg_hf.hub.command_arguments import add_conversion_arguments as add_arguments

__all__ = ["DESCRIPTION", "EXAMPLES", "add_arguments", "run"]

DESCRIPTION = "Convert a Lightning .ckpt of the reference implementation to safetensors; no code in it is run."
EXAMPLES = "  dare-eeg convert reference.ckpt converted/ --config reference.json"


def run(options: argparse.Namespace) -> int:
    """Convert; returns the exit status."""
    from dare_eeg_hf.hub import convert

    return convert.run(options)
