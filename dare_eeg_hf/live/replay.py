"""A recording as a stream of the Lab Streaming Layer, so that all can be tried without an amplifier.

    python -m dare_eeg_hf.live.replay S001R02.edf --name replay --speed 1

The stream ends with the recording. It has the recording's channels, names and rate, in microvolts.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from dare_eeg_hf.command_parser import CommandParser
from dare_eeg_hf.live.lab_streaming import lsl

CHUNK_SECONDS = 0.02
"""Amplifiers send about so much at once."""

CONSUMER_SECONDS = 30.0
"""How long the replay waits for someone to listen before it begins."""

LINGER_SECONDS = 1.0
"""How long the stream stays after its last sample, so that it can be fetched."""


def replay(recording: Path, name: str, speed: float = 1.0) -> None:
    """Stream a recording, `speed` times as fast as it was recorded, beginning when someone listens.

    Args:
        recording: any file that `dare-eeg inspect` reads.
        name: of the stream.
        speed: times real time.

    Raises:
        ValueError: The file cannot be read, or the speed is not positive.
    """
    from dare_eeg_hf.recordings.recordings import read_raw

    if not speed > 0:
        raise ValueError(f"speed must be more than 0, got {speed:g}")
    raw = read_raw(recording)
    rate = float(raw.info["sfreq"])
    library = lsl()
    info = library.StreamInfo(name, "EEG", len(raw.ch_names), rate, "float32", f"dare-eeg-replay-{name}")
    info.set_channel_names(raw.ch_names)
    info.set_channel_types(raw.get_channel_types())
    info.set_channel_units(["microvolts"] * len(raw.ch_names))
    outlet = library.StreamOutlet(info)
    if not outlet.wait_for_consumers(CONSUMER_SECONDS):
        raise ValueError(f"Nobody has listened to the stream {name!r} for {CONSUMER_SECONDS:g} s.")
    begun = library.local_clock()
    length = max(1, round(CHUNK_SECONDS * rate * max(1.0, speed)))
    for start in range(0, raw.n_times, length):
        signal = raw.get_data(start=start, stop=min(start + length, raw.n_times)) * 1e6
        stop = start + signal.shape[1]
        ahead = begun + stop / rate / speed - library.local_clock()
        if ahead > 0:
            time.sleep(ahead)
        # One time for each sample, as taken: chunks that the system delays keep their place.
        times = begun + np.arange(start, stop) / rate
        outlet.push_chunk(np.ascontiguousarray(signal.T, dtype=np.float32), times)
    time.sleep(LINGER_SECONDS)


@contextmanager
def replaying(recording: Path, name: str, speed: float = 1.0) -> Iterator[subprocess.Popen]:
    """Run `replay` as a process of its own for as long as the block lasts.

    Raises:
        ValueError: The recording cannot be read; looked at here, so that nobody waits for a stream that never comes.
    """
    from dare_eeg_hf.recordings.recordings import read_raw

    read_raw(recording)
    command = [sys.executable, "-m", "dare_eeg_hf.live.replay", str(recording), "--name", name, "--speed", str(speed)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; see the module's docstring."""
    parser = CommandParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recording", type=Path)
    parser.add_argument("--name", default="replay", help="of the stream (default: %(default)s)")
    parser.add_argument("--speed", type=float, default=1.0, help="times real time (default: 1)")
    options = parser.parse_args(arguments)
    try:
        replay(options.recording, options.name, options.speed)
    except (ValueError, OSError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
