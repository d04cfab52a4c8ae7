"""A classifier that labels the last window of a stream every few samples, and says when there is nothing to judge."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dare_eeg_hf.checkpoints import load_pipeline
from dare_eeg_hf.coverage_dare_eeg import AnswerReport, ElectrodeCoverage
from dare_eeg_hf.inputs_dare_eeg import ReadingOptions
from dare_eeg_hf.live.chunks import Chunk, SignalStream
from dare_eeg_hf.live.running_signal import RunningSignal
from dare_eeg_hf.pipeline_dare_eeg import scores_from_logits

LATEST = 1.0
"""Seconds. A window that ended longer ago when its turn comes is of no use any more, and is left out."""


@dataclass(frozen=True)
class LiveWindow:
    """The answer for the last window at one moment.

    Attributes:
        time: when its newest sample was taken, on the stream's clock; None before the first sample.
        onset, duration: seconds; the onset counts from the stream's first sample, and the filters' delay is taken off.
        usable, reason: whether there is signal to judge, and if not, why.
        label, score, scores: the most probable class, its probability, and those of all classes; None where there is
            nothing to judge.
        channels: how many electrodes counted.
        delay: seconds from the newest sample to the answer.
        skipped: windows left out just before this one, because their answers would have come too late.
        features: (S * D,) the encoder's features of the window, mean over time; None where there is nothing to judge.
    """

    time: float | None
    onset: float | None
    duration: float
    usable: bool
    reason: str | None
    label: str | None
    score: float | None
    scores: dict[str, float | None]
    channels: int
    delay: float
    skipped: int = 0
    features: np.ndarray | None = field(default=None, repr=False, compare=False)


class LiveClassifier:
    """Labels a stream with a fine-tuned classifier.

    ```python
    classifier = LiveClassifier("model_cards/dare-eeg-nano-eyes")
    with EegStream("amplifier") as stream:
        for window in classifier.windows(stream):
            print(window.label, window.score, window.reason, window.delay)
    ```

    Args:
        model: folder of a checkpoint, or its id on the Hub.
        step: seconds between two answers.
        device, revision: as for the pipelines.
        known: `rename`, `montage`, `line_frequency`: what only the user can know; see `ReadingOptions`.

    Raises:
        ValueError: The step is not positive, or the model is no classifier.
    """

    def __init__(
        self,
        model: str | Path,
        step: float = 0.25,
        *,
        device: str | None = None,
        revision: str | None = None,
        **known: Any,
    ) -> None:
        if not step > 0:
            raise ValueError(f"step must be longer than 0 s, got {step:g}")
        chosen = {name: value for name, value in {"device": device, "revision": revision}.items() if value is not None}
        pipeline = load_pipeline(str(model), "eeg-classification", **chosen)
        self.model = pipeline.model
        self.known = ReadingOptions(**known)
        self.extractor = self.known.adjust(pipeline.feature_extractor)
        self.step_samples = max(1, round(step * self.extractor.sampling_rate))
        self.window_samples = self.model.config.window_size
        self.labels = [self.model.config.id2label[index] for index in range(self.model.config.num_labels)]

    def follow(self, stream: SignalStream) -> RunningSignal:
        """The signal of a stream, before its first sample.

        Raises:
            InputError: No channel of the stream is an electrode the model knows.
        """
        return RunningSignal(self.extractor, stream.channel_names, stream.rate, self.window_samples, self.known)

    def windows(self, stream: SignalStream, signal: RunningSignal | None = None) -> Iterator[LiveWindow]:
        """Answers as long as the stream gives chunks: one for every step of signal, or of waiting for it.

        Args:
            stream: gives chunks.
            signal: what `follow` gave, for callers who want to look at it between two answers.
        """
        signal = signal or self.follow(stream)
        first, next_end = None, self.step_samples
        for chunk in stream:
            if not len(chunk.times):
                yield self._no_answer(signal.newest, f"no samples for {chunk.waited:.1f} s", chunk.waited)
                continue
            first = float(chunk.times[0]) if first is None else first
            if chunk.restarted and signal.begin_anew():
                next_end = self.step_samples
                yield self._no_answer(signal.newest, "samples are missing here", 0.0)
            signal.add(chunk)
            skipped = 0
            while next_end <= signal.samples:
                if (signal.samples - next_end) / self.extractor.sampling_rate > LATEST:
                    skipped += 1
                else:
                    yield self._answer(signal, next_end, stream.clock, chunk, first, skipped)
                    skipped = 0
                next_end += self.step_samples
            signal.look_for_bad_channels()

    def electrodes(self, signal: RunningSignal) -> AnswerReport:
        """How many of the model's electrodes a stream has.

        Raises:
            InputError: Too few of them.
        """
        coverage = ElectrodeCoverage(self.model.config, classifies=True)
        coverage.add(signal.electrodes, [True] * len(signal.electrodes))
        return coverage.report()

    def _answer(
        self,
        signal: RunningSignal,
        end: int,
        clock: Callable[[], float],
        chunk: Chunk,
        first: float,
        skipped: int,
    ) -> LiveWindow:
        values, reason, valid = signal.window(end)
        scores: dict[str, float | None] = dict.fromkeys(self.labels)
        features = None
        if reason is None:
            scores, features = self._scores_and_features(signal, values, np.flatnonzero(valid))
        label = None if reason else max(scores, key=scores.get)
        taken = signal.time_of(end)
        seconds = min(end, self.window_samples) / self.extractor.sampling_rate
        return LiveWindow(
            time=taken,
            onset=taken - first - seconds - signal.delay,
            duration=seconds,
            usable=reason is None,
            reason=reason,
            label=label,
            score=scores.get(label),
            scores=scores,
            channels=int(valid.sum()) if reason is None else 0,
            # A recording that is replayed faster than it was recorded has times that are still to come.
            delay=clock() - (taken if chunk.arrived is None else min(taken, chunk.arrived)),
            skipped=skipped,
            features=features,
        )

    def _inputs(self, signal: RunningSignal, values: np.ndarray, channels: Any) -> Any:
        names = np.array(signal.channel_names)[channels].tolist()
        named = {"rename": self.known.rename, "montage": self.known.montage}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the same at every step
            return self.extractor(values[channels], names, self.extractor.sampling_rate, "uV", filter=False, **named)

    @torch.no_grad()
    def _scores_and_features(
        self, signal: RunningSignal, values: np.ndarray, channels: np.ndarray
    ) -> tuple[dict[str, float], np.ndarray]:
        batch = self._inputs(signal, values, channels)
        inputs = {name: batch[name].to(self.model.device) for name in self.extractor.model_input_names}
        encoded = self.model.extract_features(**inputs)
        maps = self.model.extract_power_maps(**inputs)
        logits = self.model.classify_features(encoded.last_hidden_state, inputs["patch_mask"], maps).float().cpu()
        scores = dict(zip(self.labels, scores_from_logits(logits, self.model.config)[0].tolist(), strict=True))
        return scores, encoded.pooler_output[0].float().cpu().numpy()

    def _no_answer(self, newest: float | None, reason: str, waited: float) -> LiveWindow:
        return LiveWindow(newest, None, 0.0, False, reason, None, None, dict.fromkeys(self.labels), 0, waited)
