"""Tables beside recordings (events, channels, participants, labels): every row that cannot be used is named."""

import csv
import io
import os
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dare_eeg_hf.recordings.errors import RecordingWarning

if TYPE_CHECKING:
    import pandas as pd

MISSING = ("", "n/a", "na", "nan", "none", "null")
"""What tables write, in upper or lower case, for a missing value."""


def read_side_table(path: str | os.PathLike, columns: Sequence[str] = ()) -> "pd.DataFrame":
    """A .tsv or .csv file as texts without blanks around them; the index holds the line of each row in the file.

    A file that is not UTF-8 is read as Latin-1, and rows with more fields than the header are left out: both are
    reported as a `RecordingWarning` that names file and lines. Fields that a short row lacks are missing values.

    Args:
        path: separated by tabs, semicolons or commas, whichever its first line has.
        columns: what it must have.

    Raises:
        ValueError: it is a workbook, there is no header, it names a column twice, or one is missing.
    """
    import pandas as pd  # not needed for a recording without a table, and slow to load

    text = read_text_leniently(path)
    delimiter = _delimiter(path, text)
    if text.startswith("sep="):  # what Excel may write above the header
        text = "\n" + text.partition("\n")[2]
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    rows = [(reader.line_num, [value.strip() for value in row]) for row in reader]
    rows = [(line, row) for line, row in rows if any(row)]
    if not rows:
        raise ValueError(f"{path}: the table is empty")
    (_, header), *rows = rows
    if twice := [name for name in header if name and header.count(name) > 1]:
        raise ValueError(f"{path} has two columns called {twice[0]!r}")
    if missing := [name for name in columns if name not in header]:
        raise ValueError(f"{path} lacks the column {missing[0]!r}; it has {', '.join(header)}")
    width = len(header)
    if wrong := [line for line, row in rows if any(row[width:])]:
        warn(f"{path}: {listed_lines(wrong)} with more than the {width} fields of the header left out")
    whole = {line: [*row, *[""] * width][:width] for line, row in rows if not any(row[width:])}
    return pd.DataFrame(list(whole.values()), columns=header, index=list(whole), dtype=str)


def _delimiter(path: str | os.PathLike, text: str) -> str:
    """What separates the fields of a table: what its suffix promises, unless the first line has only another."""
    first = text.lstrip().partition("\n")[0]
    if first.startswith("sep=") and first.strip() != "sep=":
        return first.strip()[4]
    promised = "\t" if str(path).lower().endswith(".tsv") else ","
    return next((each for each in (promised, "\t", ";", ",") if each in first), promised)


def read_text_leniently(path: str | os.PathLike) -> str:
    """The text of a file: UTF-8 or, with a warning that names the first line concerned, Latin-1."""
    content = Path(path).read_bytes()
    if content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise ValueError(f"{path} is a workbook of a spreadsheet, not a table of text: save it there as CSV")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        warn(f"{path}: line {line} is not UTF-8; the file was read as Latin-1")
        return content.decode("latin-1")


def is_missing(values: "pd.Series") -> "pd.Series":
    """Which texts stand for no value."""
    return values.str.strip().str.lower().isin(MISSING)


def listed_lines(lines: Iterable[int]) -> str:
    """`3 rows (lines 2, 5, 9)`; of many the first five."""
    lines = list(lines)
    shown = ", ".join(map(str, lines[:5])) + (", ..." if len(lines) > 5 else "")
    return f"1 row (line {shown})" if len(lines) == 1 else f"{len(lines)} rows (lines {shown})"


def warn(message: str) -> None:
    """Issue a `RecordingWarning`."""
    warnings.warn(message, RecordingWarning, stacklevel=3)
