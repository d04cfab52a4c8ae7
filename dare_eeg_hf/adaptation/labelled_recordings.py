"""One's own labelled recordings read into memory, with an account of each file: what was left out of it and why."""

from __future__ import annotations

import json
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from dare_eeg_hf.adaptation.classifier_inputs import in_order
from dare_eeg_hf.adaptation.labelled_windows import LabelledWindows
from dare_eeg_hf.atomic_files import write_json
from dare_eeg_hf.corpora.corpus import EegCorpus, RecordingFile
from dare_eeg_hf.corpora.people import listed
from dare_eeg_hf.progress import progress_bar
from dare_eeg_hf.recordings.event_checks import texts_with_counts
from dare_eeg_hf.remedies_dare_eeg import message_on


@dataclass
class ReadRecording:
    """What became of one file.

    Attributes:
        name: path in the folder.
        person: who was recorded, or what is taken for a person.
        labels: class -> windows.
        rejected: reason -> windows that were left out for it.
        channels: electrodes of its windows.
        dropped: channel of the file -> why it is not among them.
        texts: text of an annotation -> how often it occurs.
        warnings: what was doubtful about the file.
        error: why it could not be read, or None.
    """

    name: str
    person: str
    labels: dict[str, int] = field(default_factory=dict)
    rejected: dict[str, int] = field(default_factory=dict)
    channels: list[str] = field(default_factory=list)
    dropped: dict[str, str] = field(default_factory=dict)
    texts: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    error: str | None = None


@dataclass(frozen=True)
class LabelledRecordings:
    """The windows of several recordings, and how they came to be.

    Attributes:
        windows: of all recordings that could be read, on the electrodes that all of them have; by person, class and
            time, so that no figure depends on what the files are called.
        recordings: an account of each file.
        remarks: sentences about people and labels.
    """

    windows: LabelledWindows
    recordings: Sequence[ReadRecording]
    remarks: Sequence[str] = ()

    @property
    def failed(self) -> list[ReadRecording]:
        """Files that could not be read."""
        return [recording for recording in self.recordings if recording.error]

    def left_out(self) -> list[str]:
        """Files, channels and windows that were left out, each with the reason."""
        sentences = [f"{recording.name}, which could not be read: {recording.error}" for recording in self.failed]
        read = [recording for recording in self.recordings if not recording.error]
        if empty := [recording.name for recording in read if not recording.labels]:
            sentences.append(f"{listed(empty)}, which gave no window with a label")
        kept = set(self.windows.channel_names)
        lacking: dict[str, list[str]] = {}
        for name in sorted({name for recording in read for name in recording.channels} - kept):
            without = [recording.name for recording in read if recording.labels and name not in recording.channels]
            lacking.setdefault(listed(without), []).append(name)
        sentences += [f"{', '.join(names)}, because it is not in {where}" for where, names in lacking.items()]
        dropped = Counter((name, reason) for recording in read for name, reason in recording.dropped.items())
        sentences += [
            f"channel {name}, in {count} of {len(read)} files: {reason}"
            for (name, reason), count in dropped.most_common()
        ]
        rejected = sum((Counter(recording.rejected) for recording in read), Counter())
        total = len(self.windows) + rejected.total()
        return sentences + [f"{count} of {total} windows: {reason}" for reason, count in rejected.most_common()]


def read_labelled_recordings(
    corpus: EegCorpus, source: Path | str, kept: Path | None = None, progress: bool = False
) -> LabelledRecordings:
    """Read, clean and cut all labelled recordings of a folder; a file that cannot be read stops nothing.

    Args:
        corpus: how they are labelled and cut, such as a `corpora.labelled_folder.LabelledFolder`.
        source: the folder.
        kept: folder in which the windows are kept, and found again as long as files, labels and settings are the same.
        progress: show a progress bar.

    Raises:
        FileNotFoundError: there is no recording.
        LabelError: labels and recordings do not fit; see `corpora.label_pairing.pair_labels`.
        ValueError: a class has no window; the recordings have no channel in common.
    """
    files = corpus.recordings(source)
    made_from = {"cut": corpus.fingerprint(), "files": [_state(file) for file in files]}
    if kept is not None and (found := _load(kept, made_from)) is not None:
        return found
    parts, accounts = [], []
    for file in progress_bar(files, desc="recordings", unit="file", show=progress):
        windows, account = _read(corpus, file)
        parts += [] if windows is None else [windows]
        accounts.append(account)
    _refuse_empty_classes(corpus, accounts)
    _refuse_unlike_montages([account for account in accounts if account.labels])
    read = LabelledRecordings(in_order(LabelledWindows.concatenate(parts)), accounts, corpus.remarks(files))
    if kept is not None:
        read.windows.save(kept / "windows.npz")
        described = {"accounts": [asdict(account) for account in accounts], "remarks": list(read.remarks)}
        write_json(kept / "windows.json", {"made_from": made_from, **described})
    return read


def _read(corpus: EegCorpus, file: RecordingFile) -> tuple[LabelledWindows | None, ReadRecording]:
    """The windows of one file, or None, and what became of it."""
    account = ReadRecording(file.name, file.subject)
    labels, rejected, texts = Counter(), Counter(), Counter()

    def watch(windows, report: dict) -> None:
        labels.update(windows.labels or [])
        rejected.update(windows.rejected)
        texts.update(windows.texts)
        account.channels = list(windows.channel_names)
        account.dropped |= {name: str(reason) for name, reason in (report["dropped"] | report["bad"]).items()}

    windows = None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            windows = LabelledWindows.from_corpus(corpus, [file], watch=watch, progress=False)
        except Exception as error:  # whatever a damaged file makes a reader raise, the others must still be read
            if account.channels and not labels:
                account.warnings.append("it has no window with a label")
            else:
                account.error = " ".join(message_on(corpus.surface, error).split()) or type(error).__name__
    account.labels, account.rejected, account.texts = dict(labels), dict(rejected), dict(texts)
    account.warnings += dict.fromkeys(str(warning.message) for warning in caught)
    return windows, account


def _refuse_empty_classes(corpus: EegCorpus, accounts: Sequence[ReadRecording]) -> None:
    """An error where a class has no window, with what the recordings hold instead."""
    there = sum((Counter(account.labels) for account in accounts), Counter())
    empty = [name for name in corpus.label_names if not there[name]]
    if not empty:
        return
    failed = [account for account in accounts if account.error]
    if len(failed) == len(accounts):
        raise ValueError(f"none of the {len(accounts)} recordings could be read; {failed[0].name}: {failed[0].error}")
    texts = sum((Counter(account.texts) for account in accounts), Counter())
    rejected = sum((Counter(account.rejected) for account in accounts), Counter())
    held = [f"windows found: {texts_with_counts(there)}"] if there else []
    held += [f"left out: {texts_with_counts(rejected)}"] if rejected else []
    held += [f"annotations of the recordings: {texts_with_counts(texts)}"] if texts else []
    held += (
        [f"{len(failed)} recordings could not be read, such as {failed[0].name}: {failed[0].error}"] if failed else []
    )
    raise ValueError(f"no window has the label {' or '.join(empty)}; {'; '.join(held)}")


def _refuse_unlike_montages(accounts: Sequence[ReadRecording]) -> None:
    """An error where no electrode is in all files, with two files that show it."""
    common = set(accounts[0].channels)
    for account in accounts:
        if not common & set(account.channels):
            raise ValueError(
                f"no electrode is in all recordings: {accounts[0].name} has {listed(accounts[0].channels)}, "
                f"{account.name} has {listed(account.channels)}; name the electrodes alike with --rename, or leave "
                "files of one kind out of the table"
            )
        common &= set(account.channels)


def _state(file: RecordingFile) -> list:
    """Changes when the file, or who it is of, does."""
    status = file.path.stat()
    return [file.name, status.st_size, status.st_mtime_ns, file.subject, file.subject_source, file.session]


def _load(kept: Path, made_from: dict) -> LabelledRecordings | None:
    """What an earlier call kept, where it was made from the same."""
    described = kept / "windows.json"
    if not described.is_file() or not (kept / "windows.npz").is_file():
        return None
    stored = json.loads(described.read_text(encoding="utf-8"))
    if stored["made_from"] != made_from:
        return None
    accounts = [ReadRecording(**account) for account in stored["accounts"]]
    return LabelledRecordings(LabelledWindows.load(kept / "windows.npz"), accounts, stored["remarks"])
