"""`dare-eeg report`: one HTML page about a pre-training run."""

import argparse

DESCRIPTION = (
    "Write one self-contained HTML page about a pre-training run, finished or under way: what was trained, how the\n"
    "losses went, what the model reconstructs. The page needs no other file and no network."
)
EXAMPLES = "  dare-eeg report runs/nano\n  dare-eeg report runs/nano --data windows/ --output nano.html"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("run_folder", metavar="run", help="folder of the run")
    parser.add_argument("--output", metavar="HTML", help="the page to write (default: RUN/report.html)")
    parser.add_argument("--data", help="folder of prepared windows to reconstruct (default: RUN/windows)")


def run(options: argparse.Namespace) -> int:
    """Write the page; returns the exit status."""
    from dare_eeg_hf.pretraining.report import write_report

    print(write_report(options.run_folder, options.output, options.data))
    return 0
