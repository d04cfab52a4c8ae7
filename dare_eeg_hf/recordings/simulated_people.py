"""People to simulate: what is their own in their EEG and stays from recording to recording.

The ranges were set by hand between those of real recordings (benchmarks/simulation.py), and within them so that the
shipped classifier of open and closed eyes is right: that it is so here is no evidence for it.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Person:
    """Traits of one simulated person. Strengths are root mean squares in microvolts at the electrode that sees most.

    Attributes:
        alpha_frequency: hertz of the posterior alpha rhythm.
        alpha: its strength with eyes closed.
        alpha_left_by_open_eyes: the share of it that open eyes leave.
        mu_frequency: hertz of the central rhythm; an arch of it has twice that frequency too.
        mu: its strength.
        theta: strength of the frontal midline rhythm of 5 to 7 Hz.
        background: strength of the background, as a mean over the scalp.
        slope: the background's power falls with the frequency to this power.
        blinks_per_minute: with open eyes.
        blink: height of a blink.
        muscle: strength of muscle bursts.
        folding: seed of how the cortex lies in its folds.
    """

    alpha_frequency: float
    alpha: float
    alpha_left_by_open_eyes: float
    mu_frequency: float
    mu: float
    theta: float
    background: float
    slope: float
    blinks_per_minute: float
    blink: float
    muscle: float
    folding: tuple[int, ...]


def draw_person(*seed: int) -> Person:
    """A person; the same seed gives the same one."""
    rng = np.random.default_rng(seed)

    def about(centre: float, spread: float) -> float:
        """Log-normal around a median, at most two spreads away, as amplitudes between people are."""
        return float(centre * np.exp(spread * np.clip(rng.normal(), -2, 2)))

    return Person(
        alpha_frequency=float(np.clip(rng.normal(10.2, 0.8), 8.5, 12.0)),
        alpha=about(29, 0.22),
        alpha_left_by_open_eyes=float(rng.uniform(0.08, 0.16)),
        mu_frequency=float(rng.uniform(9.5, 12.0)),
        mu=about(3.5, 0.5),
        theta=about(3.0, 0.4),
        background=about(19, 0.2),
        slope=float(rng.uniform(0.8, 1.3)),
        blinks_per_minute=about(13, 0.35),
        blink=about(130, 0.3),
        muscle=about(14, 0.4),
        folding=(*seed, 1),
    )
