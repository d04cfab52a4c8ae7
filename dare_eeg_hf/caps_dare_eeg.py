"""Caps with numbered sockets: which electrode a number stands for, and how to ask when the cap is unknown.

A number says nothing about a place on the head: E36 of one net is C3, and of another net something else. So a numbered
recording is never guessed at; the user names the cap, as one of MNE's montages, and every socket is then taken for the
10-10 electrode nearest to it.
"""

import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import numpy as np

from .montage import ALIASES, CHANNEL_VOCABULARY, normalize_channel_name, parse_channel_name, uses_grid_names
from .remedies_dare_eeg import InputError, Remedy

MAX_DEGREES = 15.0
"""A socket stands for an electrode within this angle, seen from the middle of the head. Neighbours of the 10-10
system are about 18 degrees apart."""

MIDLINE_DEGREES = 4.0
"""Sockets this close to the midline count as on it; an electrode is matched with sockets on its own side only."""

_TEN_TEN = "colin27_1005"
"""Where the electrodes of the vocabulary are; "standard_1005" before MNE 1.13."""

_NUMBERED = re.compile(r"^(?P<scheme>[A-Z]|EEG|CH|CHAN|CHANNEL|ELECTRODE|)[ _.-]?(?P<number>\d{1,3})$")
FEWEST_NUMBERED = 8


def numbered_channels(names: Sequence[str]) -> list[str]:
    """Return the channels that are numbered from one to eight at least under one word (E1, E2, ...; A1, ..., B32; Ch1;
    or plain numbers), in the order of their numbers. Empty where names are those of the 10-10 system.
    """
    places: dict[str, tuple[str, int]] = {}
    for name in names:
        if match := _NUMBERED.match(parse_channel_name(name).site):
            places[name] = (match["scheme"], int(match["number"]))
    numbers: dict[str, set[int]] = {}
    for scheme, number in places.values():
        numbers.setdefault(scheme, set()).add(number)
    # P1 to P8 are electrodes: letters count only where they, or other letters, show that this is a grid.
    grid = uses_grid_names(names)
    counted = {scheme for scheme, found in numbers.items() if set(range(1, FEWEST_NUMBERED + 1)) <= found}
    schemes = {scheme for scheme in numbers if (grid if len(scheme) == 1 else scheme in counted)}
    return sorted((name for name, (scheme, _) in places.items() if scheme in schemes), key=places.__getitem__)


@lru_cache(maxsize=1)
def known_caps() -> dict[str, tuple[str, ...]]:
    """Return the names of MNE's montages and their sockets; nothing where MNE is not installed."""
    try:
        import mne
    except ImportError:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            name: tuple(mne.channels.make_standard_montage(name).ch_names)
            for name in mne.channels.get_builtin_montages()
            if not name.startswith("artinis")  # those are optodes
        }


def candidate_caps(numbered: Sequence[str]) -> list[str]:
    """Return MNE's montages that these numbered channels could belong to: those with as many sockets (or one more,
    the reference) and just these names, or else those with as many sockets whose own names do not contradict it."""
    sites = {parse_channel_name(name).site for name in numbered}
    own_names = [
        name
        for name, sockets in known_caps().items()
        if len(sockets) - len(numbered) in (0, 1) and sites <= {socket.upper() for socket in sockets}
    ]
    letters = _letters(sites)
    return own_names or [
        name
        for name, sockets in known_caps().items()
        if len(sockets) == len(numbered) and not (letters and _letters(sockets) and not letters & _letters(sockets))
    ]


def _letters(sockets: Iterable[str]) -> set[str]:
    """The letters under which all of these are numbered; none where some have names of another kind."""
    matches = [_NUMBERED.match(socket.upper()) for socket in sockets]
    schemes = {match["scheme"] if match else "" for match in matches}
    return schemes if all(len(scheme) == 1 for scheme in schemes) else set()


def which_cap(numbered: Sequence[str]) -> str:
    """Return the question of which cap was used, with the MNE montages that fit."""
    candidates = candidate_caps(numbered)
    known = f"it could be {', '.join(candidates)}" if candidates else "none has as many sockets"
    return (
        f"{len(numbered)} channels are numbered ({numbered[0]} to {numbered[-1]}), and a number does not give the "
        f"place on the head. Which cap was it? Of MNE's montages {known}"
    )


def ask_for_electrodes(names: Sequence[str], fault: str) -> InputError:
    """Return the error for channels without an electrode among them: `fault`, and how the electrodes can be named."""
    if numbered := numbered_channels(names):
        return InputError(
            f"{fault}. The {which_cap(numbered)}", Remedy("montage", "NAME"), Remedy("rename", (numbered[0], "FP1"))
        )
    return InputError(fault, Remedy("rename", (names[0] if names else "recorded name", "FP1")))


def names_given(
    names: Sequence[str], vocabulary: Sequence[str], rename: Mapping[str, str] | None, montage: str | None
) -> dict[str, str | None]:
    """Return the electrodes that the user gave, by the name of a cap and one by one: recorded name -> electrode.

    `rename` takes precedence over the cap, which does not use its electrodes again. None stands for no electrode.

    Raises:
        InputError: The cap does not fit; see `electrodes_of_cap`.
    """
    rename = dict(rename or {})
    cap = electrodes_of_cap(montage, names, vocabulary) if montage else {}
    taken = {normalize_channel_name(electrode) for electrode in rename.values() if electrode}
    return {name: None if electrode in taken else electrode for name, electrode in cap.items()} | rename


def electrodes_of_cap(
    montage: str, names: Sequence[str], vocabulary: Sequence[str] = CHANNEL_VOCABULARY
) -> dict[str, str | None]:
    """Return the electrode that each recorded channel stands for, by the cap's name: recorded name -> electrode.

    A socket whose own name is an electrode's keeps it. Every other socket stands for the electrode whose direction
    from the middle of the head is nearest, if it is at most `MAX_DEGREES` away and on the same side (left, right,
    midline); each electrode is taken once, the nearest pairs first. Sockets without an electrode stand for None.

    Args:
        montage: One of MNE's standard montages, such as "biosemi64" or "GSN-HydroCel-64_1.0".
        names: Recorded names: the cap's own, or numbers in the order of its sockets, as many as it has.
        vocabulary: Electrodes to choose from.

    Raises:
        InputError: There is no such montage, or it does not fit the recorded channels.
        ImportError: MNE is not installed.
    """
    sockets = known_caps().get(montage)
    if sockets is None:
        if not known_caps():
            raise ImportError("Montages need MNE: `pip install mne`, or name the electrodes with rename.")
        raise InputError(f"there is no montage {montage!r}; MNE has {', '.join(known_caps())}")
    electrodes = _nearest_electrodes(montage, tuple(vocabulary))
    return {name: electrodes.get(socket) for name, socket in _sockets_of(montage, sockets, names).items()}


def _sockets_of(montage: str, sockets: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """Recorded name -> socket: under the cap's own names, or else by the order of the numbers."""
    own = {socket.upper(): socket for socket in sockets}
    sites = {name: parse_channel_name(name).site for name in names}
    numbered = numbered_channels(names)
    by_name = {name: own[site] for name, site in sites.items() if site in own}
    if numbered and not all(name in by_name for name in numbered):
        plain = [socket for socket in sockets if _NUMBERED.match(socket.upper())]
        ordered = plain if len(plain) == len(numbered) else list(sockets)
        if len(ordered) != len(numbered):
            raise InputError(
                f"the cap {montage} has {len(sockets)} sockets, but {len(numbered)} channels are numbered "
                f"({numbered[0]} to {numbered[-1]}): give the cap they belong to",
                Remedy("rename", (numbered[0], "FP1")),
            )
        return {**by_name, **dict(zip(numbered, ordered, strict=True))}
    if not by_name:
        raise InputError(
            f"none of the channels {', '.join(list(names)[:8])} is a socket of the cap {montage} "
            f"({', '.join(sockets[:8])}, ...)"
        )
    return by_name


@lru_cache(maxsize=32)
def _nearest_electrodes(montage: str, vocabulary: tuple[str, ...]) -> Mapping[str, str]:
    """Socket -> electrode."""
    sockets, directions = _directions(montage)
    named = {} if uses_grid_names(sockets) else {socket: normalize_channel_name(socket) for socket in sockets}
    result = {socket: name for socket, name in named.items() if name in vocabulary and ALIASES.get(name, name) == name}
    known, places = _directions(_TEN_TEN if _TEN_TEN in known_caps() else "standard_1005")
    row = {name.upper(): index for index, name in enumerate(known)}
    free = [name for name in vocabulary if name in row and name not in result.values()]
    rest = [index for index, socket in enumerate(sockets) if socket not in result]
    sought = places[[row[name] for name in free]]
    degrees = np.degrees(np.arccos(np.clip(directions[rest] @ sought.T, -1, 1)))
    degrees[_side(directions[rest])[:, None] != _side(sought)] = np.inf
    for flat in degrees.argsort(axis=None, kind="stable"):
        index, column = divmod(int(flat), len(free))
        if degrees[index, column] > MAX_DEGREES:
            break
        socket, electrode = sockets[rest[index]], free[column]
        if socket not in result and electrode not in result.values():
            result[socket] = electrode
    return result


def _side(directions: np.ndarray) -> np.ndarray:
    """-1 left, 0 on the midline, 1 right, for directions (sockets, 3)."""
    return np.sign(directions[:, 0]) * (np.abs(directions[:, 0]) > np.sin(np.radians(MIDLINE_DEGREES)))


def _directions(montage: str) -> tuple[list[str], np.ndarray]:
    """Sockets, and their directions (sockets, 3) of length one from the centre of the sphere that fits them best."""
    try:
        import mne
    except ImportError as error:
        raise ImportError("Montages need MNE: `pip install mne`.") from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # montages without landmarks, and names that MNE is about to change
        standard = mne.channels.make_standard_montage(montage)
        places = mne.channels.montage.transform_to_head(standard).get_positions()["ch_pos"]
    points = np.array(list(places.values()))
    # |p|^2 = 2 p.c + (r^2 - |c|^2) is linear in the centre c.
    system = np.column_stack([2 * points, np.ones(len(points))])
    center = np.linalg.lstsq(system, (points**2).sum(axis=1), rcond=None)[0][:3]
    outward = points - center
    return list(places), outward / np.linalg.norm(outward, axis=1, keepdims=True)
