"""The report of a recording is complete, for people and for programs."""

import json

import pytest

from tests.recordings.written_recordings import NAMES, RATE

pytestmark = pytest.mark.filterwarnings("ignore::dare_eeg_hf.feature_extraction_dare_eeg.EegWarning")


def test_the_report_is_complete_and_readable(recording, edf):
    report = recording.report
    saved = json.loads(report.to_json())
    assert saved["file"] == str(edf)
    assert saved["format"] == "EDF"
    assert saved["recorded_channels"] == NAMES
    assert saved["sampling_rate"] == RATE
    assert saved["duration"] == 20
    assert len(saved["missing"]) == 62 - 19
    assert 5 < saved["amplitude_uv"]["median"] < 50
    text = str(report)
    for expected in ("EDF", "kept (19)", "notch 50 Hz", "missing (43)", "amplitude after"):
        assert expected in text
