"""Finding the channels of a recording that are bad as a whole: flat, noisy or disconnected."""

import numpy as np

from dare_eeg_hf.signal_dare_eeg import FLAT_MICROVOLTS

BROKEN_SHARE = 0.05
"""A channel with more broken samples than this is bad; with fewer they are bridged."""

NOISY_SCORE = 5.0
"""Robust z-score of the channel's spread among all channels (PREP, Bigdely-Shamlo et al. 2015, uses the same)."""

NOISY_FACTOR = 3.0
"""A noisy channel has at least this many times the median spread, if no other channel varies with it."""

ABSURD_FACTOR = 10.0
"""How many times the median spread (or its inverse) makes a channel bad even if others vary with it. Strong alpha
at the back of the head, or weak signals near the recording's reference electrode, stay far below."""

FOLLOWED = 0.7
"""A channel with this correlation to another is taken for brain (or at least not for a loose electrode)."""

MIN_CORRELATION = 0.25
"""A channel that no other follows: largest correlation with any other channel, median over windows. PREP: 0.4 on 1 s
windows; here lower, because sparse montages have distant neighbours and nothing should be thrown away for that."""


def find_bad_channels(signal: np.ndarray, rate: float, lost: np.ndarray | None = None) -> dict[int, str]:
    """Find channels that carry no EEG, after band-pass filtering and before re-referencing.

    Criteria after PREP (Bigdely-Shamlo et al. 2015), each robust against what it looks for:

    - flat: standard deviation below 0.05 uV;
    - noisy or quiet: the spread (interquartile range) is more than 10 times, or less than a tenth of, the channels'
      median; or more than 3 times with a robust z-score above 5 (in the logarithm), while no other channel correlates
      with it by 0.7;
    - uncorrelated: no other channel follows it (from eight channels up).

    Args:
        signal: (channels, samples) in microvolts. `rate`: hertz.
        lost: Samples without signal, bool of the same shape. A channel is judged by the others; one that hardly ever
            has signal, by what it has instead.

    Returns:
        Index of the channel -> the reason.
    """
    lost = np.zeros(signal.shape, bool) if lost is None else lost & (lost.mean(axis=1, keepdims=True) <= 0.9)
    # The interquartile range overlooks single artefacts, which belong to windows and not to channels.
    step = max(1, signal.shape[1] // 4_000)
    seen = np.where(lost[:, ::step], np.nan, signal[:, ::step])
    quartiles = np.nanpercentile(seen, (25, 75), axis=1)
    scale = (quartiles[1] - quartiles[0]) / 1.349
    flat = (scale < FLAT_MICROVOLTS) & (signal.std(axis=1) < FLAT_MICROVOLTS)
    bad = dict.fromkeys(np.flatnonzero(flat).tolist(), "flat")
    alive = np.flatnonzero(~flat)
    if len(alive) < 4:
        return bad
    correlation = _neighbour_correlation(signal[alive], rate, lost[alive])
    level = np.log(np.maximum(scale[alive], FLAT_MICROVOLTS))
    middle = float(np.median(level))
    width = max(1.4826 * float(np.median(np.abs(level - middle))), 0.05)
    # Where channels hardly follow each other anyway (few and far apart, or synthetic), following says nothing.
    telling = len(alive) >= 8 and np.median(correlation) >= 2 * MIN_CORRELATION
    for channel, own_level, own_correlation in zip(alive.tolist(), level, correlation, strict=True):
        above = own_level - middle
        lonely = own_correlation < FOLLOWED and above > max(NOISY_SCORE * width, np.log(NOISY_FACTOR))
        if abs(above) > np.log(ABSURD_FACTOR) or lonely:
            word = "noisy" if above > 0 else "too quiet"
            bad[channel] = f"{word}: {scale[channel]:.3g} uV, the others {np.exp(middle):.3g} uV"
        elif telling and own_correlation < MIN_CORRELATION:
            bad[channel] = f"uncorrelated: at most {own_correlation:.2f} with any other channel"
    return bad


def _neighbour_correlation(signal: np.ndarray, rate: float, lost: np.ndarray) -> np.ndarray:
    """Largest absolute correlation of each channel with any other, median over up to 40 windows of two seconds in
    which it has signal: (channels,), 1 where it never has for that long."""
    samples = min(signal.shape[1], int(2 * rate))
    count = signal.shape[1] // samples
    chosen = np.unique(np.linspace(0, count - 1, min(count, 40)).astype(int))
    windows = signal[:, : count * samples].reshape(len(signal), count, samples)[:, chosen].transpose(1, 0, 2)
    windows = windows - windows.mean(axis=-1, keepdims=True)
    windows /= np.linalg.norm(windows, axis=-1, keepdims=True) + 1e-12
    correlation = np.abs(windows @ windows.transpose(0, 2, 1))
    index = np.arange(len(signal))
    correlation[:, index, index] = 0
    largest = correlation.max(axis=-1)
    silent = lost[:, : count * samples].reshape(len(signal), count, samples)[:, chosen].any(axis=-1).T
    largest[silent] = np.nan
    largest[:, silent.all(axis=0)] = 1.0
    return np.nanmedian(largest, axis=0)
