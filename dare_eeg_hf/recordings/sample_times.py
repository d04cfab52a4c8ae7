"""From a time stamp on every sample to the clock of a recording: its rate, and where samples are missing."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from dare_eeg_hf.recordings.timeline import Timeline

NEIGHBOURHOOD_SECONDS = 1.0
"""A gap moves the stamps of the second after it against those of the second before it; jitter does not."""

FEWEST_LOST = 1.5
"""Samples: a smaller step in time is no gap."""

NOISE_FACTOR = 5.0
"""A step has to be this many times what stamps move from one second to the next without any gap."""

OWN_RATE_SECONDS = 60.0
"""A stretch of this length tells its own rate; a shorter one is given that of the whole recording."""


def timeline_of_stamps(stamps: np.ndarray, nominal_rate: float) -> tuple[Timeline, float]:
    """Find the uninterrupted stretches of a recording, and smooth the jitter of the stamps within each.

    Stamps jitter, by whole packets where a device sends packets, but return to the line on which they lie. Where
    samples were lost, or the clock was set, they do not return: that is a gap, however short the stretches beside it.

    Args:
        stamps: (T,) seconds, one of each sample, at least two.
        nominal_rate: hertz, as the device announced it.

    Returns:
        The timeline, whose clock counts from the first sample and whose seconds of signal count samples at the nominal
        rate, and the rate at which samples really came, in hertz.

    Raises:
        ValueError: the stamps do not increase.
    """
    reach = max(2, round(NEIGHBOURHOOD_SECONDS * nominal_rate))
    span = min(len(stamps) - 1, reach)
    period = float(np.median(stamps[span:] - stamps[:-span])) / span
    if not period > 0:
        raise ValueError("the time stamps of its samples do not increase")
    stretches = list(pairwise([0, *_gaps(stamps, period, reach), len(stamps)]))
    period = _common_period([stamps[start:stop] for start, stop in stretches]) or period
    lines = [_line(stamps[start:stop], period) for start, stop in stretches]
    origin = lines[0][0]
    clocks = [
        np.array([first, first + (stop - start) * each]) - origin
        for (first, each), (start, stop) in zip(lines, stretches, strict=True)
    ]
    positions = [np.array(stretch) / nominal_rate for stretch in stretches]
    covered = sum(float(clock[1] - clock[0]) for clock in clocks)
    return Timeline(clocks, positions), len(stamps) / covered


def _gaps(stamps: np.ndarray, period: float, reach: int) -> list[int]:
    """First samples after each gap; `reach` is the neighbourhood in samples."""
    late = stamps - np.arange(len(stamps)) * period
    wander, jitter = _noise(late, reach)
    smallest = max(FEWEST_LOST * period, NOISE_FACTOR * wander)
    found: list[int] = []
    stretches = [(0, len(stamps))]
    while stretches:
        start, stop = stretches.pop()
        steps = np.abs(np.diff(late[start:stop]))
        # The largest step comes first: beside a gap the medians of other places move as well.
        for place in np.argsort(-steps, kind="stable"):
            if steps[place] <= smallest / 2:
                break
            cut = start + int(place) + 1
            before, after = late[max(start, cut - reach) : cut], late[cut : min(stop, cut + reach)]
            # The median of a few samples moves with their jitter.
            few = min(len(before), len(after)) < reach / 2
            if abs(np.median(after) - np.median(before)) > (max(smallest, jitter) if few else smallest):
                found.append(cut)
                stretches += [(start, cut), (cut, stop)]
                break
    return sorted(found)


def _noise(late: np.ndarray, reach: int) -> tuple[float, float]:
    """How stamps move without any gap, robustly: from one neighbourhood to the next, and within one."""
    whole = late[: len(late) // reach * reach].reshape(-1, reach)
    if len(whole) < 3:
        return 0.0, 0.0
    middles = np.median(whole, axis=1)
    steps = np.diff(middles)
    wander = 1.4826 * np.median(np.abs(steps - np.median(steps)))
    return float(wander), 3 * float(np.quantile(np.abs(whole - middles[:, None]), 0.9))


def _common_period(stretches: Sequence[np.ndarray]) -> float:
    """Seconds from sample to sample over all stretches, by least squares; 0 where each is a single sample."""
    products = squares = 0.0
    for stamps in stretches:
        index = np.arange(len(stamps)) - (len(stamps) - 1) / 2
        products += float(index @ (stamps - stamps.mean()))
        squares += float(index @ index)
    return products / squares if squares else 0.0


def _line(stamps: np.ndarray, period: float) -> tuple[float, float]:
    """Time of the first sample and seconds from sample to sample; a long stretch has a rate of its own."""
    if len(stamps) * period >= OWN_RATE_SECONDS:
        period = _common_period([stamps])
    return float(stamps.mean() - period * (len(stamps) - 1) / 2), period
