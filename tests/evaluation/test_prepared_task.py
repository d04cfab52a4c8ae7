"""Prepared data sets of one's own in the benchmark."""

import json

import pytest

from dare_eeg_hf.corpora.build import build
from dare_eeg_hf.corpora.label_table import read_label_table
from dare_eeg_hf.corpora.labelled_folder import LabelledFolder
from dare_eeg_hf.evaluation import benchmark
from dare_eeg_hf.evaluation.prepared_task import prepared_task


@pytest.fixture(scope="module")
def my_windows(corpus_root, tmp_path_factory):
    """Windows prepared from the simulated recordings and a table of labels."""
    folder = tmp_path_factory.mktemp("prepared")
    rows = [f"S00{person}R0{run},{label}" for person in range(1, 5) for run, label in ((1, "open"), (2, "closed"))]
    (folder / "labels.csv").write_text("\n".join(["file,label", *rows]))
    corpus = LabelledFolder(read_label_table(folder / "labels.csv"))
    corpus.title = "Eyes of mine"
    assert build(corpus, corpus_root / "eegmmidb", folder / "my_windows", num_proc=1).complete
    return folder / "my_windows"


def test_a_data_set_is_a_task_with_the_title_of_its_card(my_windows, tmp_path):
    task = prepared_task(my_windows)
    assert (task.title, task.label_names, task.window_seconds) == ("Eyes of mine (my_windows)", ("closed", "open"), 4)
    folds = task.folds(task.load("anywhere"))
    assert [len(fold.test) for fold in folds] == [16] * 4
    (my_windows / "README.md").rename(tmp_path / "README.md")
    assert prepared_task(my_windows).title == "my_windows"
    (tmp_path / "README.md").rename(my_windows / "README.md")


def test_the_benchmark_runs_on_it(my_windows, tmp_path, capsys):
    options = ["--data", str(my_windows), "--models", "chance", "band-power", "--output", str(tmp_path)]
    assert benchmark.main(options) == 0
    table = capsys.readouterr().out
    assert "## Eyes of mine (my_windows)" in table
    assert (
        "closed, open; windows of 4 s; cross-validation grouped by person, 8 folds at most; 64 windows of 4" in table
    )
    chance, band_power = json.loads((tmp_path / "results.json").read_text())
    assert chance["metrics"]["balanced_accuracy"] == 0.5
    assert band_power["metrics"]["balanced_accuracy"] > 0.9
    assert {path.name for path in (tmp_path / "cells").iterdir()} == {
        "my_windows__chance__fit__seed0.json",
        "my_windows__band-power__fit__seed0.json",
    }


def test_a_folder_without_windows_is_refused(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"no prepared data set .* evaluate recordings with `dare-eeg evaluate`"
    ):
        prepared_task(tmp_path)
