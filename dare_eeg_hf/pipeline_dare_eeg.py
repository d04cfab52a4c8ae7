"""EEG pipelines: a file, an MNE object or an array goes in, labels or features along time come out.

    from transformers import pipeline

    classify = pipeline("eeg-classification", model="a-classifier")
    for window in classify("recording.edf", overlap=0.5):
        print(window["onset"], window["label"], window["score"])

A recording is read, filtered and windowed piece by piece, so that hours of it need no more memory than minutes.
Reading files needs MNE; with the package dare_eeg_hf installed they also get its cleaning, as in training.
"""

import copy
import math
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModel, AutoModelForSequenceClassification, Pipeline
from transformers.pipelines import PIPELINE_REGISTRY
from transformers.utils import logging

from .argument_names import suggest
from .coverage_dare_eeg import ElectrodeCoverage, Features, Predictions
from .feature_extraction_dare_eeg import EegWarning
from .inputs_dare_eeg import (
    DESCRIPTION,
    ReadingOptions,
    as_array,
    as_rate,
    check_axes,
    columns_as_channels,
    electrodes_named,
    is_mne,
    is_nested_numbers,
    is_numbers,
    is_table,
    read_mapping,
    refuse_what_is_no_signal,
    several_recordings,
)
from .montage import match_channels, normalize_channel_name
from .remedies_dare_eeg import InputError, about
from .signal_dare_eeg import MICROVOLTS, canonical_unit, line_frequency
from .usability_dare_eeg import (
    SHORTEST_LOSS,
    Loss,
    alive_channels,
    bridge,
    find_breaks,
    find_lost_samples,
    is_break,
    losses_from_annotations,
    lost_channels,
    lost_seconds,
    stretches,
    uninterrupted,
    why_unusable,
    window_starts,
)

logger = logging.get_logger(__name__)

SEGMENT_SECONDS = 300.0
"""Signal that is filtered at once. Longer pieces cost memory, shorter ones filter their margins more often."""

MARGIN_SECONDS = 15.0
"""Signal around a piece that is filtered with it and thrown away: several times the filters' impulse response."""

CPU_BATCH_SIZE = 1
"""One window at a time keeps the activations in a CPU's cache; benchmarks/inference.py shows what that is worth."""

ACCELERATOR_BATCH_SIZE = 16


@dataclass(frozen=True)
class Window:
    """Where a window lies, and whether there is anything in it to judge.

    Attributes:
        trial: None in a continuous recording.
        onset: seconds; None for trials whose place in the recording is not known.
        duration: seconds of recording in it.
        samples: the same at the model's rate.
        partial: the recording, or an uninterrupted piece of it, ends inside; the rest is padding, which the model is
            told about.
        reason: why it is unusable; None where it is usable.
        channel_names: the channels that count in it.
    """

    trial: int | None
    onset: float | None
    duration: float
    samples: int
    partial: bool
    reason: str | None = None
    channel_names: tuple[str, ...] = ()

    @property
    def usable(self) -> bool:
        """Whether it holds signal enough for an answer."""
        return self.reason is None


@dataclass
class Piece:
    """Normalised signal (C, T), the vocabulary row of each channel, and which channels are valid, both (C,).

    `losses` are the stretches without signal, in seconds since the beginning of the recording.
    """

    values: torch.Tensor
    channel_ids: torch.Tensor
    channel_mask: torch.Tensor
    channel_names: list[str]
    losses: list[Loss]


class Recording:
    """A recording, or one trial, that is read and normalised piece by piece.

    Args:
        feature_extractor: Fulfils the signal contract.
        samples: Samples the source has.
        sampling_rate: Of the source, in Hz.
        read: `read(start, stop)` gives the feature extractor's arguments for a range of the source's samples, and the
            stretches without signal in it, in seconds since `start`.
        breaks: Breaks in time (start, stop), in seconds since the first sample.
        trial: Number of the trial, None for a continuous recording.
        onset: Time of the first sample in seconds; None where it is not known.
        entirely_lost: Nowhere is there any signal: the feature extractor is asked all the same, because it may know
            why (a wrong unit, say).
        clock: `meas_date` of a recording and the seconds from there to its first sample.
    """

    def __init__(
        self,
        feature_extractor: Any,
        samples: int,
        sampling_rate: float,
        read: Callable[[int, int], tuple[Any, dict[str, Any], list[Loss]]],
        *,
        breaks: Iterable[tuple[float, float]] = (),
        trial: int | None = None,
        onset: float | None = 0.0,
        entirely_lost: bool = False,
        clock: tuple[Any, float] = (None, 0.0),
    ) -> None:
        self.feature_extractor = feature_extractor
        self.source_samples = samples
        self.source_rate = sampling_rate
        self.read_source = read
        self.breaks = list(breaks)
        self.trial = trial
        self.onset = onset
        self.entirely_lost = entirely_lost
        self.clock = clock
        self.rate = feature_extractor.sampling_rate
        # The feature extractor gives whole patches only.
        self.samples = round(samples * self.rate / sampling_rate) // feature_extractor.patch_size
        self.samples *= feature_extractor.patch_size

    @property
    def pieces(self) -> list[tuple[int, int]]:
        """The uninterrupted pieces [start, stop) in samples of the normalised signal."""
        return uninterrupted(self.samples, self.rate, self.breaks)

    def read(self, start: int, stop: int) -> Piece:
        """Return the samples `start` to `stop` of the normalised signal, filtered with a margin on both sides.

        Where they and the margin hold no signal at all, the piece has no channels.
        """
        patch = self.feature_extractor.patch_size
        # Pieces begin at whole seconds that are whole patches, so that both rates and the patches agree on the place.
        grid = patch // math.gcd(patch, round(self.rate))
        first_second = max(0, math.floor((start / self.rate - MARGIN_SECONDS) / grid) * grid)
        last_second = math.ceil(stop / self.rate + MARGIN_SECONDS + patch / self.rate)
        source_start = round(first_second * self.source_rate)
        source_stop = min(self.source_samples, round(last_second * self.source_rate))
        duration = (source_stop - source_start) / self.source_rate
        try:
            # What is wrong with the whole recording is said once, with the first piece.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore" if start else "default")
                signal, description, losses = self.read_source(source_start, source_stop)
                moved = [replace(loss, onset=loss.onset + source_start / self.source_rate) for loss in losses]
                if not self.entirely_lost and not _heard(losses, duration):
                    nothing = torch.zeros(0, stop - start)
                    return Piece(nothing, nothing[:, 0].long(), nothing[:, 0].bool(), [], moved)
                batch = self.feature_extractor(signal, **description)
        except ValueError as error:
            if source_stop - source_start == self.source_samples:
                raise
            raise about(f"Between {first_second} and {last_second} s (cut this stretch out)", error) from error
        offset = start - round(source_start / self.source_rate * self.rate)
        values = batch["input_values"][0, :, offset : offset + stop - start]
        if self.feature_extractor.electrode_names is not None:
            moved = [loss for loss in moved if not loss.channels]  # a spatial projection needs all its electrodes
        return Piece(values, batch["channel_ids"][0], batch["channel_mask"][0], batch.reports[0].channels, moved)


def _heard(losses: Sequence[Loss], duration: float) -> bool:
    """Tell whether anything but stretches without signal is in so many seconds."""
    lost = lost_seconds([loss for loss in losses if not loss.channels], 0.0, duration)
    return lost < duration - min(SHORTEST_LOSS, duration / 2)


class EegPipeline(Pipeline):
    """What both EEG pipelines share: opening a recording, sliding over it, batching.

    Call it with a recording, or a list of them: a path; an MNE Raw or Epochs; a dictionary `signal`, `channel_names`,
    `sampling_rate`, `unit`; or an array (C, T) or (trials, C, T), tensor, nested list or pandas table (channels as
    columns) with these as keyword arguments. A generator, a data set or a column of one gives its answers one by one.

    Args:
        unit, rename, montage, line_frequency, reader_options, sidecar: What only the user can know about a recording;
            see `ReadingOptions`.
        overlap: Share of a window, 0 up to below 1, that the next one repeats.
        drop_partial: Whether to leave out windows in which the recording ends, which are padded.
        batch_size: Windows that go through the model at once; by default 1 on a CPU and 16 elsewhere.
        progress: Whether to show a progress bar; by default on a terminal only.
        filter: For arrays and Epochs, whether they are still to be filtered (recordings always are); see the feature
            extractor.
    """

    _load_feature_extractor = True
    _load_tokenizer = False
    _load_image_processor = False
    _load_video_processor = False
    _load_processor = False

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if getattr(self.model.config, "model_type", None) != "dare_eeg":
            raise ValueError(
                f"{type(self.model).__name__} is not a DARE-EEG model; the pipeline {self.task!r} needs one."
            )
        self.model.eval()

    def __call__(self, inputs: Any, *, batch_size: int | None = None, **kwargs: Any) -> Any:
        """Process one recording, or several one after the other."""
        if batch_size is None:
            batch_size = self._batch_size or self._best_batch_size
        several = several_recordings(inputs)
        if several is not None:
            answers = (self(each, batch_size=batch_size, **kwargs) for each in several)
            return list(answers) if isinstance(several, list) else answers
        if is_nested_numbers(inputs):  # Transformers would go through them one by one
            inputs = as_array(inputs)
        return super().__call__(inputs, windows_per_batch=batch_size, **kwargs)

    def _sanitize_parameters(self, **kwargs: Any) -> tuple[dict, dict, dict]:
        known = {
            "overlap",
            "drop_partial",
            "windows_per_batch",
            "progress",
            "filter",
            *DESCRIPTION,
            *ReadingOptions.__dataclass_fields__,
            *self._own_parameters,
        }
        if unknown := set(kwargs) - known:
            listed = ", ".join(suggest(name, known) for name in sorted(unknown))
            raise ValueError(f"{self.task} does not know {listed}; it takes {', '.join(sorted(known))}.")
        forward = {key: kwargs.pop(key) for key in ("pooling",) if key in kwargs}
        return kwargs, forward, {}

    _own_parameters: tuple[str, ...] = ()

    def run_single(self, inputs, preprocess_params, forward_params, postprocess_params):  # noqa: ARG002
        """Run the model batch by batch, so that no more than one piece and one batch are in memory."""
        windows, outputs, clock = [], [], (None, 0.0)
        coverage = ElectrodeCoverage(self.model.config, classifies=self.task == "eeg-classification")
        for batch in self.preprocess(inputs, **preprocess_params):
            windows += batch.pop("windows")
            clock = batch.pop("clock")
            if not batch:
                continue
            channel_names = batch.pop("channel_names")
            coverage.check(channel_names)
            coverage.add(channel_names, batch["channel_mask"].any(dim=0).tolist())
            outputs.append(self.forward(batch, **forward_params)["output"])
        _warn_of_losses(windows)
        report = coverage.report()
        for message in report.warnings if outputs else ():
            warnings.warn(message, EegWarning, stacklevel=2)
        answers = self.postprocess({"windows": windows, "outputs": outputs, "clock": clock})
        answers.report = report
        return answers

    @property
    def window_samples(self) -> int:
        """Samples of one window at the feature extractor's rate."""
        config = self.model.config
        return config.electrode_window_size if self._is_adapted else config.window_size

    @property
    def _best_batch_size(self) -> int:
        return CPU_BATCH_SIZE if self.device.type == "cpu" else ACCELERATOR_BATCH_SIZE

    @property
    def _is_adapted(self) -> bool:
        return self.model.config.use_spatial_projection or self.model.config.use_spectral_projection

    def preprocess(
        self,
        inputs: Any,
        overlap: float = 0.0,
        drop_partial: bool = False,
        windows_per_batch: int = CPU_BATCH_SIZE,
        progress: bool | None = None,
        filter: bool | None = None,
        window_seconds: float | None = None,
        **description: Any,
    ) -> Iterator[dict[str, Any]]:
        """Yield batches of the model's inputs with their windows; a batch of unusable windows has no inputs."""
        window = self._window_length(window_seconds)
        if not isinstance(overlap, Real) or not 0 <= overlap < 1:
            raise ValueError(f"overlap must be at least 0 and below 1, got {overlap!r}.")
        if not isinstance(windows_per_batch, Integral) or windows_per_batch < 1:
            raise ValueError(f"batch_size must be a whole number of windows, got {windows_per_batch!r}.")
        for name, value in {"drop_partial": drop_partial, "filter": filter}.items():
            if value not in (True, False, None):
                raise ValueError(f"{name} must be True or False, got {value!r}.")
        stride = max(1, round(window * (1 - overlap)))
        recordings = open_recordings(inputs, self.feature_extractor, filter=filter, **description)
        shortest = None if drop_partial else math.ceil(window / self._patches_in(window))
        plans = [(each, window_starts(each.pieces, window, stride, shortest)) for each in recordings]
        total = sum(len(places) for _, places in plans)
        if not total:
            wanted = f"one window of {window}" if drop_partial else f"one patch of {self.model.config.patch_size}"
            raise ValueError(f"The recording is shorter than {wanted} samples.")
        cut = (cut_windows(recording, places, window) for recording, places in plans)
        bar = logging.tqdm(total=total, unit="window", disable=None if progress is None else not progress)
        with bar:
            windows = (each for windows in cut for each in windows)
            for batch in collate_windows(windows, windows_per_batch, self._patches_in(window)):
                done = len(batch["windows"])
                yield {"clock": recordings[0].clock, **batch}
                bar.update(done)

    def _patches_in(self, window: int) -> int:
        """Time patches the model makes of a window; behind an adapter always as many as it was trained on."""
        config = self.model.config
        return config.num_patches if self._is_adapted else window // config.patch_size

    def _window_length(self, window_seconds: float | None) -> int:
        """Samples of a window: the model's own, or as many whole patches as `window_seconds` hold."""
        if window_seconds is None:
            return self.window_samples
        patch = self.model.config.patch_size
        patches = round(window_seconds * self.feature_extractor.sampling_rate / patch)
        if patches < 1:
            raise ValueError(f"window_seconds must hold a patch of {patch} samples, got {window_seconds}.")
        return patches * patch


class EegClassificationPipeline(EegPipeline):
    """Labels a recording window by window (`pipeline("eeg-classification")`).

    Returns a list with one dictionary a window: `onset` and `duration` in seconds, `partial` (True where the recording
    ended inside the window and padding fills it), `usable`, `reason`, `channels` (how many counted), `label`, `score`
    and `scores` (label to probability); for trials, Epochs or a three-dimensional array, also `trial`. A model for
    several labels at once adds `labels`, those with a probability of at least one half; a regression model gives
    `value` and `values` instead. A window without signal, or across a break in time, is not `usable`: it has a
    `reason`, and None for everything that the model would have said. The list's `report` tells how many of the
    electrodes that the model was trained with are there, and warns where they are few.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        trained = self.model.config.architectures or ["ForSequenceClassification"]
        if not any(name.endswith("ForSequenceClassification") for name in trained):
            raise ValueError(
                f"{self.model.config._name_or_path} is a {trained[0]} checkpoint without a trained classifier; "
                "fine-tune it first, or use the pipeline 'eeg-feature-extraction'."
            )

    def _forward(self, model_inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {"output": self.model(**model_inputs, return_dict=True).logits.float()}

    def postprocess(self, model_outputs: dict[str, Any]) -> Predictions:
        """Turn logits (W, K) into one dictionary a window."""
        names = [self.model.config.id2label[index] for index in range(self.model.config.num_labels)]
        outputs = model_outputs["outputs"]
        rows = iter(scores_from_logits(torch.cat(outputs), self.model.config).tolist() if outputs else [])
        answers = (next(rows) if window.usable else [None] * len(names) for window in model_outputs["windows"])
        predictions = Predictions(
            self._describe(window, dict(zip(names, answer, strict=True)))
            for window, answer in zip(model_outputs["windows"], answers, strict=True)
        )
        predictions.orig_time, predictions.first_time = model_outputs["clock"]
        return predictions

    def _describe(self, window: Window, scores: dict[str, float | None]) -> dict[str, Any]:
        entry: dict[str, Any] = {} if window.trial is None else {"trial": window.trial}
        entry |= {"onset": window.onset, "duration": window.duration, "partial": window.partial}
        entry |= {"usable": window.usable, "reason": window.reason, "channels": len(window.channel_names)}
        if problem_type(self.model.config) == "regression":
            return entry | {"value": next(iter(scores.values())), "values": scores}
        if problem_type(self.model.config) == "multi_label_classification":
            labels = [name for name, score in scores.items() if score >= 0.5] if window.usable else None
            entry["labels"] = labels
        best = max(scores, key=scores.get) if window.usable else None
        return entry | {"label": best, "score": scores.get(best), "scores": scores}

    def channel_importance(self, inputs: Any, *, max_windows: int = 12, **kwargs: Any) -> dict[str, float]:
        """Return how much the probability of the winning label falls, on average, when a channel is left out.

        Occlusion: each channel of up to `max_windows` windows, spread over the recording, is masked in turn (set to
        zero in front of a spatial projection, which needs all its electrodes). Positive channels support the label.
        """
        window = self.window_samples
        recordings = open_recordings(inputs, self.feature_extractor, **kwargs)
        places = [(each, place) for each in recordings for place in window_starts(each.pieces, window, window, window)]
        if not places:
            raise ValueError("The recording is shorter than one window of the model.")
        chosen = np.unique(np.linspace(0, len(places) - 1, min(max_windows, len(places))).round().astype(int))
        falls: dict[str, list[float]] = {}
        for index in chosen:
            recording, place = places[index]
            batch = next(collate_windows(cut_windows(recording, [place], window), 1, self._patches_in(window)))
            (described,) = batch.pop("windows")
            if not described.usable:
                continue
            names = batch.pop("channel_names")
            for name, fall in zip(names, self._occlude(batch).tolist(), strict=True):
                if name in described.channel_names:
                    falls.setdefault(name, []).append(fall)
        if not falls:
            raise ValueError(f"None of the {len(chosen)} windows looked at holds usable signal.")
        return {name: float(np.mean(values)) for name, values in falls.items()}

    def _occlude(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Fall of the winning probability, (C,), for one window without each of its C channels."""
        channels = batch["input_values"].shape[1]
        occluded = {key: value.repeat(channels + 1, *[1] * (value.dim() - 1)) for key, value in batch.items()}
        rows = torch.arange(channels)
        occluded["input_values"][rows, rows] = 0
        if not self._is_adapted:
            occluded["channel_mask"][rows, rows] = False
        logits = []
        for start in range(0, channels + 1, self._best_batch_size):
            part = {key: value[start : start + self._best_batch_size] for key, value in occluded.items()}
            logits.append(self.forward(part)["output"])
        scores = scores_from_logits(torch.cat(logits), self.model.config)
        best = int(scores[-1].argmax())
        return scores[-1, best] - scores[:-1, best]


class EegFeatureExtractionPipeline(EegPipeline):
    """Encodes a recording window by window (`pipeline("eeg-feature-extraction")`).

    Args:
        window_seconds: Length of a window, whole patches; by default the model's own.
        pooling: `"mean"` over the time patches of a window, or `"none"` for one feature vector a patch.

    Returns a dictionary: `features`, float32 (W, S*D) or, without pooling, (W, N, S*D), zero at padded patches;
    `onset` and `duration` in seconds, `partial`, `usable` and `reason`, each (W,); `channel_names`, C of them, and
    `channel_mask` (W, C), which of them counted in a window; and `trial` (W,) for trials. The features of a window
    that is not `usable` are NaN, and `reason` says why ("" for the others). Its `report` tells how many of the
    electrodes of pre-training are there, and warns where they are few.
    """

    _own_parameters = ("window_seconds", "pooling")

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if self._is_adapted:
            raise ValueError(
                "This classifier has a projection in front of its encoder, learned for one montage, so the encoder "
                "alone cannot read its signals; use the pre-trained checkpoint for features."
            )

    def _forward(self, model_inputs: dict[str, torch.Tensor], pooling: str = "mean") -> dict[str, torch.Tensor]:
        if pooling not in ("mean", "none"):
            raise ValueError(f"pooling must be 'mean' or 'none', got {pooling!r}.")
        encoder = getattr(self.model, "dare_eeg", self.model)
        outputs = encoder(**model_inputs, return_dict=True)
        if pooling == "mean":
            return {"output": outputs.pooler_output.float()}
        patches = model_inputs["patch_mask"].shape[1]
        return {"output": outputs.last_hidden_state.float().unflatten(1, (patches, -1)).flatten(2)}

    def postprocess(self, model_outputs: dict[str, Any]) -> Features:
        """Put the batches' features together."""
        windows: list[Window] = model_outputs["windows"]
        usable = np.array([window.usable for window in windows])
        config = self.model.config
        shape = (len(windows), config.num_summary_tokens * config.hidden_size)
        if model_outputs["outputs"]:
            shape = (len(windows), *model_outputs["outputs"][0].shape[1:])
        features = np.full(shape, np.nan, np.float32)
        if usable.any():
            features[usable] = torch.cat(model_outputs["outputs"]).numpy()
        names = list(dict.fromkeys(name for window in windows for name in window.channel_names))
        result = {
            "features": features,
            "onset": np.array([np.nan if window.onset is None else window.onset for window in windows]),
            "duration": np.array([window.duration for window in windows]),
            "partial": np.array([window.partial for window in windows]),
            "usable": usable,
            "reason": np.array([window.reason or "" for window in windows]),
            "channel_names": names,
            "channel_mask": np.array([[name in window.channel_names for name in names] for window in windows]),
        }
        if windows[0].trial is not None:
            result["trial"] = np.array([window.trial for window in windows])
        return Features(result)


# ---- from recordings to windows --------------------------------------------------------------------------


def cut_windows(
    recording: Recording, places: Sequence[tuple[int, int]], window: int
) -> Iterator[tuple[Window, Piece | None]]:
    """Yield windows, reading as many neighbouring ones at once as fit into `SEGMENT_SECONDS`.

    Args:
        places: First sample of each window and how many samples it has; see `window_starts`.
        window: Samples of a complete one.

    Yields:
        The window and its padded signal, or None instead of a signal where the window is unusable.
    """
    span = max(window, int(SEGMENT_SECONDS * recording.rate))
    position = 0
    while position < len(places):
        first = places[position][0]
        group = [place for place in places[position:] if place[0] + place[1] <= first + span]
        piece = recording.read(first, min(max(start + length for start, length in group), recording.samples))
        for start, length in group:
            yield _window(recording, piece, start, length, first, window)
        position += len(group)


def _window(
    recording: Recording, piece: Piece, start: int, length: int, first: int, window: int
) -> tuple[Window, Piece | None]:
    """One window of a piece that begins at the sample `first`, and its signal if it is usable."""
    begin, end = start / recording.rate, (start + length) / recording.rate
    described = Window(
        trial=recording.trial,
        onset=None if recording.onset is None else recording.onset + begin,
        duration=length / recording.rate,
        samples=length,
        partial=length < window,
    )
    reason = why_unusable(begin, end, piece.losses, recording.breaks, 1.5 / recording.rate)
    if reason:
        return replace(described, reason=reason), None
    silent = lost_channels(begin, end, piece.losses)
    mask = piece.channel_mask & torch.tensor([name not in silent for name in piece.channel_names])
    counted = tuple(name for name, valid in zip(piece.channel_names, mask.tolist(), strict=True) if valid)
    values = torch.nn.functional.pad(piece.values[:, start - first : start - first + length], (0, window - length))
    own = Piece(values, piece.channel_ids, mask, piece.channel_names, [])
    return replace(described, channel_names=counted), own


def collate_windows(
    windows: Iterable[tuple[Window, Piece | None]], batch_size: int, patches: int
) -> Iterator[dict[str, Any]]:
    """Stack neighbouring windows of the same channels, each of `patches` time patches, into the model's inputs.

    Yields:
        The inputs of at most `batch_size` usable windows with their `channel_names`, and `windows`: these and the
        unusable ones between them, in order.
    """
    described: list[Window] = []
    signals: list[tuple[Window, Piece]] = []
    for window, piece in windows:
        changed = signals and piece is not None and piece.channel_names != signals[0][1].channel_names
        if len(signals) == batch_size or changed:
            yield {"windows": described, **_stack(signals, patches)}
            described, signals = [], []
        described.append(window)
        if piece is not None:
            signals.append((window, piece))
    if described:
        yield {"windows": described, **(_stack(signals, patches) if signals else {})}


def _stack(signals: list[tuple[Window, Piece]], patches: int) -> dict[str, Any]:
    window = signals[0][1].values.shape[1]
    valid = torch.tensor([place.samples * patches // window for place, _ in signals])
    return {
        "input_values": torch.stack([piece.values for _, piece in signals]),
        "channel_ids": torch.stack([piece.channel_ids for _, piece in signals]),
        "channel_mask": torch.stack([piece.channel_mask for _, piece in signals]),
        "patch_mask": torch.arange(patches) < valid[:, None],
        "channel_names": signals[0][1].channel_names,
    }


def _warn_of_losses(windows: Sequence[Window]) -> None:
    """Issue one warning that names the stretches, or trials, of unusable windows, and one about padded ones."""
    unusable = [window for window in windows if not window.usable]
    if unusable:
        listed = _join(unusable)
        more = f"; and {len(listed) - 8} more" if len(listed) > 8 else ""
        warnings.warn(
            f"{len(unusable)} of {len(windows)} windows hold no usable signal and get no answer: "
            f"{'; '.join(listed[:8])}{more}.",
            EegWarning,
            stacklevel=2,
        )
    padded = [window for window in windows if window.partial and window.usable]
    if padded:
        last = padded[-1]
        where = f"at {last.onset:g} s" if last.trial is None else f"of trial {last.trial}"
        more = f" (and {len(padded) - 1} more)" if len(padded) > 1 else ""
        warnings.warn(
            f"The window {where}{more} has only {last.duration:g} s of signal; drop_partial=True (--drop-partial) "
            "leaves it out.",
            EegWarning,
            stacklevel=2,
        )


def _join(unusable: Sequence[Window]) -> list[str]:
    """Describe neighbouring windows with the same reason in one phrase."""
    joined: list[list[Any]] = []
    for window in unusable:
        if window.trial is not None:
            joined.append([f"trial {window.trial}", None, window.reason])
        elif joined and window.onset <= joined[-1][1] + 1e-6 and joined[-1][2] == window.reason:
            joined[-1][1] = max(joined[-1][1], window.onset + window.duration)
        else:
            joined.append([window.onset, window.onset + window.duration, window.reason])
    return [
        f"{reason} in {start}" if stop is None else f"{reason} from {start:g} to {stop:g} s"
        for start, stop, reason in joined
    ]


# ---- from inputs to recordings ---------------------------------------------------------------------------


def open_recordings(
    inputs: Any,
    feature_extractor: Any,
    *,
    filter: bool | None = None,
    channel_names: Sequence[str] | None = None,
    sampling_rate: float | None = None,
    **reading: Any,
) -> list[Recording]:
    """Open what a user may bring: one `Recording` for a continuous one, one a trial otherwise.

    Args:
        inputs: A path; an MNE Raw or Epochs; a dictionary with `signal` and the three descriptions; or an array
            (C, T) or (trials, C, T), with the descriptions as arguments; see `EegPipeline`.
        feature_extractor: Fulfils the signal contract.
        filter: See `EegPipeline`.
        channel_names: C names, for arrays.
        sampling_rate: In Hz, for arrays.
        reading: See `ReadingOptions`; arrays need its `unit`: "V", "mV", "uV" or "nV".

    Raises:
        ValueError: If the input is none of these, or its description is incomplete.
        ImportError: If a path is given and MNE is not installed.
    """
    options = ReadingOptions(**reading)
    feature_extractor = options.adjust(feature_extractor)
    described = {"channel_names": channel_names, "sampling_rate": sampling_rate}
    given = [key for key, value in described.items() if value is not None]
    if isinstance(inputs, Mapping):
        if given or options.unit is not None:
            raise InputError(f"A dictionary brings its own {', '.join(DESCRIPTION)}: do not pass them as well.")
        array = read_mapping(inputs)
        return open_recordings(array.pop("signal"), feature_extractor, filter=filter, **{**reading, **array})
    refuse_what_is_no_signal(inputs)
    if isinstance(inputs, (str, os.PathLike)) or is_mne(inputs):
        if given:
            raise InputError(f"A file or MNE object brings its own {', '.join(given)}: do not pass them.")
        if isinstance(inputs, (str, os.PathLike)):
            recording = read_file(inputs, options)
            if hasattr(recording, "n_times"):
                return [_open_raw(recording, feature_extractor, options)]
            return _open_epochs(recording, feature_extractor, filter, options)
        options.refuse_file_options(f"this {type(inputs).__name__}")
        if hasattr(inputs, "n_times"):
            return [_open_raw(inputs, feature_extractor, options)]
        return _open_epochs(inputs, feature_extractor, filter, options)
    options.refuse_file_options("an array")
    return _open_numbers(inputs, feature_extractor, {**described, "unit": options.unit, "filter": filter}, options)


def _open_numbers(
    inputs: Any, feature_extractor: Any, description: dict[str, Any], options: ReadingOptions
) -> list[Recording]:
    """Open an array, tensor, nested list or table that `description` describes."""
    if not (is_numbers(inputs) or is_nested_numbers(inputs)):
        raise InputError(
            f"A {type(inputs).__name__} is no recording: pass a path, an MNE Raw or Epochs, or an array with names, "
            "rate and unit."
        )
    if is_table(inputs) and description["channel_names"] is None:
        description["channel_names"] = columns_as_channels(inputs)
    signal = as_array(inputs)
    missing = missing_description({key: description[key] for key in DESCRIPTION})
    if signal.ndim not in (2, 3) or missing:
        raise InputError(
            f"An array must be (channels, samples) or (trials, channels, samples), here {signal.shape}, and "
            f"come with {', '.join(missing) or 'its description'}."
        )
    check_axes(signal.shape, description["channel_names"])
    description["sampling_rate"] = as_rate(description["sampling_rate"])
    description |= {"rename": options.rename, "montage": options.montage}
    places = [_Place(None, 0.0)] if signal.ndim == 2 else [_Place(number, 0.0) for number in range(len(signal))]
    return _open_arrays([signal] if signal.ndim == 2 else list(signal), places, feature_extractor, description)


def missing_description(description: Mapping[str, Any]) -> list[str]:
    """Return which of names, rate and unit were not given."""
    return [key for key, value in description.items() if value is None]


@dataclass(frozen=True)
class _Place:
    """Number of a trial, its onset in seconds, and the breaks in it."""

    trial: int | None
    onset: float | None
    breaks: tuple[tuple[float, float], ...] = ()


def _open_arrays(
    signals: Sequence[np.ndarray], places: Sequence[_Place], feature_extractor: Any, description: dict[str, Any]
) -> list[Recording]:
    """Open signals (C, T) in memory that share their description; what they lost is bridged in a copy."""
    rate, names = float(description["sampling_rate"]), [str(name) for name in description["channel_names"]]
    rows = _rows_in_use(feature_extractor, names, description["rename"], description["montage"])
    lost = [_find_lost(signal, rows, rate, description["unit"]) for signal in signals]
    alive = alive_channels(lost)
    opened = []
    for signal, place, codes in zip(signals, places, lost, strict=True):
        signal, losses = _mend(signal, rows, codes, alive, rate)
        opened.append(
            Recording(
                feature_extractor,
                signal.shape[1],
                rate,
                partial(_read_array, signal, description, losses, place.breaks),
                breaks=place.breaks,
                trial=place.trial,
                onset=place.onset,
                entirely_lost=all(each.size > 0 and each.all() for each in lost),
            )
        )
    return opened


def _read_array(
    signal: np.ndarray,
    description: dict[str, Any],
    losses: Sequence[Loss],
    breaks: Sequence[tuple[float, float]],
    start: int,
    stop: int,
) -> tuple[np.ndarray, dict[str, Any], list[Loss]]:
    """A range of a signal in memory, with its description and losses."""
    begin, end = start / description["sampling_rate"], stop / description["sampling_rate"]
    inside = [(first - begin, last - begin) for first, last in breaks]
    return signal[:, start:stop], {**description, "breaks": inside}, _within(losses, begin, end)


def _within(losses: Iterable[Loss], begin: float, end: float) -> list[Loss]:
    """The losses that lie between `begin` and `end` seconds, cut to it and counted from `begin`."""
    cut = []
    for loss in losses:
        first, last = max(loss.onset, begin), min(loss.onset + loss.duration, end)
        if first < last:
            cut.append(replace(loss, onset=first - begin, duration=last - first))
    return cut


def _rows_in_use(
    feature_extractor: Any, names: Sequence[str], rename: Mapping[str, str] | None, montage: str | None
) -> dict[str, int]:
    """Electrode -> row of a signal with these names, for the channels that the feature extractor will take."""
    if feature_extractor.electrode_names is None:
        electrodes = electrodes_named(names, feature_extractor.channel_names, rename, montage)
        return dict(match_channels(list(names), feature_extractor.channel_names, electrodes).indices)
    wanted = {normalize_channel_name(name) for name in feature_extractor.electrode_names}
    return {name: row for row, name in enumerate(names) if normalize_channel_name(name) in wanted}


def _find_lost(signal: np.ndarray, rows: Mapping[str, int], rate: float, unit: str) -> np.ndarray:
    """Codes (channels in use, T) of the samples of a signal (C, T) that carry nothing; see `find_lost_samples`."""
    microvolts = (signal[list(rows.values())] * MICROVOLTS[canonical_unit(unit)]).astype(np.float32)
    lost = find_lost_samples(microvolts, rate) if len(microvolts) else None
    return np.zeros(microvolts.shape, np.uint8) if lost is None else lost


def _mend(
    signal: np.ndarray, rows: Mapping[str, int], lost: np.ndarray, alive: np.ndarray, rate: float
) -> tuple[np.ndarray, list[Loss]]:
    """Bridge what is lost in a copy of a signal (C, T), and list the stretches of the channels that are `alive`."""
    if not lost.any():
        return signal, []
    used = signal[list(rows.values())]
    bridge(used, lost)
    signal = signal.astype(used.dtype)
    signal[list(rows.values())] = used
    names = [name for name, is_alive in zip(rows, alive, strict=True) if is_alive]
    return signal, stretches(lost[alive], rate, names)


def _open_epochs(epochs: Any, feature_extractor: Any, filter: bool | None, options: ReadingOptions) -> list[Recording]:
    """Open every epoch; onsets are in the recording's own seconds where they can be known."""
    types = dict(zip(epochs.ch_names, epochs.get_channel_types(), strict=True))
    names = [name for name in epochs.ch_names if types[name] == "eeg" and name not in epochs.info["bads"]]
    if not names:
        raise ValueError(f"The epochs have no EEG channel; their channels are {', '.join(epochs.ch_names) or 'none'}.")
    if not len(epochs):
        raise InputError("There is no epoch: none was made, or all were dropped (epochs.drop_log says why).")
    description = {"channel_names": names, "sampling_rate": float(epochs.info["sfreq"]), "unit": options.unit or "V"}
    description |= {"filter": filter, "rename": options.rename, "montage": options.montage}
    onsets = _onsets_of_epochs(epochs)
    places = [
        _Place(number, onset, breaks)
        for number, (onset, breaks) in enumerate(zip(onsets, _breaks_in_epochs(epochs), strict=True))
    ]
    return _open_arrays(list(epochs.get_data(picks=names)), places, feature_extractor, description)


def _onsets_of_epochs(epochs: Any) -> list[float | None]:
    """Seconds from the sample that events count from to the first sample of each epoch.

    Events count samples of the recording, whose rate MNE keeps when epochs are decimated or resampled. Where they are
    mere numbers (0, 1, 2, ...: what MNE gives arrays without events, of which some may have been chosen), nobody knows
    when the epochs were.
    """
    rate = float(np.ravel(getattr(epochs, "_raw_sfreq", None) or epochs.info["sfreq"])[0])
    samples = epochs.events[:, 0]
    if len(samples) and samples[-1] > 0 and np.array_equal(samples, epochs.selection):
        warnings.warn(
            "The epochs' events only number them, so that their onsets are not known.", EegWarning, stacklevel=2
        )
        return [None] * len(samples)
    return [float(sample / rate + epochs.tmin) for sample in samples]


def _breaks_in_epochs(epochs: Any) -> list[tuple[tuple[float, float], ...]]:
    """Breaks in time inside each epoch, in seconds since its first sample."""
    if getattr(epochs, "annotations", None) is None:
        return [()] * len(epochs)
    return [
        tuple(
            (onset - epochs.tmin, onset - epochs.tmin + duration)
            for onset, duration, text, *_ in each
            if is_break(text)
        )
        for each in epochs.get_annotations_per_epoch()
    ]


def read_file(path: str | os.PathLike, options: ReadingOptions | None = None) -> Any:
    """Open a recording as an MNE Raw without reading its samples, or a file of epochs as MNE Epochs.

    Args:
        path: The file.
        options: Its `sidecar` and `reader_options` say how to read it.

    Raises:
        FileNotFoundError: If there is no such file.
        ImportError: If MNE is not installed.
        ValueError: If the file is no recording that can be read.
    """
    path, options = Path(path), options or ReadingOptions()
    if not path.exists():
        raise FileNotFoundError(f"There is no file {path}.")
    try:
        from dare_eeg_hf.recordings.readers import read_epochs, read_raw
    except ImportError:
        read_raw = None
    if read_raw is not None:
        epochs = read_epochs(path)
        if epochs is not None:
            return epochs
        return read_raw(path, options.sidecar, **(options.reader_options or {}))
    try:
        import mne
    except ImportError as error:
        raise ImportError(
            "Reading a file needs MNE: `pip install mne`, or pass an array with names, rate and unit."
        ) from error
    try:
        return mne.io.read_raw(path, preload=False, verbose="ERROR", **(options.reader_options or {}))
    except Exception as error:
        # Each of MNE's readers fails in its own way on a file that is not what its name says.
        raise ValueError(f"{path.name} cannot be read as a recording: {error}") from error


def _open_raw(raw, feature_extractor, options: ReadingOptions) -> Recording:
    """Open an MNE Raw, whose samples may still lie on the disk.

    A Raw that is not normalised yet goes through the package's cleaning where that is installed. A classifier adapted
    to the electrodes of one data set needs all of them, good or bad, and only its feature extractor knows which.
    """
    normalised = raw.info.get("description") == feature_extractor.normalized_description
    unit = options.unit or "V"
    rate = float(raw.info["sfreq"])
    breaks, clock = find_breaks(raw), (raw.annotations.orig_time, float(raw.first_time))
    if not normalised and feature_extractor.electrode_names is None:
        try:
            from dare_eeg_hf.recordings.pieces import PiecewiseNormalizer
        except ImportError:
            PiecewiseNormalizer = None
        if PiecewiseNormalizer is not None:
            normalizer = PiecewiseNormalizer(
                raw, feature_extractor, rename=options.names(raw.ch_names, feature_extractor.channel_names), unit=unit
            )

            def read(start: int, stop: int) -> tuple[Any, dict[str, Any], list[Loss]]:
                piece = normalizer(start, stop)
                return piece, {}, losses_from_annotations(piece.annotations, piece.first_time)

            return Recording(feature_extractor, raw.n_times, rate, read, breaks=breaks, clock=clock)
    types = dict(zip(raw.ch_names, raw.get_channel_types(), strict=True))
    names = [name for name in raw.ch_names if types[name] == "eeg" and name not in raw.info["bads"]]
    if not names:
        raise ValueError(f"The recording has no EEG channel; its channels are {', '.join(raw.ch_names) or 'none'}.")
    if feature_extractor.notch == "auto" and not normalised:
        # The mains frequency is a property of the place, so that one piece of the recording tells it for all.
        middle = max(0, raw.n_times // 2 - int(SEGMENT_SECONDS * rate) // 2)
        feature_extractor = copy.copy(feature_extractor)
        feature_extractor.notch = line_frequency(
            raw.get_data(names, middle, min(raw.n_times, middle + int(SEGMENT_SECONDS * rate))), rate
        )
    description = {"channel_names": names, "sampling_rate": rate, "unit": unit, "filter": not normalised}
    description |= {"rename": options.rename, "montage": options.montage}
    marked = losses_from_annotations(raw.annotations, raw.first_time)
    rows = _rows_in_use(feature_extractor, names, options.rename, options.montage)

    def read(start: int, stop: int) -> tuple[Any, dict[str, Any], list[Loss]]:
        signal = raw.get_data(names, start, stop)
        if normalised:
            return _read_array(signal, description, _within(marked, start / rate, stop / rate), (), 0, stop - start)
        lost = _find_lost(signal, rows, rate, unit)
        signal, losses = _mend(signal, rows, lost, np.ones(len(lost), bool), rate)
        inside = [(first - start / rate, last - start / rate) for first, last in breaks]
        return signal, {**description, "breaks": inside}, losses

    return Recording(feature_extractor, raw.n_times, rate, read, breaks=breaks, clock=clock)


# ---- from logits to answers ------------------------------------------------------------------------------


def problem_type(config: Any) -> str:
    """Return what a head does: "regression", "single_label_classification" or "multi_label_classification"."""
    return config.problem_type or ("regression" if config.num_labels == 1 else "single_label_classification")


def scores_from_logits(logits: torch.Tensor, config: Any) -> torch.Tensor:
    """Turn logits (W, K) into probabilities; the values of a regression stay as they are."""
    kind = problem_type(config)
    if kind == "regression":
        return logits
    return logits.sigmoid() if kind == "multi_label_classification" else logits.softmax(dim=-1)


def register_pipelines() -> None:
    """Make both pipelines known to `transformers.pipeline`; calling it again changes nothing."""
    for task, implementation, model in (
        ("eeg-classification", EegClassificationPipeline, AutoModelForSequenceClassification),
        ("eeg-feature-extraction", EegFeatureExtractionPipeline, AutoModel),
    ):
        if task not in PIPELINE_REGISTRY.get_supported_tasks():
            PIPELINE_REGISTRY.register_pipeline(task, pipeline_class=implementation, pt_model=model, type="multimodal")
