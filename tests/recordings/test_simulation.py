import hashlib

import mne
import numpy as np
import pytest

from dare_eeg_hf.recordings.simulation import simulate_recordings


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
