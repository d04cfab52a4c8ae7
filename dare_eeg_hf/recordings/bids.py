"""The side files of a BIDS data set (channels.tsv, events.tsv, eeg.json), read without further packages."""

import json
import os
from pathlib import Path

import mne

from dare_eeg_hf.recordings.event_checks import guess_of_onsets
from dare_eeg_hf.recordings.side_tables import is_missing, listed_lines, read_side_table, read_text_leniently, warn
from dare_eeg_hf.usability_dare_eeg import is_mark

_MNE_TYPES = {
    "EEG": "eeg",
    "EOG": "eog",
    "HEOG": "eog",
    "VEOG": "eog",
    "ECG": "ecg",
    "EMG": "emg",
    "TRIG": "stim",
    "MISC": "misc",
}
_MNE_TYPES |= {
    "RESP": "resp",
    "GSR": "gsr",
    "TEMP": "temperature",
    "REF": "misc",
    "AUDIO": "misc",
    "OTHER": "misc",
    "SEEG": "seeg",
    "ECOG": "ecog",
}


def is_bids_root(folder: str | os.PathLike) -> bool:
    """Tell whether a folder is the root of a BIDS data set."""
    return (Path(folder) / "dataset_description.json").is_file()


def apply_bids_sidecars(raw: mne.io.BaseRaw, path: Path) -> mne.io.BaseRaw:
    """Apply channel types, bad channels, events and the mains frequency from the files that BIDS puts beside a
    recording.

    A file that does not follow BIDS naming, or has no such files, comes back unchanged. Side files of a whole subject
    or data set apply by BIDS' inheritance principle: the nearest folder wins. A side file or row that cannot be used
    is reported as a `RecordingWarning` that names the file and the line; the recording is read all the same.
    """
    if not path.name.startswith("sub-"):
        return raw
    for suffix, apply in (("channels.tsv", _apply_channels), ("events.tsv", _apply_events), ("eeg.json", _apply_json)):
        if side_file := find_side_file(path, suffix):
            try:
                apply(raw, side_file)
            except ValueError as error:
                message = str(error) if str(side_file) in str(error) else f"{side_file}: {error}"
                warn(f"{message}; the file was not used")
    return raw


def participants_twice(root: Path) -> list[str]:
    """Sentences about participants listed in several rows of participants.tsv, in the root of a BIDS data set."""
    path = root / "participants.tsv"
    if not path.is_file():
        return []
    try:
        rows = read_side_table(path, ("participant_id",))
    except ValueError as error:
        return [f"the participants cannot be read: {str(error).replace(str(path), path.name)}"]
    twice = rows[rows["participant_id"].str.casefold().duplicated(keep=False)]
    groups = twice.groupby(twice["participant_id"].str.casefold())
    return [f"BIDS lists {name} in {listed_lines(group.index)} of {path.name}" for name, group in groups]


def find_side_file(path: Path, suffix: str) -> Path | None:
    """Return the nearest `*_<suffix>` whose entities (sub-, ses-, task-, ...) all belong to the recording."""
    entities = set(path.name.split(".")[0].split("_")[:-1])
    folder = path.parent
    for _ in range(5):
        candidates = [
            candidate
            for candidate in sorted(folder.glob(f"*_{suffix}"))
            if set(candidate.name.split("_")[:-1]) <= entities
        ]
        if candidates:
            return max(candidates, key=lambda candidate: len(candidate.name.split("_")))
        if is_bids_root(folder) or folder == folder.parent:
            return None
        folder = folder.parent
    return None


def _apply_channels(raw: mne.io.BaseRaw, path: Path) -> None:
    table = read_side_table(path, ("name",))
    known = table[table["name"].isin(raw.ch_names)]
    if unknown := table["name"][~table["name"].isin(raw.ch_names)].tolist():
        warn(f"{path}: the recording has no channel called {', '.join(unknown[:5])}{', ...' * (len(unknown) > 5)}")
    types = {
        name: _MNE_TYPES.get(kind.upper(), "misc")
        for name, kind in zip(known["name"], known.get("type", ["EEG"] * len(known)), strict=True)
    }
    current = dict(zip(raw.ch_names, raw.get_channel_types(), strict=True))
    raw.set_channel_types(
        {name: kind for name, kind in types.items() if current[name] != kind}, on_unit_change="ignore", verbose="ERROR"
    )
    if "status" in known:
        bad = known["name"][known["status"].str.lower() == "bad"]
        raw.info["bads"] = list(dict.fromkeys([*raw.info["bads"], *bad]))


def _apply_events(raw: mne.io.BaseRaw, path: Path) -> None:
    """Events of the table replace those of the file; marks of bad stretches and breaks stay.

    An event is named by its `trial_type` or, where that is missing, by its `value`. Rows that give no event are
    named, and so are events outside the recording, which would otherwise be moved to its ends.
    """
    import pandas as pd

    table = read_side_table(path, ("onset",))
    onset = pd.to_numeric(table["onset"], errors="coerce")
    if "duration" not in table:
        table["duration"] = "n/a"
    duration = pd.to_numeric(table["duration"], errors="coerce").fillna(0.0).clip(lower=0)
    texts = pd.Series("n/a" if {"trial_type", "value"} & {*table.columns} else "event", index=table.index)
    for column in ("value", "trial_type"):
        if column in table:
            texts = texts.where(is_missing(table[column]), table[column])
    seconds = raw.n_times / raw.info["sfreq"]
    wrong = {
        "without an onset": onset.isna(),
        "without a trial_type or value": onset.notna() & is_missing(texts),
        "before the start of the recording": onset < 0,
        f"after the end of the recording ({seconds:.1f} s)": onset >= seconds,
    }
    for reason, rows in wrong.items():
        if rows.any():
            guess = guess_of_onsets(onset[rows], seconds, raw.info["sfreq"]) if "after" in reason else ""
            warn(f"{path}: {listed_lines(table.index[rows])} {reason} left out{guess}")
    usable = ~pd.concat(wrong, axis=1).any(axis=1)
    own = raw.annotations
    marks = [i for i, text in enumerate(own.description) if is_mark(text)]
    events = mne.Annotations(
        onset[usable] + raw.first_time, duration[usable], texts[usable], orig_time=raw.info["meas_date"]
    )
    raw.set_annotations(own[marks] + events if marks else events, verbose="ERROR")


def _apply_json(raw: mne.io.BaseRaw, path: Path) -> None:
    try:
        description = json.loads(read_text_leniently(path))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: line {error.lineno} is not JSON: {error.msg}") from error
    line = description.get("PowerLineFrequency") if isinstance(description, dict) else None
    if isinstance(line, int | float):
        raw.info["line_freq"] = float(line)
