"""A name that means no checkpoint is said to be none at once, on every command and script, without asking the Hub."""

import runpy
import sys
import time
from pathlib import Path

import pytest

from dare_eeg_hf.checkpoints import find_checkpoint, load_pipeline
from dare_eeg_hf.cli.main import main
from dare_eeg_hf.corpora.loading import load_windows
from dare_eeg_hf.evaluation import compare_invariance
from dare_eeg_hf.evaluation.contestants import check_contestant
from dare_eeg_hf.hub import export
from dare_eeg_hf.pretraining.arguments import PretrainingArguments
from dare_eeg_hf.pretraining.starting_point import starting_config

ROOT = Path(__file__).parents[1]
WITHOUT_WEIGHTS = ROOT / "model_cards" / "dare-eeg-small"


@pytest.fixture
def place(tmp_path, monkeypatch, eyes_classifier):
    """A working folder with `runs/nano` (a checkpoint), `notes.txt` and an empty folder `empty`."""
    monkeypatch.chdir(tmp_path)
    Path("runs").mkdir()
    Path("runs/nano").symlink_to(eyes_classifier)
    Path("notes.txt").write_text("notes")
    Path("empty").mkdir()
    return tmp_path


MISTAKES = {
    "a path that is not there": ("./models/nano", "There is no folder ./models/nano"),
    "an absolute path": ("/nowhere/nano", "There is no folder /nowhere/nano"),
    "a deep path": ("a/b/c", "There is no folder a/b/c"),
    "a mistyped folder beside others": ("runs/nan0", "did you mean runs/nano"),
    "a single word": ("dare-eeg-nano", "not an id on the Hub (owner/name)"),
    "nothing": ("", "no config.json"),
    "a folder of runs": ("runs", "give the folder of a checkpoint, such as runs/nano"),
    "a folder of cards, of which some have weights": (str(ROOT / "model_cards"), "model_cards/dare-eeg-nano-eyes."),
    "an empty folder": ("empty", "has no config.json"),
    "a file": ("notes.txt", "notes.txt is a file"),
    "weights": ("runs/nano/model.safetensors", "give the folder of the checkpoint, runs/nano"),
    "a card without weights": (str(WITHOUT_WEIGHTS), "holds no weights"),
}


def test_labels_of_a_model_that_gives_none_are_one_sentence_before_it_is_loaded(eyes_recordings, tmp_path, capsys):
    encoder = str(ROOT / "model_cards" / "dare-eeg-nano")
    assert main(["predict", encoder, str(eyes_recordings[0]), "--output", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "without a trained classifier; fine-tune it first, or ask it for features (`dare-eeg embed`" in said


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_sentence_at_once(place, mistake, eyes_recordings, capsys):
    name, message = MISTAKES[mistake]
    started = time.monotonic()
    for load in (
        find_checkpoint,
        load_pipeline,
        lambda name: load_pipeline(name, "eeg-feature-extraction"),
        check_contestant,
    ):
        with pytest.raises((FileNotFoundError, ValueError)) as caught:
            load(name)
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)
    for command in (["predict"], ["embed", "--output", "out"]):
        assert main([command[0], name, str(eyes_recordings[0]), *command[1:]]) == 1
        captured = capsys.readouterr().err
        assert message in captured
        assert captured.count("\n") == 1
    assert time.monotonic() - started < 5  # retries against the Hub take half a minute
    assert not Path("out").exists()


def test_pre_training_does_not_start_from_a_mistake(place):
    for name, message in (MISTAKES[key] for key in ("a mistyped folder beside others", "a card without weights")):
        with pytest.raises(FileNotFoundError, match=message):
            starting_config(PretrainingArguments(output_dir=place / "run", initial_model=name))


@pytest.mark.parametrize("source", ["runs/nothere", "./windows", "windows", "/nowhere/windows", "a/b/c"])
def test_windows_that_are_not_there_are_not_sought_on_the_hub(place, source):
    started = time.monotonic()
    with pytest.raises(FileNotFoundError, match="neither a folder nor a repository"):
        load_windows(source)
    assert time.monotonic() - started < 5


def test_export_and_comparison_do_not_start_from_a_mistake(place, capsys):
    assert export.main(["runs/nan0", "model.onnx"]) == 1
    assert "did you mean runs/nano?" in capsys.readouterr().err
    assert export.main([str(WITHOUT_WEIGHTS), "model.onnx"]) == 1
    assert "holds no weights" in capsys.readouterr().err
    assert compare_invariance.main(["--models", "runs/nan0", "--data", "runs", "--output", "out"]) == 2
    assert "did you mean runs/nano?" in capsys.readouterr().err


def test_what_is_a_checkpoint_or_may_be_one_is_found(place, eyes_classifier):
    assert find_checkpoint("runs/nano") == "runs/nano"
    assert find_checkpoint(eyes_classifier) == str(eyes_classifier)
    assert find_checkpoint("my-org/dare-eeg-base") == "my-org/dare-eeg-base"
    assert find_checkpoint(WITHOUT_WEIGHTS, weights=False) == str(WITHOUT_WEIGHTS)


@pytest.mark.parametrize(
    "script",
    [
        ["predict.py", "--model", "runs/nan0", "--recording", "x.edf", "--output", "out"],
        ["extract_features.py", "--model", "runs/nan0", "--recordings", ".", "--output", "out.npz"],
        ["finetune.py", "--checkpoint", "runs/nan0", "--data", ".", "--output", "out"],
        ["pretrain.py", "--initial-model", "runs/nan0", "--data", ".", "--output", "out"],
    ],
    ids=lambda script: script[0],
)
def test_examples_end_with_one_sentence(place, script, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", script)
    try:
        status = runpy.run_path(str(ROOT / "examples" / script[0]))["main"]()
    except SystemExit as stop:
        status = stop.code
    said = str(status) + capsys.readouterr().err
    assert status
    assert "did you mean runs/nano?" in said
    assert "Traceback" not in said
