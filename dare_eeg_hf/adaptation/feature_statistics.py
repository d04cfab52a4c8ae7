"""A frozen encoder's features of a whole window in one vector: their mean and spread over time.

The encoder sees a quarter of a second at a time, without its place in the window: its features change with the phase
of a rhythm as much as with its strength. Averaging over overlapping patches, not only over adjacent ones, takes the
phase out; how much the features vary around the mean tells the rest. A logistic regression on the result is a probe
without a training loop, epochs or seeds, and the same classifier that the band-power and Riemannian baselines use.
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
from dare_eeg_hf.progress import progress_bar

STRIDE = 8
"""Samples from one patch to the next; a divisor of the patch size."""
SMALLEST_DEVIATION = 1e-8


@torch.no_grad()
def feature_statistics(
    encoder: DareEegModel, inputs: dict[str, torch.Tensor], stride: int = STRIDE, progress: bool = False
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
    pieces = []
    for start in progress_bar(range(0, len(inputs["input_values"]), BATCH_SIZE), desc="features", show=progress):
        pieces.append(
            _statistics({name: v[start : start + BATCH_SIZE] for name, v in inputs.items()}, encoder, stride)
        )
    return torch.cat(pieces).numpy()


def _statistics(batch: dict[str, torch.Tensor], encoder: DareEegModel, stride: int) -> torch.Tensor:
    values, mask = batch["input_values"], batch["patch_mask"]
    patch_size, num_patches = encoder.config.patch_size, mask.shape[1]
    features, valid = [], []
    for shift in range(0, patch_size if num_patches > 1 else 1, stride):
        count = num_patches - (shift > 0)
        shifted = values[..., shift : shift + count * patch_size].contiguous()
        # A shifted patch reaches into the next one, which must not be padding.
        inside = mask[:, -count:] & mask[:, :count]
        encoded = encoder(**{**batch, "input_values": shifted, "patch_mask": inside}, return_dict=True)
        features.append(encoded.last_hidden_state.float().cpu().unflatten(1, (count, -1)).flatten(2))
        valid.append(inside.cpu())
    features, weights = torch.cat(features, dim=1), torch.cat(valid, dim=1)[..., None].float()
    total = weights.sum(1).clamp(min=1)
    mean = (features * weights).sum(1) / total
    variance = ((features - mean[:, None]).square() * weights).sum(1) / total
    return torch.cat((mean, variance.sqrt().clamp(min=SMALLEST_DEVIATION).log()), dim=1)


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
