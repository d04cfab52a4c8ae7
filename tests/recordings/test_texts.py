"""Texts in any encoding: they never refuse a recording, and never change the scale of a signal."""

import json
import warnings

import mne
import numpy as np
import pandas as pd
import pytest
import scipy.io

from dare_eeg_hf.recordings.edf import voltage_unit
from dare_eeg_hf.recordings.readers import read_epochs, read_raw
from dare_eeg_hf.recordings.recordings import RecordingError, RecordingWarning

NAMES = ["Fp1", "Fp2", "C3", "C4", "O1", "O2"]
RATE = 200
SIGNAL = np.random.default_rng(0).normal(0, 20, (len(NAMES), 20 * RATE))


def read(path, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        raw = read_raw(path, **options)
    return raw, [str(w.message) for w in caught]


def check_signal(raw, names=NAMES) -> None:
    assert raw.ch_names == list(names)
    assert set(raw.get_channel_types()) == {"eeg"}
    np.testing.assert_allclose(raw.get_data() * 1e6, SIGNAL, atol=0.1)


# ---- EDF and BDF ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["EDF+C", "BDF+C"])
def test_one_annotation_in_latin1_refuses_nothing(tmp_path, kind, write_edf_plus):
    annotations = [(1, 1, "Öffnen".encode()), (3, 1, "Größe".encode("latin-1")), (5, 1, "闭眼".encode())]
    path = write_edf_plus(tmp_path / f"x.{kind[:3]}", SIGNAL, RATE, NAMES, annotations=annotations, kind=kind)
    raw, messages = read(path)
    check_signal(raw)
    assert list(raw.annotations.description) == ["Öffnen", "Größe", "闭眼"]
    assert [m for m in messages if "read as Latin-1" in m] == [
        "annotations that are not UTF-8 were read as Latin-1: 'Größe'"
    ]


def test_the_shared_recording_with_a_latin1_annotation(shared):
    raw, messages = read(shared("cases/latin1_ann.edf"))
    assert raw.n_times == 40 * 256
    assert list(raw.annotations.description) == ["Anfall Größe"]
    assert any("read as Latin-1" in message for message in messages)


def test_an_encoding_that_was_asked_for_is_used(tmp_path, write_edf_plus):
    path = write_edf_plus(tmp_path / "x.edf", SIGNAL, RATE, NAMES, annotations=[(1, 1, "глаза".encode("cp1251"))])
    raw, messages = read(path, encoding="cp1251")
    assert (list(raw.annotations.description), messages) == (["глаза"], [])


def test_a_text_of_several_lines_is_one_annotation(tmp_path, write_edf_plus):
    path = write_edf_plus(tmp_path / "x.edf", SIGNAL, RATE, NAMES, annotations=[(1, 1, "eyes\r\nclosed")])
    assert list(read(path)[0].annotations.description) == ["eyes\r\nclosed"]


MICRO = {
    "uV": b"uV",
    "micro sign in Latin-1": "µV".encode("latin-1"),
    "micro sign in UTF-8": "µV".encode(),
    "Greek mu in UTF-8": "μV".encode(),
    "Greek mu in Shift-JIS": "μV".encode("shift-jis"),
    "Greek mu in ISO 8859-7": "μV".encode("iso8859-7"),
    "Greek mu in GBK": "μV".encode("gbk"),
    "micro sign in code page 437": "µV".encode("cp437"),
    "a lost letter": b"?V",
    "capitals": b"UV",
    "padded with zeros": b"uV\x00\x00",
}


@pytest.mark.parametrize("preload", [False, True])
@pytest.mark.parametrize("name", MICRO)
def test_microvolts_in_any_encoding_are_microvolts(tmp_path, name, preload, write_edf_plus):
    path = write_edf_plus(tmp_path / "x.edf", SIGNAL, RATE, NAMES, dimension=MICRO[name])
    raw, _ = read(path, preload=preload)
    check_signal(raw)
    check_signal(raw.copy().load_data())


@pytest.mark.parametrize(
    ("dimension", "unit"), [("V", "V"), ("mV", "mV"), ("nV  ", "nV"), ("", None), ("%", None), ("°C", None)]
)
def test_other_dimensions(dimension, unit):
    assert voltage_unit(dimension) == unit


def test_texts_of_the_header_refuse_nothing(tmp_path, write_edf_plus):
    names = ["Fp1", "Fp2", "C3", b"C4" + b"\x00\x00", "Zäpfchen".encode(), "Größe".encode("latin-1")]
    path = write_edf_plus(
        tmp_path / "x.edf", SIGNAL, RATE, names, patient=b"X X X J\xf6rg a=b=c", reserved="Größe".encode("latin-1")
    )
    raw, _ = read(path)
    check_signal(raw, ["Fp1", "Fp2", "C3", "C4", "Zäpfchen", "Größe"])
    assert raw.filenames[0] == path


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_a_patient_s_name_in_any_encoding(tmp_path, encoding, write_edf_plus):
    patient = "X F X Jörg_Größe".encode(encoding)
    raw, _ = read(write_edf_plus(tmp_path / "x.edf", SIGNAL, RATE, NAMES, patient=patient))
    assert (raw.info["subject_info"]["first_name"], raw.info["subject_info"]["last_name"]) == ("Jörg", "Größe")


# ---- BrainVision ---------------------------------------------------------------------------------------------


def write_brainvision(folder, encoding="utf-8", unit="µV", codepage="UTF-8", marker="Reiz Größe", segments=()):
    (folder / "rec.eeg").write_bytes(SIGNAL.T.astype("<f4").tobytes())
    channels = "\r\n".join(f"Ch{i}={name},,1,{unit}" for i, name in enumerate(NAMES, 1))
    declared = f"Codepage={codepage}\r\n" if codepage else ""
    header = (
        f"Brain Vision Data Exchange Header File Version 1.0\r\n[Common Infos]\r\n{declared}DataFile=rec.eeg\r\n"
        f"MarkerFile=rec.vmrk\r\nDataFormat=BINARY\r\nDataOrientation=MULTIPLEXED\r\nNumberOfChannels={len(NAMES)}\r\n"
        f"SamplingInterval={1e6 / RATE}\r\n[Binary Infos]\r\nBinaryFormat=IEEE_FLOAT_32\r\n"
        f"[Channel Infos]\r\n{channels}\r\n"
    )
    times = "".join(f"Mk{i}=New Segment,,{sample},1,0\r\n" for i, sample in enumerate(segments, 2))
    markers = (
        f"Brain Vision Data Exchange Marker File, Version 1.0\r\n[Common Infos]\r\n{declared}DataFile=rec.eeg\r\n"
        f"[Marker Infos]\r\nMk1=New Segment,,1,1,0,20200101000000000000\r\n{times}Mk9=Comment,{marker},401,1,0\r\n"
    )
    (folder / "rec.vhdr").write_bytes(header.encode(encoding))
    (folder / "rec.vmrk").write_bytes(markers.encode(encoding))
    return folder / "rec.vhdr"


@pytest.mark.parametrize("preload", [False, True])
@pytest.mark.parametrize(
    ("encoding", "unit", "codepage"),
    [
        ("utf-8", "µV", "UTF-8"),
        ("utf-8", "μV", "UTF-8"),
        ("utf-8-sig", "μV", None),
        ("latin-1", "µV", None),
        ("latin-1", "µV", "UTF-8"),
        ("cp1252", "µV", "ANSI"),
        ("utf-16", "µV", "UTF-16"),
        ("utf-16", "μV", None),
        ("utf-16-le", "µV", None),
        ("utf-8", "µV", "nonsense-8"),
        ("utf-8", "UV", "UTF-8"),
    ],
)
def test_brainvision_headers_in_any_encoding(tmp_path, encoding, unit, codepage, preload):
    raw, _ = read(write_brainvision(tmp_path, encoding, unit, codepage), preload=preload)
    check_signal(raw)
    assert list(raw.annotations.description) == ["Comment/Reiz Größe"]
    assert raw.annotations.onset[0] == pytest.approx(2.0)
    assert raw.filenames[0] == tmp_path / "rec.eeg"


def test_brainvision_segments_after_the_first_are_breaks(tmp_path):
    raw, messages = read(write_brainvision(tmp_path, segments=[1, 1001, 2001]))
    assert [a["onset"] for a in raw.annotations if a["description"] == "EDGE boundary"] == [5.0, 10.0]
    assert [a["onset"] for a in raw.annotations if a["description"] == "BAD boundary"] == [5.0, 10.0]
    assert any("interrupted 2 times" in message for message in messages)


def test_brainvision_data_copied_as_text_are_refused(tmp_path):
    path = write_brainvision(tmp_path)
    data = tmp_path / "rec.eeg"
    data.write_bytes(data.read_bytes().replace(b"\n", b"\r\n"))
    with pytest.raises(RecordingError, match=r"rec\.eeg: a line-ending conversion .* remove them: python -m"):
        read_raw(path)


# ---- other formats -------------------------------------------------------------------------------------------


def write_eeglab(folder, events):
    fields = {
        "setname": "rec",
        "nbchan": float(len(NAMES)),
        "trials": 1.0,
        "pnts": float(SIGNAL.shape[1]),
        "srate": float(RATE),
        "xmin": 0.0,
        "xmax": 19.995,
        "data": SIGNAL.astype(np.float32),
        "chanlocs": np.array([(name,) for name in NAMES], dtype=[("labels", object)]),
        "event": np.array(events, dtype=[("type", object), ("latency", object), ("duration", object)]),
        "epoch": [],
        "icawinv": [],
        "icaweights": [],
        "icasphere": [],
        "icaact": [],
    }
    scipy.io.savemat(folder / "rec.set", {"EEG": fields}, appendmat=False)
    return folder / "rec.set"


@pytest.mark.parametrize("text", ["Größe", "闭眼闭眼睛"])
def test_eeglab_texts_as_matlab_writes_them_are_read(tmp_path, text):
    path = write_eeglab(tmp_path, [("GrXXeGrXXe", 101.0, 0.0), ("square", 1101.0, 0.0)])
    # MATLAB stores two bytes a letter (type 4); scipy writes UTF-8 (type 16). Ten bytes are five letters then.
    content = path.read_bytes()
    at = content.index(b"GrXXeGrXXe") - 8
    assert content[at:][:8] == np.array([16, 10], "<i4").tobytes()
    content = content[:at] + np.array([4, 10], "<i4").tobytes() + text.encode("utf-16-le") + content[at + 18 :]
    dims = content.rindex(np.array([1, 10], "<i4").tobytes(), 0, at)
    path.write_bytes(content[:dims] + np.array([1, 5], "<i4").tobytes() + content[dims + 8 :])
    raw, _ = read(path)
    check_signal(raw)
    assert list(raw.annotations.description) == [text, "square"]


def test_eeglab_boundaries_have_no_length_and_lie_before_a_sample(tmp_path):
    events = [("boundary", 1001.5, 400.0), ("square", 1101.0, 0.0), ("boundary", 2002.5, 800.0)]
    raw, messages = read(write_eeglab(tmp_path, events))
    found = [(a["description"], a["onset"] * RATE, a["duration"]) for a in raw.annotations]
    assert found == [("boundary", 1001, 0), ("square", pytest.approx(1100), 0), ("boundary", 2002, 0)]
    assert any("interrupted 2 times" in message for message in messages)


def write_persyst(folder, sample_times: str, name: str = "X", encoding: str = "utf-8"):
    (folder / "rec.dat").write_bytes(np.round(SIGNAL.T * 10).astype("<i2").tobytes())
    channels = "\n".join(f"{name}-Ref={i}" for i, name in enumerate(NAMES, 1))
    (folder / "rec.lay").write_text(
        "[FileInfo]\nFile=rec.dat\nFileType=Interleaved\nSamplingRate=200\nHeaderLength=0\nCalibration=0.1\n"
        f"WaveformCount={len(NAMES)}\nDataType=0\n[ChannelMap]\n{channels}\n[Patient]\nSex=\nBirthDate=01/02/1990\nFullName={name}\nHand=\nTestDate=01/02/2020\nTestTime=10:00:00\n"
        f"[SampleTimes]\n{sample_times}\n[Comments]\n3.0,1.0,0,0,before\n30.0,1.0,0,0,after\n",
        encoding=encoding,
    )
    return folder / "rec.lay"


def test_persyst_times_that_jump_are_breaks(tmp_path):
    raw, messages = read(write_persyst(tmp_path, "0=100.0\n1000=105.0\n2000=125.0"))
    placed = {a["description"]: a["onset"] for a in raw.annotations}
    assert placed == {"before": 3.0, "BAD boundary": 10.0, "EDGE boundary": 10.0, "after": 15.0}
    assert any("15 s are missing" in message for message in messages)


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16"])
def test_persyst_texts_in_any_encoding(tmp_path, encoding):
    raw, _ = read(write_persyst(tmp_path, "0=100.0", name="Jürgen", encoding=encoding), preload=False)
    check_signal(raw.load_data(), [name.upper() for name in NAMES])
    assert list(raw.annotations.description) == ["before"]


@pytest.mark.filterwarnings("ignore::dare_eeg_hf.recordings.errors.RecordingWarning")
def test_epochs_by_path(tmp_path, write_edf_plus):
    info = mne.create_info(NAMES, RATE, "eeg")
    epochs = mne.EpochsArray(
        SIGNAL.reshape(len(NAMES), 10, 400).transpose(1, 0, 2) * 1e-6, info, tmin=-0.5, verbose="ERROR"
    )
    epochs.save(tmp_path / "x-epo.fif", verbose="ERROR")
    mne.io.RawArray(SIGNAL * 1e-6, info, verbose="ERROR").save(tmp_path / "x_raw.fif", verbose="ERROR")
    (tmp_path / "misnamed.dat").write_bytes((tmp_path / "x-epo.fif").read_bytes())
    for name in ("x-epo.fif", "misnamed.dat"):
        found = read_epochs(tmp_path / name)
        assert (len(found), found.tmin, len(found.times)) == (10, -0.5, 400)
    assert read_epochs(tmp_path / "x_raw.fif") is None
    assert read_epochs(write_edf_plus(tmp_path / "x.edf", SIGNAL, RATE, NAMES)) is None
    with pytest.warns(RecordingWarning, match="holds 10 epochs"):
        assert read_raw(tmp_path / "x-epo.fif").n_times == 4000


def write_gdf(path, dimension: bytes, events):
    """A GDF 1.25 file of int16 samples; events are (sample counted from 0, type)."""
    count, seconds = len(NAMES), SIGNAL.shape[1] // RATE
    header = b"GDF 1.25" + b"X X".ljust(80) + b"".ljust(80) + b"2020010110000000"
    header += np.int64(256 * (count + 1)).tobytes() + bytes(24) + bytes(20)
    header += np.int64(seconds).tobytes() + np.array([1, 1], "<u4").tobytes() + np.uint32(count).tobytes()
    header += b"".join(name.encode().ljust(16) for name in NAMES) + b"".ljust(80 * count)
    header += dimension.ljust(8) * count
    header += np.full(count, -3276.8).tobytes() + np.full(count, 3276.7).tobytes()
    header += np.full(count, -32768).tobytes() + np.full(count, 32767).tobytes()
    header += b"".ljust(80 * count) + np.full(count, RATE, "<i4").tobytes() + np.full(count, 3, "<i4").tobytes()
    header += bytes(32 * count)
    digital = np.round(SIGNAL * 10).astype("<i2").reshape(count, seconds, RATE).transpose(1, 0, 2)
    places, types = np.array([[place + 1, kind] for place, kind in events]).T
    table = b"\x01" + RATE.to_bytes(3, "little") + np.uint32(len(events)).tobytes()
    table += places.astype("<u4").tobytes() + types.astype("<u2").tobytes()
    path.write_bytes(header + digital.tobytes() + table)
    return path


def test_gdf_segments_after_the_first_are_breaks(tmp_path):
    raw, messages = read(write_gdf(tmp_path / "x.gdf", b"uV", [(0, 32766), (500, 769), (1000, 32766), (2600, 32766)]))
    check_signal(raw)
    assert [a["onset"] for a in raw.annotations if a["description"] == "EDGE boundary"] == [5.0, 13.0]
    assert [a["onset"] for a in raw.annotations if a["description"] == "769"] == [2.5]
    assert any("interrupted 2 times" in message for message in messages)


@pytest.mark.parametrize("file", ["x.gdf", "x.dat"])
@pytest.mark.parametrize("name", MICRO)
def test_microvolts_of_gdf_in_any_encoding_are_microvolts(tmp_path, name, file):
    check_signal(read(write_gdf(tmp_path / file, MICRO[name], [(0, 769)]))[0])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
def test_tables_in_any_encoding(tmp_path, encoding):
    frame = pd.DataFrame(SIGNAL.T, columns=NAMES)
    frame["Größe"] = ["" if i < 1000 else "öffnen" for i in range(len(frame))]
    frame.to_csv(tmp_path / "x.csv", index=False, encoding=encoding)
    sidecar = {
        "sampling_rate": RATE,
        "unit": "μV",
        "channel_names": NAMES,
        "annotations": {"Größe": {"öffnen": "eyes open"}},
    }
    (tmp_path / "x.csv.json").write_text(json.dumps(sidecar), encoding="utf-8")
    raw, _ = read(tmp_path / "x.csv")
    check_signal(raw)
    assert [(a["onset"], a["description"]) for a in raw.annotations] == [(5.0, "eyes open")]


@pytest.mark.parametrize(("encoding", "unit"), [("latin-1", "µV"), ("utf-16", "μV"), ("utf-8", "μV")])
def test_sidecars_in_any_encoding(tmp_path, encoding, unit):
    pd.DataFrame(SIGNAL.T, columns=NAMES).to_csv(tmp_path / "x.csv", index=False)
    text = f'{{"sampling_rate": {RATE}, "unit": "{unit}", "channel_names": {json.dumps(NAMES)}}}'
    (tmp_path / "x.csv.json").write_bytes(text.encode(encoding))
    check_signal(read(tmp_path / "x.csv")[0])
