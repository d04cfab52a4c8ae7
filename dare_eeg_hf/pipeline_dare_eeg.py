"""EEG pipelines: a file, an MNE object or an array goes in, labels or features along time come out.

    from transformers import pipeline

    classify = pipeline("eeg-classification", model="a-classifier")
    for window in classify("recording.edf", overlap=0.5):
        print(window["onset"], window["label"], window["score"])

A recording is read, filtered and windowed piece by piece, so hours of it need no more memory than minutes.
Reading files needs MNE; with the package dare_eeg_hf installed they also get its cleaning, as in training.
"""

import math
import warnings
from collections.abc import Iterator
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from transformers import AutoModel, AutoModelForSequenceClassification, Pipeline
from transformers.pipelines import PIPELINE_REGISTRY
from transformers.utils import logging

from .argument_names import suggest
from .coverage_dare_eeg import ElectrodeCoverage, Features, Predictions
from .inputs_dare_eeg import DESCRIPTION, ReadingOptions, as_array, is_nested_numbers, several_recordings
from .onednn_linear import onednn_products
from .power_maps_dare_eeg import NUM_POWER_MAP_FEATURES
from .readout_dare_eeg import window_statistics
from .signal_reports_dare_eeg import EegWarning
from .sources_dare_eeg import open_sources
from .windows_dare_eeg import Window, collate_windows, read_windows, warn_of_losses, window_starts

logger = logging.get_logger(__name__)

CPU_BATCH_SIZE = 1
"""One window at a time keeps the activations in a CPU's cache; benchmarks/inference.py measures the gain."""

ACCELERATOR_BATCH_SIZE = 16

POOLINGS = ("statistics", "mean", "none")
"""What becomes of the features of a window's time patches; the first is the default."""


class EegPipeline(Pipeline):
    """What both EEG pipelines share: opening a recording, sliding over it, batching.

    Call it with a recording, or a list of them: a path; an MNE Raw or Epochs; a dictionary `signal`, `channel_names`,
    `sampling_rate`, `unit`; or an array (C, T) or (trials, C, T), tensor, nested list or pandas table (channels as
    columns) with these as keyword arguments. A generator, a data set or a column of one gives its answers one by one.

    Args:
        unit, rename, montage, line_frequency, reader_options, sidecar: What only the user can know about a recording;
            see `ReadingOptions`.
        overlap: Share of a window that the next one repeats, at least 0 and below 1.
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
        """Run the model batch by batch, with at most one piece and one batch in memory."""
        windows, outputs, clock, signal_report = [], [], (None, 0.0), None
        coverage = ElectrodeCoverage(self.model.config, classifies=self.task == "eeg-classification")
        for batch in self.preprocess(inputs, **preprocess_params):
            windows += batch.pop("windows")
            clock, signal_report = batch.pop("clock"), batch.pop("report")
            if not batch:
                continue
            channel_names = batch.pop("channel_names")
            coverage.check(channel_names)
            coverage.add(channel_names, batch["channel_mask"].any(dim=0).tolist())
            outputs.append(self.forward(batch, **forward_params)["output"])
        warn_of_losses(windows)
        report = coverage.report(signal_report)
        for message in report.warnings if outputs else ():
            warnings.warn(message, EegWarning, stacklevel=2)
        pooling = forward_params.get("pooling", POOLINGS[0])
        answers = self.postprocess({"windows": windows, "outputs": outputs, "clock": clock, "pooling": pooling})
        answers.report = report
        return answers

    def forward(self, model_inputs: dict[str, Any], **forward_params: Any) -> dict[str, Any]:
        """Run the model on one batch, without gradients."""
        with onednn_products(self.device):
            return super().forward(model_inputs, **forward_params)

    @property
    def window_samples(self) -> int:
        """Samples of one window at the feature extractor's rate."""
        return self.model.config.window_size

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
        sources = open_sources(inputs, self.feature_extractor, filter=filter, **description)
        shortest = None if drop_partial else math.ceil(window / self._patches_in(window))
        plans = [(each, window_starts(each.pieces, window, stride, shortest)) for each in sources]
        total = sum(len(places) for _, places in plans)
        if not total:
            wanted = f"one window of {window}" if drop_partial else f"one patch of {self.model.config.patch_size}"
            raise ValueError(f"The recording is shorter than {wanted} samples.")
        cut = (read_windows(source, places, window) for source, places in plans)
        bar = logging.tqdm(total=total, unit="window", disable=None if progress is None else not progress)
        with bar:
            windows = (each for windows in cut for each in windows)
            for batch in collate_windows(windows, windows_per_batch, self._patches_in(window)):
                done = len(batch["windows"])
                yield {"clock": sources[0].clock, "report": sources[0].report, **batch}
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

    Returns a list with one dictionary per window: `onset` and `duration` in seconds, `partial` (True where the
    recording ended inside the window and padding fills it), `usable`, `reason`, `channels` (how many counted),
    `label`, `score` and `scores` (label to probability); for trials, Epochs or a three-dimensional array, `trial`. A
    model for several labels at once adds `labels`, those with a probability of at least one half; a regression model
    gives `value` and `values` instead. A window without signal, or across a break in time, is not `usable`: it has
    a `reason`, and None for everything that the model would have returned. The list's `report` tells how many of the
    electrodes that the model was trained with are present, and warns where they are few.
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
        """Turn logits (W, K) into one dictionary per window."""
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

    def channel_importance(
        self, inputs: Any, *, max_windows: int = 12, progress: bool | None = None, **kwargs: Any
    ) -> dict[str, float]:
        """Return how much the probability of the winning label falls, on average, when a channel is left out.

        Occlusion: each channel of up to `max_windows` windows, spread over the recording, is masked in turn (set to
        zero in front of a spatial projection, which needs all its electrodes). Positive channels support the label.
        """
        window = self.window_samples
        sources = open_sources(inputs, self.feature_extractor, **kwargs)
        places = [(each, place) for each in sources for place in window_starts(each.pieces, window, window, window)]
        if not places:
            raise ValueError("The recording is shorter than one window of the model.")
        chosen = np.unique(np.linspace(0, len(places) - 1, min(max_windows, len(places))).round().astype(int))
        falls: dict[str, list[float]] = {}
        for index in logging.tqdm(chosen, desc="importance", disable=None if progress is None else not progress):
            source, place = places[index]
            batch = next(collate_windows(read_windows(source, [place], window), 1, self._patches_in(window)))
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
        pooling: `"statistics"`, mean and logarithm of the spread over a window's overlapping time patches, and power
            maps; `"mean"` over adjacent ones alone, which is about four times as fast and tells classes apart less
            well; or `"none"` for one feature vector per patch.

    Returns a dictionary: `features`, float32 (W, 2*S*D + 270), the means, the spreads and the maps; of the mean alone
    (W, S*D); or, without pooling, (W, N, S*D), zero at padded patches;
    `onset` and `duration` in seconds, `partial`, `usable` and `reason`, each (W,); `channel_names`, C of them, and
    `channel_mask` (W, C), which of them counted in a window; and `trial` (W,) for trials. The features of a window
    that is not `usable` are NaN, and `reason` says why ("" for the others). Its `report` tells how many of the
    electrodes of pre-training are present, and warns where they are few.
    """

    _own_parameters = ("window_seconds", "pooling")

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if self._is_adapted:
            raise ValueError(
                "This classifier has a projection in front of its encoder, learned for one montage, so the encoder "
                "alone cannot read its signals; use the pre-trained checkpoint for features."
            )

    def _forward(self, model_inputs: dict[str, torch.Tensor], pooling: str = "statistics") -> dict[str, torch.Tensor]:
        if pooling not in POOLINGS:
            raise ValueError(f"pooling must be {', '.join(map(repr, POOLINGS[:-1]))} or 'none', got {pooling!r}.")
        encoder = getattr(self.model, "dare_eeg", self.model)
        if pooling == "statistics":
            return {"output": window_statistics(encoder, model_inputs)}
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
        width = config.num_summary_tokens * config.hidden_size
        if model_outputs["pooling"] == "statistics":
            width = 2 * width + NUM_POWER_MAP_FEATURES
        shape = (len(windows), width)
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
