"""Formats of which no real file is at hand, on files written as their makers describe them."""

import re
from pathlib import Path

import numpy as np
import pytest

from dare_eeg_hf.recordings.formats import FORMATS, UNTRIED, detect_format, main_file
from dare_eeg_hf.recordings.recordings import RecordingError, find_recordings, load_recording, read_raw
from tests.recordings.written_recordings import NAMES, RATE, make_eeg

pytestmark = pytest.mark.filterwarnings("ignore::dare_eeg_hf.feature_extraction_dare_eeg.EegWarning")
SIGNAL = make_eeg()
STEP = 0.1
NSX = FORMATS["Blackrock NSx"].extensions
COUNTS = np.rint(SIGNAL / STEP).astype(np.int16)


def write_bci2000(folder: Path) -> Path:
    """BCI2000 1.1: parameters, the state StimulusCode in the last byte of each sample, int16."""
    names = " ".join(NAMES)
    count, gains = len(NAMES), " ".join([f"{STEP}muV"] * len(NAMES))
    text = (
        f"BCI2000V= 1.1 HeaderLen= 00000 SourceCh= {count} StatevectorLen= 1 DataFormat= int16\r\n"
        "[ State Vector Definition ]\r\nStimulusCode 8 0 0 0\r\n[ Parameter Definition ]\r\n"
        f"Source:Signal int SamplingRate= {RATE}Hz 256Hz 1 % // rate\r\n"
        f"Source:Signal floatlist SourceChGain= {count} {gains} 0.033 % % // gains\r\n"
        f"Source:Signal list SourceChOffset= {count} {' '.join(['0'] * count)} 0 % % // offsets\r\n"
        f"Source:Signal list ChannelNames= {count} {names} % % % // names\r\n\r\n"
    )
    head = text.replace("HeaderLen= 00000", f"HeaderLen= {len(text):05d}").encode()
    states = np.zeros((COUNTS.shape[1], 1), np.uint8)
    states[400:600] = 7
    (folder / "S001R01.dat").write_bytes(head + np.c_[COUNTS.T.copy().view(np.uint8), states].tobytes())
    return folder / "S001R01.dat"


def write_nicolet(folder: Path) -> Path:
    """Nicolet as of the EPILEPSIAE data base: int16 by sample, and a text of what it is."""
    header = {"start_ts": "2026-01-02 03:04:05.000", "num_samples": COUNTS.shape[1], "sample_freq": RATE,
              "conversion_factor": STEP, "num_channels": len(NAMES), "elec_names": f"[{','.join(NAMES)}]",
              "pat_id": 1, "adm_id": 1, "rec_id": 1, "duration_in_sec": 20}  # fmt: skip
    (folder / "x.head").write_text("".join(f"{key}={value}\n" for key, value in header.items()))
    (folder / "x.data").write_bytes(COUNTS.T.tobytes())
    return folder / "x.data"


def write_egi_raw(folder: Path) -> Path:
    """EGI's simple binary, version 4 (float32, continuous, big endian), with one event."""
    signal = np.r_[np.zeros((19, SIGNAL.shape[1])), SIGNAL[:1]] * 0
    signal[:19] = SIGNAL
    event = np.zeros((1, SIGNAL.shape[1]))
    event[0, 800] = 1
    head = np.array([4], ">i4").tobytes() + np.array([2026, 1, 2, 3, 4, 5], ">i2").tobytes()
    head += np.array([0], ">i4").tobytes() + np.array([RATE, 19, 1, 0, 0], ">i2").tobytes()
    head += np.array([SIGNAL.shape[1]], ">i4").tobytes() + np.array([1], ">i2").tobytes() + b"face"
    (folder / "x.raw").write_bytes(head + np.r_[SIGNAL, event].T.astype(">f4").tobytes())
    return folder / "x.raw"


def write_eximia(folder: Path) -> Path:
    """Nexstim eXimia: 64 channels of int16 at 1450 Hz, the last 60 of them electrodes, in fixed steps."""
    samples = 4 * 1450
    microvolts = np.random.default_rng(0).normal(0, 20, (64, samples))
    (folder / "x.nxe").write_bytes(np.rint(microvolts / 0.0763).astype("<i2").T.tobytes())
    return folder / "x.nxe"


def write_nedf(folder: Path) -> Path:
    """Neuroelectrics NEDF 1.4: XML in 10,240 bytes, 24-bit samples in steps of 2.4 V / 6 / 2**23, triggers."""
    count, samples = SIGNAL.shape
    names = "".join(f"<Channel{number}>{name}</Channel{number}>" for number, name in enumerate(NAMES, start=1))
    header = (
        "<nedf><NEDFversion>1.4</NEDFversion><NumberOfChannelsOfAccelerometer>3</NumberOfChannelsOfAccelerometer>"
        f"<EEGSettings><TotalNumberOfChannels>{count}</TotalNumberOfChannels><EEGSamplingRate>{RATE}</EEGSamplingRate>"
        f"<NumberOfRecordsOfEEG>{samples}</NumberOfRecordsOfEEG><EEGMontage>{names}</EEGMontage></EEGSettings>"
        "<StepDetails><StartDate_firstEEGTimestamp>1767323045000</StartDate_firstEEGTimestamp></StepDetails></nedf>"
    )
    steps = np.rint(SIGNAL.T * 1e-6 * 6 * 8388607 / 2.4).astype(">i4")
    blocks = np.zeros(samples // 5, [("acc", ">u2", 3), ("data", [("eeg", "u1", (count, 3)), ("trig", ">i4")], 5)])
    blocks["data"]["eeg"] = steps[..., None].view("u1")[..., 1:].reshape(-1, 5, count, 3)
    blocks["data"]["trig"][200, 0] = 1
    (folder / "x.nedf").write_bytes(header.encode().ljust(10240, b"\0") + blocks.tobytes())
    return folder / "x.nedf"


@pytest.mark.parametrize("write", [write_bci2000, write_nicolet])
def test_signal_and_names_are_those_that_were_written(tmp_path, write):
    file = write(tmp_path)
    (tmp_path / "notes.dat").write_bytes(b"this is no recording")
    (tmp_path / "table.data").write_text("1,2,3\n")
    assert find_recordings(tmp_path) == [file]
    raw = read_raw(file, preload=True)
    eeg = raw.copy().pick("eeg")
    assert eeg.ch_names == NAMES
    assert raw.info["sfreq"] == RATE
    np.testing.assert_allclose(eeg.get_data() * 1e6, COUNTS * STEP, atol=STEP)
    assert load_recording(file).report.channels == [name.upper() for name in NAMES]


def test_states_of_bci2000_are_a_trigger_channel(tmp_path):
    raw = read_raw(write_bci2000(tmp_path), preload=True)
    codes = raw.get_data("stim")[0]
    assert set(codes) == {0, 7}
    assert np.flatnonzero(codes)[0] == 400


def test_a_bci2000_file_without_gains_is_refused(tmp_path):
    file = write_bci2000(tmp_path)
    file.write_bytes(file.read_bytes().replace(b"SourceChGain", b"SourceChGone"))
    with pytest.raises(RecordingError, match="its parameter SourceChGain has 0 values for 19 channels"):
        read_raw(file)


def test_egi_simple_binary_has_the_sensors_of_its_net(tmp_path):
    file = write_egi_raw(tmp_path)
    (tmp_path / "photo.raw").write_bytes(b"\xff\xd8 a picture")
    assert find_recordings(tmp_path) == [file]
    raw = read_raw(file)
    assert raw.ch_names[:2] == ["E1", "E2"]
    np.testing.assert_allclose(raw.get_data(raw.ch_names[:19]) * 1e6, SIGNAL, atol=1e-3)
    assert raw.annotations.description.tolist() == ["face"]
    assert raw.annotations.onset.tolist() == [4.0]


def test_eximia_opens_with_its_electrodes_and_asks_for_the_unit(tmp_path):
    """MNE gives its microvolts as volts, and the amplitude shows it."""
    file = write_eximia(tmp_path)
    with pytest.raises(RecordingError, match="pass unit='uV'"):
        load_recording(file)
    normal, report = load_recording(file, unit="uV")
    assert report.format == "Nexstim eXimia"
    assert {"FP1", "CZ", "OZ"} <= set(normal.ch_names)


def test_nedf_is_read_in_volts(tmp_path):
    file = write_nedf(tmp_path)
    raw = read_raw(file)
    assert raw.ch_names == [*NAMES, "STI 014"]
    np.testing.assert_allclose(raw.get_data("eeg") * 1e6, SIGNAL, atol=0.1)
    assert np.flatnonzero(raw.get_data("stim")[0]).tolist() == [1000]
    assert load_recording(file).report.format == "Neuroelectrics NEDF"


@pytest.mark.parametrize("name", [name for name, each in FORMATS.items() if each.needs])
def test_a_format_whose_package_is_missing_says_which(tmp_path, monkeypatch, name):
    needs, extension = FORMATS[name].needs, FORMATS[name].extensions[0]
    monkeypatch.setattr("dare_eeg_hf.recordings.readers.find_spec", lambda package: None)
    path = tmp_path / f"x{extension}"
    signature = {"ANT CNT": b"RIFF", "XDF": b"XDF:"}.get(name, b"\x01")
    if name == "MEF3":
        path.mkdir()
    else:
        path.write_bytes(signature * 200)
    with pytest.raises(RecordingError, match=f"{name} recordings need the package {needs}: pip install {needs}$"):
        read_raw(path)


def test_a_recording_that_is_a_folder_is_found_as_one_and_opened_by_any_of_its_files(tmp_path):
    neuralynx, mef = tmp_path / "day1" / "session", tmp_path / "rec.mefd"
    neuralynx.mkdir(parents=True)
    (mef / "CH1.timd").mkdir(parents=True)
    for channel in ("CSC1.ncs", "CSC2.ncs"):
        (neuralynx / channel).write_bytes(b"######## Neuralynx Data File Header")
    assert find_recordings(tmp_path) == [neuralynx, mef]
    assert detect_format(neuralynx) == "Neuralynx"
    assert main_file(neuralynx / "CSC2.ncs") == neuralynx
    assert find_recordings(neuralynx) == [neuralynx]
    with pytest.raises(RecordingError, match="is a folder; find_recordings lists"):
        read_raw(tmp_path / "day1")


def test_the_files_of_curry_stand_for_their_recording(tmp_path):
    for name in ("a.cdt", "a.cdt.dpa", "a.cdt.cef", "b.dap", "b.dat", "b.rs3", "b.ceo"):
        (tmp_path / name).write_bytes(b"x")
    assert find_recordings(tmp_path) == [tmp_path / "a.cdt", tmp_path / "b.dap"]
    assert {main_file(tmp_path / name) for name in ("a.cdt.dpa", "a.cdt.cef")} == {tmp_path / "a.cdt"}
    assert {main_file(tmp_path / name) for name in ("b.dat", "b.rs3", "b.ceo")} == {tmp_path / "b.dap"}


@pytest.mark.parametrize(("name", "what"), [("x.sqd", "MEG"), ("x.snirf", "fNIRS"), ("x.asc", "eye movements")])
def test_what_is_no_eeg_says_so(tmp_path, name, what):
    (tmp_path / name).write_bytes(b"something")
    with pytest.raises(RecordingError, match=re.escape(what)):
        read_raw(tmp_path / name)
    (tmp_path / "x.ds").mkdir()
    with pytest.raises(RecordingError, match="CTF recording, which is MEG"):
        read_raw(tmp_path / "x.ds")


def test_everything_that_mne_opens_is_eeg_or_known_not_to_be():
    """A reader that MNE gains shows up here, to be sorted."""
    supported = pytest.importorskip(
        "mne.io._read_raw", reason="MNE keeps its list of readers elsewhere"
    )._get_supported
    no_eeg = {"read_raw_artemis123", "read_raw_boxy", "read_raw_ctf", "read_raw_eyelink", "read_raw_fieldtrip",
              "read_raw_fil", "read_raw_kit", "read_raw_nirx", "read_raw_snirf"}  # fmt: skip
    opened = {getattr(each.read, "__name__", "") for each in FORMATS.values()} | {"read_raw_bci2k"}
    known = {reader.__name__ for readers in supported().values() for reader in readers.values()}
    assert known - opened == no_eeg


def test_the_table_of_the_documentation_is_that_of_the_code():
    rows = []
    for name, each in FORMATS.items():
        module = "mne.io" if each.read.__module__.startswith("mne") else each.read.__module__
        files = ", ".join(f"`{extension}`" for extension in each.extensions)
        needs = f"`{each.needs}`" if each.needs else ""
        rows.append(f"| {name} | {files} | `{module}.{each.read.__name__}` | {needs} | {each.tried} |")
    written = (Path(__file__).resolve().parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")
    found = [line for line in written.splitlines() if re.match(r"\| .* \| `\.", line) and "read_" in line]
    assert found == rows, "docs/formats.md should have\n" + "\n".join(rows)
    assert UNTRIED not in {each.tried for each in FORMATS.values() if not each.needs and each.extensions != NSX}
