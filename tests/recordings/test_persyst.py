"""Persyst recordings: times that jump, and texts in any encoding."""

import numpy as np
import pytest

from tests.recordings.written_recordings import SIGNAL, SIX, check_signal, read_with_messages


def write_persyst(folder, sample_times: str, name: str = "X", encoding: str = "utf-8"):
    (folder / "rec.dat").write_bytes(np.round(SIGNAL.T * 10).astype("<i2").tobytes())
    channels = "\n".join(f"{name}-Ref={i}" for i, name in enumerate(SIX, 1))
    (folder / "rec.lay").write_text(
        "[FileInfo]\nFile=rec.dat\nFileType=Interleaved\nSamplingRate=200\nHeaderLength=0\nCalibration=0.1\n"
        f"WaveformCount={len(SIX)}\nDataType=0\n[ChannelMap]\n{channels}\n[Patient]\nSex=\nBirthDate=01/02/1990\nFullName={name}\nHand=\nTestDate=01/02/2020\nTestTime=10:00:00\n"
        f"[SampleTimes]\n{sample_times}\n[Comments]\n3.0,1.0,0,0,before\n30.0,1.0,0,0,after\n",
        encoding=encoding,
    )
    return folder / "rec.lay"


def test_persyst_times_that_jump_are_breaks(tmp_path):
    raw, messages = read_with_messages(write_persyst(tmp_path, "0=100.0\n1000=105.0\n2000=125.0"))
    placed = {a["description"]: a["onset"] for a in raw.annotations}
    assert placed == {"before": 3.0, "BAD boundary": 10.0, "EDGE boundary": 10.0, "after": 15.0}
    assert any("15 s are missing" in message for message in messages)


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16"])
def test_persyst_texts_in_any_encoding(tmp_path, encoding):
    raw, _ = read_with_messages(write_persyst(tmp_path, "0=100.0", name="Jürgen", encoding=encoding), preload=False)
    check_signal(raw.load_data(), [name.upper() for name in SIX])
    assert list(raw.annotations.description) == ["before"]
