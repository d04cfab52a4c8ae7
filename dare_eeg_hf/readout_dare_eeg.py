"""A readout of whole windows: mean and spread over time of the encoder's features, power maps, a linear map of all.

The encoder sees a quarter of a second at a time, without its place in the window: its features change with the phase
of a rhythm as much as with its strength. Averaging over overlapping patches, not only over adjacent ones, takes the
phase out; how much the features vary around the mean tells the rest. Windows of any length have the same statistics,
so that a classifier that reads them takes any number of time patches. Beside them stand maps of the power in the
classical bands, and what goes together in each (`power_maps_dare_eeg`): what the encoder's objective leaves out.

Shapes: B windows, C channels, T samples, N adjacent and M overlapping time patches of P samples, F features of each.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from .power_maps_dare_eeg import NUM_POWER_MAP_FEATURES, power_maps

STATISTICS_STRIDE = 16
"""Samples from one overlapping patch to the next, a divisor of the patch size. At 8 the encoder works twice as hard,
and no task gained more than chance gives; at 32 mental arithmetic lost in every variant that was tried."""

SMALLEST_DEVIATION = 1e-8


def window_statistics(
    encoder: Any, inputs: dict[str, torch.Tensor], stride: int = STATISTICS_STRIDE, with_power_maps: bool = True
) -> torch.Tensor:
    """Mean and logarithm of the spread over time of an encoder's features of overlapping patches, and power maps.

    Args:
        encoder: a `DareEegModel`.
        inputs: its inputs, with `patch_mask`; windows may be padded at their end.
        stride: samples from one patch to the next.
        with_power_maps: without them, the statistics tell what the encoder alone is worth.

    Returns:
        `(B, 2 * F + 270)`: means, spreads, maps; `(B, 2 * F)` without maps.
    """
    size = encoder.config.patch_size
    mask = overlapping_mask(inputs["patch_mask"], size, stride)
    values = overlapping_patches(inputs["input_values"], size, stride)
    encoded = encoder(**{**inputs, "input_values": values, "patch_mask": mask}, return_dict=True).last_hidden_state
    statistics = mean_and_spread(encoded.unflatten(1, (mask.shape[1], -1)).flatten(2), mask)
    if not with_power_maps:
        return statistics
    channels, channel_mask = inputs.get("channel_ids"), inputs.get("channel_mask")
    maps = power_maps(inputs["input_values"], channels, channel_mask, inputs["patch_mask"], encoder.config)
    return torch.cat((statistics, maps.to(statistics)), dim=1)


def overlapping_patches(input_values: torch.Tensor, patch_size: int, stride: int) -> torch.Tensor:
    """Windows `(B, C, T)` as their overlapping patches, one after the other: `(B, C, M * P)`.

    Patch m begins at sample `m * stride`; the encoder, which looks at each patch by itself, takes them as a window.
    """
    return input_values.unfold(-1, patch_size, stride).flatten(2)


def overlapping_mask(patch_mask: torch.Tensor, patch_size: int, stride: int) -> torch.Tensor:
    """Which overlapping patches `(B, M)` reach into no padding, of the mask `(B, N)` of the adjacent ones."""
    last = (patch_mask.shape[-1] - 1) * patch_size
    starts = torch.arange(0, last + 1, stride, device=patch_mask.device)
    return patch_mask[:, starts // patch_size] & patch_mask[:, (starts + patch_size - 1) // patch_size]


def mean_and_spread(features: torch.Tensor, patch_mask: torch.Tensor | None = None) -> torch.Tensor:
    """Mean over time, and logarithm of the standard deviation over time, of features `(B, M, F)`: `(B, 2 * F)`.

    Patches where `patch_mask (B, M)` is False do not count. Windows of a single patch have no spread: that half is
    the same for all of them.
    """
    if patch_mask is None:
        patch_mask = features.new_ones(features.shape[:2])
    features, weights = features.float(), patch_mask[..., None].float()
    total = weights.sum(1).clamp(min=1)
    mean = (features * weights).sum(1) / total
    variance = ((features - mean[:, None]).square() * weights).sum(1) / total
    return torch.cat((mean, 0.5 * variance.clamp(min=SMALLEST_DEVIATION**2).log()), dim=1)


class FeatureStandardization(nn.Module):
    """Shifts and scales each feature to zero mean and unit variance over the windows it was fitted to.

    A fixed map rather than batch normalisation: an encoder's features may vary by a thousandth of their mean, which
    running averages reach only after hundreds of steps.
    """

    def __init__(self, num_features: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(num_features))
        self.register_buffer("scale", torch.ones(num_features))

    @torch.no_grad()
    def fit(self, features: torch.Tensor) -> None:
        """Take mean and scale from features `(..., num_features)`; features that never vary are only shifted."""
        features = features.flatten(0, -2).double()
        deviation = features.std(0, correction=0)
        self.mean.copy_(features.mean(0))
        self.scale.copy_(torch.where(deviation > 0, 1 / deviation, 1.0))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map `(..., num_features)` to the same shape."""
        return torch.addcmul(-self.mean * self.scale, features, self.scale)


class DareEegStatisticsProbe(nn.Module):
    """A linear map of standardised statistics: what a logistic regression on them is, as part of a checkpoint."""

    def __init__(self, num_features: int, num_labels: int, patch_size: int, stride: int, with_power_maps: bool):
        super().__init__()
        self.patch_size, self.stride = patch_size, stride
        width = 2 * num_features + (NUM_POWER_MAP_FEATURES if with_power_maps else 0)
        self.standardization = FeatureStandardization(width)
        self.linear = nn.Linear(width, num_labels)

    def fit_standardization(
        self, features: torch.Tensor, patch_mask: torch.Tensor | None = None, maps: torch.Tensor | None = None
    ) -> None:
        """Fit the standardisation to encoder output of training windows; shapes as for `forward`."""
        self.standardization.fit(self._statistics(features, patch_mask, maps))

    def forward(
        self, features: torch.Tensor, patch_mask: torch.Tensor | None = None, maps: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Map features `(B, M, F)` of overlapping patches, the mask `(B, N)` of adjacent ones, and maps to logits."""
        return self.classify(self._statistics(features, patch_mask, maps))

    def classify(self, statistics: torch.Tensor) -> torch.Tensor:
        """Map statistics, and power maps where they are read, to logits."""
        # Subtracted before it is scaled: features that vary by a thousandth of their mean keep all their digits.
        centred = statistics - self.standardization.mean
        return self.linear((centred * self.standardization.scale).to(self.linear.weight.dtype))

    def _statistics(
        self, features: torch.Tensor, patch_mask: torch.Tensor | None, maps: torch.Tensor | None
    ) -> torch.Tensor:
        if patch_mask is not None:
            patch_mask = overlapping_mask(patch_mask, self.patch_size, self.stride)
        statistics = mean_and_spread(features, patch_mask)
        return statistics if maps is None else torch.cat((statistics, maps.to(statistics)), dim=1)
