"""Turns an array or MNE object with channel names, rate and unit into the model's input, by the signal contract.

`DareEegFeatureExtractor` is the only place that turns a recorded signal into a model's input. Its attributes are the
signal contract; they are saved in `preprocessor_config.json` beside the weights. Whole files
(`recordings/recordings.py`) go through the same steps as arrays. `given_signals_dare_eeg` reads what the
user gave.
"""

import inspect
import warnings
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from transformers.feature_extraction_utils import FeatureExtractionMixin

from .argument_names import refuse_misspelt_names, refuse_unknown_names, suggest
from .given_signals_dare_eeg import SignalInput, check_amplitudes, pick_channels, read_inputs, select_channels
from .montage import CHANNEL_VOCABULARY
from .signal_batches_dare_eeg import EegBatchFeature, collate_signals
from .signal_dare_eeg import (
    FLAT_MICROVOLTS,
    MICROVOLTS,
    average_reference,
    canonical_unit,
    filter_and_resample,
    line_frequency,
    spread,
)
from .signal_reports_dare_eeg import EegWarning, SignalReport, amplitude_statistics
from .usability_dare_eeg import uninterrupted

if TYPE_CHECKING:  # it needs PyTorch, and a contract does not
    from .configuration_dare_eeg import DareEegConfig

__all__ = ["DareEegFeatureExtractor", "EegBatchFeature", "EegWarning", "SignalReport"]

MIN_FILTER_SECONDS = 4.0
"""High-pass and notch need some seconds of signal to act; shorter signals have their mean removed instead."""

AVERAGE_FROM = 5
"""Channels. Open and closed eyes are told in 0.95 of windows from O1 and O2 as recorded and in 0.80 against their
average, in 0.86 and 0.56 from C3, Cz and C4 (docs/results.md)."""

_NAMES_OF_TRANSFORMERS = ("auto_map", "feature_extractor_type", "name_or_path", "processor_class")
"""What Transformers stores in preprocessor_config.json in addition to the contract."""

NORMALIZED_MARK = "normalised by dare_eeg_hf"
"""Begins `info["description"]` of a Raw that already fulfils the contract; such a Raw is not filtered again."""


class DareEegFeatureExtractor(FeatureExtractionMixin):
    """Turns EEG signals into the input of a DARE-EEG model. Its arguments are the signal contract.

    Args:
        sampling_rate (`int` or `float`): hertz of the model's input.
        unit (`str`): unit of the model's input; the models are trained on millivolts.
        reference (`str`, *optional*): `"average"` removes the mean over the valid channels at each sample; None leaves
            the reference.
        average_from (`int`): recordings of fewer channels keep the reference they have. The average of C3, Cz and C4
            is what they have in common, and with it goes the rhythm.
        highpass, lowpass (`float`, *optional*): hertz. The band of the training data.
        notch (`str` or `float`, *optional*): mains frequency to remove: `"auto"` finds 50 or 60 Hz in the spectrum;
            None does nothing.
        window_size (`int`): samples of the windows the model was trained on.
        patch_size (`int`): samples of a patch; signals are padded to whole patches.
        channel_names (`list[str]`): the vocabulary, in the order of the model's embedding table.
        electrode_names (`list[str]`, *optional*): for a classifier adapted to the electrodes of one data set: exactly
            these channels, in this order, whatever their names. A missing one is an error and `channel_ids` are zeros.

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
        average_from: int = AVERAGE_FROM,
        highpass: float | None = 0.5,
        lowpass: float | None = 75.0,
        notch: str | float | None = "auto",
        window_size: int = 1024,
        patch_size: int = 64,
        channel_names: Sequence[str] = CHANNEL_VOCABULARY,
        electrode_names: Sequence[str] | None = None,
        **kwargs,
    ):
        public = [name for name in kwargs if not name.startswith("_")]  # the others are Transformers' own
        refuse_unknown_names(public, self.known_names(), type(self).__name__)
        super().__init__(**kwargs)
        self.sampling_rate = sampling_rate
        self.unit = canonical_unit(unit)
        self.reference = reference
        self.average_from = average_from
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
        if average_from < 2:
            raise ValueError(f"average_from must be at least 2 channels, got {average_from}")
        if window_size % patch_size:
            raise ValueError(f"window_size {window_size} is not a multiple of patch_size {patch_size}")
        if highpass and lowpass and highpass >= lowpass:
            raise ValueError(f"highpass {highpass} Hz must lie below lowpass {lowpass} Hz")
        if not (notch is None or notch == "auto" or (isinstance(notch, int | float) and notch > 0)):
            raise ValueError(f"notch must be 'auto', a frequency in hertz or None, got {notch!r}")
        if electrode_names is not None and len(set(self.electrode_names)) < len(self.electrode_names):
            raise ValueError(f"electrode_names holds a name twice: {self.electrode_names}")

    @classmethod
    def known_names(cls) -> set[str]:
        """All names that the constructor takes: the signal contract, and what Transformers stores in addition."""
        return set(inspect.signature(cls).parameters) - {"kwargs"} | set(_NAMES_OF_TRANSFORMERS)

    @classmethod
    def from_dict(cls, feature_extractor_dict: dict[str, Any], **kwargs):
        """Build an extractor from what a file holds, and overrides.

        Names in the file that this version does not know are left out, with a warning. One without `average_from` is
        of a time when two channels were averaged, and goes on doing so.

        Raises:
            UnknownNameError: If an override is a misspelt argument.
        """
        names = cls.known_names()
        refuse_misspelt_names(kwargs, names, cls.__name__)
        unknown = [name for name in feature_extractor_dict if name not in names and not name.startswith("_")]
        if unknown:
            listed = ", ".join(suggest(name, names) for name in unknown)
            warnings.warn(f"The signal contract holds {listed}, which {cls.__name__} does not know.", stacklevel=2)
        stored = {name: value for name, value in feature_extractor_dict.items() if name not in unknown}
        overrides = {name: kwargs.pop(name) for name in list(kwargs) if name in names}
        return super().from_dict({"average_from": 2, **stored, **overrides}, **kwargs)

    @classmethod
    def for_model(cls, config: "DareEegConfig") -> "DareEegFeatureExtractor":
        """The contract of a model with this configuration: its rate, lengths and channels, and the usual band."""
        return cls(
            sampling_rate=config.sampling_rate,
            window_size=config.window_size,
            patch_size=config.patch_size,
            channel_names=config.channel_names,
        )

    @property
    def normalized_description(self) -> str:
        """The `info["description"]` of an MNE Raw that `normalize_raw` brought to the band of this contract."""
        return f"{NORMALIZED_MARK}: {self.highpass}-{self.lowpass} Hz"

    def __call__(
        self,
        signal: Any,
        channel_names: Sequence[str] | Sequence[Sequence[str]] | None = None,
        sampling_rate: float | Sequence[float] | None = None,
        unit: str | None = None,
        *,
        filter: bool | None = None,
        breaks: Sequence[tuple[float, float]] = (),
        rename: Mapping[str, str] | None = None,
        montage: str | None = None,
        padding: bool = True,
        return_tensors: str | None = "pt",
    ) -> EegBatchFeature:
        """Prepare one signal or many.

        Args:
            signal: (channels, samples) or (batch, channels, samples), numpy, torch, a nested list or a pandas table
                with channels as columns; a list or data set of (channels, samples) of any sizes; an MNE Raw or Epochs,
                or a list of them.
            channel_names: one name per channel; for a list of signals one list each, unless all have the same. Not
                with MNE objects.
            sampling_rate: hertz of the signal (or one per signal of a list). Not with MNE objects.
            unit: "V", "mV", "uV" or "nV". There is no default for arrays, because a wrong guess is a factor of a
                thousand. MNE uses volts; for its objects, give the unit of the numbers only where it differs.
            filter: band-pass and notch as in the contract, zero-phase. By default an MNE Raw is filtered, unless
                `normalize_raw` made it, while arrays and Epochs are assumed to be filtered: a few seconds are too
                short for a 0.5 Hz filter without edge effects.
            breaks: (start, stop) in seconds of breaks in time that no filter may run across, in every signal. A Raw
                brings its own, as annotations.
            rename: recorded name -> electrode, where only the user can know.
            montage: the cap of numbered channels, one of MNE's standard montages; `rename` takes precedence.
            padding: pad signals of different channel counts or lengths; False makes a difference an error.
            return_tensors: "pt" or "np".

        Returns:
            `input_values` (B, C, T) float32 in the contract's unit, `channel_ids` (B, C) int64, `channel_mask` (B, C)
            bool, `patch_mask` (B, N) bool, and `.reports`. Padded and flat channels have `channel_mask` False; patches
            that the signal does not fill `patch_mask` False.

        Raises:
            ValueError: wrong shape, missing names, rate or unit, duplicate names, no known channel, NaN or infinity,
                an amplitude that the unit cannot explain, less than one patch. The message names the channel and the
                remedy.
        """
        inputs = read_inputs(signal, channel_names, sampling_rate, unit, self.normalized_description)
        for item in inputs:
            item.breaks += breaks
        matches: dict[tuple, tuple] = {}
        prepared, reports, spreads = [], [], []
        for item in inputs:
            key = (tuple(item.names), tuple(item.excluded.items()))
            if key not in matches:
                matches[key] = select_channels(item, self.channel_names, self.electrode_names, rename, montage)
            report = SignalReport(**{name: type(value)(value) for name, value in matches[key][1].items()})
            prepared.append(pick_channels(item, matches[key][0], self.unit, report))
            spreads.append(tuple(value * MICROVOLTS[self.unit] for value in spread(prepared[-1], item.rate)))
            reports.append(report)
        check_amplitudes(inputs, spreads, reports)
        for index, (item, report) in enumerate(zip(inputs, reports, strict=True)):
            wanted = item.continuous if filter is None else filter
            prepared[index] = self._prepare(prepared[index], item, spreads[index][0], wanted, report)
        return collate_signals(self, prepared, reports, padding, return_tensors)

    # -- the steps

    def _prepare(
        self, signal: np.ndarray, item: SignalInput, overall_uv: np.ndarray, filtered: bool, report: SignalReport
    ) -> np.ndarray:
        """Filters, rate, reference: from (channels, samples) as recorded to the contract."""
        report.amplitude_uv = amplitude_statistics(overall_uv)
        flat = overall_uv < FLAT_MICROVOLTS
        report.flat = [name for name, is_flat in zip(report.channels, flat, strict=True) if is_flat]
        if report.flat:
            masked = " (masked)" if self.electrode_names is None else ""
            report.warn(f"flat channels: {', '.join(report.flat)}{masked}")
        if not filtered:
            self._remove_offsets(signal, overall_uv, report)
        signal = self.filter_pieces(signal, item.rate, report, item.breaks, filtered=filtered)
        if self.reference == "average":
            self.rereference(signal, ~flat, report)
        if self.electrode_names is None:
            signal[flat] = 0.0
        return signal

    def _remove_offsets(self, signal: np.ndarray, overall_uv: np.ndarray, report: SignalReport) -> None:
        """Remove offsets that no band-passed signal has, such as the 4000 uV of unfiltered consumer amplifiers."""
        mean = signal.mean(axis=-1)
        offset_uv = np.abs(mean) * MICROVOLTS[self.unit]
        shifted = (offset_uv > 100) & (offset_uv > 5 * overall_uv)
        if shifted.any():
            signal[shifted] -= mean[shifted, None]
            names = [name for name, is_shifted in zip(report.channels, shifted, strict=True) if is_shifted]
            report.warn(
                f"removed a constant offset of up to {offset_uv.max():.0f} uV ({', '.join(names)}): "
                "the signal seems unfiltered, consider filter=True"
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
        """Bring (channels, samples) float32 to the contract's band (where `filtered`) and rate; each step is written
        to the report.

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
                    f"{seconds:.2f} s is too short for a {self.highpass:g} Hz high-pass and a notch: "
                    "only the mean was removed"
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

    def filter_pieces(
        self,
        signal: np.ndarray,
        rate: float,
        report: SignalReport,
        breaks: Sequence[tuple[float, float]] = (),
        *,
        filtered: bool = True,
        notch: float | str | None = "contract",
    ) -> np.ndarray:
        """Filter and resample each uninterrupted piece of (channels, samples) separately, without moving it in time.

        Args:
            signal, rate, filtered, notch: as in `filter_and_resample`.
            breaks: (start, stop) in seconds.
        """
        pieces = uninterrupted(signal.shape[1], rate, breaks)
        if len(pieces) == 1:
            return self.filter_and_resample(signal, rate, report, filtered=filtered, notch=notch)
        if (self.notch if notch == "contract" else notch) == "auto" and filtered:
            notch = line_frequency(signal, rate)
        ratio = Fraction(self.sampling_rate / rate).limit_denominator(20_000)
        whole = np.zeros((len(signal), round(signal.shape[1] * ratio)), np.float32)
        for start, stop in pieces:
            # A piece may come back a sample longer or shorter than its place on the time axis of the whole recording.
            first, last = round(start * ratio), round(stop * ratio)
            piece = signal[:, start:stop]
            if last - first >= self.patch_size:
                piece = self.filter_and_resample(piece, rate, report, filtered=filtered, notch=notch)
            elif last > first:  # no window lies in so short a piece, and nothing is to be said of it
                piece = filter_and_resample(piece - piece.mean(axis=1, keepdims=True), rate, self.sampling_rate)
            piece = piece[:, : last - first]
            whole[:, first : first + piece.shape[1]] = piece
            if 0 < piece.shape[1] < last - first:
                whole[:, first + piece.shape[1] : last] = piece[:, -1:]
        report.steps = list(dict.fromkeys(report.steps))
        return whole

    def rereference(
        self, signal: np.ndarray, valid: np.ndarray, report: SignalReport, recorded: int | None = None
    ) -> np.ndarray:
        """Average reference in place, as far as the number of channels allows it.

        Args:
            signal: (channels, samples).
            valid: bool, (channels,) or (channels, samples): what is averaged.
            report: is told what was done.
            recorded: channels there were before bad ones were left out; `average_from` is compared with it, so that an
                electrode that comes loose does not change the reference of all the others.
        """
        recorded = recorded or len(signal)
        if recorded < self.average_from:
            report.warn(
                f"an average reference takes {self.average_from} channels or more, and there "
                f"{'is' if recorded == 1 else 'are'} {recorded}: the recorded reference stays"
            )
            return signal
        count = int(valid.sum() if valid.ndim == 1 else valid.any(axis=1).sum())
        if count < 2:
            report.warn("an average reference takes two channels with signal or more: the recorded reference stays")
            return signal
        if count < 8:
            report.warn(f"the average of only {count} channels is a poor reference: it removes local activity as well")
        report.steps.append(f"average reference over {count} channels")
        return average_reference(signal, valid)
