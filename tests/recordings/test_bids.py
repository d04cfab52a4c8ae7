"""Side files of BIDS: whatever of them cannot be used is named with its file and line, and nothing is moved."""

import re
import warnings

import mne
import numpy as np
import pytest

from dare_eeg_hf.recordings.bids import participants_twice
from dare_eeg_hf.recordings.errors import RecordingWarning
from dare_eeg_hf.recordings.readers import read_raw
from dare_eeg_hf.recordings.recordings import find_recordings, load_recording
from tests.recordings.written_recordings import NAMES, make_eeg, make_raw, write_edf

pytestmark = pytest.mark.filterwarnings("ignore::dare_eeg_hf.feature_extraction_dare_eeg.EegWarning")


FOUR = ["Fp1", "Cz", "O1", "O2"]
SECONDS = 20


@pytest.fixture
def folder(tmp_path):
    """The eeg folder of a subject with one recording of 20 s."""
    folder = tmp_path / "sub-01" / "eeg"
    folder.mkdir(parents=True)
    (tmp_path / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.9.0"}')
    signal = np.random.default_rng(0).normal(0, 2e-5, (len(FOUR), SECONDS * 256))
    raw = mne.io.RawArray(signal, mne.create_info(FOUR, 256, "eeg"), verbose="ERROR")
    mne.export.export_raw(folder / "sub-01_task-x_eeg.edf", raw, verbose="ERROR")
    return folder


def opened(folder):
    """The recording and what was warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        raw = read_raw(folder / "sub-01_task-x_eeg.edf")
    return raw, [str(warning.message) for warning in caught if warning.category is RecordingWarning]


def events(raw):
    """Onset and text of each annotation."""
    return dict(zip(raw.annotations.onset.round(3).tolist(), raw.annotations.description.tolist(), strict=True))


def write(folder, name, text, encoding="utf-8"):
    path = folder / f"sub-01_task-x_{name}"
    path.write_bytes(text.encode(encoding))
    return path


def test_an_event_without_a_type_is_called_by_its_value(folder):
    write(folder, "events.tsv", "onset\tduration\ttrial_type\tvalue\n1\t0\tgo\t1\n2\t0\tn/a\t99\n3\t0\tn/a\tn/a\n")
    raw, warned = opened(folder)
    assert events(raw) == {1.0: "go", 2.0: "99"}
    (message,) = warned
    assert re.search(r"events\.tsv: 1 row \(line 4\) without a trial_type or value left out", message)


def test_an_event_without_an_onset_is_named(folder):
    write(folder, "events.tsv", "onset\tduration\ttrial_type\n1\t0\tgo\nn/a\t0\tlost\nsoon\t0\tlost\n")
    raw, warned = opened(folder)
    assert events(raw) == {1.0: "go"}
    assert "events.tsv: 2 rows (lines 3, 4) without an onset left out" in warned[0]


def test_events_before_the_start_are_named_and_not_moved(folder):
    write(folder, "events.tsv", "onset\tduration\ttrial_type\n-1.5\t4\tearly\n0\t1\tfirst\n19.9\t5\tlast\n")
    raw, warned = opened(folder)
    assert events(raw) == {0.0: "first", 19.9: "last"}
    (message,) = warned
    assert "1 row (line 2) before the start of the recording left out" in message


@pytest.mark.parametrize(("factor", "guess"), [(1000, "milliseconds"), (256, "samples at 256 Hz")])
def test_onsets_in_another_unit_are_named_with_the_unit_they_seem_to_have(folder, factor, guess):
    rows = "".join(f"{second * factor}\t0\tgo\n" for second in (1, 5, 18))
    write(folder, "events.tsv", "onset\tduration\ttrial_type\n" + rows)
    raw, warned = opened(folder)
    assert events(raw) == {}
    assert "3 rows (lines 2, 3, 4) after the end of the recording (20.0 s) left out" in warned[0]
    assert guess in warned[0]


def test_side_files_in_latin1_are_read_and_named(folder):
    write(folder, "events.tsv", "onset\tduration\ttrial_type\n1\t0\tfür\n", "latin-1")
    write(folder, "channels.tsv", "name\ttype\tstatus\tstatus_description\nCz\tEEG\tbad\tgestört\n", "latin-1")
    write(folder, "eeg.json", '{"PowerLineFrequency": 50, "InstitutionName": "Köln"}', "latin-1")
    raw, warned = opened(folder)
    assert events(raw) == {1.0: "für"}
    assert raw.info["bads"] == ["Cz"]
    assert raw.info["line_freq"] == 50
    assert len(warned) == 3
    for name, line in (("channels.tsv", 2), ("events.tsv", 2), ("eeg.json", 1)):
        assert any(f"{name}: line {line} is not UTF-8" in message for message in warned)


def test_broken_side_files_are_named_and_the_recording_is_read(folder):
    write(folder, "events.tsv", "time\ttype\n1\tgo\n")
    write(folder, "channels.tsv", "")
    write(folder, "eeg.json", '{"PowerLineFrequency": 50,\n "oops"}')
    raw, warned = opened(folder)
    assert raw.n_times == SECONDS * 256
    assert any("events.tsv lacks the column 'onset'" in message for message in warned)
    assert any("channels.tsv: the table is empty" in message for message in warned)
    assert any("eeg.json: line 2 is not JSON" in message for message in warned)
    assert all("the file was not used" in message for message in warned)


def test_channels_that_the_recording_lacks_are_named(folder):
    write(folder, "channels.tsv", "name\ttype\tstatus\nCz \tEEG\tbad\nPz\tEEG\tbad\n")
    raw, warned = opened(folder)
    assert raw.info["bads"] == ["Cz"]
    assert "the recording has no channel called Pz" in warned[0]


def test_side_files_without_a_row_are_no_mistake(folder):
    write(folder, "events.tsv", "onset\tduration\ttrial_type\n")
    write(folder, "channels.tsv", "name\ttype\tstatus\n")
    raw, warned = opened(folder)
    assert (events(raw), warned) == ({}, [])


def test_whole_side_files_warn_of_nothing(folder):
    write(folder, "events.tsv", "onset\tduration\ttrial_type\n1\t0\tgo\n5\tn/a\tstop\n")
    write(folder, "channels.tsv", "name\ttype\tstatus\n" + "".join(f"{name}\tEEG\tgood\n" for name in FOUR))
    write(folder, "eeg.json", '{"PowerLineFrequency": "n/a"}')
    assert opened(folder)[1] == []


def test_a_participant_listed_twice_is_named(tmp_path):
    assert participants_twice(tmp_path) == []
    table = tmp_path / "participants.tsv"
    table.write_text("participant_id\tage\nsub-01\t30\nsub-02\t31\nsub-01 \t32\n")
    assert participants_twice(tmp_path) == ["BIDS lists sub-01 in 2 rows (lines 2, 4) of participants.tsv"]
    table.write_text("age\n3\n")
    (sentence,) = participants_twice(tmp_path)
    assert "participants.tsv lacks the column 'participant_id'" in sentence
    assert str(tmp_path) not in sentence


@pytest.fixture
def bids(tmp_path):
    root = tmp_path / "bids"
    folder = root / "sub-01" / "eeg"
    folder.mkdir(parents=True)
    (root / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.9.0"}')
    (root / "task-rest_eeg.json").write_text('{"PowerLineFrequency": 50}')
    names = [*NAMES, "Ch20"]
    write_edf(folder / "sub-01_task-rest_eeg.edf", make_eeg(names), names)
    rows = [f"{name}\tEEG\tuV\t{'bad' if name == 'Cz' else 'good'}" for name in NAMES] + ["Ch20\tEOG\tuV\tgood"]
    (folder / "sub-01_task-rest_channels.tsv").write_text("\n".join(["name\ttype\tunits\tstatus", *rows]))
    (folder / "sub-01_task-rest_events.tsv").write_text(
        "onset\tduration\ttrial_type\n2.5\t1\tleft\nn/a\t0\tlost\n7\tn/a\tright\n"
    )
    (root / "derivatives").mkdir()
    write_edf(root / "derivatives" / "sub-01_task-rest_eeg.edf")
    (root / "sourcedata.edf").write_bytes(b"0       ")
    return root


def test_bids_side_files_are_applied(bids):
    (path,) = find_recordings(bids)
    assert path.name == "sub-01_task-rest_eeg.edf"
    raw, report = load_recording(path)
    assert report.bad == {"CZ": "marked bad in the file"}
    assert report.dropped == {"Ch20": "channel type eog"}
    assert raw.info["line_freq"] == 50
    assert raw.annotations.description.tolist() == ["left", "right"]
    np.testing.assert_allclose(raw.annotations.onset, [2.5, 7.0], atol=0.01)


def test_bids_as_mne_bids_writes_it(tmp_path):
    mne_bids = pytest.importorskip("mne_bids")
    raw = make_raw()
    raw.info["line_freq"] = 50
    raw.info["bads"] = ["F7"]
    raw.set_annotations(mne.Annotations([3.0, 9.0], [1.0, 1.0], ["left", "right"]))
    place = mne_bids.BIDSPath(subject="07", session="1", task="rest", root=tmp_path, datatype="eeg")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mne_bids.write_raw_bids(raw, place, format="EDF", allow_preload=True, verbose="ERROR")
    (path,) = find_recordings(tmp_path)
    raw, report = load_recording(path)
    assert list(report.bad) == ["F7"]
    assert raw.annotations.description.tolist() == ["left", "right"]
