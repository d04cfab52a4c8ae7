"""Which samples of a signal carry nothing that a head and an amplifier could have produced, and why.

A held value, zeros, a rail, noise far below any amplifier's, mains hum alone, NaN: a label for them would be invented.
Everything here needs only numpy and works on values as recorded, before any filter has smeared the edges.
"""

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from .signal_dare_eeg import FLAT_MICROVOLTS

SHORTEST_LOSS = 0.5
"""Seconds. Shorter losses are bridged; a window that loses this much of its signal (or half of itself) is unusable."""

BLOCK_SECONDS = 1.0
"""Quiet and hum are judged over blocks of this length, long enough to tell mains from brain in the spectrum."""

HOP_SECONDS = 0.25

FEWEST_SAMPLES = 8
"""With fewer samples one cannot tell whether they are held, quiet or hum."""

BRIDGED_SECONDS = 0.1
"""Less than this between two losses counts as lost with them, once they last for `SHORTEST_LOSS` together."""

BLOCKS_AT_ONCE = 1000
"""Blocks that are judged together; more of them take memory, fewer take time."""

HUM_FACTOR = 100.0
"""A block whose mains hum is this many times its remainder, itself below `HUM_REMAINDER`, is hum alone."""

HUM_REMAINDER = 0.5
"""Microvolts. Amplifier noise on top of hum reaches this much; the quietest scalp EEG has more."""

DRIFT_DEGREE = 5
"""Of the polynomial that stands for the drift in a block of `BLOCK_SECONDS`."""

MAINS_FOOT = 42.0
"""Hertz. Below it and above drifts hum leaves nothing, even where its strength changes within a block."""

CONVERTER_CODES = 3
"""At most this many different values in a block, changing between samples like noise, are a converter's last bit."""

CONVERTER_NOISE = 0.35
"""Of a converter's step: what rounding adds to a signal (0.29), and a little more. Less than this is not resolved."""

COARSEST_STEP = 2.0
"""Microvolts. Coarser converters round EEG itself, so their steps say nothing about smaller signals."""

RAIL_RANGE = 100.0
"""Microvolts between two values that together make up most of a block: an amplifier between its rails."""

ABSURD_MICROVOLTS = 2000.0
ABSURD_DEVIATIONS = 20.0
"""A sample further than both from its channel's median was not measured by a connected amplifier."""

REASONS = (
    "",
    "missing samples (NaN or infinite)",
    "absurd values, far beyond EEG",
    "one held value",
    "no signal above 0.05 uV",
    "mains hum alone",
    "an amplifier at its rails",
    "nothing but the converter's last bit",
)
_MISSING, _ABSURD, _HELD, _QUIET, _HUM, _RAIL, _LAST_BIT = range(1, len(REASONS))


def runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """Return the stretches [start, stop) in which a boolean array (samples,) is True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def find_broken_samples(signal: np.ndarray) -> np.ndarray | None:
    """Mark samples that no amplifier measured: NaN, infinite, or absurd spikes.

    A spike lies more than 2 mV and more than 20 robust standard deviations from the channel's median (so slow drifts
    are none).

    Args:
        signal: (channels, samples) in microvolts.

    Returns:
        uint8 array of the same shape with indices of `REASONS`, or None where there is no such sample.
    """
    # The largest excursion decides whether a closer look at a channel is worth it; NaN and infinity make it NaN.
    with np.errstate(invalid="ignore"):
        suspicious = np.flatnonzero(~(np.ptp(signal, axis=1) <= 2 * ABSURD_MICROVOLTS))
    if not len(suspicious):
        return None
    broken = np.zeros(signal.shape, np.uint8)
    for channel in suspicious:
        finite = np.isfinite(signal[channel])
        broken[channel, ~finite] = _MISSING
        if finite.any():
            median = np.median(signal[channel, finite])
            scale = 1.4826 * np.median(np.abs(signal[channel, finite] - median))
            with np.errstate(invalid="ignore"):
                beyond = np.abs(signal[channel] - median) > max(ABSURD_MICROVOLTS, ABSURD_DEVIATIONS * scale)
            broken[channel, beyond & finite] = _ABSURD
    return broken if broken.any() else None


def bridge(signal: np.ndarray, lost: np.ndarray) -> None:
    """Replace lost samples, in place, by straight lines between their good neighbours.

    A filter then meets no step at the edges of a stretch without signal, and the signal around it is unchanged.
    Channels without any good sample stay as they are, with zeros for what is broken.
    """
    time = np.arange(signal.shape[1])
    for channel in np.flatnonzero(lost.any(axis=1)):
        good = lost[channel] == 0
        if good.any():
            signal[channel, ~good] = np.interp(time[~good], time[good], signal[channel, good])
        else:
            signal[channel, is_broken(lost[channel])] = 0.0


def find_lost_samples(signal: np.ndarray, rate: float) -> np.ndarray | None:
    """Find the samples that carry no signal.

    NaN, infinity and absurd values count one by one; a value that is held, quiet, hum and rails where they last for
    `SHORTEST_LOSS` or a block of `BLOCK_SECONDS`.

    Args:
        signal: (channels, samples) in microvolts, as recorded. `rate`: hertz.

    Returns:
        uint8 array of the same shape, 0 where there is signal and an index of `REASONS` elsewhere; None where nothing
        is lost.
    """
    lost = find_broken_samples(signal)
    for channel, values in enumerate(signal):
        broken = None if lost is None else lost[channel]
        codes = _lost_in_channel(values, rate, broken)
        if codes.any():
            lost = np.zeros(signal.shape, np.uint8) if lost is None else lost
            lost[channel] = codes
    return lost


def _lost_in_channel(values: np.ndarray, rate: float, broken: np.ndarray | None) -> np.ndarray:
    """Reasons (samples,) of one channel whose `broken` samples, if there are any, are known."""
    codes = np.zeros(len(values), np.uint8)
    if broken is not None:
        values = np.where(broken > 0, np.float32(0), values)  # sums over blocks stay finite
    for code, start, stop in _quiet_blocks(values, rate):
        codes[start:stop] = code
    for start, stop in runs(np.diff(values) == 0):
        if stop + 1 - start >= max(SHORTEST_LOSS * rate, FEWEST_SAMPLES):
            codes[start : stop + 1] = _HELD
    if broken is not None:
        codes = np.where(broken > 0, broken, codes)
    if codes.any():
        _close(codes, rate)
    return codes


def _close(codes: np.ndarray, rate: float) -> None:
    """Count the few good samples among many lost ones as lost, in place: nothing can be told from them.

    Few are less than `BRIDGED_SECONDS`, or less than `SHORTEST_LOSS` and than the losses on either side.
    """
    gaps = [(start, stop) for start, stop in runs(codes == 0) if stop - start < BRIDGED_SECONDS * rate]
    gaps += [
        (before[1], after[0])
        for before, after in pairwise(runs(codes > 0))
        if after[0] - before[1] <= min(SHORTEST_LOSS * rate, before[1] - before[0], after[1] - after[0])
    ]
    closed = codes > 0
    for start, stop in gaps:
        closed[start:stop] = True
    long = [(start, stop) for start, stop in runs(closed) if stop - start >= SHORTEST_LOSS * rate]
    for start, stop in long:
        inside = codes[start:stop]
        inside[inside == 0] = np.bincount(inside[inside > 0]).argmax()


def is_broken(lost: np.ndarray) -> np.ndarray:
    """Mark the samples of `lost` that are NaN, infinite or absurd: bool of the same shape."""
    return (lost == _MISSING) | (lost == _ABSURD)


def _quiet_blocks(values: np.ndarray, rate: float) -> Iterable[tuple[int, int, int]]:
    """Yield (reason, start, stop) of the blocks that are quiet, hum alone or between rails.

    Sums over blocks, which are cheap, tell which ones are worth a look at their spectrum: those that bend hardly more
    within two periods of 80 Hz than the flat threshold lets noise do, however they drift, and those that vary from
    sample to sample as fast as mains or noise does, which EEG alone never does.
    """
    length = min(len(values), max(FEWEST_SAMPLES, round(BLOCK_SECONDS * rate)))
    if length < FEWEST_SAMPLES:
        return
    starts = np.unique(np.arange(0, len(values) - length + 1, HOP_SECONDS * rate).astype(int))
    if starts[-1] + length < len(values):  # the rest after the last whole hop
        starts = np.append(starts, len(values) - length)
    values = values.astype(np.float64)
    values -= np.median(values)
    variance = _trendless_variance(values, starts, length)
    changes = np.diff(values, prepend=values[:1])
    agility = _block_sums(changes * changes, starts, length) / length
    lag = max(1, min(round(rate / 80), (length - 1) // 2))
    bends = values[2 * lag :] - 2 * values[lag:-lag] + values[: -2 * lag]
    bending = _block_sums(bends * bends, starts, length - 2 * lag) / (length - 2 * lag)
    steps = np.abs(changes[changes != 0])
    step = min(COARSEST_STEP, np.percentile(steps, 1)) if len(steps) else 0.0
    flat = max(FLAT_MICROVOLTS, CONVERTER_NOISE * step)
    quiet = bending < 6 * (2 * flat) ** 2
    hum = agility > min(1.0, 0.5 * (2 * math.sin(math.pi * min(0.5, 50.0 / rate))) ** 2) * variance
    still = _block_sums(changes == 0, starts, length) > 0.4 * length
    starts = starts[quiet | hum | still]
    for first in range(0, len(starts), BLOCKS_AT_ONCE):
        part = starts[first : first + BLOCKS_AT_ONCE]
        reasons = _judge_blocks(np.lib.stride_tricks.sliding_window_view(values, length)[part], rate)
        for index in np.flatnonzero(reasons):
            start, stop = int(part[index]), int(part[index]) + length
            if reasons[index] == _RAIL:  # such a block may reach beyond the rails
                (at_rails,) = np.nonzero(_at_rails(values[None, start:stop])[0])
                start, stop = start + int(at_rails[0]), start + int(at_rails[-1]) + 1
            yield int(reasons[index]), start, stop


def _block_sums(values: np.ndarray, starts: np.ndarray, length: int) -> np.ndarray:
    total = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
    return total[starts + length] - total[starts]


def _trendless_variance(values: np.ndarray, starts: np.ndarray, length: int) -> np.ndarray:
    """Variance of each block around its own straight line, out of running sums: (blocks,)."""
    time = np.arange(len(values)) / length
    sums = {
        name: _block_sums(each, starts, length) / length
        for name, each in {"x": values, "xx": values * values, "tx": time * values}.items()
    }
    middle = (starts + (length - 1) / 2) / length
    time_variance = (length * length - 1) / 12 / (length * length)
    covariance = sums["tx"] - middle * sums["x"]
    return np.maximum(sums["xx"] - sums["x"] ** 2 - covariance**2 / time_variance, 0.0)


def _judge_blocks(blocks: np.ndarray, rate: float) -> np.ndarray:
    """Say why blocks (B, samples) in microvolts hold no signal: (B,) indices of `REASONS`, 0 where one does."""
    railed = (_at_rails(blocks).mean(axis=1) > 0.5) & (np.ptp(blocks, axis=1) > RAIL_RANGE)
    gaps = np.diff(np.sort(blocks, axis=1), axis=1)
    noisy = (np.diff(blocks, axis=1) ** 2).mean(axis=1) > blocks.var(axis=1)
    last_bit = noisy & ((gaps > 0).sum(axis=1) < CONVERTER_CODES)
    step = np.min(np.where(gaps > 0, gaps, COARSEST_STEP), axis=1)
    flat = np.maximum(FLAT_MICROVOLTS, CONVERTER_NOISE * np.minimum(step, COARSEST_STEP))
    around = _around_drift(blocks)
    last_bit |= around < flat
    remainder, mains = _around_mains(blocks, rate)
    hum = (mains > flat) & ((remainder < flat) | ((remainder < HUM_REMAINDER) & (mains > HUM_FACTOR * remainder)))
    return np.select([railed, around < FLAT_MICROVOLTS, last_bit, hum], [_RAIL, _QUIET, _LAST_BIT, _HUM])


def _around_drift(blocks: np.ndarray) -> np.ndarray:
    """Standard deviation of blocks (B, samples) around the polynomial that fits each best: (B,).

    Its degree follows an amplifier that settles or drifts by hundreds of microvolts a second, but no wave of 1 Hz.
    """
    basis = np.linalg.qr(np.polynomial.chebyshev.chebvander(np.linspace(-1, 1, blocks.shape[1]), DRIFT_DEGREE))[0]
    return (blocks - blocks @ basis @ basis.T).std(axis=1)


def _at_rails(blocks: np.ndarray) -> np.ndarray:
    """Mark the samples of blocks (B, samples) at an extreme that a tenth of the block shares."""
    lowest, highest = (blocks == extreme(blocks, axis=1, keepdims=True) for extreme in (np.min, np.max))
    return (lowest & (lowest.mean(axis=1, keepdims=True) > 0.1)) | (
        highest & (highest.mean(axis=1, keepdims=True) > 0.1)
    )


def _around_mains(blocks: np.ndarray, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Root mean squares of blocks (B, samples) between drifts and mains, and from mains on: (B,) each.

    The first is infinite where the blocks are too short to tell. A Blackman-Harris window keeps mains 92 dB out of all
    frequencies further than four bins away from it, and drifts within the first four; mains of varying strength
    reaches a little further.
    """
    samples = blocks.shape[1]
    first, last = 5, min(math.floor(MAINS_FOOT * samples / rate), samples // 2)
    if last <= first:
        return np.full(len(blocks), np.inf), np.zeros(len(blocks))
    phase = 2 * np.pi * np.arange(samples) / samples
    window = 0.35875 - 0.48829 * np.cos(phase) + 0.14128 * np.cos(2 * phase) - 0.01168 * np.cos(3 * phase)
    blocks = blocks - blocks.mean(axis=1, keepdims=True)
    power = 2 * np.abs(np.fft.rfft(blocks * window, axis=1)) ** 2 / (samples * (window @ window))
    return np.sqrt(power[:, first : last + 1].sum(axis=1)), np.sqrt(power[:, last + 1 :].sum(axis=1))


def common_loss(lost: np.ndarray) -> np.ndarray:
    """Mark the samples at which most channels are lost: (samples,) bool, for `lost` (channels, samples)."""
    return 2 * (lost > 0).sum(axis=0) > len(lost)


def dead_channels(lost: np.ndarray) -> np.ndarray:
    """Tell which channels hardly ever carry signal while any other does: (channels,) bool.

    Such a channel is bad as a whole, and says nothing about when the recording was interrupted.
    """
    some = ~(lost > 0).all(axis=0)
    return (lost[:, some] > 0).mean(axis=1) > 0.9 if some.any() else np.zeros(len(lost), bool)


def alive_channels(trials: Sequence[np.ndarray]) -> np.ndarray:
    """Which channels carry signal in some of several trials, each (channels, samples) of `lost`: (channels,) bool."""
    alive = ~dead_channels(np.concatenate(trials, axis=1))
    return alive if alive.any() else ~alive


def main_reason(codes: np.ndarray) -> str:
    """Describe the most frequent reason of some lost samples in words."""
    return REASONS[int(np.bincount(codes[codes > 0]).argmax())]
