"""`dare-eeg embed`: encode recordings as features."""

import argparse
from pathlib import Path
from typing import Any

from dare_eeg_hf.cli.each_recording import for_each_recording, recordings_given
from dare_eeg_hf.cli.failures import say
from dare_eeg_hf.cli.feature_outputs import FeatureOutputs, add_output_arguments
from dare_eeg_hf.cli.model_results import add_model_arguments, is_done, load_model, maker_of, tell
from dare_eeg_hf.cli.provenance import write_result_report
from dare_eeg_hf.cli.reading_arguments import reading_options
from dare_eeg_hf.predictions import save_features

DESCRIPTION = (
    "Encode recordings with a pre-trained model. Each recording becomes one .npz with features (windows, width),\n"
    "onset, duration, partial, usable, reason, channel_names and channel_mask, which numpy.load reads. --table puts\n"
    "all of them into one table as well, a window in each row, --map draws them.\n"
    "\n"
    "The features of a window are the mean and the logarithm of the spread over time of what the encoder says about\n"
    "a quarter of a second at a time. Windows in which the recording ends are left out unless --keep-partial is\n"
    "given; one without signal, or across a break in time, is not usable: its features are empty (NaN), and `reason`\n"
    "says why."
)
EXAMPLES = (
    "  dare-eeg embed my-org/dare-eeg-base recordings/ --output features/\n"
    "  dare-eeg embed runs/base recordings/ --output features/ --table features.parquet --labels labels.csv\n"
    "  dare-eeg embed runs/base recordings/ --output features/ --map map.png --color person\n"
    "  dare-eeg embed runs/base night.edf --output features/ --window-seconds 30\n"
    "where labels.csv has a row for each file (columns file and label and, where you have it, person):\n"
    "  import pandas; table = pandas.read_parquet('features.parquet')\n"
    "  X = table.loc[table.usable].filter(regex='^f_'); y = table.label[table.usable]"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("--output", type=Path, metavar="FOLDER", required=True, help="folder for the .npz files")
    parser.add_argument("--window-seconds", type=float, help="length of a window (default: as in pre-training)")
    parser.add_argument(
        "--pooling",
        choices=("statistics", "mean", "none"),
        default="statistics",
        help="over the time patches of a window: mean and spread of overlapping ones (default); their mean alone, "
        "which takes a quarter of the time and tells states apart less well; none, a vector for each patch",
    )
    partial = parser.add_mutually_exclusive_group()
    partial.add_argument(
        "--keep-partial", action="store_true", help="keep windows in which the recording ends, which are padded"
    )
    partial.add_argument("--drop-partial", action="store_true", help="leave them out, as is done anyway")
    add_output_arguments(parser)
    add_model_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Encode every recording; returns the exit status."""
    recordings = recordings_given(options.recordings, options.output, tables=options.sidecar is not None)
    outputs = FeatureOutputs(options, [relative.as_posix() for _, relative in recordings])
    settings = {name: getattr(options, name) for name in ("overlap", "window_seconds", "pooling")}
    settings |= {"drop_partial": not options.keep_partial, **reading_options(options)}
    encode = load_model(options, "eeg-feature-extraction")
    maker = maker_of(options, settings)

    def embed(path: Path, relative: Path) -> None:
        target = (options.output / relative).with_suffix(".npz")
        if not is_done(target, [], maker, path, options.overwrite):
            features = _encode(encode, path, options, settings)
            tell(path, features.report)
            write_result_report(target, maker, path, features.report)
            say(str(save_features(features, target)))
        outputs.add(relative.as_posix(), target)

    status = for_each_recording(recordings, embed, lambda path, why: outputs.add_failure(path, why))
    outputs.write(maker)
    return status


def _encode(encode: Any, path: Path, options: argparse.Namespace, settings: dict[str, Any]) -> Any:
    try:
        return encode(path, batch_size=options.batch_size, **settings)
    except ValueError as error:
        if "shorter than one window" not in str(error):
            raise
        raise ValueError(
            f"{path}: {error} Give --keep-partial to encode what there is, or a smaller --window-seconds."
        ) from error
