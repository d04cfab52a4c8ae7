"""The command `dare-eeg`: look at recordings, label and encode them, convert, publish and benchmark models.

Each command is a thin layer over the function that does the work; what is wrong with an input becomes one sentence on
the error stream and exit status 1, what is wrong with the command line exit status 2.
"""

import argparse
import csv
import json
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dare_eeg_hf.cli.reading_arguments import add_reading_arguments, reading_options
from dare_eeg_hf.command_parser import CommandParser
from dare_eeg_hf.hub import publishing
from dare_eeg_hf.output_pipe import print_while_read
from dare_eeg_hf.remedies_dare_eeg import COMMAND_LINE, message_on

EXIT_BAD_INPUT = 1
EXIT_INTERRUPTED = 130


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = CommandParser(
        prog="dare-eeg",
        description="DARE-EEG for Hugging Face: from EEG files to features and predictions.",
        epilog="`dare-eeg COMMAND --help` explains a command with examples. Results are for research, not diagnoses.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in (_add_inspect, _add_predict, _add_embed, _add_convert, _add_publish):
        add(commands)
    commands.add_parser("benchmark", help="compare models and baselines on labelled recordings")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    _quieten_libraries()
    try:
        return print_while_read(lambda: _run(arguments))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except _bad_input() as error:
        print(f"error: {_one_sentence(error)}", file=sys.stderr)
        return EXIT_BAD_INPUT


def _run(arguments: list[str]) -> int:
    if arguments[:1] == ["benchmark"]:
        # The evaluation has a command line of its own, --help included.
        from dare_eeg_hf.evaluation import benchmark

        return benchmark.main(arguments[1:], prog="dare-eeg benchmark")
    options = build_parser().parse_args(arguments)
    return options.run(options)


def _quieten_libraries() -> None:
    """Leave the error stream to what concerns the user's data, without warnings about the libraries."""

    def show(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        if category.__module__.partition(".")[0] == "dare_eeg_hf":
            print(f"warning: {_one_sentence(message)}", file=sys.stderr)

    warnings.showwarning = show


def _bad_input() -> tuple[type[Exception], ...]:
    """Exceptions that stand for something wrong with what the user gave, not with the program."""
    from safetensors import SafetensorError

    from dare_eeg_hf.hub.transfer import PublishingError

    return ValueError, OSError, ImportError, SafetensorError, PublishingError


def _one_sentence(error: Warning | Exception | str) -> str:
    text = message_on(COMMAND_LINE, error) if isinstance(error, Exception) else error
    return " ".join(text.split()) or type(error).__name__


def _add_command(commands, name: str, help: str, description: str, examples: str, run: Callable[..., int]):
    parser = commands.add_parser(
        name,
        help=help,
        description=description,
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    return parser


# ---- inspect ---------------------------------------------------------------------------------------------


def _add_inspect(commands) -> None:
    parser = _add_command(
        commands,
        "inspect",
        "what is in a recording, and what would be done to it",
        "Read recordings, normalise them as for a model, and report every step: channels kept, renamed, dropped,\n"
        "bad and missing; filters; amplitudes before and after. Nothing is changed on the disk.",
        "  dare-eeg inspect S001R01.edf\n"
        "  dare-eeg inspect recordings/ --json > reports.json\n"
        "  dare-eeg inspect S001R01.edf --figures figures/",
        _run_inspect,
    )
    parser.add_argument("recordings", nargs="+", type=Path, help="files, or folders of them (BIDS too)")
    parser.add_argument("--json", action="store_true", help="print a JSON list, one report a recording")
    parser.add_argument("--figures", type=Path, metavar="FOLDER", help="also draw traces and spectra into a folder")
    add_reading_arguments(parser)


def _run_inspect(options: argparse.Namespace) -> int:
    recordings = _find_recordings(options.recordings, options.figures, tables=options.sidecar is not None)
    reports: list[dict[str, Any]] = []
    reading = reading_options(options)

    def inspect(path: Path, relative: Path) -> None:
        from dare_eeg_hf.recordings.recordings import load_recording

        recording = load_recording(path, **reading)
        reports.append(recording.report.to_dict())
        if not options.json:
            print(recording.report, end="\n\n")
        if options.figures:
            _draw_inspection(path, reading, recording.raw, options.figures / relative)

    status = _for_each_recording(recordings, inspect)
    if options.json:
        print(json.dumps(reports, indent=1, default=float))
    return status


def _draw_inspection(path: Path, reading: dict[str, Any], normalised, target: Path) -> None:
    """Draw the first ten seconds and the spectrum before and after."""
    from dare_eeg_hf.recordings.recordings import read_raw
    from dare_eeg_hf.visualization import plot_spectrum, plot_traces

    before = read_raw(path, reading.get("sidecar"), **reading.get("reader_options", {}))
    after_uv = normalised.get_data() * 1e6
    rates = {"as recorded": before.info["sfreq"], "normalised": normalised.info["sfreq"]}
    seconds = min(300.0, before.n_times / before.info["sfreq"])
    before_uv = before.get_data("eeg", stop=int(seconds * before.info["sfreq"])) * 1e6
    target.parent.mkdir(parents=True, exist_ok=True)
    ten_seconds = after_uv[:, : int(10 * rates["normalised"])]
    plot_traces(ten_seconds, normalised.ch_names, rates["normalised"]).savefig(
        target.with_name(f"{target.stem}_traces.png"), dpi=120
    )
    plot_spectrum({"as recorded": before_uv, "normalised": after_uv}, rates).savefig(
        target.with_name(f"{target.stem}_spectrum.png"), dpi=120
    )


# ---- predict and embed -----------------------------------------------------------------------------------


def _add_model_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="folder of a checkpoint, or its id on the Hub")
    parser.add_argument("recordings", nargs="+", type=Path, help="files, or folders of them (BIDS too)")
    parser.add_argument(
        "--overlap", type=float, default=0.0, help="share of a window the next one repeats (default: 0)"
    )
    parser.add_argument(
        "--drop-partial", action="store_true", help="leave out windows in which the recording ends, which are padded"
    )
    parser.add_argument("--batch-size", type=int, help="windows per pass (default: 1 on a CPU, 16 elsewhere)")
    parser.add_argument("--device", help="cpu, cuda, mps, ... (default: a GPU if there is one)")
    parser.add_argument("--revision", help="version of a model on the Hub: a tag, branch or commit")
    parser.add_argument("--overwrite", action="store_true", help="redo recordings whose result exists already")
    add_reading_arguments(parser)


def _add_predict(commands) -> None:
    parser = _add_command(
        commands,
        "predict",
        "label a recording window by window",
        "Label recordings with a fine-tuned model. Without --output the table goes to the standard output as CSV.\n"
        "Times are seconds from the beginning of the recording; a window marked partial ends with the recording. One\n"
        "without signal, or across a break in time, is not usable: it has a reason and no label.",
        "  dare-eeg predict my-org/eyes-closed S001R01.edf > S001R01.csv\n"
        "  dare-eeg predict runs/eyes recordings/ --output results/ --annotations --figures\n"
        "  dare-eeg predict runs/eyes night.edf --overlap 0.5 --format json --output results/",
        _run_predict,
    )
    _add_model_arguments(parser)
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="write one table a recording into a folder")
    parser.add_argument("--format", choices=("csv", "json"), default="csv", help="of the tables (default: csv)")
    parser.add_argument(
        "--annotations", action="store_true", help="also write onset, duration and label, with equal windows joined"
    )
    parser.add_argument("--figures", action="store_true", help="also draw the probabilities along time")


def _run_predict(options: argparse.Namespace) -> int:
    if options.output is None and (options.annotations or options.figures):
        raise ValueError("--annotations and --figures need --output: a folder to write to.")
    recordings = _find_recordings(options.recordings, options.output, tables=options.sidecar is not None)
    settings = {"overlap": options.overlap, "drop_partial": options.drop_partial, **reading_options(options)}
    classify = _load_pipeline(options, "eeg-classification")
    maker = options.output and _maker(options, settings)

    def predict(path: Path, relative: Path) -> None:
        from dare_eeg_hf.cli.provenance import write_result_report
        from dare_eeg_hf.predictions import save_annotations, save_predictions

        target = options.output and (options.output / relative).with_suffix(f".{options.format}")
        annotations = target and options.annotations and target.with_name(f"{target.stem}_annotations.csv")
        figure = target and options.figures and target.with_suffix(".png")
        if target and _is_done(target, [annotations, figure], maker, path, options.overwrite):
            return
        predictions = classify(path, batch_size=options.batch_size, **settings)
        _tell(path, predictions.report)
        if target is None:
            _print_predictions(predictions, options.format)
            return
        write_result_report(target, maker, path, predictions.report)
        if annotations:
            save_annotations(predictions, annotations)
        if figure:
            _draw_predictions(predictions, figure)
        print(save_predictions(predictions, target), file=sys.stderr)

    return _for_each_recording(recordings, predict)


def _print_predictions(predictions: list[dict[str, Any]], format: str) -> None:
    from dare_eeg_hf.predictions import flatten_prediction

    if format == "json":
        print(json.dumps(predictions, indent=1))
        return
    rows = [flatten_prediction(each) for each in predictions]
    writer = csv.DictWriter(sys.stdout, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def _draw_predictions(predictions: list[dict[str, Any]], path: Path) -> None:
    from dare_eeg_hf.visualization import plot_classification

    path.parent.mkdir(parents=True, exist_ok=True)
    plot_classification(predictions).savefig(path, dpi=120)


def _add_embed(commands) -> None:
    parser = _add_command(
        commands,
        "embed",
        "encode a recording as features",
        "Encode recordings with a pre-trained model. Each recording becomes one .npz with features (windows, width),\n"
        "onset, duration, partial, usable, reason, channel_names and channel_mask, which numpy.load reads.",
        "  dare-eeg embed my-org/dare-eeg-base recordings/ --output features/\n"
        "  dare-eeg embed runs/base night.edf --output features/ --window-seconds 30\n"
        "  dare-eeg embed runs/base trial.edf --output features/ --pooling none",
        _run_embed,
    )
    _add_model_arguments(parser)
    parser.add_argument("--output", type=Path, metavar="FOLDER", required=True, help="folder for the .npz files")
    parser.add_argument("--window-seconds", type=float, help="length of a window (default: as in pre-training)")
    parser.add_argument(
        "--pooling", choices=("mean", "none"), default="mean", help="over the patches of a window (default: mean)"
    )


def _run_embed(options: argparse.Namespace) -> int:
    recordings = _find_recordings(options.recordings, options.output, tables=options.sidecar is not None)
    settings = {name: getattr(options, name) for name in ("overlap", "drop_partial", "window_seconds", "pooling")}
    settings |= reading_options(options)
    encode = _load_pipeline(options, "eeg-feature-extraction")
    maker = _maker(options, settings)

    def embed(path: Path, relative: Path) -> None:
        from dare_eeg_hf.cli.provenance import write_result_report
        from dare_eeg_hf.predictions import save_features

        target = (options.output / relative).with_suffix(".npz")
        if _is_done(target, [], maker, path, options.overwrite):
            return
        features = encode(path, batch_size=options.batch_size, **settings)
        _tell(path, features.report)
        write_result_report(target, maker, path, features.report)
        print(save_features(features, target), file=sys.stderr)

    return _for_each_recording(recordings, embed)


def _load_pipeline(options: argparse.Namespace, task: str):
    from transformers.utils import logging as transformers_logging

    from dare_eeg_hf.hub.handler import load_pipeline

    chosen = {key: getattr(options, key) for key in ("device", "revision") if getattr(options, key) is not None}
    transformers_logging.disable_progress_bar()  # of the loading of weights; the bar over windows stays
    try:
        return load_pipeline(options.model, task, **chosen)
    finally:
        transformers_logging.enable_progress_bar()


def _maker(options: argparse.Namespace, settings: dict[str, Any]) -> Any:
    """What makes the results; of a sidecar what it says, wherever it lies."""
    from dare_eeg_hf.checkpoints import find_checkpoint
    from dare_eeg_hf.cli.provenance import Maker

    if "sidecar" in settings:
        settings = {**settings, "sidecar": Path(settings["sidecar"]).read_text(encoding="utf-8")}
    return Maker.of(find_checkpoint(options.model), options.revision, settings)


def _is_done(target: Path, beside: Sequence[Path | None], maker: Any, recording: Path, overwrite: bool) -> bool:
    """Whether a result and the files asked for beside it are there, made from the same in the same way."""
    from dare_eeg_hf.cli.provenance import is_made

    if overwrite or not is_made(target, maker, recording) or not all(path.exists() for path in beside if path):
        return False
    print(f"{target} exists already, skipped; --overwrite makes it again", file=sys.stderr)
    return True


def _tell(path: Path, report: Any) -> None:
    """Say how many of the trained electrodes a recording has, and what makes its results doubtful."""
    for message in report.warnings or [report.electrodes]:
        print(f"{'warning: ' if report.warnings else ''}{path}: {message}", file=sys.stderr)


def _find_recordings(given: Sequence[Path], results: Path | None, tables: bool) -> list[tuple[Path, Path]]:
    """The files given and the recordings of the folders given, each with its path relative to what was given.

    Args:
        given: Files and folders.
        results: Folder that gets a result of each recording, under its relative path with another suffix.
        tables: Whether tables of numbers count as recordings without a sidecar of their own.

    Raises:
        FileNotFoundError: If something given is not there.
        ValueError: If a folder holds no recording, or two recordings would get the same result.
    """
    from dare_eeg_hf.recordings.recordings import find_recordings

    found: list[tuple[Path, Path]] = []
    for path in given:
        if not path.exists():
            raise FileNotFoundError(f"There is no file or folder {path}.")
        if path.is_dir() and path.suffix.lower() != ".mff":
            inside = find_recordings(path, tables)
            if not inside:
                raise ValueError(f"There is no EEG recording in {path}.")
            found += [(each, each.relative_to(path)) for each in inside]
        else:
            found.append((path, Path(path.name)))
    if results is not None:
        _refuse_equal_results(found, results)
    return found


def _refuse_equal_results(found: Sequence[tuple[Path, Path]], results: Path) -> None:
    """Refuse recordings of which one would be taken for the other, or overwrite its result.

    Names that tell them apart would depend on what else was given: a later run with one of them would miss them.
    """
    owners: dict[Path, Path] = {}
    for path, relative in found:
        result = results / relative.with_suffix("")
        owner = owners.setdefault(result, path)
        if owner.resolve() != path.resolve():
            raise ValueError(
                f"{owner} and {path} would have the same result, {result}. Run the command for each with a folder of "
                "its own for the results or, if they lie in different folders, give the folder that holds both."
            )


def _for_each_recording(found: Sequence[tuple[Path, Path]], process: Callable[[Path, Path], None]) -> int:
    """Process recordings; a broken one does not stop the others.

    Args:
        found: What `_find_recordings` returned.
        process: Called with each recording's path and its path relative to what was given.

    Returns:
        The exit status: 1 if a recording failed.
    """
    failed = 0
    for path, relative in found:
        try:
            process(path, relative)
            sys.stdout.flush()
        except BrokenPipeError:
            raise
        except _bad_input() as error:
            failed += 1
            message = _one_sentence(error)
            print(f"error: {message}" if str(path) in message else f"error: {path}: {message}", file=sys.stderr)
    if failed and len(found) > 1:
        print(f"{failed} of {len(found)} recordings failed", file=sys.stderr)
    return EXIT_BAD_INPUT if failed else 0


# ---- convert and publish -----------------------------------------------------------------------------------


def _add_convert(commands) -> None:
    parser = _add_command(
        commands,
        "convert",
        "turn a checkpoint of the reference implementation into one for Transformers",
        "Convert a Lightning .ckpt of the reference implementation to safetensors; no code in it is run.",
        "  dare-eeg convert reference.ckpt converted/ --config reference.json",
        _run_convert,
    )
    parser.add_argument("checkpoint", help="the reference's .ckpt file")
    parser.add_argument("output_folder", help="folder to write the checkpoint to")
    parser.add_argument("--config", required=True, help="JSON with sizes, head count and channel names")


def _run_convert(options: argparse.Namespace) -> int:
    from dare_eeg_hf.hub import convert

    return convert.main([options.checkpoint, options.output_folder, "--config", options.config])


def _add_publish(commands) -> None:
    parser = _add_command(
        commands,
        "publish",
        "put a checkpoint, a data set or the Space on the Hub",
        "Publish a folder on the Hub: private unless --public is given. Secrets and absolute paths are refused.",
        "  dare-eeg publish runs/base my-org/dare-eeg-base --dry-run\n"
        "  dare-eeg publish runs/base my-org/dare-eeg-base --tag v1",
        publishing.run,
    )
    publishing.configure_parser(parser)


if __name__ == "__main__":
    sys.exit(main())
