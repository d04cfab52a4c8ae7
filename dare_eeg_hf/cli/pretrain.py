"""`dare-eeg pretrain`: from recordings, or windows prepared earlier, to a pre-trained model."""

import argparse
import dataclasses
import logging
import sys
import warnings
from collections.abc import Sequence

from dare_eeg_hf.command_line import (
    HelpFormatter,
    add_fields,
    fit_to_fields,
    merge_settings,
    parse_assignments,
    read_yaml,
)
from dare_eeg_hf.command_parser import CommandParser
from dare_eeg_hf.pretraining.arguments import PretrainingArguments

DESCRIPTION = """\
Pre-train DARE-EEG on recordings (EDF, BDF, BrainVision, EEGLAB, ...) or on windows prepared by `dare-eeg prepare`.

Flags take precedence over --config, and --config over the published recipe. Several --data are mixed. Recordings
are cut into windows once, into OUTPUT/windows, and whole subjects are held out for validation; the output says whether
subjects are known to be people, and --subject-pattern tells where names do not. The model, ready for
from_pretrained, is in OUTPUT at the end; `dare-eeg report OUTPUT` draws how the run went."""
EXAMPLES = """\
  dare-eeg pretrain --data recordings/ --output runs/first --preset nano --epochs 2
  dare-eeg pretrain --data windows/ --output runs/base --config examples/configs/base.yaml --seed 1
labelled windows of other people choose the checkpoint, and the loss only where they cannot tell:
  dare-eeg prepare recordings/ --labels open closed --label-table eyes.csv --validation 0.2 --output eyes/
  dare-eeg pretrain --data eyes/ --probe-data eyes/ --output runs/chosen
several GPUs (batch sizes are per process):
  accelerate launch --multi_gpu --num_processes 4 --mixed_precision bf16 -m dare_eeg_hf.cli.main pretrain ...
two processes on CPUs (accelerate launch would start one there):
  ACCELERATE_USE_CPU=1 python -m torch.distributed.run --nproc_per_node 2 -m dare_eeg_hf.cli.main pretrain ...
after an interruption (SIGTERM, Ctrl-C, a crash):
  the same command with --resume"""

DEFAULTS = {
    "data": None,
    "validation_data": None,
    "validation_fraction": 0.1,
    "subject_pattern": None,
    "streaming": False,
    "num_proc": 1,
    "output": None,
}
"""What the command has besides the fields of `PretrainingArguments`, in the file given with --config as well."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
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
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="FIELD=VALUE",
        help="fields of the model's configuration",
    )
    settings.add_argument("--output", help="folder of the run")
    add_fields(settings, PretrainingArguments, leave_out=("output_dir", "config", "corpora"))
    parser.set_defaults(refuse=parser.error)


def parse(arguments: Sequence[str] | None = None, description: str = DESCRIPTION):
    """What to train on, and how, for a script with the same command line; see `settings_of`."""
    parser = CommandParser(description=description, formatter_class=HelpFormatter)
    add_arguments(parser)
    return settings_of(parser.parse_args(arguments))


def settings_of(options: argparse.Namespace) -> tuple[argparse.Namespace, PretrainingArguments]:
    """What to train on (the names of `DEFAULTS`), and how.

    Raises:
        SystemExit: with a usage message, where an option or the file given with --config is wrong.
    """
    names = {field.name for field in dataclasses.fields(PretrainingArguments)} - {"output_dir", "config"}
    given = {name: value for name, value in vars(options).items() if name in names | DEFAULTS.keys()}
    try:
        chosen = read_yaml(options.config, names | DEFAULTS.keys() | {"config"})
        model = merge_settings(chosen.pop("config", None) or {}, parse_assignments(options.set))
        chosen = fit_to_fields(PretrainingArguments, chosen)
        chosen |= {name: value for name, value in given.items() if value is not None}
        for name in ("data", "output"):
            if not chosen.get(name):
                options.refuse(f"--{name} is needed (or `{name}:` in the file given with --config)")
        arguments = PretrainingArguments(
            output_dir=chosen["output"], config=model, **{name: chosen[name] for name in names & chosen.keys()}
        )
    except (OSError, TypeError, ValueError) as error:
        options.refuse(str(error))
    data = {**DEFAULTS, **{name: chosen[name] for name in DEFAULTS.keys() & chosen.keys()}}
    data["data"] = [data["data"]] if isinstance(data["data"], str) else data["data"]
    return argparse.Namespace(**data), arguments


def run(options: argparse.Namespace) -> int:
    """Prepare the data, train, report how the run ended; returns the exit status."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    warnings.filterwarnings("ignore", category=RuntimeWarning, module="mne")
    data, arguments = settings_of(options)

    from huggingface_hub.errors import StrictDataclassError

    from dare_eeg_hf.hub.cards import write_run_card
    from dare_eeg_hf.launching import LaunchError
    from dare_eeg_hf.pretraining.checkpointing import PretrainingError
    from dare_eeg_hf.pretraining.data import describe
    from dare_eeg_hf.pretraining.run import pretrain
    from dare_eeg_hf.pretraining.sources import open_sources
    from dare_eeg_hf.pretraining.starting_point import signal_contract

    try:
        extractor = signal_contract(arguments)
        train, validation = open_sources(
            data.data,
            arguments,
            extractor,
            validation_source=data.validation_data,
            validation_fraction=data.validation_fraction,
            subject_pattern=data.subject_pattern,
            streaming=data.streaming,
            num_proc=data.num_proc,
        )
        arguments.corpora = arguments.corpora or describe(train)
        result = pretrain(arguments, train, validation or None, extractor, write_card=write_run_card)
    except (PretrainingError, LaunchError, StrictDataclassError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if result.stopped_by:
        print(f"Stopped by {result.stopped_by} at step {result.step}; the same command with --resume goes on.")
    return 0
