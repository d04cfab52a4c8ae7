import hashlib

import mne
import numpy as np
import pytest

from dare_eeg_hf.evaluation.tasks import TASKS
from dare_eeg_hf.recordings.recordings import load_recording
from dare_eeg_hf.recordings.signal_statistics import describe_signal
from dare_eeg_hf.recordings.simulation import simulate_raw, simulate_recordings


def test_same_arguments_give_the_same_bytes_and_another_seed_does_not(tmp_path):
    def digests(folder, seed):
        paths = simulate_recordings(tmp_path / folder, subjects=2, montage=["Fp1", "Oz"], seconds=5, seed=seed)
        return [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]

    first = digests("a", 0)
    assert first == digests("b", 0)
    assert set(first).isdisjoint(digests("c", 1))
    assert len(set(first)) == 4


def test_eyes_closed_have_more_alpha_in_every_subject(tmp_path):
    paths = simulate_recordings(tmp_path, subjects=3, montage=["Fpz", "Cz", "O1", "Oz", "O2"], seconds=30)
    assert [path.name for path in paths] == [f"S{n:03d}R0{r}.edf" for n in (1, 2, 3) for r in (1, 2)]
    for opened, closed in zip(paths[::2], paths[1::2], strict=True):
        assert _alpha_share(closed) > 2 * _alpha_share(opened)


def test_montage_rate_and_annotations_are_in_the_file(tmp_path):
    path = simulate_recordings(tmp_path, subjects=1, montage=["Fc5.", "Cz.."], sampling_rate=128, seconds=12)[0]
    raw = mne.io.read_raw_edf(path, preload=True, verbose="error")
    assert raw.ch_names == ["Fc5.", "Cz.."]
    assert raw.info["sfreq"] == 128
    assert raw.n_times == 12 * 128
    assert raw.annotations.description[0] == "T0"
    assert "blink" in raw.annotations.description
    assert 3e-6 < raw.get_data().std() < 100e-6


def test_a_name_without_a_place_on_the_scalp_is_refused(tmp_path):
    with pytest.raises(ValueError, match="NOSE"):
        simulate_recordings(tmp_path, montage=["Cz", "NOSE"])


def _alpha_share(path):
    raw = mne.io.read_raw_edf(path, preload=True, verbose="error")
    spectrum = raw.compute_psd(fmin=1, fmax=40, picks=["O1", "Oz", "O2"], verbose="error")
    power = spectrum.get_data().mean(axis=0)
    return power[(spectrum.freqs >= 8) & (spectrum.freqs <= 12)].sum() / power.sum()


def test_signals_are_the_same_whatever_the_folder_is_called(tmp_path):
    plain = simulate_recordings(tmp_path / "plain", subjects=1, montage=["Cz"], seconds=4)[0]
    odd = simulate_recordings(tmp_path / "mit Umlauten äöü and spaces", subjects=1, montage=["Cz"], seconds=4)[0]
    assert np.array_equal(
        mne.io.read_raw_edf(plain, verbose="error").get_data(), mne.io.read_raw_edf(odd, verbose="error").get_data()
    )


def test_the_same_person_does_the_same_under_another_cap():
    few = simulate_raw((3, 1), montage=["O1", "Cz"], seconds=10)
    many = simulate_raw((3, 1), montage=["Fpz", "Cz", "Pz", "O1"], seconds=10)
    difference = few.get_data(["Cz", "O1"]) - many.get_data(["Cz", "O1"])
    assert np.abs(difference).max() < 1e-6 * np.abs(many.get_data()).max()
    other = simulate_raw((3, 2), montage=["O1", "Cz"], seconds=10)
    assert abs(np.corrcoef(few.get_data(["O1"])[0], other.get_data(["O1"])[0])[0, 1]) < 0.5


def test_annotations_are_where_the_signal_shows_what_they_say():
    raw = simulate_raw((0, 1), montage=["Fp1", "Fp2", "F7", "F8", "T7", "T8", "Cz", "Oz"], seconds=120)
    frontal = raw.copy().filter(1, 10, verbose="error").get_data(["Fp1", "Fp2"]).mean(0)
    blinks = [moment for moment in raw.annotations if moment["description"] == "blink"]
    assert len(blinks) > 5
    peaks = [frontal[raw.time_as_index(blink["onset"])[0] :][: int(0.4 * 160)].max() for blink in blinks]
    assert np.median(peaks) > 4 * np.median(np.abs(frontal))
    kinds = {description.split()[0] for description in raw.annotations.description}
    assert {"T0", "blink", "muscle"} <= kinds <= {"T0", "blink", "muscle", "eye", "pop"}
    assert "blink" not in simulate_raw((0, 1), montage=["Fp1"], eyes_closed=True, seconds=60).annotations.description


def test_a_slow_recording_has_no_mains_it_could_not_hold():
    raw = simulate_raw((0, 1), montage=["Cz", "Oz"], sampling_rate=100, seconds=20, line_frequency=60)
    spectrum = raw.compute_psd(fmin=35, fmax=45, verbose="error")
    assert spectrum.get_data().max() < 20 * np.median(spectrum.get_data())


NUMBERS = {
    "amplitude": lambda one: np.log(one.amplitude),
    "slope": lambda one: one.slope,
    "alpha frequency": lambda one: one.alpha_frequency,
    "alpha over the background": lambda one: np.log(one.alpha_ratio),
    "correlation of neighbours": lambda one: one.correlation[0],
    "correlation at 60 to 80 degrees": lambda one: one.correlation[3],
    "correlation across the head": lambda one: one.correlation[6],
    "alpha coherence of neighbours": lambda one: one.coherence["alpha"][0],
    "beta coherence at 30 to 45 degrees": lambda one: one.coherence["beta"][1],
}


def real_recordings(folder, run):
    paths = [item.path for item in TASKS["eyes-eegmmidb"].recordings(folder) if run in item.path.name]
    return [describe_signal(load_recording(path).raw) for path in paths]


@pytest.mark.parametrize("run", ["R01", "R02"])
def test_statistics_are_those_of_real_recordings(run, shared, tmp_path):
    """The middle of four simulated people lies among four real ones, or no further outside than they are apart."""
    real = real_recordings(shared("data/eegmmidb"), run)
    simulated = [
        describe_signal(simulate_raw((11, number), eyes_closed=run == "R02", seconds=40)) for number in range(4)
    ]
    outside = {}
    for name, number in NUMBERS.items():
        values = [number(one) for one in real]
        middle, apart = np.median([number(one) for one in simulated]), max(values) - min(values)
        if not min(values) - apart - 0.05 <= middle <= max(values) + apart + 0.05:
            outside[name] = (middle, min(values), max(values))
    assert not outside


def test_alpha_of_closed_eyes_is_where_it_is_on_real_heads(shared):
    paths = [
        item.path for item in TASKS["eyes-eegmmidb"].recordings(shared("data/eegmmidb")) if "R02" in item.path.name
    ]
    real = [describe_signal(load_recording(path).raw).maps["alpha"] for path in paths]
    simulated = [describe_signal(simulate_raw((12, n), eyes_closed=True, seconds=40)).maps["alpha"] for n in range(4)]
    names = [name for name in real[0] if all(name in one for one in (*real, *simulated))]

    def topography(maps):
        return np.mean([[np.log(one[name]) for name in names] for one in maps], axis=0)

    assert np.corrcoef(topography(real), topography(simulated))[0, 1] > 0.7
