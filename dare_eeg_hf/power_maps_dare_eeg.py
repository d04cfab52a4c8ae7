"""How strong the rhythms of a window are and where on the scalp, whatever electrodes it has.

An encoder whose objective normalises every target tells little of a rhythm's strength, and a patch of a quarter of a
second cannot tell 8 Hz from 10. Here the logarithm of each electrode's power in the classical bands, by Welch's method
with segments of two seconds, becomes a map of the scalp: its mean over the electrodes, and its slopes along the
spherical harmonics of degrees 1 (to the right, to the front, up) and 2. Montages that cover the head can be compared;
a slope that electrodes cannot show is 0.

Shapes: B windows, C channels, T samples, N time patches of P samples, K classical bands, H harmonics.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from transformers.utils.generic import maybe_autocast

FREQUENCY_BANDS = {"delta": (1, 4), "theta": (4, 8), "alpha": (8, 13), "beta": (13, 30), "gamma": (30, 45)}
"""Hz, from the first to below the second."""

SEGMENT_SECONDS = 2.0
SMALLEST_POWER = 1e-10
"""In mV^2/Hz, ten nanovolts per root hertz: less than any amplifier's noise, and what a band counts as that a flat
channel, a low-pass filter or a low sampling rate has emptied."""

HARMONICS = ("mean", "right", "front", "up", "right_front", "front_up", "up_rim", "right_up", "sides_midline")
"""Of a map: its mean, then its slopes along the three axes, then along the five harmonics of degree 2."""

POWER_MAPS_VERSION = 1
"""To be raised where the numbers change: features and figures that are kept say by which they were made."""

POWER_MAP_NAMES = tuple(f"power_{band}_{harmonic}" for band in FREQUENCY_BANDS for harmonic in HARMONICS)
NUM_POWER_MAP_FEATURES = len(POWER_MAP_NAMES)

_ROWS = ("FP", "AF", "F", "FC", "C", "CP", "P", "PO", "O")
_RIM_NAMES = {"FT": "FC", "T": "C", "TP": "CP"}
_TENTH = math.pi / 10
"""Of the arcs from nasion to inion and from ear to ear, on a sphere: 18 degrees, what the 10-10 system counts in."""


def electrode_direction(name: str) -> tuple[float, float, float] | None:
    """Where an electrode of the 10-10 system lies on a sphere: unit vector to the right, to the front and up.

    Each row (F, FC, C, ...) is an arc from its electrode on the midline to the rim, which runs from Fpz over T7 and T8
    to Oz, in four equal parts. None where the name is no such electrode's.
    """
    found = re.fullmatch(r"([A-Z]+?)(Z|10|[1-9])", name.upper())
    row = found and _RIM_NAMES.get(found[1], found[1])
    if row not in _ROWS or (found[1] in _RIM_NAMES and found[2] not in ("7", "8", "9", "10")):
        return None
    place = _ROWS.index(row)
    inclination = (4 - place) * _TENTH
    midline = (0.0, math.sin(inclination), math.cos(inclination))
    if found[2] == "Z":
        return midline
    number = int(found[2])
    azimuth = (place + 1) * _TENTH
    side = -1 if number % 2 else 1
    rim = (
        side * math.sin(azimuth) * math.sin(4 * _TENTH),
        math.cos(azimuth) * math.sin(4 * _TENTH),
        math.cos(4 * _TENTH),
    )
    share = 1.0 if row in ("FP", "O") else (number + 1) // 2 / 4
    angle = math.acos(sum(a * b for a, b in zip(midline, rim, strict=True)))
    from_midline, from_rim = math.sin((1 - share) * angle), math.sin(share * angle)
    return tuple((from_midline * a + from_rim * b) / math.sin(angle) for a, b in zip(midline, rim, strict=True))


def spherical_harmonics(names: Sequence[str]) -> list[list[float]]:
    """Real spherical harmonics of degrees 0 to 2 at electrodes: C rows of 9, of mean square 1; NaN where unknown."""
    rows = []
    for name in names:
        x, y, z = electrode_direction(name) or (math.nan, math.nan, math.nan)
        quadrupoles = (x * y, y * z, (3 * z * z - 1) / math.sqrt(12), x * z, (x * x - y * y) / 2)
        rows.append([1.0, *(math.sqrt(3) * d for d in (x, y, z)), *(math.sqrt(15) * q for q in quadrupoles)])
    return rows


def power_maps(
    input_values: torch.Tensor,
    channel_ids: torch.Tensor,
    channel_mask: torch.Tensor | None,
    patch_mask: torch.Tensor | None,
    config: Any,
) -> torch.Tensor:
    """Maps of the logarithmic power in each band: `(B, K * H)` in float32, band after band.

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
        powers = band_powers(values, valid, config.sampling_rate).clamp(min=SMALLEST_POWER).log10()
        ids = channel_ids.expand(batch, channels)
        harmonics = values.new_tensor(spherical_harmonics(config.channel_names))[ids]
        counts = values.new_ones(batch, channels, 1) if channel_mask is None else channel_mask[..., None].to(values)
        return slopes(powers, harmonics, counts).flatten(1).float()


def band_powers(values: torch.Tensor, valid: torch.Tensor, sampling_rate: float) -> torch.Tensor:
    """Mean power density of windows `(B, C, T)` in each band, per Hz: `(B, C, K)`.

    Welch's method: half overlapping segments of two seconds without their mean, under a Hann window. Samples where
    `valid (B, T)` is 0 do not count: a segment that is cut short has the window of what is left. One of which half or
    more is missing is left out, but for the first, so that padding at the end changes nothing.
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
    amplitudes = torch.view_as_real(torch.fft.rfft((segments - mean) * taper))
    worth = sampling_rate * taper.square().sum((2, -1)).clamp(min=1e-6)
    density = 2 * amplitudes.square().sum((2, -1)) / worth[..., None]
    return torch.stack(
        [density[..., first:last].sum(-1) / max(1, last - first) for first, last in _bands(length, sampling_rate)], -1
    )


def _bands(length: int, sampling_rate: float) -> list[tuple[int, int]]:
    """The first frequency of a segment that lies in each band, and the first beyond it."""
    resolution = sampling_rate / length
    last = length // 2 + 1
    return [
        (min(last, math.ceil(low / resolution)), min(last, math.ceil(high / resolution)))
        for low, high in FREQUENCY_BANDS.values()
    ]


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
