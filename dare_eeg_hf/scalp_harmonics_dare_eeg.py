"""Where electrodes lie on the scalp, and the spherical harmonics there: what makes montages comparable.

Shapes: B windows, C channels, H harmonics.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import torch

HARMONICS = ("mean", "right", "front", "up", "right_front", "front_up", "up_rim", "right_up", "sides_midline")
"""Of degree 0, then along the three axes (degree 1), then the five of degree 2."""

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
    side = -1 if number % 2 else 1
    # Of the inclination, not of the azimuth, whose cosine is not quite 0 where C's row is: what is constant stays so.
    rim = (
        side * math.cos(inclination) * math.sin(4 * _TENTH),
        math.sin(inclination) * math.sin(4 * _TENTH),
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


def components_of_electrodes(harmonics: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """The linear map `(B, H, C)` from electrodes to the strength of each harmonic in the field that they measure.

    A least-squares fit of all harmonics at once to the electrodes with `counts (B, C, 1)` 1 and a known place (others'
    `harmonics (B, C, H)` are NaN), damped as by a silent measurement of each harmonic (a ridge regression): where few
    electrodes cannot tell harmonics apart, the weakest combination is taken.
    """
    known = harmonics.nan_to_num() * counts * ~harmonics[..., -1:].isnan()
    gram = known.mT @ known
    identity = torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device)
    system = torch.cat((gram + identity, known.mT), dim=-1)
    # Gauss-Jordan elimination by hand: ONNX has no operation that solves equations. The matrix is positive definite.
    for k, unit in enumerate(identity):
        system = system - (system[..., k, None] - unit[:, None]) * (system[:, k, None] / system[:, k, None, k, None])
    return system[..., len(identity) :]
