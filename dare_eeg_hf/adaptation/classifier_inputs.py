"""What a classifier is trained on: windows that can be learned from, kept features, copies with fewer channels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from dare_eeg_hf.adaptation.classifier_setup import prepare_inputs
from dare_eeg_hf.adaptation.encoder_features import attach_features, encode_inputs, encoder_fingerprint
from dare_eeg_hf.adaptation.finetuning_arguments import FinetuningArguments
from dare_eeg_hf.adaptation.labelled_windows import LabelledWindows
from dare_eeg_hf.feature_extraction_dare_eeg import DareEegFeatureExtractor
from dare_eeg_hf.modeling_dare_eeg import DareEegForSequenceClassification, masked_mean
from dare_eeg_hf.randomness import generator_for


def as_windows(data, label_names: Sequence[str] | None = None) -> LabelledWindows:
    """Windows as they are, or rows of a prepared data set as windows."""
    return data if isinstance(data, LabelledWindows) else LabelledWindows.from_rows(data, label_names)


def in_order(windows: LabelledWindows) -> LabelledWindows:
    """Windows by person, class and time, so that nothing depends on what the files are called."""
    return windows.select(np.lexsort((windows.onsets, windows.recordings, windows.labels, windows.subjects)))


def check_windows(train: LabelledWindows, validation: LabelledWindows | None) -> None:
    """Refuse windows that nothing can be learned from; see `finetune`."""
    if len(train) < max(2, len(train.label_names)):
        raise ValueError(f"{len(train)} training windows are too few for {len(train.label_names)} classes")
    counts = np.bincount(train.labels, minlength=len(train.label_names))
    if (counts > 0).sum() < 2:
        raise ValueError(
            f"all training windows have the class {train.label_names[int(counts.argmax())]!r}; two are needed"
        )
    if missing := [name for name, count in zip(train.label_names, counts, strict=True) if count == 0]:
        raise ValueError(f"no training window has the class {', '.join(missing)}: it could never be predicted")
    if validation is None:
        return
    if len(validation) == 0:
        raise ValueError("there is no validation window; pass validation=None to train without selection")
    for name in ("channel_names", "sampling_rate", "label_names"):
        if getattr(train, name) != getattr(validation, name):
            raise ValueError(
                f"training and validation differ in {name}: {getattr(train, name)} and {getattr(validation, name)}"
            )


def classifier_inputs(
    model: DareEegForSequenceClassification,
    extractor: DareEegFeatureExtractor,
    windows: LabelledWindows,
    device: torch.device | str = "cpu",
) -> dict[str, torch.Tensor]:
    """What the classifier reads for each window: frozen features where they can be kept, signals otherwise."""
    if can_keep_features(model):
        if windows.features_of != encoder_fingerprint(model.dare_eeg, extractor):
            windows = attach_features(model.dare_eeg, extractor, windows, device)
        return {"features": windows.features, "patch_mask": windows.feature_mask}
    return prepare_inputs(extractor, windows)


def add_channel_subsets(
    inputs: dict[str, torch.Tensor],
    model: DareEegForSequenceClassification,
    extractor: DareEegFeatureExtractor,
    windows: LabelledWindows,
    arguments: FinetuningArguments,
    device: torch.device | str,
) -> dict[str, torch.Tensor]:
    """What the classifier reads, followed by `channel_subsets` copies of it with a random half of the electrodes.

    Raises:
        ValueError: the classifier has projections, or there are fewer than two electrodes.
    """
    if model.adapter.is_active:
        raise ValueError("channel_subsets needs a classifier without projections: those read every electrode")
    whole = inputs if "input_values" in inputs else prepare_inputs(extractor, windows)
    copies = [inputs]
    for copy in range(arguments.channel_subsets):
        generator = generator_for(arguments.seed, "channel subset", copy)
        part = half_of_channels(whole, generator)
        factors = (arguments.amplitude_spread * torch.randn(len(windows), 1, 1, generator=generator)).exp()
        part["input_values"] = part["input_values"] * factors
        if "features" in inputs:
            part = {"features": encode_inputs(model.dare_eeg, part, device), "patch_mask": part["patch_mask"]}
        copies.append(part)
    return {name: torch.cat([part[name] for part in copies]) for name in inputs}


def half_of_channels(inputs: dict[str, torch.Tensor], generator: torch.Generator) -> dict[str, torch.Tensor]:
    """Model inputs in which each window shows a random half of its channels, re-referenced to their own average.

    Raises:
        ValueError: windows of a single channel.
    """
    mask = inputs["channel_mask"]
    if mask.shape[1] < 2:
        raise ValueError("channel_subsets needs at least two electrodes")
    places = torch.rand(mask.shape, generator=generator).masked_fill(~mask, 2.0).argsort(dim=1).argsort(dim=1)
    kept = mask & (places < (mask.sum(dim=1, keepdim=True) + 1) // 2)
    values = inputs["input_values"]
    average = masked_mean(values, kept, dim=1)[:, None]
    return {**inputs, "input_values": (values - average) * kept[..., None], "channel_mask": kept}


def can_keep_features(model: DareEegForSequenceClassification) -> bool:
    """True where nothing that is trained comes before or in the encoder, and the probe reads adjacent patches."""
    trained = model.adapter.is_active or any(p.requires_grad for p in model.dare_eeg.parameters())
    return not trained and model.config.statistics_stride is None
