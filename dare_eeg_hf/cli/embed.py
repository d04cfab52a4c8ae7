"""`dare-eeg embed`: encode recordings as features."""

import argparse
import sys
from pathlib import Path

from dare_eeg_hf.cli.each_recording import for_each_recording, recordings_given
from dare_eeg_hf.cli.model_results import add_model_arguments, is_done, load_model, maker_of, tell
from dare_eeg_hf.cli.provenance import write_result_report
from dare_eeg_hf.cli.reading_arguments import reading_options
from dare_eeg_hf.predictions import save_features

DESCRIPTION = (
    "Encode recordings with a pre-trained model. Each recording becomes one .npz with features (windows, width),\n"
    "onset, duration, partial, usable, reason, channel_names and channel_mask, which numpy.load reads."
)
EXAMPLES = (
    "  dare-eeg embed my-org/dare-eeg-base recordings/ --output features/\n"
    "  dare-eeg embed runs/base night.edf --output features/ --window-seconds 30\n"
    "  dare-eeg embed runs/base trial.edf --output features/ --pooling none"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_model_arguments(parser)
    parser.add_argument("--output", type=Path, metavar="FOLDER", required=True, help="folder for the .npz files")
    parser.add_argument("--window-seconds", type=float, help="length of a window (default: as in pre-training)")
    parser.add_argument(
        "--pooling", choices=("mean", "none"), default="mean", help="over the patches of a window (default: mean)"
    )


def run(options: argparse.Namespace) -> int:
    """Encode every recording; returns the exit status."""
    recordings = recordings_given(options.recordings, options.output, tables=options.sidecar is not None)
    settings = {name: getattr(options, name) for name in ("overlap", "drop_partial", "window_seconds", "pooling")}
    settings |= reading_options(options)
    encode = load_model(options, "eeg-feature-extraction")
    maker = maker_of(options, settings)

    def embed(path: Path, relative: Path) -> None:
        target = (options.output / relative).with_suffix(".npz")
        if is_done(target, [], maker, path, options.overwrite):
            return
        features = encode(path, batch_size=options.batch_size, **settings)
        tell(path, features.report)
        write_result_report(target, maker, path, features.report)
        print(save_features(features, target), file=sys.stderr)

    return for_each_recording(recordings, embed)
