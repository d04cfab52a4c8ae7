"""From an array (or MNE object), channel names, rate and unit to the model's input: the signal contract, and the steps that fulfil it.

`DareEegFeatureExtractor` is the only place that turns a recorded signal into a model's input. Its attributes are the signal contract;
they are saved in `preprocessor_config.json` beside the weights. Every step is a function here, so that whole files
(`data/recordings.py`) go through the same arithmetic as arrays. MNE objects are recognised by what they offer: MNE is never imported.
"""

import math
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from transformers.feature_extraction_utils import BatchFeature, FeatureExtractionMixin

from .montage import CHANNEL_VOCABULARY, match_channels, normalize_channel_name

try:  # scipy transforms float32 about twice as fast as numpy; the result is the same.
    from scipy import fft
except ImportError:
    from numpy import fft

MICROVOLTS: dict[str, float] = {"V": 1e6, "mV": 1e3, "uV": 1.0, "nV": 1e-3}
"""One of each unit in microvolts. `µV` and `μV` are accepted for `uV`."""

PLAUSIBLE_MICROVOLTS = (0.1, 2000.0)
"""Spread of unfiltered EEG, median over channels. Real recordings were between 0.8 and 530; neighbouring units are a factor of 1000 apart."""

FLAT_MICROVOLTS = 0.05
"""A channel whose standard deviation stays below this is flat: amplifier noise alone is about ten times that."""

MIN_FILTER_SECONDS = 4.0
"""High-pass and notch need some seconds of signal to act; shorter signals have their mean removed instead."""

NORMALIZED_MARK = "normalised by dare_eeg_hf"
"""Begins `info["description"]` of a Raw that already fulfils the contract; such a Raw is not filtered again."""


class EegWarning(UserWarning):
    """Something about a signal that the user should know, with the channels it concerns."""


@dataclass
class SignalReport:
    """What was done to one input, and what was not there.

    `dropped` maps a recorded name to the reason; `missing` are channels of the vocabulary that the input does not have (they stay
    missing); `amplitude_uv` holds the median, smallest and largest spread (standard deviation in microvolts) over the channels kept.
    """

    channels: list[str] = field(default_factory=list)
    renamed: dict[str, str] = field(default_factory=dict)
    dropped: dict[str, str] = field(default_factory=dict)
    flat: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    amplitude_uv: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The report as a dictionary that JSON can hold."""
        return asdict(self)

    def warn(self, message: str) -> None:
        """Keep a warning in the report and issue it as an `EegWarning`."""
        if message not in self.warnings:
            self.warnings.append(message)
            warnings.warn(message, EegWarning, stacklevel=3)


class EegBatchFeature(BatchFeature):
    """A batch of model inputs; `reports` holds one `SignalReport` per input."""

    def __init__(self, data: dict, tensor_type: str | None = None, reports: Sequence[SignalReport] = ()):
        self.reports = list(reports)
        super().__init__(data, tensor_type=tensor_type)


# ---- signal steps: (channels, samples) float32 arrays -----------------------------------------------------------------


def canonical_unit(unit: str | None) -> str:
    """Return the spelling used here of a unit's name (`'µV'` -> `'uV'`), or raise a `ValueError` that lists the known ones."""
    name = str(unit).strip().replace("µ", "u").replace("μ", "u")
    spellings = {known.lower(): known for known in MICROVOLTS} | {
        "volt": "V",
        "volts": "V",
        "microvolt": "uV",
        "microvolts": "uV",
    }
    # 'MV' is a megavolt to a physicist and a millivolt to many an amplifier: only the amplitude check can tell.
    if unit is None or name.lower() not in spellings:
        raise ValueError(
            f"unknown unit {unit!r}: say in which unit the numbers are, one of {sorted(MICROVOLTS)} (unit='uV')"
        )
    return spellings[name.lower()]


def spread(signal: np.ndarray, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Amplitude of every channel, whatever its offset: standard deviation over everything, and the median over one-second pieces.

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
    """Return the unit in which numbers of this amplitude (as microvolts, read as `unit`) would be plausible EEG, nearest to 20 uV."""
    if amplitude_uv <= 0:
        return None
    as_read = {name: amplitude_uv / MICROVOLTS[unit] * factor for name, factor in MICROVOLTS.items()}
    best = min(as_read, key=lambda name: abs(math.log(as_read[name] / 20.0)))
    low, high = PLAUSIBLE_MICROVOLTS
    return best if low <= as_read[best] <= high and best != unit else None


def check_amplitude(overall_uv: np.ndarray, local_uv: np.ndarray, unit: str) -> None:
    """Raise a `ValueError` when the numbers cannot be EEG in `unit`; the message names the likely unit.

    Args:
        overall_uv, local_uv: the two results of `spread`, in microvolts under the assumption that the numbers are in `unit`.
    """
    low, high = PLAUSIBLE_MICROVOLTS
    smallest, largest = float(np.median(overall_uv)), float(np.median(local_uv))
    if low <= smallest and largest <= high:
        return
    amplitude = smallest if smallest < low else largest
    guess = likely_unit(amplitude, unit)
    remedy = f"the numbers look like {guess}: pass unit={guess!r}" if guess else "check the file and its calibration"
    raise ValueError(
        f"the signal cannot be EEG in {unit}: its median standard deviation would be {amplitude:.3g} uV, EEG has {low:g} to {high:g}; {remedy}"
    )


def line_frequency(signal: np.ndarray, rate: float) -> float | None:
    """Find the mains frequency, 50 or 60 Hz, from the spectrum; None where neither stands out.

    The power within 0.5 Hz of the line is compared with that 2 to 5 Hz away (median over four-second pieces and channels).
    """
    samples = min(signal.shape[-1], int(4 * rate))
    pieces = signal.shape[-1] // samples
    if samples < rate:
        return None
    # At most five minutes, spread over the recording, tell as much as all of it.
    chosen = np.unique(np.linspace(0, pieces - 1, min(pieces, 75)).astype(int))
    cut = signal[:, : pieces * samples].reshape(len(signal), pieces, samples)[:, chosen]
    window = np.hanning(samples).astype(np.float32)
    power = np.abs(fft.rfft((cut - cut.mean(axis=-1, keepdims=True)) * window, axis=-1)) ** 2
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
    return best if best is not None and contrast[best] > 10.0 else None


def _gain(
    frequency: np.ndarray, highpass: float | None, lowpass: float | None, notches: Sequence[float]
) -> np.ndarray:
    """Zero-phase gain with raised-cosine edges, as wide as MNE's default FIR filters: (frequencies,) in 0..1."""

    def rise(distance: np.ndarray, width: float) -> np.ndarray:
        return 0.5 - 0.5 * np.cos(np.pi * np.clip(distance / width, 0, 1))

    gain = np.ones(len(frequency))
    if highpass:
        width = min(max(0.25 * highpass, 2.0), highpass)
        gain *= rise(frequency - (highpass - width), width)
    if lowpass:
        gain *= rise(lowpass + max(0.25 * lowpass, 2.0) - frequency, max(0.25 * lowpass, 2.0))
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

    Filtering and resampling are both products in the frequency domain, so one forward and one (shorter or longer) inverse transform do the
    work of three filters. The ends are continued by point reflection before the transform, as MNE does. Sample 0 stays at time 0.

    Args:
        signal: (channels, samples) float32.
        rate, new_rate: hertz. Any ratio is taken as a fraction; the result has `round(samples * new_rate / rate)` samples.
        highpass, lowpass: hertz, passed unchanged between them; None leaves that side alone. Without a high-pass the mean stays.
        notches: hertz; each takes out 1% around it, with edges of 1 Hz.
    """
    new_rate = new_rate or rate
    ratio = Fraction(new_rate / rate).limit_denominator(20_000)
    samples = signal.shape[-1]
    new_samples = round(samples * ratio)
    if ratio == 1 and not (highpass or lowpass or len(notches)):
        return signal
    # The impulse responses have died away after 3.3 / width seconds, half of it on each side; 0.5 Hz is the narrowest edge.
    seconds = 3.5 if highpass or len(notches) else 0.5
    down, up = ratio.denominator, ratio.numerator
    pad = math.ceil(seconds * rate / down) * down
    blocks = fft_length(math.ceil((samples + 2 * pad) / down))
    padded, new_padded = blocks * down, blocks * up
    frequency = np.arange(padded // 2 + 1) * (rate / padded)
    gain = _gain(frequency, highpass, lowpass, notches)
    if new_rate < rate:
        # Anti-alias: the last tenth below the new Nyquist frequency fades out, unless the low-pass lies lower anyway.
        nyquist = new_rate / 2
        gain *= 0.5 + 0.5 * np.cos(np.pi * np.clip((frequency - 0.9 * nyquist) / (0.1 * nyquist), 0, 1))
    gain = (gain[: new_padded // 2 + 1] * (new_padded / padded)).astype(np.float32)

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
        if not highpass:
            result[start : start + rows] += mean
    return result


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
    """Remove from every channel, at each sample, the mean over the `valid` (channels,) ones. Works in place on (channels, samples)."""
    signal -= signal[valid].mean(axis=0) if valid is not None else signal.mean(axis=0)
    return signal


# ---- the feature extractor ----------------------------------------------------------------------------------------------


@dataclass
class _Input:
    """One signal (channels, samples) on its way through the steps, with what is known about it."""

    signal: np.ndarray
    names: list[str]
    rate: float
    unit: str
    excluded: dict[str, str] = field(default_factory=dict)
    """Recorded name -> reason, for channels that the source itself rules out (MNE's channel types and `bads`)."""
    continuous: bool = False
    batch: int = 0
    """Inputs that came as one array share this number, and are checked for their amplitude together."""


class DareEegFeatureExtractor(FeatureExtractionMixin):
    """Turns EEG signals into the input of a DARE-EEG model. Its arguments are the signal contract.

    Args:
        sampling_rate (`int` or `float`): hertz of the model's input.
        unit (`str`): unit of the model's input; the models are trained on millivolts.
        reference (`str`, *optional*): `"average"` removes the mean over the valid channels at each sample; None leaves the reference.
        highpass, lowpass (`float`, *optional*): hertz. The band of the training data.
        notch (`str` or `float`, *optional*): mains frequency to take out: `"auto"` finds 50 or 60 Hz in the spectrum; None does nothing.
        window_size (`int`): samples of the windows the model was trained on.
        patch_size (`int`): samples of a patch; signals are padded to whole patches.
        channel_names (`list[str]`): the vocabulary, in the order of the model's embedding table.
        electrode_names (`list[str]`, *optional*): for a classifier adapted to the electrodes of one data set: exactly these channels,
            in this order, whatever their names. A missing one is an error and `channel_ids` are zeros.

    Example:

    ```python
    >>> extractor = DareEegFeatureExtractor()
    >>> batch = extractor(signal, channel_names=["Fp1", "Cz", "O2"], sampling_rate=250, unit="uV")
    >>> batch["input_values"].shape, batch.reports[0].missing
    ```
    """

    model_input_names = ["input_values", "channel_ids", "channel_mask", "patch_mask"]

    def __init__(
        self,
        sampling_rate: float = 256,
        unit: str = "mV",
        reference: str | None = "average",
        highpass: float | None = 0.5,
        lowpass: float | None = 75.0,
        notch: str | float | None = "auto",
        window_size: int = 1024,
        patch_size: int = 64,
        channel_names: Sequence[str] = CHANNEL_VOCABULARY,
        electrode_names: Sequence[str] | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.sampling_rate = sampling_rate
        self.unit = canonical_unit(unit)
        self.reference = reference
        self.highpass = highpass
        self.lowpass = lowpass
        self.notch = notch
        self.window_size = window_size
        self.patch_size = patch_size
        self.channel_names = list(channel_names)
        self.electrode_names = None if electrode_names is None else list(electrode_names)
        if sampling_rate <= 0:
            raise ValueError(f"sampling_rate must be positive, got {sampling_rate}")
        if reference not in ("average", None):
            raise ValueError(f"reference must be 'average' or None, got {reference!r}")
        if window_size % patch_size:
            raise ValueError(f"window_size {window_size} is no multiple of patch_size {patch_size}")
        if highpass and lowpass and highpass >= lowpass:
            raise ValueError(f"highpass {highpass} Hz must lie below lowpass {lowpass} Hz")
        if not (notch is None or notch == "auto" or (isinstance(notch, int | float) and notch > 0)):
            raise ValueError(f"notch must be 'auto', a frequency in hertz or None, got {notch!r}")
        if electrode_names is not None and len(set(self.electrode_names)) < len(self.electrode_names):
            raise ValueError(f"electrode_names holds a name twice: {self.electrode_names}")

    def __call__(
        self,
        signal: Any,
        channel_names: Sequence[str] | Sequence[Sequence[str]] | None = None,
        sampling_rate: float | Sequence[float] | None = None,
        unit: str | None = None,
        *,
        filter: bool | None = None,
        padding: bool = True,
        return_tensors: str | None = "pt",
    ) -> EegBatchFeature:
        """Prepare one signal or many.

        Args:
            signal: (channels, samples) or (batch, channels, samples), numpy or torch; a list of (channels, samples) of any sizes; an MNE Raw
                or Epochs, or a list of them.
            channel_names: one name per channel; for a list of signals one list each, unless all have the same. Not with MNE objects.
            sampling_rate: hertz of the signal (or one per signal of a list). Not with MNE objects.
            unit: "V", "mV", "uV" or "nV". There is no default for arrays, because a wrong guess is a factor of a thousand. MNE means volts.
            filter: band-pass and notch as in the contract, zero-phase. By default an MNE Raw is filtered, while arrays and Epochs are taken as
                filtered already: a few seconds are too short for a 0.5 Hz filter without edge effects.
            padding: pad signals of different channel counts or lengths; False makes a difference an error.
            return_tensors: "pt" or "np".

        Returns:
            `input_values` (B, C, T) float32 in the contract's unit, `channel_ids` (B, C) int64, `channel_mask` (B, C) bool, `patch_mask` (B, N)
            bool, and `.reports`. Padded and flat channels have `channel_mask` False; patches that the signal does not fill `patch_mask` False.

        Raises:
            ValueError: wrong shape, missing names, rate or unit, duplicate names, no known channel, NaN or infinity, an amplitude that the unit
                cannot explain, less than one patch. The message names the channel and the remedy.
        """
        inputs = self._read_inputs(signal, channel_names, sampling_rate, unit)
        matches: dict[tuple, tuple] = {}
        prepared, reports, spreads = [], [], []
        for item in inputs:
            key = (tuple(item.names), tuple(item.excluded.items()))
            if key not in matches:
                matches[key] = self._select_channels(item)
            report = SignalReport(**{name: type(value)(value) for name, value in matches[key][1].items()})
            prepared.append(self._pick(item, matches[key][0], report))
            spreads.append(tuple(value * MICROVOLTS[item.unit] for value in spread(prepared[-1], item.rate)))
            reports.append(report)
        self._check_amplitudes(inputs, spreads, reports)
        for index, (item, report) in enumerate(zip(inputs, reports, strict=True)):
            wanted = item.continuous if filter is None else filter
            prepared[index] = self._prepare(prepared[index], item, spreads[index], wanted, report)
        return self._collate(prepared, reports, padding, return_tensors)

    # -- reading what the user gave

    def _read_inputs(self, signal, channel_names, sampling_rate, unit) -> list[_Input]:
        many = isinstance(signal, list | tuple) and len(signal) > 0 and (_is_mne(signal[0]) or np.ndim(signal[0]) >= 2)
        signals = list(signal) if many else [signal]
        if many and channel_names is not None and not isinstance(channel_names[0], str):
            if len(channel_names) != len(signals):
                raise ValueError(f"{len(signals)} signals but {len(channel_names)} lists of channel names")
            names = channel_names
        else:
            names = [channel_names] * len(signals)
        rates = list(sampling_rate) if isinstance(sampling_rate, list | tuple) else [sampling_rate] * len(signals)
        if len(rates) != len(signals):
            raise ValueError(f"{len(signals)} signals but {len(rates)} sampling rates")
        inputs = []
        for batch, (one, own_names, rate) in enumerate(zip(signals, names, rates, strict=True)):
            read = _read_mne if _is_mne(one) else _read_array
            inputs += read(one, own_names, rate, unit, batch)
        return inputs

    def _select_channels(self, item: _Input) -> tuple[list[int], dict[str, Any]]:
        """Choose the rows to keep; also the first entries of the report."""
        usable = [name for name in item.names if name not in item.excluded]
        if self.electrode_names is not None:
            indices, dropped, renamed = self._select_electrodes(item.names, item.excluded)
            return indices, {
                "channels": list(self.electrode_names),
                "dropped": item.excluded | dropped,
                "renamed": renamed,
            }
        match = match_channels(usable, self.channel_names)
        if match.duplicates:
            clashes = "; ".join(f"{target}: {', '.join(names)}" for target, names in match.duplicates.items())
            raise ValueError(
                f"several channels claim the same electrode ({clashes}): rename them or leave all but one out"
            )
        if not match.indices:
            reasons = ", ".join(f"{name} ({reason})" for name, reason in (item.excluded | match.dropped).items())
            raise ValueError(
                f"none of the {len(item.names)} channels is an electrode of the model's vocabulary: {reasons}"
            )
        position = {name: index for index, name in enumerate(item.names)}
        indices = [position[usable[index]] for index in match.indices.values()]
        return indices, {
            "channels": list(match.indices),
            "renamed": match.renamed,
            "dropped": item.excluded | match.dropped,
            "missing": [name for name in self.channel_names if name not in match.indices],
        }

    def _select_electrodes(self, names: list[str], excluded: dict[str, str]) -> tuple[list[int], dict, dict]:
        """Find `electrode_names` among the recorded names: under exactly that name, otherwise under the same normalised one."""
        indices, renamed = [], {}
        for wanted in self.electrode_names:
            found = [i for i, name in enumerate(names) if name == wanted and name not in excluded] or [
                i
                for i, name in enumerate(names)
                if normalize_channel_name(name) == normalize_channel_name(wanted) and name not in excluded
            ]
            if not found:
                reason = f" ({excluded[wanted]})" if wanted in excluded else ""
                raise ValueError(
                    f"the electrode {wanted!r}{reason} is missing; this model needs {self.electrode_names}, got {names}"
                )
            if len(found) > 1:
                raise ValueError(f"several channels claim the electrode {wanted!r}: {[names[i] for i in found]}")
            indices.append(found[0])
            if names[found[0]] != wanted:
                renamed[names[found[0]]] = wanted
        dropped = {name: "not among the electrodes of this model" for i, name in enumerate(names) if i not in indices}
        return indices, {name: reason for name, reason in dropped.items() if name not in excluded}, renamed

    # -- the steps

    def _pick(self, item: _Input, indices: list[int], report: SignalReport) -> np.ndarray:
        """Rows of the chosen channels, in the unit they came in, as float32 without offsets that would swamp it."""
        rows = item.signal[indices]
        finite = np.isfinite(rows).all(axis=-1)
        if not finite.all():
            broken = [report.channels[i] for i in np.flatnonzero(~finite)]
            count = int((~np.isfinite(rows)).sum())
            raise ValueError(
                f"{count} samples are NaN or infinite, in {', '.join(broken)}: interpolate or cut them out, or drop the channel"
            )
        if report.dropped:
            report.warn("dropped " + ", ".join(f"{name} ({reason})" for name, reason in report.dropped.items()))
        return rows

    def _check_amplitudes(self, inputs: list[_Input], spreads: list[tuple], reports: list[SignalReport]) -> None:
        for batch in {item.batch for item in inputs}:
            members = [i for i, item in enumerate(inputs) if item.batch == batch]
            overall = np.concatenate([spreads[i][0] for i in members])
            alive = overall > 0
            if not alive.any():
                raise ValueError("every channel is flat: there is no signal")
            local = np.concatenate([spreads[i][1] for i in members])
            check_amplitude(overall[alive], local[alive], inputs[members[0]].unit)
            for i in members:
                high = float(np.median(spreads[i][1]))
                if high > PLAUSIBLE_MICROVOLTS[1]:
                    reports[i].warn(f"window {i} has a median standard deviation of {high:.0f} uV: an artefact?")

    def _prepare(
        self, rows: np.ndarray, item: _Input, spreads: tuple, filtered: bool, report: SignalReport
    ) -> np.ndarray:
        """Unit, filters, rate, reference: from (channels, samples) as recorded to the contract."""
        overall_uv = spreads[0]
        report.amplitude_uv = {
            "median": float(np.median(overall_uv)),
            "smallest": float(overall_uv.min()),
            "largest": float(overall_uv.max()),
        }
        flat = overall_uv < FLAT_MICROVOLTS
        report.flat = [name for name, is_flat in zip(report.channels, flat, strict=True) if is_flat]
        if report.flat:
            report.warn(
                f"flat: {', '.join(report.flat)}; masked"
                if self.electrode_names is None
                else f"flat: {', '.join(report.flat)}"
            )
        factor = MICROVOLTS[item.unit] / MICROVOLTS[self.unit]
        signal = np.multiply(rows, factor, dtype=np.float64).astype(np.float32)
        if factor != 1:
            report.steps.append(f"unit {item.unit} to {self.unit}")
        if not filtered:
            self._remove_offsets(signal, overall_uv, report)
        signal = self.filter_and_resample(signal, item.rate, report, filtered=filtered)
        if self.reference == "average":
            self.rereference(signal, ~flat, report)
        if self.electrode_names is None:
            signal[flat] = 0.0
        return signal

    def _remove_offsets(self, signal: np.ndarray, overall_uv: np.ndarray, report: SignalReport) -> None:
        """Take away offsets that no band-passed signal has, such as the 4000 uV of unfiltered consumer amplifiers."""
        mean = signal.mean(axis=-1)
        offset_uv = np.abs(mean) * MICROVOLTS[self.unit]
        shifted = (offset_uv > 100) & (offset_uv > 5 * overall_uv)
        if shifted.any():
            signal[shifted] -= mean[shifted, None]
            names = [name for name, is_shifted in zip(report.channels, shifted, strict=True) if is_shifted]
            report.warn(
                f"removed a constant offset of up to {offset_uv.max():.0f} uV ({', '.join(names)}): the signal seems unfiltered, consider filter=True"
            )
            report.steps.append("constant offset removed")

    def filter_and_resample(
        self,
        signal: np.ndarray,
        rate: float,
        report: SignalReport,
        *,
        filtered: bool = True,
        notch: float | str | None = "contract",
    ) -> np.ndarray:
        """Bring (channels, samples) float32 to the contract's band (where `filtered`) and rate; each step is written to the report.

        Args:
            signal: in any unit. `rate`: hertz.
            notch: mains frequency where it is known already (pieces of one recording); by default as in the contract.
        """
        options: dict[str, Any] = {}
        if filtered:
            seconds = signal.shape[-1] / rate
            long_enough = seconds >= MIN_FILTER_SECONDS
            line = self.notch if notch == "contract" else notch
            line = line_frequency(signal, rate) if line == "auto" else line
            if self.highpass and long_enough:
                options["highpass"] = self.highpass
                report.steps.append(f"high-pass {self.highpass:g} Hz")
            elif self.highpass:
                signal = signal - signal.mean(axis=-1, keepdims=True)
                report.steps.append("mean removed")
                report.warn(
                    f"{seconds:.2f} s are too short for a {self.highpass:g} Hz high-pass and a notch: only the mean was removed"
                )
            if self.lowpass and self.lowpass < rate / 2:
                options["lowpass"] = self.lowpass
                report.steps.append(f"low-pass {self.lowpass:g} Hz")
            elif self.lowpass:
                report.steps.append(f"no low-pass: {rate:g} Hz holds nothing above {rate / 2:g} Hz")
            if line and long_enough:
                top = min(rate / 2, (self.lowpass or rate) * 1.25)
                options["notches"] = [line * k for k in range(1, int(top // line) + 1)]
                if options["notches"]:
                    report.steps.append("notch " + ", ".join(f"{f:g}" for f in options["notches"]) + " Hz")
        else:
            report.steps.append("not filtered")
        if rate != self.sampling_rate:
            report.steps.append(f"resampled {rate:g} to {self.sampling_rate:g} Hz, anti-aliased")
        return filter_and_resample(signal, rate, self.sampling_rate, **options)

    def rereference(self, signal: np.ndarray, valid: np.ndarray, report: SignalReport) -> np.ndarray:
        """Average reference in place over the `valid` channels of (channels, samples), as far as their number allows it."""
        count = int(valid.sum())
        if count < 2:
            report.warn("an average reference needs two channels at least: the recorded reference stays")
            return signal
        if count < 8:
            report.warn(
                f"the average of only {count} channels is a poor reference: local activity is taken out with it"
            )
        report.steps.append(f"average reference over {count} channels")
        return average_reference(signal, valid)

    # -- the batch

    def _collate(
        self, signals: list[np.ndarray], reports: list[SignalReport], padding: bool, return_tensors
    ) -> EegBatchFeature:
        shapes = {signal.shape for signal in signals}
        if len(shapes) > 1 and not padding:
            raise ValueError(f"the inputs differ in channels or samples {sorted(shapes)}: pass padding=True")
        shortest = min(shape[1] for shape in shapes)
        if shortest < self.patch_size:
            raise ValueError(
                f"a signal of {shortest / self.sampling_rate:.3f} s is too short: one patch takes {self.patch_size / self.sampling_rate:g} s"
            )
        channels = max(shape[0] for shape in shapes)
        patches = max(math.ceil(shape[1] / self.patch_size) for shape in shapes)
        values = np.zeros((len(signals), channels, patches * self.patch_size), np.float32)
        ids = np.zeros((len(signals), channels), np.int64)
        channel_mask = np.zeros((len(signals), channels), bool)
        patch_mask = np.zeros((len(signals), patches), bool)
        position = {name: index for index, name in enumerate(self.channel_names)}
        for row, (signal, report) in enumerate(zip(signals, reports, strict=True)):
            whole, rest = divmod(signal.shape[1], self.patch_size)
            values[row, : len(signal), : whole * self.patch_size] = signal[:, : whole * self.patch_size]
            patch_mask[row, :whole] = True
            if rest:
                report.steps.append(f"the last {rest} samples fill no patch and are left out")
            channel_mask[row, : len(signal)] = True
            if self.electrode_names is None:
                ids[row, : len(signal)] = [position[name] for name in report.channels]
                channel_mask[row, [report.channels.index(name) for name in report.flat]] = False
        data = {"input_values": values, "channel_ids": ids, "channel_mask": channel_mask, "patch_mask": patch_mask}
        return EegBatchFeature(data, return_tensors, reports)


def _is_mne(thing: Any) -> bool:
    return hasattr(thing, "get_data") and hasattr(thing, "ch_names") and hasattr(thing, "info")


def _read_mne(instance: Any, channel_names, sampling_rate, unit, batch: int) -> list[_Input]:
    """An MNE Raw (one input) or Epochs (one per epoch)."""
    if channel_names is not None or sampling_rate is not None or unit is not None:
        raise ValueError(
            "an MNE object brings its own channel names, sampling rate and unit (volts): do not pass them"
        )
    types = dict(zip(instance.ch_names, instance.get_channel_types(), strict=True))
    excluded = {name: f"channel type {kind}" for name, kind in types.items() if kind != "eeg"}
    excluded |= dict.fromkeys(instance.info["bads"], "marked bad")
    data = instance.get_data()
    normalised = (instance.info.get("description") or "").startswith(NORMALIZED_MARK)
    continuous = data.ndim == 2 and not normalised
    signals = data[None] if data.ndim == 2 else data
    rate = float(instance.info["sfreq"])
    return [_Input(one, list(instance.ch_names), rate, "V", excluded, continuous, batch) for one in signals]


def _read_array(signal: Any, channel_names, sampling_rate, unit, batch: int) -> list[_Input]:
    """An array (channels, samples), or (batch, channels, samples), with its description checked."""
    array = signal.detach().cpu().numpy() if isinstance(signal, torch.Tensor) else np.asarray(signal)
    if array.ndim not in (2, 3):
        raise ValueError(
            f"the signal must be (channels, samples) or (batch, channels, samples), got shape {array.shape}"
        )
    if array.dtype.kind not in "fiu":
        raise ValueError(f"the signal must hold real numbers, got {array.dtype}")
    if channel_names is None:
        raise ValueError(f"channel_names is missing: name the {array.shape[-2]} channels, such as ['Fp1', 'Cz', ...]")
    if sampling_rate is None:
        raise ValueError("sampling_rate is missing: give the signal's rate in hertz")
    if not (np.isfinite(sampling_rate) and sampling_rate > 0):
        raise ValueError(f"sampling_rate must be positive, got {sampling_rate}")
    if unit is None:
        raise ValueError("unit is missing: say in which unit the numbers are, 'V', 'mV' or 'uV'")
    names = [str(name) for name in channel_names]
    if len(names) != array.shape[-2]:
        hint = " (are its axes swapped?)" if len(names) == array.shape[-1] else ""
        raise ValueError(
            f"{len(names)} channel names for a signal of {array.shape[-2]} channels{hint}: shape {array.shape}"
        )
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"duplicate channel names: {', '.join(repeated)}")
    if array.shape[-1] == 0 or array.shape[0] == 0:
        raise ValueError(f"the signal is empty: shape {array.shape}")
    array = array.astype(np.float32) if array.dtype.kind != "f" or array.dtype.itemsize < 4 else array
    signals = array[None] if array.ndim == 2 else array
    return [_Input(one, names, float(sampling_rate), canonical_unit(unit), batch=batch) for one in signals]
