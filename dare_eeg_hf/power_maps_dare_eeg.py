"""How strong the rhythms of a window are, where on the scalp, and what goes together, whatever electrodes it has.

An encoder whose objective normalises every target tells little of a rhythm's strength, and a patch of a quarter of a
second cannot tell 8 Hz from 10. Here each of the classical bands gives 54 numbers, from Welch's spectra with segments
of two seconds:

- A map of the scalp (9): the logarithm of each electrode's power, as its mean over the electrodes and its slopes
  along the spherical harmonics of degrees 1 (to the right, to the front, up) and 2. A slope that electrodes cannot
  show is 0.
- A covariance (45): the voltages themselves are taken apart into the same nine harmonics, and the Cholesky factor of
  their covariance matrix is read, its diagonal as logarithms (of amplitudes), what is below it relative to the root
  of the mean power. That is how strong each component is when the ones before it are accounted for, and how much of
  them is in it, in phase or in opposition: what Riemannian classifiers read from the electrodes of one montage. (After
  Lin, "Riemannian geometry of symmetric positive definite matrices via Cholesky decomposition", SIAM J. Matrix Anal.
  Appl. 40 (2019).)

Montages that cover the head can be compared; maps survive missing electrodes better than covariances.

Shapes: B windows, C channels, T samples, N time patches of P samples, K classical bands, H harmonics, S segments,
F frequencies.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from transformers.utils.generic import maybe_autocast

from .scalp_harmonics_dare_eeg import HARMONICS, components_of_electrodes, spherical_harmonics

FREQUENCY_BANDS = {"delta": (1, 4), "theta": (4, 8), "alpha": (8, 13), "beta": (13, 30), "gamma": (30, 45)}
"""Hz, from the first to below the second."""

SEGMENT_SECONDS = 2.0
SMALLEST_POWER = 1e-10
"""In mV^2/Hz, ten nanovolts per root hertz: less than any amplifier's noise, and what a band counts as that a flat
channel, a low-pass filter or a low sampling rate has emptied."""

SHRINKAGE = 0.01
"""Share of the components' mean power that is added to each: few electrodes leave some components without any."""

POWER_MAPS_VERSION = 2
"""To be raised where the numbers change: features and figures that are kept say by which they were made."""

_PAIRS = [(row, column) for row in range(len(HARMONICS)) for column in range(row)]
POWER_NAMES = tuple(f"power_{band}_{harmonic}" for band in FREQUENCY_BANDS for harmonic in HARMONICS)
COVARIANCE_NAMES = tuple(
    name
    for band in FREQUENCY_BANDS
    for name in (
        *(f"component_{band}_{harmonic}" for harmonic in HARMONICS),
        *(f"coupling_{band}_{HARMONICS[row]}_with_{HARMONICS[column]}" for row, column in _PAIRS),
    )
)
POWER_MAP_NAMES = POWER_NAMES + COVARIANCE_NAMES
NUM_POWER_MAP_FEATURES = len(POWER_MAP_NAMES)


def power_maps(
    input_values: torch.Tensor,
    channel_ids: torch.Tensor,
    channel_mask: torch.Tensor | None,
    patch_mask: torch.Tensor | None,
    config: Any,
) -> torch.Tensor:
    """Maps of the logarithmic power in each band, then the covariance of the components in each: `(B, 270)` float32.

    Args:
        input_values: `(B, C, T)`, in millivolts.
        channel_ids: rows of the vocabulary, `(B, C)` or `(C,)`.
        channel_mask, patch_mask: `(B, C)` and `(B, N)`, False at padding, which does not count.
        config: `channel_names`, `sampling_rate` and `patch_size` are read.
    """
    batch, channels, samples = input_values.shape
    device = input_values.device
    values = input_values.to(torch.promote_types(input_values.dtype, torch.float32))
    valid = values.new_ones(batch, samples)
    if patch_mask is not None:
        valid = patch_mask.to(values.dtype).repeat_interleave(config.patch_size, dim=1)
    with maybe_autocast(device.type, enabled=False):
        ids = channel_ids.expand(batch, channels)
        harmonics = values.new_tensor(spherical_harmonics(config.channel_names))[ids]
        counts = values.new_ones(batch, channels, 1) if channel_mask is None else channel_mask[..., None].to(values)
        spectra = segment_spectra(values, valid, config.sampling_rate)
        bands = bands_of_segments(config.sampling_rate)
        powers = band_powers(spectra, bands).clamp(min=SMALLEST_POWER).log10()
        # Rounding grows with the ratio of the strongest component to the shrinkage. Apple's GPUs have float32 alone.
        precise = torch.float32 if device.type == "mps" else torch.float64
        components = components_of_electrodes(harmonics.to(precise), counts.to(precise))
        covariances = band_covariances(components, spectra.to(precise), bands)
        maps = (slopes(powers, harmonics, counts), log_cholesky(covariances))
        return torch.cat([each.flatten(1).float() for each in maps], dim=1)


def segment_spectra(values: torch.Tensor, valid: torch.Tensor, sampling_rate: float) -> torch.Tensor:
    """Fourier transforms of a window's segments `(B, C, S, F, 2)`, whose squares add up to its power density.

    Welch's method: half overlapping segments of two seconds without their mean, under a Hann window. Samples of the
    windows `(B, C, T)` where `valid (B, T)` is 0 do not count: a segment that is cut short has the window of what is
    left. One of which half or more is missing is left out, but for the first, so that padding at the end changes
    nothing.
    """
    length = round(SEGMENT_SECONDS * sampling_rate)
    hop = length // 2
    samples = values.shape[-1]
    missing = (torch.sym_max(2, -(-samples // hop)) - 2) * hop + length - samples
    segments, valid = (F.pad(each, (0, missing)).unfold(-1, length, hop) for each in (values, valid[:, None]))
    counts = valid.sum(-1, keepdim=True)
    whole = counts > hop
    valid = valid * torch.cat((torch.ones_like(whole[..., :1, :]), whole[..., 1:, :]), dim=-2)
    mean = (segments * valid).sum(-1, keepdim=True) / counts.clamp(min=1)
    taper = valid * (math.pi * (valid.cumsum(-1) - 1) / counts.clamp(min=1)).sin().square()
    worth = sampling_rate * taper.square().sum((2, 3), keepdim=True).clamp(min=1e-6)
    return torch.view_as_real(torch.fft.rfft((segments - mean) * taper * (2 / worth).sqrt()))


def bands_of_segments(sampling_rate: float) -> list[tuple[int, int]]:
    """The first frequency of a segment that lies in each band, and the first beyond it."""
    length = round(SEGMENT_SECONDS * sampling_rate)
    resolution = sampling_rate / length
    last = length // 2 + 1
    return [
        (min(last, math.ceil(low / resolution)), min(last, math.ceil(high / resolution)))
        for low, high in FREQUENCY_BANDS.values()
    ]


def band_powers(spectra: torch.Tensor, bands: list[tuple[int, int]]) -> torch.Tensor:
    """Mean power density in each band, per Hz, from spectra `(B, C, S, F, 2)`: `(B, C, K)`."""
    density = spectra.square().sum((2, -1))
    return torch.stack([density[..., first:last].sum(-1) / max(1, last - first) for first, last in bands], -1)


def slopes(powers: torch.Tensor, harmonics: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """Mean of maps `(B, C, K)` and how much they rise along each harmonic `(B, C, H)`: `(B, K, H)`.

    Each slope is a regression of its own, damped as by one more electrode without slope: with few electrodes, or
    electrodes in a row, some harmonics cannot be told from others. Electrodes with `counts (B, C, 1)` 0 are left out;
    those whose place is not known (harmonics are NaN) have a part in the mean alone.
    """
    mean = (powers * counts).sum(1, keepdim=True) / counts.sum(1, keepdim=True).clamp(min=1)
    counts = counts * ~harmonics[..., -1:].isnan()
    total = counts.sum(1, keepdim=True).clamp(min=1)
    harmonics = harmonics[..., 1:].nan_to_num()
    centred = (harmonics - (harmonics * counts).sum(1, keepdim=True) / total) * counts
    rises = ((powers - mean) * counts).mT @ centred / (centred.square().sum(1, keepdim=True) + 1)
    return torch.cat((mean.mT, rises), dim=-1)


def band_covariances(components: torch.Tensor, spectra: torch.Tensor, bands: list[tuple[int, int]]) -> torch.Tensor:
    """Covariance of the components `(B, H, C)` of the field in each band, per Hz: `(B, K, H, H)`.

    Args:
        components: the linear map from electrodes to components.
        spectra: of the electrodes, `(B, C, S, F, 2)`.
        bands: of the spectra's frequencies.
    """
    waves = (components @ spectra.flatten(2)).unflatten(-1, spectra.shape[2:])
    inside = [(waves[..., first:last, :].flatten(2), max(1, last - first)) for first, last in bands]
    return torch.stack([wave @ wave.mT / count for wave, count in inside], dim=1)


def log_cholesky(covariances: torch.Tensor) -> torch.Tensor:
    """The Cholesky factors of shrunk covariances `(..., H, H)` in coordinates: `(..., H * (H + 1) / 2)`.

    First the decimal logarithms of the diagonal, then what is below it, row after row, in units of the root of the
    components' mean power.
    """
    mean_power = covariances.diagonal(dim1=-2, dim2=-1).mean(-1, keepdim=True).clamp(min=SMALLEST_POWER)
    remaining = covariances / mean_power[..., None]
    remaining = remaining + SHRINKAGE * torch.eye(len(HARMONICS), dtype=remaining.dtype, device=remaining.device)
    columns = []
    for k in range(len(HARMONICS)):  # by hand: ONNX has no operation for it
        columns.append(remaining[..., k] / remaining[..., k, k, None].sqrt())
        remaining = remaining - columns[-1][..., :, None] * columns[-1][..., None, :]
    factor = torch.stack(columns, dim=-1)
    strengths = factor.diagonal(dim1=-2, dim2=-1).log10() + 0.5 * mean_power.log10()
    return torch.cat((strengths, torch.stack([factor[..., i, j] for i, j in _PAIRS], dim=-1)), dim=-1)
