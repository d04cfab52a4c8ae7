"""Requests that match nothing are answered with what there is: texts, onsets, codes of trigger channels, tables."""

import re
import warnings
from collections import Counter

import edfio
import mne
import numpy as np
import pytest

from dare_eeg_hf.corpora.windows import Event, events_from_annotations, events_from_table, labels_from_table
from dare_eeg_hf.recordings.event_checks import guess_of_onsets, match_texts, texts_with_counts, warn_of_events_outside
from dare_eeg_hf.recordings.readers import read_raw
from dare_eeg_hf.recordings.side_tables import read_side_table
from dare_eeg_hf.recordings.triggers import annotate_from_channel, codes_of_stim_channels, read_codes

RATE = 100


@pytest.mark.parametrize(
    ("wanted", "found", "expected"),
    [
        (["T1"], ["T0", "T1"], {"T1": "T1"}),
        (["T1 "], ["T1"], {"T1": "T1 "}),
        (["T1"], ["T1 ", " T1"], {"T1 ": "T1", " T1": "T1"}),
        (["1"], ["1.0", "2.0"], {"1.0": "1"}),
        (["1.0"], ["1"], {"1": "1.0"}),
        (["1"], ["1", "1.0"], {"1": "1"}),  # as spelled, and no other
        (["1"], ["01", "1.0"], {}),  # which of the two?
        (["1", "1.0"], ["01"], {}),  # for which of the two?
        (["t1"], ["T1"], {}),
        (["nan"], ["NaN"], {}),
    ],
)
def test_texts_match_as_spelled_then_without_blanks_then_by_number(wanted, found, expected):
    assert match_texts(wanted, found) == expected


def test_texts_are_listed_with_counts_the_most_frequent_first():
    assert texts_with_counts(Counter({"a": 1, "b": 3})) == "'b' (3), 'a' (1)"
    assert texts_with_counts(Counter({str(n): 1 for n in range(25)})).endswith("and 5 other texts")


def raw_with(annotations=(), stim=None, name="STI 014", kind="stim", seconds=10) -> mne.io.RawArray:
    """Two EEG channels and, where given, a channel with codes."""
    data = np.random.default_rng(0).normal(0, 1e-5, (2, seconds * RATE))
    names, kinds = ["Cz", "Pz"], ["eeg", "eeg"]
    if stim is not None:
        data, names, kinds = np.vstack([data, stim]), [*names, name], [*kinds, kind]
    raw = mne.io.RawArray(data, mne.create_info(names, RATE, kinds), verbose="ERROR")
    if annotations:
        raw.set_annotations(mne.Annotations(*zip(*annotations, strict=True)))
    return raw


def test_a_number_spelled_otherwise_is_taken_and_said():
    raw = raw_with([(1.0, 2.0, "1.0"), (4.0, 2.0, "2.0 ")])
    with pytest.warns(UserWarning, match=re.escape("'1.0' for '1'")):
        events = events_from_annotations(raw, {"1": "left", "2.0": "right"})
    assert events == [Event(1.0, 2.0, "left"), Event(4.0, 2.0, "right")]


@pytest.mark.parametrize(
    ("onsets", "guess"),
    [
        ([500.0, 9000.0], "milliseconds"),
        ([100.0, 950.0], f"samples at {RATE} Hz"),
        ([5e6], "microseconds"),
        ([40.0], ""),
    ],
)
def test_onsets_beyond_the_end_are_named_with_the_unit_they_seem_to_have(onsets, guess):
    found = guess_of_onsets(onsets, 10.0, RATE)
    assert guess in found
    assert bool(found) == bool(guess) or onsets == [40.0]
    with pytest.warns(UserWarning, match=rf"x\.edf: {len(onsets)} of {len(onsets)} events lie after its end"):
        warn_of_events_outside([Event(onset, 1.0) for onset in onsets], 10.0, RATE, "x.edf")


def test_events_before_the_start_are_named():
    with pytest.warns(UserWarning, match="1 of 2 events lie before its start, the first at -2 s"):
        warn_of_events_outside([Event(-2.0, 1.0), Event(1.0, 1.0)], 10.0, RATE, "x.edf")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_events_outside([Event(0.0, 1.0), Event(9.9, 1.0)], 10.0, RATE, "x.edf")


# -- trigger channels ------------------------------------------------------------------------------------------------


def pulses(codes, idle=0, width=10):
    """A channel of ten seconds in which code k appears at second k + 1."""
    channel = np.full(10 * RATE, float(idle))
    for second, code in enumerate(codes, start=1):
        channel[second * RATE : second * RATE + width] = code
    return channel


@pytest.mark.parametrize(
    ("channel", "expected"),
    [
        (pulses([1, 2, 1]), {1.0: "1", 2.0: "2", 3.0: "1"}),
        (pulses([1, 2, 1], width=1), {1.0: "1", 2.0: "2", 3.0: "1"}),
        (pulses([1, 2, 3], width=RATE), {1.0: "1", 2.0: "2", 3.0: "3"}),  # one held until the next
        (pulses([1, 2], width=1) + (1 << 20), {1.0: "1", 2.0: "2"}),  # BioSemi: a bit of the amplifier's state
        (pulses([0xFF01, 0xFF02], idle=0xFF00), {1.0: "1", 2.0: "2"}),  # an upper byte that is always on
        (pulses([1, 2]) * 1e-6, {1.0: "1", 2.0: "2"}),  # a file that calls the codes microvolts
    ],
)
@pytest.mark.parametrize("first_sample", [0, 250])
@pytest.mark.parametrize("date", [None, "2020-01-01"])
def test_codes_of_a_trigger_channel_are_events(channel, expected, first_sample, date):
    raw = raw_with(stim=np.concatenate([np.full(first_sample, channel[0]), channel])[: 10 * RATE])
    if date:
        raw.set_meas_date(np.datetime64(date).astype("datetime64[s]").astype(int).item())
    if first_sample:
        raw.crop(first_sample / RATE)
    expected = {onset: text for onset, text in expected.items() if onset < raw.times[-1]}
    with pytest.warns(UserWarning, match="codes of the channel STI 014 were read as events"):
        annotate_from_channel(raw)
    events = events_from_annotations(raw, {text: text for text in expected.values()})
    assert {round(event.onset, 2): event.label for event in events} == expected


def test_a_channel_is_read_on_request_beside_annotations_and_of_any_type():
    raw = raw_with([(0.5, 0.0, "comment")], pulses([7, 7]) * 1e-6, name="Trigger", kind="misc")
    assert annotate_from_channel(raw.copy()).annotations.description.tolist() == ["comment"]
    annotate_from_channel(raw, "Trigger")
    assert raw.annotations.description.tolist() == ["comment", "7", "7"]


def test_what_is_no_trigger_channel_is_refused_with_the_channels_there_are():
    raw = raw_with(stim=pulses([1]))
    with pytest.raises(
        ValueError, match="no channel Status; stimulus channels: STI 014, all channels: Cz, Pz, STI 014"
    ):
        annotate_from_channel(raw, "Status")
    with pytest.raises(ValueError, match="values of the channel Cz are not whole numbers"):
        read_codes(raw, "Cz")
    counter = raw_with(stim=np.arange(10.0 * RATE))
    with pytest.raises(ValueError, match="1000 different values"):
        read_codes(counter, "STI 014")
    assert codes_of_stim_channels(counter) == {}


def test_a_biosemi_status_channel_is_read(tmp_path):
    status = (pulses([1, 2, 1], width=5) + (1 << 20)).astype(np.int32)
    noise = np.random.default_rng(0).normal(0, 20, 10 * RATE)
    signals = [
        edfio.BdfSignal(noise, RATE, label="Cz", physical_dimension="uV", physical_range=(-8000, 8000)),
        edfio.BdfSignal.from_digital(status, RATE, label="Status"),
    ]
    edfio.Bdf(signals).write(tmp_path / "x.bdf")
    raw = read_raw(tmp_path / "x.bdf")
    assert codes_of_stim_channels(raw) == {"Status": Counter({"1": 2, "2": 1})}


def test_codes_of_real_status_channels(shared):
    raw = read_raw(shared("data/formats") / "test_bdf_stim_channel.bdf")
    assert codes_of_stim_channels(raw) == {"Status": Counter({"1": 7, "2": 1, "4": 1})}


# -- tables ----------------------------------------------------------------------------------------------------------


def written(path, *lines, encoding="utf-8"):
    path.write_bytes("\n".join(lines).encode(encoding))
    return path


def test_a_table_that_is_not_utf8_is_read_with_a_warning_that_names_file_and_line(tmp_path):
    path = written(tmp_path / "events.tsv", "onset\ttrial_type", "1\tgo", "2\tzurück", encoding="latin-1")
    with pytest.warns(UserWarning, match=r"events\.tsv: line 3 is not UTF-8"):
        table = read_side_table(path)
    assert table["trial_type"].tolist() == ["go", "zurück"]
    excel = written(tmp_path / "excel.csv", "a,b", "1,ü", encoding="utf-8-sig")
    assert read_side_table(excel)["a"].tolist() == ["1"]
    assert read_side_table(written(tmp_path / "u.csv", "a,b", "1,ü", encoding="utf-16"))["b"].tolist() == ["ü"]


def test_rows_that_do_not_fit_the_header_are_named(tmp_path):
    path = written(tmp_path / "x.csv", "a,b", "1,2", "", "1,2,3", "1", "1,2,")
    with pytest.warns(UserWarning, match=r"x\.csv: 1 row \(line 4\) with more than the 2 fields"):
        table = read_side_table(path)
    assert table.index.tolist() == [2, 5, 6]
    assert table["b"].tolist() == ["2", "", "2"]
    with pytest.raises(ValueError, match="the table is empty"):
        read_side_table(written(tmp_path / "empty.csv", ""))
    with pytest.raises(ValueError, match="two columns called 'a'"):
        read_side_table(written(tmp_path / "twice.csv", "a,a", "1,2"))


def test_an_event_without_an_onset_is_an_error_and_none_is_moved(tmp_path):
    path = written(tmp_path / "e.tsv", "onset\tduration\ttrial_type", "1\t1\tgo", "n/a\t1\tstop", "4\t1\tn/a")
    missing = r"e\.tsv: 1 row \(line 3\) with a trial_type but without an onset"
    with pytest.warns(UserWarning, match=r"line 4\) without a trial_type"), pytest.raises(ValueError, match=missing):
        events_from_table(path)


def test_a_key_with_two_labels_is_an_error_and_one_listed_twice_is_named(tmp_path):
    def labels(*rows):
        path = written(tmp_path / "participants.tsv", "participant_id\tgroup", *rows)
        return labels_from_table(path, key="participant_id", label="group")

    with pytest.raises(ValueError, match="sub-01 has several labels: a in line 2, b in line 4"):
        labels("sub-01\ta", "sub-02\ta", "sub-01\tb")
    with pytest.warns(UserWarning, match=r"sub-01 is listed in 2 rows \(lines 2, 3\)"):
        assert labels("sub-01\ta", "sub-01 \ta ") == {"sub-01": "a"}
    with pytest.warns(UserWarning, match=r"1 row \(line 3\) without a group, of sub-02"):
        assert labels("sub-01\ta", "sub-02\tn/a") == {"sub-01": "a"}
    with pytest.raises(ValueError, match=r"1 row \(line 2\) with a group but without a participant_id"):
        labels("\ta")
