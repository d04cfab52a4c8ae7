"""Any recording comes out normalised and reported, or says what is wrong with it, on files written here."""

import gzip
import json
import os
import warnings
from datetime import UTC, datetime
from pathlib import Path

import edfio
import mne
import numpy as np
import pandas as pd
import pytest
import scipy.io
from scipy.signal import welch

from dare_eeg_hf.cli.main import main
from dare_eeg_hf.feature_extraction_dare_eeg import DareEegFeatureExtractor
from dare_eeg_hf.recordings.pieces import PiecewiseNormalizer
from dare_eeg_hf.recordings.recordings import (
    RecordingError,
    RecordingWarning,
    find_recordings,
    load_recording,
    normalize_raw,
    read_raw,
    save_recording,
)

pytestmark = pytest.mark.filterwarnings("ignore::dare_eeg_hf.feature_extraction_dare_eeg.EegWarning")

NAMES = "Fp1 Fp2 F7 F3 Fz F4 F8 T7 C3 Cz C4 T8 P7 P3 Pz P4 P8 O1 O2".split()
RATE = 200


def make_eeg(names=NAMES, seconds=20.0, rate=RATE, seed=0) -> np.ndarray:
    """(channels, samples) in microvolts: sources that spread over the head, alpha at the back, drift, 50 Hz hum."""
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    sources = np.cumsum(random.standard_normal((8, len(time))), axis=1)
    sources -= np.linspace(0, 1, len(time)) * sources[:, -1:]
    mixing = random.uniform(0.2, 1.0, (len(names), 8))
    signal = mixing @ sources
    signal *= 15 / signal.std()
    back = np.array([name.upper().startswith(("O", "P")) for name in names])
    signal[back] += 20 * np.sin(2 * np.pi * 10 * time)
    signal += 3 * random.standard_normal(signal.shape)
    return signal + 8 * np.sin(2 * np.pi * 50 * time)


def make_raw(signal=None, names=NAMES, rate=RATE) -> mne.io.RawArray:
    signal = make_eeg(names, rate=rate) if signal is None else signal
    return mne.io.RawArray(signal * 1e-6, mne.create_info(list(names), rate, "eeg"), verbose="ERROR")


def write_edf(path: Path, signal=None, names=NAMES, rates=RATE, annotations=()) -> Path:
    signal = make_eeg(names) if signal is None else signal
    rates = np.broadcast_to(rates, len(names))
    signals = [
        edfio.EdfSignal(row, rate, label=name, physical_dimension="uV", physical_range=(-5000, 5000))
        for row, name, rate in zip(signal, names, rates, strict=True)
    ]
    notes = [edfio.EdfAnnotation(onset, duration, text) for onset, duration, text in annotations]
    edfio.Edf(signals, annotations=notes, starttime=datetime(2026, 1, 1, 12).time()).write(path)
    return path


@pytest.fixture(scope="module")
def edf(tmp_path_factory) -> Path:
    return write_edf(tmp_path_factory.mktemp("edf") / "good.edf", annotations=[(5.0, 2.0, "T1"), (11.0, 0.0, "T2")])


@pytest.fixture(scope="module")
def recording(edf):
    return load_recording(edf)


# ---- what normalisation gives --------------------------------------------------------------------------------


def test_the_result_fulfils_the_contract(recording):
    raw, report = recording
    assert raw.ch_names == [name.upper() for name in NAMES]
    assert raw.info["sfreq"] == 256
    assert raw.n_times == 20 * 256
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


def test_the_report_is_complete_and_readable(recording, edf):
    report = recording.report
    saved = json.loads(report.to_json())
    assert saved["file"] == str(edf)
    assert saved["format"] == "EDF"
    assert saved["recorded_channels"] == NAMES
    assert saved["sampling_rate"] == RATE
    assert saved["duration"] == 20
    assert len(saved["missing"]) == 62 - 19
    assert 5 < saved["amplitude_uv"]["median"] < 50
    text = str(report)
    for expected in ("EDF", "kept (19)", "notch 50 Hz", "missing (43)", "amplitude after"):
        assert expected in text


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


# ---- bad channels, broken samples, interpolation -------------------------------------------------------------


def test_bad_channels_are_found_named_and_left_out_of_the_reference():
    signal = make_eeg()
    random = np.random.default_rng(1)
    signal[3] = 12.0
    signal[7] *= 30
    signal[12] = 15 * random.standard_normal(signal.shape[1])
    with pytest.warns(match="bad channels left out"):
        raw, report = normalize_raw(make_raw(signal))
    assert report.bad["F3"] == "flat"
    assert report.bad["T7"].startswith("noisy")
    assert report.bad["P7"].startswith("uncorrelated")
    assert set(report.bad) == {"F3", "T7", "P7"}
    assert not set(report.bad) & set(raw.ch_names)
    good = [name for name in NAMES if name.upper() not in report.bad]
    clean = normalize_raw(make_raw(signal).pick(good), bad_channels=[]).raw
    np.testing.assert_allclose(raw.get_data(), clean.get_data(), atol=1e-11)


def test_good_channels_are_not_thrown_away():
    for seed in range(5):
        assert not normalize_raw(make_raw(make_eeg(seed=seed))).report.bad


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


# ---- units, lengths, breaks ----------------------------------------------------------------------------------


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


# ---- channels ------------------------------------------------------------------------------------------------


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


# ---- formats that can be written here ------------------------------------------------------------------------


def write_brainvision(folder: Path) -> Path:
    signal = make_eeg().astype("<f4")
    (folder / "rec.eeg").write_bytes(signal.T.tobytes())
    channels = "\n".join(f"Ch{i}={name},,1,µV" for i, name in enumerate(NAMES, 1))
    (folder / "rec.vhdr").write_text(
        "Brain Vision Data Exchange Header File Version 1.0\n[Common Infos]\nCodepage=UTF-8\nDataFile=rec.eeg\n"
        f"MarkerFile=rec.vmrk\nDataFormat=BINARY\nDataOrientation=MULTIPLEXED\nNumberOfChannels={len(NAMES)}\n"
        f"SamplingInterval={1e6 / RATE}\n[Binary Infos]\nBinaryFormat=IEEE_FLOAT_32\n[Channel Infos]\n{channels}\n",
        encoding="utf-8",
    )
    (folder / "rec.vmrk").write_text(
        "Brain Vision Data Exchange Marker File, Version 1.0\n[Common Infos]\nDataFile=rec.eeg\n[Marker Infos]\n"
        "Mk1=Stimulus,S  1,1001,1,0\n"
    )
    return folder / "rec.vhdr"


def write_eeglab(folder: Path) -> Path:
    chanlocs = np.array([(name,) for name in NAMES], dtype=[("labels", object)])
    fields = {
        "setname": "rec",
        "nbchan": float(len(NAMES)),
        "trials": 1.0,
        "pnts": 4000.0,
        "srate": float(RATE),
        "xmin": 0.0,
        "xmax": 19.995,
        "data": make_eeg().astype(np.float32),
        "chanlocs": chanlocs,
        "event": [],
        "epoch": [],
        "icawinv": [],
        "icaweights": [],
        "icasphere": [],
        "icaact": [],
    }
    scipy.io.savemat(folder / "rec.set", {"EEG": fields}, appendmat=False)
    return folder / "rec.set"


def write_fif(folder: Path) -> Path:
    make_raw().save(folder / "rec_raw.fif", verbose="ERROR")
    return folder / "rec_raw.fif"


def describe(**more) -> dict:
    return {"sampling_rate": RATE, "unit": "uV", "channel_names": NAMES, **more}


def write_table(folder: Path, name: str, sidecar: dict, separator=",", header=True) -> Path:
    frame = pd.DataFrame(make_eeg().T, columns=NAMES)
    frame["marker"] = np.where(np.arange(4000) == 1000, 1, 0)
    frame.to_csv(folder / name, sep=separator, index=False, header=header)
    (folder / f"{name}.json").write_text(json.dumps(sidecar))
    return folder / name


def write_arff(folder: Path) -> Path:
    attributes = "".join(f"@ATTRIBUTE {name} NUMERIC\n" for name in NAMES)
    rows = "\n".join(",".join(f"{value:.4f}" for value in row) + ",0" for row in make_eeg().T)
    (folder / "rec.arff").write_text(f"@RELATION eeg\n\n{attributes}@ATTRIBUTE closed {{0,1}}\n\n@DATA\n{rows}\n")
    (folder / "rec.json").write_text(json.dumps(describe()))
    return folder / "rec.arff"


def write_npz(folder: Path) -> Path:
    np.savez(folder / "rec.npz", data=make_eeg() * 1e-6, other=np.arange(3))
    (folder / "rec.json").write_text(json.dumps(describe(unit="V", variable="data")))
    return folder / "rec.npz"


def write_mat(folder: Path) -> Path:
    scipy.io.savemat(folder / "rec.mat", {"x": make_eeg().T * 1e-3})
    (folder / "rec.mat.json").write_text(json.dumps(describe(unit="mV", axes=["time", "channel"])))
    return folder / "rec.mat"


MARKER = describe(annotations={"marker": {"1": "flash"}})
WRITERS = {
    "EDF": lambda folder: write_edf(folder / "rec.edf"),
    "BrainVision": write_brainvision,
    "EEGLAB": write_eeglab,
    "FIF": write_fif,
    "CSV": lambda folder: write_table(folder, "rec.csv", MARKER),
    "CSV.GZ": lambda folder: write_table(folder, "rec.csv.gz", MARKER),
    "TSV": lambda folder: write_table(folder, "rec.tsv", MARKER, separator="\t"),
    "TXT without header": lambda folder: write_table(folder, "rec.txt", describe(), separator=" ", header=False),
    "ARFF": write_arff,
    "NPZ": write_npz,
    "MAT": write_mat,
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_recording(tmp_path, name):
    folder = tmp_path / "Größe und Maß 脑电"
    folder.mkdir()
    path = WRITERS[name](folder)
    raw = read_raw(path)
    assert raw.ch_names == NAMES
    assert raw.info["sfreq"] == RATE
    np.testing.assert_allclose(raw.get_data() * 1e6, make_eeg(), atol=0.1)
    if name in ("CSV", "CSV.GZ", "TSV", "BrainVision"):
        assert len(raw.annotations) == 1
        assert raw.annotations.onset[0] == pytest.approx(5.0)
    assert find_recordings(folder) == [path]
    assert load_recording(path).raw.n_times == 20 * 256


@pytest.mark.parametrize("companion", ["rec.eeg", "rec.vmrk"])
def test_a_companion_stands_for_its_recording(tmp_path, companion):
    write_brainvision(tmp_path)
    assert read_raw(tmp_path / companion).ch_names == NAMES


def test_epochs_in_fif_become_one_recording_with_breaks(tmp_path):
    epochs = mne.EpochsArray(
        np.stack([make_eeg(seconds=2, seed=i) for i in range(5)]) * 1e-6,
        mne.create_info(NAMES, RATE, "eeg"),
        events=np.column_stack([np.arange(5) * 400, np.zeros(5, int), [1, 2, 1, 2, 2]]),
        event_id={"left": 1, "right": 2},
        tmin=-0.5,
        verbose="ERROR",
    )
    epochs.save(tmp_path / "rec-epo.fif", verbose="ERROR")
    raw, report = load_recording(tmp_path / "rec-epo.fif")
    assert report.pieces == 5
    assert any("holds 5 epochs of 2 s" in message for message in report.warnings)
    trials = [a for a in raw.annotations if a["description"] in ("left", "right")]
    assert [a["description"] for a in trials] == ["left", "right", "left", "right", "right"]
    np.testing.assert_allclose([a["onset"] for a in trials], 0.5 + 2 * np.arange(5), atol=0.01)
    assert sum(a["description"] == "BAD boundary" for a in raw.annotations) == 4


def test_trials_in_mat_become_one_recording_with_labels(tmp_path):
    trials = np.stack([make_eeg(seconds=1, seed=i) for i in range(4)])
    scipy.io.savemat(tmp_path / "rec.mat", {"x": trials.transpose(2, 1, 0), "y": [0, 1, 1, 0]})
    labels = {"variable": "y", "texts": {"0": "left", "1": "right"}}
    sidecar = describe(variable="x", axes=["time", "channel", "trial"], labels=labels)
    raw = read_raw(tmp_path / "rec.mat", sidecar)
    np.testing.assert_allclose(raw.get_data(start=200, stop=400) * 1e6, trials[1])
    texts = [a["description"] for a in raw.annotations if not a["description"].endswith("boundary")]
    assert texts == ["left", "right", "right", "left"]


def test_runs_of_equal_labels_become_annotations(tmp_path):
    frame = pd.DataFrame(make_eeg().T, columns=NAMES).assign(state=[0] * 1500 + [1] * 2000 + [0] * 500)
    frame.to_csv(tmp_path / "state.csv", index=False)
    raw = read_raw(tmp_path / "state.csv", describe(annotations={"state": {"0": "open", "1": "closed"}}))
    assert raw.annotations.description.tolist() == ["open", "closed", "open"]
    np.testing.assert_allclose(raw.annotations.onset, [0, 7.5, 17.5])
    np.testing.assert_allclose(raw.annotations.duration, [7.5, 10, 2.5])


def test_columns_can_be_named_or_numbered(tmp_path):
    pd.DataFrame(make_eeg()[:3].T, columns=["EEG.a", "EEG.b", "EEG.c"]).to_csv(tmp_path / "x.csv", index=False)
    sidecar = {"sampling_rate": RATE, "unit": "uV", "columns": {"O1": "EEG.c", "Cz": 0}}
    raw = read_raw(tmp_path / "x.csv", sidecar)
    assert raw.ch_names == ["O1", "Cz"]
    np.testing.assert_allclose(raw.get_data() * 1e6, make_eeg()[[2, 0]], atol=1e-6)


def test_semicolons_with_decimal_commas(tmp_path):
    frame = pd.DataFrame(make_eeg(seconds=5).T, columns=NAMES)
    frame.to_csv(tmp_path / "x.csv", sep=";", decimal=",", index=False)
    np.testing.assert_allclose(read_raw(tmp_path / "x.csv", describe()).get_data() * 1e6, frame.T, atol=1e-6)


def test_a_table_without_rows(tmp_path):
    (tmp_path / "x.csv").write_text(",".join(NAMES) + "\n")
    with pytest.raises(RecordingError, match=r"x\.csv: holds no samples"):
        load_recording(tmp_path / "x.csv", sidecar=describe())


SIDECAR_ERRORS = {
    "none": (None, "needs a sidecar"),
    "no rate": ({"unit": "uV", "channel_names": NAMES}, "lacks sampling_rate"),
    "no unit": ({"sampling_rate": 200, "channel_names": NAMES}, "lacks unit"),
    "unknown unit": (describe(unit="apples"), "unknown unit 'apples'"),
    "unknown entry": (describe(electrodes=[]), "unknown entries electrodes"),
    "no names": ({"sampling_rate": 200, "unit": "uV"}, "must name the electrodes"),
    "no such column": (describe(channel_names=["Cz", "Iz"]), "no column 'Iz'"),
    "no numbers": (describe(channel_names=["text"]), "does not hold numbers"),
    "no such marker": (describe(annotations={"trigger": {}}), "no column 'trigger'"),
}


@pytest.mark.parametrize("case", SIDECAR_ERRORS)
def test_a_sidecar_that_does_not_fit(tmp_path, case):
    sidecar, message = SIDECAR_ERRORS[case]
    frame = pd.DataFrame(make_eeg(seconds=1).T, columns=NAMES).assign(text="abc")
    frame.to_csv(tmp_path / "x.csv", index=False)
    with pytest.raises(RecordingError, match=message) as error:
        read_raw(tmp_path / "x.csv", sidecar)
    assert "x.csv" in str(error.value)


def test_a_sidecar_of_the_folder_serves_all_its_tables(tmp_path):
    for name in ("a.csv", "b.csv"):
        pd.DataFrame(make_eeg(seconds=5).T, columns=NAMES).to_csv(tmp_path / name, index=False)
    assert find_recordings(tmp_path) == []
    (tmp_path / "recordings.json").write_text(json.dumps(describe()))
    assert [path.name for path in find_recordings(tmp_path)] == ["a.csv", "b.csv"]
    (tmp_path / "recordings.json").rename(tmp_path / "described.json")
    assert main(["inspect", str(tmp_path), "--sidecar", str(tmp_path / "described.json")]) == 0
    (tmp_path / "described.json").rename(tmp_path / "recordings.json")
    assert read_raw(tmp_path / "b.csv").ch_names == NAMES


def test_arrays_that_hold_pickled_objects_are_refused(tmp_path):
    np.savez(tmp_path / "x.npz", data=np.array([{"a": 1}, {}], dtype=object))
    with pytest.raises(RecordingError, match="allow_pickle"):
        read_raw(tmp_path / "x.npz", describe())


def test_a_uci_trial(tmp_path):
    signal = make_eeg(seconds=256 / RATE)
    lines = ["# co2a0000364.rd", "# 120 trials, 64 chans, 416 samples 368 post_stim samples", "# 3.906000 msecs uV"]
    lines += ["# S1 obj , trial 0"]
    for index, (name, row) in enumerate(zip(NAMES, signal, strict=True)):
        lines += [f"# {name.upper()} chan {index}", *(f"0 {name.upper()} {i} {v:.3f}" for i, v in enumerate(row))]
    path = tmp_path / "co2a0000364.rd.000.gz"
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    raw = read_raw(path)
    assert raw.info["sfreq"] == 256
    assert raw.annotations.description.tolist() == ["S1 obj"]
    np.testing.assert_allclose(raw.get_data() * 1e6, signal, atol=1e-3)
    assert find_recordings(tmp_path) == [path]


# ---- files that are not what they should be ------------------------------------------------------------------


def spoil(edf: Path, path: Path, how: str) -> Path:
    data = edf.read_bytes()
    content = {
        "empty": b"",
        "zeros": bytes(4096),
        "HTML": b"\n<!DOCTYPE html><html><body>404 not found</body></html>",
        "LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        "annex pointer": b"/annex/objects/MD5E-s1--0.edf\n",
        "header only": data[: 256 * 21],
        "half a header": data[:700],
        "LF to CRLF": data.replace(b"\n", b"\r\n"),
        "text": b"this is no recording at all",
        "no digits": data[:252] + b"abcd" + data[256:],
    }
    path.write_bytes(content[how])
    return path


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("empty", "is empty"),
        ("zeros", "nothing but zero bytes"),
        ("HTML", "is a web page"),
        ("LFS pointer", "git lfs pull"),
        ("annex pointer", "datalad get"),
        ("header only", "no complete record"),
        ("half a header", "header is damaged"),
        ("LF to CRLF", "line-ending conversion"),
        ("text", "does not begin like EDF"),
        ("no digits", "header is damaged"),
    ],
)
def test_what_is_no_recording_says_what_it_is(edf, tmp_path, how, message):
    path = spoil(edf, tmp_path / "x.edf", how)
    with pytest.raises(RecordingError, match=message) as error:
        load_recording(path)
    assert str(path) in str(error.value)


def test_a_truncated_file_is_read_as_far_as_it_goes(edf, tmp_path):
    path = tmp_path / "cut.edf"
    path.write_bytes(edf.read_bytes()[: int(edf.stat().st_size * 0.7)])
    raw, report = load_recording(path)
    missing = [message for message in report.warnings if "truncated" in message]
    assert len(missing) == 1
    assert "of 20 records are missing" in missing[0]
    assert 12 < raw.times[-1] < 14.1


def test_a_wrong_extension_does_not_matter(edf, tmp_path):
    for name in ("x.bdf", "x.dat", "x"):
        path = tmp_path / name
        path.write_bytes(edf.read_bytes())
        raw, report = load_recording(path)
        assert report.format == "EDF"
        assert any("is a EDF file by its content" in message for message in report.warnings) or name == "x.edf"
        assert raw.n_times == 20 * 256


def test_annotations_without_signals(tmp_path):
    path = tmp_path / "stages.edf"
    edfio.Edf([], annotations=[edfio.EdfAnnotation(0, 30, "Sleep stage W")]).write(path)
    with pytest.raises(RecordingError, match="no signals, only annotations"):
        load_recording(path)


def test_channels_at_different_rates(tmp_path):
    names = [*NAMES, "SaO2", "Pz2"]
    signal = [*make_eeg(), np.full(20, 98.0), np.zeros(20 * 512)]
    path = write_edf(tmp_path / "mixed.edf", signal, names, [RATE] * 19 + [1, 512])
    raw, report = load_recording(path)
    assert report.sampling_rate == RATE
    assert raw.n_times == 20 * 256
    assert any("different rates" in message and "SaO2 (1 Hz)" in message for message in report.warnings)


def test_permission(edf, tmp_path):
    path = tmp_path / "secret.edf"
    path.write_bytes(edf.read_bytes())
    path.chmod(0)
    root = os.geteuid() == 0
    if root:  # who may read everything: be nobody for a moment
        for folder in (tmp_path, *tmp_path.parents[:2]):
            folder.chmod(0o755)
        os.seteuid(65534)
    try:
        with pytest.raises(RecordingError, match="no permission"):
            load_recording(path)
    finally:
        if root:
            os.seteuid(0)


def test_loops_links_and_pipes_end(edf, tmp_path):
    (tmp_path / "loop.edf").symlink_to(tmp_path / "loop.edf")
    (tmp_path / "gone.edf").symlink_to(tmp_path / "nowhere.edf")
    os.mkfifo(tmp_path / "pipe.edf")
    for name, message in {
        "loop.edf": "loop of symbolic links",
        "gone.edf": "link to a file that is not there",
        "pipe.edf": "not a regular file",
        "absent.edf": "does not exist",
    }.items():
        with pytest.raises(RecordingError, match=message):
            load_recording(tmp_path / name)
    with pytest.raises(RecordingError, match="is a folder"):
        load_recording(tmp_path)


def test_finding_ends_in_a_folder_that_contains_itself(edf, tmp_path):
    inside = tmp_path / "sub" / "deep"
    inside.mkdir(parents=True)
    (inside / "rec.edf").write_bytes(edf.read_bytes())
    (inside / "again").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "notes.txt").write_text("no recording")
    assert find_recordings(tmp_path) == [inside / "rec.edf"]


def test_damage_inside_the_data_is_named(tmp_path):
    path = write_fif(tmp_path)
    raw = read_raw(path)
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(RecordingError, match=r"rec_raw.fif: its data cannot be read from .* the file is damaged"):
        normalize_raw(raw)
    with pytest.raises(RecordingError, match=r"rec_raw.fif"):
        load_recording(path)


def test_a_missing_companion_is_named(tmp_path):
    path = write_brainvision(tmp_path)
    (tmp_path / "rec.eeg").unlink()
    with pytest.raises(RecordingError, match=r"rec\.eeg"):
        read_raw(path)


def test_unknown_formats_list_the_known_ones(tmp_path):
    (tmp_path / "x.docx").write_bytes(b"PK\x03\x04 something")
    with pytest.raises(RecordingError, match="Formats that can be read: EDF, BDF"):
        read_raw(tmp_path / "x.docx")


# ---- BIDS ----------------------------------------------------------------------------------------------------


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


# ---- saving and the command ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["x_raw.fif", "x.edf"])
def test_a_normalised_recording_can_be_saved_and_read_again(recording, tmp_path, name):
    path = save_recording(recording.raw, tmp_path / "new" / name)
    again = read_raw(path)
    assert again.ch_names == recording.raw.ch_names
    np.testing.assert_allclose(again.get_data(), recording.raw.get_data(), atol=2e-8)
    assert again.annotations.description.tolist() == ["T1", "T2"]
    assert [part.name for part in path.parent.iterdir()] == [name]


def test_saving_elsewhere_is_refused(recording, tmp_path):
    with pytest.raises(RecordingError, match=r"\.fif or \.edf"):
        save_recording(recording.raw, tmp_path / "x.pkl")


def test_a_saved_fif_is_not_filtered_again_under_the_same_contract(recording, tmp_path):
    path = save_recording(recording.raw, tmp_path / "x_raw.fif")
    again, report = load_recording(path)
    assert report.steps == ["not filtered", "average reference over 19 channels"]
    np.testing.assert_allclose(again.get_data(), recording.raw.get_data(), atol=1e-11)
    assert "not filtered" in DareEegFeatureExtractor()(read_raw(path)).reports[0].steps
    narrower = DareEegFeatureExtractor(lowpass=40.0)
    assert "low-pass 40 Hz" in load_recording(path, narrower).report.steps
    assert "low-pass 40 Hz" in narrower(read_raw(path)).reports[0].steps


def test_warnings_of_reading_are_in_the_report_and_not_printed(edf, tmp_path):
    path = tmp_path / "x.bdf"
    path.write_bytes(edf.read_bytes())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_recording(path).report.warnings
    with pytest.warns(RecordingWarning, match="by its content"):
        read_raw(path)


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
