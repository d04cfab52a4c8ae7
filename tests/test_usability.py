"""What holds no signal gets no answer: each kind of damage, on each route, with the same windows and verdicts."""

import json
import warnings

import mne
import numpy as np
import pandas as pd
import pytest
import torch

from dare_eeg_hf import (
    DareEegFeatureExtractor,
    DareEegForSequenceClassification,
    EegClassificationPipeline,
    EegFeatureExtractionPipeline,
)
from dare_eeg_hf.adaptation.estimator import DareEegClassifier, DareEegFeatures
from dare_eeg_hf.cli.main import main
from dare_eeg_hf.corpora.windows import Rejection, cut_windows
from dare_eeg_hf.hub.handler import EndpointHandler
from dare_eeg_hf.predictions import save_annotations, save_predictions, to_annotations
from dare_eeg_hf.recordings.recordings import RecordingError, load_recording, normalize_raw
from dare_eeg_hf.signal_reports_dare_eeg import EegWarning
from dare_eeg_hf.usability_dare_eeg import Loss, lost_channels, stretches, why_unusable
from dare_eeg_hf.visualization import plot_classification
from tests.made_signals import SECONDS, make_signal

NAMES = "Fp1 Fp2 F7 F3 Fz F4 F8 T7 C3 Cz C4 T8 P7 P3 Pz P4 P8 O1 O2".split()


DAMAGE = {
    "held": lambda rng, x, t: np.repeat(x[:, :1], x.shape[1], axis=1),
    "zero": lambda rng, x, t: np.zeros_like(x),
    "rail": lambda rng, x, t: np.full_like(x, 3276.7),
    "between rails": lambda rng, x, t: np.tile(np.where(np.sin(9 * t) > 0, 700.0, -700.0), (len(x), 1)),
    "0.02 uV": lambda rng, x, t: 0.02 * rng.standard_normal(x.shape),
    "mains alone": lambda rng, x, t: 40 * np.sin(2 * np.pi * 50 * t) * rng.uniform(0.5, 2, (len(x), 1)),
    "60 Hz and amplifier noise": lambda rng, x, t: (
        90 * np.sin(2 * np.pi * 60 * t) + 0.2 * rng.standard_normal(x.shape)
    ),
    "NaN": lambda rng, x, t: np.full_like(x, np.nan),
    "infinite": lambda rng, x, t: np.full_like(x, np.inf),
    "mains that swells and fades": lambda rng, x, t: np.tile(
        40 * (1 + 0.6 * np.sin(2 * np.pi * 1.5 * t)) * np.sin(2 * np.pi * 50 * t), (len(x), 1)
    ),
    "a rail and the converter's last bit": lambda rng, x, t: 3276.7 - rng.integers(0, 2, x.shape),
    "the converter's last bit on a drift": lambda rng, x, t: np.tile(np.round(100 * np.sin(0.3 * t)), (len(x), 1)),
    "0.02 uV on a drift that bends": lambda rng, x, t: (
        0.02 * rng.standard_normal(x.shape) + 400 * np.exp((20 - t) / 3) + 50 * np.sin(t)
    ),
    "a slow drift": lambda rng, x, t: np.tile(np.linspace(0, 80, x.shape[1]), (len(x), 1)),
}


def damage(signal: np.ndarray, rate: float, kind: str, start: float, stop: float, rng, channels=slice(None)) -> None:
    first, last = round(start * rate), round(stop * rate)
    time = np.arange(first, last) / rate
    signal[channels, first:last] = DAMAGE[kind](rng, signal[channels, first:last], time)


def make_raw(signal_uv: np.ndarray, rate: float, annotations=()) -> mne.io.RawArray:
    raw = mne.io.RawArray(signal_uv * 1e-6, mne.create_info(NAMES[: len(signal_uv)], rate, "eeg"), verbose="ERROR")
    for onset, duration, text in annotations:
        raw.annotations.append(onset, duration, text)
    return raw


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory):
    from dare_eeg_hf import DareEegConfig

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("usability")
    config = DareEegConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, id2label={0: "rest", 1: "task"})
    DareEegForSequenceClassification(config).save_pretrained(folder)
    DareEegFeatureExtractor().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def classify(model_folder):
    model = DareEegForSequenceClassification.from_pretrained(model_folder)
    extractor = DareEegFeatureExtractor.from_pretrained(model_folder)
    return EegClassificationPipeline(model=model, feature_extractor=extractor, task="eeg-classification")


@pytest.fixture(scope="module")
def encode(classify):
    return EegFeatureExtractionPipeline(
        model=classify.model, feature_extractor=classify.feature_extractor, task="eeg-feature-extraction"
    )


def verdicts(predictions) -> list[tuple]:
    """Onset, duration and usability of each window; a label exactly where it is usable."""
    for window in predictions:
        answered = [window["label"], window["score"], *window["scores"].values()]
        assert all(each is not None for each in answered) if window["usable"] else not any(answered)
        assert window["usable"] == (window["reason"] is None)
    return [(round(each["onset"], 2), round(each["duration"], 2), each["usable"]) for each in predictions]


# ---- every kind of damage ----------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [128, 250, 512])
@pytest.mark.parametrize("kind", DAMAGE)
def test_a_window_without_signal_gets_no_label_and_the_others_are_answered(classify, kind, rate):
    rng = np.random.default_rng(1)
    signal = make_signal(rng, rate)
    damage(signal, rate, kind, 20, 40, rng)
    raw = make_raw(signal, rate)
    with pytest.warns(EegWarning, match=r"5 of 15 windows hold no usable signal.*from 20 to 40 s"):
        predictions = classify(raw)
    assert [onset for onset, _, usable in verdicts(predictions) if not usable] == [20, 24, 28, 32, 36]
    assert all(window["channels"] == 19 for window in predictions if window["usable"])
    report = normalize_raw(raw).report
    assert [(round(each["onset"]), round(each["duration"])) for each in report.no_signal] == [(20, 20)]
    assert "no signal (1): 20.0 to 40.0 s" in str(report)


@pytest.mark.parametrize("share", [0.1, 0.6, 0.9])
@pytest.mark.parametrize("kind", ["NaN", "held", "mains alone"])
def test_a_hole_of_any_length_leaves_the_rest_answered(classify, kind, share):
    rng = np.random.default_rng(2)
    signal = make_signal(rng, 160, 120)
    damage(signal, 160, kind, 8, 8 + 112 * share, rng)
    usable = {onset: is_usable for onset, _, is_usable in verdicts(classify(make_raw(signal, 160)))}
    assert [usable[onset] for onset in (0, 4, 12, 116)] == [True, True, False, True]
    assert sum(usable.values()) == pytest.approx(30 - 28 * share, abs=1)


def test_what_lies_beside_a_hole_is_answered_as_ever(encode):
    rng = np.random.default_rng(3)
    signal = make_signal(rng, 160)
    whole = encode(make_raw(signal, 160))["features"]
    damage(signal, 160, "rail", 20, 40, rng)
    damaged = encode(make_raw(signal, 160))
    assert np.isnan(damaged["features"][5:10]).all()
    assert damaged["reason"][5] == "one held value"
    # Filters reach a few seconds beyond the hole; further away nothing may change.
    np.testing.assert_allclose(damaged["features"][[0, 1, 2, 12, 13, 14]], whole[[0, 1, 2, 12, 13, 14]], atol=1e-3)


def test_a_channel_without_signal_is_left_out_of_its_windows_alone(classify, encode):
    rng = np.random.default_rng(4)
    signal = make_signal(rng, 160)
    damage(signal, 160, "held", 20, 32, rng, channels=[8])
    predictions = classify(make_raw(signal, 160))
    assert [window["channels"] for window in predictions] == [18 if 20 <= w["onset"] < 32 else 19 for w in predictions]
    features = encode(make_raw(signal, 160))
    c3 = features["channel_names"].index("C3")
    assert features["channel_mask"][:, c3].tolist() == [not 20 <= onset < 32 for onset in features["onset"]]


@pytest.mark.parametrize("channels", [1, 8, 9])
def test_channels_that_are_silent_for_most_of_the_time_are_no_bad_channels(classify, channels):
    rng = np.random.default_rng(4)
    signal = make_signal(rng, 160)
    damage(signal, 160, "held", 8, 52, rng, channels=slice(channels))
    predictions = classify(make_raw(signal, 160))
    counted = [19 - channels if 8 <= window["onset"] < 52 else 19 for window in predictions]
    assert [window["channels"] for window in predictions] == counted


def test_half_a_window_lost_is_a_window_lost_and_a_blink_of_it_is_not(classify):
    rng = np.random.default_rng(5)
    signal = make_signal(rng, 160)
    damage(signal, 160, "NaN", 10.0, 10.2, rng)
    damage(signal, 160, "held", 21.0, 21.7, rng)
    assert [onset for onset, _, usable in verdicts(classify(make_raw(signal, 160))) if not usable] == [20]


def test_what_is_lost_again_and_again_is_lost(classify):
    rng = np.random.default_rng(5)
    signal = make_signal(rng, 160)
    for start in np.arange(20, 40, 0.7):
        damage(signal, 160, "NaN", start, min(40, start + 0.4), rng)
    assert [onset for onset, _, usable in verdicts(classify(make_raw(signal, 160))) if not usable] == [
        20,
        24,
        28,
        32,
        36,
    ]


def test_a_recording_without_any_signal_is_refused_or_has_no_label(classify):
    with pytest.raises(RecordingError, match="flat"):
        classify(make_raw(np.zeros((19, 9600)), 160))
    rng = np.random.default_rng(6)
    hum = np.zeros((19, 9600))
    damage(hum, 160, "mains alone", 0, 60, rng)
    with pytest.warns(EegWarning, match="15 of 15 windows"):
        assert not any(window["usable"] for window in classify(make_raw(hum, 160)))
    volts = {"channel_names": NAMES, "sampling_rate": 160, "unit": "V"}
    assert not any(window["usable"] for window in classify(hum * 1e-6, **volts))


def test_a_wrong_unit_is_still_told_as_such(classify):
    signal = make_signal(np.random.default_rng(7), 160)
    with pytest.raises(ValueError, match="unit='mV'"):
        classify(signal * 1e-3, channel_names=NAMES, sampling_rate=160, unit="nV")


def test_a_long_recording_whose_survey_meets_silence_is_still_read(classify):
    rng = np.random.default_rng(8)
    signal = make_signal(rng, 128, 400)
    damage(signal, 128, "zero", 0, 340, rng)
    usable = {onset for onset, _, is_usable in verdicts(classify(make_raw(signal, 128))) if is_usable}
    assert {344.0, 396.0} <= usable
    assert not any(onset + 4 <= 340 for onset in usable)


# ---- every route -------------------------------------------------------------------------------------------


def random_case(seed: int):
    """A recording with random rate, montage, damage and perhaps breaks: signal (uV), rate, annotations."""
    rng = np.random.default_rng(seed)
    rate = float(rng.choice([128, 160, 250, 256, 500]))
    signal = make_signal(rng, rate, SECONDS, channels=int(rng.choice([5, 8, 19])))
    for _ in range(rng.integers(1, 4)):
        start = rng.uniform(0, 50)
        damage(signal, rate, str(rng.choice(list(DAMAGE))), start, min(60, start + rng.uniform(1.5, 12)), rng)
    if rng.random() < 0.5:
        start = rng.uniform(0, 50)
        damage(signal, rate, "held", start, start + 5, rng, channels=[int(rng.integers(5))])
    annotations = []
    if seed % 2:
        annotations = [(20.0, 0.0, "EDGE boundary"), (33.0, 3.0, "BAD_ACQ_SKIP")]
    return signal, rate, annotations


@pytest.mark.parametrize("seed", range(8))
def test_all_routes_give_the_same_windows_with_the_same_verdicts(
    classify, encode, model_folder, tmp_path, capsys, seed
):
    signal, rate, annotations = random_case(seed)
    raw = make_raw(signal, rate, annotations)
    path = tmp_path / "case_raw.fif"
    raw.save(path, fmt="double", verbose="ERROR")
    normalised = load_recording(path).raw

    expected = verdicts(classify(path))
    assert 0 < sum(usable for *_, usable in expected) < len(expected)
    assert verdicts(classify(raw)) == expected
    assert verdicts(classify(normalised)) == expected

    features = encode(path)
    assert [
        (round(o, 2), round(d, 2), bool(u))
        for o, d, u in zip(*(features[k] for k in ("onset", "duration", "usable")), strict=True)
    ] == expected
    assert (np.isnan(features["features"]).all(axis=1) == ~features["usable"]).all()

    table = tmp_path / "results"
    assert main(["predict", str(model_folder), str(path), "--output", str(table)]) == 0
    assert "hold no usable signal" in capsys.readouterr().err
    rows = pd.read_csv(table / "case_raw.csv")
    assert [
        (round(o, 2), round(d, 2), bool(u)) for o, d, u in zip(rows.onset, rows.duration, rows.usable, strict=True)
    ] == expected
    assert rows.label.isna().tolist() == rows.score.isna().tolist() == (~rows.usable).tolist()

    windows = cut_windows(normalised, 4.0, reject=Rejection(None, None, None))
    assert [round(onset, 2) for onset in windows.onsets] == [o for o, d, usable in expected if usable and d == 4]
    if annotations:
        return

    described = {"channel_names": NAMES[: len(signal)], "sampling_rate": rate, "unit": "uV"}
    assert verdicts(classify(signal, filter=True, **described)) == expected
    answer = EndpointHandler(str(model_folder))({"inputs": {"signal": signal, **described}})
    assert verdicts(answer) == expected
    json.dumps(answer, allow_nan=False)

    np.savez(tmp_path / "table.npz", signal=signal)
    (tmp_path / "table.json").write_text(json.dumps({**described, "variable": "signal"}))
    assert verdicts(classify(tmp_path / "table.npz")) == expected


def test_epochs_are_judged_one_by_one(classify):
    rng = np.random.default_rng(9)
    signal = make_signal(rng, 160)
    damage(signal, 160, "mains alone", 20, 30, rng)
    raw = make_raw(signal, 160)
    epochs = mne.Epochs(raw, mne.make_fixed_length_events(raw, duration=4.0), tmin=0, tmax=4 - 1 / 160, baseline=None,
                        preload=True, verbose="ERROR")  # fmt: skip
    with pytest.warns(EegWarning, match="mains hum alone in trial 5"):
        predictions = classify(epochs)
    assert [window["trial"] for window in predictions if not window["usable"]] == [5, 6, 7]


def test_a_file_of_epochs_gives_one_result_a_trial(classify, encode, tmp_path):
    raw = make_raw(make_signal(np.random.default_rng(20), 128), 128)
    events = np.array([[round(onset * 128), 0, 1] for onset in (3.0, 11.0, 20.5, 40.0)])
    epochs = mne.Epochs(raw, events, {"go": 1}, 0, 3 - 1 / 128, baseline=None, preload=True, verbose="ERROR")
    epochs.save(tmp_path / "trials-epo.fif", verbose="ERROR")
    predictions = classify(tmp_path / "trials-epo.fif")
    assert [window["trial"] for window in predictions] == [0, 1, 2, 3]
    assert [window["onset"] for window in predictions] == pytest.approx([3.0, 11.0, 20.5, 40.0])
    assert all(window["duration"] == 3 for window in predictions)
    features = encode(tmp_path / "trials-epo.fif")
    np.testing.assert_allclose(features["features"], encode(epochs)["features"], atol=1e-3)


def test_estimators_neither_train_on_nor_answer_for_windows_without_signal(model_folder):
    rng = np.random.default_rng(21)
    signals = np.stack([make_signal(rng, 128, 4, channels=6) for _ in range(10)])
    damage(signals[3], 128, "held", 0, 4, rng)
    damage(signals[7], 128, "mains alone", 0, 4, rng)
    options = {"channel_names": NAMES[:6], "sampling_rate": 128, "unit": "uV", "random_state": 0}
    classifier = DareEegClassifier(model_folder, mode="linear", epochs=1, **options)
    with pytest.warns(EegWarning, match=r"2 of 10 windows hold no usable signal: 3 \(one held value\), 7 \(mains"):
        classifier.fit(signals, ["a", "b"] * 5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EegWarning)
        probabilities = classifier.predict_proba(signals)
        labels = classifier.predict(signals)
        features = DareEegFeatures(model_folder, **options).fit(signals).transform(signals)
    unusable = [index in (3, 7) for index in range(10)]
    assert np.isnan(probabilities).all(axis=1).tolist() == unusable
    assert [label is None for label in labels] == unusable
    assert np.isnan(features).all(axis=1).tolist() == unusable
    with pytest.warns(EegWarning), pytest.raises(ValueError, match="no window of b holds usable signal"):
        classifier.fit(signals, ["b" if each else "a" for each in unusable])


def test_estimators_bridge_single_samples_and_leave_out_windows_full_of_nan(model_folder):
    rng = np.random.default_rng(23)
    signals = np.stack([make_signal(rng, 128, 4, channels=6) for _ in range(6)])
    options = {"channel_names": NAMES[:6], "sampling_rate": 128, "unit": "uV", "random_state": 0}
    features = DareEegFeatures(model_folder, **options).fit(signals)
    whole = features.transform(signals)
    signals[1, 2, 50] = np.nan
    signals[4, :, 100:300] = np.nan
    with pytest.warns(EegWarning, match=r"1 of 6 windows hold no usable signal: 4 \(missing samples"):
        damaged = features.transform(signals)
    assert np.isnan(damaged).all(axis=1).tolist() == [index == 4 for index in range(6)]
    np.testing.assert_array_equal(damaged[[0, 2, 3, 5]], whole[[0, 2, 3, 5]])
    np.testing.assert_allclose(damaged[1], whole[1], atol=0.2)


def test_estimators_leave_out_channels_marked_bad(model_folder):
    raw = make_raw(make_signal(np.random.default_rng(22), 128), 128)
    raw.info["bads"] = ["Cz"]
    epochs = mne.make_fixed_length_epochs(raw, 4.0, preload=True, verbose="ERROR")
    features = DareEegFeatures(model_folder).fit(epochs)
    assert "Cz" not in features.electrode_names_
    assert features.n_features_in_ == 18


# ---- breaks ------------------------------------------------------------------------------------------------


def crossing(predictions, at: float) -> list:
    return [w for w in predictions if w["onset"] + 0.05 < at < w["onset"] + w["duration"] - 0.05]


@pytest.mark.parametrize("overlap", [0, 0.75])
def test_no_window_runs_across_concatenated_recordings(classify, overlap):
    rng = np.random.default_rng(10)
    parts = [make_raw(make_signal(rng, 160, seconds), 160) for seconds in (30, 21, 30)]
    raw = mne.concatenate_raws(parts, verbose="ERROR")
    predictions = classify(raw, overlap=overlap)
    assert crossing(predictions, 30) == crossing(predictions, 51) == []
    assert {30.0, 51.0} <= {round(window["onset"], 2) for window in predictions}
    assert all(window["usable"] for window in predictions)


def test_what_was_skipped_has_no_label(classify):
    raw = make_raw(make_signal(np.random.default_rng(11), 160), 160, [(18.0, 9.0, "BAD_ACQ_SKIP")])
    unusable = [(onset, duration) for onset, duration, usable in verdicts(classify(raw)) if not usable]
    assert unusable == [(18.0, 4.0), (22.0, 4.0), (26.0, 1.0)]


def test_filters_do_not_run_across_a_break(encode):
    rng = np.random.default_rng(12)
    first, second = make_signal(rng, 160, 24), make_signal(rng, 160, 24)
    jump = make_raw(np.concatenate([first, second + 900], axis=1), 160, [(24.0, 0.0, "EDGE boundary")])
    alone = encode(make_raw(first, 160))["features"]
    np.testing.assert_allclose(encode(jump)["features"][:6], alone, atol=2e-3)


# ---- onsets, partial windows, annotations --------------------------------------------------------------------


@pytest.mark.parametrize("change", ["decim", "resample", "decimate"])
def test_onsets_of_epochs_are_in_the_seconds_of_the_recording(classify, change):
    raw = make_raw(make_signal(np.random.default_rng(13), 256), 256)
    raw.filter(None, 30, verbose="ERROR")
    events = np.array([[round(onset * 256), 0, 1] for onset in (2.0, 10.0, 20.5)])
    options = {"tmin": 0.5, "tmax": 4.5, "baseline": None, "preload": True, "verbose": "ERROR"}
    epochs = mne.Epochs(raw, events, decim=2 if change == "decim" else 1, **options)
    if change == "resample":
        epochs.resample(100, verbose="ERROR")
    if change == "decimate":
        epochs.decimate(2, verbose="ERROR")
    assert [w["onset"] for w in classify(epochs) if not w["partial"]] == pytest.approx([2.5, 10.5, 21.0])


def test_onsets_of_epochs_that_are_merely_numbered_are_not_known(classify):
    info = mne.create_info(NAMES, 256, "eeg")
    signal = make_signal(np.random.default_rng(14), 256, 12) * 1e-6
    epochs = mne.EpochsArray(signal.reshape(19, 3, 1024).transpose(1, 0, 2), info, verbose="ERROR")
    with pytest.warns(EegWarning, match="onsets are unknown"):
        assert [window["onset"] for window in classify(epochs)] == [None, None, None]
    for chosen in (epochs[1:], epochs[[2]]):
        with pytest.warns(EegWarning, match="onsets are unknown"):
            assert {window["onset"] for window in classify(chosen)} == {None}
    with pytest.raises(ValueError, match="There is no epoch"):
        classify(epochs[[]])


def test_partial_windows_are_marked_everywhere_and_can_be_left_out(classify, encode, tmp_path):
    raw = make_raw(make_signal(np.random.default_rng(15), 160, 30), 160)
    with pytest.warns(EegWarning, match="only 2 s of signal"):
        predictions = classify(raw)
    assert [window["partial"] for window in predictions] == [False] * 7 + [True]
    assert pd.read_csv(save_predictions(predictions, tmp_path / "t.csv")).partial.tolist() == [False] * 7 + [True]
    annotations = to_annotations(predictions)
    assert annotations.description[-1].endswith(" (partial)")
    assert annotations.onset[-1] == 28
    figure = plot_classification(predictions)
    assert any(line.get_linestyle() == ":" for line in figure.axes[0].lines)
    assert len(classify(raw, drop_partial=True)) == len(encode(raw, drop_partial=True)["onset"]) == 7


@pytest.mark.parametrize("measured", [True, False])
def test_annotations_of_a_cropped_recording_keep_their_place(classify, measured, tmp_path):
    raw = make_raw(make_signal(np.random.default_rng(16), 160, 80), 160, [(70.0, 1.0, "event")])
    if measured:
        raw.set_meas_date(1_600_000_000)
    damaged = raw.copy()
    damaged._data[:, 40 * 160 : 48 * 160] = 0
    cropped = damaged.copy().crop(20, 79)
    with pytest.warns(EegWarning):
        predictions = classify(cropped, drop_partial=True)
    ours = to_annotations(predictions)
    # Without a date MNE cannot add annotations of a cropped recording to each other.
    cropped.set_annotations(cropped.annotations + ours if measured else ours)
    assert len(cropped.annotations) == len(ours) + measured
    onsets = dict(zip(cropped.annotations.description, cropped.annotations.onset - cropped.first_time, strict=True))
    assert onsets["BAD_no_signal: one held value"] == pytest.approx(20, abs=0.01)
    assert onsets.get("event", 50) == pytest.approx(50, abs=0.01)
    assert to_annotations(list(predictions), raw=cropped) == ours
    assert (to_annotations(predictions, orig_time=cropped.info["meas_date"]).onset == ours.onset).all()
    table = pd.read_csv(save_annotations(predictions, tmp_path / "annotations.csv"))
    assert table.onset.tolist()[0] == 0
    assert table.onset.dtype.kind in "fi"


def test_the_figure_shows_what_has_no_signal_as_a_gap(classify):
    rng = np.random.default_rng(17)
    signal = make_signal(rng, 160)
    damage(signal, 160, "zero", 20, 40, rng)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EegWarning)
        figure = plot_classification(classify(make_raw(signal, 160)))
    panel = figure.axes[0]
    assert [text.get_text() for text in figure.legends[0].texts] == ["rest", "task", "no signal"]
    assert all(np.isnan(line.get_ydata()[15:30]).all() for line in panel.lines[:2])


def test_stretches_name_channels_only_where_few_are_concerned():
    lost = np.zeros((4, 1000), np.uint8)
    lost[:, 100:300] = 3
    lost[2, 600:900] = 5
    found = stretches(lost, 100, ["A", "B", "C", "D"])
    assert found == [Loss(1, 2, "one held value"), Loss(6, 3, "mains hum alone", ("C",))]
    assert why_unusable(0, 1.4, found) is None
    assert why_unusable(0, 1.5, found) == "one held value"
    assert why_unusable(5, 9, found) is None
    assert lost_channels(5, 9, found) == {"C"}
    assert why_unusable(4, 6, found, [(5.0, 5.0)]) == "across a break in time"
