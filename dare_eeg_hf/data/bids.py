"""The side files of a BIDS data set (channels.tsv, events.tsv, eeg.json), read without further packages."""

import json
import os
from pathlib import Path

import mne
import pandas as pd

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

    A file that follows no BIDS naming, or has no such files, comes back unchanged. Side files of a whole subject or
    data set apply as BIDS'
    inheritance principle says: the nearest folder wins.
    """
    if not path.name.startswith("sub-"):
        return raw
    if channels := find_side_file(path, "channels.tsv"):
        _apply_channels(raw, pd.read_csv(channels, sep="\t", dtype=str, keep_default_na=False))
    if events := find_side_file(path, "events.tsv"):
        _apply_events(raw, pd.read_csv(events, sep="\t", dtype=str, keep_default_na=False))
    if description := find_side_file(path, "eeg.json"):
        line = json.loads(description.read_text(encoding="utf-8")).get("PowerLineFrequency")
        if isinstance(line, int | float):
            raw.info["line_freq"] = float(line)
    return raw


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


def _apply_channels(raw: mne.io.BaseRaw, table: pd.DataFrame) -> None:
    known = table[table["name"].isin(raw.ch_names)] if "name" in table else table[:0]
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


def _apply_events(raw: mne.io.BaseRaw, table: pd.DataFrame) -> None:
    """Events of the table replace those of the file; marks of bad stretches and breaks stay."""
    if "onset" not in table:
        return
    column = next((name for name in ("trial_type", "value") if name in table and (table[name] != "n/a").any()), None)
    onset = pd.to_numeric(table["onset"], errors="coerce")
    duration = pd.to_numeric(table.get("duration", pd.Series("0", index=table.index)), errors="coerce").fillna(0.0)
    texts = table[column] if column else pd.Series("event", index=table.index)
    usable = onset.notna() & (texts != "n/a")
    own = raw.annotations
    marks = [i for i, text in enumerate(own.description) if text.lower().startswith(("bad", "edge", "boundary"))]
    events = mne.Annotations(
        onset[usable] + raw.first_time, duration[usable], texts[usable], orig_time=raw.info["meas_date"]
    )
    raw.set_annotations(own[marks] + events if marks else events, verbose="ERROR")
