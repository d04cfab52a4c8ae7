"""A signal in memory that is given in chunks, as a stream gives it, with faults where a test wants them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from dare_eeg_hf.live.chunks import Chunk

NAMES = "FP1 FP2 F7 F3 FZ F4 F8 T7 C3 CZ C4 T8 P7 P3 PZ P4 P8 O1 O2".split()


def eeg_like(seconds: float, rate: float, channels: int = len(NAMES), seed: int = 0) -> np.ndarray:
    """(C, T) in microvolts: pink noise, half of it common to all channels, around an electrode's offset."""
    rng = np.random.default_rng(seed)
    samples = round(seconds * rate)
    frequencies = np.fft.rfftfreq(samples, 1 / rate)
    spectrum = rng.normal(size=(channels + 1, len(frequencies), 2)).view(complex)[..., 0]
    spectrum /= np.sqrt(np.maximum(frequencies, 0.5))
    noise = np.fft.irfft(spectrum, samples, axis=1)
    noise *= 15 / noise.std(axis=1, keepdims=True)
    return noise[1:] + noise[:1] + 300


@dataclass
class Played:
    """A `SignalStream`. `gaps` are (sample, seconds missing); `stalls` are (sample, seconds without samples)."""

    signal: np.ndarray
    rate: float
    channel_names: Sequence[str] = field(default_factory=lambda: list(NAMES))
    chunk: int = 16
    gaps: Sequence[tuple[int, float]] = ()
    stalls: Sequence[tuple[int, float]] = ()
    now: float = 100.0

    def clock(self) -> float:
        return self.now

    def __iter__(self) -> Iterator[Chunk]:
        first, position = self.now, 0
        cuts = sorted({*range(0, self.signal.shape[1], self.chunk), *(at for at, _ in (*self.gaps, *self.stalls))})
        for start, stop in zip(cuts, [*cuts[1:], self.signal.shape[1]], strict=True):
            missing = sum(seconds for at, seconds in self.gaps if at == start)
            first += missing
            for waited in np.arange(0.5, sum(seconds for at, seconds in self.stalls if at == start) + 1e-9, 0.5):
                yield Chunk(self.signal[:, :0], np.zeros(0), waited=float(waited))
            position = stop
            times = first + np.arange(start, position) / self.rate
            self.now = float(times[-1]) + 0.01
            yield Chunk(self.signal[:, start:stop], times, self.now, restarted=start == 0 or missing > 0)
