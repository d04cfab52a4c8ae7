"""Numbered caps: asked about, never guessed at, and mapped onto the nearest electrodes when the cap is named."""

import mne
import numpy as np
import pytest

from dare_eeg_hf.caps_dare_eeg import candidate_caps, electrodes_of_cap, numbered_channels
from dare_eeg_hf.feature_extraction_dare_eeg import DareEegFeatureExtractor
from dare_eeg_hf.montage import CHANNEL_VOCABULARY, match_channels
from dare_eeg_hf.recordings.recordings import RecordingError, normalize_raw

EGI_64 = [f"E{number}" for number in range(1, 65)]
EGI_128 = [f"E{number}" for number in range(1, 129)]
TWO_LETTERS = [f"{letter}{number}" for letter in "AB" for number in range(1, 33)]
FOUR_LETTERS = [f"{letter}{number}" for letter in "ABCD" for number in range(1, 33)]


def numbered_raw(names, rate=128.0, seconds=20.0):
    rng = np.random.default_rng(0)
    samples = int(rate * seconds)
    signal = (15 * rng.standard_normal(samples) + 10 * rng.standard_normal((len(names), samples))) * 1e-6
    return mne.io.RawArray(signal, mne.create_info(list(names), rate, "eeg"), verbose="ERROR")


@pytest.mark.parametrize(
    ("names", "first", "last"),
    [
        (EGI_64, "E1", "E64"),
        (TWO_LETTERS, "A1", "B32"),
        ([f"Ch{n}" for n in range(1, 33)], "Ch1", "Ch32"),
        ([f"EEG {n:03d}" for n in range(1, 17)], "EEG 001", "EEG 016"),
        ([str(n) for n in range(1, 20)], "1", "19"),
        (["Status", *EGI_64[::-1], "VREF"], "E1", "E64"),
    ],
    ids=["EGI", "two letters", "Ch", "EEG 001", "plain numbers", "among others, out of order"],
)
def test_numbered_channels_are_found_in_the_order_of_their_numbers(names, first, last):
    numbered = numbered_channels(names)
    assert (numbered[0], numbered[-1]) == (first, last)


def test_electrodes_are_no_numbers():
    assert numbered_channels([*CHANNEL_VOCABULARY, "A1", "A2", "ECG"]) == []
    assert numbered_channels("C1 C2 C3 C4 C5 C6 F1 F2 F3 F4 F5 F6 F7 F8 P1 P2 P3 P4 P5 P6 P7 P8".split()) == []


@pytest.mark.parametrize(
    ("names", "candidates"),
    [
        (EGI_64, ["GSN-HydroCel-64_1.0", "GSN-HydroCel-65_1.0"]),
        (EGI_128, ["GSN-HydroCel-128", "GSN-HydroCel-129"]),
        (FOUR_LETTERS, ["biosemi128"]),
    ],
    ids=["64", "128", "four letters"],
)
def test_caps_are_proposed_by_names_and_count(names, candidates):
    assert candidate_caps(names) == candidates


@pytest.mark.parametrize("names", [EGI_64, TWO_LETTERS, [f"Ch{n}" for n in range(1, 33)]], ids=["E", "A B", "Ch"])
def test_a_numbered_recording_is_asked_about_and_not_told_what_it_is(names):
    with pytest.raises(RecordingError, match="Which cap was it") as caught:
        normalize_raw(numbered_raw(names))
    message = str(caught.value)
    assert f"{len(names)} channels are numbered ({names[0]} to {names[-1]})" in message
    assert "montage='NAME'" in message
    assert "rename=" in message
    assert "BioSemi" not in message
    if names is EGI_64:
        assert "biosemi" not in message
    with pytest.raises(ValueError, match="Which cap was it"):
        DareEegFeatureExtractor()(numbered_raw(names))


def test_the_cap_named_is_the_answer():
    raw, report = normalize_raw(numbered_raw(EGI_64), montage="GSN-HydroCel-64_1.0")
    assert report.renamed["E20"] == "C3"
    assert report.dropped["E1"] == "no electrode of the vocabulary is near"
    assert any("cap GSN-HydroCel-64_1.0: 47 of 64 sockets" in step for step in report.steps)
    assert not [message for message in report.warnings if "Which cap" in message]
    batch = DareEegFeatureExtractor()(numbered_raw(EGI_64), montage="GSN-HydroCel-64_1.0")
    assert batch.reports[0].channels == [name for name in report.channels + list(report.bad) if name in raw.ch_names]


def test_what_the_user_renames_goes_before_the_cap():
    _, report = normalize_raw(numbered_raw(EGI_64), montage="GSN-HydroCel-64_1.0", rename={"E21": "C3"})
    assert report.renamed["E21"] == "C3"
    assert "E20" in report.dropped


def test_sockets_are_where_the_makers_of_the_net_say():
    """Equivalents in the 10-10 system that EGI publishes for its net of 128."""
    published = {"E24": "F3", "E124": "F4", "E36": "C3", "E104": "C4", "E70": "O1", "E83": "O2", "E75": "OZ"}
    published |= {"E22": "FP1", "E9": "FP2", "E11": "FZ", "E62": "PZ", "E33": "F7", "E122": "F8", "E96": "P8"}
    found = electrodes_of_cap("GSN-HydroCel-128", EGI_128)
    assert {socket: found[socket] for socket in published} == published
    used = [name for name in found.values() if name]
    assert len(used) == len(set(used))


def test_a_cap_whose_sockets_are_electrodes_keeps_their_names():
    names = mne.channels.make_standard_montage("biosemi64").ch_names
    found = electrodes_of_cap("biosemi64", TWO_LETTERS)
    for socket, electrode in zip(TWO_LETTERS, names, strict=True):
        assert found[socket] == (electrode.upper() if electrode.upper() in CHANNEL_VOCABULARY else None)


def test_a_socket_with_an_electrodes_name_is_not_taken_for_it():
    """C3 of the cap of 128 lies over the right hemisphere."""
    found = electrodes_of_cap("biosemi128", FOUR_LETTERS)
    assert found["C3"] != "C3"
    assert match_channels(FOUR_LETTERS, rename=found).renamed.get("C3") != "C3"
    partly = match_channels(FOUR_LETTERS, rename={f"{letter}{n}": "CZ" for letter in "ABD" for n in (1,)})
    assert "C3" in partly.dropped


@pytest.mark.parametrize(
    ("montage", "names", "message"),
    [
        ("biosmi64", TWO_LETTERS, "no montage 'biosmi64'; MNE has .*biosemi64"),
        ("biosemi32", TWO_LETTERS, "has 32 sockets, but 64 channels are numbered"),
        ("biosemi64", ["X", "Y"], "none of the channels X, Y is a socket"),
    ],
)
def test_a_cap_that_does_not_fit_is_refused(montage, names, message):
    with pytest.raises(ValueError, match=message):
        electrodes_of_cap(montage, names)


def test_numbered_channels_beside_a_single_electrode_are_asked_about_too():
    _, report = normalize_raw(numbered_raw([*EGI_64, "Cz"]))
    assert report.channels == ["CZ"]
    assert any("64 channels are numbered (E1 to E64)" in message for message in report.warnings)
