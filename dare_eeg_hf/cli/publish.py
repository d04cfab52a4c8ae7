"""`dare-eeg publish`: put a checkpoint, a data set or the Space on the Hub."""

import argparse

from dare_eeg_hf.hub.command_arguments import add_publishing_arguments as add_arguments

__all__ = ["DESCRIPTION", "EXAMPLES", "add_arguments", "run"]

DESCRIPTION = "Publish a folder on the Hub: private unless --public is given. Secrets and absolute paths are refused."
EXAMPLES = (
    "  dare-eeg publish runs/base my-org/dare-eeg-base --dry-run\n"
    "  dare-eeg publish runs/base my-org/dare-eeg-base --tag v1"
)


def run(options: argparse.Namespace) -> int:
    """Publish what the folder holds; returns the exit status."""
    from dare_eeg_hf.hub import publishing

    return publishing.run(options)
