"""Electrode names of every make come to the vocabulary, and nothing else does."""

import ast
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dare_eeg_hf import montage
from dare_eeg_hf.montage import (
    CHANNEL_VOCABULARY,
    PRETRAINING_CHANNELS,
    describe_channel,
    match_channels,
    normalize_channel_name,
    uses_grid_names,
)


def test_vocabulary_has_the_methods_62_names_in_order():
    assert len(CHANNEL_VOCABULARY) == len(set(CHANNEL_VOCABULARY)) == 62
    assert CHANNEL_VOCABULARY[:4] == ("FP1", "FPZ", "FP2", "AF7")
    assert CHANNEL_VOCABULARY[-3:] == ("O1", "OZ", "O2")
    assert set(CHANNEL_VOCABULARY) - set(PRETRAINING_CHANNELS) == {"AF7", "AF8", "PO5", "PO6"}


@pytest.mark.parametrize("written", ["{}", "{}..", "EEG {}-REF", "EEG {}-LE", "EEG {}", " {} ", "EEG-{}", "EEG:{}"])
@pytest.mark.parametrize("case", [str.upper, str.lower, str.capitalize])
def test_decorations_come_off_every_name(written, case):
    recorded = [written.format(case(name)) for name in CHANNEL_VOCABULARY]
    assert [normalize_channel_name(name) for name in recorded] == list(CHANNEL_VOCABULARY)


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [
        ("EEG T3", "T7"),
        ("T4", "T8"),
        ("EEG T5-LE", "P7"),
        ("t6", "P8"),
        ("AF1", "AF3"),
        ("AF2", "AF4"),
        ("PO1", "PO3"),
        ("PO2", "PO4"),
        ("EEG C3-A2", "C3"),
        ("C3-(M1+M2)/2", "C3"),
        ("EEG Fp1-A1A2", "FP1"),
        ("EEG F4 - Ref", "F4"),
        ("Fp1-AVG", "FP1"),
        ("FP1-G2", "FP1"),
        ("O1-0", "O1"),
    ],
)
def test_aliases_and_references(recorded, expected):
    assert normalize_channel_name(recorded) == expected
    assert describe_channel(recorded) == "EEG"


@pytest.mark.parametrize(
    ("recorded", "kind"),
    [
        ("FP1-F7", "bipolar derivation"),
        ("EEG Fpz-Cz", "bipolar derivation"),
        ("EEG Pz-Oz", "bipolar derivation"),
        ("T3-C3", "bipolar derivation"),
        ("A1-T3", "bipolar derivation"),
        ("EEG A2-A1", "reference difference"),
        ("M1-M2", "reference difference"),
        ("EEG A1-Ref", "ear or mastoid"),
        ("M2", "ear or mastoid"),
        ("POL $A1", "ear or mastoid"),
        ("ECG ECG", "ECG"),
        ("EEG EKG1-REF", "ECG"),
        ("Ekg1", "ECG"),
        ("POL EKG2", "ECG"),
        ("EOG1", "EOG"),
        ("EOG-left", "EOG"),
        ("EOG:ch01", "EOG"),
        ("VEOG", "EOG"),
        ("X", "EOG"),
        ("Y", "EOG"),
        ("EEG ROC-REF", "EOG"),
        ("EMGleft", "EMG"),
        ("EMG-REF", "EMG"),
        ("SaO2 X9", "respiration or oximetry"),
        ("Resp oro-nasal", "respiration or oximetry"),
        ("Status", "trigger or status"),
        ("STI 014", "trigger or status"),
        ("PHOTIC-REF", "trigger or status"),
        ("POL DC01", "auxiliary input"),
        ("Right AUX", "auxiliary input"),
        ("GYROX", "auxiliary input"),
        ("POL E", "ground or reference"),
        ("nd", "not a scalp site"),
        ("POL T1", "not a scalp site"),
        ("Afz.", "scalp site outside the vocabulary"),
        ("TP9", "scalp site outside the vocabulary"),
        ("EEG 000", "unknown name"),
        ("17", "unknown name"),
        ("sine 8 Hz", "unknown name"),
        ("", "unknown name"),
    ],
)
def test_what_is_no_electrode_of_the_vocabulary_is_named(recorded, kind):
    assert describe_channel(recorded) == kind
    assert normalize_channel_name(recorded) not in CHANNEL_VOCABULARY
    match = match_channels([recorded, "Cz"])
    assert match.indices == {"CZ": 1}
    assert match.dropped == {recorded: kind}


@given(st.text(max_size=60) | st.from_regex(r"(EEG |POL )*[A-Za-z]{1,3}[0-9]{0,2}(-[A-Za-z0-9]{1,4})*"))
def test_any_text_is_a_name(name):
    normalised = normalize_channel_name(name)
    assert normalize_channel_name(normalised) == normalised
    is_electrode = describe_channel(name) == "EEG"
    assert is_electrode == (normalised in CHANNEL_VOCABULARY)
    assert bool(match_channels([name]).indices) == is_electrode


def test_a_very_long_name_takes_no_time():
    assert describe_channel("Fp1" + "-1" * 50_000 + "!") == "unknown name"


def test_bipolar_derivations_keep_both_names():
    assert normalize_channel_name("EEG Fp1-F7") == "FP1-F7"


def test_match_keeps_recorded_order_and_names_what_it_renamed():
    match = match_channels(["ECG", "O2", "EEG T3-REF", "FP1"])
    assert match.indices == {"O2": 1, "T7": 2, "FP1": 3}
    assert list(match.indices) == ["O2", "T7", "FP1"]
    assert match.renamed == {"EEG T3-REF": "T7"}
    assert match.references == {"REF"}


def test_the_channels_own_name_goes_before_an_alias():
    match = match_channels(["AF1", "AF3", "T3"])
    assert match.indices == {"AF3": 1, "T7": 2}
    assert match.dropped == {"AF1": "another channel stands for AF3"}


def test_duplicates_are_named_and_none_is_chosen():
    match = match_channels(["Fp1-0", "Fp1-1", "Cz"])
    assert match.duplicates == {"FP1": ["Fp1-0", "Fp1-1"]}
    assert match.indices == {"CZ": 2}
    assert set(match.dropped) == {"Fp1-0", "Fp1-1"}


def test_renaming_by_the_user_settles_what_names_cannot():
    match = match_channels(["Fp1-0", "Fp1-1", "EEG-0"], rename={"Fp1-1": "FP1", "EEG-0": "FC3"})
    assert match.indices == {"FP1": 1, "FC3": 2}
    assert match.dropped == {"Fp1-0": "another channel stands for FP1"}


def test_sockets_of_a_grid_are_not_taken_for_electrodes():
    biosemi = [f"{letter}{number}" for letter in "ABCD" for number in range(1, 33)]
    assert uses_grid_names(biosemi)
    match = match_channels([*biosemi, "Status"])
    assert not match.indices
    assert match.dropped["C3"] == "socket of a numbered grid, not a 10-20 site"
    assert match_channels(biosemi, rename={"A1": "FP1"}).indices == {"FP1": 0}


def test_a_complete_cap_is_no_grid():
    assert not uses_grid_names([*CHANNEL_VOCABULARY, "A1", "A2", "C3", "I1", "I2"])


def test_different_references_are_noticed():
    assert match_channels(["C3-A2", "C4-A1"]).references == {"A1", "A2"}


def test_module_imports_the_standard_library_only():
    tree = ast.parse(Path(montage.__file__).read_text(encoding="utf-8"))
    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name).split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert imported <= set(sys.stdlib_module_names)
