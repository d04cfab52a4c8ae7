"""Recordings are found, loaded and saved, and what reading warns of is in their report."""

import warnings

import numpy as np
import pytest

from dare_eeg_hf.feature_extraction_dare_eeg import DareEegFeatureExtractor
from dare_eeg_hf.recordings.recordings import (
    RecordingError,
    RecordingWarning,
    find_recordings,
    load_recording,
    read_raw,
    save_recording,
)

pytestmark = pytest.mark.filterwarnings("ignore::dare_eeg_hf.feature_extraction_dare_eeg.EegWarning")


def test_finding_ends_in_a_folder_that_contains_itself(edf, tmp_path):
    inside = tmp_path / "sub" / "deep"
    inside.mkdir(parents=True)
    (inside / "rec.edf").write_bytes(edf.read_bytes())
    (inside / "again").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "notes.txt").write_text("no recording")
    assert find_recordings(tmp_path) == [inside / "rec.edf"]


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
