"""The models of a benchmark behind one interface: fit on a fold, then give probabilities for any windows.

A contestant is named by a word: a baseline (`chance`, `band-power`, `riemann`, `eegnet`; `ssvep-snr` where classes are
frequencies), `random:SIZE` for an encoder with random weights (SIZE is a preset, or a checkpoint whose size is taken),
or the folder or Hub id of a checkpoint. In a folder's name `{seed}` stands for the seed: `runs/nano-{seed}` has one
pre-training for each.

Encoders are adapted in one of the modes of fine-tuning, or in the mode `pooled`: the encoder stays as it is, and the
baselines' logistic regression reads the mean and the spread of its features over each window. In the mode
`pooled-power` it reads power maps of the window as well, as the classifiers of `dare-eeg train` do; the baseline
`power-maps` reads them alone.

Names and modes that end in `-centered`, such as `band-power-centered` and `pooled-centered`, subtract from each
subject's features their mean over that subject's windows, in what is trained on and in what is tested. No label is
used, but a test subject's windows have to be there before the first of them is classified, and in about the same
mixture of classes for everyone.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from sklearn.pipeline import Pipeline

from dare_eeg_hf.adaptation.classifier_inputs import can_keep_features
from dare_eeg_hf.adaptation.classifier_setup import build_classifier
from dare_eeg_hf.adaptation.encoder_features import attach_features, encoder_fingerprint
from dare_eeg_hf.adaptation.feature_classifier import feature_classifier
from dare_eeg_hf.adaptation.feature_statistics import attach_statistics, of_encoder_alone, power_map_features
from dare_eeg_hf.adaptation.finetuning import FinetuningArguments, finetune, predict_probabilities
from dare_eeg_hf.adaptation.labelled_windows import LabelledWindows
from dare_eeg_hf.atomic_files import replacing
from dare_eeg_hf.centering import center_by_subject, refuse_to_center_classes
from dare_eeg_hf.checkpoints import find_checkpoint
from dare_eeg_hf.configuration_dare_eeg import PRESETS, DareEegConfig
from dare_eeg_hf.evaluation.baselines import BandPower, EEGNetClassifier, chance, tangent_space
from dare_eeg_hf.evaluation.contestant_names import (
    BASELINES,
    DETERMINISTIC,
    POOLED_MODES,
    POOLED_POWER,
    POWER_MAPS,
    SSVEP,
    feature_baseline,
    is_centered,
)
from dare_eeg_hf.evaluation.protocols import Fold
from dare_eeg_hf.evaluation.steady_state import SteadyStateSnr, shrinkage_lda, stimulation_frequencies
from dare_eeg_hf.feature_extraction_dare_eeg import DareEegFeatureExtractor
from dare_eeg_hf.modeling_dare_eeg import DareEegModel
from dare_eeg_hf.power_maps_dare_eeg import POWER_MAPS_VERSION
from dare_eeg_hf.readout_dare_eeg import STATISTICS_STRIDE

Predictor = Callable[[LabelledWindows], np.ndarray]
"""Windows (W) to probabilities (W, K)."""


SEED = "{seed}"


def short_name(model: str) -> str:
    """A contestant's name for tables and files: `random:nano` stays, a path gives its last folder without seed."""
    prefix = "random-" if model.startswith("random:") else ""
    path = re.sub(r"[-_./]?(seed[-_]?)?\{seed\}", "", model.removeprefix("random:"))
    return prefix + re.sub(r"[^\w.-]", "_", Path(path).name)


def is_random(model: str, mode: str) -> bool:
    """Whether the seed changes anything; for baselines without randomness and pooled features it does not."""
    return model not in DETERMINISTIC and (mode not in POOLED_MODES or model.startswith("random:") or SEED in model)


def check_names(models: Sequence[str]) -> None:
    """Refuse models that tables and files could not tell apart.

    Raises:
        ValueError: two have the same `short_name`.
    """
    if len({short_name(model) for model in models}) < len(models):
        raise ValueError("two models would have the same name in the table; rename one of the folders")


def check_contestants(models: Sequence[str], seeds: Sequence[int]) -> None:
    """Refuse unknown or ambiguous names before hours of work, not after.

    Raises:
        ValueError: see `check_contestant` and `check_names`.
    """
    for model in models:
        check_contestant(model, seeds)
    check_names(models)


def check_contestant(model: str, seeds: Sequence[int] = (0,)) -> None:
    """Refuse a name that is not a baseline, a preset or a checkpoint.

    Args:
        model: the contestant.
        seeds: with `{seed}` in its name, there has to be a checkpoint for each.

    Raises:
        ValueError: with what can be named.
    """
    size = model.removeprefix("random:")
    if model in BASELINES or (size != model and size in PRESETS):
        return
    try:
        for checkpoint in dict.fromkeys(size.replace(SEED, str(seed)) for seed in seeds):
            DareEegConfig.from_pretrained(find_checkpoint(checkpoint, weights=size == model))
    except Exception as error:
        raise ValueError(
            f"{model} is not a baseline ({', '.join(BASELINES)}), not random:SIZE ({', '.join(PRESETS)}) and not a "
            f"checkpoint that can be read ({error})"
        ) from error


def check_centering(model: str, mode: str, windows: LabelledWindows) -> None:
    """Refuse to center features where that would remove the class along with the subject.

    Raises:
        ValueError: most subjects have windows of one class only.
    """
    if is_centered(model, mode):
        refuse_to_center_classes(windows.subjects, windows.labels)


def resolve_checkpoint(model: str, seed: int, folder: Path) -> str:
    """The checkpoint of a contestant; a random encoder is drawn from the seed and saved, for all folds to share."""
    size = model.removeprefix("random:").replace(SEED, str(seed))
    if not model.startswith("random:"):
        return size
    config = DareEegConfig.from_preset(size) if size in PRESETS else DareEegConfig.from_pretrained(size)
    described = hashlib.sha256(config.to_json_string(use_diff=False).encode()).hexdigest()[:8]
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{short_name(model)}-{described}-seed{seed}"
    if not (target / "model.safetensors").exists():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            encoder = DareEegModel(config)
        # Cells of several workers may want it at once: each writes its own copy, the first rename wins.
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            copy = Path(temporary) / "encoder"
            DareEegFeatureExtractor.for_model(config).save_pretrained(copy)
            encoder.save_pretrained(copy)
            with contextlib.suppress(OSError):
                copy.rename(target)
    return str(target)


def adaptation_arguments(mode: str, seed: int, **settings) -> FinetuningArguments | None:
    """How to fine-tune in a mode; None for pooled features, which have no training loop."""
    return None if mode in POOLED_MODES else FinetuningArguments(mode=mode or "probe", seed=seed, **settings)


def with_kept_features(
    checkpoint: str,
    windows: LabelledWindows,
    cache: Path,
    arguments: FinetuningArguments | None,
    progress: bool = False,
) -> LabelledWindows:
    """The windows with what a frozen encoder makes of them, from `cache` where an earlier run left it.

    Windows are returned unchanged where something before or in the encoder is trained.
    """
    if arguments is not None and (
        arguments.mode not in ("probe", "linear") or arguments.spatial_projection or arguments.spectral_projection
    ):
        return windows
    # A logistic regression learns no projection of electrodes that the encoder does not know.
    model, extractor = build_classifier(checkpoint, windows, spatial_projection=None if arguments else False)
    model.freeze_encoder()
    if not can_keep_features(model):
        return windows
    weights = encoder_fingerprint(model.dare_eeg, extractor)
    kind = "" if arguments else f"-pooled{STATISTICS_STRIDE}-power{POWER_MAPS_VERSION}"
    file = cache / f"{windows.fingerprint()}-{weights}{kind}.safetensors"
    if file.exists():
        with safe_open(file, framework="pt") as stored:
            features, mask = stored.get_tensor("features"), stored.get_tensor("mask")
        return replace(
            windows, features=features, feature_mask=mask.bool(), features_of=weights if arguments else None
        )
    attach = attach_features if arguments else attach_statistics
    windows = attach(model.dare_eeg, extractor, windows, progress=progress)
    cache.mkdir(parents=True, exist_ok=True)
    with replacing(file) as temporary:
        save_file({"features": windows.features, "mask": windows.feature_mask.to(torch.uint8)}, temporary)
    return windows


def with_window_values(model: str, windows: LabelledWindows) -> LabelledWindows:
    """The windows with what a baseline computes of each alone, such as band powers, for all folds to share."""
    if feature_baseline(model) is None or not len(windows):
        return windows
    mask = torch.ones(len(windows), 1, dtype=torch.bool)
    return replace(windows, features=torch.from_numpy(_window_values(model, windows)), feature_mask=mask)


def _window_values(model: str, windows: LabelledWindows) -> np.ndarray:
    """Band powers or ratios (W, F), or covariances (W, C, C), of windows: those kept with them, or computed now."""
    if windows.features is not None:
        return windows.features.numpy()
    if feature_baseline(model) == "band-power":
        return BandPower(windows.sampling_rate).transform(windows.signals)
    if feature_baseline(model) == POWER_MAPS:
        return power_map_features(windows)
    if feature_baseline(model) == SSVEP:
        frequencies = stimulation_frequencies(windows.label_names)
        return SteadyStateSnr(windows.sampling_rate, frequencies).transform(windows.signals)
    return tangent_space()[0].transform(windows.signals)


def fit_contestant(
    model: str,
    mode: str,
    windows: LabelledWindows,
    fold: Fold,
    arguments: FinetuningArguments | None,
    checkpoint: str | None = None,
    seed: int = 0,
) -> tuple[Predictor, int]:
    """Train on a fold.

    Models that select on validation (EEGNet, ours fine-tuned) train on `fold.train` and choose the epoch on
    `fold.validation`; the others need no selection from outside and are given both.

    Args:
        model: contestant.
        mode: of adaptation; empty for baselines.
        windows: all windows of the task, with kept features where the mode allows them.
        fold: positions in `windows`.
        arguments: of fine-tuning, from `adaptation_arguments`; baselines ignore them.
        checkpoint: from `resolve_checkpoint`, for our models.
        seed: EEGNet's.

    Returns:
        Predictor and number of trained parameters.
    """
    if model == "eegnet":
        train, validation = windows.select(fold.train), windows.select(fold.validation)
        network = EEGNetClassifier(windows.sampling_rate, seed=seed)
        network.fit(train.signals, train.labels, (validation.signals, validation.labels))
        trained = sum(p.numel() for p in network.model_.parameters())
        return (lambda other: network.predict_proba(other.signals)), trained
    both = windows.select(fold.fit)
    if model == "chance":
        classifier = chance().fit(both.signals, both.labels)
        return (lambda other: classifier.predict_proba(other.signals)), 0
    centered = is_centered(model, mode)
    if model in BASELINES:
        values = partial(_window_values, model)
        if feature_baseline(model) in ("band-power", POWER_MAPS):
            return _fit_on_features(values, both, centered)
        if feature_baseline(model) == SSVEP:
            return _fit_on_features(values, both, centered, shrinkage_lda())
        tangent = tangent_space()[1].fit(values(both))
        return _fit_on_features(lambda other: tangent.transform(values(other)), both, centered)
    if mode in POOLED_MODES:
        return _fit_on_features(_statistics_of(checkpoint, both, mode), both, centered)
    result = finetune(
        checkpoint, windows.select(fold.train), windows.select(fold.validation), arguments, progress=False
    )
    predictor = partial(predict_probabilities, result.model, result.feature_extractor)
    return predictor, result.metrics["trainable_parameters"]


def _statistics_of(checkpoint: str, train: LabelledWindows, mode: str) -> Callable[[LabelledWindows], np.ndarray]:
    """What gives windows' pooled features (W, F): those kept with the windows, else the frozen encoder's."""
    untrained, extractor = build_classifier(checkpoint, train, spatial_projection=False)

    def statistics(windows: LabelledWindows) -> np.ndarray:
        kept = windows if windows.features is not None else attach_statistics(untrained.dare_eeg, extractor, windows)
        features = kept.features[:, 0].numpy()
        return features if mode.startswith(POOLED_POWER) else of_encoder_alone(features)

    return statistics


def _fit_on_features(
    features: Callable[[LabelledWindows], np.ndarray],
    train: LabelledWindows,
    centered: bool,
    classifier: Pipeline | None = None,
) -> tuple[Predictor, int]:
    """A linear classifier of features (W, F) of windows, which are centered by subject where that is asked for.

    Without one that is given it is the logistic regression whose strength is chosen within the subjects.
    """

    def prepared(windows: LabelledWindows) -> np.ndarray:
        values = features(windows)
        return center_by_subject(values, windows.subjects) if centered else values

    classifier = (classifier or feature_classifier(train.subjects)).fit(prepared(train), train.labels)
    trained = classifier[-1].coef_.size + classifier[-1].intercept_.size
    return (lambda windows: classifier.predict_proba(prepared(windows))), int(trained)
