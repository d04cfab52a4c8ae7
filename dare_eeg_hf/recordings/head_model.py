"""A spherical head: what electrodes measure of a current dipole in the cortex, or at the eyes and under the skin.

The head is a sphere of 9 cm with brain, cerebrospinal fluid, skull and scalp, made by MNE. The potential of a dipole
in it is that of three dipoles in a sphere without shells (Berg and Scherg, "A fast method for forward computation of
multiple-shell spherical head models", Electroencephalography and Clinical Neurophysiology 90, 1994), and that of a
dipole in such a sphere has a closed form (Mosher, Leahy and Lewis, "EEG and MEG: forward solutions for inverse
methods", IEEE Transactions on Biomedical Engineering 46, 1999).
"""

from collections.abc import Sequence
from functools import cache

import mne
import numpy as np

HEAD_RADIUS = 0.09
"""Metres from the middle of the head to the skin."""
CORTEX_RADIUS = 0.07
"""Metres from the middle of the head to the sources; the brain ends at 0.081."""
LOWEST_CORTEX = -0.35
"""How far down the cortex reaches, as the sine of the elevation: the occipital and temporal poles are in it."""
EARLOBES = ("A1", "A2")
"""The reference of the recordings: the mean of both."""
TEN_TWENTY = "Fp1 Fp2 F7 F3 Fz F4 F8 T7 C3 Cz C4 T8 P7 P3 Pz P4 P8 O1 O2".split()
"""Where strengths are measured, whatever the montage: "10 uV" are so many at the electrode of these that sees most."""


@cache
def sphere_model() -> mne.bem.ConductorModel:
    """The four shells, with a skull that conducts a thirtieth of what skin does."""
    return mne.make_sphere_model((0, 0, 0), HEAD_RADIUS, sigmas=(0.33, 1.79, 0.011, 0.33), verbose="error")


def electrode_places(names: Sequence[str]) -> np.ndarray:
    """Places on the sphere (C, 3) in metres: x to the right, y to the front, z up.

    Raises:
        ValueError: if a name has no place in the 10-05 system; upper and lower case and dots do not matter.
    """
    known = _known_places()
    unknown = [name for name in names if name.strip(".").upper() not in known]
    if unknown:
        raise ValueError(f"no scalp position is known for {', '.join(unknown)}; use names of the 10-05 system")
    return np.array([known[name.strip(".").upper()] for name in names])


@cache
def _known_places() -> dict[str, np.ndarray]:
    """The 10-05 system of MNE by upper-case name, drawn onto the sphere that fits it."""
    # MNE 1.13 gave the template the name of its head and deprecated the old one.
    name = "colin27_1005" if "colin27_1005" in mne.channels.get_builtin_montages() else "standard_1005"
    template = mne.channels.make_standard_montage(name).get_positions()["ch_pos"]
    places = np.array(list(template.values()))
    # |x - c|^2 = r^2 is linear in the centre c and in r^2 - |c|^2.
    equations = np.column_stack([2 * places, np.ones(len(places))])
    centred = places - np.linalg.lstsq(equations, (places**2).sum(1), rcond=None)[0][:3]
    centred *= HEAD_RADIUS / np.linalg.norm(centred, axis=1, keepdims=True)
    return dict(zip((name.upper() for name in template), centred, strict=True))


def potentials(electrodes: np.ndarray, dipoles: np.ndarray, through_skull: bool = True) -> np.ndarray:
    """Potentials of unit dipoles in the x, y and z direction, in volts per ampere metre.

    Args:
        electrodes: places on the skin, (C, 3), in metres.
        dipoles: places inside the brain, (D, 3); with `through_skull=False` anywhere inside the head.
        through_skull: whether a skull lies between; for the eyes and for muscles, none does.

    Returns:
        (C, D, 3), against the potential far away.
    """
    sphere = sphere_model()
    skin = sphere["layers"][-1]["sigma"]
    terms = zip(sphere["mu"], sphere["lambda"], strict=True) if through_skull else [(1.0, 1 / skin)]
    return sum(factor * _potentials_without_shells(electrodes, depth * dipoles) for depth, factor in terms)


def _potentials_without_shells(electrodes: np.ndarray, dipoles: np.ndarray) -> np.ndarray:
    """The closed form for a sphere of conductivity 1, (C, D, 3)."""
    r = np.linalg.norm(electrodes, axis=1)[:, None]
    between = electrodes[:, None] - dipoles
    d = np.linalg.norm(between, axis=2)
    product = electrodes @ dipoles.T
    q2 = (dipoles**2).sum(1)
    c1 = 2 * (product - q2) / d**3 + 1 / d - 1 / r
    c2 = 2 / d**3 + (d + r) / (r * d * (r * d + r**2 - product))
    along_dipole, along_electrode = c1 - c2 * product, c2 * q2
    field = along_dipole[..., None] * dipoles + along_electrode[..., None] * electrodes[:, None]
    return field / (4 * np.pi * q2[:, None])


@cache
def cortex(count: int = 800) -> np.ndarray:
    """Places of cortical sources (D, 3), evenly spread over the upper part of a sphere."""
    number = np.arange(count) + 0.5
    height = 1 - (1 - LOWEST_CORTEX) * number / count
    azimuth = np.pi * (1 + 5**0.5) * number
    around = np.sqrt(1 - height**2)
    return CORTEX_RADIUS * np.column_stack([around * np.cos(azimuth), around * np.sin(azimuth), height])


class Cap:
    """Electrodes on the head, referred to the earlobes, and what they see of sources.

    Args:
        names: electrodes of the 10-05 system.

    Raises:
        ValueError: if a name has no place in the 10-05 system.
    """

    def __init__(self, names: Sequence[str]):
        self.count = len(names)
        self.places = electrode_places([*names, *TEN_TWENTY, *EARLOBES])

    def seen(
        self, dipoles: np.ndarray, moments: np.ndarray, through_skull: bool = True, weights: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Potentials of dipoles, or of groups of dipoles that are active together.

        Args:
            dipoles: places, (D, 3), in metres.
            moments: their directions, (D, 3).
            through_skull: as for `potentials`.
            weights: (D, K), how strongly dipole d takes part in group k; None for one group each.

        Returns:
            What the cap's electrodes see, (C, K), and what those of the 10-20 system see, (19, K).
        """
        field = np.einsum("cdx,dx->cd", potentials(self.places, dipoles, through_skull), moments)
        field = field if weights is None else field @ weights
        field = field - field[-len(EARLOBES) :].mean(0)
        return field[: self.count], field[self.count : -len(EARLOBES)]
