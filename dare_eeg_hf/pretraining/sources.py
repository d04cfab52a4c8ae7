"""What a run is given to learn from, recordings or prepared windows, as windows to train and to validate on."""

import logging
from pathlib import Path

from datasets import Dataset, IterableDataset

from dare_eeg_hf.corpora.people import REMEDY, are_known, statement
from dare_eeg_hf.feature_extraction_dare_eeg import DareEegFeatureExtractor
from dare_eeg_hf.launching import main_process_first
from dare_eeg_hf.pretraining.arguments import PretrainingArguments
from dare_eeg_hf.pretraining.data import (
    is_prepared,
    open_validation_windows,
    open_windows,
    prepare_windows,
    source_of_subjects,
    split_by_subject,
)

Windows = Dataset | IterableDataset


def open_sources(
    sources: list[str],
    arguments: PretrainingArguments,
    extractor: DareEegFeatureExtractor,
    *,
    validation_source: str | None = None,
    validation_fraction: float = 0.1,
    subject_pattern: str | None = None,
    streaming: bool = False,
    num_proc: int = 1,
) -> tuple[list[Windows], list[Windows]]:
    """Open the windows of each source; recordings are cut into windows first, into the run's folder.

    Without windows to validate on, neither a source of their own nor a validation split, whole subjects are held out.

    Args:
        sources: folders of recordings, folders of prepared windows, or data sets on the Hub.
        arguments: of the run.
        extractor: the signal contract that recordings are brought to.
        validation_source: recordings or windows to validate on.
        validation_fraction: share of subjects to hold out.
        subject_pattern: regular expression whose first group, in a recording's name, is the person.
        streaming: read prepared windows while training.
        num_proc: processes that cut recordings into windows.

    Returns:
        Windows to train on and to validate on, by source; there may be none to validate on.

    Raises:
        FileNotFoundError, ValueError: as for `prepare_windows`, `open_windows` and `split_by_subject`.
    """
    folder = arguments.output_dir / "windows"

    def prepared(source: str, pattern: str | None) -> str | Path:
        if is_prepared(source):
            return source
        return prepare_windows(source, folder / Path(source).resolve().name, extractor, num_proc, pattern)

    with main_process_first(arguments.cpu):
        opened = [open_windows(prepared(source, subject_pattern), streaming=streaming) for source in sources]
        validation = []
        if validation_source:
            validation = [open_validation_windows(prepared(validation_source, None), streaming=streaming)]
    train = []
    for windows, held_out in opened:
        if not validation_source and held_out is None and not streaming:
            if validation_fraction:
                _say_who_is_held_out(windows, subject_pattern)
            windows, held_out = split_by_subject(windows, validation_fraction, arguments.seed, subject_pattern)
        train.append(windows)
        validation += [held_out] if held_out is not None and not validation_source else []
    return train, validation


def _say_who_is_held_out(windows: Dataset, subject_pattern: str | None) -> None:
    """Say that validation may be on people who are trained on, where it is not known who was recorded."""
    source = source_of_subjects(windows)
    if len(windows.unique("subject")) == 1:
        logging.warning("Held out for validation: recordings of the only person.")
    elif subject_pattern is None and not are_known(source):
        logging.warning("Held out for validation: not people, as far as is known; %s. %s", statement(source), REMEDY)
