"""EEG from the Lab Streaming Layer: finding a stream, what it says of itself, and its samples as they come.

LSL stays on this machine unless the user widens its scope; `stay_on_this_machine` has to be called before liblsl is
loaded, and everything here calls it.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from dare_eeg_hf.live.chunks import Chunk
from dare_eeg_hf.remedies_dare_eeg import InputError, Remedy
from dare_eeg_hf.signal_dare_eeg import MICROVOLTS, canonical_unit

LONGEST_JITTER = 0.1
"""Seconds. Time stamps that leap further than this beyond the next sample's mean that samples are missing."""

PATIENCE = 0.5
"""Seconds without a sample after which a stream is said to have stalled."""

SUSPICIOUS = 2.0
"""Seconds without a sample after which one looks whether the source has been started anew."""

PULL_SECONDS = 0.004
"""How long one look at the stream waits for samples."""

_CONFIGURATION = """[multicast]
ResolveScope = machine
[ports]
IPv6 = disable
[log]
level = -3
"""


def stay_on_this_machine() -> None:
    """Make liblsl look for streams on this machine only, unless LSLAPICFG or the user's own lsl_api.cfg says more."""
    own = [Path("lsl_api.cfg"), Path.home() / "lsl_api" / "lsl_api.cfg", Path("/etc/lsl_api/lsl_api.cfg")]
    if "LSLAPICFG" in os.environ or any(path.is_file() for path in own):
        return
    path = Path(tempfile.gettempdir()) / f"dare_eeg_lsl_{os.getuid() if hasattr(os, 'getuid') else 'user'}.cfg"
    if not path.is_file() or path.read_text(encoding="utf-8") != _CONFIGURATION:
        path.write_text(_CONFIGURATION, encoding="utf-8")
    os.environ["LSLAPICFG"] = str(path)


def lsl() -> ModuleType:
    """mne-lsl's interface to liblsl.

    Raises:
        ImportError: mne-lsl is not installed; the message says how to install it.
    """
    stay_on_this_machine()
    try:
        import mne_lsl.lsl
    except ImportError as error:
        raise ImportError('Live EEG needs mne-lsl: pip install "dare-eeg-hf[live]"') from error
    return mne_lsl.lsl


@dataclass(frozen=True)
class StreamDescription:
    """What a stream says of itself.

    Attributes:
        name, source_id: as it calls itself.
        channel_names: C names, of its EEG channels only.
        picks: (C,) their places among all of its channels.
        rate: hertz.
        factors: (C,) microvolts in one of each channel's unit.
    """

    name: str
    source_id: str
    channel_names: list[str]
    picks: list[int]
    rate: float
    factors: np.ndarray


def describe_stream(info: Any, unit: str | None = None) -> StreamDescription:
    """Read a stream's own description.

    Args:
        info: `mne_lsl.lsl.StreamInfo` with its description.
        unit: of all channels, where the stream does not say or is wrong.

    Raises:
        InputError: The stream has no regular rate, no numbers, no EEG channel, no names or no unit that is known, and
            nothing given stands in; the message names the option.
    """
    rate = float(info.sfreq)
    if rate <= 0:
        raise InputError(f"The stream {info.name!r} has no regular sampling rate, so it is no EEG; name another one.")
    if info.dtype in ("string", str):
        raise InputError(f"The stream {info.name!r} carries texts, not a signal; name another one.")
    types = info.get_channel_types() or [None] * info.n_channels
    picks = [i for i, kind in enumerate(types) if kind is None or str(kind).lower() in ("eeg", "")]
    if not picks:
        kinds = ", ".join(sorted({str(kind) for kind in types}))
        raise InputError(f"None of the channels of the stream {info.name!r} is EEG: they are {kinds}.")
    names = info.get_channel_names() or []
    # Streams without labels are numbered, as most amplifiers number their sockets.
    names = [str(names[i]) if i < len(names) and names[i] else str(i + 1) for i in picks]
    units = info.get_channel_units() or []
    factors = [_factor(info.name, units[i] if i < len(units) else None, unit) for i in picks]
    return StreamDescription(str(info.name), str(info.source_id), names, picks, rate, np.array(factors))


def _factor(name: str, said: str | None, given: str | None) -> float:
    """Microvolts in one of a channel's unit."""
    if given is not None:
        return MICROVOLTS[canonical_unit(given)]
    if said in (None, "", "none", "NA"):
        raise InputError(f"The stream {name!r} does not say in which unit its numbers are", Remedy("unit", "uV"))
    text = str(said)
    if text.lstrip("-").isdigit():  # mne-lsl writes powers of ten of a volt: -6 for microvolts
        return 10.0 ** (int(text) + 6)
    return MICROVOLTS[canonical_unit(text)]


def find_stream(name: str | None, timeout: float = 10.0) -> Any:
    """Find a stream by its name, or the only stream of EEG.

    Args:
        name: of the stream; None takes the only one whose type is EEG.
        timeout: seconds to look for it.

    Raises:
        InputError: There is none, or there are several; the message lists what there is.
    """
    library = lsl()
    deadline = time.monotonic() + timeout
    while True:
        found = library.resolve_streams(timeout=min(1.0, timeout))
        fitting = [info for info in found if (info.name == name if name else info.stype.lower() == "eeg")]
        if fitting or time.monotonic() > deadline:
            break
    there = ", ".join(sorted(f"{info.name} ({info.stype}, {info.n_channels} channels)" for info in found))
    wanted = f"called {name!r}" if name else "of type EEG"
    if not fitting:
        raise InputError(
            f"There is no stream {wanted} on this machine after {timeout:g} s; "
            + (f"there are: {there}" if there else "is the amplifier's program running, with LSL switched on?")
        )
    if len(fitting) > 1:
        raise InputError(f"There are {len(fitting)} streams {wanted}: {there}. Name one by --stream.")
    return fitting[0]


@dataclass
class EegStream:
    """The EEG of one LSL stream, chunk by chunk; it survives stalls, losses and restarts of its source.

    ```python
    with EegStream("BioSemi") as stream:
        for chunk in stream:
            print(chunk.signal.shape, chunk.restarted)
    ```

    Args:
        name: of the stream; None takes the only one of type EEG.
        unit: of the numbers, where the stream does not say.
        timeout: seconds to look for it at first. Once found, it is waited for as long as the caller wants.
    """

    name: str | None = None
    unit: str | None = None
    timeout: float = 10.0
    description: StreamDescription = field(init=False)

    def __enter__(self) -> EegStream:
        self._library = lsl()
        info = find_stream(self.name, self.timeout)
        self._open(info)
        return self

    def __exit__(self, *_: object) -> None:
        self._inlet.close_stream()

    @property
    def channel_names(self) -> list[str]:
        """C names."""
        return self.description.channel_names

    @property
    def rate(self) -> float:
        """Hertz."""
        return self.description.rate

    def clock(self) -> float:
        """Seconds, on the scale of the chunks' times."""
        return self._library.local_clock()

    def _open(self, info: Any) -> None:
        # A source that comes back is looked for here, so that its return is noticed.
        inlet = self._library.StreamInlet(info, recover=False, processing_flags=["clocksync"])
        inlet.open_stream(timeout=self.timeout)
        description = describe_stream(inlet.get_sinfo(timeout=self.timeout), self.unit)
        known = getattr(self, "description", None)
        if known is not None and (description.channel_names, description.rate) != (known.channel_names, known.rate):
            raise InputError(
                f"The stream {description.name!r} has come back with {len(description.channel_names)} channels at "
                f"{description.rate:g} Hz instead of {len(known.channel_names)} at {known.rate:g} Hz; start again."
            )
        self._inlet, self.description, self._uid = inlet, description, info.uid

    def __iter__(self) -> Iterator[Chunk]:
        """Chunks as they come; one without samples every `PATIENCE` seconds in which none came."""
        last, newest, told = None, time.monotonic(), 0.0
        restarted = True
        while True:
            try:
                samples, times = self._inlet.pull_chunk(timeout=PULL_SECONDS)
            except (RuntimeError, TimeoutError, OSError):
                samples, times = np.zeros((0, 0)), np.zeros(0)
                self._open_again(lost=True)
                restarted = True
            if len(times):
                signal = np.asarray(samples, dtype=np.float64)[:, self.description.picks].T
                signal *= self.description.factors[:, None]
                for part, begins_anew in _uninterrupted(times, last, self.rate):
                    yield Chunk(signal[:, part], times[part], self.clock(), restarted=begins_anew or restarted)
                    restarted = False
                last, newest, told = float(times[-1]), time.monotonic(), 0.0
            waited = time.monotonic() - newest
            if waited - told >= PATIENCE:
                told = waited
                if waited >= SUSPICIOUS and self._open_again(lost=False):
                    restarted = True
                yield Chunk(np.zeros((len(self.channel_names), 0)), np.zeros(0), waited=waited)

    def _open_again(self, lost: bool) -> bool:
        """Open the source again, where it is there; otherwise the next look tries again.

        Args:
            lost: whether liblsl says that the connection is. If it does not, the source may have been started anew all
                the same, and then has another identity.
        """
        found = self._library.resolve_streams(timeout=PATIENCE, name=self.description.name)
        same = [info for info in found if info.source_id == self.description.source_id] or found
        new = [info for info in same if lost or info.uid != self._uid]
        with suppress(RuntimeError, TimeoutError):  # gone again
            if new:
                self._open(new[0])
                return True
        return False


def _uninterrupted(times: Sequence[float], last: float | None, rate: float) -> Iterator[tuple[slice, bool]]:
    """Cut samples where their times leap: the slices, and whether each begins anew."""
    before = np.concatenate([[times[0] - 1 / rate if last is None else last], times[:-1]])
    leaps = np.abs(np.asarray(times) - before - 1 / rate) > LONGEST_JITTER
    edges = [0, *(np.flatnonzero(leaps[1:]) + 1).tolist(), len(times)]
    for start, stop in pairwise(edges):
        yield slice(start, stop), bool(leaps[start])


class LabelOutlet:
    """Labels as an LSL stream of markers, one text each, which other programs take and LabRecorder writes to XDF.

    Args:
        name: of the stream of markers.
        source: of the EEG, for the description.
    """

    def __init__(self, name: str, source: str) -> None:
        library = lsl()
        info = library.StreamInfo(name, "Markers", 1, 0, "string", f"dare-eeg-{name}")
        info.set_channel_names(["label"])
        info.desc.append_child_value("source", source)
        self._outlet = library.StreamOutlet(info)

    def push(self, label: str, time: float) -> None:
        """Send a label with the time of the newest sample it is about."""
        self._outlet.push_sample([label], time)
