"""`dare-eeg` as people type it: help that teaches, and errors as one sentence."""

import subprocess
import sys

import pytest

from dare_eeg_hf.cli.main import main


def test_help_of_every_command_has_examples(capsys):
    with pytest.raises(SystemExit) as exit_information:
        main(["--help"])
    assert exit_information.value.code == 0
    overview = capsys.readouterr().out
    for command in ("inspect", "predict", "embed", "convert", "publish", "benchmark"):
        assert command in overview
        with pytest.raises(SystemExit):
            main([command, "--help"])
        help = capsys.readouterr().out
        assert help.startswith(f"usage: dare-eeg {command} ")
        if command != "benchmark":  # its help is the evaluation's own
            assert f"dare-eeg {command} " in help.split("examples:")[1]


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
    for arguments in ([], ["predict"], ["inspect", "x.edf", "--nonsense"], ["unknown"]):
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
