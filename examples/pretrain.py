"""Pre-train DARE-EEG on recordings, or on windows prepared earlier.

  a folder of EDF (BDF, BrainVision, EEGLAB, ...) files, two epochs of the smallest model:
      python examples/pretrain.py --data recordings/ --output runs/first --preset nano --epochs 2
  windows prepared by a script of dataset_scripts/, settings from a file, one of them changed:
      python examples/pretrain.py --data windows/ --output runs/base --config examples/configs/base.yaml --seed 1
  several GPUs (batch sizes are per process):
      accelerate launch --multi_gpu --num_processes 4 --mixed_precision bf16 examples/pretrain.py --data windows/ ...
  two processes on CPUs (accelerate launch would start one there):
      ACCELERATE_USE_CPU=1 python -m torch.distributed.run --nproc_per_node 2 examples/pretrain.py --data windows/ ...
  after an interruption (SIGTERM, Ctrl-C, a crash):
      the same command with --resume

Flags take precedence over --config, and --config over the published recipe. Several --data are mixed. Recordings
are cut into windows once, into OUTPUT/windows, and whole subjects are held out for validation; the output says whether
subjects are known to be people, and --subject-pattern tells where names do not. The model, ready for
from_pretrained, is in OUTPUT at the end; `python -m dare_eeg_hf.pretraining.report OUTPUT` draws how the run went.
"""

import argparse
import dataclasses
import logging
import sys
import warnings
from pathlib import Path

from datasets import Dataset
from huggingface_hub.errors import StrictDataclassError

from dare_eeg_hf.command_line import (
    HelpFormatter,
    add_fields,
    fit_to_fields,
    merge_settings,
    parse_assignments,
    read_yaml,
)
from dare_eeg_hf.command_parser import CommandParser
from dare_eeg_hf.corpora.people import REMEDY, are_known, statement
from dare_eeg_hf.feature_extraction_dare_eeg import DareEegFeatureExtractor
from dare_eeg_hf.hub.cards import write_run_card
from dare_eeg_hf.launching import LaunchError, main_process_first
from dare_eeg_hf.pretraining.arguments import PretrainingArguments
from dare_eeg_hf.pretraining.checkpointing import PretrainingError
from dare_eeg_hf.pretraining.data import (
    describe,
    is_prepared,
    open_validation_windows,
    open_windows,
    prepare_windows,
    source_of_subjects,
    split_by_subject,
)
from dare_eeg_hf.pretraining.run import pretrain
from dare_eeg_hf.pretraining.starting_point import signal_contract


def parse(argv: list[str] | None = None) -> tuple[argparse.Namespace, PretrainingArguments]:
    """What to train on, and how."""
    parser = CommandParser(description=__doc__, formatter_class=HelpFormatter)
    data = parser.add_argument_group("data")
    data.add_argument("--data", nargs="+", help="folders of recordings, folders of prepared windows, or Hub data sets")
    data.add_argument(
        "--validation-data",
        help="recordings or windows (validation split, or the only one) to validate on, not held-out subjects",
    )
    data.add_argument("--validation-fraction", type=float, help="share of subjects to hold out (default: 0.1)")
    data.add_argument("--subject-pattern", metavar="REGEX", help="its first group, in a file's name, is the person")
    data.add_argument("--streaming", action="store_true", default=None, help="read prepared windows while training")
    data.add_argument("--num-proc", type=int, help="processes that cut recordings into windows (default: 1)")
    settings = parser.add_argument_group("settings")
    settings.add_argument(
        "--config", metavar="FILE", help="YAML file with any of these settings, `config:` for the model's"
    )
    settings.add_argument(
        "--set", nargs="+", default=[], metavar="FIELD=VALUE", help="fields of the model's configuration"
    )
    settings.add_argument("--output", help="folder of the run")
    add_fields(settings, PretrainingArguments, leave_out=("output_dir", "config", "corpora"))

    options = vars(parser.parse_args(argv))
    names = {field.name for field in dataclasses.fields(PretrainingArguments)} - {"output_dir"}
    own = {"data", "validation_data", "validation_fraction", "subject_pattern", "streaming", "num_proc", "output"}
    try:
        chosen = read_yaml(options.pop("config"), names | own)
        model = merge_settings(chosen.pop("config", None) or {}, parse_assignments(options.pop("set")))
        chosen = fit_to_fields(PretrainingArguments, chosen)
        chosen |= {name: value for name, value in options.items() if value is not None}
        for name in ("data", "output"):
            if not chosen.get(name):
                parser.error(f"--{name} is needed (or `{name}:` in the file given with --config)")
        arguments = PretrainingArguments(
            output_dir=chosen["output"], config=model, **{name: chosen[name] for name in names & chosen.keys()}
        )
    except (OSError, TypeError, ValueError) as error:
        parser.error(str(error))
    defaults = {"validation_data": None, "validation_fraction": 0.1, "subject_pattern": None}
    defaults |= {"streaming": False, "num_proc": 1}
    return argparse.Namespace(**{**defaults, **{name: chosen[name] for name in own & chosen.keys()}}), arguments


def prepared(
    source: str, folder: Path, extractor: DareEegFeatureExtractor, num_proc: int, subject_pattern: str | None = None
) -> str | Path:
    """Where the windows of a source are; recordings are cut into windows below `folder` first."""
    if is_prepared(source):
        return source
    return prepare_windows(source, folder / Path(source).resolve().name, extractor, num_proc, subject_pattern)


def say_who_is_held_out(windows: Dataset, data: argparse.Namespace) -> None:
    """Say that validation may be on people who are trained on, where it is not known who was recorded."""
    source = source_of_subjects(windows)
    if data.validation_fraction and len(windows.unique("subject")) == 1:
        logging.warning("Held out for validation: recordings of the only person.")
    elif data.validation_fraction and data.subject_pattern is None and not are_known(source):
        logging.warning("Held out for validation: not people, as far as is known; %s. %s", statement(source), REMEDY)


def main(argv: list[str] | None = None) -> int:
    """Prepare the data, train, report how the run ended."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    warnings.filterwarnings("ignore", category=RuntimeWarning, module="mne")
    data, arguments = parse(argv)
    sources = [data.data] if isinstance(data.data, str) else data.data
    try:
        extractor, folder = signal_contract(arguments), arguments.output_dir / "windows"
        with main_process_first(arguments.cpu):
            opened = [
                open_windows(
                    prepared(source, folder, extractor, data.num_proc, data.subject_pattern), streaming=data.streaming
                )
                for source in sources
            ]
            train, validation = [], []
            if data.validation_data:
                source = prepared(data.validation_data, folder, extractor, data.num_proc)
                validation = [open_validation_windows(source, streaming=data.streaming)]
        for windows, held_out in opened:
            if not data.validation_data and held_out is None and not data.streaming:
                say_who_is_held_out(windows, data)
                windows, held_out = split_by_subject(
                    windows, data.validation_fraction, arguments.seed, data.subject_pattern
                )
            train.append(windows)
            validation += [held_out] if held_out is not None and not data.validation_data else []
        arguments.corpora = arguments.corpora or describe(train)
        result = pretrain(arguments, train, validation or None, extractor, write_card=write_run_card)
    except (PretrainingError, LaunchError, StrictDataclassError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if result.stopped_by:
        print(f"Stopped by {result.stopped_by} at step {result.step}; the same command with --resume goes on.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
