"""Decisions the examples take by themselves: who trains, who selects, who is tested."""

import importlib
import json
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from dare_eeg_hf import DareEegFeatureExtractor, DareEegModel
from dare_eeg_hf.adaptation.labelled_windows import LabelledWindows
from dare_eeg_hf.checkpoints import load_pipeline
from dare_eeg_hf.hub.cards import write_model_card
from dare_eeg_hf.recordings.simulation import simulate_recordings

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(scope="module")
def split_subjects():
    return runpy.run_path(str(EXAMPLES / "finetune.py"))["split_subjects"]


def windows_of(subjects: list[str], parts: list[str]) -> LabelledWindows:
    """One window of each subject in a part."""
    return LabelledWindows.from_arrays(
        np.random.default_rng(0).normal(size=(len(subjects), 2, 64)),
        np.arange(len(subjects)) % 2,
        channel_names=["C3", "C4"],
        sampling_rate=64,
        unit="uV",
        subjects=subjects,
        parts=parts,
    )


def names(windows: LabelledWindows, positions: np.ndarray) -> str:
    return "".join(windows.subjects[positions])


@pytest.mark.parametrize(
    ("parts", "test", "validation", "expected"),
    [
        ("", None, None, ("abcd", "ef", "gh")),
        ("trvrtrvr", None, None, ("bdfh", "cg", "ae")),
        ("trtrrrrr", None, None, ("bdef", "gh", "ac")),  # a published test part is never trained on
        ("trvrtrvr", None, ["b"], ("cdfgh", "b", "ae")),
        ("", ["a"], ["b"], ("cdefgh", "b", "a")),
        ("", None, ["h"], ("abcde", "h", "fg")),
    ],
)
def test_who_trains_selects_and_is_tested(split_subjects, parts, test, validation, expected):
    long = {"t": "test", "v": "validation", "r": "train"}
    windows = windows_of(list("abcdefgh"), [long[part] for part in parts] or [""] * 8)
    fold = split_subjects(windows, test, validation)
    assert tuple(names(windows, part) for part in (fold.train, fold.validation, fold.test)) == expected


def test_a_subject_in_two_parts_has_to_be_decided_on(split_subjects):
    windows = windows_of(list("abca"), ["train", "train", "train", "test"])
    with pytest.raises(SystemExit, match="a have windows in the test part and in others: name --test-subjects"):
        split_subjects(windows, None, None)


def test_the_demo_takes_people_with_both_recordings(tmp_path):
    folds_of = runpy.run_path(str(EXAMPLES / "demo.py"))["folds_of_real_recordings"]
    for subject in ("S001", "S002", "S003", "S004"):
        for run in ("R01", "R02") if subject != "S003" else ("R01",):
            (tmp_path / "data").mkdir(exist_ok=True)
            (tmp_path / "data" / f"{subject}{run}.edf").touch()
    folds = folds_of(tmp_path / "data", tmp_path / "output")
    assert [fold.test_subjects for fold in folds] == [["S001"], ["S002"], ["S004"]]
    assert sorted(path.name for path in folds[0].pretraining.rglob("*.edf")) == [
        *("S002R01.edf", "S002R02.edf", "S003R01.edf", "S004R01.edf", "S004R02.edf")
    ]


def test_the_demo_puts_people_of_all_folds_and_both_baselines_in_its_table():
    demo = SimpleNamespace(**runpy.run_path(str(EXAMPLES / "demo.py")))

    def fold(error, accuracy):
        names = (demo.PRETRAINED, demo.RANDOM, demo.SHIPPED_NAME)
        errors = {name: np.array([error]) for name in (*names, demo.INTERPOLATION, demo.CHANNEL_MEAN)}
        errors[demo.RANDOM] += 1
        invariance = {name: {"invariance": [{"retrieval_accuracy": error}]} for name in names}
        right = {name: np.full((len(demo.LOST), 1), accuracy) for name in names}
        right[demo.RANDOM] = right[demo.RANDOM] - 0.2
        return demo.Measured(None, errors, invariance, right, 10, ["Cz"], 256.0)

    header, rows = demo.results_table([fold(0.6, 0.8), fold(0.8, 1.0)])
    assert all(len(row) == len(header) for row in rows)
    assert rows[0][1:4] == pytest.approx([0.7, 1.7, 0.7])
    assert rows[0][4] == "0.700 spherical splines, 0.700 channel's mean"
    assert rows[0][5] == "+0.000 (+0.000 to +0.000) on splines"
    assert rows[2][1:4] == pytest.approx([0.9, 0.7, 0.9])
    assert rows[2][5] == "+0.200 (+0.200 to +0.200) on random"


# -- fine-tuning says on whom it was tested, as far as that is known


MONTAGE = "Fp1 Fp2 F3 F4 C3 Cz C4 P3 P4 O1 Oz O2".split()


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Eight recordings of four people, eyes open (R01) and closed (R02), in folders named after the people."""
    return simulate_recordings(tmp_path_factory.mktemp("made"), subjects=4, montage=MONTAGE, seconds=17)


@pytest.fixture
def run_finetune(tmp_path, tiny_config, monkeypatch, capsys):
    """`run_finetune(data, *options)` gives what the example prints, what it measures, and the classifier's card."""
    torch.manual_seed(0)
    DareEegModel(tiny_config).save_pretrained(tmp_path / "encoder")
    DareEegFeatureExtractor().save_pretrained(tmp_path / "encoder")

    def run(data: Path, *options: str) -> tuple[str, dict, str]:
        output = tmp_path / "classifier"
        command = ["--checkpoint", tmp_path / "encoder", "--data", data, "--output", output, "--epochs", "1", *options]
        monkeypatch.setattr(sys, "argv", ["finetune.py", *map(str, command)])
        runpy.run_path(str(EXAMPLES / "finetune.py"), run_name="__main__")
        measured = json.loads((output / "test_results.json").read_text())
        return capsys.readouterr().out, measured, write_model_card(output).read_text()

    return run


def build_windows(folder: Path, output: Path, *options: str) -> int:
    """`dataset_scripts/recordings.py` on recordings whose last digit tells open (even) from closed (odd) eyes."""
    module = importlib.import_module("dataset_scripts.recordings")
    command = ["--source", folder, "--output", output, "--num-proc", "1", *options]
    return module.main(module.Recordings(), list(map(str, command)))


def linked(recordings: list[Path], folder: Path, names) -> Path:
    folder.mkdir()
    for path, name in zip(recordings, names, strict=True):
        (folder / name).symlink_to(path)
    return folder


def test_people_of_a_flat_folder_are_on_one_side(recordings, tmp_path, run_finetune):
    flat = linked(recordings, tmp_path / "flat", [path.name for path in recordings])
    labels = ("--labels", "01", "02", "--label-pattern", r"R(\d\d)")
    assert build_windows(flat, tmp_path / "windows", *labels) == 0
    for data in (flat, tmp_path / "windows"):
        printed, measured, card = run_finetune(data)
        assert "subjects never seen in fine-tuning: S004\n" in printed
        assert measured["subject_source"] == "scheme"
        assert "One split, not a result" in printed
        assert "| one split, not a result: subjects never seen in fine-tuning |" in card
        assert "eval_results" not in card
        assert "model-index" not in card


def test_nobody_is_called_never_seen_where_files_were_taken_for_people(recordings, tmp_path, run_finetune):
    """rec00, rec01 are one person, rec02, rec03 the next, ...: the names do not tell."""
    names = [f"rec{number:02d}.edf" for number in range(len(recordings))]
    flat = linked(recordings, tmp_path / "flat", names)
    rows = [f"{name},{'closed' if number % 2 else 'open'}" for number, name in enumerate(names)]
    (tmp_path / "labels.csv").write_text("\n".join(["file,eyes", *rows]))
    labels = ("--labels", "open", "closed", "--label-table", tmp_path / "labels.csv")
    labels = (*labels, "--label-key", "file", "--label-column", "eyes")
    assert build_windows(flat, tmp_path / "windows", *labels) == 0
    assumed = "each file was counted as a separate person; people with several recordings may be on both sides"
    printed, measured, card = run_finetune(tmp_path / "windows")
    for text in (printed, json.dumps(measured), card):
        assert "never seen" not in text
        assert assumed in text
        assert "held-out subjects |" not in text
    assert "--subject-pattern" in printed
    assert "| not known |" in card

    pattern = r"rec0([0-7])"  # each file again, but now the user says that they are people
    printed, measured, _ = run_finetune(tmp_path / "windows", "--subject-pattern", pattern)
    assert "subjects never seen in fine-tuning: 6, 7" in printed
    assert measured["subject_source"] == "pattern"

    people = [f"{name},person {number // 2}" for number, name in enumerate(names)]
    (tmp_path / "people.csv").write_text("\n".join(["filename,subject", *people]))
    table = ("--subject-table", tmp_path / "people.csv")
    assert build_windows(flat, tmp_path / "known", *labels, *table) == 0
    printed, measured, _ = run_finetune(tmp_path / "known")
    assert "subjects never seen in fine-tuning: person 3\n" in printed
    assert measured["subject_source"] == "column"


def test_a_pattern_that_finds_nobody_is_an_error(recordings, tmp_path, run_finetune):
    with pytest.raises(SystemExit, match=r"finds nobody in S001/S001R01\.edf"):
        run_finetune(recordings[0].parents[1], "--subject-pattern", "(nobody)")


@pytest.mark.parametrize("lora", [False, True], ids=["head", "LoRA"])
def test_trainer_learns_from_prepared_windows(recordings, tmp_path, tiny_config, capsys, lora):
    """With the collator, metrics of people held out, and what is saved in the pipeline."""
    if lora:
        pytest.importorskip("peft", reason="peft is in the extra `lora`")
    torch.manual_seed(0)
    DareEegModel(tiny_config).save_pretrained(tmp_path / "encoder")
    labels = ("--labels", "01", "02", "--label-pattern", r"R(\d\d)", "--window-seconds", "2")
    assert build_windows(recordings[0].parents[1], tmp_path / "windows", *labels) == 0
    main = runpy.run_path(str(EXAMPLES / "train_with_trainer.py"))["main"]
    command = ["--checkpoint", tmp_path / "encoder", "--data", tmp_path / "windows", "--output", tmp_path / "trained"]
    main([*map(str, command), "--steps", "8", *(["--lora"] if lora else [])])
    said = capsys.readouterr().out
    assert "balanced accuracy on people held out: " in said
    trained = load_pipeline(tmp_path / "trained")
    predictions = trained(recordings[0])
    assert len(predictions) == 9
    assert set(predictions[0]["scores"]) == {"01", "02"}
    before = DareEegModel.from_pretrained(tmp_path / "encoder").state_dict()
    after = DareEegModel.from_pretrained(tmp_path / "trained").state_dict()
    changed = {name for name, weight in after.items() if not torch.equal(weight, before[name])}
    assert all("attention" in name for name in changed)
    assert bool(changed) == lora


def test_trainer_needs_people_to_hold_out_and_labels(recordings, tmp_path):
    main = runpy.run_path(str(EXAMPLES / "train_with_trainer.py"))["main"]
    for name, count, labels, message in (
        ("few", 6, ("--labels", "01", "02", "--label-pattern", r"R(\d\d)"), "fewer than 4 people"),
        ("unlabelled", 8, (), "have no labels: prepare them with --labels"),
    ):
        flat = linked(recordings[:count], tmp_path / name, [path.name for path in recordings[:count]])
        assert build_windows(flat, tmp_path / f"{name}-windows", *labels) == 0
        command = ["--checkpoint", "nowhere", "--data", tmp_path / f"{name}-windows", "--output", tmp_path / "new"]
        with pytest.raises(SystemExit, match=message):
            main([*map(str, command)])
