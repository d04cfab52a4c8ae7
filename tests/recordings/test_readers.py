"""Every format gives the same recording, with its texts, breaks and trials."""

import json
import os
from pathlib import Path

import mne
import numpy as np
import pandas as pd
import pytest
import scipy.io

from dare_eeg_hf.recordings.readers import read_epochs, read_raw
from dare_eeg_hf.recordings.recordings import (
    RecordingError,
    RecordingWarning,
    find_recordings,
    load_recording,
    normalize_raw,
)
from tests.recordings.written_recordings import (
    MICRO,
    NAMES,
    RATE,
    SIGNAL,
    SIX,
    check_signal,
    describe,
    make_eeg,
    make_raw,
    read_with_messages,
    write_edf,
)

pytestmark = pytest.mark.filterwarnings("ignore::dare_eeg_hf.feature_extraction_dare_eeg.EegWarning")


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


def write_eeglab_events(folder, events):
    fields = {
        "setname": "rec",
        "nbchan": float(len(SIX)),
        "trials": 1.0,
        "pnts": float(SIGNAL.shape[1]),
        "srate": float(RATE),
        "xmin": 0.0,
        "xmax": 19.995,
        "data": SIGNAL.astype(np.float32),
        "chanlocs": np.array([(name,) for name in SIX], dtype=[("labels", object)]),
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
    path = write_eeglab_events(tmp_path, [("GrXXeGrXXe", 101.0, 0.0), ("square", 1101.0, 0.0)])
    # MATLAB stores two bytes a letter (type 4); scipy writes UTF-8 (type 16). Ten bytes are five letters then.
    content = path.read_bytes()
    at = content.index(b"GrXXeGrXXe") - 8
    assert content[at:][:8] == np.array([16, 10], "<i4").tobytes()
    content = content[:at] + np.array([4, 10], "<i4").tobytes() + text.encode("utf-16-le") + content[at + 18 :]
    dims = content.rindex(np.array([1, 10], "<i4").tobytes(), 0, at)
    path.write_bytes(content[:dims] + np.array([1, 5], "<i4").tobytes() + content[dims + 8 :])
    raw, _ = read_with_messages(path)
    check_signal(raw)
    assert list(raw.annotations.description) == [text, "square"]


def test_eeglab_boundaries_have_no_length_and_lie_before_a_sample(tmp_path):
    events = [("boundary", 1001.5, 400.0), ("square", 1101.0, 0.0), ("boundary", 2002.5, 800.0)]
    raw, messages = read_with_messages(write_eeglab_events(tmp_path, events))
    found = [(a["description"], a["onset"] * RATE, a["duration"]) for a in raw.annotations]
    assert found == [("boundary", 1001, 0), ("square", pytest.approx(1100), 0), ("boundary", 2002, 0)]
    assert any("interrupted 2 times" in message for message in messages)


@pytest.mark.filterwarnings("ignore::dare_eeg_hf.recordings.errors.RecordingWarning")
def test_epochs_by_path(tmp_path, write_edf_plus):
    info = mne.create_info(SIX, RATE, "eeg")
    epochs = mne.EpochsArray(
        SIGNAL.reshape(len(SIX), 10, 400).transpose(1, 0, 2) * 1e-6, info, tmin=-0.5, verbose="ERROR"
    )
    epochs.save(tmp_path / "x-epo.fif", verbose="ERROR")
    mne.io.RawArray(SIGNAL * 1e-6, info, verbose="ERROR").save(tmp_path / "x_raw.fif", verbose="ERROR")
    (tmp_path / "misnamed.dat").write_bytes((tmp_path / "x-epo.fif").read_bytes())
    for name in ("x-epo.fif", "misnamed.dat"):
        found = read_epochs(tmp_path / name)
        assert (len(found), found.tmin, len(found.times)) == (10, -0.5, 400)
    assert read_epochs(tmp_path / "x_raw.fif") is None
    assert read_epochs(write_edf_plus(tmp_path / "x.edf", SIGNAL, RATE, SIX)) is None
    with pytest.warns(RecordingWarning, match="holds 10 epochs"):
        assert read_raw(tmp_path / "x-epo.fif").n_times == 4000


def write_gdf(path, dimension: bytes, events):
    """A GDF 1.25 file of int16 samples; events are (sample counted from 0, type)."""
    count, seconds = len(SIX), SIGNAL.shape[1] // RATE
    header = b"GDF 1.25" + b"X X".ljust(80) + b"".ljust(80) + b"2020010110000000"
    header += np.int64(256 * (count + 1)).tobytes() + bytes(24) + bytes(20)
    header += np.int64(seconds).tobytes() + np.array([1, 1], "<u4").tobytes() + np.uint32(count).tobytes()
    header += b"".join(name.encode().ljust(16) for name in SIX) + b"".ljust(80 * count)
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
    raw, messages = read_with_messages(
        write_gdf(tmp_path / "x.gdf", b"uV", [(0, 32766), (500, 769), (1000, 32766), (2600, 32766)])
    )
    check_signal(raw)
    assert [a["onset"] for a in raw.annotations if a["description"] == "EDGE boundary"] == [5.0, 13.0]
    assert [a["onset"] for a in raw.annotations if a["description"] == "769"] == [2.5]
    assert any("interrupted 2 times" in message for message in messages)


@pytest.mark.parametrize("file", ["x.gdf", "x.dat"])
@pytest.mark.parametrize("name", MICRO)
def test_microvolts_of_gdf_in_any_encoding_are_microvolts(tmp_path, name, file):
    check_signal(read_with_messages(write_gdf(tmp_path / file, MICRO[name], [(0, 769)]))[0])
