"""What `predict` and `embed` share: their arguments, the model, and results that tell what made them."""

import argparse
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dare_eeg_hf.cli.failures import say
from dare_eeg_hf.cli.provenance import Maker, is_made
from dare_eeg_hf.cli.reading_arguments import add_reading_arguments


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the model, the recordings, and how they are cut, run and read."""
    parser.add_argument("model", help="folder of a checkpoint, or its id on the Hub")
    parser.add_argument("recordings", nargs="+", type=Path, help="files, or folders of them (BIDS too)")
    parser.add_argument(
        "--overlap", type=float, default=0.0, help="share of a window the next one repeats (default: 0)"
    )
    parser.add_argument("--batch-size", type=int, help="windows per pass (default: 1 on a CPU, 16 elsewhere)")
    parser.add_argument("--device", help="cpu, cuda, mps, ... (default: a GPU if there is one)")
    parser.add_argument("--revision", help="version of a model on the Hub: a tag, branch or commit")
    parser.add_argument("--overwrite", action="store_true", help="redo recordings whose result already exists")
    add_reading_arguments(parser)


def load_model(options: argparse.Namespace, task: str):
    """The pipeline of the model that was named, on the device and of the revision asked for."""
    from transformers.utils import logging as transformers_logging

    from dare_eeg_hf.checkpoints import load_pipeline

    chosen = {key: getattr(options, key) for key in ("device", "revision") if getattr(options, key) is not None}
    transformers_logging.disable_progress_bar()  # of the loading of weights; the bar over windows stays
    try:
        return load_pipeline(options.model, task, **chosen)
    finally:
        transformers_logging.enable_progress_bar()


def name_of_model(model: str) -> str:
    """The name for titles: the last part of a folder's path, or the whole id of a model on the Hub."""
    return Path(model).resolve().name if Path(model).exists() else model


def maker_of(options: argparse.Namespace, settings: dict[str, Any]) -> Maker:
    """What makes the results; of a sidecar what it says, wherever it lies."""
    from dare_eeg_hf.checkpoints import find_checkpoint

    if "sidecar" in settings:
        settings = {**settings, "sidecar": Path(settings["sidecar"]).read_text(encoding="utf-8")}
    return Maker.of(find_checkpoint(options.model), options.revision, settings)


def is_done(target: Path, beside: Sequence[Path | None], maker: Maker, recording: Path, overwrite: bool) -> bool:
    """Whether a result and the files asked for beside it exist, made from the same input in the same way."""
    if overwrite or not is_made(target, maker, recording) or not all(path.exists() for path in beside if path):
        return False
    say(f"{target} already exists, skipped; --overwrite makes it again")
    return True


def tell(path: Path, report: Any) -> None:
    """Say how many of the trained electrodes a recording has, and what makes its results doubtful."""
    from dare_eeg_hf.signal_reports_dare_eeg import EegWarning

    for message in report.warnings:
        # Not `warn`, which may show a message of the same words about another file only once.
        warnings.warn_explicit(message, EegWarning, str(path), 0)
    if not report.warnings:
        say(f"{path}: {report.electrodes}")
