"""Every real recording in the shared folder opens and comes out physiological, or gives the reason why it cannot."""

import shutil
import warnings
from pathlib import Path

import mne
import numpy as np
import pytest
from scipy.signal import welch

from dare_eeg_hf.recordings.recordings import RecordingError, find_recordings, load_recording, read_raw

EMOTIV = "AF3 F7 F3 FC5 T7 P7 O1 O2 P8 T8 FC6 F4 F8 AF4".split()
SIDECARS = {
    "guinea-bissau-epilepsy": {"sampling_rate": 128, "unit": "uV", "channel_names": EMOTIV},
    "muse N170": {
        "sampling_rate": 256,
        "unit": "uV",
        "channel_names": ["TP9", "AF7", "AF8", "TP10"],
        "annotations": {"Marker0": {"1": "house", "2": "face"}},
    },
    "muse P300": {
        "sampling_rate": 256,
        "unit": "uV",
        "channel_names": ["TP9", "AF7", "AF8", "TP10"],
        "annotations": {"Marker": {"1": "non-target", "2": "target"}},
    },
    "eye state": {
        "sampling_rate": 128,
        "unit": "uV",
        "channel_names": EMOTIV,
        "annotations": {"eyeDetection": {"0": "open", "1": "closed"}},
    },
    "finger tapping": {
        "sampling_rate": 100,
        "unit": "uV",
        "channel_names": (
            "F3 F1 Fz F2 F4 FC5 FC3 FC1 FCz FC2 FC4 FC6 C5 C3 C1 Cz C2 C4 C6 CP5 CP3 CP1 CPz CP2 CP4 CP6 O1 O2"
        ).split(),
        "variable": "x_train",
        "axes": ["time", "channel", "trial"],
        "labels": {"variable": "y_train", "texts": {"0": "left", "1": "right"}},
    },
}

# File of formats/ -> (format, rate in the file, channels kept after normalisation).
READABLE = {
    "eeglab_test.edf": ("EDF", 256, 16),
    "eeglab_onefile/sub-S1_ses-01_task-Experiment_run-01_eeg.set": ("EEGLAB", 256, 15),
    "brainvision_dat/testbva.vhdr": ("BrainVision", 200, 27),
    "eeglab_pair/test_raw_chanloc.set": ("EEGLAB", 128, 58),
    "test_edf_overlapping_annotations.edf": ("EDF", 128, 60),
    "subsecond_starttime.edf": ("EDF", 512, 3),
    "chtypes_edf.edf": ("EDF", 200, 19),
    "test_bdf_stim_channel.bdf": ("BDF", 500, 3),
    "bv_dig_raw.fif": ("FIF", 5000, 58),
    "n400_subject04-epo.fif": ("FIF", 50, 32),
    "nihon_kohden/MB0400FU.EEG": ("Nihon Kohden", 200, 19),
    "persyst/sub-pt1_ses-02_task-monitor_acq-ecog_run-01_clip2.lay": ("Persyst", 200, 19),
    "pyedflib_test_utf8.edf": ("EDF", 128, 1),
}
# File of formats/ -> what the message must say.
UNREADABLE = {
    "SC4001EC-Hypnogram.edf": "holds no signals, only annotations",
    "eeglab_test.bdf": r"no channel is an electrode.*A1, A2.*\(socket of a numbered grid",
    "test_reduced.edf": "socket of a numbered grid",
    # MNE before 1.13 reads the averages as if they were a recording; its sockets are no electrodes then.
    "egi_mff/testmff.mff": "holds segments or averages rather than a continuous recording|socket of a numbered grid",
    "eeglab_hdf5/test_raw_h5.set": r"test_raw\.fdt",
    "eeglab_2021/test_raw_2021.set": r"EEG 000, EEG 001, EEG 002 \(unknown name\)",
    "test_utf8_annotations.edf": r"squarewave, .* \(unknown name\)",
    "test_1ch.gdf": r"no channel is an electrode.*ECG \(ECG\)",
    "brainvision_eeg/test_NO.vhdr": r"1, 2, 3.*and 51 more \(unknown name\); EMGright, EMGleft \(EMG\).*rename=",
    "test_CNT_events_mne_JWoess_clipped.cnt": "'data_format': 'int32'.*'data_format': 'int16'",
    "pyedflib_datarecord_2s.bdf": r"sine 2.5Hz, .* \(unknown name\)",
}


def load(path: Path, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # whatever there is to say belongs into the report
        return load_recording(path, **options)


def check_physiological(recording, low=1.0, high=150.0) -> None:
    report = recording.report
    data = recording.raw.get_data()
    assert np.isfinite(data).all()
    assert recording.raw.info["sfreq"] == 256
    assert low < report.amplitude_after_uv["median"] < high, str(report)
    assert (np.abs(data.mean(axis=1)) < 0.6 * data.std(axis=1)).all()


def test_the_two_lists_cover_the_folder(shared):
    formats = shared("data/formats")
    found = {path.relative_to(formats).as_posix() for path in find_recordings(formats)}
    assert found == set(READABLE) | set(UNREADABLE)


@pytest.mark.parametrize("name", READABLE)
def test_a_readable_file(shared, name):
    expected_format, rate, channels = READABLE[name]
    recording = load(shared(f"data/formats/{name}"))
    raw, report = recording
    assert (report.format, report.sampling_rate, len(raw.ch_names)) == (expected_format, rate, channels)
    assert raw.n_times == pytest.approx(report.duration * 256, abs=report.pieces)
    assert len(report.recorded_channels) == channels + len(report.dropped) + len(report.bad)
    # Two of EEGLAB's files hold rounded steps rather than EEG; their spread after the high-pass is below 1 uV.
    check_physiological(recording, low=0.4)


@pytest.mark.parametrize("name", UNREADABLE)
def test_an_unusable_file_gives_its_reason(shared, name):
    path = shared(f"data/formats/{name}")
    with pytest.raises(RecordingError, match=UNREADABLE[name]) as error:
        load(path)
    assert str(path) in str(error.value)


def test_cnt_with_the_sample_format_named(shared):
    path = shared("data/formats/test_CNT_events_mne_JWoess_clipped.cnt")
    raw, report = load(path, reader_options={"data_format": "int32"})
    assert report.recorded_channels == ["F8", "FCz"]
    assert len(raw.annotations) == 12
    assert 5 < report.amplitude_uv["median"] < 200


def test_hdf5_set_with_its_data_file(shared, tmp_path):
    shutil.copyfile(shared("data/formats/eeglab_hdf5/test_raw_h5.set"), tmp_path / "test_raw_h5.set")
    shutil.copyfile(shared("data/eeglab-visual-attention/eeglab_data.fdt"), tmp_path / "test_raw.fdt")
    names = mne.io.read_raw_eeglab(shared("data/eeglab-visual-attention/eeglab_data.set")).ch_names
    recording = load(tmp_path / "test_raw_h5.set", rename={f"EEG {i:03d}": name for i, name in enumerate(names)})
    assert len(recording.raw.ch_names) == 30
    check_physiological(recording)


def test_annotations_in_chinese(shared):
    raw = read_raw(shared("data/formats/pyedflib_test_utf8.edf"))
    assert any("\u4e00" <= letter <= "\u9fff" for text in raw.annotations.description for letter in text)


def test_grid_names_are_usable_once_the_user_names_electrodes(shared):
    path = shared("data/formats/eeglab_test.bdf")
    recording = load(path, rename={"A1": "Fp1", "A2": "Fp2", "A3": "F3", "A4": "F4"})
    assert recording.raw.ch_names == ["FP1", "FP2", "F3", "F4"]
    assert recording.report.line_frequency == 50


def posterior_alpha(raw: mne.io.BaseRaw) -> float:
    """Power of 8 to 12 Hz over O1, Oz and O2."""
    frequency, power = welch(raw.get_data(["O1", "OZ", "O2"]), raw.info["sfreq"], nperseg=512)
    return float(power[:, (frequency >= 8) & (frequency <= 12)].sum())


@pytest.mark.parametrize("subject", ["S001", "S002", "S003", "S004"])
def test_alpha_is_stronger_with_eyes_closed(shared, subject):
    folder = shared(f"data/eegmmidb/{subject}")
    opened, closed = (load(sorted(folder.glob(f"*R0{run}*.edf"))[0]) for run in (1, 2))
    for recording in (opened, closed):
        check_physiological(recording, low=5, high=50)
        assert set(recording.report.dropped) == {"Afz.", "T9..", "T10.", "Iz.."}
        assert len(recording.raw.ch_names) + len(recording.report.bad) == 60
        assert len(recording.report.bad) <= 2
    assert posterior_alpha(closed.raw) > 2 * posterior_alpha(opened.raw)


def test_annotations_of_the_movement_runs_arrive_in_time(shared):
    path = shared("data/eegmmidb/S001/S001R03.edf")
    before, after = mne.read_annotations(path), load(path).raw.annotations
    # The file ends in half a second of zeros.
    assert after.description.tolist() == [*before.description.tolist(), "BAD_no_signal: one held value"]
    after = after[: len(before)]
    np.testing.assert_allclose(after.onset, before.onset, atol=1 / 256)


@pytest.mark.parametrize("number", range(0, 32, 3))
def test_mental_arithmetic(shared, number):
    paths = sorted(shared("data/eegmat").glob(f"Subject{number:02d}_2*.edf"))
    recording = load(paths[0])
    check_physiological(recording, low=2, high=30)
    assert len(recording.raw.ch_names) + len(recording.report.bad) == 19
    assert recording.report.dropped == {"EEG A2-A1": "reference difference", "ECG ECG": "ECG"}
    assert recording.report.renamed["EEG T3"] == "T7"


def test_guinea_bissau(shared):
    files = sorted(shared("data/guinea-bissau-epilepsy/EEGs_Guinea-Bissau").glob("*.csv.gz"))
    for path in files[::7]:
        recording = load(path, sidecar=SIDECARS["guinea-bissau-epilepsy"])
        check_physiological(recording, low=5)
        assert 200 < recording.report.duration < 400
        assert len(recording.raw.ch_names) + len(recording.report.bad) == 14


@pytest.mark.parametrize("kind", ["N170", "P300"])
def test_muse(shared, kind):
    (path,) = shared(f"data/muse-erp/visual/{kind}").rglob("*.csv")
    recording = load(path, sidecar=SIDECARS[f"muse {kind}"])
    check_physiological(recording, low=2)
    assert recording.raw.ch_names == ["AF7", "AF8"]
    assert set(recording.report.dropped) == {"TP9", "TP10"}
    assert len(recording.raw.annotations) > 100
    assert any("and there are 2: the recorded reference stays" in message for message in recording.report.warnings)


def test_eye_state_with_its_broken_samples(shared):
    recording = load(shared("data/uci-eeg-eye-state/EEG Eye State.arff"), sidecar=SIDECARS["eye state"])
    check_physiological(recording)
    assert sum(recording.report.repaired.values()) < 60
    texts = recording.raw.annotations.description.tolist()
    assert texts.count("open") == texts.count("closed") == 12
    assert "BAD_repaired" in texts


def test_uci_trials(shared):
    folders = sorted(path for path in shared("data/uci-eeg-alcoholism/SMNI_CMI_TRAIN").iterdir() if path.is_dir())
    for folder in folders:
        recording = load(find_recordings(folder)[0])
        check_physiological(recording, low=1)
        assert recording.report.format == "UCI trial"
        assert set(recording.report.dropped) == {"X", "Y", "nd", "AFZ"}
        assert recording.report.renamed["AF1"] == "AF3"
        assert recording.raw.annotations.description[0] in ("S1 obj", "S2 match", "S2 nomatch")


def test_finger_tapping(shared):
    path = shared("data/bci-competition-2-iv/sp1s_aa.mat")
    recording = load(path, sidecar=SIDECARS["finger tapping"])
    assert recording.report.pieces == 316
    texts = recording.raw.annotations.description.tolist()
    assert (texts.count("left"), texts.count("right")) == (159, 157)
    check_physiological(recording)


def test_visual_attention(shared):
    recording = load(shared("data/eeglab-visual-attention/eeglab_data.set"))
    check_physiological(recording, low=5)
    assert set(recording.report.dropped) == {"EOG1", "EOG2"}
    assert len(recording.raw.annotations) == 154


# ---- all of them, against what was read before ---------------------------------------------------------------

TABLES = {
    "bci-competition-2-iv": ("*.mat", SIDECARS["finger tapping"]),
    "bcic-2b-imagery": (
        "*.npz",
        {
            "sampling_rate": 250,
            "unit": "nV",  # steps of 0.4 nV
            "channel_names": ["C3", "Cz", "C4"],
            "variable": "eeg",
            "axes": ["trial", "channel", "time"],
        },
    ),
    "guinea-bissau-epilepsy": ("EEGs*/*.csv.gz", SIDECARS["guinea-bissau-epilepsy"]),
    "muse-erp": (
        "visual/**/*.csv",
        {"sampling_rate": 256, "unit": "uV", "channel_names": ["TP9", "AF7", "AF8", "TP10"]},
    ),
    "uci-eeg-eye-state": ("*.arff", SIDECARS["eye state"]),
}

# Folder -> what all its recordings gave together, read in November 2026: recordings, those refused, rates in the
# files, seconds, uninterrupted pieces, channels kept, annotations of the file, sum of their onsets in seconds,
# and the amplitude in microvolts after normalisation (geometric mean over recordings of the median over channels).
# Since then stretches of absurd values no longer count in the amplitude nor against a channel, which concerns the two
# Guinea-Bissau folders and the eye states, the epochs among the formats keep their times to the sample, and recordings
# with up to four channels their reference.
BEFORE = {
    "bci-competition-2-iv": (1, 0, [100.0], 158.0, 316, 28, 316, 24885.0, 5.71),
    "bcic-2b-imagery": (10, 0, [250.0], 4800.0, 1200, 30, 1200, 285600.0, 3.945),
    "eeglab-visual-attention": (1, 0, [128.0], 238.31, 1, 30, 154, 18181.78, 12.01),
    "eegmat": (64, 0, [250.0, 500.0], 7700.0, 64, 1216, 4, 0.0, 6.648),
    "eegmmidb": (20, 0, [160.0], 1987.0, 20, 1197, 368, 21672.0, 23.18),
    "formats": (24, 11, [50.0, 128.0, 200.0, 256.0, 500.0, 512.0, 5000.0], 1249.8, 212, 330, 335, 28946.59, 7.598),
    "guinea-bissau-epilepsy": (22, 0, [128.0], 6680.0, 22, 308, 0, 0.0, 27.97),
    "guinea-bissau-epilepsy-more": (50, 0, [128.0], 15546.0, 50, 692, 0, 0.0, 55.24),
    "muse-cueing": (48, 0, [256.0], 11472.0, 48, 96, 2971, 522898.18, 18.84),
    "muse-erp": (2, 0, [256.0], 240.09, 2, 4, 0, 0.0, 18.07),
    "ssvep-exoskeleton": (21, 0, [256.0], 6079.0, 21, 168, 672, 98458.37, 3.606),
    "uci-eeg-alcoholism": (180, 0, [256.0], 180.0, 180, 10756, 180, 0.0, 4.2),
    "uci-eeg-eye-state": (1, 0, [128.0], 117.03, 1, 14, 24, 1307.74, 18.88),
}


def describe_folder(folder: Path) -> tuple:
    pattern, sidecar = TABLES.get(folder.name, (None, None))
    paths = sorted(folder.glob(pattern)) if pattern else find_recordings(folder)
    refused, rates, seconds, pieces, channels, onsets, amplitudes = 0, set(), 0.0, 0, 0, [], []
    for path in paths:
        try:
            raw, report = load_recording(path, sidecar=sidecar)
        except RecordingError:
            refused += 1
            continue
        rates.add(report.sampling_rate)
        seconds += report.duration
        pieces += report.pieces
        channels += len(raw.ch_names)
        events = raw.annotations
        own = [not text.lower().startswith(("bad", "edge")) for text in events.description]
        onsets += list(events.onset[own] - raw.first_time)
        amplitudes.append(report.amplitude_after_uv["median"])
    amplitude = float(np.exp(np.mean(np.log(amplitudes))))
    return len(paths), refused, sorted(rates), seconds, pieces, channels, len(onsets), float(sum(onsets)), amplitude


@pytest.mark.parametrize("name", BEFORE)
def test_every_recording_is_read_as_before(shared, name):
    found = describe_folder(shared(f"data/{name}"))
    counts = [0, 1, 2, 4, 5, 6]
    assert [found[i] for i in counts] == [BEFORE[name][i] for i in counts]
    assert found[3] == pytest.approx(BEFORE[name][3], abs=0.01)
    assert found[7] == pytest.approx(BEFORE[name][7], abs=0.01 * max(1, found[6]))
    assert found[8] == pytest.approx(BEFORE[name][8], rel=0.01)


def test_no_folder_is_forgotten(shared):
    assert set(BEFORE) == {path.name for path in shared("data").iterdir() if path.is_dir()}
