"""Whatever a user may bring to the pipelines and the feature extractor: an answer, or one sentence."""

import json
import shutil
import types
import warnings

import mne
import numpy as np
import pytest
import torch
from transformers import pipeline
from transformers.pipelines.pt_utils import KeyDataset

from dare_eeg_hf.recordings.recordings import load_recording
from dare_eeg_hf.signal_reports_dare_eeg import EegWarning

pd = pytest.importorskip("pandas")
datasets = pytest.importorskip("datasets")


@pytest.fixture(scope="module")
def raw(eyes_recordings):
    return load_recording(eyes_recordings[1]).raw.crop(0, 8, include_tmax=False)


@pytest.fixture(scope="module")
def microvolts(raw):
    return raw.get_data() * 1e6


@pytest.fixture(scope="module")
def described(raw):
    return {"channel_names": raw.ch_names, "sampling_rate": 256, "unit": "uV"}


@pytest.fixture(scope="module")
def expected(classify, raw):
    return [window["scores"]["eyes closed"] for window in classify(raw)]


def closed(answers):
    return [window["scores"]["eyes closed"] for window in answers]


ONE_SIGNAL = {
    "nested lists": lambda x: x.tolist(),
    "list of rows": lambda x: list(x),
    "tuple of rows": lambda x: tuple(x),
    "tensor with gradient": lambda x: torch.tensor(x, requires_grad=True),
    "single precision": lambda x: x.astype(np.float32),
    "big endian": lambda x: x.astype(">f8"),
    "column-major": np.asfortranarray,
    "masked without a mask": lambda x: np.ma.array(x),
}


@pytest.mark.parametrize("kind", ONE_SIGNAL)
def test_one_signal_in_any_container_gives_the_same_answer(classify, microvolts, described, expected, kind):
    answers = classify(ONE_SIGNAL[kind](microvolts), **described)
    np.testing.assert_allclose(closed(answers), expected, atol=1e-4)
    batch = classify.feature_extractor(ONE_SIGNAL[kind](microvolts), **described)
    assert batch["input_values"].shape[-1] == microvolts.shape[1]


def test_integers_are_numbers(classify, microvolts, described, expected):
    answers = classify(np.round(microvolts * 1000).astype(np.int32), **{**described, "unit": "nV"})
    np.testing.assert_allclose(closed(answers), expected, atol=1e-3)


def test_a_table_has_its_channels_as_columns(classify, microvolts, raw, expected):
    table = pd.DataFrame(microvolts.T, columns=raw.ch_names)
    np.testing.assert_allclose(closed(classify(table, sampling_rate=256, unit="uV")), expected, atol=1e-4)
    batch = classify.feature_extractor(table, sampling_rate=256, unit="uV")
    assert batch.reports[0].channels == raw.ch_names
    with pytest.raises(ValueError, match="channels must be its columns"):
        classify(table.T, sampling_rate=256, unit="uV")
    with pytest.raises(ValueError, match="the table must hold real numbers"):
        classify(table.assign(marker="left"), sampling_rate=256, unit="uV")


def test_a_rate_may_be_a_text(classify, microvolts, described, expected):
    as_text = {**described, "sampling_rate": "256"}
    np.testing.assert_allclose(closed(classify(microvolts, **as_text)), expected, atol=1e-4)
    assert classify.feature_extractor(microvolts, **as_text)["input_values"].shape[-1] == microvolts.shape[1]


@pytest.mark.parametrize("rate", [0, -256, float("nan"), float("inf"), "fast", True, [256.0], None])
def test_a_rate_that_is_none_is_refused(classify, microvolts, described, rate):
    with pytest.raises(ValueError, match="sampling_rate"):
        classify(microvolts, **{**described, "sampling_rate": rate})
    if not isinstance(rate, list):  # the extractor takes one rate for each signal of a list
        with pytest.raises(ValueError, match="sampling_rate"):
            classify.feature_extractor(microvolts, **{**described, "sampling_rate": rate})


BAD_SIGNALS = {
    "swapped axes": (lambda x: x.T, "axes swapped"),
    "complex": (lambda x: x + 0j, "real numbers"),
    "truth values": (lambda x: x > 0, "real numbers"),
    "text": (lambda x: x.astype(str), "real numbers"),
    "objects": (lambda x: x.astype(object), "real numbers"),
    "rows of different lengths": (lambda x: [x[0].tolist(), x[1].tolist()[:-1]], "different lengths"),
    "no samples": (lambda x: x[:, :0], "is empty"),
    "one dimension": (lambda x: x[0], "must be"),
    "four dimensions": (lambda x: x[None, None], "must be"),
    "masked samples": (lambda x: np.ma.masked_greater(x, x.max() / 2), "NaN"),
    "a column of a table": (lambda x: pd.Series(x[0]), "must be"),
}


@pytest.mark.parametrize("kind", BAD_SIGNALS)
def test_what_is_no_signal_is_refused_in_a_sentence(classify, microvolts, described, kind):
    change, message = BAD_SIGNALS[kind]
    with pytest.raises(ValueError, match=message):
        classify.feature_extractor(change(microvolts), **described)
    if kind != "masked samples":  # the pipeline may answer for the windows without them
        with pytest.raises(ValueError, match=message):
            classify(change(microvolts), **described)


@pytest.mark.parametrize("thing", [None, b"0       ", 12, {"a.edf"}, object(), float])
def test_what_is_no_recording_is_refused_in_a_sentence(classify, thing):
    with pytest.raises(ValueError, match="is not a recording"):
        classify(thing)


def test_means_over_trials_and_spectra_are_no_recordings(classify, raw):
    epochs = mne.make_fixed_length_epochs(raw, 4.0, preload=True, verbose="ERROR")
    for thing in (epochs.average(), raw.compute_psd(verbose="ERROR"), epochs.compute_psd(verbose="ERROR")):
        for reader in (classify, classify.feature_extractor):
            with pytest.raises(ValueError, match="pass the Raw or Epochs it was made from"):
                reader(thing)


def test_recordings_come_one_by_one_from_whatever_yields_them(classify, eyes_recordings, expected, raw):
    paths = [str(path) for path in eyes_recordings[:2]]
    whole = classify(paths)
    assert isinstance(whole, list)
    table = datasets.Dataset.from_dict({"file": paths})
    for several in ((path for path in paths), iter(paths), map(str, paths), KeyDataset(table, "file"), table["file"]):
        answers = classify(several)
        assert isinstance(answers, types.GeneratorType)
        assert list(answers) == whole
    assert classify(tuple(paths)) == whole
    assert classify([]) == []
    assert list(classify(iter([]))) == []
    np.testing.assert_allclose(closed(classify([raw, raw])[1]), expected, atol=1e-4)


def test_a_generator_is_read_as_it_is_asked(classify, eyes_recordings):
    opened = []

    def recordings():
        for path in eyes_recordings[:2]:
            opened.append(path)
            yield path

    answers = classify(recordings())
    next(answers)
    assert len(opened) == 1


def test_signals_of_a_data_set_are_read_row_by_row(classify, microvolts, described, expected):
    short = microvolts[:, :1024]
    table = datasets.Dataset.from_dict({"signal": [short.tolist()] * 2})
    for several in (table["signal"], KeyDataset(table, "signal")):
        for answers in classify(several, **described):
            np.testing.assert_allclose(closed(answers), expected[:1], atol=1e-4)
    assert classify.feature_extractor(table["signal"], **described)["input_values"].shape[0] == 2


def test_a_row_of_a_prepared_data_set_is_a_signal_with_its_description(classify, microvolts, described, expected):
    row = {
        "signal": (microvolts / 1000).astype("<f2").tobytes(),
        "signal_dtype": "float16",
        "n_channels": len(microvolts),
        "channel_names": described["channel_names"],
        "sampling_rate": 256.0,
        "unit": "mV",
        "subject": "S001",
        "onset": 0.0,
    }
    np.testing.assert_allclose(closed(classify(row)), expected, atol=1e-2)


# ---- what only the user can know ----------------------------------------------------------------------------


def test_every_remedy_of_a_recording_is_an_argument_for_paths_raws_epochs_and_arrays(classify, eyes_recordings):
    recorded = mne.io.read_raw_edf(eyes_recordings[1], preload=True, verbose="ERROR").crop(0, 20, include_tmax=False)
    expected = closed(classify(recorded))
    wrong = recorded.copy()
    wrong._data *= 1e6
    numbered = dict(zip(wrong.ch_names, [f"E{n}" for n in range(1, len(wrong.ch_names) + 1)], strict=True))
    wrong.rename_channels(numbered)
    known = {"unit": "uV", "rename": {new: old for old, new in numbered.items()}}
    np.testing.assert_allclose(closed(classify(wrong, **known)), expected, atol=1e-5)
    array = {"channel_names": wrong.ch_names, "sampling_rate": wrong.info["sfreq"], "filter": True}
    np.testing.assert_allclose(closed(classify(wrong.get_data(), **array, **known)), expected, atol=0.1)
    epochs = mne.make_fixed_length_epochs(wrong, 4.0, preload=True, verbose="ERROR")
    assert len(classify(epochs, **known)) == len(expected)
    without = classify(wrong, unit="uV", rename=known["rename"] | {"E1": None})
    assert {window["channels"] for window in without} == {len(wrong.ch_names) - 1}
    with pytest.raises(ValueError, match="Which cap was it"):
        classify(wrong, unit="uV")
    with pytest.raises(ValueError, match="pass unit='uV'"):
        classify(wrong, rename=known["rename"])


def test_the_mains_frequency_can_be_given(classify, eyes_recordings):
    scores = {line: closed(classify(eyes_recordings[1], line_frequency=line)) for line in (50, 60, None, "auto")}
    assert scores[50] != scores[None]
    with pytest.raises(ValueError, match="line_frequency must be 50, 60, 'auto' or None"):
        classify(eyes_recordings[1], line_frequency="fifty")


def test_a_table_of_numbers_is_read_with_a_sidecar_and_a_reader_with_its_options(
    classify, eyes_recordings, microvolts, raw, expected, tmp_path
):
    np.savetxt(tmp_path / "eyes.csv", microvolts.T, delimiter=",", header=",".join(raw.ch_names), comments="")
    sidecar = {"sampling_rate": 256, "unit": "uV", "channel_names": raw.ch_names}
    with pytest.raises(ValueError, match="pass sidecar="):
        classify(tmp_path / "eyes.csv")
    assert len(classify(tmp_path / "eyes.csv", sidecar=sidecar)) == len(expected)
    answers = classify(eyes_recordings[1], reader_options={"exclude": ["Fp1", "O1"]})
    assert "FP1" not in answers.report.present
    with pytest.raises(ValueError, match="can be given for files only"):
        classify(raw, reader_options={"exclude": ["Fp1"]})


@pytest.mark.parametrize(
    ("known", "message"),
    [
        ({"unit": "furlong"}, "unknown unit 'furlong'"),
        ({"rename": ["E1"]}, "rename must map"),
        ({"rename": {"nobody": "C3"}}, "none of them was recorded"),
        ({"montage": "biosmi"}, "no montage 'biosmi'"),
        ({"reader_options": "preload"}, "must be a dictionary"),
        ({"montagne": "biosemi64"}, "does not know"),
        ({"overlap": "0.5"}, "overlap must be at least 0"),
        ({"batch_size": 0}, "batch_size must be"),
        ({"batch_size": "4"}, "batch_size must be"),
        ({"drop_partial": "no"}, "drop_partial must be True or False"),
        ({"filter": "no"}, "filter must be True or False"),
    ],
)
def test_what_cannot_be_known_is_refused(classify, eyes_recordings, known, message):
    with pytest.raises(ValueError, match=message):
        classify(eyes_recordings[1], **known)


# ---- how many of the trained electrodes are there -----------------------------------------------------------


@pytest.fixture(scope="module")
def trained_on_all(eyes_classifier, raw, tmp_path_factory):
    """The classifier, knowing the 19 electrodes that it was trained with, as fine-tuning saves them."""
    folder = tmp_path_factory.mktemp("trained") / "model"
    shutil.copytree(eyes_classifier, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"electrode_names": raw.ch_names}))
    return pipeline("eeg-classification", model=str(folder))


def routes(raw):
    """The same recording on every route."""
    microvolts = raw.get_data() * 1e6
    yield "Raw", raw, {}
    yield "Epochs", mne.make_fixed_length_epochs(raw, 4.0, preload=True, verbose="ERROR"), {}
    yield "array", microvolts, {"channel_names": raw.ch_names, "sampling_rate": 256, "unit": "uV"}


def test_the_report_tells_how_many_of_the_trained_electrodes_are_there(trained_on_all, raw):
    half = raw.copy().pick(raw.ch_names[:10])
    for route, recording, description in routes(half):
        with warnings.catch_warnings():
            warnings.simplefilter("error", EegWarning)
            warnings.filterwarnings("ignore", "dropped|The epochs' events")
            report = trained_on_all(recording, **description).report
        assert report.electrodes == "10 of the 19 electrodes the classifier was trained with are present", route
        assert report.present == [name for name in report.trained if name in half.ch_names]
        assert report.warnings == []


@pytest.mark.filterwarnings("ignore")
def test_few_electrodes_are_warned_about_and_one_or_two_are_refused(trained_on_all, raw):
    for route, recording, description in routes(raw.copy().pick(["FP1", "FP2", "O1", "O2"])):
        with pytest.warns(EegWarning, match="4 of the 19 electrodes"):
            report = trained_on_all(recording, **description).report
        assert report.warnings, route
    for names in (["FP1"], ["FP1", "O2"]):
        for _, recording, description in routes(raw.copy().pick(names)):
            with pytest.raises(ValueError, match=rf"{len(names)} of the 19 electrodes the classifier.*FP1"):
                trained_on_all(recording, **description)


@pytest.mark.filterwarnings("ignore")
def test_bipolar_pairs_are_not_answered_from_the_one_electrode_that_remains(trained_on_all, raw):
    bipolar = raw.copy().pick(["FP1", "F7", "O2"])
    bipolar.rename_channels({"F7": "EEG F7-T3", "O2": "P4-O2"})
    bipolar.info["description"] = None
    with pytest.raises(ValueError, match="1 of the 19 electrodes the classifier was trained with is present"):
        trained_on_all(bipolar)


@pytest.mark.filterwarnings("ignore")
def test_a_model_that_does_not_know_its_electrodes_says_so_and_features_go_by_pre_training(
    classify, eyes_classifier, raw
):
    one = raw.copy().pick(["FP1"])
    with pytest.warns(EegWarning, match="1 of the 58 electrodes the encoder was trained with"):
        assert classify(one).report.warnings
    encode = pipeline("eeg-feature-extraction", model=str(eyes_classifier))
    with pytest.warns(EegWarning, match="1 of the 58 electrodes the encoder was trained with"):
        assert encode(one).report.warnings
    assert encode(raw).report.electrodes.startswith("19 of the 58 electrodes")
