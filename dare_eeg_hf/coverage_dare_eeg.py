"""How many of a model's training electrodes a recording has, and whether they are enough for an answer."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .remedies_dare_eeg import InputError, Remedy
from .signal_reports_dare_eeg import SignalReport

FEW_SHARE = 0.25
"""Below this share of the electrodes a model was trained with, its answers come with a warning. Classifiers trained on
random halves of their electrodes keep their accuracy with half of them; a quarter was not tested."""

FEWEST_ELECTRODES = 3
"""With fewer, a classifier trained with `MANY_ELECTRODES` or more is not run: one or two channels hold no pattern
over the scalp, whatever the classifier would say."""

MANY_ELECTRODES = 8


@dataclass
class AnswerReport:
    """What to know about the answers for a recording.

    Attributes:
        electrodes: One sentence: how many of the trained electrodes are present.
        present, trained, missing: Those that are present, all of them, and those that are not present.
        warnings: What makes the answers doubtful.
        channels: The channels that the model was given, by the names of their electrodes.
        renamed: Recorded name -> electrode, of those that were recorded under another name.
        dropped: Recorded name -> why the channel is not used.
        bad: Electrode -> why its signal is not used.
        steps: What was done to the signal, in order.
    """

    electrodes: str
    present: list[str]
    trained: list[str]
    missing: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    channels: list[str] = field(default_factory=list)
    renamed: dict[str, str] = field(default_factory=dict)
    dropped: dict[str, str] = field(default_factory=dict)
    bad: dict[str, str] = field(default_factory=dict)
    steps: list[str] = field(default_factory=list)


class Predictions(list):
    """A classifier's answers, one dictionary per window.

    Attributes:
        report: an `AnswerReport`.
        orig_time: `meas_date` of the recording, None where there is none.
        first_time: seconds from there to its first sample, from which the onsets count.
    """

    report: AnswerReport
    orig_time: Any = None
    first_time: float = 0.0


class Features(dict):
    """An encoder's features with their windows; `report` is an `AnswerReport`."""

    report: AnswerReport


class ElectrodeCoverage:
    """Counts which of a model's training electrodes a recording has, as its windows are read.

    Args:
        config: The model's configuration. A classifier knows its electrodes by `electrode_names`, which fine-tuning
            saves; where it does not, and for an encoder, the montage of pre-training stands in.
        classifies: Whether the classifier is run, rather than its encoder alone.
    """

    def __init__(self, config: Any, classifies: bool) -> None:
        self.knows_classifier = classifies and bool(config.electrode_names)
        self.trained = list(config.electrode_names if self.knows_classifier else config.pretraining_channel_names)
        self.model = "classifier" if self.knows_classifier else "encoder"
        self.present: set[str] = set()

    def check(self, channel_names: Sequence[str]) -> None:
        """Refuse channels that include too few of a classifier's electrodes.

        Raises:
            InputError: Fewer than `FEWEST_ELECTRODES`, for a classifier trained with many.
        """
        found = [name for name in self.trained if name in channel_names]
        if not self.knows_classifier or len(self.trained) < MANY_ELECTRODES or len(found) >= FEWEST_ELECTRODES:
            return
        raise InputError(
            f"{self._sentence(found)}. With so few it cannot give an answer; if other channels of the recording are "
            "electrodes too, say which",
            Remedy("rename", ("recorded name", "CZ")),
        )

    def add(self, channel_names: Sequence[str], valid: Iterable[bool]) -> None:
        """Note the channels of some windows, and which of them hold a signal."""
        self.present |= {name for name, is_valid in zip(channel_names, valid, strict=True) if is_valid}

    def report(self, signal: SignalReport | None = None) -> AnswerReport:
        """Return the report; refuses as `check` does.

        Args:
            signal: What was done to the signal; None where there was none.
        """
        found = [name for name in self.trained if name in self.present]
        missing = [name for name in self.trained if name not in self.present]
        report = AnswerReport(self._sentence(found), found, self.trained, missing)
        if signal is not None:
            # A report of a recording says why a channel is bad, one of an array knows only the flat ones.
            report.bad = getattr(signal, "bad", None) or dict.fromkeys(signal.flat, "flat")
            report.channels = [name for name in signal.channels if name not in report.bad]
            report.renamed, report.dropped, report.steps = signal.renamed, signal.dropped, signal.steps
        if self.present:
            self.check(found)
        if len(found) < FEW_SHARE * len(self.trained):
            report.warnings.append(f"{report.electrodes}: the answers may be meaningless")
        return report

    def _sentence(self, found: Sequence[str]) -> str:
        named = f" ({', '.join(found)})" if 0 < len(found) <= 8 else ""
        trained = f"of the {len(self.trained)} electrodes the {self.model} was trained with"
        return f"{len(found) or 'none'} {trained} {'is' if len(found) == 1 else 'are'} present{named}"
