"""Adapting a checkpoint to a labelled data set: probe, linear, full fine-tuning or LoRA; one call, model selection on
validation data only.

- ``probe``: conv-linear-probing. The encoder is frozen; a linear probe and, where asked for or needed, spatial and
  spectral projections are learned. Without projections the encoder's features are computed once and kept.
- ``linear``: the probe alone, never a projection.
- ``full``: everything is trained; the learning rate falls from block to block towards the input.
- ``lora``: low-rank updates of the attention projections (peft), merged into the weights at the end.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator

from dare_eeg_hf.adaptation.classifier_inputs import add_channel_subsets, as_windows, check_windows, classifier_inputs
from dare_eeg_hf.adaptation.classifier_setup import build_classifier
from dare_eeg_hf.adaptation.euclidean_alignment import align_windows
from dare_eeg_hf.adaptation.finetuning_arguments import MODES, FinetuningArguments
from dare_eeg_hf.adaptation.finetuning_loop import ClassifierWithLoss, TrainingLoop, batched_logits
from dare_eeg_hf.adaptation.labelled_windows import LabelledWindows
from dare_eeg_hf.atomic_files import write_text
from dare_eeg_hf.configuration_dare_eeg import DareEegConfig
from dare_eeg_hf.feature_extraction_dare_eeg import DareEegFeatureExtractor
from dare_eeg_hf.launching import forget_earlier_runs
from dare_eeg_hf.metrics_log import FILE_NAME as METRICS_FILE
from dare_eeg_hf.metrics_log import lines_of
from dare_eeg_hf.modeling_dare_eeg import DareEegForSequenceClassification

__all__ = ["MODES", "FinetuningArguments", "FinetuningResult", "finetune", "predict_probabilities"]


@dataclass
class FinetuningResult:
    """A trained classifier and what its training showed.

    Attributes:
        model: in evaluation mode, with the weights of the best epoch on validation.
        feature_extractor: turns windows into its input.
        output_dir: where both were saved, or None.
        metrics: best epoch, losses, validation balanced accuracy, trained parameters, seconds.
        history: one record per epoch and split, as in metrics.jsonl.
    """

    model: DareEegForSequenceClassification
    feature_extractor: DareEegFeatureExtractor
    output_dir: Path | None
    metrics: dict
    history: list[dict] = field(repr=False, default_factory=list)


def finetune(
    checkpoint: str | Path | DareEegConfig,
    train: LabelledWindows,
    validation: LabelledWindows | None = None,
    arguments: FinetuningArguments | None = None,
    *,
    progress: bool = True,
) -> FinetuningResult:
    """Train a classifier on `train`, choose the epoch on `validation`, save it.

    Args:
        checkpoint: folder or Hub id whose encoder is taken, or a configuration for a random encoder.
        train, validation: windows, or the rows of a prepared data set. Without validation data all epochs are run
            and the last one is kept.
        arguments: how; see `FinetuningArguments`.
        progress: show a progress bar.

    Raises:
        ValueError: one class only, a class without training windows, fewer windows than classes, channels or classes
            that differ between training and validation, or a checkpoint adapted to other electrodes.
    """
    arguments = arguments or FinetuningArguments()
    train = as_windows(train)
    validation = None if validation is None else as_windows(validation, train.label_names)
    check_windows(train, validation)
    if arguments.euclidean_alignment:
        train = align_windows(train)
        validation = None if validation is None else align_windows(validation)

    started = time.perf_counter()
    forget_earlier_runs()
    accelerator = Accelerator(mixed_precision=arguments.mixed_precision)
    # The caller's random state stays as it is: everything below draws from a forked one.
    with torch.random.fork_rng():
        torch.manual_seed(arguments.seed)
        model, extractor = build_classifier(
            checkpoint,
            train,
            spatial_projection=False if arguments.mode == "linear" else arguments.spatial_projection,
            spectral_projection=arguments.spectral_projection,
            projected_channel_names=arguments.projected_channel_names,
            normalize_features=arguments.normalize_features,
        )
        choose_trained_parameters(model, arguments)
        trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
        train_inputs = classifier_inputs(model, extractor, train, accelerator.device)
        train_labels = np.tile(train.labels, 1 + arguments.channel_subsets)
        if arguments.channel_subsets:
            train_inputs = add_channel_subsets(train_inputs, model, extractor, train, arguments, accelerator.device)
        validation_inputs = (
            None if validation is None else classifier_inputs(model, extractor, validation, accelerator.device)
        )
        loop = TrainingLoop(model, train_inputs, train_labels, validation_inputs, validation, arguments, accelerator)
        loop.run(progress=progress and accelerator.is_main_process)

    model = loop.finished_model()
    metrics = loop.best | {
        "mode": arguments.mode,
        "seed": arguments.seed,
        "trainable_parameters": trained,
        "seconds": round(time.perf_counter() - started, 3),
        "processes": accelerator.num_processes,
    }
    output_dir = None if arguments.output_dir is None else Path(arguments.output_dir)
    if output_dir is not None and accelerator.is_main_process:
        name = checkpoint_name(checkpoint)
        result = FinetuningResult(model, extractor, output_dir, metrics, loop.history)
        settings = {key: value for key, value in asdict(arguments).items() if key != "output_dir"}
        save_classifier(output_dir, result, name, settings, train)
    accelerator.wait_for_everyone()
    return FinetuningResult(model, extractor, output_dir, metrics, loop.history)


def choose_trained_parameters(model: DareEegForSequenceClassification, arguments: FinetuningArguments) -> None:
    """Freeze, unfreeze or wrap the encoder as the mode asks."""
    model.freeze_encoder()
    if arguments.mode == "full":
        model.unfreeze_encoder()
    elif arguments.mode == "lora":
        try:
            from peft import LoraConfig, get_peft_model
        except ImportError as error:
            raise ImportError("mode 'lora' needs peft: pip install 'dare-eeg-hf[lora]'") from error
        updates = LoraConfig(
            r=arguments.lora_rank,
            lora_alpha=2 * arguments.lora_rank,
            target_modules=["attention.qkv", "attention.proj"],
        )
        model.dare_eeg = get_peft_model(model.dare_eeg, updates)


def predict_probabilities(
    model: DareEegForSequenceClassification,
    extractor: DareEegFeatureExtractor,
    windows: LabelledWindows,
    *,
    euclidean_alignment: bool = False,
) -> np.ndarray:
    """Class probabilities (W, K) in float64; `euclidean_alignment` as in training."""
    if euclidean_alignment:
        windows = align_windows(windows)
    model.eval()
    inputs = classifier_inputs(model, extractor, windows)
    logits = batched_logits(ClassifierWithLoss(model), inputs, "cpu")
    return logits.double().softmax(-1).numpy()


# ---- saving


def checkpoint_name(checkpoint: str | Path | DareEegConfig) -> str:
    """What cards call the starting point of fine-tuning: a Hub id, the last name of a folder, or "random weights"."""
    if isinstance(checkpoint, DareEegConfig):
        return "random weights"
    return Path(checkpoint).resolve().name if Path(checkpoint).is_dir() else str(checkpoint)


def save_classifier(
    output_dir: Path, result: FinetuningResult, checkpoint: str, settings: dict, train: LabelledWindows
) -> None:
    """Write a complete checkpoint folder: config, safetensors, preprocessor config, finetuning.json, metrics.jsonl.

    Args:
        output_dir: made where it is missing.
        result: the classifier and what its training showed.
        checkpoint: what to call the starting point; see `checkpoint_name`.
        settings: of the training, by name.
        train: what it was trained on.
    """
    output_dir.mkdir(parents=True, exist_ok=True)
    (output_dir / "test_results.json").unlink(missing_ok=True)  # of an earlier classifier
    result.model.save_pretrained(output_dir)
    result.feature_extractor.save_pretrained(output_dir)
    facts = {
        "checkpoint": checkpoint,
        "arguments": settings,
        "metrics": result.metrics,
        "recorded_sampling_rate": train.sampling_rate,
        "training_subjects": sorted(set(train.subjects.tolist())),
        "subject_source": train.subject_source,
        "training_windows": len(train),
    }
    write_text(output_dir / "finetuning.json", json.dumps(facts, indent=2, default=str) + "\n")
    if result.history:
        write_text(output_dir / METRICS_FILE, lines_of(result.history))
