"""Electrode names: the channel vocabulary of DARE-EEG, aliases, vendor decorations, and 10-20 to 10-10.

Recordings name the same electrode in many ways: `Fc5.` (EEGMMIDB), `EEG FP1-REF` and `EEG FP1-LE` (TUH), `POL E`
(Nihon Kohden), `T3` (10-20) for `T7` (10-10). This module brings names to the vocabulary and says, for every other
channel, what it is and why it cannot stand for a scalp electrode. It is plain Python and travels with every
checkpoint.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

CHANNEL_VOCABULARY: tuple[str, ...] = tuple(
    (
        "FP1 FPZ FP2 AF7 AF3 AF4 AF8 F7 F5 F3 F1 FZ F2 F4 F6 F8 FT7 FC5 FC3 FC1 FCZ FC2 FC4 FC6 FT8 "
        "T7 C5 C3 C1 CZ C2 C4 C6 T8 TP7 CP5 CP3 CP1 CPZ CP2 CP4 CP6 TP8 P7 P5 P3 P1 PZ P2 P4 P6 P8 "
        "PO7 PO5 PO3 POZ PO4 PO6 PO8 O1 OZ O2"
    ).split()
)
"""The 62 names of the 10-10 system, in the order of the rows of the channel embedding table."""

PRETRAINING_CHANNELS: tuple[str, ...] = tuple(
    name for name in CHANNEL_VOCABULARY if name not in {"AF7", "AF8", "PO5", "PO6"}
)
"""The 58 channels of the pre-training montage."""

OTHER_SCALP_SITES: frozenset[str] = frozenset(
    (
        "NZ AFZ AF1 AF2 AF5 AF6 AF9 AF10 F9 F10 FT9 FT10 T9 T10 TP9 TP10 P9 P10 "
        "PO1 PO2 PO9 PO10 O9 O10 IZ I1 I2 CB1 CB2"
    ).split()
)
"""Scalp sites that the model has no embedding for. They are EEG, but dropped."""

ALIASES: dict[str, str] = {
    # The 10-20 system's temporal names became these in the 10-10 system (American Clinical Neurophysiology Society,
    # 2006).
    "T3": "T7",
    "T4": "T8",
    "T5": "P7",
    "T6": "P8",
    # Caps made before the 10-10 system settled (UCI EEG Database, SEED's neighbours) label these rows with 1 and 2.
    "AF1": "AF3",
    "AF2": "AF4",
    "PO1": "PO3",
    "PO2": "PO4",
}
"""Old names of vocabulary channels. An alias is ignored where the recording also has the channel under its own
name."""

_EARS = r"A[12]|M[12]|A1\+?A2|M1\+?M2|A1/A2|M1/M2|LM|RM|TP9|TP10"
_COMMON = r"REF\d?|R|LE|LER|AR|AV|AVG|AVE|AVERAGE|CAR|CLE|ORG|G\d+|GND|VREF"
_REFERENCE = re.compile(
    # What is subtracted from a monopolar channel: a named or common reference, an average, the ears or the mastoids.
    rf"^(?P<site>[^-:/]+?)\s*[-_:/]\s*(?P<reference>{_COMMON}|\(?(?:{_EARS})\)?(?:/2)?)$"
)
_RUNNING_NUMBER = re.compile(r"^(?P<site>.+?)(?:-\d+)*-(?P<number>\d+)$")
_PREFIX = re.compile(r"^(?:(?:EEG|POL|CHAN(?:NEL)?|CH|ELECTRODE)[\s:_.-]+)+(?=\S)")
_DERIVATION = re.compile(r"^([A-Z]{1,3}\d{0,2}P?)\s*[-/:_]\s*([A-Z]{1,3}\d{0,2}P?)$")
_GRID_SOCKET = re.compile(r"[A-I]\d{1,3}")
_EAR_DIFFERENCE = re.compile(r"^[AM][12]\s*[-/:_]\s*[AM][12]$")
_EAR = re.compile(r"^\$?(?:A[12]|M[12]|LM|RM|EARL|EARR|LEFT EAR|RIGHT EAR|MASTOID.*)$")

_KINDS: tuple[tuple[str, re.Pattern], ...] = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        ("ECG", r"\b(?:ECG|EKG)"),
        ("EOG", r"EOG|^X$|^Y$|^(?:ROC|LOC)\b|^E[12](?:-M[12])?$|^VEO|^HEO|^IO[12]?$"),
        ("EMG", r"EMG|\bCHIN\b|\bLEG[/ ]|\bTIB"),
        (
            "respiration or oximetry",
            r"RESP|SAO2|SPO2|OSAT|FLOW|THOR|ABDO|SNORE|\bPLETH|ETCO2|\bPULSE (?:RATE|OX)|^PULSE$|\bHR\b|NASAL|\bORO",
        ),
        ("trigger or status", r"^(?:STATUS|STI\b|STIM|TRIG|EVENT|MARKER|PHOTIC|(?:EDF |BDF )?ANNOTATIONS?)"),
        (
            "auxiliary input",
            r"^(?:DC\s?\d|AUX|(?:RIGHT|LEFT) AUX|EXG\s?\d|EXT\s?\d|ERGO|GSR|TEMP|GYRO|ACC|CQ|COUNTER|INTERPOLATED|"
            r"BATTERY|SAMPLES?|BP\d*$|IBI|BURSTS|SUPPR)",
        ),
        ("ground or reference", r"^(?:GND|G\d+|REF\d?|VREF|CMS|DRL|CAL|E|MARK)$"),
        ("not a scalp site", r"^(?:ND|N/?A|UNUSED.*|NC|NONE|OSC|SP[12]|PG[12]|T1|T2)$"),
    )
)


@dataclass(frozen=True)
class ChannelName:
    """One recorded name taken apart: `site` is what remains of it, `reference` what is subtracted (if the name says
    so)."""

    site: str
    reference: str | None = None
    running_number: int | None = None


def parse_channel_name(name: str) -> ChannelName:
    """Strip vendor decorations from a channel name: case, dots, `EEG`/`POL` prefixes, the reference, a reader's
    running number.

    A bipolar derivation keeps its name: `FP1-F7` stays `FP1-F7`, because it is not the electrode `FP1`.
    """
    if len(str(name)) > 200:  # no format has such names, and they would keep the patterns below busy
        return ChannelName(str(name).upper())
    cleaned = re.sub(r"[\x00-\x1f\s]+", " ", str(name)).strip().strip(".'\"").strip().upper()
    cleaned = _PREFIX.sub("", cleaned)
    match = _REFERENCE.match(cleaned)
    if match and not (_EAR.match(match["site"]) and _EAR.match(match["reference"])):
        return ChannelName(match["site"].strip(), match["reference"])
    # MNE appends -0, -1, ... to names that occur more than once in a file.
    if match := _RUNNING_NUMBER.match(cleaned):
        inner = parse_channel_name(match["site"])
        return ChannelName(inner.site, inner.reference, int(match["number"]))
    return ChannelName(cleaned)


def normalize_channel_name(name: str) -> str:
    """Return the vocabulary's name for a recorded channel name; an unknown name comes back cleaned, in upper case.

    >>> normalize_channel_name("EEG Fp1-REF"), normalize_channel_name("Fc5."), normalize_channel_name("T3")
    ('FP1', 'FC5', 'T7')
    >>> normalize_channel_name("FP1-F7"), normalize_channel_name("ECG ECG1")
    ('FP1-F7', 'ECG ECG1')
    """
    site = parse_channel_name(name).site
    return ALIASES.get(site, site)


def describe_channel(name: str) -> str:
    """Say what a recorded channel is: `"EEG"` for a channel of the vocabulary, otherwise why it is not one.

    The kinds: EOG, ECG, EMG, respiration or oximetry, trigger or status, auxiliary input, ear or mastoid, reference
    difference (`A2-A1`), bipolar derivation (`FP1-F7`), scalp site outside the vocabulary (`AFZ`), not a scalp site,
    unknown name.
    """
    parsed = parse_channel_name(name)
    site = parsed.site
    if ALIASES.get(site, site) in CHANNEL_VOCABULARY:
        return "EEG"
    if site in OTHER_SCALP_SITES:
        return "scalp site outside the vocabulary"
    if _EAR.match(site):
        return "ear or mastoid"
    if _EAR_DIFFERENCE.match(site):
        return "reference difference"
    for kind, pattern in _KINDS:
        if pattern.search(site):
            return kind
    if match := _DERIVATION.match(site):
        sites = {ALIASES.get(part, part) for part in match.groups()}
        if sites & (set(CHANNEL_VOCABULARY) | OTHER_SCALP_SITES):
            return "bipolar derivation"
    return "unknown name"


def uses_grid_names(names: Iterable[str]) -> bool:
    """Tell whether names number the sockets of a grid (BioSemi A1-A32, B1-B32, ...; intracranial grids) and not 10-20
    sites.

    On such a montage `C3` and `F4` are sockets, not electrodes over the motor cortex, and must not be taken for them.
    A letter that the 10-10 system never numbers up to eight (A, B, C, D, E, G, H, I), numbered from one to eight,
    gives the scheme away.
    """
    sites = {parse_channel_name(name).site for name in names}
    return any(all(f"{letter}{number}" in sites for number in range(1, 9)) for letter in "ABCDEGHI")


@dataclass
class ChannelMatch:
    """Which recorded channels stand for which channels of the vocabulary.

    Attributes:
        indices: vocabulary name -> index of the recorded channel, in recorded order.
        renamed: recorded name -> vocabulary name, where the two differ.
        dropped: recorded name -> reason, for every channel that is not in `indices`.
        duplicates: vocabulary name -> the recorded names that all claim it. They are in `dropped`.
        references: the references named by the channels kept, such as `{"REF"}` or `{"A1", "A2"}`.
    """

    indices: dict[str, int] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    dropped: dict[str, str] = field(default_factory=dict)
    duplicates: dict[str, list[str]] = field(default_factory=dict)
    references: set[str] = field(default_factory=set)


def list_by_reason(dropped: Mapping[str, str], limit: int = 12) -> str:
    """Readable text of channels and reasons: `ECG1, ECG2 (ECG); A1, A2 and 14 more (ear or mastoid)`."""
    reasons: dict[str, list[str]] = {}
    for name, reason in dropped.items():
        reasons.setdefault(reason, []).append(name)
    parts = []
    for reason, names in reasons.items():
        more = f" and {len(names) - limit} more" if len(names) > limit else ""
        parts.append(f"{', '.join(names[:limit])}{more} ({reason})")
    return "; ".join(parts)


def _is_grid(names: Sequence[str], not_renamed: Sequence[str], vocabulary: set[str]) -> bool:
    """Whether `C3` among the channels that were not renamed is a socket of a grid and not an electrode.

    The scheme shows in what was not renamed; or in all names, where sockets are left whose names no electrode has.
    """
    sites = [parse_channel_name(name).site for name in not_renamed]
    left = any(_GRID_SOCKET.fullmatch(site) and site not in vocabulary for site in sites)
    return uses_grid_names(not_renamed) or (left and uses_grid_names(names))


def match_channels(
    names: Sequence[str],
    vocabulary: Iterable[str] = CHANNEL_VOCABULARY,
    rename: Mapping[str, str | None] | None = None,
) -> ChannelMatch:
    """Match recorded channel names with the vocabulary; every channel is either in `indices` or in `dropped` with its
    reason.

    Args:
        names: the recorded names.
        vocabulary: the names to match with.
        rename: recorded name -> electrode, for names that only the user can know (`{"EEG-0": "FC3"}`, `{"A1":
            "FP1"}`); None for a channel that stands for no electrode.
    """
    vocabulary, rename = set(vocabulary), dict(rename or {})
    match = ChannelMatch()
    grid = _is_grid(names, [name for name in names if name not in rename], vocabulary)
    claims: dict[str, list[tuple[int, int]]] = {}
    for index, name in enumerate(names):
        given = rename.get(name, name)
        if given is None:
            match.dropped[name] = "no electrode of the vocabulary is near"
            continue
        site = parse_channel_name(given).site
        target = ALIASES.get(site, site)
        if grid and name not in rename and _GRID_SOCKET.fullmatch(site):
            match.dropped[name] = "socket of a numbered grid, not a 10-20 site"
        elif target in vocabulary:
            # A name the user gave takes precedence over the electrode's own name, and that over an old alias.
            rank = 0 if name in rename else 1 if target == site else 2
            claims.setdefault(target, []).append((rank, index))
        else:
            kind = describe_channel(given)
            kind = "not in the vocabulary" if kind == "EEG" else kind
            match.dropped[name] = f"renamed to {given}: {kind}" if name in rename else kind
    for target, claimants in claims.items():
        best = min(rank for rank, _ in claimants)
        first = [index for rank, index in claimants if rank == best]
        others = [index for rank, index in claimants if rank > best]
        match.dropped |= {names[index]: f"another channel stands for {target}" for index in others}
        if len(first) > 1:
            match.duplicates[target] = [names[index] for index in first]
            match.dropped |= {names[index]: f"duplicate: {len(first)} channels claim {target}" for index in first}
        else:
            match.indices[target] = first[0]
    match.indices = dict(sorted(match.indices.items(), key=lambda item: item[1]))
    for target, index in match.indices.items():
        if names[index] != target:
            match.renamed[names[index]] = target
        if reference := parse_channel_name(rename.get(names[index]) or names[index]).reference:
            match.references.add(reference)
    return match


def require_known(names: Sequence[str] | None, vocabulary: Sequence[str], field: str, hint: str = "") -> None:
    """Refuse names that a vocabulary lacks; `field` says where they stand.

    Raises:
        ValueError: It names them.
    """
    unknown = [name for name in names or () if name not in vocabulary]
    if unknown:
        raise ValueError(f"{field} holds {', '.join(unknown)}, which the channel vocabulary lacks.{hint}")


def require_distinct(names: Sequence[str] | None, field: str) -> None:
    """Refuse a name that stands twice in the field of a configuration.

    Raises:
        ValueError: It says which.
    """
    repeated = sorted({name for name in names or () if list(names).count(name) > 1})
    if repeated:
        raise ValueError(f"{field} names {', '.join(repeated)} more than once.")
