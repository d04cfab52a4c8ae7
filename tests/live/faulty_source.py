"""A process that streams noise through LSL and does to the stream what amplifiers and networks do.

    python faulty_source.py NAME play:6 drop:1.5 play:6

`play` sends for so many seconds; `drop` lets time pass whose samples are lost; `stall` holds samples back and sends
them late; `leap` moves the clock; `vanish` takes the stream away for so many seconds. Each fault is printed with the
times at which it begins and ends, on the LSL clock.
"""

import sys
import time

import numpy as np

from dare_eeg_hf.live.lab_streaming import lsl
from tests.live.played import NAMES, eeg_like

RATE, CHUNK = 128.0, 8


class Source:
    def __init__(self, name: str) -> None:
        self.name = name
        self.signal = eeg_like(120, RATE).T.astype(np.float32)
        self.sent = 0
        self.open()
        self.outlet.wait_for_consumers(30)
        self.begun = lsl().local_clock()  # the sample 0
        self.leapt = 0.0

    def open(self) -> None:
        info = lsl().StreamInfo(self.name, "EEG", len(NAMES), RATE, "float32", f"source-of-{self.name}")
        info.set_channel_names(NAMES)
        info.set_channel_types(["eeg"] * len(NAMES))
        info.set_channel_units(["microvolts"] * len(NAMES))
        self.outlet = lsl().StreamOutlet(info)

    def now(self) -> float:
        return lsl().local_clock()

    def push(self, count: int) -> None:
        samples = np.arange(self.sent, self.sent + count)
        times = self.begun + self.leapt + samples / RATE
        self.outlet.push_chunk(np.ascontiguousarray(self.signal[samples % len(self.signal)]), times)
        self.sent += count

    def play(self, seconds: float) -> None:
        end = self.sent + round(seconds * RATE)
        while self.sent < end:
            time.sleep(max(0.0, self.begun + (self.sent + CHUNK) / RATE - self.now()))
            self.push(CHUNK)

    def drop(self, seconds: float) -> None:
        self.sent += round(seconds * RATE)

    def stall(self, seconds: float) -> None:
        time.sleep(seconds)

    def leap(self, seconds: float) -> None:
        self.leapt += seconds

    def vanish(self, seconds: float) -> None:
        self.outlet = None
        time.sleep(seconds)
        self.sent += round(seconds * RATE)
        self.open()
        self.outlet.wait_for_consumers(30)
        self.sent = round((self.now() - self.begun) * RATE)


def main() -> None:
    source = Source(sys.argv[1])
    for step in sys.argv[2:]:
        what, _, seconds = step.partition(":")
        before = source.begun + source.leapt + source.sent / RATE
        getattr(source, what)(float(seconds))
        after = source.begun + source.leapt + source.sent / RATE
        print(what, before, after, flush=True)
    time.sleep(1.0)


if __name__ == "__main__":
    main()
