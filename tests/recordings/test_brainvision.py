"""BrainVision headers in any encoding, segments, and data that were copied as text."""

import pytest

from dare_eeg_hf.recordings.readers import read_raw
from dare_eeg_hf.recordings.recordings import RecordingError
from tests.recordings.written_recordings import RATE, SIGNAL, SIX, check_signal, read_with_messages


def write_brainvision(folder, encoding="utf-8", unit="µV", codepage="UTF-8", marker="Reiz Größe", segments=()):
    (folder / "rec.eeg").write_bytes(SIGNAL.T.astype("<f4").tobytes())
    channels = "\r\n".join(f"Ch{i}={name},,1,{unit}" for i, name in enumerate(SIX, 1))
    declared = f"Codepage={codepage}\r\n" if codepage else ""
    header = (
        f"Brain Vision Data Exchange Header File Version 1.0\r\n[Common Infos]\r\n{declared}DataFile=rec.eeg\r\n"
        f"MarkerFile=rec.vmrk\r\nDataFormat=BINARY\r\nDataOrientation=MULTIPLEXED\r\nNumberOfChannels={len(SIX)}\r\n"
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
    raw, _ = read_with_messages(write_brainvision(tmp_path, encoding, unit, codepage), preload=preload)
    check_signal(raw)
    assert list(raw.annotations.description) == ["Comment/Reiz Größe"]
    assert raw.annotations.onset[0] == pytest.approx(2.0)
    assert raw.filenames[0] == tmp_path / "rec.eeg"


def test_brainvision_segments_after_the_first_are_breaks(tmp_path):
    raw, messages = read_with_messages(write_brainvision(tmp_path, segments=[1, 1001, 2001]))
    assert [a["onset"] for a in raw.annotations if a["description"] == "EDGE boundary"] == [5.0, 10.0]
    assert [a["onset"] for a in raw.annotations if a["description"] == "BAD boundary"] == [5.0, 10.0]
    assert any("interrupted 2 times" in message for message in messages)


def test_brainvision_data_copied_as_text_are_refused(tmp_path):
    path = write_brainvision(tmp_path)
    data = tmp_path / "rec.eeg"
    data.write_bytes(data.read_bytes().replace(b"\n", b"\r\n"))
    with pytest.raises(RecordingError, match=r"rec\.eeg: a line-ending conversion .* remove them: python -m"):
        read_raw(path)
