"""Events that are not annotations but codes in a channel: BioSemi's Status, STI 014, Trigger."""

from collections import Counter

import mne
import numpy as np

from dare_eeg_hf.recordings.side_tables import warn
from dare_eeg_hf.usability_dare_eeg import is_mark

TRIGGER_BITS = 0xFFFF
"""Bits that hold the code; above them BioSemi keeps the state of the amplifier."""

MOST_CODES = 500
"""More different codes than this are a signal, not triggers."""


def annotate_from_channel(raw: mne.io.BaseRaw, channel: str | None = None) -> mne.io.BaseRaw:
    """Add an annotation, without duration, wherever a trigger channel changes to another code; its text is the code.

    Without a channel, a recording that has no annotations of its own gets those of its only stimulus channel that
    holds codes, with a warning. Bits above the 16th are left out, and so is an idle level in the upper byte.

    Args:
        raw: gets the annotations.
        channel: which channel, of any type.

    Raises:
        ValueError: there is no such channel, or its values are not whole numbers.
    """
    own = [text for text in raw.annotations.description if not is_mark(text)]
    if channel is None:
        holding = [name for name, codes in codes_of_stim_channels(raw).items() if codes]
        if own or len(holding) != 1:
            return raw
        (channel,) = holding
        warn(f"there are no annotations: the codes of the channel {channel} were read as events")
    samples, codes = read_codes(raw, channel)
    onset = samples / raw.info["sfreq"]
    shift = raw.first_time if raw.info["meas_date"] is not None else 0.0
    triggers = mne.Annotations(onset + shift, 0.0, [str(code) for code in codes], orig_time=raw.info["meas_date"])
    return raw.set_annotations(raw.annotations + triggers if len(raw.annotations) else triggers, verbose="ERROR")


def codes_of_stim_channels(raw: mne.io.BaseRaw) -> dict[str, Counter]:
    """Stimulus channel -> how often each code occurs in it, as a text."""
    found = {}
    for name, kind in zip(raw.ch_names, raw.get_channel_types(), strict=True):
        if kind == "stim":
            try:
                found[name] = Counter(map(str, read_codes(raw, name)[1].tolist()))
            except ValueError:
                continue  # MNE takes some analogue channels for stimulus channels
    return found


def read_codes(raw: mne.io.BaseRaw, channel: str) -> tuple[np.ndarray, np.ndarray]:
    """Samples (E,) from the start of the recording at which a channel changes to a code other than 0, and the codes.

    Raises:
        ValueError: there is no such channel, or its values are not whole numbers.
    """
    if channel not in raw.ch_names:
        stim = [name for name, kind in zip(raw.ch_names, raw.get_channel_types(), strict=True) if kind == "stim"]
        raise ValueError(
            f"there is no channel {channel}; stimulus channels: {', '.join(stim) or 'none'}, "
            f"all channels: {', '.join(raw.ch_names)}"
        )
    values = np.nan_to_num(raw.get_data([channel])[0])
    for factor in (1.0, 1e6):  # where a file calls the codes microvolts, MNE has made volts of them
        codes = np.round(values * factor)
        if np.allclose(values * factor, codes, rtol=0, atol=1e-3) and (codes.any() or factor > 1):
            break
    else:
        raise ValueError(f"the values of the channel {channel} are not whole numbers: it holds no trigger codes")
    if len(distinct := np.unique(codes)) > MOST_CODES:
        raise ValueError(f"the channel {channel} holds {len(distinct)} different values: it holds no trigger codes")
    codes = codes.astype(np.int64) & TRIGGER_BITS
    levels, counts = np.unique(codes, return_counts=True)
    idle = int(levels[counts.argmax()])
    if idle and idle & 0xFF == 0 and (codes & idle == idle).all():
        codes -= idle
    info = mne.create_info([channel], raw.info["sfreq"], "stim")
    alone = mne.io.RawArray(codes[None].astype(float), info, verbose="ERROR")
    events = mne.find_events(
        alone, channel, output="onset", consecutive=True, shortest_event=1, initial_event=True, verbose="ERROR"
    )
    return events[:, 0], events[:, 2]
