"""A frozen encoder's features of a whole window in one vector: their mean and spread over time.

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
from dare_eeg_hf.feature_extraction_dare_eeg import DareEegFeatureExtractor
from dare_eeg_hf.modeling_dare_eeg import DareEegModel
from dare_eeg_hf.onednn_linear import onednn_products
from dare_eeg_hf.progress import progress_bar
from dare_eeg_hf.readout_dare_eeg import STATISTICS_STRIDE, window_statistics


@torch.no_grad()
def feature_statistics(
    encoder: DareEegModel, inputs: dict[str, torch.Tensor], stride: int = STATISTICS_STRIDE, progress: bool = False
) -> np.ndarray:
    """Mean over time, and logarithm of the standard deviation over time, of each of the encoder's features.

    Args:
        encoder: used in evaluation mode.
        inputs: model inputs with `input_values (W, C, T)` and `patch_mask (W, N)`; whole windows, or windows padded at
            their end.
        stride: samples from one patch to the next.
        progress: show a progress bar.

    Returns:
        (W, 2 * S * D) float32. Windows of a single patch have no spread: that half is the same for all of them.
    """
    encoder = encoder.eval()
    # Overlap multiplies the patches of a window: a batch holds as many of them as one of plain windows.
    batch_size = max(1, BATCH_SIZE * stride // encoder.config.patch_size)
    starts = range(0, len(inputs["input_values"]), batch_size)
    with onednn_products(encoder.device):
        pieces = [
            window_statistics(
                encoder, {name: values[start : start + batch_size] for name, values in inputs.items()}, stride
            ).cpu()
            for start in progress_bar(starts, desc="features", show=progress)
        ]
    return torch.cat(pieces).numpy()


def attach_statistics(
    encoder: DareEegModel, extractor: DareEegFeatureExtractor, windows: LabelledWindows, progress: bool = False
) -> LabelledWindows:
    """The windows with their statistics (W, 1, 2 * S * D) as `features`."""
    statistics = torch.from_numpy(feature_statistics(encoder, prepare_inputs(extractor, windows), progress=progress))
    return replace(
        windows,
        features=statistics[:, None],
        feature_mask=torch.ones(len(windows), 1, dtype=torch.bool),
        features_of=None,
    )
