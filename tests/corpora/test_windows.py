"""Windows are cut, rejected and labelled."""

import mne
import numpy as np
import pytest

from dare_eeg_hf.corpora.windows import (
    Event,
    Rejection,
    cut_windows,
    events_from_annotations,
    events_from_table,
    label_from_name,
    labels_from_table,
)

RATE = 256


@pytest.fixture
def make_raw():
    def make(seconds=20, channels=("C3", "CZ", "C4"), annotations=(), first_second=0):
        """A Raw whose microvolts say where each sample lies."""
        rng = np.random.default_rng(7)
        volts = rng.normal(0, 20e-6, (len(channels), int(seconds * RATE)))
        raw = mne.io.RawArray(
            volts, mne.create_info(list(channels), RATE, "eeg"), first_samp=first_second * RATE, verbose="error"
        )
        if annotations:
            raw.set_annotations(mne.Annotations(*zip(*annotations, strict=True)))
        return raw

    return make


# -- cutting ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("overlap", "count"), [(0.0, 5), (0.5, 9), (0.75, 17)])
def test_windows_follow_each_other(make_raw, overlap, count):
    raw = make_raw(20)
    windows = cut_windows(raw, 4.0, overlap)
    assert windows.signals.shape == (count, 3, 4 * RATE)
    assert np.allclose(np.diff(windows.onsets), 4 * (1 - overlap))
    for onset, signal in zip(windows.onsets, windows.signals, strict=True):
        start = round(onset * RATE)
        assert np.allclose(signal, raw.get_data()[:, start : start + 4 * RATE] * 1e3, rtol=1e-6)
    assert windows.labels is None
    assert not windows.rejected


def test_one_window_around_each_event(make_raw):
    raw = make_raw(20)
    events = [Event(5.0, 0.0, "left"), Event(0.2, 0.0, "right"), Event(19.0, 0.0, "left"), Event(10.5, 0.0, "right")]
    windows = cut_windows(raw, events=events, tmin=-0.5, tmax=1.5)
    assert windows.labels == ["left", "right"]
    assert windows.onsets.tolist() == [4.5, 10.0]
    assert windows.rejected == {"reaches beyond the recording": 2}


def test_windows_inside_of_events(make_raw):
    windows = cut_windows(
        make_raw(20), 2.0, events=[Event(1.0, 5.0, "a"), Event(10.0, 1.0, "b"), Event(12.0, 2.0)], label="c"
    )
    assert windows.onsets.tolist() == [1.0, 3.0, 12.0]
    assert windows.labels == ["a", "a", "c"]
    assert windows.rejected == {"event shorter than one window": 1}


def test_events_of_a_cropped_recording_stay_where_they_are(make_raw):
    raw = make_raw(20, annotations=[(10.0, 2.0, "T1")]).set_meas_date(0)
    raw.set_annotations(mne.Annotations(10.0, 2.0, "T1", orig_time=raw.info["meas_date"]))
    cropped = raw.copy().crop(tmin=8.0)
    (event,) = events_from_annotations(cropped, {"T1": "left"})
    assert event == Event(2.0, 2.0, "left")
    window = cut_windows(cropped, 2.0, events=[event]).signals[0]
    assert np.allclose(window, raw.get_data()[:, 10 * RATE : 12 * RATE] * 1e3, rtol=1e-6)


def test_rejected_windows_are_counted_once_with_their_reason(make_raw):
    raw = make_raw(24, annotations=[(0.5, 1.0, "BAD_blink"), (14.0, 0.0, "boundary"), (20.0, 0.0, "EDGE boundary")])
    raw._data[1, 5 * RATE] = 800e-6
    raw._data[2, 8 * RATE : 12 * RATE] = 3e-6
    raw._data[1, 1 * RATE] = 800e-6
    windows = cut_windows(raw, 4.0)
    assert windows.onsets.tolist() == [14.0, 20.0]
    assert windows.rejected == {
        "annotation BAD_blink": 1,
        "amplitude beyond 500 uV": 1,
        "a channel flatter than 0.05 uV": 1,
    }
    kept = cut_windows(raw, 4.0, reject=Rejection(None, None, None))
    assert kept.onsets.tolist() == [0.0, 4.0, 8.0, 14.0, 20.0]


def test_what_was_skipped_or_holds_no_signal_gives_no_window(make_raw):
    raw = make_raw(40, annotations=[(8.0, 6.0, "BAD_ACQ_SKIP"), (20.0, 5.0, "BAD_no_signal: one held value")])
    windows = cut_windows(raw, 4.0, reject=Rejection(None, None, None))
    assert windows.onsets.tolist() == [0.0, 4.0, 14.0, 26.0, 30.0, 34.0]
    assert windows.rejected == {"across a break in time": 1, "one held value": 2}
    around = cut_windows(raw, events=[Event(7.0, 0.0), Event(16.0, 0.0)], tmin=-2.0, tmax=2.0)
    assert around.rejected == {"across a break in time": 1}


def test_a_recording_that_is_too_short_says_so(make_raw):
    windows = cut_windows(make_raw(3), 4.0)
    assert windows.signals.shape == (0, 3, 4 * RATE)
    assert windows.rejected == {"recording shorter than one window": 1}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"overlap": 1.0}, "overlap"),
        ({"tmin": 0.0}, "tmin and tmax"),
        ({"tmin": 0.0, "tmax": 1.0}, "with events"),
        ({"events": [], "tmin": 1.0, "tmax": 1.0}, "holds nothing"),
    ],
)
def test_windows_that_cannot_be_are_refused(make_raw, options, message):
    with pytest.raises(ValueError, match=message):
        cut_windows(make_raw(), **options)


# -- labels -----------------------------------------------------------------------------------------------------------


def test_labels_out_of_names():
    assert label_from_name("Subject07_2.edf", r"_([12])", {"1": "rest", "2": "arithmetic"}) == "arithmetic"
    assert label_from_name("a/normal/b.edf", r"/(normal|abnormal)/") == "normal"
    with pytest.raises(ValueError, match="does not fit"):
        label_from_name("Subject07.edf", r"_([12])")
    with pytest.raises(ValueError, match="'2' is not one of 1"):
        label_from_name("Subject07_2.edf", r"_([12])", {"1": "rest"})


@pytest.mark.parametrize(("suffix", "separator"), [(".csv", ","), (".tsv", "\t")])
def test_labels_and_events_out_of_tables(tmp_path, suffix, separator):
    table = tmp_path / f"events{suffix}"
    rows = [("onset", "duration", "trial_type"), ("1.5", "2", "left"), ("4", "n/a", "right")]
    table.write_text("\n".join(separator.join(row) for row in rows))
    assert events_from_table(table) == [Event(1.5, 2.0, "left"), Event(4.0, 0.0, "right")]
    assert labels_from_table(table, key="onset", label="trial_type") == {"1.5": "left", "4": "right"}
    with pytest.raises(ValueError, match="lacks the column 'who'; it has onset"):
        labels_from_table(table, key="who", label="trial_type")


def test_an_onset_that_is_no_number_is_an_error(tmp_path):
    table = tmp_path / "events.tsv"
    table.write_text("onset\tduration\ttrial_type\nsoon\t1\tleft\n")
    with pytest.raises(ValueError, match="must be seconds"):
        events_from_table(table)
