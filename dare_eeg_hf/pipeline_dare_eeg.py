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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModel, AutoModelForSequenceClassification, Pipeline
from transformers.pipelines import PIPELINE_REGISTRY
from transformers.utils import logging

from .argument_names import suggest
from .signal_dare_eeg import line_frequency

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
    """Where a window lies: its trial (None in a continuous recording), start and length in seconds of real signal.

    `partial` windows end where the recording does; the rest is padding, which the model is told about. `samples` are
    those with signal.
    """

    trial: int | None
    onset: float
    duration: float
    samples: int
    partial: bool


@dataclass
class Piece:
    """Normalised signal (C, T), the vocabulary row of each channel, and which channels are valid, both (C,)."""

    values: torch.Tensor
    channel_ids: torch.Tensor
    channel_mask: torch.Tensor
    channel_names: list[str]


class Recording:
    """A recording, or one trial, that is read and normalised piece by piece.

    Args:
        feature_extractor: Fulfils the signal contract.
        samples: Samples the source has.
        sampling_rate: Of the source, in Hz.
        read: `read(start, stop)` gives the feature extractor's arguments for a range of the source's samples.
        trial: Number of the trial, None for a continuous recording.
        onset: Time of the first sample in seconds.
    """

    def __init__(self, feature_extractor, samples, sampling_rate, read, trial=None, onset=0.0) -> None:
        self.feature_extractor = feature_extractor
        self.source_samples = samples
        self.source_rate = sampling_rate
        self.read_source = read
        self.trial = trial
        self.onset = onset
        self.rate = feature_extractor.sampling_rate
        # The feature extractor gives whole patches only.
        self.samples = round(samples * self.rate / sampling_rate) // feature_extractor.patch_size
        self.samples *= feature_extractor.patch_size

    def read(self, start: int, stop: int) -> Piece:
        """Return the samples `start` to `stop` of the normalised signal, filtered with a margin on both sides."""
        patch = self.feature_extractor.patch_size
        # Pieces begin at whole seconds that are whole patches, so that both rates and the patches agree on the place.
        grid = patch // math.gcd(patch, round(self.rate))
        first_second = max(0, math.floor((start / self.rate - MARGIN_SECONDS) / grid) * grid)
        last_second = math.ceil(stop / self.rate + MARGIN_SECONDS + patch / self.rate)
        source_start = round(first_second * self.source_rate)
        source_stop = min(self.source_samples, round(last_second * self.source_rate))
        try:
            # What is wrong with the whole recording is said once, with the first piece.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore" if start else "default")
                signal, description = self.read_source(source_start, source_stop)
                batch = self.feature_extractor(signal, **description)
        except ValueError as error:
            if source_stop - source_start == self.source_samples:
                raise
            raise ValueError(f"Between {first_second} and {last_second} s: {error}; cut this stretch out.") from error
        offset = start - round(source_start / self.source_rate * self.rate)
        values = batch["input_values"][0, :, offset : offset + stop - start]
        return Piece(values, batch["channel_ids"][0], batch["channel_mask"][0], batch.reports[0].channels)


class EegPipeline(Pipeline):
    """What both EEG pipelines share: opening a recording, sliding over it, batching.

    Call it with a recording, or a list of them: a path; an MNE Raw or Epochs; a dictionary `signal`, `channel_names`,
    `sampling_rate`, `unit`; or an array (C, T) or (trials, C, T) with these as keyword arguments.

    Args:
        overlap: Share of a window, 0 up to below 1, that the next one repeats.
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
        """Process one recording, or a list of them one after the other."""
        batch_size = batch_size or self._batch_size or self._best_batch_size
        if isinstance(inputs, (list, tuple)):
            return [self(each, batch_size=batch_size, **kwargs) for each in inputs]
        return super().__call__(inputs, windows_per_batch=batch_size, **kwargs)

    def _sanitize_parameters(self, **kwargs: Any) -> tuple[dict, dict, dict]:
        known = {
            "overlap",
            "windows_per_batch",
            "progress",
            "filter",
            "channel_names",
            "sampling_rate",
            "unit",
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
        windows, outputs, channel_names = [], [], []
        for batch in self.preprocess(inputs, **preprocess_params):
            windows += batch.pop("windows")
            channel_names = batch.pop("channel_names")
            outputs.append(self.forward(batch, **forward_params)["output"])
        return self.postprocess({"windows": windows, "outputs": outputs, "channel_names": channel_names})

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
        windows_per_batch: int = CPU_BATCH_SIZE,
        progress: bool | None = None,
        filter: bool | None = None,
        window_seconds: float | None = None,
        **description: Any,
    ) -> Iterator[dict[str, Any]]:
        """Yield batches of the model's inputs with their windows."""
        window = self._window_length(window_seconds)
        if not 0 <= overlap < 1:
            raise ValueError(f"overlap must be at least 0 and below 1, got {overlap}.")
        stride = max(1, round(window * (1 - overlap)))
        recordings = open_recordings(inputs, self.feature_extractor, filter=filter, **description)
        shortest = math.ceil(window / self._patches_in(window))
        plans = [(each, window_starts(each.samples, window, stride, shortest)) for each in recordings]
        total = sum(len(starts) for _, starts in plans)
        if not total:
            raise ValueError(f"The recording is shorter than one patch of {self.model.config.patch_size} samples.")
        cut = (cut_windows(recording, starts, window) for recording, starts in plans)
        bar = logging.tqdm(total=total, unit="window", disable=None if progress is None else not progress)
        with bar:
            windows = (each for windows in cut for each in windows)
            for batch in collate_windows(windows, windows_per_batch, self._patches_in(window)):
                if not batch["patch_mask"].all() and self.task == "eeg-classification":
                    last = batch["windows"][-1]
                    logger.warning(f"The window at {last.onset:g} s has only {last.duration:g} s of signal.")
                done = len(batch["windows"])
                yield batch
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
    ended inside the window and padding fills it), `label`, `score` and `scores` (label to probability); for trials,
    Epochs or a three-dimensional array, also `trial`. A model for several labels at once adds `labels`, those with a
    probability of at least one half; a regression model gives `value` and `values` instead.
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

    def postprocess(self, model_outputs: dict[str, Any]) -> list[dict[str, Any]]:
        """Turn logits (W, K) into one dictionary a window."""
        scores = scores_from_logits(torch.cat(model_outputs["outputs"]), self.model.config)
        names = [self.model.config.id2label[index] for index in range(self.model.config.num_labels)]
        return [
            self._describe(window, dict(zip(names, row.tolist(), strict=True)))
            for window, row in zip(model_outputs["windows"], scores, strict=True)
        ]

    def _describe(self, window: Window, scores: dict[str, float]) -> dict[str, Any]:
        entry: dict[str, Any] = {} if window.trial is None else {"trial": window.trial}
        entry |= {"onset": window.onset, "duration": window.duration, "partial": window.partial}
        if problem_type(self.model.config) == "regression":
            return entry | {"value": next(iter(scores.values())), "values": scores}
        best = max(scores, key=scores.get)
        if problem_type(self.model.config) == "multi_label_classification":
            entry["labels"] = [name for name, score in scores.items() if score >= 0.5]
        return entry | {"label": best, "score": scores[best], "scores": scores}

    def channel_importance(self, inputs: Any, *, max_windows: int = 12, **kwargs: Any) -> dict[str, float]:
        """Return how much the probability of the winning label falls, on average, when a channel is left out.

        Occlusion: each channel of up to `max_windows` windows, spread over the recording, is masked in turn (set to
        zero in front of a spatial projection, which needs all its electrodes). Positive channels support the label.
        """
        window = self.window_samples
        recordings = open_recordings(inputs, self.feature_extractor, **kwargs)
        places = [(each, start) for each in recordings for start in range(0, each.samples - window + 1, window)]
        if not places:
            raise ValueError("The recording is shorter than one window of the model.")
        chosen = np.unique(np.linspace(0, len(places) - 1, min(max_windows, len(places))).round().astype(int))
        falls: dict[str, list[float]] = {}
        for index in chosen:
            recording, start = places[index]
            batch = next(collate_windows(cut_windows(recording, [start], window), 1, self._patches_in(window)))
            names = batch.pop("channel_names")
            del batch["windows"]
            for name, fall in zip(names, self._occlude(batch).tolist(), strict=True):
                falls.setdefault(name, []).append(fall)
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
    `onset` and `duration` in seconds and `partial`, each (W,); `channel_names`; and `trial` (W,) for trials.
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

    def postprocess(self, model_outputs: dict[str, Any]) -> dict[str, Any]:
        """Put the batches' features together."""
        windows: list[Window] = model_outputs["windows"]
        result = {
            "features": torch.cat(model_outputs["outputs"]).numpy(),
            "onset": np.array([window.onset for window in windows]),
            "duration": np.array([window.duration for window in windows]),
            "partial": np.array([window.partial for window in windows]),
            "channel_names": list(model_outputs["channel_names"]),
        }
        if windows[0].trial is not None:
            result["trial"] = np.array([window.trial for window in windows])
        return result


# ---- from recordings to windows --------------------------------------------------------------------------


def window_starts(samples: int, window: int, stride: int, shortest: int) -> list[int]:
    """Return the first samples of windows over a recording.

    The last window may reach beyond the end, if at least `shortest` samples of it lie inside.
    """
    starts = list(range(0, samples - window + 1, stride))
    covered = starts[-1] + window if starts else 0
    last = starts[-1] + stride if starts else 0
    return [*starts, last] if covered < samples and samples - last >= shortest else starts


def cut_windows(recording: Recording, starts: Sequence[int], window: int) -> Iterator[tuple[Window, Piece]]:
    """Yield windows, reading as many neighbouring ones at once as fit into `SEGMENT_SECONDS`."""
    span = max(window, int(SEGMENT_SECONDS * recording.rate))
    position = 0
    while position < len(starts):
        first = starts[position]
        group = [start for start in starts[position:] if start + window <= first + span]
        stop = min(group[-1] + window, recording.samples)
        piece = recording.read(first, stop)
        for start in group:
            values = piece.values[:, start - first : start - first + window]
            if not values.shape[1]:
                continue
            place = Window(
                trial=recording.trial,
                onset=recording.onset + start / recording.rate,
                duration=values.shape[1] / recording.rate,
                samples=values.shape[1],
                partial=values.shape[1] < window,
            )
            values = torch.nn.functional.pad(values, (0, window - values.shape[1]))
            yield place, Piece(values, piece.channel_ids, piece.channel_mask, piece.channel_names)
        position += len(group)


def collate_windows(
    windows: Iterable[tuple[Window, Piece]], batch_size: int, patches: int
) -> Iterator[dict[str, Any]]:
    """Stack neighbouring windows of the same channels, each of `patches` time patches, into the model's inputs."""
    batch: list[tuple[Window, Piece]] = []
    for place, piece in windows:
        if batch and (len(batch) == batch_size or piece.channel_names != batch[0][1].channel_names):
            yield _stack(batch, patches)
            batch = []
        batch.append((place, piece))
    if batch:
        yield _stack(batch, patches)


def _stack(batch: list[tuple[Window, Piece]], patches: int) -> dict[str, Any]:
    window = batch[0][1].values.shape[1]
    valid = torch.tensor([place.samples * patches // window for place, _ in batch])
    return {
        "input_values": torch.stack([piece.values for _, piece in batch]),
        "channel_ids": torch.stack([piece.channel_ids for _, piece in batch]),
        "channel_mask": torch.stack([piece.channel_mask for _, piece in batch]),
        "patch_mask": torch.arange(patches) < valid[:, None],
        "windows": [place for place, _ in batch],
        "channel_names": batch[0][1].channel_names,
    }


# ---- from inputs to recordings ---------------------------------------------------------------------------


def open_recordings(
    inputs: Any,
    feature_extractor: Any,
    *,
    filter: bool | None = None,
    channel_names: Sequence[str] | None = None,
    sampling_rate: float | None = None,
    unit: str | None = None,
) -> list[Recording]:
    """Open what a user may bring: one `Recording` for a continuous one, one a trial otherwise.

    Args:
        inputs: A path; an MNE Raw or Epochs; a dictionary with `signal` and the three descriptions; or an array
            (C, T) or (trials, C, T), with the descriptions as arguments.
        feature_extractor: Fulfils the signal contract.
        filter: See `EegPipeline`.
        channel_names: C names, for arrays.
        sampling_rate: In Hz, for arrays.
        unit: "V", "mV", "uV" or "nV", for arrays.

    Raises:
        ValueError: If the input is none of these, or its description is incomplete.
        ImportError: If a path is given and MNE is not installed.
    """
    description = {"channel_names": channel_names, "sampling_rate": sampling_rate, "unit": unit}
    given = {key: value for key, value in description.items() if value is not None}
    if isinstance(inputs, Mapping):
        if set(inputs) != {"signal", *description} or given:
            raise ValueError(
                f"An array is described by the keys signal, {', '.join(description)}; got {sorted(inputs)}."
            )
        return open_recordings(inputs["signal"], feature_extractor, filter=filter, **_without_signal(inputs))
    if isinstance(inputs, (str, os.PathLike)) or hasattr(inputs, "get_data"):
        if given:
            raise ValueError(f"A file or MNE object brings its own {', '.join(given)}: do not pass them.")
        if isinstance(inputs, (str, os.PathLike)):
            return [_open_raw(read_file(inputs), feature_extractor)]
        if hasattr(inputs, "n_times"):
            return [_open_raw(inputs, feature_extractor)]
        return _open_epochs(inputs, feature_extractor, filter)
    if not isinstance(inputs, (np.ndarray, torch.Tensor)):
        raise ValueError(
            f"A {type(inputs).__name__} is no recording: pass a path, an MNE Raw or Epochs, or an array with names, "
            "rate and unit."
        )
    if inputs.ndim not in (2, 3) or missing_description(description):
        raise ValueError(
            f"An array must be (channels, samples) or (trials, channels, samples), here {tuple(inputs.shape)}, and "
            f"come with {', '.join(missing_description(description)) or 'its description'}."
        )
    trials = [(None, inputs)] if inputs.ndim == 2 else list(enumerate(inputs))
    return [
        _open_array(trial, feature_extractor, {**description, "filter": filter}, number) for number, trial in trials
    ]


def _without_signal(inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in inputs.items() if key != "signal"}


def missing_description(description: Mapping[str, Any]) -> list[str]:
    """Return which of names, rate and unit were not given."""
    return [key for key, value in description.items() if value is None]


def _open_array(signal, feature_extractor, description: dict[str, Any], trial: int | None = None, onset: float = 0.0):
    return Recording(
        feature_extractor,
        samples=signal.shape[1],
        sampling_rate=float(description["sampling_rate"]),
        read=lambda start, stop: (signal[:, start:stop], description),
        trial=trial,
        onset=onset,
    )


def _open_epochs(epochs, feature_extractor, filter: bool | None) -> list[Recording]:
    """Open every epoch; onsets count from the same sample as the events do."""
    types = dict(zip(epochs.ch_names, epochs.get_channel_types(), strict=True))
    names = [name for name in epochs.ch_names if types[name] == "eeg" and name not in epochs.info["bads"]]
    rate = float(epochs.info["sfreq"])
    description = {"channel_names": names, "sampling_rate": rate, "unit": "V", "filter": filter}
    onsets = epochs.events[:, 0] / rate + epochs.tmin
    return [
        _open_array(epochs.get_data(picks=names, item=index)[0], feature_extractor, description, index, float(onset))
        for index, onset in enumerate(onsets)
    ]


def read_file(path: str | os.PathLike) -> Any:
    """Open a recording as an MNE Raw without reading its samples.

    Raises:
        FileNotFoundError: If there is no such file.
        ImportError: If MNE is not installed.
        ValueError: If the file is no recording that can be read.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"There is no file {path}.")
    try:
        from dare_eeg_hf.data.recordings import read_raw
    except ImportError:
        read_raw = None
    if read_raw is not None:
        return read_raw(path)
    try:
        import mne
    except ImportError as error:
        raise ImportError(
            "Reading a file needs MNE: `pip install mne`, or pass an array with names, rate and unit."
        ) from error
    try:
        return mne.io.read_raw(path, preload=False, verbose="ERROR")
    except Exception as error:
        # Each of MNE's readers fails in its own way on a file that is not what its name says.
        raise ValueError(f"{path.name} cannot be read as a recording: {error}") from error


def _open_raw(raw, feature_extractor) -> Recording:
    """Open an MNE Raw, whose samples may still lie on the disk.

    A Raw that is not normalised yet goes through the package's cleaning where that is installed. A classifier adapted
    to the electrodes of one data set needs all of them, good or bad, and only its feature extractor knows which.
    """
    normalised = raw.info.get("description") == feature_extractor.normalized_description
    rate = float(raw.info["sfreq"])
    if not normalised and feature_extractor.electrode_names is None:
        try:
            from dare_eeg_hf.data.pieces import PiecewiseNormalizer
        except ImportError:
            PiecewiseNormalizer = None
        if PiecewiseNormalizer is not None:
            normalizer = PiecewiseNormalizer(raw, feature_extractor)
            return Recording(feature_extractor, raw.n_times, rate, lambda start, stop: (normalizer(start, stop), {}))
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
    description = {"channel_names": names, "sampling_rate": rate, "unit": "V", "filter": not normalised}
    return Recording(
        feature_extractor, raw.n_times, rate, lambda start, stop: (raw.get_data(names, start, stop), description)
    )


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
