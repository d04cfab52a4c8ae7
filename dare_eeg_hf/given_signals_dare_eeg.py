"""What the user gave, read and checked: arrays, tables and MNE objects as signals with names, rate and unit; which of
their channels a model can use; and whether their amplitude is that of EEG. MNE objects are recognised by what they
offer: MNE is never imported.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .caps_dare_eeg import ask_for_electrodes
from .inputs_dare_eeg import (
    as_array,
    as_rate,
    check_axes,
    columns_as_channels,
    electrodes_named,
    is_mne,
    is_table,
    refuse_what_is_no_signal,
    several_recordings,
)
from .montage import list_by_reason, match_channels, normalize_channel_name
from .remedies_dare_eeg import InputError
from .signal_dare_eeg import MICROVOLTS, PLAUSIBLE_MICROVOLTS, canonical_unit, check_amplitude
from .signal_reports_dare_eeg import SignalReport
from .usability_dare_eeg import find_breaks


@dataclass
class SignalInput:
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
    verified: bool = False
    """The amplitude was checked already, on the whole recording."""
    breaks: list[tuple[float, float]] = field(default_factory=list)
    """Breaks in time (start, stop), in seconds: filters do not run across them."""


def read_inputs(
    signal: Any,
    channel_names: Sequence[str] | Sequence[Sequence[str]] | None,
    sampling_rate: float | Sequence[float] | None,
    unit: str | None,
    normalized_description: str,
) -> list[SignalInput]:
    """Read one signal or many, as `DareEegFeatureExtractor` takes them.

    Args:
        signal, channel_names, sampling_rate, unit: As the user gave them.
        normalized_description: The `info["description"]` of an MNE Raw that fulfils the contract already.

    Raises:
        ValueError: A signal's description is incomplete, or contradicts the signal.
    """
    several = several_recordings(signal)
    if several is not None and not (signals := list(several)):
        raise InputError("the input is empty: there is no signal in it")
    many = several is not None
    signals = signals if many else [signal]
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
        refuse_what_is_no_signal(one)
        if is_mne(one):
            inputs += read_mne(one, own_names, rate, unit, batch, normalized_description)
        else:
            inputs += read_array(one, own_names, rate, unit, batch)
    return inputs


def read_mne(instance: Any, channel_names, sampling_rate, unit, batch: int, description: str) -> list[SignalInput]:
    """An MNE Raw (one input) or Epochs (one per epoch); with this `description` it fulfils the contract already."""
    if channel_names is not None or sampling_rate is not None:
        raise InputError("an MNE object brings its own channel names and sampling rate: do not pass them")
    types = dict(zip(instance.ch_names, instance.get_channel_types(), strict=True))
    excluded = {name: f"channel type {kind}" for name, kind in types.items() if kind != "eeg"}
    excluded |= dict.fromkeys(instance.info["bads"], "marked bad")
    data = instance.get_data()
    normalised = instance.info.get("description") == description
    continuous = data.ndim == 2 and not normalised
    signals = data[None] if data.ndim == 2 else data
    rate = float(instance.info["sfreq"])
    names = list(instance.ch_names)
    breaks = find_breaks(instance) if data.ndim == 2 else []
    unit = canonical_unit(unit or "V")
    return [
        SignalInput(one, names, rate, unit, excluded, continuous, batch, normalised, list(breaks)) for one in signals
    ]


def read_array(signal: Any, channel_names, sampling_rate, unit, batch: int) -> list[SignalInput]:
    """An array (channels, samples), or (batch, channels, samples), with its description checked."""
    array = as_array(signal)
    if channel_names is None and is_table(signal):
        channel_names = columns_as_channels(signal)
    if array.ndim not in (2, 3):
        raise ValueError(
            f"the signal must be (channels, samples) or (batch, channels, samples), got shape {array.shape}"
        )
    if channel_names is None:
        raise ValueError(f"channel_names is missing: name the {array.shape[-2]} channels, such as ['Fp1', 'Cz', ...]")
    if sampling_rate is None:
        raise ValueError("sampling_rate is missing: give the signal's rate in hertz")
    rate = as_rate(sampling_rate)
    if unit is None:
        raise ValueError("unit is missing: say which unit the numbers are in, 'V', 'mV' or 'uV'")
    names = [str(name) for name in channel_names]
    check_axes(array.shape, names)
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"duplicate channel names: {', '.join(repeated)}")
    if array.shape[-1] == 0 or array.shape[0] == 0:
        raise ValueError(f"the signal is empty: shape {array.shape}")
    array = array.astype(np.float32) if array.dtype.kind != "f" or array.dtype.itemsize < 4 else array
    signals = array[None] if array.ndim == 2 else array
    return [SignalInput(one, names, rate, canonical_unit(unit), batch=batch) for one in signals]


def select_channels(
    item: SignalInput,
    vocabulary: Sequence[str],
    electrode_names: Sequence[str] | None,
    rename: Mapping[str, str] | None,
    montage: str | None,
) -> tuple[list[int], dict[str, Any]]:
    """Choose the rows to keep: those of the vocabulary, or exactly `electrode_names`; also start the report.

    Raises:
        ValueError: Several channels claim one electrode, an electrode of `electrode_names` is missing, or no channel
            is in the vocabulary.
    """
    named = electrodes_named(item.names, vocabulary, rename, montage)
    usable = [name for name in item.names if name not in item.excluded]
    if electrode_names is not None:
        names = [named.get(name) or name for name in item.names]
        excluded = {named.get(name) or name: reason for name, reason in item.excluded.items()}
        indices, dropped, renamed = select_electrodes(names, excluded, electrode_names)
        return indices, {
            "channels": list(electrode_names),
            "dropped": item.excluded | dropped,
            "renamed": renamed,
        }
    match = match_channels(usable, vocabulary, named)
    if match.duplicates:
        clashes = "; ".join(f"{target}: {', '.join(names)}" for target, names in match.duplicates.items())
        raise ValueError(
            f"several channels claim the same electrode ({clashes}): rename them or leave all but one out"
        )
    if not match.indices:
        reasons = list_by_reason(item.excluded | match.dropped)
        raise ask_for_electrodes(
            usable, f"none of the {len(item.names)} channels is an electrode of the model's vocabulary: {reasons}"
        )
    position = {name: index for index, name in enumerate(item.names)}
    indices = [position[usable[index]] for index in match.indices.values()]
    return indices, {
        "channels": list(match.indices),
        "renamed": match.renamed,
        "dropped": item.excluded | match.dropped,
        "missing": [name for name in vocabulary if name not in match.indices],
    }


def select_electrodes(
    names: list[str], excluded: dict[str, str], electrode_names: Sequence[str]
) -> tuple[list[int], dict[str, str], dict[str, str]]:
    """Find `electrode_names` among the recorded names: under exactly that name, otherwise under the same
    normalised one."""
    indices, renamed = [], {}
    for wanted in electrode_names:
        found = [i for i, name in enumerate(names) if name == wanted and name not in excluded] or [
            i
            for i, name in enumerate(names)
            if normalize_channel_name(name) == normalize_channel_name(wanted) and name not in excluded
        ]
        if not found:
            reason = f" ({excluded[wanted]})" if wanted in excluded else ""
            raise ValueError(f"the electrode {wanted!r}{reason} is missing: got {names}, wanted {electrode_names}")
        if len(found) > 1:
            raise ValueError(f"several channels claim the electrode {wanted!r}: {[names[i] for i in found]}")
        indices.append(found[0])
        if names[found[0]] != wanted:
            renamed[names[found[0]]] = wanted
    dropped = {name: "not among the electrodes of this model" for i, name in enumerate(names) if i not in indices}
    return indices, {name: reason for name, reason in dropped.items() if name not in excluded}, renamed


def pick_channels(item: SignalInput, indices: list[int], unit: str, report: SignalReport) -> np.ndarray:
    """Rows of the chosen channels as float32 in `unit`.

    Raises:
        ValueError: A sample is NaN or infinite.
    """
    rows = item.signal[indices]
    signal = np.empty(rows.shape, np.float32)
    np.multiply(rows, MICROVOLTS[item.unit] / MICROVOLTS[unit], out=signal, casting="unsafe")
    finite = np.isfinite(signal).all(axis=-1)
    if not finite.all():
        broken = [report.channels[i] for i in np.flatnonzero(~finite)]
        count = int((~np.isfinite(signal)).sum())
        raise ValueError(
            f"{count} samples are NaN or infinite, in {', '.join(broken)}: "
            "interpolate or cut them out, or drop the channel"
        )
    if item.unit != unit:
        report.steps.append(f"unit {item.unit} to {unit}")
    if report.dropped:
        report.warn(f"dropped {list_by_reason(report.dropped)}")
    return signal


def check_amplitudes(inputs: list[SignalInput], spreads: list[tuple], reports: list[SignalReport]) -> None:
    """Refuse what cannot be EEG in the unit given, array by array; warn of single loud inputs.

    Args:
        inputs: Not those whose amplitude was checked on the whole recording.
        spreads: The two results of `spread` for each input, in microvolts.
        reports: One per input; the warnings go there.

    Raises:
        ValueError: Every channel is flat, or the amplitude is not that of EEG.
    """
    for batch in {item.batch for item in inputs}:
        members = [i for i, item in enumerate(inputs) if item.batch == batch]
        if inputs[members[0]].verified:
            continue
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
