"""Delay, processor share and memory of a live classifier, and how far its answers are those of the offline pipeline.

    python benchmarks/live.py model_cards/dare-eeg-nano-eyes
    python benchmarks/live.py model_cards/dare-eeg-nano-eyes --recordings S001R01.edf S001R02.edf

Three measurements: a recording that another process replays through LSL in real time (median and 99th percentile from
the newest sample to the answer, processor seconds for a second of signal); an hour of signal from memory as fast as it
goes (memory); and recordings, where they are given, live beside offline (labels, probabilities, features).
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import mne
import numpy as np
import torch

from dare_eeg_hf.checkpoints import load_pipeline
from dare_eeg_hf.live.chunks import Chunk
from dare_eeg_hf.live.lab_streaming import EegStream
from dare_eeg_hf.live.live_classifier import LiveClassifier
from dare_eeg_hf.live.replay import replaying
from dare_eeg_hf.montage import PRETRAINING_CHANNELS
from dare_eeg_hf.recordings.recordings import read_raw

CHUNK_SECONDS = 0.02


class Played:
    """A recording in memory as a stream, as fast as it is asked for; `hours` repeats it."""

    def __init__(self, raw: mne.io.BaseRaw, repeats: int = 1) -> None:
        self.signal = raw.get_data("eeg") * 1e6
        self.channel_names = raw.copy().pick("eeg").ch_names
        self.rate = float(raw.info["sfreq"])
        self.repeats = repeats
        self.now = 0.0

    def clock(self) -> float:
        """The time of the newest sample."""
        return self.now

    def __iter__(self) -> Iterator[Chunk]:
        """Chunks of `CHUNK_SECONDS`."""
        length = max(1, round(CHUNK_SECONDS * self.rate))
        given = 0
        for _ in range(self.repeats):
            for start in range(0, self.signal.shape[1], length):
                part = self.signal[:, start : start + length]
                times = (given + np.arange(part.shape[1])) / self.rate
                given += part.shape[1]
                self.now = given / self.rate
                yield Chunk(part, times, restarted=given == part.shape[1])


def made_recording(channels: int, rate: float, seconds: float) -> mne.io.RawArray:
    """Pink noise at electrodes of pre-training: what the signal is makes no difference to delay and memory."""
    rng = np.random.default_rng(0)
    samples = round(seconds * rate)
    spectrum = rng.normal(size=(channels, samples // 2 + 1, 2)).view(complex)[..., 0]
    spectrum /= np.sqrt(np.maximum(np.fft.rfftfreq(samples, 1 / rate), 0.5))
    signal = np.fft.irfft(spectrum, samples, axis=1)
    signal *= 20e-6 / signal.std(axis=1, keepdims=True)
    names = [*PRETRAINING_CHANNELS, "AFZ", "IZ", "FT9", "FT10", "TP9", "TP10", "T9", "T10"][:channels]
    return mne.io.RawArray(signal, mne.create_info(names, rate, "eeg"), verbose="ERROR")


def delay(model: str, raw: mne.io.BaseRaw, step: float) -> None:
    """A replay in real time, from another process."""
    classifier = LiveClassifier(model, step)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "made_raw.fif"
        raw.save(path, verbose="ERROR")
        name = "benchmark"
        with replaying(path, name) as process, EegStream(name, timeout=60) as stream:
            delays: list[float] = []
            skipped, begun, used = 0, 0.0, 0.0
            for window in classifier.windows(stream):
                if window.onset is None and process.poll() is not None:
                    break
                skipped += window.skipped
                if window.usable:
                    if not delays:
                        begun, used = time.monotonic(), time.process_time()
                    delays.append(window.delay)
                    share = (time.process_time() - used) / max(time.monotonic() - begun, 1e-9)
    milliseconds = 1000 * np.array(delays[1:])
    print(
        f"{len(raw.ch_names)} channels at {raw.info['sfreq']:g} Hz, step {step:g} s, {len(delays)} answers: from the "
        f"newest sample to the answer {np.median(milliseconds):.0f} ms (median), "
        f"{np.percentile(milliseconds, 99):.0f} ms (99th percentile); {share:.2f} of a core; {skipped} left out"
    )


def memory(model: str, raw: mne.io.BaseRaw, step: float, hours: float) -> None:
    """Resident memory while hours of signal pass."""
    classifier = LiveClassifier(model, step)
    seconds = raw.n_times / raw.info["sfreq"]
    stream = Played(raw, repeats=round(3600 * hours / seconds))
    seen: list[tuple[float, float]] = []
    started = time.process_time()
    for window in classifier.windows(stream):
        if not seen or window.time - seen[-1][0] >= 600:
            seen.append((window.time, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))
    used = time.process_time() - started
    print(f"{hours:g} h at {3600 * hours / used:.0f} times real time; largest resident memory so far, MiB:")
    print("  " + ", ".join(f"{at / 60:.0f} min {size:.0f}" for at, size in seen))


def agreement(model: str, recordings: list[Path], step: float) -> None:
    """Live beside offline: each offline window against the live one nearest to it."""
    offline, live = load_pipeline(model, "eeg-classification"), LiveClassifier(model, step)
    total = same = 0
    differences, cosines = [], []
    for recording in recordings:
        raw = read_raw(recording)
        stream = Played(raw)
        following = live.follow(stream)
        found = [window for window in live.windows(stream, following) if window.usable]
        offline_features: list[torch.Tensor] = []
        keep = offline.model.dare_eeg.register_forward_hook(
            lambda _m, _a, output, kept=offline_features: kept.extend(output.pooler_output)
        )
        answers = [window for window in offline(raw, progress=False) if window["usable"]]
        keep.remove()
        for number, window in enumerate(answers):
            near = min(range(len(found)), key=lambda i: abs(found[i].onset - window["onset"]), default=None)
            if window["partial"] or near is None or abs(found[near].onset - window["onset"]) > step / 2 + 0.01:
                continue
            total += 1
            same += found[near].label == window["label"]
            differences.append(abs(found[near].score - window["scores"][found[near].label]))
            live_features = torch.from_numpy(found[near].features)
            cosines.append(
                float(torch.nn.functional.cosine_similarity(live_features, offline_features[number], dim=0))
            )
    print(
        f"{total} windows of {len(recordings)} recordings: the same label in {same} ({same / total:.1%}); "
        f"probabilities differ by {np.median(differences):.3f} (median), {np.percentile(differences, 95):.3f} "
        "(95th percentile); "
        f"cosine similarity of features {np.median(cosines):.4f} (median), {np.min(cosines):.4f} (least)"
    )


def main() -> None:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a fine-tuned checkpoint")
    parser.add_argument("--channels", type=int, default=64)
    parser.add_argument("--rate", type=float, default=500.0, help="hertz (default: 500)")
    parser.add_argument("--step", type=float, default=0.25, help="seconds (default: 0.25)")
    parser.add_argument("--seconds", type=float, default=60.0, help="of the replay (default: 60)")
    parser.add_argument("--hours", type=float, default=1.0, help="for the memory (default: 1)")
    parser.add_argument("--recordings", type=Path, nargs="+", default=[], help="to compare with the offline pipeline")
    options = parser.parse_args()
    raw = made_recording(options.channels, options.rate, options.seconds)
    delay(options.model, raw, options.step)
    if options.recordings:
        agreement(options.model, options.recordings, min(options.step, 1 / 16))
    memory(options.model, raw, max(options.step, 1.0), options.hours)


if __name__ == "__main__":
    main()
