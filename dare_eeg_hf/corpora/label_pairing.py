"""Which rows of a table of labels belong to which recording, whatever way the files are written there.

A row names its recording by the path inside the folder, by a longer or shorter path, with or without the extension, in
any case; what is written exactly goes first. A row that fits several recordings is an error, never a guess.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from itertools import pairwise

from dare_eeg_hf.corpora.label_table import LabelError, LabelRow, LabelTable, Option
from dare_eeg_hf.corpora.people import listed, one_spelling
from dare_eeg_hf.recordings.formats import FORMATS
from dare_eeg_hf.recordings.side_tables import listed_lines
from dare_eeg_hf.recordings.tables import TABLE_FORMATS

MOST_DIFFERENT = 4
"""More labels than this that mostly occur once are taken for measures."""

_EXTENSIONS = sorted(
    {each for extensions, *_ in FORMATS.values() for each in extensions}
    | {each for extensions in TABLE_FORMATS.values() for each in extensions},
    key=len,
    reverse=True,
)


@dataclass(frozen=True)
class Pairing:
    """Rows by recording.

    Attributes:
        rows: recording -> its labelled rows: one for the whole recording, or several stretches in order of time.
        unlabelled: recordings without a label.
        absent: rows with a label whose recording (or person) is not there.
        remarks: sentences about rows that were left out or count once.
    """

    rows: Mapping[str, tuple[LabelRow, ...]]
    unlabelled: tuple[str, ...] = ()
    absent: tuple[LabelRow, ...] = ()
    remarks: tuple[str, ...] = field(default=())


def pair_labels(
    table: LabelTable, recordings: Sequence[str], people: Mapping[str, str], leave_out_unmatched: bool = False
) -> Pairing:
    """Find the rows of each recording.

    Args:
        table: with rows of files, or of people.
        recordings: names in their folder, with `/`.
        people: recording -> person, for a table of people.
        leave_out_unmatched: go on without recordings that have no label and rows that have no recording.

    Raises:
        LabelError: a recording has no label, or a label no recording, and they are not to be left out; a row fits
            several recordings; rows contradict each other; all have one label, or nearly each one of its own.
    """
    written = list(dict.fromkeys(row.key for row in table.rows))
    if table.of_people:
        found = _match_people(written, sorted(set(people.values())))
        names_of = {key: [name for name in recordings if people[name] == who] for key, who in found.items()}
    else:
        names_of = {key: [name] for key, name in _match_files(table, written, recordings).items()}
    rows_of: dict[str, list[LabelRow]] = defaultdict(list)
    for row in table.rows:
        for name in names_of.get(row.key, []) if row.label is not None else []:
            rows_of[name].append(row)
    absent = tuple(row for row in table.rows if row.label is not None and row.key not in names_of)
    unlabelled = tuple(name for name in recordings if name not in rows_of)
    _refuse_unmatched(table, unlabelled, absent, len(rows_of), leave_out_unmatched)
    remarks = [*table.remarks, *_left_out(table, unlabelled, absent)]
    rows = {name: _in_time(table, name, rows_of[name], remarks) for name in recordings if name in rows_of}
    _refuse_no_classes(table, [row.label for own in rows.values() for row in own])
    return Pairing(rows, unlabelled, absent, tuple(remarks))


def _refuse_no_classes(table: LabelTable, labels: Sequence[str]) -> None:
    """An error where there is one class only, or so many that they are measures rather than classes."""
    column, classes = table.columns["label"], sorted(set(labels))
    other = Option("label_column", "COLUMN")
    if len(classes) == 1:
        raise LabelError(
            f"every label in the column {column} of {table.path} is {classes[0]}; telling classes apart takes two or "
            "more: label other recordings too, or use another column",
            other,
        )
    if len(classes) > MOST_DIFFERENT and 2 * len(classes) > len(labels):
        raise LabelError(
            f"the column {column} of {table.path} has {len(classes)} different labels in {len(labels)} rows, "
            f"{listed(classes)}; these are measures rather than classes: put them into groups, or use another column",
            other,
        )


def _match_files(table: LabelTable, written: Sequence[str], recordings: Sequence[str]) -> dict[str, str]:
    """Path as written in the table -> recording, of the paths that fit one.

    Raises:
        LabelError: a path fits several recordings.
    """
    found = {}
    for spelled in (_path, _lower, _without_extension, _without_suffix):
        by_tail = defaultdict(set)
        for name in recordings:
            for tail in _tails(spelled(name)):
                by_tail[tail].add(name)
        exact = {spelled(name): name for name in recordings}
        for key in written:
            if key in found:
                continue
            longer = {exact[tail] for tail in _tails(spelled(key)) if tail in exact}
            fitting = by_tail[spelled(key)] or {name for name in longer if _extension(key) in ("", _extension(name))}
            whole = exact.get(spelled(key))
            if whole is not None and (len(fitting) == 1 or spelled is _path):
                found[key] = whole
            elif len(fitting) == 1:
                found[key] = fitting.pop()
            elif fitting:
                line = next(row.line for row in table.rows if row.key == key)
                raise LabelError(
                    f"{table.path}: line {line} names {key}, which may be {' or '.join(sorted(fitting)[:3])}; write "
                    "the path inside the folder, with its extension"
                )
    return found


def _match_people(written: Sequence[str], people: Sequence[str]) -> dict[str, str]:
    """Person as written in the table -> person of the recordings, in any case and with or without `sub-`."""
    known = {_lower(who).removeprefix("sub-"): who for who in people}
    return {key: known[plain] for key in written if (plain := _lower(key).removeprefix("sub-")) in known}


def _path(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip().replace("\\", "/").removeprefix("./")


def _lower(text: str) -> str:
    return _path(text).casefold()


def _without_extension(text: str) -> str:
    lowered = _lower(text)
    return next((lowered.removesuffix(each) for each in _EXTENSIONS if lowered.endswith(each)), lowered)


def _extension(text: str) -> str:
    return _lower(text)[len(_without_extension(text)) :]


def _without_suffix(text: str) -> str:
    """Without what BIDS ends names with."""
    return _without_extension(text).removesuffix("_eeg")


def _tails(path: str) -> Iterable[str]:
    """`a/b/c`, `b/c`, `c`."""
    parts = path.split("/")
    return ("/".join(parts[start:]) for start in range(len(parts)))


def _refuse_unmatched(
    table: LabelTable, unlabelled: Sequence[str], absent: Sequence[LabelRow], paired: int, leave_out: bool
) -> None:
    """An error about recordings without a label and labels without a recording, unless they are to be left out."""
    kind = table.columns["person" if table.of_people else "file"]
    what = "person" if table.of_people else "recording"
    keys = list(dict.fromkeys(row.key for row in absent))
    if not paired:
        raise LabelError(
            f"no {kind} of {table.path} is among the recordings: the table has {listed(keys) or 'no labels'}, the "
            f"folder has {listed(unlabelled)}; write in the column {kind} the {what} as the folder has it"
        )
    if leave_out:
        return
    remedy = Option("leave_out_unmatched", True)
    total = paired + len(unlabelled)
    if unlabelled:
        misspelt = (
            f" (line {absent[0].line} names {_nearest(keys[0], unlabelled)}, which is not there)" if keys else ""
        )
        raise LabelError(
            f"{table.path} has no label for {len(unlabelled)} of {total} recordings, {listed(unlabelled)}{misspelt}; "
            "add them to the table, or leave these recordings out",
            remedy,
        )
    if absent:
        lines = listed_lines(row.line for row in absent)
        raise LabelError(
            f"{table.path}: {lines} with a label for a {what} that is not in the folder, {listed(keys)}; correct the "
            "names, or leave these rows out",
            remedy,
        )


def _nearest(key: str, names: Sequence[str]) -> str:
    near = get_close_matches(_without_extension(key), [_without_extension(name) for name in names], n=1)
    same = [name for name in names if near and _without_extension(name) == near[0]]
    return f"{key} (did you mean {same[0]}?)" if same else key


def _left_out(table: LabelTable, unlabelled: Sequence[str], absent: Sequence[LabelRow]) -> list[str]:
    """Sentences about what was left out."""
    remarks = []
    if unlabelled:
        remarks.append(f"recordings without a label were left out: {listed(unlabelled)}")
    if absent:
        keys = listed(list(dict.fromkeys(row.key for row in absent)))
        remarks.append(f"rows of {table.path.name} whose recording is not there were left out: {keys}")
    return remarks


def _in_time(table: LabelTable, name: str, rows: Sequence[LabelRow], remarks: list[str]) -> tuple[LabelRow, ...]:
    """The rows of one recording without repetitions, in order of time; contradictions are an error."""
    for role in ("person", "session"):
        told = {getattr(row, role) for row in rows}
        spelled = one_spelling(each for each in told if each is not None)
        if len(set(spelled.values())) > 1:
            _refuse(table, name, rows, lambda row, role=role: getattr(row, role), f"one {role}")
    different = {(row.onset, row.duration, row.label): row for row in reversed(rows)}
    if len(different) < len(rows):
        lines = listed_lines(row.line for row in rows if row not in different.values())
        remarks.append(f"{table.path.name}: {lines} of {name} as an earlier one, which counts once")
    kept = sorted(different.values(), key=lambda row: (row.onset is not None, row.onset or 0.0, row.line))
    if kept[0].onset is None and len(kept) > 1:
        _refuse(table, name, kept, lambda row: row.label, "one label, or an onset and a duration for each")
    for before, after in pairwise(kept):
        if before.label != after.label and before.onset + (before.duration or 0) > after.onset + 1e-6:
            _refuse(table, name, [before, after], lambda row: row.label, "one label at any time")
        if before.label != after.label and before.onset == after.onset:
            _refuse(table, name, [before, after], lambda row: row.label, "one label at any time")
    return tuple(replace(row, session=row.session or "") for row in kept)


def _refuse(table: LabelTable, name: str, rows: Sequence[LabelRow], told, needed: str) -> None:
    said = ", ".join(f"{told(row)} in line {row.line}" for row in list(rows)[:4])
    raise LabelError(f"{table.path} says different things about {name}: {said}; a recording has {needed}")
