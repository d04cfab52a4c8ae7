"""Cues of the BCI Competition IV recordings, whose evaluation sessions keep the classes in a separate file."""

from collections.abc import Sequence
from pathlib import Path

import mne
from scipy.io import loadmat

from dare_eeg_hf.corpora.windows import Event, events_from_annotations

FIRST_CUE = 769
UNKNOWN_CUE = "783"
CUE_SECONDS = 1.25


def cues(raw: mne.io.BaseRaw, path: Path, label_names: Sequence[str]) -> list[Event]:
    """The cues of a session, 769 standing for the first class, 770 for the second, and so on.

    Raises:
        ValueError: if the classes are secret (783) and the .mat file beside the recording does not fit.
    """
    known = events_from_annotations(raw, {str(FIRST_CUE + i): label for i, label in enumerate(label_names)})
    if known:
        return known
    secret = events_from_annotations(raw, {UNKNOWN_CUE: ""})
    answers = path.with_suffix(".mat")
    if not answers.is_file():
        raise ValueError(f"{path.name} does not give its classes: put {answers.name} with the true labels beside it")
    classes = loadmat(answers)["classlabel"].ravel()
    if len(classes) != len(secret):
        raise ValueError(f"{answers.name} has {len(classes)} labels for the {len(secret)} cues of {path.name}")
    return [
        Event(event.onset, CUE_SECONDS, label_names[int(number) - 1])
        for event, number in zip(secret, classes, strict=True)
    ]
