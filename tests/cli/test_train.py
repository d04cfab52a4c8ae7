"""`dare-eeg train`: from labelled recordings to a classifier that `dare-eeg predict` takes, and what it refuses."""

import csv
import json

import pytest
import torch

from dare_eeg_hf import DareEegConfig, DareEegFeatureExtractor, DareEegModel
from dare_eeg_hf.cli.main import main
from dare_eeg_hf.recordings.simulation import simulate_recordings

MONTAGE = "Fp1 Fp2 C3 Cz C4 O1 O2".split()


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoder")
    torch.manual_seed(0)
    config = DareEegConfig(hidden_size=32, num_summary_tokens=1, num_hidden_layers=1, initializer_range=0.3)
    DareEegModel(config).save_pretrained(folder)
    DareEegFeatureExtractor().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Recordings of three people whose names tell nothing, and the table that says what they are."""
    folder = tmp_path_factory.mktemp("study")
    rows = []
    for number, path in enumerate(simulate_recordings(folder / "raw", subjects=3, seconds=20, montage=MONTAGE)):
        (folder / "recordings").mkdir(exist_ok=True)
        path.rename(folder / "recordings" / f"{number}.edf")
        rows.append([f"{number}.edf", ("open", "closed")[number % 2], f"P{number // 2}"])
    write_table(folder / "labels.csv", rows)
    return folder


def write_table(path, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["file", "label", "person"], *rows])
    return path


def test_from_recordings_and_a_table_to_predictions(study, encoder, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = [str(study / "recordings"), "--labels", str(study / "labels.csv"), "--model", str(encoder)]
    assert main(["train", *given, "--output", "eyes"]) == 0
    said = capsys.readouterr().out
    assert "Trained on 30 windows of 4 s (15 closed, 15 open) of 3 people, 7 electrodes." in said
    assert "is not known: nobody was held out" in said
    assert "dare-eeg predict eyes RECORDING" in said
    card = (tmp_path / "eyes" / "README.md").read_text()
    assert "| recordings | not stated | 3 | 6 | 30 | 0.03 |" in card
    assert "table of labels | labels.csv, SHA-256" in card
    assert main(["predict", "eyes", str(study / "recordings" / "0.edf"), "--format", "json"]) == 0
    predictions = json.loads(capsys.readouterr().out)
    assert {window["label"] for window in predictions} <= {"open", "closed"}
    assert len(predictions) == 5
    assert main(["train", *given, "--output", "eyes"]) == 1
    assert capsys.readouterr().err == "error: eyes exists already; name a folder that does not, or remove it first\n"


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ([[f"{n}.edf", "open", "P0"] for n in range(6)], [], "telling classes apart takes two or more"),
        ([[f"{n}.edf", ("open", "closed")[n == 5], f"P{n // 2}"] for n in range(6)], [], "only P2 has windows of"),
        ([[f"{n}.edf", ("open", "closed")[n % 2], "P"] for n in range(3)], [], "3.edf"),
        (None, ["--evaluation", "nowhere"], "nowhere holds no results.json"),
        (None, ["--epochs", "3"], "mode 'statistics' has no epochs"),
        (None, ["--model", "no/such"], "There is no folder no/such"),
    ],
)
def test_bad_input_is_one_sentence(study, encoder, tmp_path, capsys, monkeypatch, rows, options, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "no").mkdir()
    table = study / "labels.csv" if rows is None else write_table(tmp_path / "labels.csv", rows)
    model = [] if "--model" in options else ["--model", str(encoder)]
    given = [str(study / "recordings"), "--labels", str(table), *model, *options]
    assert main(["train", *given, "--output", "new"]) == 1
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert message in errors[0]
    assert not (tmp_path / "new").exists()


def test_what_evaluate_found_of_the_same_data_is_recognised(study, encoder, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = [str(study / "recordings"), "--labels", str(study / "labels.csv"), "--model", str(encoder)]
    assert main(["evaluate", *given, "--no-importance"]) == 0
    assert main(["train", *given, "--output", "eyes"]) == 0
    assert "tested on people they were not trained on:\n- A logistic regression on a frozen" in capsys.readouterr().out
    assert "- A logistic regression on a frozen" in (tmp_path / "eyes" / "README.md").read_text()


def test_one_person_is_enough_and_the_words_say_so(study, encoder, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = write_table(tmp_path / "labels.csv", [["0.edf", "open", "P0"], ["1.edf", "closed", "P0"]])
    given = [str(study / "recordings"), "--labels", str(table), "--leave-out-unmatched", "--model", str(encoder)]
    assert main(["train", *given, "--output", "new"]) == 0
    said = capsys.readouterr().out
    assert "of 1 person, 7 electrodes. Nothing is known of it about anybody else." in said
    assert "is not known: nobody was held out" in said
