"""A table of labels: which recording, which stretch of a recording or which person has which label.

Columns are found by their usual names (`COLUMNS`), in any case, or are named. Rows are of files where there is a
column of files, and otherwise of people, as in the participants.tsv of a BIDS data set.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from dare_eeg_hf.argument_names import suggest
from dare_eeg_hf.recordings.side_tables import is_missing, listed_lines, read_side_table
from dare_eeg_hf.remedies_dare_eeg import COMMAND_LINE, InputError, Remedy

COLUMNS = {
    "file": ("file", "filename", "file name", "recording", "path"),
    "label": ("label", "class", "condition", "group", "diagnosis", "trial type"),
    "person": ("person", "subject", "participant id", "participant", "patient", "subject id", "patient id"),
    "session": ("session", "session id"),
    "onset": ("onset",),
    "duration": ("duration",),
}
"""What a column tells -> the names it is known by, in this order; `_` and `-` count as blanks."""

_MONTH = r"(?:jan|feb|m[aä]r|apr|ma[iy]|jun|jul|aug|sep|o[ck]t|nov|de[cz])[a-zä]*\.?"
_DATE = re.compile(
    rf"\d{{4}}[-./]\d\d?[-./]\d\d?(?:[ T].*)?|\d\d?[-./]\d\d?[-./](?:\d\d){{1,2}}(?: .*)?"
    rf"|\d\d?[-. /]{{1,2}}{_MONTH}(?:[-. /]{{1,2}}\d\d(?:\d\d)?)?|{_MONTH}[-. /]\d\d(?:\d\d)?",
    re.IGNORECASE,
)
_DAYS_OF_SPREADSHEETS = range(36_526, 54_789)  # the years 2000 to 2049, as a spreadsheet counts days


class LabelError(InputError):
    """Labels that cannot be used; the message names the table, the line and a remedy."""


class Option(Remedy):
    """A remedy that is an argument of the same name in Python and, as an option, on the command line."""

    def on(self, surface: str) -> str:
        """`give --label-column NAME`, or `pass label_column='NAME'`."""
        if surface != COMMAND_LINE:
            return f"pass {self.argument}={self.value!r}"
        flag = f"give --{self.argument.replace('_', '-')}"
        return flag if self.value is True else f"{flag} {self.value}"


@dataclass(frozen=True)
class LabelRow:
    """One row of a table.

    Attributes:
        line: where it stands in the file.
        key: the file or, in a table of people, the person, as it is written there.
        label: the class in the spelling of the table's `label_names`, or None where the row has none.
        person, session: who was recorded and when, or None where there is no such column.
        onset, duration: seconds of the stretch that has the label; None for all of the recording, or for no length.
    """

    line: int
    key: str
    label: str | None
    person: str | None = None
    session: str | None = None
    onset: float | None = None
    duration: float | None = None


@dataclass(frozen=True)
class LabelTable:
    """Rows of labels.

    Attributes:
        path: the file.
        columns: what a column tells (a key of `COLUMNS`) -> its name in the file.
        rows: in the order of the file.
        remarks: sentences about what was read differently from how it is written.
    """

    path: Path
    columns: Mapping[str, str]
    rows: tuple[LabelRow, ...]
    remarks: tuple[str, ...] = ()

    @property
    def of_people(self) -> bool:
        """Whether rows are of people, as in participants.tsv, and not of files."""
        return "file" not in self.columns

    @property
    def label_names(self) -> tuple[str, ...]:
        """The classes in natural order: 2 before 10."""
        return tuple(sorted({row.label for row in self.rows} - {None}, key=natural_key))


def read_label_table(
    path: str | Path,
    *,
    file_column: str | None = None,
    label_column: str | None = None,
    person_column: str | None = None,
) -> LabelTable:
    """Read labels from a .csv or .tsv file; see `COLUMNS` for what may be in it.

    Spellings of a label that differ in case, in blanks or as numbers (1 and 1.0) are one class; `remarks` says so.

    Args:
        path: the table, separated by commas, semicolons or tabs, in UTF-8, UTF-16 or Latin-1.
        file_column, label_column, person_column: the names of these columns, where they are not among the usual ones.

    Raises:
        LabelError: a column is missing, labels are dates, a row lacks its file or person, an onset is not a number, or
            no row has a label.
        FileNotFoundError: there is no such file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no table of labels {path}.")
    table = read_side_table(path)
    given = {"file": file_column, "label": label_column, "person": person_column}
    columns = _find_columns(path, list(table.columns), given)
    key = columns.get("file", columns.get("person"))
    if (missing := is_missing(table[key]) & ~is_missing(table[columns["label"]])).any():
        raise LabelError(f"{path}: {listed_lines(table.index[missing])} with a label but without a {key}; fill it in")
    table = table[~is_missing(table[key])]
    labelled = ~is_missing(table[columns["label"]])
    texts = table[columns["label"]][labelled]
    _refuse_dates(path, columns["label"], texts)
    if texts.empty:
        raise LabelError(f"{path}: no row has a value in the column {columns['label']}", _other_column("label"))
    spelling = spellings(texts)
    if "person" in columns and (nobody := labelled & is_missing(table[columns["person"]])).any():
        raise LabelError(
            f"{path}: {listed_lines(table.index[nobody])} without a {columns['person']}; fill it in, or leave the "
            "column out of the table"
        )
    rows = [_row(path, line, cells, columns, spelling) for line, cells in table.iterrows()]
    return LabelTable(path, columns, tuple(rows), tuple(_respelled(columns["label"], spelling)))


def spellings(texts: Iterable[str]) -> dict[str, str]:
    """Each spelling of a label -> the class it stands for: the most frequent spelling, or the shortest of a number."""
    counts = Counter(" ".join(text.split()) for text in texts)
    same = defaultdict(list)
    for text in counts:
        number = number_of(text)
        same[unicodedata.normalize("NFC", text).casefold() if number is None else number].append(text)
    chosen = {}
    for kind, written in same.items():
        numbers = isinstance(kind, float)
        best = min(written, key=lambda text: (len(text) if numbers else -counts[text], text))
        whole = numbers and kind.is_integer()
        chosen |= dict.fromkeys(written, str(int(kind)) if whole else best)
    return chosen


def number_of(text: str) -> float | None:
    """The number a text stands for, with a point or a comma, or None."""
    if not re.fullmatch(r"[+-]?\d*[.,]?\d+([eE][+-]?\d+)?|[+-]?\d+[.,]", text.strip()):
        return None
    return float(text.strip().replace(",", "."))


def natural_key(text: str) -> list[tuple[int, Any]]:
    """For sorting: numbers in a text compare as numbers, letters without their case."""
    parts = re.split(r"(\d+)", text.casefold())
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in parts if part]


def _find_columns(path: Path, there: Sequence[str], given: Mapping[str, str | None]) -> dict[str, str]:
    """What a column tells -> its name, of those in the table."""
    by_name = {_plain(name): name for name in reversed(there)}
    found = {}
    for role, names in COLUMNS.items():
        if asked := given.get(role):
            if _plain(asked) not in by_name:
                listed = ", ".join(there)
                raise LabelError(f"{path} has no column {suggest(asked, there)}; it has {listed}")
            found[role] = by_name[_plain(asked)]
        elif present := [by_name[name] for name in names if name in by_name and by_name[name] not in given.values()]:
            found[role] = present[0]
    if "label" not in found:
        raise LabelError(_no_column(path, "label", there, found), _other_column("label"))
    if "file" not in found and "person" not in found:
        remedies = _other_column("file"), _other_column("person")  # a table of people needs no files
        raise LabelError(_no_column(path, "file", there, found), *remedies)
    if "duration" in found and "onset" not in found:
        del found["duration"]  # of the whole recording, perhaps
    return found


def _no_column(path: Path, role: str, there: Sequence[str], found: Mapping[str, str]) -> str:
    """That a column is missing, with the nearest of the others."""
    free = {_plain(name): name for name in there if name not in found.values()}
    near = next((suggest(name, free) for name in COLUMNS[role] if suggest(name, free) != name), None)
    nearest = f" (did you mean {free[near.split('did you mean ')[1][:-2]]}?)" if near else ""
    return f"{path} has no column {role}{nearest}; it has {', '.join(there)}"


def _other_column(role: str) -> Option:
    return Option(f"{role}_column", "COLUMN")


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name).strip().casefold()


def _refuse_dates(path: Path, column: str, texts: pd.Series) -> None:
    """Labels that are dates: a spreadsheet has made them of labels such as 3-1, or it is the wrong column."""
    dates = texts[[_DATE.fullmatch(text) is not None for text in texts]]
    numbers = texts.map(number_of)
    if numbers.notna().all() and numbers.isin(_DAYS_OF_SPREADSHEETS).all():
        dates = texts
    if len(dates):
        raise LabelError(
            f"{path}: line {dates.index[0]} has {dates.iloc[0]!r} in the column {column}, which is a date, as "
            "spreadsheets make them of labels such as 3-1: format the column as text there and enter the labels "
            "again, or use another column",
            _other_column("label"),
        )


def _row(path: Path, line: int, cells: pd.Series, columns: Mapping[str, str], spelling: Mapping[str, str]) -> LabelRow:
    """One row of the table as it is understood."""

    def text(role: str) -> str | None:
        return None if role not in columns or is_missing(cells[[columns[role]]]).any() else cells[columns[role]]

    def seconds(role: str) -> float | None:
        value = text(role)
        if value is not None and number_of(value) is None:
            raise LabelError(f"{path}: line {line} has {value!r} as its {columns[role]}, which has to be in seconds")
        return None if value is None else number_of(value)

    label, key = text("label"), cells[columns.get("file", columns.get("person"))]
    label = None if label is None else spelling[" ".join(label.split())]
    onset, duration = seconds("onset"), seconds("duration")
    if (duration or 0) < 0 or (onset or 0) < 0:
        raise LabelError(f"{path}: line {line} has a negative onset or duration; both are seconds from 0 on")
    return LabelRow(line, key, label, text("person"), text("session"), onset, duration)


def _respelled(column: str, spelling: Mapping[str, str]) -> list[str]:
    """Sentences about spellings that were taken for one class."""
    of_class = defaultdict(list)
    for text, label in spelling.items():
        of_class[label].append(text)
    return [
        f"{', '.join(map(repr, sorted(texts)))} in the column {column} were taken for one class, {label}"
        for label, texts in of_class.items()
        if len(texts) > 1
    ]
