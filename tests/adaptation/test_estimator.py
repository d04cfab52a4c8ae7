"""DareEegClassifier as scikit-learn and MNE users meet it."""

import pickle

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from transformers import AutoModelForSequenceClassification

from dare_eeg_hf.adaptation.estimator import DareEegClassifier, DareEegFeatures
from dare_eeg_hf.adaptation.feature_classifier import feature_classifier
from dare_eeg_hf.centering import center_by_subject
from dare_eeg_hf.power_maps_dare_eeg import POWER_MAP_NAMES
from dare_eeg_hf.signal_reports_dare_eeg import EegWarning
from tests.adaptation.conftest import CONFIG, classifier, easy, epochs_of
from tests.adaptation.conftest import MOTOR_CHANNELS as CHANNELS


# The checks send windows of 2 to 10 samples of one channel with a standard deviation of about 1: at 2 Hz and in
# millivolts that is a second or more of plausible amplitude. Everything is trained, so that they are told apart.
@parametrize_with_checks(
    [
        DareEegClassifier(
            CONFIG, mode="full", sampling_rate=2.0, unit="mV", epochs=15, learning_rate=1e-2, random_state=0
        ),
        DareEegFeatures(CONFIG, channel_names=["Cz"], sampling_rate=2.0, unit="mV", random_state=0),
    ],
    # Its window with NaN lasts for one sample more: such a window gets no label, and None cannot be compared.
    expected_failed_checks=lambda estimator: (
        {"check_estimators_pickle": "no signal, no label"} if isinstance(estimator, DareEegClassifier) else {}
    ),
)
def test_scikit_learn_conventions(estimator, check):
    check(estimator)


def test_a_fitted_classifier_survives_pickling():
    X, y = easy(8)
    fitted = classifier(epochs=1).fit(X, y)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).predict_proba(X), fitted.predict_proba(X))


def test_features_of_a_frozen_encoder_in_a_pipeline():
    X, y = easy()
    features = DareEegFeatures(CONFIG, channel_names=CHANNELS, sampling_rate=128.0, unit="uV", random_state=0)
    assert features.fit(X).transform(X).shape == (40, 2 * 16 + 270)
    np.testing.assert_allclose(features.transform(X[5:7]), features.transform(X)[5:7], atol=1e-4)
    pipeline = make_pipeline(features, StandardScaler(), LogisticRegression())
    scores = cross_val_score(pipeline, X, y, groups=np.repeat(range(4), 10), cv=GroupKFold(2))
    assert scores.min() > 0.8
    from_epochs = clone(features).set_params(channel_names=None).fit(epochs_of(X, y))
    np.testing.assert_allclose(from_epochs.transform(epochs_of(X, y)), features.transform(X), atol=1e-3)
    with pytest.raises(ValueError, match="lack C3"):
        from_epochs.transform(epochs_of(X[:, 1:], y, CHANNELS[1:]))
    with pytest.raises(ValueError, match=r"none of the electrodes A, B, C, D .* set channel_names to"):
        clone(features).set_params(channel_names=["A", "B", "C", "D"]).fit(X)
    with pytest.raises(ValueError, match="set channel_names to the 10-10 names"):
        clone(features).set_params(channel_names=None).fit(X)


def test_features_have_names_and_the_type_they_say():
    X, _ = easy(8)
    features = DareEegFeatures(CONFIG, channel_names=CHANNELS, sampling_rate=128.0, unit="uV", random_state=0)
    table = clone(features).set_output(transform="pandas").fit_transform(X)
    plain = features.fit(X).transform(X)
    of_encoder = [*(f"mean_{i}" for i in range(16)), *(f"log_deviation_{i}" for i in range(16))]
    assert list(table.columns) == [*of_encoder, *POWER_MAP_NAMES]
    np.testing.assert_array_equal(table.to_numpy(), plain)
    assert [plain.dtype.name] == features.__sklearn_tags__().transformer_tags.preserves_dtype


class Demean(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        return X - X.mean(axis=-1, keepdims=True)


def test_cross_validation_in_a_pipeline_with_groups():
    X, y = easy()
    pipeline = make_pipeline(Demean(), classifier())
    scores = cross_val_score(pipeline, X, y, groups=np.repeat(range(4), 10), cv=GroupKFold(2))
    assert scores.min() > 0.8


def test_early_stopping_sets_whole_groups_aside():
    X, y = easy()
    groups = np.repeat(["a", "b", "c", "d"], 10)
    fitted = classifier(early_stopping=True, validation_fraction=0.25).fit(X, y, groups=groups)
    assert "validation_balanced_accuracy" in fitted.result_.metrics
    assert clone(fitted).get_params()["early_stopping"] is True


def test_saved_classifier_is_a_checkpoint(tmp_path):
    X, y = easy()
    fitted = classifier().fit(X, y)
    fitted.save_pretrained(tmp_path)
    assert AutoModelForSequenceClassification.from_pretrained(tmp_path).config.id2label == {0: "left", 1: "right"}


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (lambda m, X, y: m.fit(X, np.full(len(X), "left")), "y holds one class, 'left'"),
        (lambda m, X, y: m.fit(X * np.nan, y), "every channel is flat"),
        (lambda m, X, y: m.fit(X[:, :3], y), "channel_names holds 4 names, but X has 3 channels"),
        (lambda m, X, y: m.fit(X, y).predict(X[:, :3]), "X has 3 features, but DareEegClassifier is expecting 4"),
        (lambda m, X, y: m.fit(X * 1e-6, y), "cannot be EEG in uV"),
        (lambda m, X, y: m.set_params(sampling_rate="128").fit(X, y), "sampling_rate must be a positive number"),
        (lambda m, X, y: m.set_params(sampling_rate=0).fit(X, y), "sampling_rate must be a positive number"),
        (
            lambda m, X, y: m.fit(epochs_of(X, y), y).predict(epochs_of(X, y, ["C3", "Cz", "C4", "Fz"])),
            "fitted on the electrodes C3, Cz, C4, Pz; these windows lack Pz",
        ),
        (
            lambda m, X, y: m.fit(epochs_of(X, y), y).predict(epochs_of(X, y, rate=256.0)),
            "fitted at 128 Hz, these windows have 256 Hz",
        ),
    ],
)
def test_mistakes_are_named(mistake, message):
    X, y = easy(8)
    with pytest.raises(ValueError, match=message):
        mistake(classifier(epochs=1), X, y)


# -- statistics, and centering by person

PEOPLE = np.repeat(["Ada", "Alan", "Grace", "Mary"], 10)


def shifted(seed=0):
    """Easy windows with something of each person's own: the strength of a rhythm in the last channel."""
    X, y = easy(seed=seed)
    rhythm = np.sin(2 * np.pi * 12 * np.arange(128) / 128)
    for person, strength in zip(dict.fromkeys(PEOPLE), (0, 15, 30, 45), strict=True):
        X[person == PEOPLE, 3] += strength * rhythm
    return X, y


def statistics(**changes):
    settings = {"mode": "statistics", "channel_names": CHANNELS, "spatial_projection": None, "random_state": 0}
    return classifier(**(settings | changes))


def test_the_statistics_classifier_is_a_logistic_regression_on_the_features():
    X, y = easy()
    fitted = statistics().fit(X, y, groups=PEOPLE)
    assert fitted.score(*easy(seed=1)) > 0.9
    features = DareEegFeatures(CONFIG, channel_names=CHANNELS, sampling_rate=128.0, unit="uV", random_state=0).fit(X)
    pipeline = feature_classifier(PEOPLE).fit(features.transform(X), y)
    np.testing.assert_allclose(fitted.predict_proba(X), pipeline.predict_proba(features.transform(X)), atol=1e-5)
    assert fitted.result_.history == []
    np.testing.assert_array_equal(fitted.classes_, ["left", "right"])


def test_features_are_centered_by_person():
    X, y = shifted()
    features = DareEegFeatures(CONFIG, channel_names=CHANNELS, sampling_rate=128.0, unit="uV", random_state=0)
    plain, centered = features.fit_transform(X), clone(features).set_params(center="person").fit(X, y)
    found = centered.transform(X, PEOPLE)
    np.testing.assert_allclose(found, center_by_subject(plain, PEOPLE), atol=1e-6)
    np.testing.assert_array_equal(clone(centered).fit_transform(X, y, groups=PEOPLE), found)
    X[3] = 0.0  # of Ada, without signal: the mean is that of the others
    with pytest.warns(EegWarning, match="1 of 40 windows hold no usable signal"):
        damaged = centered.transform(X, PEOPLE)
    assert np.isnan(damaged[3]).all()
    np.testing.assert_allclose(np.delete(damaged, 3, axis=0)[:9].mean(axis=0), 0, atol=1e-5)


def test_centered_features_in_a_pipeline_with_metadata_routing():
    X, y = shifted()
    features = DareEegFeatures(
        CONFIG, channel_names=CHANNELS, sampling_rate=128.0, unit="uV", random_state=0, center="person"
    )
    with config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(features.set_transform_request(groups=True), StandardScaler(), LogisticRegression())
        scores = cross_val_score(pipeline, X, y, params={"groups": PEOPLE}, cv=GroupKFold(4))
        assert scores.min() > 0.8
        predicted = pipeline.fit(X, y, groups=PEOPLE).predict(X, groups=PEOPLE)
    assert (predicted == y).mean() > 0.9


def test_the_classifier_centers_by_person():
    X, y = shifted()
    fitted = statistics(center="person").fit(X, y, groups=PEOPLE)
    unseen, truth = shifted(seed=1)
    strangers = np.char.add("other ", PEOPLE)
    assert fitted.score(unseen, truth, groups=strangers) > 0.9
    alone = fitted.predict_proba(unseen[:10], groups=strangers[:10])
    together = fitted.predict_proba(unseen, groups=strangers)
    np.testing.assert_allclose(alone, together[:10], atol=1e-5, err_msg="people do not change each other's answers")
    with pytest.raises(ValueError, match="cannot be saved: a pipeline is not told who is recorded"):
        fitted.save_pretrained("nowhere")


def test_centering_without_people_or_without_their_mixture_is_refused():
    X, y = easy()
    centered = statistics(center="person")
    with pytest.raises(ValueError, match="needs groups: who each window is of"):
        centered.fit(X, y)
    with pytest.raises(ValueError, match="4 of 4 subjects have windows of one class only"):
        centered.fit(X, np.where(np.isin(PEOPLE, ["Ada", "Alan"]), "old", "young"), groups=PEOPLE)
    centered.fit(X, y, groups=PEOPLE)
    with pytest.raises(ValueError, match="needs groups: who each window is of"):
        centered.predict(X)
    with pytest.raises(ValueError, match="groups has 3 entries for 40 windows"):
        centered.predict(X, groups=["a", "b", "c"])
    with pytest.raises(ValueError, match="center='person' needs mode='statistics'; mode 'probe' is not centered"):
        classifier(center="person").fit(X, y, groups=PEOPLE)
    with pytest.raises(ValueError, match="center must be 'person' or None, got 'session'"):
        statistics(center="session").fit(X, y)
    with pytest.raises(ValueError, match="has neither early_stopping nor euclidean_alignment"):
        statistics(early_stopping=True).fit(X, y)
    features = DareEegFeatures(CONFIG, channel_names=CHANNELS, sampling_rate=128.0, center="person").fit(X)
    with pytest.raises(ValueError, match="needs groups: who each window is of"):
        features.transform(X)
