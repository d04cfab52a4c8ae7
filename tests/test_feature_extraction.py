"""The signal contract: arrays and MNE objects of any kind become the model's input, or a clear error."""

import json
import pickle
import subprocess
import sys
import warnings

import mne
import numpy as np
import pytest
import torch
from scipy.signal import welch
from transformers import AutoFeatureExtractor

import dare_eeg_hf  # noqa: F401  registers the classes
from dare_eeg_hf.feature_extraction_dare_eeg import DareEegFeatureExtractor
from dare_eeg_hf.montage import CHANNEL_VOCABULARY, PRETRAINING_CHANNELS
from dare_eeg_hf.signal_dare_eeg import line_frequency
from dare_eeg_hf.signal_reports_dare_eeg import EegWarning
from tests.made_signals import eeg

pytestmark = pytest.mark.filterwarnings("ignore:the average of only")


NAMES = ["Fp1", "Fp2", "F3", "F4", "C3", "C4", "P3", "P4", "O1", "O2"]


@pytest.fixture
def extractor():
    return DareEegFeatureExtractor()


def make_raw(signal_uv, names, rate, **info):
    raw = mne.io.RawArray(signal_uv * 1e-6, mne.create_info(list(names), rate, "eeg"), verbose="ERROR")
    for key, value in info.items():
        raw.info[key] = value
    return raw


# ---- shapes, units, names --------------------------------------------------------------


def test_one_window(extractor):
    batch = extractor(eeg(), NAMES, 256, "uV")
    assert batch["input_values"].shape == (1, 10, 1024)
    assert batch["input_values"].dtype == torch.float32
    assert batch["channel_ids"].dtype == torch.int64
    assert batch["channel_mask"].dtype == batch["patch_mask"].dtype == torch.bool
    assert [CHANNEL_VOCABULARY[i] for i in batch["channel_ids"][0]] == [name.upper() for name in NAMES]
    assert batch["channel_mask"].all()
    assert batch["patch_mask"].shape == (1, 16)
    assert batch["patch_mask"].all()
    assert len(batch.reports) == 1
    assert set(batch.reports[0].missing) == set(CHANNEL_VOCABULARY) - {name.upper() for name in NAMES}


@pytest.mark.parametrize(("unit", "factor"), [("V", 1e-6), ("mV", 1e-3), ("uV", 1.0), ("µV", 1.0), ("nV", 1e3)])
def test_units_give_the_same_millivolts(extractor, unit, factor):
    signal = eeg()
    values = extractor(signal * factor, NAMES, 256, unit)["input_values"][0].numpy()
    expected = (signal - signal.mean(axis=0)) * 1e-3
    np.testing.assert_allclose(values, expected, atol=1e-8)


def test_average_reference_is_over_the_valid_channels(extractor):
    values = extractor(eeg(), NAMES, 256, "uV")["input_values"]
    assert values.sum(dim=1).abs().max() < 1e-6
    recorded = DareEegFeatureExtractor(reference=None)(eeg(), NAMES, 256, "uV")["input_values"]
    assert recorded.mean(dim=1).abs().max() > 1e-3


def test_order_of_channels_does_not_matter(extractor):
    signal, order = eeg(), np.random.default_rng(1).permutation(10)
    batch = extractor(signal, NAMES, 200, "uV")
    shuffled = extractor(signal[order], [NAMES[i] for i in order], 200, "uV")
    assert torch.equal(shuffled["channel_ids"], batch["channel_ids"][:, order])
    assert torch.allclose(shuffled["input_values"], batch["input_values"][:, order], atol=1e-7)


@pytest.mark.parametrize("dtype", ["float64", "float32", "int16", "int32"])
def test_numpy_and_torch_of_any_type_agree(extractor, dtype):
    signal = (eeg() * 10).astype(dtype)
    one = extractor(signal, NAMES, 250, "uV")["input_values"]
    two = extractor(torch.from_numpy(signal), NAMES, 250, "uV")["input_values"]
    assert torch.equal(one, two)
    assert isinstance(extractor(signal, NAMES, 250, "uV", return_tensors="np")["input_values"], np.ndarray)


def test_a_tensor_with_gradient_in_half_precision(extractor):
    tensor = torch.from_numpy(eeg()).to(torch.float16).requires_grad_()
    assert extractor(tensor, NAMES, 256, "uV")["input_values"].isfinite().all()
    assert extractor([tensor, tensor], NAMES, 256, "uV")["input_values"].shape[0] == 2


def test_unknown_channels_are_dropped_by_name_never_filled(extractor):
    names = ["Fp1", "EEG T3-REF", "ECG", "Fp1-F7", "nonsense", "A1", "C3", "C4", "O1", "O2"]
    with pytest.warns(EegWarning, match=r"nonsense \(unknown name\)"):
        batch = extractor(eeg(), names, 256, "uV")
    report = batch.reports[0]
    assert report.channels == ["FP1", "T7", "C3", "C4", "O1", "O2"]
    assert batch["input_values"].shape[1] == 6
    assert report.dropped["Fp1-F7"] == "bipolar derivation"
    assert report.renamed["EEG T3-REF"] == "T7"


def test_report_survives_json(extractor):
    report = extractor(eeg(), NAMES, 160, "uV").reports[0]
    again = json.loads(json.dumps(report.to_dict()))
    assert again["channels"] == report.channels
    assert any("160 to 256 Hz" in step for step in again["steps"])


def test_reports_travel_with_the_batch(extractor):
    batch = extractor(eeg(), NAMES, 256, "uV")
    again = pickle.loads(pickle.dumps(batch)).to("cpu")
    assert again.reports == batch.reports
    assert torch.equal(again["input_values"], batch["input_values"])


# ---- batches --------------------------------------------------------------


def test_a_mixed_batch_gives_each_input_what_it_gets_alone(extractor):
    signals = [eeg(10, 4, 256), eeg(4, 2.5, 200, seed=1), eeg(6, 1.1, 500, seed=2)]
    names = [NAMES, ["C3", "Cz", "C4", "Pz"], ["F7", "F8", "T3", "T4", "T5", "T6"]]
    rates = [256, 200, 500]
    batch = extractor(signals, names, rates, "uV")
    assert batch["input_values"].shape == (3, 10, 1024)
    assert batch["channel_mask"].sum(dim=1).tolist() == [10, 4, 6]
    assert batch["patch_mask"].sum(dim=1).tolist() == [16, 10, 4]
    assert (batch["channel_ids"][~batch["channel_mask"]] == 0).all()
    for i, (signal, own, rate) in enumerate(zip(signals, names, rates, strict=True)):
        alone = extractor(signal, own, rate, "uV")
        channels, patches = len(own), int(alone["patch_mask"].sum())
        assert torch.equal(
            batch["input_values"][i, :channels, : patches * 64], alone["input_values"][0, :, : patches * 64]
        )
        assert torch.equal(batch["channel_ids"][i, :channels], alone["channel_ids"][0])
    assert (batch["input_values"][1, 4:] == 0).all()


def test_without_padding_different_inputs_are_refused(extractor):
    with pytest.raises(ValueError, match="padding=True"):
        extractor([eeg(), eeg(seconds=2)], NAMES, 256, "uV", padding=False)


def test_windows_in_one_array_and_one_by_one_agree(extractor):
    signal = np.stack([eeg(seed=i) for i in range(3)])
    batch = extractor(signal, NAMES, 200, "uV")
    for i in range(3):
        assert torch.equal(batch["input_values"][i], extractor(signal[i], NAMES, 200, "uV")["input_values"][0])


def test_samples_that_fill_no_patch_are_masked(extractor):
    batch = extractor(eeg(seconds=1000 / 256), NAMES, 256, "uV")
    assert batch["input_values"].shape[-1] == 1024
    assert batch["patch_mask"][0].tolist() == [True] * 15 + [False]
    assert (batch["input_values"][..., 960:] == 0).all()


def test_a_notch_removes_the_mains_of_either_kind():
    for line in (50.0, 60.0):
        time = np.arange(256 * 40) / 256
        signal = (eeg(8, 40) + 10 * np.sin(2 * np.pi * line * time)).astype(np.float32)
        assert line_frequency(signal, 256) == line
        batch = DareEegFeatureExtractor()(make_raw(signal, NAMES[:8], 256))
        assert any(f"notch {line:g}" in step for step in batch.reports[0].steps)
        frequency, power = welch(batch["input_values"][0].numpy(), 256, nperseg=1024)
        near = power[:, np.abs(frequency - line) < 0.3].mean()
        assert near < power[:, np.abs(frequency - line + 4) < 1].mean()
    assert line_frequency(eeg(8, 40).astype(np.float32), 256) is None


def test_arrays_and_epochs_are_not_filtered_unless_asked(extractor):
    signal = eeg(seconds=20) + 50 * np.sin(2 * np.pi * 0.1 * np.arange(20 * 256) / 256)
    plain = extractor(signal, NAMES, 256, "uV", filter=None)
    assert "not filtered" in plain.reports[0].steps
    asked = extractor(signal, NAMES, 256, "uV", filter=True)
    assert "high-pass 0.5 Hz" in asked.reports[0].steps
    raw = make_raw(signal, NAMES, 256)
    assert torch.allclose(extractor(raw)["input_values"], asked["input_values"], atol=1e-7)
    assert torch.allclose(extractor(raw, filter=False)["input_values"], plain["input_values"], atol=1e-7)


def test_a_short_signal_is_not_high_passed_and_says_so(extractor):
    with pytest.warns(EegWarning, match="too short for a 0.5 Hz high-pass"):
        batch = extractor(make_raw(eeg(seconds=1) + 500, NAMES, 256))
    assert batch["input_values"].mean(dim=-1).abs().max() < 1e-5


def test_offsets_of_unfiltered_amplifiers_do_not_reach_the_model(extractor):
    with pytest.warns(EegWarning, match="offset of up to 41"):
        batch = extractor(eeg() + 4100, NAMES, 256, "uV")
    clean = extractor(eeg(), NAMES, 256, "uV")
    assert torch.allclose(batch["input_values"], clean["input_values"], atol=2e-6)


# ---- MNE --------------------------------------------------------------


def test_raw_uses_types_and_bads(extractor):
    raw = make_raw(eeg(12, 10), [*NAMES, "Cz", "Pz"], 256, bads=["Cz"])
    raw.set_channel_types({"Pz": "misc"}, verbose="ERROR")
    with pytest.warns(EegWarning, match="marked bad"):
        report = extractor(raw).reports[0]
    assert report.dropped == {"Cz": "marked bad", "Pz": "channel type misc"}
    assert report.channels == [name.upper() for name in NAMES]


def test_epochs_give_one_input_each(extractor):
    raw = make_raw(eeg(10, 20, 200), NAMES, 200)
    epochs = mne.make_fixed_length_epochs(raw, 4.0, preload=True, verbose="ERROR")
    batch = extractor(epochs)
    assert batch["input_values"].shape == (5, 10, 1024)
    array = extractor(epochs.get_data() * 1e6, NAMES, 200, "uV")
    assert torch.allclose(batch["input_values"], array["input_values"], atol=1e-7)


def test_mne_objects_bring_their_own_description(extractor):
    with pytest.raises(ValueError, match="do not pass them"):
        extractor(make_raw(eeg(), NAMES, 256), NAMES, 256, "V")


# ---- electrodes of an adapted classifier --------------------------------------------------------------


def test_electrode_names_are_taken_as_they_are_in_their_order():
    extractor = DareEegFeatureExtractor(electrode_names=["E7", "E3", "Cz"], sampling_rate=250, reference=None)
    signal = eeg(5, 4, 250)
    with pytest.warns(EegWarning, match="not among the electrodes"):
        batch = extractor(signal, ["Cz", "E1", "E3", "E5", "E7"], 250, "uV")
    np.testing.assert_allclose(batch["input_values"][0, :, :960], signal[[4, 2, 0], :960] * 1e-3, atol=1e-7)
    assert (batch["channel_ids"] == 0).all()
    assert batch["channel_mask"].all()
    with pytest.raises(ValueError, match="'E7' is missing"):
        extractor(signal[:4], ["Cz", "E1", "E3", "E5"], 250, "uV")


def test_electrode_names_also_match_decorated_ones():
    extractor = DareEegFeatureExtractor(electrode_names=["T3", "Cz", "Fp1"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report = extractor(eeg(3), ["EEG FP1-REF", "EEG CZ-REF", "EEG T3-REF"], 256, "uV").reports[0]
    assert report.renamed == {"EEG T3-REF": "T3", "EEG CZ-REF": "Cz", "EEG FP1-REF": "Fp1"}


# ---- bad input --------------------------------------------------------------


@pytest.mark.parametrize("unit", ["V", "mV", "uV"])
@pytest.mark.parametrize("truth", ["V", "mV", "uV"])
def test_a_wrong_unit_is_refused_and_the_likely_one_named(extractor, unit, truth):
    factor = {"V": 1e-6, "mV": 1e-3, "uV": 1.0}[truth]
    offset = 4000.0  # of a consumer amplifier: the check must not be fooled by it
    signal = (eeg() + offset) * factor
    if unit == truth:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", EegWarning)
            extractor(signal, NAMES, 256, unit)
        return
    with pytest.raises(ValueError, match=f"pass unit='{truth}'"):
        extractor(signal, NAMES, 256, unit)


def test_amplitudes_beyond_any_unit_are_refused(extractor):
    with pytest.raises(ValueError, match="check the file and its calibration"):
        extractor(eeg() * 1e12, NAMES, 256, "uV")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_refused_with_the_channel(extractor, value):
    signal = eeg()
    signal[4, 17] = value
    with pytest.raises(ValueError, match=r"1 samples are NaN or infinite, in C3"):
        extractor(signal, NAMES, 256, "uV")


def test_nan_in_a_dropped_channel_does_not_matter(extractor):
    signal = eeg(11)
    signal[10] = np.nan
    with pytest.warns(EegWarning, match="ECG"):
        assert extractor(signal, [*NAMES, "ECG"], 256, "uV")["input_values"].isfinite().all()


def test_flat_channels_are_named_and_masked(extractor):
    signal = eeg()
    signal[2] = 7.0
    with pytest.warns(EegWarning, match="flat channels: F3"):
        batch = extractor(signal, NAMES, 256, "uV")
    assert batch.reports[0].flat == ["F3"]
    assert batch["channel_mask"][0].tolist() == [i != 2 for i in range(10)]
    others = [i for i in range(10) if i != 2]
    alone = extractor(signal[others], [NAMES[i] for i in others], 256, "uV")
    assert torch.allclose(batch["input_values"][:, others], alone["input_values"], atol=1e-7)


BAD_INPUT = {
    "no names": ({"channel_names": None}, "channel_names is missing"),
    "no rate": ({"sampling_rate": None}, "sampling_rate is missing"),
    "no unit": ({"unit": None}, "unit is missing"),
    "unknown unit": ({"unit": "furlong"}, "unknown unit 'furlong'"),
    "rate of zero": ({"sampling_rate": 0}, "sampling_rate must be positive"),
    "negative rate": ({"sampling_rate": -256}, "sampling_rate must be positive"),
    "rate NaN": ({"sampling_rate": float("nan")}, "sampling_rate must be positive"),
    "one dimension": ({"signal": np.ones(1024)}, r"must be \(channels, samples\)"),
    "four dimensions": ({"signal": np.ones((1, 1, 10, 1024))}, r"must be \(channels, samples\)"),
    "swapped axes": ({"signal": eeg().T}, "axes swapped"),
    "too many names": ({"channel_names": [*NAMES, "Cz"]}, "11 channel names for a signal of 10 channels"),
    "duplicate names": ({"channel_names": ["Cz", *NAMES[:8], "Cz"]}, "duplicate channel names: Cz"),
    "same electrode twice": (
        {"channel_names": ["T3", *NAMES[:8], "EEG T3-REF"]},
        "several channels claim the same electrode .*T7: T3, EEG T3-REF",
    ),
    "unknown names only": ({"channel_names": [f"X{i}" for i in range(10)]}, r"none of the 10 channels.*X0"),
    "too short": ({"signal": eeg(seconds=0.2)}, "one patch takes 0.25 s"),
    "empty": ({"signal": np.ones((10, 0))}, "empty"),
    "complex": ({"signal": eeg() + 0j}, "real numbers"),
    "text": ({"signal": np.full((10, 1024), "x")}, "real numbers"),
    "all flat": ({"signal": np.zeros((10, 1024))}, "every channel is flat"),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_gets_one_clear_error(extractor, case):
    change, message = BAD_INPUT[case]
    arguments = {"signal": eeg(), "channel_names": NAMES, "sampling_rate": 256, "unit": "uV"} | change
    with pytest.raises(ValueError, match=message):
        extractor(**arguments)


def test_one_artefact_window_does_not_condemn_the_batch(extractor):
    signal = np.stack([eeg(seed=i) for i in range(4)])
    signal[2] *= 300
    with pytest.warns(EegWarning, match="window 2 has a median standard deviation"):
        assert extractor(signal, NAMES, 256, "uV")["input_values"].shape[0] == 4


def test_few_channels_are_warned_about_and_fewer_keep_their_reference(extractor):
    names = ["C3", "Cz", "C4", "Pz", "Fz"]
    with pytest.warns(EegWarning, match="only 5 channels"):
        averaged = extractor(eeg(5), names, 256, "uV")["input_values"]
    assert averaged.sum(1).abs().max() < 1e-5
    for count in (1, 3, 4):
        are = "is 1" if count == 1 else f"are {count}"
        with pytest.warns(EegWarning, match=f"takes 5 channels or more, and there {are}: the recorded reference"):
            kept = extractor(eeg(5)[:count], names[:count], 256, "uV")["input_values"]
        alone = extractor(eeg(5)[:1], names[:1], 256, "uV")["input_values"]
        assert torch.equal(kept[:, :1], alone)
    assert alone.std() > 0.01


def test_a_contract_of_before_goes_on_averaging_few_channels(extractor, tmp_path):
    extractor.save_pretrained(tmp_path)
    file = tmp_path / "preprocessor_config.json"
    stored = json.loads(file.read_text())
    assert stored.pop("average_from") == 5
    file.write_text(json.dumps(stored))
    before = DareEegFeatureExtractor.from_pretrained(tmp_path)
    with pytest.warns(EegWarning, match="only 3 channels"):
        values = before(eeg(3), ["C3", "Cz", "C4"], 256, "uV")["input_values"]
    assert values.sum(1).abs().max() < 1e-5
    with pytest.raises(ValueError, match="average_from must be at least 2 channels, got 1"):
        DareEegFeatureExtractor(average_from=1)


def test_an_electrode_that_comes_loose_does_not_change_the_reference_of_the_others(extractor):
    """Five electrodes of which one is flat: four are averaged, as five would be."""
    signal = eeg(5)
    signal[4] = 0
    with pytest.warns(EegWarning, match="only 4 channels"):
        found = extractor(signal, ["C3", "Cz", "C4", "Pz", "Fz"], 256, "uV")
    assert found["input_values"][0, :4].sum(0).abs().max() < 1e-5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"unit": "parsec"}, "unknown unit"),
        ({"reference": "linked ears"}, "reference must be"),
        ({"window_size": 1000}, "not a multiple of patch_size"),
        ({"highpass": 80.0}, "must lie below lowpass"),
        ({"notch": "always"}, "notch must be"),
        ({"sampling_rate": 0}, "must be positive"),
        ({"electrode_names": ["a", "a"]}, "twice"),
    ],
)
def test_a_contract_that_contradicts_itself_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        DareEegFeatureExtractor(**change)


# ---- saving --------------------------------------------------------------


def test_contract_travels_in_preprocessor_config(tmp_path):
    extractor = DareEegFeatureExtractor(sampling_rate=200, highpass=0.1, notch=50.0, electrode_names=["E1", "E2"])
    extractor.save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "preprocessor_config.json").read_text())
    assert saved["unit"] == "mV"
    assert saved["reference"] == "average"
    assert saved["channel_names"] == list(CHANNEL_VOCABULARY)
    again = DareEegFeatureExtractor.from_pretrained(tmp_path)
    assert again.to_dict() == extractor.to_dict()
    auto = AutoFeatureExtractor.from_pretrained(tmp_path)
    assert isinstance(auto, DareEegFeatureExtractor)
    assert auto.to_dict() == extractor.to_dict()


def test_usable_as_remote_code_without_the_package_and_without_scipy(tmp_path):
    extractor = DareEegFeatureExtractor()
    DareEegFeatureExtractor.register_for_auto_class("AutoFeatureExtractor")
    try:
        extractor.save_pretrained(tmp_path / "checkpoint")
    finally:
        DareEegFeatureExtractor._auto_class = None
    signal = eeg(seconds=2, rate=200)
    np.save(tmp_path / "signal.npy", signal)
    script = f"""
import sys
import numpy as np
from transformers import AutoFeatureExtractor
# Not before: Transformers itself imports scikit-learn where it is installed, and that some of SciPy.
sys.modules["scipy.fft"] = sys.modules["scipy.signal"] = sys.modules["mne"] = None
extractor = AutoFeatureExtractor.from_pretrained({str(tmp_path / "checkpoint")!r}, trust_remote_code=True)
assert "dare_eeg_hf" not in sys.modules
batch = extractor(np.load({str(tmp_path / "signal.npy")!r}), {NAMES!r}, 200, "uV")
np.save({str(tmp_path / "values.npy")!r}, batch["input_values"].numpy())
"""
    environment = {"HF_HOME": str(tmp_path / "home"), "PATH": "/usr/bin:/bin", "HF_HUB_OFFLINE": "1"}
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=120
    )
    assert result.returncode == 0, result.stderr
    expected = extractor(signal, NAMES, 200, "uV")["input_values"].numpy()
    np.testing.assert_allclose(np.load(tmp_path / "values.npy"), expected, atol=1e-6)


# ---- real recordings --------------------------------------------------------------


def test_real_recording_as_raw_and_as_array(shared, extractor):
    raw = mne.io.read_raw_edf(shared("data/eegmmidb/S001/S001R01.edf"), preload=True, verbose="ERROR")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EegWarning)
        batch = extractor(raw)
        array = extractor(raw.get_data() * 1e6, raw.ch_names, 160, "uV", filter=True)
    assert set(batch.reports[0].channels) >= set(PRETRAINING_CHANNELS)
    assert torch.allclose(batch["input_values"], array["input_values"], atol=1e-6)
    assert 0.005 < batch["input_values"].std() < 0.1


def test_unknown_names_of_the_contract(tmp_path):
    with pytest.raises(TypeError, match=r"samplng_rate \(did you mean sampling_rate\?\)"):
        DareEegFeatureExtractor(samplng_rate=128)
    extractor = DareEegFeatureExtractor(processor_class="x", feature_extractor_type="DareEegFeatureExtractor")
    extractor.save_pretrained(tmp_path)
    assert DareEegFeatureExtractor.from_pretrained(tmp_path, sampling_rate=128).sampling_rate == 128
    with pytest.raises(ValueError, match=r"samplng_rate \(did you mean sampling_rate\?\)"):
        DareEegFeatureExtractor.from_pretrained(tmp_path, samplng_rate=128)
    file = tmp_path / "preprocessor_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"windw_size": 512, "auto_map": {}}))
    with pytest.warns(UserWarning, match=r"windw_size \(did you mean window_size\?\)"):
        assert DareEegFeatureExtractor.from_pretrained(tmp_path).window_size == 1024
