"""Options that are misspelt suggest the nearest."""

from pathlib import Path

import pytest

from dare_eeg_hf.command_parser import CommandParser


def test_unknown_options_suggest_the_nearest_of_the_command(capsys):
    parser = CommandParser(prog="tool")
    parser.add_argument("--verbose", action="store_true")
    parser.add_subparsers().add_parser("predict").add_argument("--overwrite", action="store_true")
    assert parser.parse_args(["predict", "--overwrite"]).overwrite
    with pytest.raises(SystemExit) as exit_status:
        parser.parse_args(["predict", "--ovewrite"])
    assert exit_status.value.code == 2
    assert "--ovewrite (did you mean --overwrite?)" in capsys.readouterr().err


def test_every_command_of_the_package_suggests_options():
    package = Path(__file__).resolve().parents[1] / "dare_eeg_hf"
    plain = [str(file) for file in package.rglob("*.py") if "= argparse.ArgumentParser(" in file.read_text("utf-8")]
    assert not plain
