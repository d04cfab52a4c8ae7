"""`dare-eeg embed`: encode recordings as features."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dare_eeg_hf.cli.cluster_argument import add_cluster_argument
from dare_eeg_hf.cli.each_recording import for_each_recording, recordings_given
from dare_eeg_hf.cli.failures import EXIT_BAD_INPUT, bad_input, one_sentence, say
from dare_eeg_hf.cli.feature_outputs import FeatureOutputs, add_output_arguments
from dare_eeg_hf.cli.model_results import add_model_arguments, is_done, load_model, maker_of, tell
from dare_eeg_hf.cli.provenance import Maker, write_result_report
from dare_eeg_hf.cli.reading_arguments import reading_options
from dare_eeg_hf.predictions import save_features
from dare_eeg_hf.progress import progress_bar

DESCRIPTION = (
    "Encode recordings with a pre-trained model. Each recording becomes one .npz with features (windows, width),\n"
    "onset, duration, partial, usable, reason, channel_names and channel_mask, which numpy.load reads. --table puts\n"
    "all of them into one table as well, a window in each row, --map draws them.\n"
    "\n"
    "The features of a window are the mean and the logarithm of the spread over time of what the encoder says about\n"
    "a quarter of a second at a time, and 270 numbers of power maps: how strong the rhythms are, where, and what\n"
    "goes together. Windows in which the recording ends are left out unless --keep-partial is given; one without\n"
    "signal, or across a break in time, is not usable: its features are empty (NaN), and `reason` says why."
)
EXAMPLES = (
    "  dare-eeg embed my-org/dare-eeg-base recordings/ --output features/\n"
    "  dare-eeg embed runs/base recordings/ --output features/ --table features.parquet --labels labels.csv\n"
    "  dare-eeg embed runs/base recordings/ --output features/ --map map.png --color person\n"
    "  dare-eeg embed runs/base night.edf --output features/ --window-seconds 30\n"
    "  dare-eeg embed runs/base recordings/ --output features/ --cluster dask://head:8786\n"
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
        help="over the time patches of a window: mean and spread of overlapping ones, and power maps (default); the "
        "mean alone, in a quarter of the time, which tells states apart less well; none, a vector for each patch",
    )
    partial = parser.add_mutually_exclusive_group()
    partial.add_argument(
        "--keep-partial", action="store_true", help="keep windows in which the recording ends, which are padded"
    )
    partial.add_argument("--drop-partial", action="store_true", help="leave them out, as is done anyway")
    add_cluster_argument(parser)
    add_output_arguments(parser)
    add_model_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Encode every recording; returns the exit status."""
    recordings = recordings_given(options.recordings, options.output, tables=options.sidecar is not None)
    outputs = FeatureOutputs(options, [relative.as_posix() for _, relative in recordings])
    settings = {name: getattr(options, name) for name in ("overlap", "window_seconds", "pooling")}
    settings |= {"drop_partial": not options.keep_partial, **reading_options(options)}
    from dare_eeg_hf.power_maps_dare_eeg import POWER_MAPS_VERSION

    # What an earlier version made without power maps is not what this one makes.
    maps = {"power_maps": POWER_MAPS_VERSION} if options.pooling == "statistics" else {}
    maker = maker_of(options, settings | maps)
    encoding = Encoding(options, settings, maker)
    if options.cluster is not None:
        status = _over_cluster(encoding, recordings, outputs)
    else:

        def embed(path: Path, relative: Path) -> None:
            encoding(path, relative)
            outputs.add(relative.as_posix(), encoding.target(relative))

        status = for_each_recording(recordings, embed, outputs.add_failure)
    outputs.write(maker)
    return status


@dataclass(frozen=True)
class Encoding:
    """How each recording of a run is encoded, wherever that is done.

    Attributes:
        options: of the command. settings: of the pipeline. maker: what its results say about it.
    """

    options: argparse.Namespace
    settings: dict[str, Any]
    maker: Maker

    def target(self, relative: Path) -> Path:
        """The file of a recording's features."""
        return (self.options.output / relative).with_suffix(".npz")

    def __call__(self, path: Path, relative: Path) -> None:
        """Encode a recording, where that has not been done yet.

        Raises:
            ValueError, OSError: The recording cannot be encoded.
        """
        target = self.target(relative)
        if is_done(target, [], self.maker, path, self.options.overwrite):
            return
        features = self._encode(path)
        tell(path, features.report)
        write_result_report(target, self.maker, path, features.report)
        say(str(save_features(features, target)))

    def _encode(self, path: Path) -> Any:
        try:
            return _model(self.options)(path, batch_size=self.options.batch_size, **self.settings)
        except ValueError as error:
            if "shorter than one window" not in str(error):
                raise
            raise ValueError(
                f"{path}: {error} Give --keep-partial to encode what there is, or a smaller --window-seconds."
            ) from error


_MODELS: dict[tuple[str, ...], Any] = {}


def _model(options: argparse.Namespace) -> Any:
    """The pipeline of the model; a process loads it once, however many recordings it gets."""
    key = (str(options.model), str(options.device), str(options.revision))
    if key not in _MODELS:
        _MODELS[key] = load_model(options, "eeg-feature-extraction")
    return _MODELS[key]


def _over_cluster(encoding: Encoding, recordings: Sequence[tuple[Path, Path]], outputs: FeatureOutputs) -> int:
    """Encode the recordings on a cluster; returns the exit status."""
    from dare_eeg_hf.cluster import over_cluster

    options = argparse.Namespace(**vars(encoding.options) | {"output": encoding.options.output.absolute()})
    there = replace(encoding, options=options)
    jobs = [(there, path.absolute(), relative) for path, relative in recordings]
    failures: dict[Path, str] = {}
    done = over_cluster(_encode_there, jobs, encoding.options.cluster)
    for relative, why in progress_bar(done, total=len(jobs), unit="file"):
        if why is not None:
            failures[relative] = why
    for path, relative in recordings:  # in their order, whichever came first
        if relative in failures:
            say(f"error: {path}: {failures[relative]}")
            outputs.add_failure(path, failures[relative])
        else:
            outputs.add(relative.as_posix(), encoding.target(relative))
    if failures:
        say(f"{len(failures)} of {len(recordings)} recordings failed")
    return EXIT_BAD_INPUT if failures else 0


def _encode_there(job: tuple[Encoding, Path, Path]) -> tuple[Path, str | None]:
    """Encode one recording on another machine: its name, and why it failed."""
    encoding, path, relative = job
    try:
        encoding(path, relative)
    except bad_input() as error:
        return relative, one_sentence(error)
    return relative, None
