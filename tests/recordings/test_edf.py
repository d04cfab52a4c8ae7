"""EDF and BDF: damaged files, headers and units in any encoding."""

import edfio
import numpy as np
import pytest

from dare_eeg_hf.recordings.edf import voltage_unit
from dare_eeg_hf.recordings.recordings import RecordingError, load_recording
from tests.recordings.written_recordings import (
    MICRO,
    NAMES,
    RATE,
    SIGNAL,
    SIX,
    check_signal,
    make_eeg,
    read_with_messages,
    write_edf,
)

pytestmark = pytest.mark.filterwarnings("ignore::dare_eeg_hf.feature_extraction_dare_eeg.EegWarning")


def test_a_truncated_file_is_read_as_far_as_it_goes(edf, tmp_path):
    path = tmp_path / "cut.edf"
    path.write_bytes(edf.read_bytes()[: int(edf.stat().st_size * 0.7)])
    raw, report = load_recording(path)
    missing = [message for message in report.warnings if "truncated" in message]
    assert len(missing) == 1
    assert "of 20 records are missing" in missing[0]
    assert 12 < raw.times[-1] < 14.1


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


@pytest.mark.parametrize("preload", [False, True])
@pytest.mark.parametrize("name", MICRO)
def test_microvolts_in_any_encoding_are_microvolts(tmp_path, name, preload, write_edf_plus):
    path = write_edf_plus(tmp_path / "x.edf", SIGNAL, RATE, SIX, dimension=MICRO[name])
    raw, _ = read_with_messages(path, preload=preload)
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
    raw, _ = read_with_messages(path)
    check_signal(raw, ["Fp1", "Fp2", "C3", "C4", "Zäpfchen", "Größe"])
    assert raw.filenames[0] == path


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_a_patient_s_name_in_any_encoding(tmp_path, encoding, write_edf_plus):
    patient = "X F X Jörg_Größe".encode(encoding)
    raw, _ = read_with_messages(write_edf_plus(tmp_path / "x.edf", SIGNAL, RATE, SIX, patient=patient))
    assert (raw.info["subject_info"]["first_name"], raw.info["subject_info"]["last_name"]) == ("Jörg", "Größe")
