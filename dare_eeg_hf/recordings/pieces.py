"""Normalising a long recording piece by piece, with the same decisions for all of it."""

import warnings
from typing import Any

import mne
import numpy as np

from dare_eeg_hf.feature_extraction_dare_eeg import DareEegFeatureExtractor
from dare_eeg_hf.lost_samples_dare_eeg import common_loss, find_lost_samples
from dare_eeg_hf.recordings.normalization import Recording, normalize_raw
from dare_eeg_hf.recordings.report import RecordingReport

SURVEY_SECONDS = 300.0
"""Of recordings longer than this, so much is looked at before the first piece; of shorter ones, all."""

SURVEY_STRETCHES = 10


class PiecewiseNormalizer:
    """Gives stretches of a Raw as `normalize_raw` would leave them, without ever holding the recording in memory.

    Which channels are bad and what the mains frequency is are found once, in ten stretches spread over the recording
    or in all of a short one, so that every piece has the same channels. Filters see no more than the piece: ask for a
    margin of some seconds.

    Args:
        raw: Any MNE Raw; its samples may still lie on the disk.
        feature_extractor: Holds the signal contract.
        options: As for `normalize_raw`, for every piece.

    Attributes:
        report: The `RecordingReport` that decided; None before.

    Raises:
        RecordingError: As `normalize_raw`.
    """

    def __init__(self, raw: mne.io.BaseRaw, feature_extractor: DareEegFeatureExtractor, **options: Any) -> None:
        self.raw = raw
        self.feature_extractor = feature_extractor
        self.rate = float(raw.info["sfreq"])
        self.file = str(raw.filenames[0]) if raw.filenames and raw.filenames[0] else None
        self.decisions: dict[str, Any] = dict(options)
        self.report: RecordingReport | None = None
        if raw.n_times > SURVEY_SECONDS * self.rate:
            self._decide(self._survey())

    def __call__(self, start: int, stop: int) -> mne.io.BaseRaw:
        """Return the normalised samples [start, stop) of the recording, counted at its own rate."""
        if self.report is None and stop - start < self.raw.n_times:
            self._decide(self._cut([(0, self.raw.n_times)]))
        return self._normalize(self._cut([(start, stop)])).raw

    def _decide(self, part: mne.io.BaseRaw) -> None:
        """Find bad channels and mains in a part of the recording, for all of its pieces."""
        report = self._normalize(part).report
        self.decisions |= {"bad_channels": report.bad, "line_frequency": report.line_frequency, "verify": False}

    def _normalize(self, piece: mne.io.BaseRaw) -> Recording:
        with warnings.catch_warnings():
            # Its times would count from the beginning of the piece; the caller knows where that is.
            warnings.filterwarnings("ignore", "no signal from")
            recording = normalize_raw(piece, self.feature_extractor, file=self.file, **self.decisions)
        self.report = self.report or recording.report
        return recording

    def _survey(self) -> mne.io.BaseRaw:
        """Ten stretches spread over the recording, moved on until at least half of what they hold is signal."""
        length = int(SURVEY_SECONDS * self.rate / SURVEY_STRETCHES)
        best, most = None, -1.0
        for shift in range(0, self.raw.n_times // SURVEY_STRETCHES, length):
            starts = shift + np.linspace(0, self.raw.n_times - length - shift, SURVEY_STRETCHES).astype(int)
            piece = self._cut([(start, start + length) for start in starts.tolist()])
            share = _share_with_signal(piece)
            if share > most:
                best, most = piece, share
            if share >= 0.5:
                break
        return best

    def _cut(self, stretches: list[tuple[int, int]]) -> mne.io.BaseRaw:
        """Copy stretches [start, stop) into one Raw, with their annotations and a break between them."""
        signal = np.concatenate([self.raw.get_data(start=start, stop=stop) for start, stop in stretches], axis=1)
        piece = mne.io.RawArray(signal, self.raw.info.copy(), verbose="ERROR")
        marks = mne.Annotations([], [], [])
        position = 0
        for start, stop in stretches:
            if position:
                marks.append(position / self.rate, 0.0, "EDGE boundary")
            for onset, duration, text in self._annotations_between(start / self.rate, stop / self.rate):
                marks.append(position / self.rate + onset, duration, text)
            position += stop - start
        return piece.set_annotations(marks, verbose="ERROR")

    def _annotations_between(self, start: float, stop: float) -> list[tuple[float, float, str]]:
        """Return (onset from `start`, duration, text) of the annotations that touch a stretch, cut to it."""
        annotations = self.raw.annotations
        onsets = annotations.onset - self.raw.first_time
        ends = onsets + annotations.duration
        return [
            (max(onset, start) - start, min(end, stop) - max(onset, start), text)
            for onset, end, text in zip(onsets, ends, annotations.description, strict=True)
            if onset < stop and end >= start
        ]


def _share_with_signal(raw: mne.io.BaseRaw) -> float:
    picks = mne.pick_types(raw.info, eeg=True)
    lost = find_lost_samples(raw.get_data(picks if len(picks) else None) * 1e6, raw.info["sfreq"])
    return 1.0 if lost is None else 1.0 - float(common_loss(lost).mean())
