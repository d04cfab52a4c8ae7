"""A recording's signal as a source that is read piece by piece, cut into windows, and stacked into a model's inputs.

Only one piece and one batch are in memory at a time, so hours of a recording need no more than minutes.
"""

import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from .lost_samples_dare_eeg import SHORTEST_LOSS
from .remedies_dare_eeg import about
from .signal_reports_dare_eeg import EegWarning, SignalReport
from .usability_dare_eeg import Loss, lost_channels, lost_seconds, uninterrupted, why_unusable

SEGMENT_SECONDS = 300.0
"""Signal that is filtered at once. Longer pieces cost memory, shorter ones filter their margins more often."""

MARGIN_SECONDS = 15.0
"""Signal around a piece that is filtered with it and thrown away: several times the filters' impulse response."""


@dataclass(frozen=True)
class Window:
    """Where a window lies, and whether there is anything in it to judge.

    Attributes:
        trial: None in a continuous recording.
        onset: seconds; None for trials whose place in the recording is unknown.
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
        """Whether it holds enough signal for an answer."""
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


class Source:
    """A recording, or one trial, that is read and normalised piece by piece.

    Args:
        feature_extractor: Fulfils the signal contract.
        samples: Samples the source has.
        sampling_rate: Of the source, in Hz.
        read: `read(start, stop)` gives the feature extractor's arguments for a range of the source's samples, and the
            stretches without signal in it, in seconds since `start`.
        breaks: Breaks in time (start, stop), in seconds since the first sample.
        trial: Number of the trial, None for a continuous recording.
        onset: Time of the first sample in seconds; None where it is unknown.
        entirely_lost: There is no signal anywhere: the feature extractor is called all the same, as it may know
            why (a wrong unit, say).
        clock: `meas_date` of a recording and the seconds from there to its first sample.
        normalizer: What `read` has normalise the pieces, with a `report` of it; None where the feature extractor does.

    Attributes:
        report: A `SignalReport` of what was done to the first piece; None before one was read.
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
        normalizer: Any = None,
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
        self.normalizer = normalizer
        self.report: SignalReport | None = None
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
            # What is wrong with the whole recording is reported once, with the first piece.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore" if start else "default")
                signal, description, losses = self.read_source(source_start, source_stop)
                moved = [replace(loss, onset=loss.onset + source_start / self.source_rate) for loss in losses]
                if not self.entirely_lost and not _heard(losses, duration):
                    nothing = torch.zeros(0, stop - start)
                    return Piece(nothing, nothing[:, 0].long(), nothing[:, 0].bool(), [], moved)
                batch = self.feature_extractor(signal, **description)
                self.report = self.report or getattr(self.normalizer, "report", None) or batch.reports[0]
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
    """Tell whether so many seconds hold anything but stretches without signal."""
    lost = lost_seconds([loss for loss in losses if not loss.channels], 0.0, duration)
    return lost < duration - min(SHORTEST_LOSS, duration / 2)


def window_starts(
    pieces: Sequence[tuple[int, int]], window: int, stride: int, shortest: int | None = None
) -> list[tuple[int, int]]:
    """Lay windows through uninterrupted pieces: (first sample, samples) of each.

    Windows follow each other through each piece from its start, every `stride` samples.

    Args:
        pieces: see `uninterrupted`.
        shortest: the last window of a piece may be shorter, down to this many samples; None wants whole windows only.
    """
    places = []
    for begin, end in pieces:
        starts = list(range(begin, end - window + 1, stride))
        places += [(start, window) for start in starts]
        covered = starts[-1] + window if starts else begin
        last = starts[-1] + stride if starts else begin
        if shortest is not None and covered < end and end - last >= shortest:
            places.append((last, end - last))
    return places


def read_windows(
    source: Source, places: Sequence[tuple[int, int]], window: int
) -> Iterator[tuple[Window, Piece | None]]:
    """Yield windows, reading as many neighbouring ones at once as fit into `SEGMENT_SECONDS`.

    Args:
        places: First sample of each window and how many samples it has; see `window_starts`.
        window: Samples of a complete one.

    Yields:
        The window and its padded signal, or None instead of a signal where the window is unusable.
    """
    span = max(window, int(SEGMENT_SECONDS * source.rate))
    position = 0
    while position < len(places):
        first = places[position][0]
        group = [place for place in places[position:] if place[0] + place[1] <= first + span]
        piece = source.read(first, min(max(start + length for start, length in group), source.samples))
        for start, length in group:
            yield _window(source, piece, start, length, first, window)
        position += len(group)


def _window(
    source: Source, piece: Piece, start: int, length: int, first: int, window: int
) -> tuple[Window, Piece | None]:
    """One window of a piece that begins at the sample `first`, and its signal if it is usable."""
    begin, end = start / source.rate, (start + length) / source.rate
    described = Window(
        trial=source.trial,
        onset=None if source.onset is None else source.onset + begin,
        duration=length / source.rate,
        samples=length,
        partial=length < window,
    )
    reason = why_unusable(begin, end, piece.losses, source.breaks, 1.5 / source.rate)
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


def warn_of_losses(windows: Sequence[Window]) -> None:
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
