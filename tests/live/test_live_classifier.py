"""Answers while the signal comes: the offline ones, and none where there is nothing to judge."""

import dataclasses

import mne
import numpy as np
import pytest
import torch

from dare_eeg_hf import DareEegConfig, DareEegFeatureExtractor, DareEegForSequenceClassification
from dare_eeg_hf.checkpoints import load_pipeline
from dare_eeg_hf.live.live_classifier import LATEST, LiveClassifier
from dare_eeg_hf.power_maps_dare_eeg import POWER_MAP_NAMES
from dare_eeg_hf.remedies_dare_eeg import InputError
from tests.live.played import NAMES, Played, eeg_like
from tests.test_shipped_models import MODEL_CARDS

RATE = 128.0


@pytest.fixture(scope="module")
def model():
    return MODEL_CARDS / "dare-eeg-nano-eyes"


@pytest.fixture(scope="module")
def classifier(model):
    return LiveClassifier(model, step=0.5)


def answered(windows):
    return [window for window in windows if window.usable]


def test_every_step_has_a_line_and_answers_begin_with_the_first_whole_window(classifier):
    windows = list(classifier.windows(Played(eeg_like(10, RATE), RATE)))
    assert len(answered(windows)) == pytest.approx(2 * (10 - 4), abs=1)
    early = [window for window in windows if not window.usable]
    assert all("s of signal since it began" in window.reason for window in early)
    first = answered(windows)[0]
    assert (first.onset, first.duration) == (pytest.approx(0, abs=0.1), 4.0)
    steps = np.diff([window.time for window in windows])
    np.testing.assert_allclose(steps[1:], 0.5, atol=1 / RATE)
    assert all(0 <= window.delay < 0.2 for window in answered(windows))
    assert all(abs(sum(window.scores.values()) - 1) < 1e-5 for window in answered(windows))
    assert {window.features.shape for window in answered(windows)} == {(256,)}
    assert all(window.features is None for window in early)


@pytest.mark.parametrize("seed", range(3))
def test_the_answers_are_those_of_the_offline_pipeline(classifier, model, seed):
    signal = eeg_like(40, RATE, seed=seed)
    raw = mne.io.RawArray(signal * 1e-6, mne.create_info(NAMES, RATE, "eeg"), verbose="ERROR")
    offline = load_pipeline(str(model), "eeg-classification")(raw, overlap=0.875, progress=False)
    live = answered(classifier.windows(Played(signal, RATE)))
    differences = []
    for window in live:
        same = min(offline, key=lambda each: abs(each["onset"] - window.onset))
        if abs(same["onset"] - window.onset) < 0.1 and not same["partial"]:
            differences.append(window.scores["eyes closed"] - same["scores"]["eyes closed"])
    assert len(differences) > 60
    assert np.median(np.abs(differences)) < 0.05
    assert np.mean(np.abs(differences) < 0.25) > 0.9


def test_a_classifier_that_reads_power_maps_is_given_them(tmp_path):
    """One that reads the alpha power alone, by hand: it answers "strong" while alpha is strong."""
    config = DareEegConfig.from_preset(
        "nano", statistics_stride=16, use_power_maps=True, id2label={0: "weak", 1: "strong"}
    )
    model = DareEegForSequenceClassification(config)
    column = POWER_MAP_NAMES.index("power_alpha_mean") - len(POWER_MAP_NAMES)
    with torch.no_grad():
        model.probe.linear.weight.zero_()
        model.probe.linear.weight[1, column] = 20.0
        model.probe.linear.bias.zero_()
        model.probe.standardization.mean[column] = -5.0  # 1e-5 mV^2/Hz: ten microvolts squared per hertz
    model.save_pretrained(tmp_path)
    DareEegFeatureExtractor.for_model(config).save_pretrained(tmp_path)
    time = np.arange(int(24 * RATE)) / RATE
    strength = np.where(time < 12, 1.0, 40.0) * np.linspace(1, -1, len(NAMES))[:, None]
    signal = eeg_like(24, RATE) * 0.3 + strength * np.sin(2 * np.pi * 10 * time)
    found = answered(LiveClassifier(tmp_path, step=1).windows(Played(signal, RATE)))
    labels = {round(window.onset): window.label for window in found}
    assert {labels[onset] for onset in (2, 4, 6)} == {"weak"}
    assert {labels[onset] for onset in (14, 16, 18)} == {"strong"}


def test_real_recordings_get_the_offline_labels(model, shared):
    from dare_eeg_hf.recordings.recordings import read_raw

    agreed = judged = 0
    offline_pipeline, live_classifier = (
        load_pipeline(str(model), "eeg-classification"),
        LiveClassifier(model, step=0.5),
    )
    for file in ("S001/S001R01.edf", "S001/S001R02_first60s.edf"):
        raw = read_raw(shared(f"data/eegmmidb/{file}"))
        stream = Played(raw.get_data("eeg") * 1e6, raw.info["sfreq"], raw.ch_names)
        live = answered(live_classifier.windows(stream))
        for window in offline_pipeline(raw, progress=False):
            same = [each for each in live if abs(each.onset - window["onset"]) < 0.26]
            if window["usable"] and not window["partial"] and same:
                judged += 1
                agreed += same[0].label == window["label"]
    assert judged >= 28
    assert agreed >= 0.95 * judged


@pytest.mark.parametrize("seconds", [0.3, 2.0])
def test_no_window_reaches_across_missing_samples(classifier, seconds):
    at = round(9 * RATE)
    windows = list(classifier.windows(Played(eeg_like(20, RATE), RATE, gaps=[(at, seconds)])))
    assert any(window.reason == "samples are missing here" for window in windows)
    begun, gone = 100 + 9.0, 100 + 9.0 + seconds
    for window in answered(windows):
        assert not window.time - window.duration < begun <= window.time - 1 / RATE or window.time <= begun + 1 / RATE
        assert window.time <= begun + 1 / RATE or window.time - window.duration >= gone - 2 / RATE
    assert [window for window in answered(windows) if window.time > gone]


def test_a_stalled_stream_is_said_to_have_stalled_and_goes_on_without_a_break(classifier):
    signal = eeg_like(12, RATE)
    stalled = list(classifier.windows(Played(signal, RATE, stalls=[(round(8 * RATE), 2.0)])))
    waiting = [window.reason for window in stalled if window.reason and window.reason.startswith("no samples")]
    assert waiting == [f"no samples for {seconds:.1f} s" for seconds in (0.5, 1.0, 1.5, 2.0)]
    smooth = list(classifier.windows(Played(signal, RATE)))
    assert [window.score for window in answered(stalled)] == [window.score for window in answered(smooth)]


@pytest.mark.parametrize("fault", ["held", "zero", "nan", "hum"])
def test_windows_without_signal_get_no_label(classifier, fault):
    signal = eeg_like(20, RATE)
    lost = slice(round(8 * RATE), round(10 * RATE))
    times = np.arange(signal.shape[1])[lost] / RATE
    signal[:, lost] = {
        "held": signal[:, lost.start, None],
        "zero": 0.0,
        "nan": np.nan,
        "hum": 40 * np.sin(2 * np.pi * 50 * times),
    }[fault]
    windows = list(classifier.windows(Played(signal, RATE)))
    for window in answered(windows):
        overlap = min(window.time, 110) - max(window.time - window.duration, 108)
        assert overlap < 0.5 + 2 / RATE, (window.time, overlap)
    assert [window for window in answered(windows) if window.time > 114.5]


def test_a_channel_that_fails_is_left_out_and_comes_back(classifier):
    signal = eeg_like(24, RATE)
    signal[5, round(8 * RATE) : round(11 * RATE)] = 0.0
    windows = answered(classifier.windows(Played(signal, RATE)))
    assert {window.channels for window in windows} == {len(NAMES), len(NAMES) - 1}
    assert windows[0].channels == windows[-1].channels == len(NAMES)


def test_a_bad_channel_is_found_while_the_stream_runs(classifier):
    signal = eeg_like(20, RATE)
    signal[3] += 2000 * np.sin(np.arange(signal.shape[1]) * 2 * np.pi * 7.3 / RATE)
    stream = Played(signal, RATE)
    following = classifier.follow(stream)
    list(classifier.windows(stream, following))
    assert [following.channel_names[index] for index in following.bad] == ["F3"]


def test_answers_that_would_come_too_late_are_left_out_and_counted(classifier):
    signal = eeg_like(30, RATE)
    windows = list(classifier.windows(Played(signal, RATE, chunk=round(10 * RATE))))
    assert sum(window.skipped for window in windows) > 30
    assert all(window.delay < LATEST + 0.2 for window in answered(windows))


def test_an_impossible_unit_is_refused_with_the_remedy(classifier):
    with pytest.raises(InputError, match="the numbers look like V"):
        list(classifier.windows(Played(eeg_like(6, RATE) * 1e-6, RATE)))


def test_channels_that_are_no_electrodes_are_asked_for(classifier, model):
    stream = Played(eeg_like(6, RATE, channels=4), RATE, ["1", "2", "3", "4"])
    with pytest.raises(InputError, match="None of the stream's channels is an electrode: 1, 2, 3, 4"):
        classifier.follow(stream)
    named = LiveClassifier(model, rename={"1": "O1", "2": "O2", "3": "PZ", "4": None})
    assert named.electrodes(named.follow(stream)).present == ["PZ", "O1", "O2"]


def test_a_step_has_to_be_positive(model):
    with pytest.raises(ValueError, match="step must be longer than 0 s, got 0"):
        LiveClassifier(model, step=0)


def test_the_answer_is_a_plain_record(classifier):
    window = next(iter(classifier.windows(Played(eeg_like(5, RATE), RATE))))
    assert dataclasses.asdict(window)["scores"] == {"eyes open": None, "eyes closed": None}
