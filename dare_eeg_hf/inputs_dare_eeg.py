"""User input converted to what the package works on: arrays and rates from anything that holds numbers, several
recordings from any container, and what only the user can know about a recording.
"""

import copy
import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np

from .caps_dare_eeg import names_given
from .remedies_dare_eeg import InputError
from .signal_dare_eeg import canonical_unit

DESCRIPTION = ("channel_names", "sampling_rate", "unit")
"""What must be given together with an array."""


# ---- what only the user can know --------------------------------------------------------------------------


@dataclass(frozen=True)
class ReadingOptions:
    """What only the user can know about a recording, and how its file is to be read.

    Args:
        unit: Actual unit of the numbers, where a file wrongly says volts; for arrays, their unit.
        rename: Recorded name -> electrode; None where it is none.
        montage: Cap of numbered channels, one of MNE's standard montages; see `caps_dare_eeg`.
        line_frequency: Mains frequency to remove: 50, 60, "auto" or None; "contract" follows the model's contract.
        reader_options: For MNE's reader of the format, such as `{"data_format": "int32"}`.
        sidecar: Names, rate and unit of a table of numbers: a dictionary, or the path of a JSON file.

    Raises:
        ValueError: One of them is not valid.
    """

    unit: str | None = None
    rename: Mapping[str, str | None] | None = None
    montage: str | None = None
    line_frequency: float | str | None = "contract"
    reader_options: Mapping[str, Any] | None = None
    sidecar: Mapping[str, Any] | str | PathLike | None = None

    def __post_init__(self) -> None:
        if self.unit is not None:
            canonical_unit(self.unit)
        if self.rename is not None and not (
            isinstance(self.rename, Mapping)
            and all(isinstance(name, str) for name in self.rename)
            and all(isinstance(electrode, str | None) for electrode in self.rename.values())
        ):
            raise InputError(
                f"rename must map recorded names to electrodes, such as {{'E36': 'C3'}}; got {self.rename!r}"
            )
        line = self.line_frequency
        number = isinstance(line, int | float) and not isinstance(line, bool) and line > 0
        if not (number or line is None or line in ("auto", "contract")):
            raise InputError(f"line_frequency must be 50, 60, 'auto' or None, got {line!r}")
        if self.reader_options is not None and not isinstance(self.reader_options, Mapping):
            raise InputError(f"reader_options must be a dictionary of names and values, got {self.reader_options!r}")

    def names(self, recorded: Sequence[str], vocabulary: Sequence[str]) -> dict[str, str | None]:
        """Return recorded name -> electrode, from the cap and from `rename`, which takes precedence.

        Raises:
            InputError: No channel has a name that is to be renamed, or the cap does not fit.
        """
        return electrodes_named(recorded, vocabulary, self.rename, self.montage)

    def adjust(self, feature_extractor: Any) -> Any:
        """Return the feature extractor, with the mains frequency given."""
        if self.line_frequency == "contract":
            return feature_extractor
        adjusted = copy.copy(feature_extractor)
        adjusted.notch = self.line_frequency
        return adjusted

    def refuse_file_options(self, kind: str) -> None:
        """Refuse options that are about files when the input is not one."""
        given = [name for name in ("reader_options", "sidecar") if getattr(self, name) is not None]
        if given:
            raise InputError(f"{' and '.join(given)} can be given for files only; {kind} has already been read")


def electrodes_named(
    recorded: Sequence[str],
    vocabulary: Sequence[str],
    rename: Mapping[str, str] | None = None,
    montage: str | None = None,
) -> dict[str, str | None]:
    """Return recorded name -> electrode, from a cap's name and from `rename`, which takes precedence. None
    stands for no electrode.

    Raises:
        InputError: None of the channels of `rename` is there, or the cap does not fit the channels.
    """
    if rename and not set(rename) & set(recorded):
        raise InputError(
            f"rename names {', '.join(list(rename)[:8])}, but none of them was recorded; the channels are "
            f"{', '.join(list(recorded)[:40])}"
        )
    return names_given(recorded, vocabulary, rename, montage)


# ---- arrays -----------------------------------------------------------------------------------------------


def as_rate(value: Any) -> float:
    """Return a sampling rate in hertz; a string that holds a number is accepted.

    Raises:
        InputError: It is not a positive, finite number.
    """
    try:
        if isinstance(value, bool) or value is None:
            raise TypeError
        rate = float(value)
    except (TypeError, ValueError):
        raise InputError(f"sampling_rate must be a number of hertz, such as 256, got {value!r}") from None
    if not (math.isfinite(rate) and rate > 0):
        raise InputError(f"sampling_rate must be positive, got {value}")
    return rate


def as_array(signal: Any) -> np.ndarray:
    """Return numbers (channels, samples) or (trials, channels, samples) from an array, tensor, table or nested list.

    A pandas table has its channels as columns, as tables of signals usually have. Masked samples become NaN.

    Raises:
        InputError: It does not hold real numbers, or its rows have different lengths.
    """
    if is_table(signal):
        return _numbers(signal.to_numpy(), "the table").T
    if is_tensor(signal):
        signal = signal.detach().cpu().to_dense()
        signal = (signal.float() if str(signal.dtype) == "torch.bfloat16" else signal).numpy()
    if isinstance(signal, np.ma.MaskedArray):
        signal = signal.astype(float).filled(np.nan)
    try:
        array = np.asarray(signal)
    except ValueError as error:
        raise InputError(f"the signal's rows have different lengths, or hold more than numbers: {error}") from None
    return _numbers(array, "the signal")


def _numbers(array: np.ndarray, subject: str) -> np.ndarray:
    if array.size == 0 and array.dtype.kind in "fiu":
        raise InputError(f"{subject} is empty: shape {array.shape}")
    if array.dtype.kind not in "fiu":
        raise InputError(f"{subject} must hold real numbers, got {array.dtype}")
    return array


def check_axes(shape: Sequence[int], names: Sequence[str]) -> None:
    """Refuse an array (..., channels, samples) that does not have one row per name, with a hint on swapped axes.

    Raises:
        InputError: The number of rows and of names differ.
    """
    if len(names) != shape[-2]:
        hint = " (are its axes swapped? then pass signal.T)" if len(names) == shape[-1] else ""
        raise InputError(
            f"{len(names)} channel names for a signal of {shape[-2]} channels{hint}: shape {tuple(shape)}, "
            "which must be (channels, samples) or (trials, channels, samples)"
        )


def is_table(thing: Any) -> bool:
    """Tell whether something is a table of pandas or polars, without importing them."""
    return hasattr(thing, "columns") and hasattr(thing, "to_numpy")


def is_mne(thing: Any) -> bool:
    """Tell whether something is an MNE Raw, Epochs or Evoked, without importing MNE."""
    return hasattr(thing, "get_data") and hasattr(thing, "ch_names") and hasattr(thing, "info")


def eeg_channels(instance: Any) -> list[str]:
    """Name the EEG channels of an MNE Raw or Epochs that are not marked bad, in order."""
    kinds = zip(instance.ch_names, instance.get_channel_types(), strict=True)
    return [name for name, kind in kinds if kind == "eeg" and name not in instance.info["bads"]]


def is_tensor(thing: Any) -> bool:
    """Tell whether something is a tensor, without importing PyTorch: where it is not loaded, there is none."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(thing, torch.Tensor)


def is_numbers(thing: Any) -> bool:
    """Tell whether something is an array, a tensor, or something that converts to one, such as a pandas table."""
    return isinstance(thing, np.ndarray) or is_tensor(thing) or (hasattr(thing, "__array__") and not is_mne(thing))


def columns_as_channels(table: Any) -> list[str]:
    """Return the names of a table's columns.

    Raises:
        InputError: It has more columns than rows, so its channels must be its rows.
    """
    rows, columns = table.shape
    if columns > rows:
        raise InputError(
            f"the table has {columns} columns and {rows} rows: channels must be its columns (pass table.T)"
        )
    return [str(name) for name in table.columns]


def refuse_what_is_no_signal(thing: Any) -> None:
    """Refuse MNE's objects that hold no recorded signal: means over trials, spectra.

    A mean over trials has another amplitude and spectrum than what models are trained on.

    Raises:
        InputError: It is one.
    """
    if not is_mne(thing) or hasattr(thing, "n_times") or (hasattr(thing, "events") and not hasattr(thing, "freqs")):
        return
    what = "a mean over trials" if hasattr(thing, "comment") else "no signal over time"
    raise InputError(
        f"{type(thing).__name__} holds {what}, but models take recordings: pass the Raw or Epochs it was made from."
    )


def is_nested_numbers(thing: Any) -> bool:
    """Tell whether a list or tuple holds one signal, number by number or row by row, and not several recordings."""
    depth = 0
    while isinstance(thing, list | tuple) and len(thing):
        thing, depth = thing[0], depth + 1
    row = (isinstance(thing, np.ndarray) or is_tensor(thing)) and thing.ndim == 1
    return depth > 0 and (row or isinstance(thing, int | float | complex | np.number))


# ---- one recording or many --------------------------------------------------------------------------------


def several_recordings(inputs: Any) -> list[Any] | Iterator[Any] | None:
    """Return the recordings in a list or tuple as a list, those of a generator, a data set or a column of one, as they
    come; None where the input is a single recording."""
    if isinstance(inputs, list | tuple):
        return None if is_nested_numbers(inputs) else list(inputs)
    single = (str, bytes, bytearray, PathLike, Mapping, AbstractSet)
    if isinstance(inputs, single) or is_mne(inputs) or is_numbers(inputs):
        return None
    if isinstance(inputs, Iterable):
        return iter(inputs)
    if hasattr(inputs, "__getitem__") and hasattr(inputs, "__len__"):  # torch's data sets, KeyDataset among them
        return (inputs[index] for index in range(len(inputs)))
    return None


def read_mapping(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return `signal` and its description from a dictionary, or from a row of a data set of windows.

    Raises:
        InputError: A key is missing or unknown.
    """
    wanted = {"signal", *DESCRIPTION}
    is_row = isinstance(inputs.get("signal"), bytes) or "signal_dtype" in inputs
    if not wanted <= set(inputs) or not (is_row or set(inputs) == wanted):
        raise InputError(f"An array is described by the keys signal, {', '.join(DESCRIPTION)}; got {sorted(inputs)}.")
    signal = inputs["signal"]
    if isinstance(signal, bytes):
        signal = np.frombuffer(signal, inputs["signal_dtype"]).reshape(inputs["n_channels"], -1).astype(np.float32)
    return {"signal": signal, **{key: inputs[key] for key in DESCRIPTION}}
