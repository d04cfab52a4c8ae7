"""Train a classifier on all labelled windows there are and leave it as a folder that everything else takes.

    train_classifier("model_cards/dare-eeg-nano", windows, "my_classifier")
    pipeline("eeg-classification", model="my_classifier")("new_recording.edf")

How good it is has to be known from elsewhere: nothing is held out. `dare-eeg evaluate` cross-validates the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from dare_eeg_hf.adaptation.classifier_inputs import in_order
from dare_eeg_hf.adaptation.finetuning import (
    FinetuningArguments,
    FinetuningResult,
    checkpoint_name,
    finetune,
    save_classifier,
)
from dare_eeg_hf.adaptation.finetuning_arguments import STATISTICS, TRAINING_MODES
from dare_eeg_hf.adaptation.labelled_windows import LabelledWindows
from dare_eeg_hf.adaptation.statistics_classifier import fit_statistics_classifier
from dare_eeg_hf.atomic_files import new_folder
from dare_eeg_hf.configuration_dare_eeg import DareEegConfig


def train_classifier(
    checkpoint: str | Path | DareEegConfig,
    windows: LabelledWindows,
    output_dir: str | Path,
    *,
    mode: str = STATISTICS,
    seed: int = 0,
    settings: dict | None = None,
    write_card: Callable[[Path, FinetuningResult], object] | None = None,
    progress: bool = False,
) -> FinetuningResult:
    """Train on all windows and save the classifier, whole or not at all.

    Args:
        checkpoint: folder or Hub id of any DARE-EEG checkpoint, whose encoder is taken.
        windows: what to learn from.
        output_dir: a folder that does not exist yet, or is empty.
        mode: one of `TRAINING_MODES`.
        seed: of initialisation, order and dropout, in the modes that have them.
        settings: other fields of `FinetuningArguments`, for the modes of fine-tuning.
        write_card: adds the model card to the folder that it is given.
        progress: show a progress bar.

    Raises:
        FileExistsError: the folder holds something.
        ValueError: an unknown mode, settings without epochs to apply them to, or windows that nothing can be learned
            from; see `fit_statistics_classifier` and `finetune`.
    """
    if mode not in TRAINING_MODES:
        raise ValueError(f"mode must be one of {', '.join(TRAINING_MODES)}, got {mode!r}")
    settings = dict(settings or {})
    if mode == STATISTICS and settings:
        raise ValueError(f"mode {STATISTICS!r} has no epochs: {', '.join(settings)} is for the modes of fine-tuning")
    output_dir, windows = Path(output_dir), in_order(windows)
    with new_folder(output_dir) as folder:
        if mode == STATISTICS:
            result = fit_statistics_classifier(checkpoint, windows, seed=seed, progress=progress)
            save_classifier(folder, result, checkpoint_name(checkpoint), {"mode": mode, "seed": seed}, windows)
        else:
            arguments = FinetuningArguments(output_dir=folder, mode=mode, seed=seed, **settings)
            result = finetune(checkpoint, windows, None, arguments, progress=progress)
        if write_card is not None:
            write_card(folder, result)
    return replace(result, output_dir=output_dir)
