"""Who may be tested on what: an encoder never on people it was pre-trained on."""

import importlib
import json
from pathlib import Path

import pytest

from dare_eeg_hf.evaluation.benchmark_report import METRICS
from dare_eeg_hf.evaluation.tasks import TASKS

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture
def evidence(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    return importlib.import_module("evidence")


@pytest.fixture
def data(tmp_path, evidence):
    """A folder for each corpus and task, empty."""
    folders = [source.folders[0] for source in evidence.SOURCES.values()]
    for name in [*folders, *(task.folders[0] for task in TASKS.values() if task.folders)]:
        (tmp_path / "data" / name).mkdir(parents=True, exist_ok=True)
    return tmp_path / "data"


def test_the_plan_tests_no_encoder_on_people_it_has_seen(evidence, data):
    plan = evidence.read_plan(EXAMPLES / "evidence.yaml")
    for each in plan:
        assert set(each.tasks) <= TASKS.keys()
        evidence.refuse_seen_people(each, data)
    tested = [task for each in plan for task in each.tasks]
    assert len(set(tested)) == len(tested)


def test_a_size_without_settings_is_refused_before_anything_is_cut(evidence, data, tmp_path, monkeypatch, capsys):
    arguments = ["--data", str(data), "--output", str(tmp_path / "made"), "--sizes", "nano", "huge"]
    monkeypatch.setattr("sys.argv", ["evidence.py", *arguments])
    with pytest.raises(SystemExit):
        evidence.main()
    assert "invalid choice: 'huge'" in capsys.readouterr().err
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("corpus", "task"),
    [
        ("mental_arithmetic", "mental-arithmetic-validation"),
        ("physionet_mi", "fists-feet"),
        ("ssvep_exoskeleton", "ssvep"),
        ("guinea_bissau_more", "epilepsy-all"),
        ("guinea_bissau", "eyes-across-devices"),  # of two corpora, the second
    ],
)
def test_people_that_were_seen_are_refused(evidence, data, corpus, task):
    each = evidence.TrainingSet("mine", ["muse_cueing", corpus], ["imagined-hands", task])
    with pytest.raises(SystemExit, match=f"encoders of mine see the people of the task {task} in {corpus}"):
        evidence.refuse_seen_people(each, data)


def test_people_are_recognised_by_their_folder_whatever_it_is_called(evidence, data):
    (data / "ssvep-exoskeleton").rmdir()
    (data / "ssvep_exoskeleton").mkdir()
    (data / "ssvep-exoskeleton").symlink_to(data / "ssvep_exoskeleton")
    with pytest.raises(SystemExit, match="of the task ssvep in ssvep_exoskeleton"):
        evidence.refuse_seen_people(evidence.TrainingSet("mine", ["ssvep_exoskeleton"], ["ssvep"]), data)


def test_a_run_that_saw_other_corpora_is_not_taken_for_one_of_the_plan(evidence, tmp_path):
    each = evidence.TrainingSet("mine", ["guinea_bissau", "guinea_bissau_more", "muse_cueing"], [])
    for seen in (["muse_cueing", "guinea_bissau", "guinea_bissau"], ["muse_cueing"]):
        card = {"run": {"corpora": [{"name": name} for name in seen]}}
        (tmp_path / "model_card.json").write_text(json.dumps(card))
        if len(seen) == 3:
            evidence.refuse_other_corpora(tmp_path, each)
        else:
            with pytest.raises(SystemExit, match="was pre-trained on muse_cueing and not on the corpora of mine"):
                evidence.refuse_other_corpora(tmp_path, each)


def test_only_sets_for_the_tasks_that_are_wanted_are_trained(evidence):
    [each] = evidence.read_plan(EXAMPLES / "evidence.yaml", ["ssvep"])
    assert each.tasks == ["ssvep"]
    assert "ssvep_exoskeleton" not in each.corpora
    with pytest.raises(SystemExit, match="no set to test on nonsense"):
        evidence.read_plan(EXAMPLES / "evidence.yaml", ["ssvep", "nonsense"])


def test_the_table_has_gaps_where_a_task_has_no_such_contestant(evidence):
    rows = [
        {
            "title": "Eyes",
            "people": 72,
            "features": "plain",
            "contestants": {
                "band-power": {"balanced_accuracy": (0.67, None)},
                "nano": {"balanced_accuracy": (0.7, 0.02)},
            },
            "differences": {"nano minus random-nano": {"mean": 0.041, "interval": [0.009, 0.074]}},
        },
        {
            "title": "Tapping",
            "people": 1,
            "features": "centered",
            "contestants": {"nano": {"balanced_accuracy": (0.5, 0.01)}},
            "differences": {"nano minus random-nano": {"mean": -0.02, "interval": None}},
        },
    ]
    header, _, *lines = evidence.table(rows)
    assert header == "| task | people tested | features | band-power | nano | nano minus random-nano, points |"
    assert lines == [
        "| Eyes | 72 | plain | 0.670 | 0.700 ± 0.020 | +4.1 (+0.9 to +7.4) |",
        "| Tapping | 1 | centered | - | 0.500 ± 0.010 | -2.0 (one person) |",
    ]


def test_a_case_is_compared_with_the_size_as_it_is_and_that_with_random_weights(evidence):
    complete = evidence.Pretraining("light")
    assert (complete.name, complete.control, complete.settings) == ("light", "random-light", [])
    without = evidence.Pretraining("light", "without anchor alignment")
    assert (without.name, without.control) == ("light-without-anchor-alignment", "light")
    assert without.settings == ["--set", "use_anchor_alignment=false"]
    quarter = evidence.Pretraining("nano", "a quarter of the targets")
    assert (quarter.name, quarter.settings) == ("nano-a-quarter-of-the-targets", ["--reconstructed-share", "0.25"])


def test_differences_are_taken_person_by_person(evidence):
    def cell(model: str, mode: str, scores: dict[str, float]) -> dict:
        mean = sum(scores.values()) / len(scores)
        return {
            "inputs": {"task": "tapping", "model": model, "mode": mode, "seed": 0},
            "metrics": {
                **dict.fromkeys(METRICS, mean),
                "per_subject_balanced_accuracy": scores,
                "confidence_intervals": {"balanced_accuracy": [0.0, 1.0]},
            },
            **dict.fromkeys(("trainable_parameters", "tested_windows", "classes"), 2),
        }

    scores = {"random-nano": 0.5, "nano": 0.7, "nano-without-mask-alignment": 0.6}
    records = [cell(name, "pooled", {"a": score, "b": score + 0.1}) for name, score in scores.items()]
    records += [cell(name, "pooled-power", {"a": score, "b": score + 0.3}) for name, score in scores.items()]
    records += [cell("power-maps", "", {"a": 0.6, "b": 0.6})]
    pretrainings = [evidence.Pretraining("nano"), evidence.Pretraining("nano", "without mask alignment")]
    [row] = evidence.rows_of(records, evidence.TrainingSet("mine", ["ssvep_exoskeleton"], ["tapping"]), pretrainings)
    found = {pair: round(difference["mean"], 6) for pair, difference in row["differences"].items()}
    assert found == {
        "nano, pooled minus random-nano, pooled": 0.2,
        "nano-without-mask-alignment, pooled minus nano, pooled": -0.1,
        "nano, pooled-power minus random-nano, pooled-power": 0.2,
        "nano-without-mask-alignment, pooled-power minus nano, pooled-power": -0.1,
        "nano, pooled-power minus power-maps": 0.25,
    }
