"""Pre-train DARE-EEG in a program of your own; as a command, `dare-eeg pretrain` does the same.

  a folder of EDF (BDF, BrainVision, EEGLAB, ...) files, two epochs of the smallest model:
      python examples/pretrain.py --data recordings/ --output runs/first --preset nano --epochs 2
  several GPUs (batch sizes are per process):
      accelerate launch --multi_gpu --num_processes 4 --mixed_precision bf16 examples/pretrain.py --data windows/ ...

`dare-eeg pretrain --help` has more examples, and says what the flags below mean together.
"""

import logging
import sys
import warnings

from huggingface_hub.errors import StrictDataclassError

from dare_eeg_hf.cli.pretrain import parse
from dare_eeg_hf.hub.cards import write_run_card
from dare_eeg_hf.launching import LaunchError
from dare_eeg_hf.pretraining.checkpointing import PretrainingError
from dare_eeg_hf.pretraining.data import describe
from dare_eeg_hf.pretraining.run import pretrain
from dare_eeg_hf.pretraining.sources import open_sources
from dare_eeg_hf.pretraining.starting_point import signal_contract


def main(argv: list[str] | None = None) -> int:
    """Prepare the data, train, report how the run ended."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    warnings.filterwarnings("ignore", category=RuntimeWarning, module="mne")
    data, arguments = parse(argv, description=__doc__)
    try:
        extractor = signal_contract(arguments)  # rate, lengths and channels that the model wants
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


if __name__ == "__main__":
    sys.exit(main())
