"""What is done to a signal, step by step: units, amplitude check, mains frequency, filters and resampling, average
reference.

Everything here takes (channels, samples) arrays and needs only numpy (scipy makes it faster). The feature extractor
and the reading of whole files both go through these functions, so an array and a file end up the same.
"""

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from .remedies_dare_eeg import InputError, Remedy

MICROVOLTS: dict[str, float] = {"V": 1e6, "mV": 1e3, "uV": 1.0, "nV": 1e-3}
"""One of each unit in microvolts. `µV` and `μV` are accepted for `uV`."""

PLAUSIBLE_MICROVOLTS = (0.1, 2000.0)
"""Spread of unfiltered EEG, median over channels. Real recordings had 0.8 to 530; neighbouring units are a factor of
1000 apart."""

FLAT_MICROVOLTS = 0.05
"""A channel whose standard deviation stays below this is flat: amplifier noise alone is about ten times that."""


def canonical_unit(unit: str | None) -> str:
    """Return the spelling used here of a unit's name (`'µV'` -> `'uV'`), or raise a `ValueError` that lists the known
    ones."""
    name = str(unit).strip().replace("µ", "u").replace("μ", "u")
    spellings = {known.lower(): known for known in MICROVOLTS} | {
        "volt": "V",
        "volts": "V",
        "microvolt": "uV",
        "microvolts": "uV",
    }
    # 'MV' is a megavolt to a physicist and a millivolt to many amplifiers: only the amplitude check can tell.
    if unit is None or name.lower() not in spellings:
        raise InputError(
            f"unknown unit {unit!r}; say which unit the numbers are in, one of {', '.join(MICROVOLTS)}",
            Remedy("unit", "uV"),
        )
    return spellings[name.lower()]


def spread(signal: np.ndarray, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Amplitude of every channel, whatever its offset: standard deviation over everything, and the median over
    one-second segments.

    Args:
        signal: (channels, samples), any unit. `rate`: hertz.

    Returns:
        Two arrays (channels,) in the signal's unit. The second ignores drifts and single artefacts.
    """
    seconds = max(1, int(rate))
    pieces = signal.shape[-1] // seconds
    overall = signal.std(axis=-1)
    if pieces < 2:
        return overall, overall
    cut = signal[..., : pieces * seconds].reshape(*signal.shape[:-1], pieces, seconds)
    return overall, np.median(cut.std(axis=-1), axis=-1)


def likely_unit(amplitude_uv: float, unit: str) -> str | None:
    """Return the unit in which numbers of this amplitude (as microvolts, read as `unit`) would be plausible EEG,
    nearest to 20 uV."""
    if amplitude_uv <= 0:
        return None
    as_read = {name: amplitude_uv / MICROVOLTS[unit] * factor for name, factor in MICROVOLTS.items()}
    best = min(as_read, key=lambda name: abs(math.log(as_read[name] / 20.0)))
    low, high = PLAUSIBLE_MICROVOLTS
    return best if low <= as_read[best] <= high and best != unit else None


def check_amplitude(overall_uv: np.ndarray, local_uv: np.ndarray, unit: str) -> None:
    """Raise a `ValueError` when the numbers cannot be EEG in `unit`; the message names the likely unit.

    Args:
        overall_uv, local_uv: the two results of `spread`, in microvolts under the assumption that the numbers are in
            `unit`.
    """
    low, high = PLAUSIBLE_MICROVOLTS
    smallest, largest = float(np.median(overall_uv)), float(np.median(local_uv))
    if low <= smallest and largest <= high:
        return
    amplitude = smallest if smallest < low else largest
    guess = likely_unit(amplitude, unit)
    advice = f"the numbers look like {guess}" if guess else "check the file and its calibration"
    raise InputError(
        f"the signal cannot be EEG in {unit}: its median standard deviation would be {amplitude:.3g} uV, "
        f"EEG has {low:g} to {high:g}; {advice}",
        *([Remedy("unit", guess)] if guess else []),
    )


def line_frequency(signal: np.ndarray, rate: float) -> float | None:
    """Find the mains frequency, 50 or 60 Hz, from the spectrum; None where neither stands out.

    The power within 0.5 Hz of the line is compared with that 2 to 5 Hz away (median over four-second segments and
    channels).
    """
    samples = min(signal.shape[-1], int(4 * rate))
    pieces = signal.shape[-1] // samples
    if samples < rate:
        return None
    # A few minutes of a few channels, spread over the recording and the head, tell as much as all of it.
    chosen = np.unique(np.linspace(0, pieces - 1, min(pieces, 40)).astype(int))
    channels = np.unique(np.linspace(0, len(signal) - 1, min(len(signal), 16)).astype(int))
    cut = np.stack([signal[channels, piece * samples : (piece + 1) * samples] for piece in chosen], axis=1)
    window = np.hanning(samples).astype(np.float32)
    power = np.abs(_fft().rfft((cut - cut.mean(axis=-1, keepdims=True)) * window, axis=-1)) ** 2
    power = np.median(power, axis=1)
    frequency = np.arange(power.shape[-1]) * rate / samples
    contrast = {}
    for line in (50.0, 60.0):
        distance = np.abs(frequency - line)
        around = (distance >= 2) & (distance <= 5)
        if line + 2 < rate / 2 and around.any():
            peak = power[:, distance <= 0.5].max(axis=-1)
            contrast[line] = float(np.median(peak / (np.median(power[:, around], axis=-1) + 1e-20)))
    best = max(contrast, key=contrast.get, default=None)
    threshold = 3.0 if pieces >= 8 else 10.0  # the peak of few pieces is high by chance
    return best if best is not None and contrast[best] > threshold else None


def _gain(
    frequency: np.ndarray, rate: float, highpass: float | None, lowpass: float | None, notches: Sequence[float]
) -> np.ndarray:
    """Zero-phase gain with raised-cosine edges, as wide as MNE's default FIR filters: (frequencies,) in 0..1."""

    def rise(distance: np.ndarray, width: float) -> np.ndarray:
        return 0.5 - 0.5 * np.cos(np.pi * np.clip(distance / width, 0, 1))

    gain = np.ones(len(frequency))
    if highpass:
        width = min(max(0.25 * highpass, 2.0), highpass)
        gain *= rise(frequency - (highpass - width), width)
    if lowpass:
        width = min(max(0.25 * lowpass, 2.0), rate / 2 - lowpass)
        gain *= rise(lowpass + width - frequency, width)
    for notch in notches:
        gain *= rise(np.abs(frequency - notch) - notch / 200, 1.0)
    return gain


def filter_and_resample(
    signal: np.ndarray,
    rate: float,
    new_rate: float | None = None,
    *,
    highpass: float | None = None,
    lowpass: float | None = None,
    notches: Sequence[float] = (),
) -> np.ndarray:
    """Band-pass, notch and anti-aliased resampling, all zero-phase and in one pass over the spectrum.

    Filtering and resampling are both products in the frequency domain, so one forward and one (shorter or longer)
    inverse transform do the work of three filters. The ends are continued by point reflection before the transform, as
    MNE does. Sample 0 stays at time 0.

    Args:
        signal: (channels, samples) float32.
        rate, new_rate: hertz. Any ratio is taken as a fraction; the result has `round(samples * new_rate / rate)`
            samples.
        highpass, lowpass: hertz, passed unchanged between them; None leaves that side alone. Without a high-pass the
            mean stays.
        notches: hertz; each removes 1% around it, with edges of 1 Hz.
    """
    new_rate = new_rate or rate
    ratio = Fraction(new_rate / rate).limit_denominator(20_000)
    samples = signal.shape[-1]
    new_samples = round(samples * ratio)
    if ratio == 1 and not (highpass or lowpass or len(notches)):
        return signal
    # The impulse responses have died away after 3.3 / width seconds, half of it on each side; 0.5 Hz is the narrowest
    # edge.
    seconds = 3.5 if highpass or len(notches) else 0.5
    down, up = ratio.denominator, ratio.numerator
    pad = math.ceil(seconds * rate / down) * down
    blocks = fft_length(math.ceil((samples + 2 * pad) / down))
    padded, new_padded = blocks * down, blocks * up
    frequency = np.arange(padded // 2 + 1) * (rate / padded)
    gain = _gain(frequency, rate, highpass, lowpass, notches)
    if new_rate < rate:
        # Anti-alias: the last tenth below the new Nyquist frequency fades out, unless the low-pass lies lower anyway.
        nyquist = new_rate / 2
        gain *= 0.5 + 0.5 * np.cos(np.pi * np.clip((frequency - 0.9 * nyquist) / (0.1 * nyquist), 0, 1))
    gain = (gain[: new_padded // 2 + 1] * (new_padded / padded)).astype(np.float32)

    fft = _fft()
    result = np.empty((len(signal), new_samples), np.float32)
    rows = max(1, 4_000_000 // padded)  # blocks of channels that stay near the processor's caches and bound the memory
    reach = min(pad, samples - 1)
    work = np.zeros((min(rows, len(signal)), padded), np.float32)
    for start in range(0, len(signal), rows):
        block = signal[start : start + rows]
        mean = block.mean(axis=-1, keepdims=True)
        view = work[: len(block)]
        body = view[:, pad : pad + samples]
        np.subtract(block, mean, out=body)
        view[:, pad - reach : pad] = 2 * body[:, :1] - body[:, reach:0:-1]
        view[:, pad + samples : pad + samples + reach] = 2 * body[:, -1:] - body[:, -2 : -2 - reach : -1]
        spectrum = fft.rfft(view, axis=-1)[:, : len(gain)]
        spectrum *= gain
        if up > down and spectrum.shape[-1] < new_padded // 2 + 1 and padded % 2 == 0:
            spectrum[:, -1] *= 0.5  # the old Nyquist bin stands for two mirrored ones
        filtered = fft.irfft(spectrum, new_padded, axis=-1)
        offset = pad // down * up
        result[start : start + rows] = filtered[:, offset : offset + new_samples]
        if highpass and samples < 10 * rate:
            # The point reflection holds the ends at zero, and a short signal as a whole away from it.
            result[start : start + rows] -= result[start : start + rows].mean(axis=-1, keepdims=True)
        elif not highpass:
            result[start : start + rows] += mean
    return result


def _fft() -> Any:
    """scipy's transforms, which take float32 about twice as fast as numpy's; the result is the same."""
    try:
        from scipy import fft  # here, because loading it takes longer than all else that this module needs
    except ImportError:
        from numpy import fft
    return fft


def fft_length(samples: int) -> int:
    """Return the next length from `samples` up that has only the factors 2, 3 and 5."""
    best = 1 << (samples - 1).bit_length()
    for five in range(math.ceil(math.log(best, 5)) + 1):
        for three in range(math.ceil(math.log(best, 3)) + 1):
            odd = 5**five * 3**three
            if odd >= best:
                break
            best = min(best, odd << max(0, math.ceil(math.log2(samples / odd)))) if odd < samples else min(best, odd)
    return best


def average_reference(signal: np.ndarray, valid: np.ndarray | None = None) -> np.ndarray:
    """Remove from every channel, at each sample, the mean over the `valid` ones. Works in place.

    Args:
        signal: (channels, samples).
        valid: bool (channels,), or (channels, samples) where channels are valid for a part of the time; at samples
            without any nothing is removed.
    """
    if valid is None:
        mean = signal.mean(axis=0)
    elif valid.ndim == 1:
        mean = signal[valid].mean(axis=0)
    else:
        mean = np.where(valid, signal, 0).sum(axis=0) / np.maximum(valid.sum(axis=0), 1)
    signal -= mean.astype(signal.dtype, copy=False)
    return signal
