"""One's own recordings evaluated: the benchmark's figures, computed once, with the page and files that tell them."""

import csv
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dare_eeg_hf.adaptation.labelled_recordings import read_labelled_recordings
from dare_eeg_hf.corpora.label_table import LabelError, read_label_table
from dare_eeg_hf.corpora.labelled_folder import LabelledFolder
from dare_eeg_hf.evaluation import own_recordings
from dare_eeg_hf.evaluation.benchmark import Cell, evaluate_cell, run_benchmark
from dare_eeg_hf.evaluation.cross_validation import one_thread
from dare_eeg_hf.evaluation.evaluation_page import write_page
from dare_eeg_hf.evaluation.evaluation_report import (
    COLUMNS,
    NO_DIAGNOSIS,
    UNKNOWN_PEOPLE,
    description,
    findings,
    result_rows,
    write_results,
)
from dare_eeg_hf.evaluation.own_recordings import evaluate_recordings
from dare_eeg_hf.evaluation.people_folds import people_folds
from dare_eeg_hf.evaluation.tasks import TASKS, by_subjects
from dare_eeg_hf.text_table import text_table

TASK = "eyes-eegmmidb"


@pytest.fixture(autouse=True)
def without_umap(monkeypatch):
    """UMAP takes ten seconds to be compiled."""
    monkeypatch.setitem(sys.modules, "umap", None)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Where what the evaluations share is kept."""
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="module")
def evaluation(windows, tiny_checkpoint, kept):
    """The windows evaluated."""
    return evaluate_recordings(tiny_checkpoint, windows, kept, title="eyes", seeds=[0, 1])


def test_the_figures_are_those_of_the_benchmark(evaluation, windows, tiny_checkpoint, tmp_path, monkeypatch):
    monkeypatch.setitem(TASKS, TASK, replace(TASKS[TASK], split=people_folds))
    cells = [(tiny_checkpoint, "pooled-power", tiny_checkpoint)]
    cells += [(name, "", None) for name in ("power-maps", "band-power", "riemann")]
    names = ("tiny-encoder", "power-maps", "band-power", "riemann")
    for (model, mode, checkpoint), name in zip(cells, names, strict=True):
        with one_thread():
            cell = evaluate_cell(Cell(TASK, model, mode, 0), windows, {}, checkpoint, tmp_path)
        own = next(record for record in evaluation.records if record["inputs"]["model"] == name)
        assert {key: own[key] for key in cell} == cell


def test_real_recordings_with_neutral_names_give_the_benchmarks_figures_to_the_digit(
    shared, tiny_checkpoint, tmp_path, monkeypatch
):
    source = shared("data/eegmat")
    # Four of the task's people, each one left out once by either.
    monkeypatch.setitem(TASKS, "mental-arithmetic", replace(TASKS["mental-arithmetic"], split=by_subjects(4)))
    (tmp_path / "root/eegmat").mkdir(parents=True)
    (tmp_path / "mine").mkdir()
    rows = ["file;label;person"]
    for number, path in enumerate(sorted(source.glob("Subject0[0-3]_*.edf"), key=lambda path: path.stem[::-1])):
        (tmp_path / "root/eegmat" / path.name).symlink_to(path)
        (tmp_path / f"mine/rec{number}.edf").symlink_to(path)
        rows.append(f"rec{number};{'rest' if '_1' in path.stem else 'arithmetic'};{path.stem[:9]}")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    models = ["chance", "band-power", tiny_checkpoint]
    records, failures = run_benchmark(
        ["mental-arithmetic"], models, ["pooled-power"], [0], tmp_path / "root", tmp_path / "benchmark"
    )
    assert failures == {}
    table = read_label_table(tmp_path / "labels.csv")
    corpus = LabelledFolder(table, classes=["rest", "arithmetic"], window_seconds=5.0)
    read = read_labelled_recordings(corpus, tmp_path / "mine")
    own = evaluate_recordings(tiny_checkpoint, read, tmp_path / "kept", importance=False)
    found = {record["inputs"]["model"]: record["metrics"] for record in own.records}
    assert {record["inputs"]["model"]: record["metrics"] for record in records}.items() <= found.items()
    assert len(read.recordings) == 8


def test_contestants_people_and_electrodes(evaluation, windows):
    assert list(evaluation.contestants()) == [
        "tiny-encoder and power maps",
        "the same with random weights",
        "power maps + logistic regression",
        "band power + logistic regression",
        "Riemannian tangent space + logistic regression",
        "chance",
    ]
    assert len(evaluation.contestants()["the same with random weights"]) == 2  # seeds
    assert evaluation.people == ["S001", "S002", "S003", "S004"]
    assert evaluation.protocol == "one person left out at a time"
    np.testing.assert_allclose(evaluation.probabilities.sum(axis=1), 1)
    assert {each.name for each in evaluation.importance} == set(windows.channel_names)
    drops = [each.drop for each in evaluation.importance]
    assert drops == sorted(drops, reverse=True)


def test_nothing_is_computed_twice(evaluation, windows, tiny_checkpoint, kept, monkeypatch):
    for name in ("cross_validate", "channel_importance"):
        monkeypatch.setattr(own_recordings, name, lambda *_, **__: pytest.fail("computed again"))
    again = evaluate_recordings(tiny_checkpoint, windows, kept, title="eyes", seeds=[0, 1])
    assert again.to_dict() == evaluation.to_dict()
    np.testing.assert_array_equal(again.probabilities, evaluation.probabilities)


def test_the_table_and_what_it_says(evaluation):
    rows = result_rows(evaluation)
    assert rows[-1] == ("chance", "50.0%", "-", "-", "-")
    assert float(rows[3][1][:-1]) > 90  # alpha with closed eyes, across people
    assert rows[3][4] == "4 of 4"
    assert "±" in rows[1][1]
    lines = text_table(COLUMNS, rows).splitlines()
    assert len(lines) == 2 + len(rows)
    assert len({len(line) for line in lines}) == 1
    assert description(evaluation).startswith(
        "eyes: 64 windows of 4 s (32 eyes open, 32 eyes closed) of 4 people, 10 el"
    )
    said = " ".join(findings(evaluation))
    assert "than band power + logistic regression on average over people (95% interval" in said
    assert "4 people are few" in said
    assert "Each person has one label" not in said


def test_files_and_page(evaluation, tmp_path):
    write_results(evaluation, tmp_path)
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["windows"] == {"count": 64, "seconds": 4.0, "labels": {"eyes open": 32, "eyes closed": 32}}
    assert results["people"]["known"] is True
    assert results["findings"] == findings(evaluation)
    with (tmp_path / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["file", "person", "onset", "label", "predicted", "probability"]
    right = np.mean([row["label"] == row["predicted"] for row in rows])
    assert right == pytest.approx(evaluation.records[0]["metrics"]["accuracy"])
    page = write_page(evaluation, tmp_path / "evaluation.html").read_text()
    for heading in ("Results", "Who was told apart", "What was taken for what", "How the encoder sees the windows"):
        assert f"<h2>{heading}</h2>" in page
    assert page.count("<img") == 5
    assert NO_DIAGNOSIS in page
    assert UNKNOWN_PEOPLE not in page
    assert 'src="http' not in page


def test_unknown_people_and_traits_are_told(windows, tiny_checkpoint, kept, tmp_path):
    trait = replace(windows, labels=np.isin(windows.subjects, ["S001", "S002"]).astype(int), subject_source="file")
    found = evaluate_recordings(tiny_checkpoint, trait, kept, importance=False)
    assert found.one_class_per_person
    said = findings(found)
    assert said[0] == UNKNOWN_PEOPLE
    assert any(sentence.startswith("Each person has one label here") for sentence in said)
    assert UNKNOWN_PEOPLE in write_page(found, tmp_path / "page.html").read_text()
    with pytest.raises(ValueError, match="would remove the class"):
        evaluate_recordings(tiny_checkpoint, trait, kept, center=True)
    alone = replace(trait, labels=(windows.subjects == "S001").astype(int))
    with pytest.raises(LabelError, match="only one recording"):
        evaluate_recordings(tiny_checkpoint, alone, kept)


def test_centering_is_for_all_and_says_its_condition(windows, tiny_checkpoint, kept):
    found = evaluate_recordings(tiny_checkpoint, windows, kept, center=True, importance=False)
    assert [record["inputs"]["mode"] for record in found.records[:2]] == ["pooled-power-centered"] * 2
    baselines = ["power-maps-centered", "band-power-centered", "riemann-centered"]
    assert [record["inputs"]["model"] for record in found.records[2:5]] == baselines
    assert any("in about this mixture of labels" in sentence for sentence in findings(found))


def test_a_single_electrode_without_pyriemann(windows, tiny_checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(own_recordings, "find_spec", lambda _: None)
    alone = replace(windows, signals=windows.signals[:, :1], channel_names=windows.channel_names[:1])
    found = evaluate_recordings(tiny_checkpoint, alone, tmp_path)
    assert found.importance == []
    assert found.left_out() == [
        "the Riemannian tangent space: it needs pyriemann (pip install 'dare-eeg-hf[benchmark]')"
    ]
    assert Path(write_page(found, tmp_path / "page.html")).stat().st_size > 10_000
    shutil.rmtree(tmp_path / "features")
