"""Evaluations side by side: paired differences over the people they have in common, and what is no fair comparison."""

import json

import numpy as np
import pytest

from dare_eeg_hf.evaluation.compare_evaluations import (
    COLUMNS,
    is_evaluation,
    read_evaluations,
    remarks,
    summary_rows,
    write_comparison,
)


def record(scores, model="nano", seed=0, mode="pooled", windows="same"):
    accuracy = float(np.mean(list(scores.values())))
    metrics = {"per_subject_balanced_accuracy": scores, "balanced_accuracy": accuracy}
    metrics["confidence_intervals"] = {"balanced_accuracy": [accuracy - 0.1, accuracy + 0.1]}
    return {"inputs": {"model": model, "mode": mode, "seed": seed, "windows": windows}, "metrics": metrics}


def results(folder, *records, protocol="8 folds"):
    folder.mkdir(parents=True)
    found = {"records": records, "protocol": protocol, "title": "study"}
    (folder / "results.json").write_text(json.dumps(found))
    return folder


PEOPLE = {f"P{number}": 0.5 + 0.02 * number for number in range(10)}


def test_differences_are_paired_over_people(tmp_path):
    better = {person: score + 0.1 for person, score in PEOPLE.items()}
    chance = record(dict.fromkeys(PEOPLE, 0.5), model="chance", mode="")
    folders = [
        results(tmp_path / "a", record(PEOPLE), chance),
        results(tmp_path / "b", record(better, "base"), chance),
    ]
    assert all(map(is_evaluation, folders))
    evaluations = read_evaluations(folders)
    first, second = (dict(zip(COLUMNS, row, strict=True)) for row in summary_rows(evaluations))
    assert (first["model"], first["balanced accuracy"], first["against the first"]) == ("nano", "59.0%", "")
    assert (second["model"], second["balanced accuracy"], second["people"]) == ("base", "69.0%", "10")
    assert second["against the first"] == "+10.0 points"
    assert second["95%"] == "+10.0 to +10.0", "people differ by much, the difference does not"
    assert remarks(evaluations) == ["An interval that includes 0 means that the difference may be chance."]
    page = write_comparison(evaluations, tmp_path / "page.html").read_text()
    assert "P9" in page
    assert "nothing here is a diagnosis" in page


def test_seeds_are_averaged_and_other_models_of_an_evaluation_are_not(tmp_path):
    seeds = [
        record({person: score + change for person, score in PEOPLE.items()}, seed=seed)
        for seed, change in ((0, 0.1), (1, 0.3))
    ]
    folders = [results(tmp_path / "a", record(PEOPLE)), results(tmp_path / "b", *seeds, record(PEOPLE, "random-nano"))]
    assert summary_rows(read_evaluations(folders))[1][5] == "+20.0 points"


def test_what_is_no_fair_comparison_is_said(tmp_path):
    fewer = {person: score for person, score in PEOPLE.items() if person < "P5"}
    folders = [
        results(tmp_path / "a", record(PEOPLE)),
        results(tmp_path / "b", record(fewer, windows="others"), protocol="one person left out at a time"),
    ]
    said = " ".join(remarks(read_evaluations(folders)))
    assert "differences are of the 5 in common" in said
    assert "The windows are not the same in all" in said
    assert "They were tested differently: a: 8 folds; b: one person left out" in said


def test_what_cannot_be_compared_is_one_sentence(tmp_path):
    first = results(tmp_path / "a", record(PEOPLE))
    with pytest.raises(ValueError, match="one evaluation has nothing to be compared with"):
        read_evaluations([first])
    with pytest.raises(ValueError, match="named twice"):
        read_evaluations([first, tmp_path / "a"])
    with pytest.raises(FileNotFoundError, match=r"holds no results\.json"):
        read_evaluations([first, tmp_path])
    strangers = results(tmp_path / "strangers", record({"Q1": 0.5}))
    with pytest.raises(ValueError, match="a, strangers have no person in common"):
        read_evaluations([first, strangers])
    (tmp_path / "benchmark").mkdir()
    (tmp_path / "benchmark" / "results.json").write_text("[]")
    with pytest.raises(ValueError, match="is not what `dare-eeg evaluate` leaves"):
        read_evaluations([first, tmp_path / "benchmark"])
