"""What the electrodes of a simulated recording pick up, one kind of source a function.

Each function gives microvolts (C, T) at a cap's electrodes, and some what is known about their moments. Time courses
are drawn before any electrode is looked at, and what is an electrode's own follows from its name: the same person at
the same time under another cap differs by where the electrodes are and by nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from zlib import crc32

import numpy as np
import scipy.fft

from dare_eeg_hf.recordings.head_model import CORTEX_RADIUS, HEAD_RADIUS, Cap, cortex, electrode_places
from dare_eeg_hf.recordings.simulated_people import Person

PATCHES, PATCH_WIDTH = 60, 0.014
"""Pieces of cortex that work each for themselves, and the standard deviation of their extent in metres."""
WIDE_SOURCES, WIDE_DEPTH, WIDE_SHARE = 24, 0.02, 0.7
"""Activity of whole lobes: its number, how far from the middle of the head its dipoles lie, its share of the power.
Electrodes see a sheet of cortex with its folds, or both halves of the brain at once, as they see a deep dipole."""
ALPHA_GENERATORS = ("O1", "O2", "POz", "PO7", "PO8", "Pz")
MU_GENERATORS = ("C3", "C4")
EYES = np.array([[-0.03, 0.065, -0.03], [0.03, 0.065, -0.03]])
MUSCLES = ("T7", "T8", "F7", "F8", "PO9", "PO10")
"""Electrodes above the temporal and frontal muscles and those of the neck."""
MICROVOLTS_PER_DEGREE = 3.0
"""How much the electrode that sees most changes when the eyes turn; frontal temporal ones see both eyes."""


class Moment(NamedTuple):
    """What is known about a stretch of time: seconds from the beginning, seconds, and what it is."""

    onset: float
    duration: float
    description: str


@dataclass(frozen=True)
class Clock:
    """How long a recording is and how often it is sampled."""

    samples: int
    rate: float

    @property
    def times(self) -> np.ndarray:
        """Seconds of each sample."""
        return np.arange(self.samples) / self.rate

    def moments(self, rng: np.random.Generator, per_minute: float) -> np.ndarray:
        """Seconds at which something without memory happens so often; none in the first and the last second."""
        room = max(self.samples / self.rate - 2, 0)
        return 1 + np.sort(rng.uniform(0, room, rng.poisson(per_minute * room / 60)))

    def add(self, course: np.ndarray, onset: float, shape: np.ndarray) -> None:
        """Add a shape, sampled at this rate, to a time course from `onset` on; what is beyond its end is cut off."""
        start = round(onset * self.rate)
        course[start : start + len(shape)] += shape[: max(len(course) - start, 0)]


def noise(
    rng: np.random.Generator,
    rows: int,
    clock: Clock,
    density: Callable[[np.ndarray], np.ndarray],
    variance: float | None = None,
) -> np.ndarray:
    """Gaussian noise (rows, T), float32, with a power spectral density.

    Args:
        rng: source of randomness.
        rows: how many independent ones.
        clock: T and the sampling rate.
        density: from hertz to power per hertz.
        variance: what the power adds up to; None takes the density as it is.
    """
    length = scipy.fft.next_fast_len(clock.samples, real=True)
    power = np.zeros(length // 2 + 1)
    power[1:] = density(np.fft.rfftfreq(length, 1 / clock.rate)[1:])
    power *= clock.rate / length if variance is None else variance / max(power.sum(), 1e-30)
    spectrum = rng.standard_normal((rows, len(power), 2), dtype=np.float32).view(np.complex64)[..., 0]
    spectrum *= (length / 2 * np.sqrt(power)).astype(np.float32)
    return scipy.fft.irfft(spectrum, length, overwrite_x=True)[:, : clock.samples]


def rhythm(rng: np.random.Generator, rows: int, clock: Clock, frequency: float, width: float) -> np.ndarray:
    """Waxing and waning oscillations (rows, T) of variance one; `width` is a standard deviation in hertz."""
    return noise(rng, rows, clock, lambda hertz: np.exp(-((hertz - frequency) ** 2) / (2 * width**2)), 1.0)


def background(rng: np.random.Generator, cap: Cap, clock: Clock, person: Person) -> np.ndarray:
    """The cortex at work everywhere: patches of a few square centimetres, and whole lobes that are slower."""
    places, wide = cortex(), cortex(WIDE_SOURCES) * WIDE_DEPTH / CORTEX_RADIUS
    distance = np.linalg.norm(places[:, None] - cortex(PATCHES), axis=2)
    extent = np.exp(-(distance**2) / (2 * PATCH_WIDTH**2))
    any_direction = np.random.default_rng([*person.folding, 1]).normal(size=wide.shape)
    signal = np.zeros((cap.count, clock.samples), np.float32)
    for (here, standard), share, slope in (
        (cap.seen(places, _folded(places, person), weights=extent), 1 - WIDE_SHARE, person.slope),
        (cap.seen(wide, any_direction), WIDE_SHARE, person.slope + 0.35),
    ):
        strength = person.background * np.sqrt(share / (standard**2).sum(1).mean())
        courses = noise(rng, here.shape[1], clock, lambda hertz, slope=slope: (1 + hertz**2) ** (-slope / 2), 1.0)
        signal += (strength * here).astype(np.float32) @ courses
    return signal


def alpha(rng: np.random.Generator, cap: Cap, clock: Clock, person: Person, eyes_closed: bool) -> np.ndarray:
    """The posterior rhythm: several generators of which each goes half with the others, half its own way."""
    strength = person.alpha if eyes_closed else person.alpha * person.alpha_left_by_open_eyes
    courses = rhythm(rng, 1 + len(ALPHA_GENERATORS), clock, person.alpha_frequency, 0.6)
    courses = np.sqrt(0.5, dtype=np.float32) * (courses[:1] + courses[1:])
    return strength * _below(cap, ALPHA_GENERATORS, person) @ courses


def mu(rng: np.random.Generator, cap: Cap, clock: Clock, person: Person) -> np.ndarray:
    """The rhythm of each sensorimotor cortex: arches, so that half as much beta goes with it."""
    slow = rhythm(rng, len(MU_GENERATORS), clock, person.mu_frequency, 0.7)
    arched = slow + 0.35 * (slow**2 - 1)
    return person.mu * _below(cap, MU_GENERATORS, person) @ arched


def theta(rng: np.random.Generator, cap: Cap, clock: Clock, person: Person) -> np.ndarray:
    """The frontal midline rhythm, from further inside."""
    return person.theta * _below(cap, ("Fz",), person, depth=0.055) @ rhythm(rng, 1, clock, 6.0, 0.7)


def eyes(
    rng: np.random.Generator, cap: Cap, clock: Clock, person: Person, eyes_closed: bool
) -> tuple[np.ndarray, list[Moment]]:
    """Blinks and turns of open eyes; closed ones roll slowly. Each eye is a dipole, positive at its front."""
    blinks = np.zeros(clock.samples)
    gaze = np.zeros((2, clock.samples))
    moments = []
    if eyes_closed:
        gaze[0] = noise(rng, 1, clock, lambda hertz: np.exp(-((hertz - 0.3) ** 2) / (2 * 0.1**2)), 4.0**2)[0]
    else:
        for onset in clock.moments(rng, person.blinks_per_minute):
            length, height = rng.uniform(0.25, 0.4), person.blink * rng.uniform(0.8, 1.2)
            # Lids close faster than they open.
            phase = np.arange(0, 1, 1 / (length * clock.rate)) ** 0.75
            clock.add(blinks, onset, height * np.sin(np.pi * phase) ** 2)
            moments.append(Moment(onset, length, "blink"))
        gaze, turns = _fixations(rng, clock)
        moments += turns
    up, right = (_eye_topography(cap, direction) for direction in ((0, 0.3, 1.0), (1.0, 0, 0)))
    signal = np.outer(up, blinks + MICROVOLTS_PER_DEGREE * gaze[1])
    return signal + np.outer(right, MICROVOLTS_PER_DEGREE * gaze[0]), moments


def _fixations(rng: np.random.Generator, clock: Clock) -> tuple[np.ndarray, list[Moment]]:
    """Degrees to the right and upwards (2, T) of someone who looks at a point and sometimes elsewhere."""
    onsets = clock.moments(rng, 40)
    places = rng.normal(size=(len(onsets), 2)) * (2.0, 1.0)
    far = rng.random(len(onsets)) < 0.1
    places[far] *= 4
    index = np.searchsorted(onsets, clock.times, side="right")
    turns = [Moment(onset, 0.05, "eye movement") for onset in onsets[far]]
    return np.concatenate([np.zeros((1, 2)), places])[index].T, turns


def muscles(rng: np.random.Generator, cap: Cap, clock: Clock, person: Person) -> tuple[np.ndarray, list[Moment]]:
    """A little tension all the time, and bursts of one muscle."""
    envelopes = np.full((len(MUSCLES), clock.samples), 0.05)
    moments = []
    for onset in clock.moments(rng, 2.5):
        length = rng.uniform(0.3, 1.5)
        clock.add(envelopes[rng.integers(len(MUSCLES))], onset, np.hanning(round(length * clock.rate)))
        moments.append(Moment(onset, length, "muscle"))
    courses = noise(rng, len(MUSCLES), clock, lambda hertz: np.exp(-(np.log(hertz / 45) ** 2) / (2 * 0.5**2)), 1.0)
    below = electrode_places(MUSCLES) * 0.92
    here, standard = cap.seen(below, below / HEAD_RADIUS + (0, 0, 0.5), through_skull=False)
    return person.muscle * (here / np.abs(standard).max(0)) @ (envelopes * courses), moments


def electrodes(
    seed: Sequence[int], names: Sequence[str], clock: Clock, line_frequency: float
) -> tuple[np.ndarray, list[Moment]]:
    """What is each electrode's own: contact and amplifier noise, slow drifts, mains, and now and then a pop."""
    signal = np.empty((len(names), clock.samples), np.float32)
    angle = 2 * np.pi * line_frequency * clock.times
    moments = []
    for row, name in enumerate(names):
        rng = np.random.default_rng([*seed, crc32(name.strip(".").upper().encode())])
        signal[row] = noise(rng, 1, clock, lambda hertz: 0.005 + 1.0 / hertz + 0.3 / hertz**2)[0]
        if line_frequency < clock.rate / 2:
            signal[row] += 2 * rng.uniform(0.6, 1.4) * np.sin(angle + rng.normal(scale=0.2))
        for onset in clock.moments(rng, 0.01):
            height = rng.choice((-1, 1)) * rng.uniform(60, 150)
            clock.add(signal[row], onset, height * np.exp(-np.arange(0, 2, 1 / clock.rate) / 0.3))
            moments.append(Moment(onset, 1.0, f"pop {name}"))
    return signal, moments


def _folded(places: np.ndarray, person: Person) -> np.ndarray:
    """The direction (D, 3) of the current at each place of the cortex: outwards, but for the folds."""
    tilt = np.random.default_rng(person.folding).normal(size=places.shape)
    directions = places / np.linalg.norm(places, axis=1, keepdims=True) + 0.5 * tilt
    return directions / np.linalg.norm(directions, axis=1, keepdims=True)


def _below(cap: Cap, generators: Sequence[str], person: Person, depth: float = CORTEX_RADIUS) -> np.ndarray:
    """What a cap sees (C, K) of a generator below each electrode; together they are 1 where they are seen best."""
    places = electrode_places(generators) * depth / HEAD_RADIUS
    here, standard = cap.seen(places, _folded(places, person))
    return (here / np.sqrt((standard**2).sum(1).max())).astype(np.float32)


def _eye_topography(cap: Cap, direction: Sequence[float]) -> np.ndarray:
    """What a cap sees (C,) of both eyes; 1 where it is seen best."""
    here, standard = cap.seen(EYES, np.tile(direction, (2, 1)), through_skull=False)
    return here.sum(1) / np.abs(standard.sum(1)).max()
