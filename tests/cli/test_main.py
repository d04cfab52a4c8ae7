"""`dare-eeg` as people type it: help that teaches, and errors as one sentence."""

import importlib
import re
import shlex
import subprocess
import sys
from importlib.metadata import version

import pytest

import dare_eeg_hf
from dare_eeg_hf.cli.main import COMMANDS, GROUPS, build_parser, main
from dare_eeg_hf.evaluation.tasks import TASKS

HEAVY = ("torch", "transformers", "mne", "scipy", "matplotlib", "sklearn", "pandas", "datasets", "huggingface_hub")


def module_of(command):
    return importlib.import_module(f"dare_eeg_hf.cli.{command}")


def test_help_shows_every_command_once_among_those_for_the_same_purpose(capsys):
    with pytest.raises(SystemExit) as exit_information:
        main(["--help"])
    assert exit_information.value.code == 0
    overview = capsys.readouterr().out
    grouped = [name for names in GROUPS.values() for name in names]
    for command, summary in COMMANDS.items():
        assert grouped.count(command) == 1, f"{command} belongs into one of GROUPS"
        assert len(re.findall(rf"^  {command} +{re.escape(summary)}$", overview, re.MULTILINE)) == 1
    assert "==SUPPRESS==" not in overview


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_has_examples(command, capsys):
    with pytest.raises(SystemExit) as exit_information:
        main([command, "--help"])
    assert exit_information.value.code == 0
    help = capsys.readouterr().out
    assert help.startswith(f"usage: dare-eeg {command} ")
    assert f"dare-eeg {command} " in help.split("examples:")[1]


@pytest.mark.parametrize("words", [["--help"], ["--version"], *([command, "--help"] for command in COMMANDS)])
def test_help_loads_nothing_that_takes_long(words):
    """A second of loading before the first line of help is what makes people give up on a command."""
    assert loaded_by(words) == []


def test_inspection_of_a_recording_loads_what_it_needs(eyes_recordings):
    assert loaded_by(["inspect", str(eyes_recordings[0])]) == ["huggingface_hub", "mne", "scipy", "transformers"]


def test_libraries_draw_no_bars_into_a_file():
    code = (
        "from dare_eeg_hf.cli.main import main\n"
        "main(['inspect', 'nowhere.edf'])\n"  # whatever a command imports comes after what main sets
        "import datasets; from transformers.utils import logging\n"
        "assert datasets.are_progress_bars_disabled() and not logging.is_progress_bar_enabled()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def loaded_by(words):
    """Which of the libraries that take long to load a command has loaded."""
    code = (
        "import atexit, sys\n"
        "from dare_eeg_hf.cli.main import main\n"
        f"atexit.register(lambda: print(*sorted(sys.modules.keys() & set({HEAVY!r})), file=sys.stderr))\n"
        f"main({words!r})"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert process.stdout
    return process.stderr.split()


@pytest.mark.parametrize("command", COMMANDS)
def test_examples_are_command_lines(command):
    lines = [line.strip() for line in module_of(command).EXAMPLES.splitlines() if line.startswith("  ")]
    lines = [line.split("  ")[0].split(" > ")[0] for line in lines if " ..." not in line]
    commands = [shlex.split(line)[1:] for line in lines if line.startswith("dare-eeg ")]
    assert command in {words[0] for words in commands}  # others may lead up to it
    for words in commands:
        if words[1:] != ["--list-tasks"]:
            assert callable(build_parser().parse_args(words).run)


def test_version_tells_what_results_depend_on(capsys):
    with pytest.raises(SystemExit) as exit_information:
        main(["--version"])
    assert exit_information.value.code == 0
    versions = dict(line.split() for line in capsys.readouterr().out.splitlines())
    assert versions["dare-eeg"] == dare_eeg_hf.__version__
    assert versions["torch"] == version("torch")
    assert versions["mne"] == version("mne")


def test_an_unknown_command_is_answered_with_the_nearest(capsys):
    with pytest.raises(SystemExit) as exit_information:
        main(["inspct", "x.edf"])
    assert exit_information.value.code == 2
    assert "there is no command inspct (did you mean inspect?)" in capsys.readouterr().err


def test_the_benchmark_lists_its_tasks(capsys):
    with pytest.raises(SystemExit) as exit_information:
        main(["benchmark", "--list-tasks"])
    assert exit_information.value.code == 0
    assert {line.split()[0] for line in capsys.readouterr().out.splitlines()} == set(TASKS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predict", "{model}", "nowhere.edf"], "There is no file or folder nowhere.edf"),
        (["predict", "no/such/model", "{recording}"], "There is no folder no/such/model"),
        (["predict", "{empty}", "{recording}"], "has no config.json"),
        (["predict", "{model}", "{empty}"], "There is no EEG recording in"),
        (["predict", "{model}", "{recording}", "--overlap", "1"], "overlap must be at least 0 and below 1"),
        (["predict", "{model}", "{recording}", "--figures"], "needs --output"),
        (["convert", "{recording}", "{empty}/out", "--config", "{recording}"], "error:"),
        (["publish", "{empty}", "somebody/something", "--dry-run"], "no Parquet file"),
        (["export", "{empty}", "{empty}/model.onnx"], "has no config.json"),
        (["report", "{empty}"], "holds no metrics.jsonl"),
        (["prepare", "nowhere/", "--output", "{empty}/windows"], "nowhere is not a folder"),
        (["prepare", "{empty}", "--output", "{empty}/windows"], "holds no EEG recordings"),
        (["prepare", "{empty}", "--corpus", "physionet_mi", "--dry-run"], "holds no file of"),
        (["pretrain", "--data", "{empty}", "--output", "{empty}/run", "--cpu"], "holds no EEG recordings"),
        (["benchmark", "--data-root", "{empty}", "--output", "{empty}/b", "--tasks", "sleep"], "no task sleep"),
    ],
)
def test_bad_input_is_one_sentence_and_status_one(
    arguments, message, eyes_classifier, eyes_recordings, tmp_path, capsys
):
    places = {"model": eyes_classifier, "recording": eyes_recordings[0], "empty": tmp_path}
    assert main([argument.format(**places) for argument in arguments]) == 1
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    assert "Traceback" not in captured.err


def test_a_bad_command_line_is_status_two(capsys):
    assert main([]) == 2
    assert "look at recordings:" in capsys.readouterr().err
    for arguments in (["predict"], ["inspect", "x.edf", "--nonsense"], ["unknown"]):
        with pytest.raises(SystemExit) as exit_information:
            main(arguments)
        assert exit_information.value.code == 2
    assert "--nonsense" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["dare_eeg_hf.cli.main", "predict", "{model}", "{recording}"],
        ["dare_eeg_hf.cli.main", "inspect", "{recording}", "--json"],
        ["dare_eeg_hf.cli.main", "--help"],
        ["dare_eeg_hf.cli.main", "prepare", "--help"],
    ],
)
def test_a_pipe_that_closes_early_is_no_error(eyes_classifier, eyes_recordings, arguments):
    arguments = [each.format(model=eyes_classifier, recording=eyes_recordings[0]) for each in arguments]
    command = [sys.executable, "-m", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.close()
    errors = process.stderr.read()
    process.wait(timeout=120)
    assert "Traceback" not in errors
    assert "Broken pipe" not in errors
