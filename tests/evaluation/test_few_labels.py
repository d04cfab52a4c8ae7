import numpy as np
import pytest

from dare_eeg_hf import DareEegConfig, DareEegFeatureExtractor, DareEegModel
from dare_eeg_hf.evaluation.few_labels import accuracy_from_one_labelled_person, paired_gain
from dare_eeg_hf.evaluation.tasks import TASKS
from dare_eeg_hf.recordings.head_model import TEN_TWENTY
from dare_eeg_hf.recordings.simulation import simulate_recordings


@pytest.fixture(scope="module")
def windows(tmp_path_factory):
    folder = tmp_path_factory.mktemp("few")
    simulate_recordings(folder, subjects=3, montage=TEN_TWENTY, sampling_rate=128, seconds=20)
    return TASKS["eyes-eegmmidb"].read(folder)


@pytest.fixture(scope="module")
def encoder():
    return DareEegModel(DareEegConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=4), 2.0).eval()


def test_each_tested_person_has_an_accuracy_for_each_loss(encoder, windows):
    people = {"labelled": ["S001"], "tested": ["S002", "S003"], "lost": (0.0, 0.75)}
    found = accuracy_from_one_labelled_person(encoder, DareEegFeatureExtractor(), windows, **people)
    again = accuracy_from_one_labelled_person(encoder, DareEegFeatureExtractor(), windows, **people)
    assert found.shape == (2, 2)
    assert ((found >= 0) & (found <= 1)).all()
    assert (found == again).all()
    # Alpha is so much stronger with closed eyes that even random features tell; turned labels would not.
    assert found[0].mean() > 0.5


def test_a_person_cannot_be_labelled_and_tested(encoder, windows):
    with pytest.raises(ValueError, match="S002 cannot be labelled and tested"):
        accuracy_from_one_labelled_person(encoder, DareEegFeatureExtractor(), windows, ["S001", "S002"], ["S002"])


def test_the_gain_is_that_of_pairs_and_its_interval_that_of_people():
    rng = np.random.default_rng(0)
    other = rng.uniform(0.5, 0.9, 40)
    gain = paired_gain(other + 0.1 + rng.normal(scale=0.02, size=40), other)
    assert gain.mean == pytest.approx(0.1, abs=0.02)
    # 1.96 standard errors on both sides.
    assert gain.high - gain.low == pytest.approx(2 * 1.96 * 0.02 / 40**0.5, rel=0.4)
    assert str(gain) == f"{gain.mean:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})"
    assert str(paired_gain([0.9], [0.8])) == "+0.100 (one person)"
