"""Windows as arrays of any unit, as Epochs and as lists of Epochs."""

import mne
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dare_eeg_hf.adaptation.estimator import DareEegFeatures
from tests.adaptation.conftest import CONFIG, classifier, easy, epochs_of
from tests.adaptation.conftest import MOTOR_CHANNELS as CHANNELS


@pytest.mark.parametrize("sequence", [tuple, np.array], ids=["tuple", "array"])
def test_channel_names_may_be_any_sequence(sequence):
    X, y = easy(8)
    for estimator in (
        classifier(channel_names=sequence(CHANNELS), epochs=1),
        DareEegFeatures(CONFIG, channel_names=sequence(CHANNELS), sampling_rate=128.0, random_state=0),
    ):
        fitted = clone(estimator).fit(X, y)
        assert fitted.electrode_names_ == CHANNELS
        assert {type(name) for name in fitted.electrode_names_} == {str}


def test_scikit_learn_selects_from_epochs():
    """Its selections arrive as lists of single trials."""
    X, y = easy()
    epochs = epochs_of(X, y)
    features = DareEegFeatures(CONFIG, random_state=0)
    pipeline = make_pipeline(features, StandardScaler(), LogisticRegression())
    for estimator in (classifier(channel_names=None), pipeline):
        assert cross_val_score(estimator, epochs, y, cv=2).min() > 0.8
    selected = [epochs[i] for i in (3, 5)]
    fitted = clone(features).fit(epochs)
    np.testing.assert_allclose(fitted.transform(selected), fitted.transform(epochs)[[3, 5]], atol=1e-4)
    with pytest.raises(ValueError, match=r"the Epochs in this list differ: .* at 128 Hz, others .* at 256 Hz"):
        fitted.transform([epochs, epochs_of(X, y, rate=256.0)])
    with pytest.raises(ValueError, match=r"Got 4 dimension.*give MNE Epochs as they are"):
        clone(features).fit(X[:, None])


def test_epochs_bring_names_rate_and_unit_and_channel_order_does_not_matter():
    X, y = easy()
    fitted = classifier(channel_names=None).fit(epochs_of(X, y), y)
    unseen, truth = easy(seed=1)
    epochs = epochs_of(unseen, truth)
    assert (fitted.predict(epochs) == truth).mean() > 0.8
    other_order = epochs.copy().reorder_channels(CHANNELS[::-1])
    np.testing.assert_allclose(fitted.predict_proba(other_order), fitted.predict_proba(epochs), atol=1e-6)
    extra = mne.EpochsArray(
        np.concatenate([unseen, unseen[:, :1]], axis=1) * 1e-6,
        mne.create_info([*CHANNELS, "EOG"], 128.0, ["eeg"] * 4 + ["eog"]),
        epochs.events,
        verbose="error",
    )
    np.testing.assert_array_equal(fitted.predict(extra), fitted.predict(epochs))
