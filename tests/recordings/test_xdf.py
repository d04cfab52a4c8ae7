"""XDF files: the right stream, its channels and units, and markers at the samples of their time."""

import sys
import warnings

import numpy as np
import pytest

from dare_eeg_hf.cli.main import main
from dare_eeg_hf.corpora.windows import cut_windows
from dare_eeg_hf.recordings.errors import RecordingError
from dare_eeg_hf.recordings.recordings import find_recordings, load_recording, read_raw
from dare_eeg_hf.remedies_dare_eeg import COMMAND_LINE
from tests.recordings.written_recordings import NAMES, make_eeg
from tests.recordings.written_xdf import XdfStream, write_xdf

pytest.importorskip("pyxdf", reason="XDF files need pyxdf (the extra xdf)")

RATE = 250


def eeg(name="Amp", start=100.0, seconds=20.0, rate=RATE, **more):
    """An EEG stream in microvolts with a sharp deflection of all channels at every whole second."""
    signal = make_eeg(NAMES, seconds, rate)
    signal[:, :: int(rate)] += 400
    stamps = start + np.arange(signal.shape[1]) / rate
    given = {"labels": NAMES, "units": ["microvolts"] * len(NAMES), "types": ["EEG"] * len(NAMES)}
    return XdfStream(name, "EEG", rate, signal.T, stamps, **{**given, **more})


def markers(times, texts, **more):
    return XdfStream("Task", "Markers", 0, texts, np.asarray(times), sample_format="string", **more)


def quietly(path, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return read_raw(path, **options)


def at_peaks(raw):
    """How far each annotation lies from the nearest deflection, in samples."""
    signal = raw.get_data().mean(axis=0)
    peaks = np.flatnonzero(signal > 250e-6)
    notes = [onset for onset, text in zip(raw.annotations.onset, raw.annotations.description, strict=True)
             if not text.startswith(("BAD", "EDGE"))]  # fmt: skip
    return [float(np.abs(onset * raw.info["sfreq"] - peaks).min()) for onset in notes]


def test_the_eeg_is_read_with_its_names_units_and_markers(tmp_path):
    gaze = XdfStream("Eyes", "Gaze", 60, np.zeros((600, 2)), 100 + np.arange(600) / 60)
    file = write_xdf(tmp_path / "a.xdf", markers([102, 105, 107], ["go", "", " stop "]), gaze, eeg())
    with pytest.warns(UserWarning, match=r"left out were 'Eyes' \(number 2, type Gaze, 2 x 60 Hz\)"):
        raw = read_raw(file)
    assert raw.ch_names == NAMES
    np.testing.assert_allclose(raw.get_data() * 1e6, eeg().samples.T, atol=1e-4)
    assert raw.annotations.description.tolist() == ["go", "stop"]
    assert raw.annotations.onset.tolist() == pytest.approx([2.0, 7.0], abs=1e-4)
    assert raw.info["meas_date"].isoformat() == "2026-11-26T11:00:00+00:00"
    normal, report = load_recording(file)
    assert report.format == "XDF"
    assert len(normal.ch_names) == len(NAMES)
    assert find_recordings(tmp_path) == [file]
    assert main(["inspect", str(file)]) == 0


@pytest.mark.parametrize(("unit", "factor"), [("V", 1e6), ("millivolts", 1e3), ("uV", 1), ("µV", 1), ("nV", 1e-3)])
def test_units_are_those_of_the_description(tmp_path, unit, factor):
    stream = eeg(units=[unit] * len(NAMES))
    stream.samples = stream.samples / factor
    raw = quietly(write_xdf(tmp_path / "a.xdf", stream))
    assert raw.get_data().std() * 1e6 == pytest.approx(eeg().samples.std(), rel=1e-4)


def test_a_unit_that_is_not_known_is_taken_for_microvolts_and_says_so(tmp_path):
    with pytest.warns(UserWarning, match="says 'counts'; microvolts were taken"):
        raw = read_raw(write_xdf(tmp_path / "a.xdf", eeg(units=["counts"] * len(NAMES))))
    assert raw.get_data().std() * 1e6 == pytest.approx(eeg().samples.std(), rel=1e-4)


def test_channels_of_another_type_are_not_eeg(tmp_path):
    types = ["EEG"] * (len(NAMES) - 2) + ["EOG", "Battery"]
    raw = quietly(write_xdf(tmp_path / "a.xdf", eeg(types=types)))
    assert raw.get_channel_types()[-3:] == ["eeg", "eog", "misc"]


def test_several_eeg_streams_are_asked_about(tmp_path):
    file = write_xdf(tmp_path / "a.xdf", eeg("Left"), eeg("Right", rate=500))
    with pytest.raises(
        RecordingError, match=r"has 2 streams of type EEG.* 'Right' \(number 2, type EEG, 19 x 500 Hz\)"
    ):
        read_raw(file)
    with pytest.raises(RecordingError) as caught:
        read_raw(file)
    assert caught.value.on(COMMAND_LINE).endswith("give --reader-option stream=Left")
    assert quietly(file, stream="Right").info["sfreq"] == 500
    assert quietly(file, stream=1).info["sfreq"] == RATE
    twins = write_xdf(tmp_path / "b.xdf", eeg("Amp"), eeg("Amp"))
    with pytest.raises(RecordingError, match=r"pass reader_options=\{'stream': 1\}"):
        read_raw(twins)
    with pytest.raises(RecordingError, match="has 2 streams called 'Amp'"):
        read_raw(twins, stream="Amp")
    with pytest.raises(RecordingError, match="has no stream 'Amq'"):
        read_raw(twins, stream="Amq")
    assert quietly(twins, stream=2).ch_names == NAMES


def test_without_an_eeg_stream_the_others_are_listed(tmp_path):
    other = eeg("Cap")
    other.kind = "Signal"
    file = write_xdf(tmp_path / "a.xdf", other, markers([101], ["go"]))
    with pytest.raises(RecordingError, match=r"has no stream of type EEG; its streams are 'Cap'.*'stream': 'Cap'"):
        read_raw(file)
    with pytest.raises(RecordingError, match="holds no signal"):
        read_raw(file, stream="Task")
    only = write_xdf(tmp_path / "b.xdf", markers([101], ["go"]))
    with pytest.raises(RecordingError, match=r"none with a signal$"):
        read_raw(only)
    empty = eeg(seconds=0)
    with pytest.raises(RecordingError, match=r"its stream 'Amp' .* holds no samples"):
        read_raw(write_xdf(tmp_path / "c.xdf", empty))


def test_a_stream_without_labels_asks_which_electrodes_they_are(tmp_path):
    file = write_xdf(tmp_path / "a.xdf", eeg(labels=None, units=None, types=None))
    with pytest.raises(RecordingError, match=r"19 channels are numbered \(1 to 19\).*pass montage='NAME', or name"):
        load_recording(file)
    names = {str(number): name for number, name in enumerate(NAMES, start=1)}
    assert len(load_recording(file, rename=names).raw.ch_names) == len(NAMES)


@pytest.mark.parametrize("offset", [0.0, 37.5])
def test_markers_of_another_clock_come_to_the_right_samples(tmp_path, offset):
    """The computer of the markers has a clock of its own; LabRecorder has measured how far it is off."""
    times = np.array([102.0, 105.0, 111.0])
    measured = [(time, offset) for time in np.arange(95, 125, 2.5)]
    task = markers(times - offset, ["a", "b", "c"], offsets=measured)
    raw = quietly(write_xdf(tmp_path / "a.xdf", eeg(), task))
    assert raw.annotations.onset.tolist() == pytest.approx([2.0, 5.0, 11.0], abs=1e-3)


@pytest.mark.parametrize("chunk", [1, 32])
def test_jitter_is_smoothed_and_breaks_nothing(tmp_path, chunk):
    """Packets arrive up to 40 ms late, with the one stamp of their first sample."""
    stream = eeg()
    late = np.random.default_rng(1).uniform(0, 0.04, len(stream.stamps) // chunk + 1).repeat(chunk)
    jittered = eeg(stamp_every=chunk)
    jittered.stamps = np.maximum.accumulate(stream.stamps + late[: len(stream.stamps)])
    raw = quietly(write_xdf(tmp_path / "a.xdf", jittered, markers(np.arange(102, 118), ["go"] * 16)))
    assert not any(text.startswith("EDGE") for text in raw.annotations.description)
    assert max(at_peaks(raw)) < 0.04 * RATE


@pytest.mark.parametrize("lost", [0.012, 0.3, 5.0])
def test_lost_samples_are_a_gap_that_nothing_bridges(tmp_path, lost):
    """However little is lost, the break is marked, and markers after it lie at the samples of their time."""
    stream, begin = eeg(), round(8.4 * RATE)
    kept = np.r_[:begin, begin + round(lost * RATE) : len(stream.stamps)]
    stream.samples, stream.stamps = stream.samples[kept], stream.stamps[kept]
    stream.stamps = stream.stamps + np.random.default_rng(0).uniform(0, 0.0005, len(kept))
    file = write_xdf(tmp_path / "a.xdf", stream, markers([102, 107, 114, 118], list("abcd")))
    with pytest.warns(
        UserWarning, match=rf"interrupted once \(after 8.4 s of signal\); {lost:.2g}\d*(\.0\d*)? s are missing"
    ):
        raw = read_raw(file)
    breaks = raw.annotations.onset[raw.annotations.description == "EDGE boundary"]
    assert breaks.tolist() == [begin / RATE]
    assert max(at_peaks(raw)) < 0.5
    normal, report = load_recording(file)
    assert report.pieces == 2
    windows = cut_windows(normal, 2.0)
    assert all(onset + 2 <= begin / RATE or onset >= begin / RATE - 1 / 256 for onset in windows.onsets)


def test_two_losses_within_a_second_are_two_gaps(tmp_path):
    stream = eeg()
    kept = np.delete(np.arange(len(stream.stamps)), np.r_[1000:1050, 1150:1200])
    stream.samples, stream.stamps = stream.samples[kept], stream.stamps[kept]
    raw = quietly(write_xdf(tmp_path / "a.xdf", stream))
    assert (raw.annotations.onset[raw.annotations.description == "EDGE boundary"] * RATE).tolist() == [1000, 1100]


def test_a_marker_in_a_gap_is_named(tmp_path):
    stream = eeg()
    kept = np.r_[: 8 * RATE, 12 * RATE : 20 * RATE]
    stream.samples, stream.stamps = stream.samples[kept], stream.stamps[kept]
    file = write_xdf(tmp_path / "a.xdf", stream, markers([102, 110, 114], ["a", "b", "c"]))
    with pytest.warns(UserWarning, match=r"1 annotations lie in a gap.*b \(10"):
        raw = read_raw(file)
    texts = dict(zip(raw.annotations.description.tolist(), raw.annotations.onset.tolist(), strict=True))
    assert texts["c"] == pytest.approx(10.0, abs=1e-3)


@pytest.mark.parametrize(("announced", "expected"), [(250.5, 250.5), (256, 250.0), (0, 250.0)])
def test_the_rate_is_the_announced_one_unless_samples_come_at_another(tmp_path, announced, expected):
    stream = eeg()
    stream.rate = announced
    file = write_xdf(tmp_path / "a.xdf", stream, markers([119.0], ["end"]))
    if announced == expected:
        raw = quietly(file)
    else:
        with pytest.warns(UserWarning, match="but its samples come at 250 Hz, which was taken"):
            raw = read_raw(file)
    assert raw.info["sfreq"] == expected
    assert max(at_peaks(raw)) < 0.5, "markers keep to the samples, whatever the rate"


def test_numeric_markers_and_several_streams_of_them(tmp_path):
    codes = XdfStream("Codes", "Markers", 0, np.array([[7.0], [8.5]]), np.array([103.0, 104.0]))
    raw = quietly(write_xdf(tmp_path / "a.xdf", codes, eeg(), markers([103.5], ["go"])))
    assert raw.annotations.description.tolist() == ["7", "go", "8.5"]


def test_counts_and_doubles_are_read(tmp_path):
    for sample_format, kind in (("int16", np.int16), ("double64", float)):
        stream = eeg(sample_format=sample_format)
        stream.samples = stream.samples.astype(kind)
        raw = quietly(write_xdf(tmp_path / f"{sample_format}.xdf", stream))
        assert raw.get_data().std() * 1e6 == pytest.approx(stream.samples.std(), rel=1e-6)


def test_without_pyxdf_the_message_says_what_to_install(tmp_path, monkeypatch):
    file = write_xdf(tmp_path / "a.xdf", eeg(seconds=2))
    monkeypatch.setitem(sys.modules, "pyxdf", None)
    with pytest.raises(RecordingError, match=r"a.xdf: XDF recordings need the package pyxdf: pip install pyxdf$"):
        read_raw(file)


def test_a_file_that_was_cut_off_gives_what_it_holds_and_says_so(tmp_path):
    file = write_xdf(tmp_path / "a.xdf", eeg(seconds=4))
    file.write_bytes(file.read_bytes()[:-45])  # without the footer
    with pytest.warns(UserWarning, match="'Amp' has no footer"):
        assert read_raw(file).n_times == 4 * RATE


def test_a_damaged_file_is_one_error(tmp_path):
    file = write_xdf(tmp_path / "a.xdf", eeg(seconds=2))
    file.write_bytes(file.read_bytes()[:60])
    with pytest.raises(RecordingError, match=r"a\.xdf"):
        read_raw(file)
