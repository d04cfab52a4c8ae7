"""The card of a trained classifier says what it was made of, and what cross-validation found of its kind alone."""

import json

import numpy as np
import pytest
from huggingface_hub import ModelCard

from dare_eeg_hf.adaptation.classifier_inputs import in_order
from dare_eeg_hf.adaptation.labelled_windows import LabelledWindows
from dare_eeg_hf.adaptation.train_classifier import train_classifier
from dare_eeg_hf.checkpoints import digest_of_weights
from dare_eeg_hf.file_digest import file_digest
from dare_eeg_hf.hub.cards import write_model_card
from dare_eeg_hf.hub.classifier_cards import cross_validation_of, write_classifier_card
from dare_eeg_hf.leaks import find_leaks


@pytest.fixture(scope="module")
def windows():
    random = np.random.default_rng(0)
    return LabelledWindows.from_arrays(
        random.normal(0, 20, (24, 3, 512)),
        np.arange(24) % 2,
        channel_names=["C3", "Cz", "C4"],
        sampling_rate=256,
        unit="uV",
        label_names=["rest", "task"],
        subjects=np.repeat(["Ada L.", "Alan T.", "Grace H.", "Mary J."], 6),
        recordings=np.repeat([f"file {number}" for number in range(8)], 3),
    )


@pytest.fixture
def results(tmp_path, windows, tiny_classifier):
    """What `dare-eeg evaluate` leaves, as far as the card reads it."""
    inputs = {
        "windows": in_order(windows).fingerprint(),
        "weights": digest_of_weights(tiny_classifier),
        "mode": "pooled-power",
    }
    metrics = {"balanced_accuracy": 0.71, "confidence_intervals": {"balanced_accuracy": [0.6, 0.8]}}
    found = {
        "records": [{"inputs": inputs, "metrics": metrics}],
        "windows": {"labels": {"rest": 12, "task": 12}},
        "people": {"count": 4},
        "protocol": "one person left out at a time",
        "findings": ["It reaches 71.0%."],
    }
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "results.json").write_text(json.dumps(found))
    return tmp_path / "results"


def change(results, *path, value):
    """Change one entry of the results."""
    found = json.loads((results / "results.json").read_text())
    part = found
    for name in path[:-1]:
        part = part[name]
    part[path[-1]] = value
    (results / "results.json").write_text(json.dumps(found))


def test_the_card_says_what_the_classifier_was_made_of(tiny_classifier, windows, results, tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text("file,label\n")
    cross_validation = cross_validation_of(results, windows, str(tiny_classifier))
    assert cross_validation["interval"] == [0.6, 0.8]

    def write_card(folder, _):
        told = {"label_table": table, "cross_validation": cross_validation}
        write_classifier_card(folder, windows, name="mine", title="my recordings", **told)

    train_classifier(tiny_classifier, windows, tmp_path / "mine", write_card=write_card)
    card = ModelCard.load(tmp_path / "mine" / "README.md")
    for part in (
        "# mine\n",
        "does not diagnose",
        "| my recordings | not stated | 4 | 8 | 24 | 0.01 |",
        "my recordings: people are",
        "| window | 2 s |",
        "| windows of each class | 12 rest, 12 task |",
        "| electrodes of the windows | C3 Cz C4 |",
        f"| table of labels | labels.csv, SHA-256 {file_digest(table)} |",
        "Labels: rest, task",
        "tested on people they were not trained on\n(one person left out at a time)",
        "- It reaches 71.0%.",
    ):
        assert part in card.text, part
    assert "No result has been measured" not in card.text
    assert "Ada" not in card.text
    assert card.data.eval_results is None, "no result of these weights"
    assert not find_leaks("README.md", str(card).encode())
    again = ModelCard.load(write_model_card(tmp_path / "mine"))
    assert again.content == card.content, "written again, as for publishing, it says the same"


def test_without_an_evaluation_nothing_is_claimed(tiny_classifier, windows, tmp_path):
    train_classifier(
        tiny_classifier,
        windows,
        tmp_path / "mine",
        write_card=lambda folder, _: write_classifier_card(folder, windows, name="mine", title="recordings"),
    )
    text = (tmp_path / "mine" / "README.md").read_text()
    assert "No result has been measured with this checkpoint" in text
    assert "Classifiers made in the same way" not in text


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (("records", 0, "inputs", "windows"), "0" * 16, "windows"),
        (("records", 0, "inputs", "weights"), "0" * 16, "encoder"),
        (("records", 0, "inputs", "mode"), "pooled-power-centered", "kind of classifier"),
        (("records", 0, "inputs", "mode"), "pooled", "kind of classifier"),
        (("windows", "labels"), {"task": 12, "other": 12}, "labels"),
        (("people", "count"), 3, "people"),
    ],
)
def test_results_of_something_else_are_refused(tiny_classifier, windows, results, path, value, named):
    change(results, *path, value=value)
    with pytest.raises(ValueError, match=f"was measured with other {named} than this classifier is made of"):
        cross_validation_of(results, windows, str(tiny_classifier))


def test_what_holds_no_results_is_named(tiny_classifier, windows, results, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"holds no results\.json: give the folder that"):
        cross_validation_of(tmp_path, windows, str(tiny_classifier))
    with pytest.raises(ValueError, match="other kind of classifier"):
        cross_validation_of(results, windows, str(tiny_classifier), mode="lora")
    change(results, "records", value=[])
    with pytest.raises(ValueError, match="is not what `dare-eeg evaluate` leaves"):
        cross_validation_of(results, windows, str(tiny_classifier))
