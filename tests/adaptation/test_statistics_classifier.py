"""The classifier on pooled statistics gives what scikit-learn gives, in memory, saved and from recordings."""

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, pipeline

from dare_eeg_hf.adaptation.classifier_setup import build_classifier, prepare_inputs
from dare_eeg_hf.adaptation.feature_classifier import feature_classifier
from dare_eeg_hf.adaptation.feature_statistics import feature_statistics
from dare_eeg_hf.adaptation.finetuning import finetune, predict_probabilities
from dare_eeg_hf.adaptation.labelled_windows import LabelledWindows
from dare_eeg_hf.adaptation.statistics_classifier import fit_statistics_classifier
from dare_eeg_hf.readout_dare_eeg import STATISTICS_STRIDE
from tests.adaptation.conftest import CHANNELS, easy_windows, quick


def by_scikit_learn(checkpoint, train, test):
    """Probabilities of `test` by the pipeline that the benchmark fits."""
    model, extractor = build_classifier(checkpoint, train, spatial_projection=False)
    train_values, values = (feature_statistics(model.dare_eeg, prepare_inputs(extractor, w)) for w in (train, test))
    return feature_classifier(train.subjects).fit(train_values, train.labels).predict_proba(values)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("seconds", [1.0, 2.1])
def test_probabilities_are_those_of_scikit_learn(tiny_encoder, tmp_path, monkeypatch, classes, seconds):
    # Regularised less than these easy windows ask for: probabilities that hardly differ would not show a wrong term.
    monkeypatch.setattr("dare_eeg_hf.adaptation.feature_classifier.REGULARIZATION", (1.0,))
    train, test = (easy_windows(48, classes=classes, seconds=seconds, seed=seed) for seed in (0, 1))
    result = fit_statistics_classifier(tiny_encoder, train)
    expected = by_scikit_learn(tiny_encoder, train, test)
    np.testing.assert_allclose(
        predict_probabilities(result.model, result.feature_extractor, test), expected, atol=1e-5
    )
    assert np.ptp(expected, axis=0).min() > 0.5

    result.model.save_pretrained(tmp_path)
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    assert loaded.config.statistics_stride == STATISTICS_STRIDE
    with torch.no_grad():
        logits = loaded(**prepare_inputs(result.feature_extractor, test)).logits
    np.testing.assert_allclose(logits.softmax(-1), expected, atol=1e-5)


def test_the_pipeline_gives_the_same_for_an_array(tiny_encoder, tmp_path):
    train, test = easy_windows(seed=0), easy_windows(8, seed=1)
    result = fit_statistics_classifier(tiny_encoder, train)
    result.model.save_pretrained(tmp_path)
    result.feature_extractor.save_pretrained(tmp_path)
    classify = pipeline("eeg-classification", model=str(tmp_path))
    given = {"signal": np.concatenate(list(test.signals), axis=1), "channel_names": CHANNELS}
    predictions = classify({**given, "sampling_rate": 256.0, "unit": "uV"}, filter=False)
    found = [[window["scores"][name] for name in test.label_names] for window in predictions]
    np.testing.assert_allclose(found, by_scikit_learn(tiny_encoder, train, test), atol=1e-5)


def test_other_channels_and_other_lengths_are_classified(tiny_encoder):
    result = fit_statistics_classifier(tiny_encoder, easy_windows(seconds=1.0))
    fewer = easy_windows(24, channels=CHANNELS[:4], seconds=3.0, seed=5)
    found = predict_probabilities(result.model, result.feature_extractor, fewer).argmax(1)
    assert (found == fewer.labels).mean() > 0.7


def test_a_classifier_is_a_starting_point_for_other_modes(tiny_encoder, tmp_path):
    result = fit_statistics_classifier(tiny_encoder, easy_windows())
    result.model.save_pretrained(tmp_path)
    result.feature_extractor.save_pretrained(tmp_path)
    tuned = finetune(tmp_path, easy_windows(), None, quick(epochs=1), progress=False)
    assert tuned.model.config.statistics_stride is None
    again = fit_statistics_classifier(tmp_path, easy_windows())
    torch.testing.assert_close(again.model.state_dict(), result.model.state_dict())


def test_windows_nothing_can_be_learned_from_are_refused(tiny_encoder):
    windows = easy_windows(subjects=4)
    with pytest.raises(ValueError, match="all training windows have the class 'class 0'"):
        fit_statistics_classifier(tiny_encoder, windows.with_labels(np.zeros(len(windows), int)))
    lonely = windows.with_labels((windows.subjects == "S2").astype(int))
    with pytest.raises(ValueError, match="only S2 has windows of 'class 1': whatever is peculiar"):
        fit_statistics_classifier(tiny_encoder, lonely)
    one = easy_windows(8, subjects=1)
    with pytest.raises(ValueError, match="there is 1 window of 'class 1', where 2 or more"):
        fit_statistics_classifier(tiny_encoder, one.select([0, 1, 2, 4]))
    fit_statistics_classifier(tiny_encoder, one)
    unknown = LabelledWindows.from_arrays(
        windows.signals,
        windows.labels,
        channel_names=list("ABCDEF"),
        sampling_rate=256,
        unit="uV",
        subjects=windows.subjects,
    )
    with pytest.raises(ValueError, match="none of the electrodes A, B, C, D, E, F is in the model's vocabulary"):
        fit_statistics_classifier(tiny_encoder, unknown)


def test_the_callers_random_state_stays_as_it_is(tiny_encoder):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    fit_statistics_classifier(tiny_encoder, easy_windows())
    assert torch.equal(torch.rand(3), expected)
