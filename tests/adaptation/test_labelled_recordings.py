"""Labelled recordings read with an account of every file."""

import pytest

from dare_eeg_hf.adaptation import labelled_recordings
from dare_eeg_hf.adaptation.labelled_recordings import read_labelled_recordings
from dare_eeg_hf.corpora.label_table import read_label_table
from dare_eeg_hf.corpora.labelled_folder import LabelledFolder
from dare_eeg_hf.recordings.simulation import simulate_recordings


@pytest.fixture
def folder(tmp_path):
    """Files of three subjects, of whom the third lacks C4, and one file that is damaged; labels beside them."""
    folder = tmp_path / "recordings"
    options = {"sampling_rate": 128, "seconds": 10}
    simulate_recordings(folder, subjects=2, montage=["C3", "C4", "O1"], **options)
    simulate_recordings(folder, subjects=1, montage=["C3", "O1"], prefix="X", **options)
    (folder / "X001/X001R01.edf").write_bytes(b"0       no EDF")
    rows = [f"{s}R{k:02d},{label}" for s in ("S001", "S002", "X001") for k, label in ((1, "open"), (2, "closed"))]
    (tmp_path / "labels.csv").write_text("\n".join(["file,label", *rows]))
    return folder


def corpus_of(folder, **options):
    return LabelledFolder(read_label_table(folder.parent / "labels.csv"), **options)


def test_every_file_has_an_account_and_a_broken_one_stops_nothing(folder):
    read = read_labelled_recordings(corpus_of(folder, window_seconds=4.0), folder)
    assert read.windows.channel_names == ("C3", "O1")
    assert len(read.windows) == 2 * 5
    assert [account.name for account in read.failed] == ["X001/X001R01.edf"]
    assert len(read.recordings) == 6
    assert read.recordings[0].labels == {"open": 2}
    said = read.left_out()
    assert said[0].startswith("X001/X001R01.edf, which could not be read: ")
    assert "C4, because it is not in X001/X001R02.edf" in said
    assert read.remarks == ["people are identified by the names of the files (EEGMMIDB (S001R01))"]


def test_windows_are_kept_until_something_changes(folder, tmp_path, monkeypatch):
    first = read_labelled_recordings(corpus_of(folder), folder, tmp_path / "kept")
    with monkeypatch.context() as patch:
        patch.setattr(labelled_recordings, "_read", lambda *_: pytest.fail("read again"))
        again = read_labelled_recordings(corpus_of(folder), folder, tmp_path / "kept")
    assert again.windows.fingerprint() == first.windows.fingerprint()
    assert again.recordings == first.recordings
    assert list(again.remarks) == list(first.remarks)
    table = tmp_path / "labels.csv"
    table.write_text(table.read_text().replace("S001R01,open", "S001R01,closed"))
    changed = read_labelled_recordings(corpus_of(folder), folder, tmp_path / "kept")
    assert changed.recordings[0].labels == {"closed": 2}


def test_a_class_without_a_window_is_an_error_that_says_what_there_is(folder):
    with pytest.raises(ValueError, match=r"no window has the label sleep; windows found: 'T0' \(\d+\).*'T0' \(5\)"):
        read_labelled_recordings(LabelledFolder(annotations={"T0": "T0", "S2": "sleep"}), folder)
    with pytest.raises(ValueError, match=r"no window has the label closed or open; left out: 'recording shorter than"):
        read_labelled_recordings(corpus_of(folder, window_seconds=20.0), folder)


def test_recordings_without_a_common_electrode_are_named(tmp_path):
    options = {"sampling_rate": 128, "seconds": 10}
    simulate_recordings(tmp_path / "r", subjects=1, montage=["C3", "C4"], **options)
    simulate_recordings(tmp_path / "r", subjects=1, montage=["O1", "O2"], prefix="X", **options)
    rows = [f"{who}R{run:02d},{label}" for who in ("S001", "X001") for run, label in ((1, "open"), (2, "closed"))]
    (tmp_path / "labels.csv").write_text("\n".join(["file,label", *rows]))
    with pytest.raises(
        ValueError, match=r"S001/S001R01\.edf has C3, C4, X001/X001R01\.edf has O1, O2; name the electro"
    ):
        read_labelled_recordings(corpus_of(tmp_path / "r"), tmp_path / "r")
