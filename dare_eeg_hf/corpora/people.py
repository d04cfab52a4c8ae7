"""Who was recorded: the one place that decides which person a recording belongs to and says how that is known.

A person is identified by a table, BIDS' entity `sub-`, a regular expression, or a naming scheme that all files of a
folder follow. Otherwise files are only *assumed* to be of one person each, and nobody counts as "never seen".
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dare_eeg_hf.recordings.side_tables import is_missing, listed_lines, read_side_table, warn

ASSUMED = {
    "file": "each file was counted as a separate person; people with several recordings may be on both sides",
    "folder": "each folder was counted as a separate person; people in several folders may be on both sides",
}
"""How the person of a recording may have been guessed, and what that means."""

KNOWN = {
    "scheme": "people are identified by the names of the files",
    "pattern": "people are identified by a pattern for the names of the files",
    "bids": "people are identified by the BIDS entity sub-",
    "column": "people are identified by a column",
}
"""How the person of a recording may be known, the surest last."""

REMEDY = "Say who was recorded with --subject-pattern (a regular expression whose first group is the person)."

SCHEMES = {
    # name: start of the file's name, up to where no letter or digit follows; the first group is the person.
    "EEGMMIDB (S001R01)": r"([A-Z]{1,2}\d{2,4})R\d{2}",
    "Sleep-EDF (SC4001E0)": r"(SC4\d{2}|ST7\d{2})\d[A-Z][0-9A-Z]",
    "TUH (aaaaaaaa_s001_t000)": r"([a-z]{8}|000\d{5})_s\d{3}(?:_\d{4})?_t\d{3}",
    "TUEV (aaaaaaaa_00000001)": r"([a-z]{8})_000\d{5}",
    "BCI Competition IV 2a (A01T)": r"(A0[1-9])[TE]",
    "BCI Competition IV 2b (B0101T)": r"(B0[1-9])\d{2}[TE]",
    "CHB-MIT (chb01_03)": r"(chb\d{2})[a-z]?_\d{2}",
    "Siena (PN00-1)": r"(PN\d{2})-\d+",
    "UCI alcoholism (co2a0000364)": r"(co\d[ac]\d{7})",
}
_SCHEMES = {name: re.compile(rf"{pattern}(?![A-Z0-9])", re.IGNORECASE) for name, pattern in SCHEMES.items()}

_SAME_PERSON = {"chb21": "chb01"}
"""CHB-MIT recorded its first case once more, a year and a half later, as case 21."""

WORD_SCHEME = "a word for person and a number (Subject00_1)"
_WORD = re.compile(
    r"(?:^|[/_. -])((?:subject|subj|sub|participant|patient|person|proband)[-_ ]?[A-Z]?\d+)(?![A-Z0-9])", re.IGNORECASE
)
_BIDS = re.compile(r"(?:^|/)(sub-[^/_.]+)")


@dataclass(frozen=True)
class People:
    """The person of each recording.

    Attributes:
        of: name of a recording -> person.
        source: how that is known or assumed: a key of `KNOWN` or `ASSUMED`.
        detail: which table, pattern or scheme; or, of an assumption, what nearly fitted.
    """

    of: Mapping[str, str]
    source: str
    detail: str = ""

    @property
    def known(self) -> bool:
        """Whether people are known rather than assumed."""
        return are_known(self.source)

    def statement(self) -> str:
        """How people are told apart, in a sentence without its capital and full stop."""
        return statement(self.source) + (f" ({self.detail})" if self.detail else "")


def people_of(names: Sequence[str], pattern: str | None = None, table: str | Path | None = None) -> People:
    """Tell the person of each recording.

    Args:
        names: paths of the recordings inside their folder, with `/`.
        pattern: regular expression whose first group is the person, searched in each name.
        table: .csv or .tsv with a column of files and one of people; see `people_of_table`.

    Raises:
        ValueError: the pattern is not valid, has no group, or does not fit a name; the table lacks a person.
    """
    if table is not None:
        return people_of_table(names, table)
    if pattern is not None:
        return _one_spelling_each(People(_by_pattern(names, pattern), "pattern", pattern))
    bids = {name: found[1] for name in names if (found := _BIDS.search(name))}
    if names and len(bids) == len(names):
        return _one_spelling_each(People(bids, "bids"))
    fitting = {scheme: by_scheme(names, scheme) for scheme in (*SCHEMES, WORD_SCHEME)}
    for scheme, found in fitting.items():
        if names and len(found) == len(names):
            return _one_spelling_each(People(found, "scheme", scheme))
    assumed = {name: name.split("/")[0] if "/" in name else Path(name).stem for name in names}
    source = "file" if any("/" not in name and name not in bids for name in names) else "folder"
    return _one_spelling_each(People(assumed | bids, source, _nearest({"BIDS": bids, **fitting}, names)))


def by_scheme(names: Iterable[str], scheme: str) -> dict[str, str]:
    """Name -> person of the names that follow a scheme."""
    found = {}
    for name in names:
        if scheme == WORD_SCHEME:
            words = {word.lower(): word for word in _WORD.findall(name)}
            if len(words) == 1:  # two people in one path say nothing
                found[name] = next(iter(words.values()))
        elif match := _SCHEMES[scheme].match(name.rsplit("/", 1)[-1]):
            found[name] = _SAME_PERSON.get(match[1].lower(), match[1])
    return found


def people_of_table(names: Sequence[str], table: str | Path) -> People:
    """Find the person of each recording by a table with a column `filename`, `file` or `recording` (the path of the
    recording, or its last part where that is unique) and a column `subject`, `participant_id`, `person` or `patient`.

    Raises:
        ValueError: a column is missing, a row has no person, or a recording has no row, or two with different people.
    """
    rows = read_side_table(table)
    file = _column(table, rows.columns, ("filename", "file", "recording"))
    person = _column(table, rows.columns, ("subject", "participant_id", "person", "patient"))
    if len(lines := rows.index[is_missing(rows[person])]):
        raise ValueError(f"{table}: {listed_lines(lines)} without a {person}; fill it in, or leave the rows out")
    spelling = one_spelling(rows[person])
    told: dict[str, str] = {}
    for line, key, who in zip(rows.index, rows[file], rows[person], strict=True):
        if told.setdefault(key, spelling[who]) != spelling[who]:
            raise ValueError(f"{table}: line {line} gives {key} to {who}, an earlier line to {told[key]}")
    lasts = Counter(name.rsplit("/", 1)[-1] for name in names)
    keys = {
        name: name if name in told or lasts[last] > 1 else last for name in names for last in [name.split("/")[-1]]
    }
    if without := [name for name in names if keys[name] not in told]:
        raise ValueError(f"{table} has no row for {listed(without)}")
    if unused := sorted(told.keys() - set(keys.values())):
        warn(f"{table} has rows for files that are not there: {listed(unused)}")
    return People({name: told[keys[name]] for name in names}, "column", f"{person} of {Path(table).name}")


def source_of_rows(subjects: Sequence[str], recordings: Sequence[str], sources: Iterable[str | None] = ()) -> str:
    """How the people of rows are known: as all of the rows say (`sources`), or else as their names suggest.

    A column of subjects is trusted, unless a subject is named like their own file: files were then counted as people.
    """
    told = set(sources)
    if told and told <= ASSUMED.keys() | KNOWN.keys():
        return weakest(told)
    pairs = set(zip(subjects, recordings, strict=True))
    return "file" if any(recording.rsplit(".", 1)[0] == subject for subject, recording in pairs) else "column"


def one_spelling(people: Iterable[str]) -> dict[str, str]:
    """Each spelling of a person -> the first one of them in sorted order.

    Spellings that differ in case, blanks around them or Unicode's form alone are one person: to take one person for
    two would put them on both sides of a split.
    """
    spellings = defaultdict(list)
    for name in sorted(set(people)):
        spellings[unicodedata.normalize("NFC", name).strip().casefold()].append(name)
    return {name: same[0].strip() for same in spellings.values() for name in same}


def are_known(source: str) -> bool:
    """Whether people are known rather than assumed, by the source of the subjects."""
    return source in KNOWN


def statement(source: str) -> str:
    """How people are told apart, in a sentence without its capital and full stop."""
    return (ASSUMED | KNOWN)[source]


def weakest(sources: Iterable[str]) -> str:
    """The source that says the least about people, of several."""
    return min(sources, key=[*ASSUMED, *KNOWN].index, default="column")


def missing_people(people: Sequence[str | None]) -> list[int]:
    """Positions without a person's name."""
    return [i for i, who in enumerate(people) if who is None or who != who or not str(who).strip()]


def listed(names: Sequence[str]) -> str:
    """The first five of the names, and how many more there are."""
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more


def _by_pattern(names: Sequence[str], pattern: str) -> dict[str, str]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"the pattern for people, {pattern!r}, is not a regular expression: {error}") from error
    if not compiled.groups:
        raise ValueError(f"the pattern for people, {pattern!r}, needs a group around the person, such as ({pattern})")
    found = {name: match[1] for name in names if (match := compiled.search(name)) and (match[1] or "").strip()}
    if without := [name for name in names if name not in found]:
        raise ValueError(f"the pattern for people, {pattern!r}, finds nobody in {listed(without)}")
    return found


def _one_spelling_each(people: People) -> People:
    spelling = one_spelling(people.of.values())
    return People({name: spelling[who] for name, who in people.of.items()}, people.source, people.detail)


def _nearest(fitting: Mapping[str, Mapping[str, str]], names: Sequence[str]) -> str:
    """What kept the scheme that most names follow from being believed; nothing where fewer than half follow one."""
    scheme, found = max(fitting.items(), key=lambda item: len(item[1]))
    if not names or 2 * len(found) < len(names):
        return ""
    return f"the naming of {scheme} does not fit {listed([name for name in names if name not in found])}"


def _column(table: str | Path, columns: Iterable[str], wanted: Sequence[str]) -> str:
    for name in wanted:
        if name in columns:
            return name
    raise ValueError(f"{table} needs a column {' or '.join(wanted)}; it has {', '.join(columns)}")
