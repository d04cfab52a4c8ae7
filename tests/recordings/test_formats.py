"""Files are known by their content; what is no recording says what it is."""

import os
from pathlib import Path

import pytest

from dare_eeg_hf.recordings.recordings import RecordingError, load_recording, read_raw

pytestmark = pytest.mark.filterwarnings("ignore::dare_eeg_hf.feature_extraction_dare_eeg.EegWarning")


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


def test_a_wrong_extension_does_not_matter(edf, tmp_path):
    for name in ("x.bdf", "x.dat", "x"):
        path = tmp_path / name
        path.write_bytes(edf.read_bytes())
        raw, report = load_recording(path)
        assert report.format == "EDF"
        assert any("is a EDF file by its content" in message for message in report.warnings) or name == "x.edf"
        assert raw.n_times == 20 * 256


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


def test_unknown_formats_list_the_known_ones(tmp_path):
    (tmp_path / "x.docx").write_bytes(b"PK\x03\x04 something")
    with pytest.raises(RecordingError, match="Formats that can be read: EDF, BDF"):
        read_raw(tmp_path / "x.docx")
