"""Metrics against scikit-learn, and intervals against what is known about them."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    cohen_kappa_score,
    f1_score,
    roc_auc_score,
)

from dare_eeg_hf.evaluation import metrics as metrics_module
from dare_eeg_hf.evaluation.metrics import (
    EegClassificationMetrics,
    area_scores,
    classification_metrics,
    draw_subjects,
    resampled_area_scores,
    resampled_label_metrics,
)


def random_case(classes=3, windows=120, subjects=6, seed=0):
    random = np.random.default_rng(seed)
    truth = random.integers(0, classes, windows)
    scores = random.random((windows, classes)) + 0.5 * np.eye(classes)[truth]
    return truth, scores / scores.sum(1, keepdims=True), random.integers(0, subjects, windows).astype(str)


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_agrees_with_scikit_learn(classes):
    truth, scores, _ = random_case(classes)
    result = classification_metrics(truth, scores)
    predicted = scores.argmax(1)
    assert result["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(truth, predicted))
    assert result["cohen_kappa"] == pytest.approx(cohen_kappa_score(truth, predicted))
    assert result["weighted_f1"] == pytest.approx(f1_score(truth, predicted, average="weighted"))
    positive = scores[:, 1] if classes == 2 else scores
    assert result["auroc"] == pytest.approx(roc_auc_score(truth, positive, multi_class="ovr"))
    assert result["auprc"] == pytest.approx(average_precision_score(truth, positive))
    assert np.sum(result["confusion_matrix"]) == len(truth)


def test_resampled_metrics_equal_metrics_of_the_resampled_windows():
    truth, scores, subjects = random_case(classes=3, subjects=4)
    predicted = scores.argmax(1)
    names = np.unique(subjects)
    confusions = np.stack(
        [
            classification_metrics(truth[subjects == s], predicted[subjects == s], num_classes=3)["confusion_matrix"]
            for s in names
        ]
    )
    draws = draw_subjects(len(names), 5, seed=3)
    vectorised = resampled_label_metrics(confusions, draws)
    for row, counts in enumerate(draws):
        positions = np.concatenate(
            [np.tile(np.flatnonzero(subjects == s), n) for s, n in zip(names, counts, strict=True)]
        )
        one_by_one = classification_metrics(truth[positions], predicted[positions], num_classes=3)
        for name, values in vectorised.items():
            assert values[row] == pytest.approx(one_by_one[name]), name


@pytest.mark.parametrize("classes", [2, 3])
def test_resampled_areas_equal_those_of_the_resampled_windows(classes):
    truth, scores, subjects = random_case(classes=classes, subjects=5)
    truth[subjects == subjects[0]] = 0  # resamples of this subject alone have one class only
    scores = scores.round(1)  # equal scores must count together
    which = np.unique(subjects, return_inverse=True)[1]
    draws = np.vstack([draw_subjects(5, 20, seed=3), np.eye(5, dtype=int)[which[0]]])
    for counts, (auroc, auprc) in zip(draws, resampled_area_scores(truth, scores, draws[:, which]), strict=True):
        positions = np.repeat(np.arange(len(truth)), counts[which])
        expected = area_scores(truth[positions], scores[positions])
        if expected[0] is None:
            assert np.isnan(auroc)
            assert np.isnan(auprc)
        else:
            assert (auroc, auprc) == pytest.approx(expected, abs=1e-12)
    assert np.isnan(auroc)  # the last one


def test_interval_of_resembling_windows_is_wider_over_subjects_than_over_windows():
    random = np.random.default_rng(0)
    skill = random.choice([0.2, 0.95], 12)  # some people are read well, others not at all
    subjects = np.repeat(np.arange(12), 40).astype(str)
    truth = random.integers(0, 2, 480)
    predicted = np.where(random.random(480) < np.repeat(skill, 40), truth, 1 - truth)
    low, high = classification_metrics(truth, predicted, subjects)["confidence_intervals"]["accuracy"]
    as_if_independent = classification_metrics(truth, predicted, np.arange(480).astype(str))
    narrow_low, narrow_high = as_if_independent["confidence_intervals"]["accuracy"]
    assert high - low > 2 * (narrow_high - narrow_low)
    assert low < np.mean(truth == predicted) < high


def test_same_seed_same_interval():
    truth, scores, subjects = random_case()
    first, second = (classification_metrics(truth, scores, subjects, n_resamples=50) for _ in range(2))
    assert first == second
    other = classification_metrics(truth, scores, subjects, n_resamples=50, seed=1)
    assert other["confidence_intervals"] != first["confidence_intervals"]


def test_labels_without_probabilities_and_one_class_only():
    result = classification_metrics([0, 0, 0], [0, 0, 0], num_classes=2)
    assert result["accuracy"] == 1.0
    assert result["cohen_kappa"] == 0.0
    assert result["auroc"] is None
    assert classification_metrics([1, 1], [[0.2, 0.8], [0.9, 0.1]])["auroc"] is None


@pytest.mark.parametrize(
    ("truth", "predictions", "options", "message"),
    [
        ([], [], {}, "no window"),
        ([0, 1], [0], {}, "2 references but 1"),
        ([0, 2], [[0.5, 0.5], [0.5, 0.5]], {}, "labels from 0 to 2"),
        ([0, 1], [[0.5, float("nan")], [0.5, 0.5]], {}, "NaN"),
        ([0, 1], [0, 1], {"subjects": ["a"]}, "1 subjects"),
    ],
)
def test_bad_input_is_named(truth, predictions, options, message):
    with pytest.raises(ValueError, match=message):
        classification_metrics(truth, predictions, **options)


def test_evaluate_metric_accepts_batches_of_labels_or_probabilities():
    truth, scores, subjects = random_case(classes=2, windows=30)
    metric = EegClassificationMetrics()
    for start in range(0, 30, 10):
        metric.add_batch(references=truth[start : start + 10], predictions=scores[start : start + 10])
    by_batches = metric.compute(subjects=subjects, n_resamples=20)
    assert by_batches == classification_metrics(truth, scores, subjects, n_resamples=20)
    labels = EegClassificationMetrics().compute(references=truth, predictions=scores.argmax(1))
    assert labels["accuracy"] == by_batches["accuracy"]


def test_file_works_as_a_metric_script_of_its_own_and_offline(tmp_path):
    """What a push to the Hub would upload: the one file, loaded by `evaluate.load` in a process without network."""
    folder = tmp_path / "eeg_metrics"
    folder.mkdir()
    shutil.copyfile(metrics_module.__file__, folder / "eeg_metrics.py")
    program = (
        f"import evaluate; m = evaluate.load({str(folder)!r});"
        "print(m.compute(references=[0, 1, 1], predictions=[0, 1, 0])['balanced_accuracy'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={"HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1", "PATH": "/usr/bin:/bin"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.strip()) == pytest.approx(0.75)
