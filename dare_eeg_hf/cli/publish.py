"""`dare-eeg publish`: put a checkpoint, a data set or the Space on the Hub."""

from dare_eeg_hf.hub.publishing import configure_parser as add_arguments
from dare_eeg_hf.hub.publishing import run

__all__ = ["DESCRIPTION", "EXAMPLES", "add_arguments", "run"]

DESCRIPTION = "Publish a folder on the Hub: private unless --public is given. Secrets and absolute paths are refused."
EXAMPLES = (
    "  dare-eeg publish runs/base my-org/dare-eeg-base --dry-run\n"
    "  dare-eeg publish runs/base my-org/dare-eeg-base --tag v1"
)
