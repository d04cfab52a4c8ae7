"""From a checkpoint and a data set to an untrained classifier and its feature extractor."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch

from dare_eeg_hf.adaptation.labelled_windows import LabelledWindows
from dare_eeg_hf.checkpoints import find_checkpoint
from dare_eeg_hf.configuration_dare_eeg import DareEegConfig
from dare_eeg_hf.feature_extraction_dare_eeg import DareEegFeatureExtractor
from dare_eeg_hf.modeling_dare_eeg import DareEegForSequenceClassification, DareEegModel
from dare_eeg_hf.montage import match_channels

PROJECTION_AVERAGES_FROM = 8
"""Electrodes. With fewer, the average takes out local activity too; a learned spatial projection then keeps the
reference."""

CONTRACT_OF_ENCODER = ("unit", "reference", "average_from", "highpass", "lowpass", "notch")


def build_classifier(
    checkpoint: str | Path | DareEegConfig,
    windows: LabelledWindows,
    *,
    spatial_projection: bool | None = None,
    spectral_projection: bool = False,
    projected_channel_names: Sequence[str] | None = None,
    normalize_features: bool = True,
    statistics_stride: int | None = None,
    power_maps: bool = False,
) -> tuple[DareEegForSequenceClassification, DareEegFeatureExtractor]:
    """An encoder with a fresh adapter and probe for these windows, and the extractor that feeds it.

    Args:
        checkpoint: a local folder or Hub id of any DARE-EEG checkpoint (its encoder is taken), or a configuration
            for an encoder with random weights.
        windows: decide electrodes, rate, window length and classes.
        spatial_projection: learn a projection from the electrodes to positions of the vocabulary; None does so only
            where fewer than half of the electrodes have a place in the vocabulary (the others are then left out).
        spectral_projection: learn a temporal filter per channel.
        projected_channel_names: positions the spatial projection maps to; see `DareEegConfig`.
        normalize_features: standardise the encoder's features before the probe.
        statistics_stride: have the probe read mean and spread of overlapping patches; see `DareEegConfig`.
        power_maps: have it read maps of the power as well.

    Raises:
        FileNotFoundError: there is no such checkpoint.
        ValueError: the checkpoint's adapter belongs to other electrodes, or electrodes are unknown although the
            spatial projection is switched off.
    """
    if not isinstance(checkpoint, DareEegConfig):
        checkpoint = find_checkpoint(checkpoint)
    base = checkpoint if isinstance(checkpoint, DareEegConfig) else DareEegConfig.from_pretrained(checkpoint)
    _check_adapted_electrodes(base, checkpoint, windows)
    known = match_channels(windows.channel_names, base.channel_names)
    if spatial_projection is None:
        spatial_projection = 2 * len(known.indices) < len(windows.channel_names)
    if not spatial_projection and not known.indices:
        raise ValueError(
            f"none of the electrodes {', '.join(windows.channel_names)} is in the model's vocabulary; "
            "have a spatial projection learned (mode 'probe', 'full' or 'lora' with spatial_projection=True)"
        )
    electrodes = list(windows.channel_names) if spatial_projection else list(known.indices)
    keep_reference = spatial_projection and len(electrodes) < PROJECTION_AVERAGES_FROM
    samples = windows.signals.shape[-1] * base.sampling_rate / windows.sampling_rate
    window_size = math.ceil(round(samples) / base.patch_size) * base.patch_size

    inherited = {
        k: v for k, v in base.to_dict().items() if k not in ("architectures", "auto_map", "dtype", "id2label")
    }
    changes = {
        "window_size": window_size,
        "electrode_names": electrodes,
        "use_spatial_projection": spatial_projection,
        "use_spectral_projection": spectral_projection,
        "projected_channel_names": None if projected_channel_names is None else list(projected_channel_names),
        "normalize_probe_features": normalize_features,
        "statistics_stride": statistics_stride,
        "use_power_maps": power_maps,
        "id2label": dict(enumerate(windows.label_names)),
        "label2id": {name: index for index, name in enumerate(windows.label_names)},
        "problem_type": "single_label_classification",
    }
    config = DareEegConfig.from_dict(inherited, **changes)
    model = DareEegForSequenceClassification(config)
    if not isinstance(checkpoint, DareEegConfig):
        encoder = DareEegModel.from_pretrained(checkpoint, dtype=torch.float32)
        model.dare_eeg.load_state_dict(encoder.state_dict())

    contract = _signal_contract(checkpoint) | {
        "sampling_rate": config.sampling_rate,
        "window_size": window_size,
        "patch_size": config.patch_size,
        "channel_names": config.channel_names,
        "electrode_names": electrodes if spatial_projection else None,
    }
    if keep_reference:
        contract["reference"] = None
    return model, DareEegFeatureExtractor(**contract)


def _check_adapted_electrodes(base: DareEegConfig, checkpoint, windows: LabelledWindows) -> None:
    if base.use_spatial_projection and list(base.electrode_names) != list(windows.channel_names):
        raise ValueError(
            f"the checkpoint {checkpoint} was adapted to the electrodes {', '.join(base.electrode_names)}, but these "
            f"windows have {', '.join(windows.channel_names)}: start from the pre-trained checkpoint instead"
        )


def _signal_contract(checkpoint: str | Path | DareEegConfig) -> dict:
    """Unit, reference and band of a checkpoint's extractor; the defaults for random encoders."""
    if isinstance(checkpoint, DareEegConfig):
        return {}
    try:
        extractor = DareEegFeatureExtractor.from_pretrained(checkpoint)
    except OSError:  # a checkpoint saved without its preprocessor_config.json
        return {}
    return {name: getattr(extractor, name) for name in CONTRACT_OF_ENCODER}


def prepare_inputs(extractor: DareEegFeatureExtractor, windows: LabelledWindows) -> dict[str, torch.Tensor]:
    """Windows as the model's input: input_values (W, C, T), channel_ids, channel_mask, patch_mask.

    Windows are too short to be band-passed one by one, so this only converts unit, rate and reference; filter
    recordings before cutting them (`recordings.recordings.load_recording` does).
    """
    batch = extractor(
        windows.signals,
        channel_names=list(windows.channel_names),
        sampling_rate=windows.sampling_rate,
        unit=windows.unit,
        filter=False,
    )
    return dict(batch)
