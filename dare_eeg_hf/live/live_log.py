"""The answers of a live classifier as lines of text and as a table that grows."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from dare_eeg_hf.live.live_classifier import LiveWindow
from dare_eeg_hf.usability_dare_eeg import NO_SIGNAL

DESCRIBED = ("time", "onset", "duration", "label", "score", "usable", "reason", "channels", "delay", "skipped")


def line_of(window: LiveWindow) -> str:
    """One line for a terminal: place, label and probability or the reason why there is none, electrodes, delay."""
    place = "        -" if window.onset is None else f"{window.onset + window.duration:8.2f}s"
    late = f"  ({window.skipped} before it left out: too late)" if window.skipped else ""
    if not window.usable:
        return f"{place}  no answer: {window.reason}{late}"
    return (
        f"{place}  {window.label:<16} {window.score:5.2f}  {window.channels:3d} electrodes  "
        f"{1000 * window.delay:4.0f} ms{late}"
    )


def marker_of(window: LiveWindow) -> str:
    """The text of a marker: the label, or the annotation of a stretch without signal."""
    return str(window.label) if window.usable else f"{NO_SIGNAL}: {window.reason}"


class LiveTable:
    """A CSV file to which every answer is added when it comes; a program that reads it sees whole lines.

    Args:
        path: of the file, which must not exist yet.
        labels: the classes.

    Raises:
        FileExistsError: The file is there already: it may be the record of a session.
    """

    def __init__(self, path: Path, labels: list[str]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("x", newline="", encoding="utf-8", buffering=1)
        self._labels = labels
        self._writer = csv.DictWriter(self._file, [*DESCRIBED, *(f"score_{label}" for label in labels)])
        self._writer.writeheader()

    def add(self, window: LiveWindow) -> None:
        """Write one answer."""
        row: dict[str, Any] = {name: getattr(window, name) for name in DESCRIBED}
        self._writer.writerow(row | {f"score_{label}": window.scores[label] for label in self._labels})

    def close(self) -> None:
        """Close the file."""
        self._file.close()
