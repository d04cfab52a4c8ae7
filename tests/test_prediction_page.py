"""What a page about predictions is put together from."""

import numpy as np

from dare_eeg_hf.coverage_dare_eeg import AnswerReport
from dare_eeg_hf.prediction_page import channel_outcomes, prediction_page, read_traces, surest_windows
from dare_eeg_hf.recordings.recordings import load_recording

REPORT = AnswerReport("2 of the 3 electrodes are present", ["C3", "C4"], ["C3", "CZ", "C4"], ["CZ"])


def window(onset, label, score, **more):
    scores = {"rest": 1 - score, "task": score} if label == "task" else {"rest": score, "task": 1 - score}
    known = {"onset": onset, "duration": 4.0, "partial": False, "usable": True, "reason": None, "channels": 2}
    return {**known, "label": label, "score": score, "scores": scores, **more}


def test_the_surest_whole_window_of_each_class_is_shown():
    windows = [window(0, "task", 0.8), window(4, "task", 0.9), window(8, "rest", 0.6), window(12, "task", 1.0)]
    windows[3]["partial"] = True
    windows.append(window(16, "rest", 0.7) | {"usable": False, "label": None, "score": None})
    assert [each["onset"] for each in surest_windows(windows)] == [8, 4]


def test_traces_are_the_signal_that_the_model_is_given(classify, eyes_recordings):
    predictions = classify(eyes_recordings[1])
    chosen = [predictions[0], predictions[7]]
    first, middle = read_traces(eyes_recordings[1], classify.feature_extractor, chosen)
    assert (first.onset, middle.onset) == (0.0, 25.0)
    assert (first.signal_uv.shape, middle.signal_uv.shape) == ((19, 7 * 256), (19, 10 * 256))
    whole = load_recording(eyes_recordings[1]).raw
    expected = whole.get_data(middle.channel_names)[:, 25 * 256 : 35 * 256] * 1e6
    np.testing.assert_allclose(middle.signal_uv, expected, atol=0.5)


def test_every_channel_has_an_outcome():
    report = AnswerReport("", [], [], channels=["C3", "FZ"], renamed={"EEG C3": "C3", "x": "O1"})
    report.bad, report.dropped = {"O1": "flat"}, {"ECG": "ECG"}
    assert channel_outcomes(report) == [
        ["EEG C3", "C3", "used"],
        ["FZ", "FZ", "used"],
        ["x", "O1", "not used: flat"],
        ["ECG", "", "not used: ECG"],
    ]


def test_names_are_escaped_and_a_regression_has_values():
    page = prediction_page([window(0, "task", 0.8)], REPORT, file="<b>.edf", model="m").html()
    assert "<b>.edf" not in page
    assert "&lt;b&gt;.edf" in page
    known = {"onset": 0.0, "duration": 4.0, "partial": False, "usable": True, "reason": None, "channels": 2}
    page = prediction_page([{**known, "value": 31.5, "values": {"age": 31.5}}], REPORT, file="a", model="m").html()
    assert "age" in page
    assert "31.500" in page
    assert "Classes along time" not in page
