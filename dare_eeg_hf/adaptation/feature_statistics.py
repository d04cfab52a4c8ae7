"""A whole window in one vector: mean and spread over time of a frozen encoder's features, and power maps.

`readout_dare_eeg` says what they are and why patches overlap. A logistic regression on them (`feature_classifier`) is
a probe without a training loop, epochs or seeds, and the same classifier that the band-power and Riemannian baselines
use; `statistics_classifier` saves it as a checkpoint.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from dare_eeg_hf.adaptation.classifier_setup import prepare_inputs
from dare_eeg_hf.adaptation.encoder_features import BATCH_SIZE
from dare_eeg_hf.adaptation.labelled_windows import LabelledWindows
from dare_eeg_hf.configuration_dare_eeg import DareEegConfig
from dare_eeg_hf.feature_extraction_dare_eeg import DareEegFeatureExtractor
from dare_eeg_hf.modeling_dare_eeg import DareEegModel
from dare_eeg_hf.onednn_linear import onednn_products
from dare_eeg_hf.power_maps_dare_eeg import NUM_POWER_MAP_FEATURES, power_maps
from dare_eeg_hf.progress import progress_bar
from dare_eeg_hf.readout_dare_eeg import STATISTICS_STRIDE, window_statistics


@torch.no_grad()
def feature_statistics(
    encoder: DareEegModel,
    inputs: dict[str, torch.Tensor],
    stride: int = STATISTICS_STRIDE,
    progress: bool = False,
    with_power_maps: bool = True,
) -> np.ndarray:
    """Mean and logarithm of the standard deviation over time of each of the encoder's features; then power maps.

    Args:
        encoder: used in evaluation mode.
        inputs: model inputs with `input_values (W, C, T)` and `patch_mask (W, N)`; whole windows, or windows padded at
            their end.
        stride: samples from one patch to the next.
        progress: show a progress bar.
        with_power_maps: without them, the features are the encoder's alone.

    Returns:
        (W, 2 * S * D + 270) float32, without maps (W, 2 * S * D). Windows of a single patch have no spread: it is the
        same for all of them.
    """
    encoder = encoder.eval()
    # Overlap multiplies the patches of a window: a batch holds as many of them as one of plain windows.
    batch_size = max(1, BATCH_SIZE * stride // encoder.config.patch_size)
    starts = range(0, len(inputs["input_values"]), batch_size)
    with onednn_products(encoder.device):
        pieces = [
            window_statistics(
                encoder,
                {name: values[start : start + batch_size] for name, values in inputs.items()},
                stride,
                with_power_maps,
            ).cpu()
            for start in progress_bar(starts, desc="features", show=progress)
        ]
    return torch.cat(pieces).numpy()


def attach_statistics(
    encoder: DareEegModel, extractor: DareEegFeatureExtractor, windows: LabelledWindows, progress: bool = False
) -> LabelledWindows:
    """The windows with their statistics and power maps (W, 1, 2 * S * D + 270) as `features`."""
    statistics = torch.from_numpy(feature_statistics(encoder, prepare_inputs(extractor, windows), progress=progress))
    return replace(
        windows,
        features=statistics[:, None],
        feature_mask=torch.ones(len(windows), 1, dtype=torch.bool),
        features_of=None,
    )


@torch.no_grad()
def power_map_features(windows: LabelledWindows) -> np.ndarray:
    """(W, 270) power maps of windows, normalised as for an encoder of the default configuration."""
    config = DareEegConfig()
    extractor = DareEegFeatureExtractor.for_model(config)
    inputs = prepare_inputs(extractor, windows)
    pieces = [
        power_maps(*(inputs[name][start : start + BATCH_SIZE] for name in extractor.model_input_names), config)
        for start in range(0, len(windows), BATCH_SIZE)
    ]
    return torch.cat(pieces).numpy()


def of_encoder_alone(features: np.ndarray) -> np.ndarray:
    """Of features (W, 2 * S * D + 270) the encoder's (W, 2 * S * D), without the power maps."""
    return features[:, :-NUM_POWER_MAP_FEATURES]
