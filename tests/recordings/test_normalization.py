"""What normalisation gives: the contract, or a sentence about what is wrong with the signal."""

import warnings
from datetime import UTC, datetime

import mne
import numpy as np
import pytest
from scipy.signal import welch

from dare_eeg_hf.feature_extraction_dare_eeg import DareEegFeatureExtractor
from dare_eeg_hf.recordings.pieces import PiecewiseNormalizer
from dare_eeg_hf.recordings.recordings import RecordingError, load_recording, normalize_raw
from tests.recordings.written_recordings import NAMES, RATE, make_eeg, make_raw, write_edf

pytestmark = pytest.mark.filterwarnings("ignore::dare_eeg_hf.feature_extraction_dare_eeg.EegWarning")


def test_the_result_fulfils_the_contract(recording):
    raw, report = recording
    assert raw.ch_names == [name.upper() for name in NAMES]
    assert raw.info["sfreq"] == 256
    assert raw.n_times == 20 * 256
    assert (raw.info["highpass"], raw.info["lowpass"]) == (0.5, 75.0)
    data = raw.get_data()
    assert np.abs(data.sum(axis=0)).max() < 1e-10
    assert 5e-6 < data.std() < 50e-6
    assert report.line_frequency == 50
    assert report.steps == [
        "high-pass 0.5 Hz",
        "low-pass 75 Hz",
        "notch 50 Hz",
        "resampled 200 to 256 Hz, anti-aliased",
        "average reference over 19 channels",
    ]
    frequency, power = welch(data, 256, nperseg=512)
    hum = power[:, np.abs(frequency - 50) < 0.6].max(axis=1) / power[:, np.abs(frequency - 45) < 2].mean(axis=1)
    assert hum.max() < 1.5


def test_annotations_move_to_the_new_rate(recording):
    annotations = recording.raw.annotations
    assert annotations.description.tolist() == ["T1", "T2"]
    np.testing.assert_allclose(annotations.onset, [5, 11], atol=1e-3)
    np.testing.assert_allclose(annotations.duration, [2, 0])


def test_annotations_of_a_cropped_recording_keep_their_place():
    raw = make_raw()
    raw.set_meas_date(datetime(2026, 1, 1, tzinfo=UTC))
    raw.set_annotations(mne.Annotations([5.0], [1.0], ["T1"], orig_time=raw.info["meas_date"]))
    raw.crop(3.0)
    normalised = normalize_raw(raw).raw
    np.testing.assert_allclose(normalised.annotations.onset - normalised.first_time, [2.0], atol=1e-3)


def test_file_and_array_agree(edf, recording):
    raw = mne.io.read_raw_edf(edf, verbose="ERROR")
    extractor = DareEegFeatureExtractor()
    array = extractor(raw.get_data() * 1e6, raw.ch_names, RATE, "uV", filter=True, return_tensors="np")
    file = extractor(recording.raw, return_tensors="np")
    assert file.reports[0].steps[:2] == ["unit V to mV", "not filtered"]
    np.testing.assert_allclose(file["input_values"], array["input_values"], atol=2e-7)
    assert (file["channel_ids"] == array["channel_ids"]).all()


def test_the_contract_comes_from_the_feature_extractor(edf):
    extractor = DareEegFeatureExtractor(sampling_rate=128, highpass=1.0, lowpass=30.0, notch=None, reference=None)
    raw, report = load_recording(edf, extractor)
    assert raw.info["sfreq"] == 128
    assert (raw.info["highpass"], raw.info["lowpass"]) == (1.0, 30.0)
    assert "low-pass 30 Hz" in report.steps
    assert not any("reference" in step or "notch" in step for step in report.steps)


def test_the_raw_given_is_not_changed():
    raw = make_raw()
    before = raw.get_data().copy()
    normalize_raw(raw)
    assert raw.ch_names == NAMES
    np.testing.assert_array_equal(raw.get_data(), before)


@pytest.mark.parametrize("line", [60, None])
def test_the_mains_frequency_can_be_set(edf, line):
    report = load_recording(edf, line_frequency=line).report
    assert report.line_frequency == line
    assert any("notch" in step for step in report.steps) == bool(line)


@pytest.mark.filterwarnings("ignore")
def test_a_bad_channel_does_not_change_the_reference_of_the_others():
    """Of five electrodes four are averaged, not kept as they were recorded."""
    raw = make_raw()
    raw.pick(raw.ch_names[:5])
    report = normalize_raw(raw, bad_channels=[raw.ch_names[0].upper()]).report
    assert "average reference over 4 channels" in report.steps
    fewer = normalize_raw(raw.copy().pick(raw.ch_names[1:]), bad_channels=[]).report
    assert not any("average reference over" in step for step in fewer.steps)


def test_bad_channels_can_be_named_or_marked_in_the_file():
    assert list(normalize_raw(make_raw(), bad_channels=["C3"]).report.bad) == ["C3"]
    raw = make_raw()
    raw.info["bads"] = ["Cz"]
    assert normalize_raw(raw).report.bad == {"CZ": "marked bad in the file"}
    assert "CZ" in normalize_raw(raw, bad_channels=[]).raw.ch_names


@pytest.mark.filterwarnings("ignore")
def test_nothing_is_named_by_the_user_but_what_the_user_named(monkeypatch):
    assert normalize_raw(make_raw(), bad_channels=["C3"]).report.bad == {"C3": "named by the user"}
    again = normalize_raw(make_raw()).raw
    again.info["bads"] = ["CZ"]
    assert normalize_raw(again).report.bad == {"CZ": "marked bad in the file"}

    monkeypatch.setattr("dare_eeg_hf.recordings.pieces.SURVEY_SECONDS", 10.0)
    signal = make_eeg()
    signal[3] = 12.0 + 0.01 * np.random.default_rng(0).standard_normal(signal.shape[1])
    signal[7] *= 30
    normalizer = PiecewiseNormalizer(make_raw(signal), DareEegFeatureExtractor())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        normalizer(0, 1000)
    said = " ".join(str(warning.message) for warning in caught)
    assert "F3 (flat)" in said
    assert "T7 (noisy" in said
    assert "named by the user" not in said


def test_interpolation_on_request_is_better_than_nothing_and_reported():
    raw = mne.io.RawArray(make_eeg(seconds=20) * 1e-6, mne.create_info(NAMES, RATE, "eeg"), verbose="ERROR")
    positions = normalize_raw(raw).raw.get_montage().get_positions()["ch_pos"]
    places = np.array([positions[name.upper()] for name in NAMES])
    smooth = np.cumsum(np.random.default_rng(0).standard_normal((3, raw.n_times)), axis=1)
    raw._data[:] = 3e-5 * places @ smooth + 1e-7 * np.random.default_rng(1).standard_normal(raw._data.shape)
    truth = normalize_raw(raw, bad_channels=[]).raw
    result, report = normalize_raw(raw, bad_channels=["Cz".upper()], interpolate=["bad", "FC3"])
    assert report.interpolated == ["CZ", "FC3"]
    assert report.channels == result.ch_names == [*truth.ch_names, "FC3"], "what is filled stays where it was"
    assert "FC3" not in report.missing
    assert any("spherical splines" in step for step in report.steps)
    correlation = np.corrcoef(result.get_data(["CZ"])[0], truth.get_data(["CZ"])[0])[0, 1]
    assert correlation > 0.95


def test_missing_channels_stay_missing(recording):
    assert "FC3" in recording.report.missing
    assert "FC3" not in recording.raw.ch_names
    assert not (recording.raw.get_data() == 0).all(axis=1).any()


def test_interpolating_what_is_no_channel_is_an_error():
    with pytest.raises(RecordingError, match="cannot interpolate XYZ"):
        normalize_raw(make_raw(), interpolate=["XYZ"])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 642_564.0])
def test_a_few_broken_samples_are_bridged_and_annotated(value):
    signal = make_eeg()
    clean = normalize_raw(make_raw(signal)).raw.get_data()
    signal[5, 2000:2004] = value
    with pytest.warns(match=r"BAD_repaired: F4 \(4\)"):
        raw, report = normalize_raw(make_raw(signal))
    assert report.repaired == {"F4": 4}
    marks = [(a["onset"], a["duration"]) for a in raw.annotations if a["description"] == "BAD_repaired"]
    assert marks == [(pytest.approx(10.0), pytest.approx(0.02))]
    assert np.abs(raw.get_data() - clean).max() < 60e-6


def test_a_channel_full_of_nan_is_bad_and_a_recording_full_of_them_an_error():
    signal = make_eeg()
    signal[5] = np.nan
    assert "100.0%" in normalize_raw(make_raw(signal)).report.bad["F4"]
    with pytest.raises(RecordingError, match="no channel is usable"):
        normalize_raw(make_raw(np.full((19, 4000), np.nan)))


def test_a_slow_drift_is_no_broken_sample():
    signal = make_eeg() + np.linspace(0, 20_000, 4000)
    assert not normalize_raw(make_raw(signal)).report.repaired


@pytest.mark.parametrize("factor", [1e6, 1e-6])
def test_amplitudes_a_million_times_off(factor):
    with pytest.raises(RecordingError, match="the signal cannot be EEG in V"):
        normalize_raw(make_raw(make_eeg() * factor))


def test_numbers_in_the_wrong_unit_can_be_read_with_the_unit_the_message_names():
    raw = make_raw(make_eeg() * 1e6)
    with pytest.raises(RecordingError, match="pass unit='uV'"):
        normalize_raw(raw)
    fixed, report = normalize_raw(raw, unit="uV")
    assert "uV" in report.unit_rescaling
    np.testing.assert_allclose(fixed.get_data(), normalize_raw(make_raw()).raw.get_data(), atol=1e-9)


def test_a_flat_recording_is_refused_unless_it_is_a_piece_of_a_verified_one():
    flat = make_raw(np.zeros((19, 4000)))
    with pytest.raises(RecordingError, match="every channel is flat"):
        normalize_raw(flat)
    raw = normalize_raw(flat, bad_channels=[], verify=False).raw
    assert raw.ch_names == [name.upper() for name in NAMES]


@pytest.mark.parametrize("seconds", [0.4, 1.0, 3.9])
def test_short_recordings_are_handled_and_say_so(seconds):
    with pytest.warns(match="too short for a 0.5 Hz high-pass"):
        raw, _ = normalize_raw(make_raw(make_eeg(seconds=seconds) + 4000))
    assert raw.n_times == round(seconds * 256)
    assert np.abs(raw.get_data()).max() < 200e-6


def test_filters_do_not_run_across_a_break():
    left, right = make_eeg(seconds=10), make_eeg(seconds=8, seed=5) + 900
    whole = mne.concatenate_raws([make_raw(left), make_raw(right)], verbose="ERROR")
    whole.annotations.append(12.0, 1.0, "T1")
    raw, report = normalize_raw(whole)
    assert report.pieces == 2
    alone = normalize_raw(make_raw(right), bad_channels=[]).raw
    np.testing.assert_allclose(raw.get_data()[:, 10 * 256 :], alone.get_data(), atol=1e-9)
    mark = next(a for a in raw.annotations if a["description"] == "T1")
    assert mark["onset"] == pytest.approx(12.0, abs=0.01)
    assert any(a["description"] == "BAD boundary" for a in raw.annotations)


def test_nothing_is_said_of_a_piece_too_short_for_any_window():
    signal = make_eeg()
    raw = make_raw(signal)
    raw.annotations.append(raw.times[-3], 0, "EDGE boundary")
    report = normalize_raw(raw).report
    assert report.pieces == 2
    assert not report.warnings


def test_other_signals_are_told_apart(tmp_path):
    names = ["EEG Fp1-Ref", "EEG T3-Ref", "EEG C3-Ref", "EEG O1-Ref", "EEG A2-A1", "ECG ECG", "EOG1", "Fp1-F7", "DC01"]
    _, report = load_recording(write_edf(tmp_path / "clinical.edf", make_eeg(names), names))
    assert report.channels == ["FP1", "T7", "C3", "O1"]
    assert report.dropped == {
        "EEG A2-A1": "reference difference",
        "ECG ECG": "ECG",
        "EOG1": "EOG",
        "Fp1-F7": "bipolar derivation",
        "DC01": "auxiliary input",
    }


def test_no_electrode_names_at_all():
    raw = make_raw(names=[f"{n}" for n in range(19)])
    with pytest.raises(RecordingError, match=r"no channel is an electrode.*0, 1, 2.*\(unknown name\).*rename="):
        normalize_raw(raw)
    renamed, report = normalize_raw(raw, rename={str(n): name for n, name in enumerate(NAMES)})
    assert renamed.ch_names == [name.upper() for name in NAMES]
    assert report.renamed["0"] == "FP1"


def test_duplicated_names_are_never_chosen_in_silence(tmp_path):
    names = [*NAMES[:-1], "Fp1"]
    path = write_edf(tmp_path / "twice.edf", make_eeg(names), names)
    raw, report = load_recording(path)
    assert "FP1" not in raw.ch_names
    assert any("several channels claim FP1" in message and "rename" in message for message in report.warnings)
    chosen = load_recording(path, rename={"Fp1-0": "FP1"})
    assert "FP1" in chosen.raw.ch_names


def test_different_references_are_warned_about():
    names = ["C3-A2", "C4-A1", "O1-A2", "O2-A1"]
    with pytest.warns(match="different references"):
        normalize_raw(make_raw(make_eeg(names), names))


def test_a_recording_that_does_not_fit_into_memory_is_refused(tmp_path):
    """A sparse EDF of 200 hours of 64 channels at 5000 Hz: its size is in its header, not on the disk."""
    from edfio import Edf, EdfSignal

    path = tmp_path / "huge.edf"
    signals = [EdfSignal(np.zeros(5000), 5000, label=f"EEG C{n}", physical_range=(-100, 100)) for n in range(64)]
    Edf(signals).write(path)
    header, records = 256 * 65, 200 * 3600
    content = bytearray(path.read_bytes()[:header])
    content[236:244] = str(records).ljust(8).encode()
    with open(path, "wb") as file:
        file.write(content)
        file.truncate(header + records * 64 * 5000 * 2)
    with pytest.raises(
        RecordingError, match=r"200\.0 hours of 64 channels need about .* GB of memory.*piece by piece"
    ):
        load_recording(path)
