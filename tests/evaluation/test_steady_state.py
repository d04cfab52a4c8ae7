"""The baseline for flickering lights finds simulated responses, and those of people where their recordings are."""

import numpy as np
import pytest

from dare_eeg_hf.adaptation.labelled_windows import LabelledWindows
from dare_eeg_hf.evaluation.benchmark import Cell, applies, evaluate_cell, run_benchmark
from dare_eeg_hf.evaluation.contestants import with_window_values
from dare_eeg_hf.evaluation.steady_state import SteadyStateSnr, shrinkage_lda, stimulation_frequencies
from dare_eeg_hf.evaluation.tasks import TASKS

RATE = 128.0
CLASSES = ("rest", "8_hz", "12.5 Hz")


def responses(count: int, strength: float, seed: int = 0, harmonic: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Windows (W, 3, 4 s) of white noise with a sine at the class's frequency, or a harmonic, in the last channel."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    times = np.arange(4 * RATE) / RATE
    signals = 0.02 * random.normal(size=(count, 3, len(times)))
    for window, label in zip(signals, labels, strict=True):
        frequency = harmonic * (0, 8, 12.5)[label]
        window[2] += (
            strength * 0.02 * np.sin(2 * np.pi * frequency * times + random.uniform(0, 2 * np.pi)) * (label > 0)
        )
    return signals.astype(np.float32), labels


def test_frequencies_are_the_names_of_classes():
    assert stimulation_frequencies(CLASSES) == (8.0, 12.5)
    assert stimulation_frequencies(TASKS["ssvep"].label_names) == (13.0, 17.0, 21.0)
    assert stimulation_frequencies(("rest", "arithmetic")) == ()


@pytest.mark.parametrize("harmonic", [1, 2])
def test_a_response_stands_out_at_its_frequency_in_its_channel(harmonic):
    signals, labels = responses(60, 1.0, harmonic=harmonic)
    found = SteadyStateSnr(RATE, (8.0, 12.5)).fit_transform(signals).reshape(60, 2, 2, 3)
    for label, frequency in ((1, 0), (2, 1)):
        rise = found[labels == label].mean(axis=0) - found[labels == 0].mean(axis=0)
        assert rise[frequency, harmonic - 1, 2] > 1.0
        rise[frequency, harmonic - 1, 2] = 0
        assert abs(rise).max() < 0.7


def test_the_amplitude_of_a_channel_does_not_matter():
    signals, _ = responses(6, 1.0)
    snr = SteadyStateSnr(RATE, (8.0, 12.5))
    np.testing.assert_allclose(snr.transform(signals), snr.transform(30 * signals), atol=1e-4)
    assert np.isfinite(snr.transform(np.zeros((2, 3, 512)))).all()


def test_windows_that_cannot_show_a_response_are_refused():
    with pytest.raises(ValueError, match="needs stimulation frequencies"):
        SteadyStateSnr(RATE, ()).transform(np.zeros((1, 3, 512)))
    with pytest.raises(ValueError, match=r"windows of 1 s at 128 Hz do not show .* at 12\.5 Hz .* 1\.25 s or more"):
        SteadyStateSnr(RATE, (8.0, 12.5)).transform(np.zeros((1, 3, 128)))
    anywhere = tuple(np.arange(8, 9, 0.1))  # on bins, between them, and all that is between the two
    assert np.isfinite(SteadyStateSnr(RATE, anywhere).transform(np.zeros((1, 3, 160)))).all()
    with pytest.raises(ValueError, match=r"at 63 Hz beside its neighbours: .* more than 130 Hz"):
        SteadyStateSnr(RATE, (8.0, 63.0)).transform(np.zeros((1, 3, 512)))
    assert SteadyStateSnr(RATE, (40.0,)).transform(np.zeros((1, 3, 512))).shape == (1, 3)  # 80 Hz is left out


def test_new_windows_are_told_apart_and_noise_is_not():
    snr = SteadyStateSnr(RATE, (8.0, 12.5))
    unseen, truth = responses(60, 0.5, seed=1)
    model = shrinkage_lda().fit(snr.transform(responses(120, 0.5)[0]), np.arange(120) % 3)
    assert model.score(snr.transform(unseen), truth) > 0.9
    assert model.score(snr.transform(responses(60, 0.0, seed=2)[0]), truth) < 0.6


def test_the_benchmark_refuses_it_for_other_tasks_before_reading_anything(corpus_root, tmp_path):
    message = "ssvep-snr-centered needs classes .* eyes-eegmmidb has eyes open, eyes closed; run it on other tasks"
    with pytest.raises(ValueError, match=message):
        run_benchmark(["eyes-eegmmidb"], ["chance", "ssvep-snr-centered"], [], [0], corpus_root, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("folder", ["ssvep-snr-x", "riemann-nano", "band-power-centered-2"])
def test_a_checkpoint_is_no_baseline_whatever_its_name(folder):
    signals, labels = responses(6, 1.0)
    montage = {"channel_names": ["O1", "Oz", "O2"], "sampling_rate": RATE, "unit": "mV", "label_names": CLASSES}
    windows = LabelledWindows.from_arrays(signals, labels, **montage)
    assert applies(folder, "eyes-eegmmidb")
    assert with_window_values(folder, windows).features is None


@pytest.mark.parametrize("baseline", ["ssvep-snr", "ssvep-snr-centered"])
def test_a_cell_of_the_benchmark_leaves_one_person_out(baseline, tmp_path):
    signals, labels = responses(90, 0.5)
    windows = LabelledWindows.from_arrays(
        signals,
        labels,
        channel_names=["O1", "Oz", "O2"],
        sampling_rate=RATE,
        unit="mV",
        label_names=CLASSES,
        subjects=np.repeat(["a", "b", "c", "d", "e"], 18),
    )
    found = evaluate_cell(Cell("ssvep", baseline, "", 0), windows, {}, None, tmp_path)
    assert found["metrics"]["balanced_accuracy"] > 0.9
    assert found["trainable_parameters"] == 3 * (3 * 4 + 1)
    assert found["subjects"]["subjects"] == 5


def test_people_who_looked_at_flickering_lights(shared, tmp_path):
    """Nine people, each left out in turn; guessing among the four classes gives 0.25."""
    windows = TASKS["ssvep"].load(shared("data/ssvep-exoskeleton").parent)
    plain, centered = (
        evaluate_cell(Cell("ssvep", name, "", 0), windows, {}, None, tmp_path)["metrics"]["balanced_accuracy"]
        for name in ("ssvep-snr", "ssvep-snr-centered")
    )
    assert plain > 0.6
    assert centered > 0.6
