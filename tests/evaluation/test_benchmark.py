"""The benchmark on real EDF files: repeatable to the digit, resumable, honest about leakage and failures."""

import json
import re
import runpy
import shutil
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dare_eeg_hf.adaptation.labelled_windows import LabelledWindows
from dare_eeg_hf.evaluation import benchmark, cross_validation
from dare_eeg_hf.evaluation.benchmark import (
    Cell,
    digest_of_weights,
    evaluate_cell,
    plan_cells,
    prepare_tasks,
    run_benchmark,
    run_cell,
    windows_file,
)
from dare_eeg_hf.evaluation.protocols import Fold, LeakageError, check_folds, one_class_subjects
from dare_eeg_hf.evaluation.tasks import TASKS
from dare_eeg_hf.power_maps_dare_eeg import FREQUENCY_BANDS

TASK = "eyes-eegmmidb"
QUICK = {"epochs": 3}


@pytest.fixture(scope="module")
def finished(corpus_root, tiny_checkpoint, tmp_path_factory):
    """A whole benchmark, in this process."""
    output = tmp_path_factory.mktemp("benchmark")
    models = ["chance", "band-power", "riemann", tiny_checkpoint, f"random:{tiny_checkpoint}"]
    records, failures = run_benchmark(
        [TASK], models, ["probe"], [0, 1], corpus_root, output, workers=1, settings=QUICK
    )
    assert failures == {}
    return output, models, records


def test_table_reports_every_model_and_simulated_alpha_is_found(finished):
    output, _, records = finished
    table = (output / "table.md").read_text()
    for name in ("chance", "band power", "Riemannian", "tiny-encoder", "random-tiny-encoder"):
        assert f"| {name}" in table
    scores = {(r["inputs"]["model"], r["inputs"]["seed"]): r["metrics"]["balanced_accuracy"] for r in records}
    assert scores["chance", 0] == 0.5
    assert scores["band-power", 0] > 0.9  # alpha with closed eyes, across subjects
    assert ("chance", 1) not in scores  # nothing random, one seed
    assert set(records[0]["metrics"]["per_subject_balanced_accuracy"]) == {"S001", "S002", "S003", "S004"}
    costs = (output / "costs.md").read_text()
    assert "seconds" in costs
    assert re.search(r"\| random-tiny-encoder \| probe \| \d+\.\d ± \d+\.\d \| \d+ ± \d+ \|", costs)
    assert "seconds" not in table
    assert "stand in costs.md" in table
    assert all(record["costs"]["peak_megabytes"] > 50 for record in records)


def test_run_again_from_nothing_with_two_workers_gives_the_same_table_to_the_last_digit(
    finished, corpus_root, tmp_path
):
    output, models, _ = finished
    run_benchmark([TASK], models, ["probe"], [0, 1], corpus_root, tmp_path, workers=2, settings=QUICK)
    for name in ("table.md", "results.json"):
        assert (tmp_path / name).read_bytes() == (output / name).read_bytes(), name


def test_finished_cells_are_not_computed_again_and_a_changed_setting_is(finished, monkeypatch):
    output, _, _ = finished
    cell = Cell(TASK, "band-power", "", 0)
    stored = json.loads((output / "cells" / cell.file_name).read_text())
    monkeypatch.setattr(benchmark, "evaluate_cell", lambda *_: pytest.fail("computed again"))
    assert run_cell(cell, output, QUICK) == stored
    assert run_cell(cell, output, {"epochs": 99}) == stored  # fine-tuning's settings do not concern this baseline
    computed = []
    monkeypatch.setattr(benchmark, "evaluate_cell", lambda *a: computed.append(a[0]) or {"metrics": {}})
    own = next(c for c in plan_cells([TASK], ["random:nano"], ["probe"], [5]))
    run_cell(own, output, QUICK)
    run_cell(own, output, QUICK)
    run_cell(own, output, {"epochs": 4})
    assert computed == [own, own]


def test_an_interrupted_cell_leaves_no_half_file(finished, monkeypatch):
    output, _, _ = finished

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(benchmark, "evaluate_cell", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_cell(Cell(TASK, "eegnet", "", 0), output, QUICK)
    assert all(json.loads(path.read_text()) for path in (output / "cells").iterdir())


def test_pooled_features_are_kept_and_need_one_seed_unless_the_encoder_is_random(finished, tiny_checkpoint):
    output, _, _ = finished
    random_encoder = f"random:{tiny_checkpoint}"
    cells = plan_cells([TASK], [tiny_checkpoint, random_encoder], ["pooled"], [0, 1])
    assert [cell.seed for cell in cells] == [0, 0, 1]
    record = run_cell(cells[0], output, QUICK)
    assert record["trainable_parameters"] == 2 * 16 + 1
    assert record["metrics"]["balanced_accuracy"] > 0.7  # alpha makes itself felt even in random features
    kept = list((output / "features").glob("*-pooled*.safetensors"))
    assert len(kept) == 1
    (output / "cells" / cells[0].file_name).unlink()
    again = run_cell(cells[0], output, QUICK)
    assert again["metrics"] == record["metrics"]
    first, second = (run_cell(cell, output, QUICK)["metrics"] for cell in cells[1:])
    assert first != second


def test_a_folder_for_each_seed_is_one_row_of_the_table_and_is_compared_subject_by_subject(
    finished, tiny_checkpoint, corpus_root, tmp_path
):
    for seed in (0, 1):
        shutil.copytree(tiny_checkpoint, tmp_path / "runs" / f"ours-seed{seed}")
    ours = str(tmp_path / "runs" / "ours-seed{seed}")
    random_encoder = f"random:{tiny_checkpoint}"
    models = [ours, random_encoder, "chance"]
    records, failures = run_benchmark(
        [TASK], models, ["pooled"], [0, 1], corpus_root, tmp_path / "out", against="chance"
    )
    assert failures == {}
    assert [r["inputs"]["seed"] for r in records if r["inputs"]["model"] == "ours"] == [0, 1]
    table = (tmp_path / "out" / "table.md").read_text()
    assert "## Difference from chance" in table
    rows = [line.split(" | ") for line in table.split("## Difference")[1].splitlines() if "EEGMMIDB" in line]
    assert [row[1] for row in rows] == ["ours", "random-tiny-encoder"]
    scores = [
        r["metrics"]["per_subject_balanced_accuracy"].values() for r in records if r["inputs"]["model"] == "ours"
    ]
    expected = 100 * (np.mean([list(values) for values in scores]) - 0.5)
    assert float(rows[0][3]) == pytest.approx(expected, abs=0.06)
    low, high = map(float, rows[0][4].split(" to "))
    assert low <= float(rows[0][3]) <= high


def test_plain_and_centered_stand_side_by_side_and_names_say_which_encoder_is_meant(
    tiny_checkpoint, corpus_root, tmp_path
):
    for seed in (0, 1):
        shutil.copytree(tiny_checkpoint, tmp_path / "runs" / f"seed{seed}")
    ours = str(tmp_path / "runs" / "seed{seed}")
    models = ["chance", "band-power", "band-power-centered", f"random:{ours}", ours]
    modes = ["pooled", "pooled-centered"]
    random_encoder = models[3]
    records, failures = run_benchmark(
        [TASK], models, modes, [0, 1], corpus_root, tmp_path / "out", against=random_encoder
    )
    assert failures == {}
    drawn = {(r["inputs"]["mode"], r["inputs"]["weights"]) for r in records if r["contestant"] == random_encoder}
    assert len(drawn) == 4  # both modes, two seeds
    table = (tmp_path / "out" / "table.md").read_text()
    overview, details = table.split("## Eyes")[0], table.split("## Difference")[1]
    assert f"Encoders: random-runs is `{random_encoder}`, runs is `{ours}` (random weights" in overview
    header, _, plain, centered = [line.strip("| ").split(" | ") for line in overview.splitlines() if "|" in line]
    assert header == ["task", "features", "chance", "band-power", "random-runs", "runs"]
    assert [plain[1], centered[1], centered[2]] == ["plain", "centered", "-"]
    scores = defaultdict(list)
    for r in records:
        scores[r["inputs"]["model"], r["inputs"]["mode"]].append(r["metrics"]["balanced_accuracy"])
    assert plain[3] == f"{scores['band-power', ''][0]:.3f}"
    assert centered[3] == f"{scores['band-power-centered', ''][0]:.3f}"
    assert centered[4].startswith(f"{np.mean(scores['random-runs', 'pooled-centered']):.3f} ± ")
    compared = [line.split(" | ")[1:3] for line in details.splitlines() if "EEGMMIDB" in line]
    assert [mode for _, mode in compared] == ["pooled", "pooled", "pooled-centered", "pooled", "pooled-centered"]


@pytest.mark.parametrize(
    ("models", "against", "message"),
    [
        (["chance"], "riemann", "not among the models"),
        (["no/such/run-{seed}"], None, "is not a baseline"),
        (["chance", "chance"], None, "the same name"),
    ],
)
def test_comparisons_that_cannot_be_made_are_refused_first(models, against, message, corpus_root, tmp_path):
    with pytest.raises(ValueError, match=message):
        run_benchmark([TASK], models, ["pooled"], [0], corpus_root, tmp_path, against=against)


def test_pooled_features_of_unknown_electrodes_are_refused_with_what_to_do(corpus_root, tiny_checkpoint, tmp_path):
    windows = TASKS[TASK].load(corpus_root)
    unknown = replace(windows, channel_names=tuple(f"E{i}" for i in range(len(windows.channel_names))))
    cell = Cell(TASK, tiny_checkpoint, "pooled", 0)
    with pytest.raises(ValueError, match=r"none of the electrodes E0.*spatial projection"):
        evaluate_cell(cell, unknown, {}, tiny_checkpoint, tmp_path)


def with_spectra_of_their_own(windows: LabelledWindows) -> LabelledWindows:
    """Each subject's channels are amplified and damped by other amounts in each band, as heads and electrodes do."""
    random, spectra = np.random.default_rng(0), np.fft.rfft(windows.signals)
    frequencies = np.fft.rfftfreq(windows.signals.shape[-1], 1 / windows.sampling_rate)
    for subject in np.unique(windows.subjects):
        own = np.flatnonzero(windows.subjects == subject)
        for low, high in FREQUENCY_BANDS.values():
            inside = np.flatnonzero((frequencies >= low) & (frequencies < high))
            gains = np.exp(random.normal(size=windows.signals.shape[1]))
            spectra[np.ix_(own, range(len(gains)), inside)] *= gains[:, None]
    return windows.with_signals(np.fft.irfft(spectra, windows.signals.shape[-1]))


@pytest.mark.parametrize(("baseline", "mode"), [("band-power", ""), ("riemann", ""), (None, "pooled")])
def test_centering_by_subject_undoes_that_people_differ(finished, tiny_checkpoint, baseline, mode):
    output, _, _ = finished
    windows = with_spectra_of_their_own(LabelledWindows.load(output / "windows" / f"{TASK}.npz"))

    def score(suffix: str) -> float:
        model = tiny_checkpoint if baseline is None else baseline + suffix
        cell = Cell(TASK, model, mode and mode + suffix, 0)
        found = evaluate_cell(cell, windows, {}, tiny_checkpoint if mode else None, output / "features")
        return found["metrics"]["balanced_accuracy"]

    plain, centered = score(""), score("-centered")
    assert centered > plain + 0.1
    assert centered > 0.7


def test_centering_is_refused_where_it_would_take_the_class_out(finished, tmp_path):
    output, _, _ = finished
    windows = LabelledWindows.load(output / "windows" / f"{TASK}.npz")
    traits = np.isin(windows.subjects, ["S001", "S002"]).astype(int)
    traits[np.flatnonzero(windows.subjects == "S001")[0]] = 0  # one person who is of both
    assert one_class_subjects(windows.subjects, traits) == ["S002", "S003", "S004"]
    assert one_class_subjects(windows.subjects, windows.labels) == []
    with pytest.raises(ValueError, match="3 of 4 subjects have windows of one class only"):
        evaluate_cell(Cell(TASK, "riemann-centered", "", 0), windows.with_labels(traits), {}, None, tmp_path)


def test_windows_are_read_again_where_recordings_were_added(corpus_root, tmp_path):
    root, output = tmp_path / "data", tmp_path / "output"
    shutil.copytree(corpus_root, root, ignore=shutil.ignore_patterns("S004*"))
    prepare_tasks([TASK], root, output)
    assert len(set(LabelledWindows.load(windows_file(output, TASK)).subjects)) == 3
    shutil.copytree(corpus_root, root, dirs_exist_ok=True)
    prepare_tasks([TASK], root, output)
    assert len(set(LabelledWindows.load(windows_file(output, TASK)).subjects)) == 4


def test_what_changes_the_input_changes_the_digest_of_a_checkpoint(tiny_checkpoint, tmp_path):
    copy = shutil.copytree(tiny_checkpoint, tmp_path / "copy")
    assert digest_of_weights(copy) == digest_of_weights(Path(tiny_checkpoint))
    contract = copy / "preprocessor_config.json"
    contract.write_text(contract.read_text().replace('"average"', '"none"'))
    assert digest_of_weights(copy) != digest_of_weights(Path(tiny_checkpoint))


def test_labels_shuffled_within_subjects_give_chance(finished, tiny_checkpoint):
    """The whole protocol, from windows to score: with labels that mean nothing nothing may be found."""
    output, _, _ = finished
    windows = LabelledWindows.load(output / "windows" / f"{TASK}.npz")
    scores: dict[tuple[str, str], list[float]] = defaultdict(list)
    for seed in range(3):
        random = np.random.default_rng(seed)
        labels = windows.labels.copy()
        for subject in np.unique(windows.subjects):
            here = np.flatnonzero(windows.subjects == subject)
            labels[here] = random.permutation(labels[here])
        shuffled = windows.with_labels(labels)
        for model, mode in (
            ("band-power", ""),
            ("riemann", ""),
            (tiny_checkpoint, "probe"),
            (tiny_checkpoint, "pooled"),
            ("band-power-centered", ""),
            (tiny_checkpoint, "pooled-centered"),
        ):
            checkpoint = model if mode else None
            result = evaluate_cell(Cell(TASK, model, mode, seed), shuffled, QUICK, checkpoint, output / "features")
            scores[model, mode].append(result["metrics"]["balanced_accuracy"])
    means = {contestant: np.mean(found) for contestant, found in scores.items()}
    # Three scores of 64 windows each: standard error about 0.04. All of them see the same shuffles.
    assert max(abs(mean - 0.5) for mean in means.values()) < 0.15, means


def test_a_leaking_protocol_is_refused_before_anything_is_trained(finished, monkeypatch):
    output, _, _ = finished
    windows = LabelledWindows.load(output / "windows" / f"{TASK}.npz")
    everything = np.random.default_rng(0).permutation(len(windows))
    thirds = np.array_split(everything, 3)
    leaking = replace(TASKS[TASK], split=lambda w: check_folds([Fold("leak", *thirds)], w.subjects))
    monkeypatch.setitem(TASKS, TASK, leaking)
    monkeypatch.setattr(cross_validation, "fit_contestant", lambda *_: pytest.fail("trained"))
    with pytest.raises(LeakageError, match="subject S00"):
        evaluate_cell(Cell(TASK, "band-power", "", 0), windows, QUICK, None, output / "features")


def test_a_failing_cell_is_listed_and_the_others_finish(corpus_root, tmp_path):
    records, failures = run_benchmark(
        [TASK],
        ["chance", "random:nano"],
        ["probe"],
        [0],
        corpus_root,
        tmp_path,
        settings={"projected_channel_names": ["NOWHERE"]},
    )
    assert [record["inputs"]["model"] for record in records] == ["chance"]
    assert "NOWHERE" in failures[f"{TASK}__random-nano__probe__seed0"]
    assert "Failed: " in (tmp_path / "table.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tasks", "nonsense"], "there is no task nonsense; the tasks are"),
        (["--tasks", TASK, "--models", "no/such/model-here"], "is not a baseline"),
        (["--tasks", "eyes-eegmidb"], "there is no task eyes-eegmidb (did you mean eyes-eegmmidb?)"),
        (
            ["--data", "{corpus_root}"],
            "holds no prepared data set (no Parquet files): make one",
        ),
        (["--tasks", "tuab"], "needs one of the folders tuab"),
    ],
)
def test_mistakes_on_the_command_line(arguments, message, corpus_root, tmp_path, capsys):
    arguments = [argument.format(corpus_root=corpus_root) for argument in arguments]
    options = ["--data-root", str(corpus_root), "--output", str(tmp_path / "out"), *arguments]
    assert benchmark.main(options) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [([], "give --tasks or --data"), (["--tasks", TASK], "--tasks needs --data-root, the folder that holds")],
)
def test_nothing_to_test_on(arguments, message, tmp_path, capsys):
    assert benchmark.main(["--output", str(tmp_path), *arguments]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")
def test_help_lists_tasks(monkeypatch, capsys):
    """Of `python -m dare_eeg_hf.evaluation.benchmark --help`, without a process that imports everything again."""
    monkeypatch.setattr(sys, "argv", ["benchmark", "--help"])
    with pytest.raises(SystemExit) as end:
        runpy.run_module("dare_eeg_hf.evaluation.benchmark", run_name="__main__")
    assert end.value.code == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in TASKS)
