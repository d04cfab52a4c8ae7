"""A probe on labelled windows of people who are not trained on chooses the checkpoint."""

import json
import re
import shutil

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from accelerate import Accelerator
from torch.distributed.fsdp import fully_shard

from dare_eeg_hf import DareEegConfig
from dare_eeg_hf.cli.main import main
from dare_eeg_hf.corpora.windows import windows_table
from dare_eeg_hf.hub.cards import write_run_card
from dare_eeg_hf.modeling_dare_eeg import DareEegModel
from dare_eeg_hf.pretraining import run as pretraining
from dare_eeg_hf.pretraining.arguments import PretrainingArguments
from dare_eeg_hf.pretraining.probe import Probe, draw_evenly, make_probe
from dare_eeg_hf.pretraining.report import write_report
from dare_eeg_hf.pretraining.run_setup import set_up
from dare_eeg_hf.pretraining.run_state import chosen_step
from dare_eeg_hf.recordings.simulation import simulate_recordings
from tests.pretraining.conftest import CHANNELS, TINY_CONFIG, run
from tests.pretraining.test_run import assert_same_run, losses

NAMES = ("rest", "beta")


def labelled_table(people: dict[str, dict[int, int]], corpus: str = "probed", of_strength: bool = False) -> pa.Table:
    """Windows of people (name -> class -> how many): noise, with a wave of 40 Hz in class 1.

    With `of_strength` the noise of class 1 is twice as strong instead, and that of each person ten times the last's.
    """
    rng = np.random.default_rng(0)
    wave = np.sin(2 * np.pi * 40 * np.arange(128) / 256)
    tables = []
    for number, (person, counts) in enumerate(people.items()):
        labels = [label for label, count in counts.items() for _ in range(count)]
        state = np.array(labels)[:, None, None]
        signals = 0.05 * rng.standard_normal((len(labels), len(CHANNELS), 128))
        signals = 10.0 ** (number - 3) * 2**state * signals if of_strength else signals + 0.1 * state * wave
        tables.append(
            windows_table(
                signals,
                channel_names=CHANNELS,
                onsets=np.arange(len(labels)) / 2,
                labels=[NAMES[label] for label in labels],
                label_names=NAMES,
                subject=person,
                recording=f"{person} recording",
                corpus=corpus,
            )
        )
    return pa.concat_tables(tables)


def both(people: str, each: int = 6) -> dict[str, dict[int, int]]:
    """Equally many windows of both classes for each letter."""
    return {person: {0: each, 1: each} for person in people}


def as_dataset(table: pa.Table) -> datasets.Dataset:
    return datasets.Dataset(table)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """`folder(people, split="train", **of_table)` writes labelled windows and gives their folder."""

    def write(people, split="train", name="rhythm", **of_table):
        place = tmp_path_factory.mktemp("probes") / name
        place.mkdir()
        pq.write_table(labelled_table(people, **of_table), place / f"{split}.parquet")
        return str(place)

    return write


@pytest.fixture(scope="module")
def rhythm(folder):
    """Windows of four people with both classes."""
    return folder(both("abcd"))


@pytest.fixture
def arguments(common_arguments):
    defaults = {"max_steps": 12, "checkpoint_every": 4, "validate_every": 2, "invariance_windows": 0, "keep_last": 20}
    return lambda **changes: {**common_arguments, **defaults, **changes}


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return DareEegModel(DareEegConfig(**TINY_CONFIG)).eval()


def test_a_probe_tells_what_the_features_tell_and_nothing_of_what_they_do_not(encoder):
    probe = make_probe("rhythm", as_dataset(labelled_table(both("abcdef", 20))), encoder.config, 400)
    found = probe.measure(encoder)
    assert found.keys() == {"probe/rhythm", "probe/rhythm_centered"}
    assert min(found.values()) > 0.9
    people = both("abcdef", 20)
    table = as_dataset(labelled_table(people))
    shuffled = np.random.default_rng(1).permutation(table["label"][:])
    nothing = table.remove_columns("label").add_column("label", shuffled).cast_column("label", table.features["label"])
    # 240 windows: a standard deviation of guessing is 0.03.
    assert max(make_probe("x", nothing, encoder.config, 400).measure(encoder).values()) < 0.65


def test_centering_takes_out_what_is_a_persons_own_and_is_left_out_where_it_is_the_class(encoder):
    unlike = as_dataset(labelled_table(both("abcdef", 12), of_strength=True))
    found = make_probe("x", unlike, encoder.config, 400).measure(encoder)
    assert found["probe/x_centered"] > found["probe/x"] + 0.1
    one_class = {person: {number % 2: 6} for number, person in enumerate("abcdef")}
    probe = make_probe("x", as_dataset(labelled_table(one_class)), encoder.config, 400)
    assert probe.measures == ["probe/x"]
    assert probe.measure(encoder)["probe/x"] > 0.9


def test_windows_are_drawn_evenly_over_people_and_classes_and_always_the_same():
    windows = as_dataset(labelled_table({"a": {0: 50, 1: 5}, "b": {0: 9, 1: 9}, "c": {0: 1, 1: 30}}))
    drawn = draw_evenly(windows, 25)
    counts = drawn.to_pandas().groupby(["subject", "label"]).size().to_dict()
    assert counts.pop(("c", 0)) == 1
    assert sorted(counts.values()) == [4, 5, 5, 5, 5]
    assert draw_evenly(windows, 25)[:] == drawn[:]
    assert len(draw_evenly(windows, 1000)) == len(windows)


def test_the_probe_chooses_and_not_the_loss(arguments, windows, rhythm, monkeypatch):
    """The probe is at its best at once, though the loss falls."""
    given = arguments(learning_rate=3e-3, max_steps=8)
    data = windows(24), windows(8, seed=1)
    by_loss = run({**given, "output_dir": given["output_dir"].with_name("by_loss")}, *data)
    assert by_loss.best_step > 2
    found = iter([0.9, 0.7, 0.7, 0.7])
    monkeypatch.setattr(Probe, "measure", lambda probe, _encoder: dict.fromkeys(probe.measures, next(found)))
    by_probe = run({**given, "probe_data": [rhythm]}, *data)
    assert by_probe.best_step == 2
    by_both = [[row["loss"] for row in losses(each.output_dir, "validation")] for each in (by_probe, by_loss)]
    assert by_both[0] == by_both[1]
    assert losses(by_probe.output_dir, "train") == losses(by_loss.output_dir, "train"), "training does not notice"


def test_the_best_probe_is_kept_and_patience_waits_for_a_better_one(arguments, windows, rhythm, monkeypatch):
    probes = (0.6, 0.8, 0.7, 0.7, 0.9, 0.9)
    others = {"probe_chance": 0.5, "probe_error": 0.01}
    found = iter([{"loss": 5.0 - number, "probe": value, **others} for number, value in enumerate(probes)])
    monkeypatch.setattr(pretraining, "measure", lambda run: next(found))
    few = arguments(validate_every=1, patience=2, checkpoint_every=100, probe_data=[rhythm], max_steps=6)
    result = run(few, windows(16), windows(8, seed=1), write_card=write_run_card)
    assert (result.stopped_by, result.step, result.best_step) == ("patience", 4, 2)
    card = (result.output_dir / "README.md").read_text()
    assert "checkpoint of step 2 of 4 was kept" in card
    assert "(rhythm) had a balanced accuracy of 0.800 there (guessing: 0.500; the highest of all, 0.800)" in card
    assert rhythm not in card, "where the data lie is nobody's business"


@pytest.mark.parametrize(
    ("probes", "validation_losses", "chosen"),
    [
        ((0.80, 0.79, 0.70), (3, 2, 1), 2),  # as good as the highest, by a lower loss
        ((0.80, 0.79, 0.82), (3, 1, 2), 3),  # a new highest leaves the others behind
        ((0.80, 0.79, 0.805), (3, 1, 2), 2),  # a new highest, from which the best so far cannot be told
        ((0.80, 0.80), (1, 2), 1),
        ((0.80, 0.815, 0.825), (1, 3, 4), 3),  # the first falls behind the third, and the second was not kept
    ],
)
def test_among_probes_that_cannot_be_told_apart_the_loss_chooses(probes, validation_losses, chosen):
    rows = [
        {"split": "validation", "step": step, "loss": loss, "probe": probe, "probe_error": 0.02}
        for step, (probe, loss) in enumerate(zip(probes, validation_losses, strict=True), start=1)
    ]
    assert chosen_step([{"split": "train", "step": 0, "loss": 0.0}, *rows]) == chosen


def test_without_validation_windows_a_probe_alone_chooses(arguments, windows, rhythm):
    result = run(arguments(probe_data=rhythm, max_steps=4), windows(16))
    rows = losses(result.output_dir, "validation")
    assert [row["step"] for row in rows] == [2, 4]
    assert result.best_step == max(rows, key=lambda row: row["probe"])["step"]
    assert "loss" not in rows[0]


def test_several_folders_are_probes_of_their_own_and_their_mean_decides(arguments, windows, rhythm, folder):
    one_class = {person: {number % 2: 6} for number, person in enumerate("efgh")}
    result = run(arguments(probe_data=[rhythm, folder(one_class, name="trait")], max_steps=2), windows(16))
    [row] = losses(result.output_dir, "validation")
    of_rhythm = (row["probe/rhythm"] + row["probe/rhythm_centered"]) / 2
    assert row["probe"] == pytest.approx((of_rhythm + row["probe/trait"]) / 2)
    page = write_report(result.output_dir).read_text()
    assert "highest probe" in page
    assert f"{row['probe']:.4f} at step 2" in page
    assert len(re.findall("data:image/png", page)) == 2, "losses, probes"


def test_a_resumed_run_with_a_probe_equals_the_uninterrupted_one(arguments, windows, rhythm, tmp_path):
    common = arguments(probe_data=[rhythm], checkpoint_every=1, max_steps=6)
    whole = run({**common, "output_dir": tmp_path / "whole"}, windows(24), windows(8, seed=1))
    broken = tmp_path / "broken"
    run({**common, "output_dir": broken}, windows(24), windows(8, seed=1))
    for checkpoint in (broken / "checkpoints").iterdir():
        if int(checkpoint.name[5:]) > 3:
            shutil.rmtree(checkpoint)
    resumed = run({**common, "output_dir": broken, "resume": True}, windows(24), windows(8, seed=1))
    assert_same_run(tmp_path / "whole", broken, 6)
    assert resumed.best_step == whole.best_step
    assert progress_of(broken, 6) == progress_of(tmp_path / "whole", 6)


def progress_of(folder, step: int) -> dict:
    return json.loads((folder / "checkpoints" / f"step-{step:08d}" / "state.json").read_text())["progress"]


def test_another_judge_looks_for_the_best_anew_and_says_so(arguments, windows, rhythm, caplog):
    data = windows(16), windows(8, seed=1)
    run(arguments(max_steps=2), *data)
    assert progress_of(arguments()["output_dir"], 2)["best_probe"] is None
    result = run(arguments(max_steps=4, probe_data=[rhythm], resume=True), *data)
    assert "the best checkpoint is looked for anew, from step 2 on" in caplog.text
    assert result.best_step == 4
    caplog.clear()
    result = run(arguments(max_steps=6, probe_data=[rhythm], resume=True), *data)
    assert "anew" not in caplog.text
    result = run(arguments(max_steps=8, resume=True), *data)
    assert "anew, from step 6 on" in caplog.text
    assert (result.best_step, progress_of(arguments()["output_dir"], 8)["best_probe"]) == (8, None)


def test_two_processes_agree_on_the_best(arguments, windows_folder, training_process, rhythm):
    common = arguments(batch_size=2, probe_data=[rhythm], max_steps=6)
    data = {"train": [windows_folder(24)], "validation": windows_folder(8, seed=1)}
    trained = training_process(common, **data, processes=2)
    assert trained.succeeded, trained.output
    results = [json.loads((common["output_dir"] / f"result-{rank}.json").read_text()) for rank in (0, 1)]
    rows = losses(common["output_dir"], "validation")
    best = chosen_step(rows)
    assert [result["best_step"] for result in results] == [best, best]


def probe_sharded(rank, arguments, train, result):
    """One of two processes that hold half of every weight each, by FSDP2's fully_shard on the CPU."""
    Accelerator.prepare = lambda self, *objects: objects  # would wrap the model for DDP
    run = set_up(PretrainingArguments(**arguments), train, None, None)
    for module in run.network.modules():
        if type(module).__name__ == "DareEegLayer":
            fully_shard(module)
    fully_shard(run.network)
    found = pretraining.measure(run)
    result.with_name(str(rank)).write_text(json.dumps(found))


def test_a_sharded_encoder_is_probed_whole(arguments, windows, rhythm, in_two_processes, tmp_path):
    given = arguments(probe_data=[rhythm])
    in_two_processes(probe_sharded, given, windows(16), tmp_path / "found")
    whole = pretraining.measure(set_up(PretrainingArguments(**given), windows(16), None, None))
    assert [json.loads((tmp_path / str(rank)).read_text()) for rank in (0, 1)] == [whole, whole]


@pytest.mark.parametrize(
    ("people", "changes", "message"),
    [
        ({"a": {0: 6, 1: 6}, "b": {0: 6}}, {}, "rhythm have beta of one person only"),
        ({"a": {0: 6}, "b": {0: 6}}, {}, "are of one class, rest, .*leave them out of probe_data"),
        (both("ab"), {"split": "test"}, "has a test split alone.*must not be chosen on test people"),
        (
            {**both("ab"), "Subject 3": {0: 6, 1: 6}},
            {"corpus": "noise"},
            "in the training data: noise/[sS]ubject 3.*--validation",
        ),
    ],
    ids=["class of one person", "one class", "test people", "people trained on"],
)
def test_what_cannot_be_probed_is_refused_with_a_remedy(arguments, windows, folder, people, changes, message):
    with pytest.raises(ValueError, match=message):
        run(arguments(probe_data=[folder(people, **changes)]), windows(16, seed=3))


def test_windows_without_labels_are_refused(arguments, windows, windows_folder):
    with pytest.raises(ValueError, match="has no labels to probe for: prepare it with labels"):
        run(arguments(probe_data=[str(windows_folder(8))]), windows(16))


def test_a_class_label_that_no_window_has_is_refused(encoder):
    people = labelled_table(both("ab"))
    column = people.schema.get_field_index("label")
    empty = pa.nulls(len(people), people.schema.field("label").type)
    with pytest.raises(ValueError, match="No window of the probe data x has a label: prepare them with labels"):
        make_probe("x", as_dataset(people.set_column(column, people.schema.field("label"), empty)), encoder.config, 9)


def test_what_cannot_be_known_about_people_is_said(arguments, windows, folder, capsys):
    run(arguments(probe_data=[folder(both("ab"))], max_steps=2), windows(24).to_iterable_dataset())
    assert "whether its people are in the streamed training data is not checked" in capsys.readouterr().out
    other = as_dataset(labelled_table(both("ab"), corpus="under another name"))
    run(arguments(probe_data=[folder(both("bc"))], max_steps=2, output_dir=arguments()["output_dir"] / "2"), other)
    assert "under another corpus (b/b recording)" in capsys.readouterr().out


def test_the_command_trains_on_some_people_and_probes_the_others(tmp_path, tiny_config, capsys):
    montage = ["C3", "C4", "O1", "O2"]
    simulate_recordings(tmp_path / "recordings", subjects=6, seconds=8, montage=montage)
    eyes = str(tmp_path / "eyes")
    labels = ["--labels", "R01", "R02", "--label-pattern", "(R0[12])", "--validation", "0.5"]
    assert main(["prepare", str(tmp_path / "recordings"), *labels, "--output", eyes]) == 0
    sizes = {**tiny_config, "patch_size": 64, "window_size": 1024}
    command = ["--data", eyes, "--probe-data", eyes, "--output", str(tmp_path / "run"), "--max-steps", "2", "--cpu"]
    command += ["--batch-size", "4", "--trackers", "--probe-windows", "12"]
    assert main(["pretrain", *command, "--set", *[f"{name}={value}" for name, value in sizes.items()]]) == 0
    [row] = losses(tmp_path / "run", "validation")
    assert {"loss", "probe", "probe_chance", "probe/eyes", "probe/eyes_centered"} <= row.keys()
    facts = json.loads((tmp_path / "run" / "model_card.json").read_text())["run"]
    assert facts["arguments"]["probe_data"] == ["eyes"]
    assert "balanced accuracy" in facts["choice"]
