"""Events that match nothing: texts that differ in spelling only, and onsets that lie outside the recording."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from dare_eeg_hf.recordings.side_tables import warn


def match_texts(wanted: Iterable[str], found: Iterable[str]) -> dict[str, str]:
    """Which wanted text each text of a recording stands for; the others are left out.

    Texts are compared without blanks around them. Where no text is spelled as wanted, another spelling of the same
    number is taken ("1.0" for "1"), if there is only one.

    Args:
        wanted: texts asked for.
        found: texts the recording holds.

    Returns:
        Text of the recording -> text asked for.
    """
    stripped = {text.strip(): text for text in wanted}
    found = list(dict.fromkeys(found))
    matched = {text: stripped[text.strip()] for text in found if text.strip() in stripped}
    by_number: dict[float, list[str]] = defaultdict(list)
    for text in found:
        if text not in matched and (number := _number(text)) is not None:
            by_number[number].append(text)
    for text, asked in stripped.items():
        spelled = by_number.get(_number(text), [])
        rivals = [other for other in stripped if other != text and _number(other) == _number(text)]
        if asked not in matched.values() and not rivals and len({other.strip() for other in spelled}) == 1:
            matched |= dict.fromkeys(spelled, asked)
    return matched


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if number == number else None


def texts_with_counts(texts: Mapping[str, int], most: int = 20) -> str:
    """`'T0' (15), 'T1' (8)`: the most frequent ones first."""
    shown = Counter(texts).most_common(most)
    more = f" and {len(texts) - most} other texts" if len(texts) > most else ""
    return ", ".join(f"{text!r} ({count})" for text, count in shown) + more


def guess_of_onsets(onsets: Sequence[float], seconds: float, rate: float) -> str:
    """What unit onsets beyond a recording's end seem to have, by their largest; "" where nothing fits."""
    units = {"milliseconds": 1000.0, f"samples at {rate:g} Hz": rate, "microseconds": 1e6}
    fitting = [name for name, factor in units.items() if max(onsets) / factor <= seconds]
    fitting = [name for name in fitting if name != "microseconds"] or fitting
    return f"; they look like {' or '.join(fitting)}: onsets have to be in seconds" if fitting else ""


def warn_of_events_outside(events: Iterable, seconds: float, rate: float, where: str) -> None:
    """Warn of events that begin before the recording or after its end, which no window can hold.

    Args:
        events: with an `onset` in seconds from the start of the recording.
        seconds: length of the recording.
        rate: of the recording as its file has it, in Hz.
        where: the recording, for the message.
    """
    onsets = [event.onset for event in events]
    if early := [onset for onset in onsets if onset < 0]:
        warn(f"{where}: {len(early)} of {len(onsets)} events lie before its start, the first at {min(early):g} s")
    if late := [onset for onset in onsets if onset > seconds]:
        guess = guess_of_onsets(onsets, seconds, rate)
        count = f"{len(late)} of {len(onsets)} events"
        warn(f"{where}: {count} lie after its end ({seconds:.1f} s), the last at {max(late):g} s{guess}")
