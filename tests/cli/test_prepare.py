"""`dare-eeg prepare`: recordings, or a corpus that is declared, to a data set."""

import pytest
from datasets import load_dataset

from dare_eeg_hf.cli.main import main
from dare_eeg_hf.cli.prepare import DECLARED, declared_corpus
from dare_eeg_hf.recordings.simulation import simulate_recordings


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Two people with eyes open (R01) and closed (R02), named as in EEGMMIDB."""
    folder = tmp_path_factory.mktemp("recordings")
    simulate_recordings(folder, subjects=2, seconds=8, montage=["Fz", "Cz", "Pz", "O1", "O2"])
    return folder


def test_recordings_become_labelled_windows(recordings, tmp_path):
    labels = ["--labels", "1", "2", "--label-pattern", r"R0(\d)"]
    assert main(["prepare", str(recordings), "--output", str(tmp_path / "windows"), "--num-proc", "1", *labels]) == 0
    rows = load_dataset(str(tmp_path / "windows"))["train"]
    assert rows.features["label"].names == ["1", "2"]
    assert {(row["subject"], row["label"]) for row in rows.select_columns(["subject", "label"])} == {
        (subject, label) for subject in ("S001", "S002") for label in (0, 1)
    }


def test_a_declared_corpus_is_built_as_its_script_does(recordings, capsys):
    assert main(["prepare", str(recordings), "--corpus", "physionet_mi", "--dry-run", "--subjects", "2"]) == 0
    listed = capsys.readouterr().out
    assert "S002R01.edf" in listed
    assert "S001" not in listed


def test_options_are_those_of_the_corpus(recordings, capsys):
    for words, option in (
        (["--corpus", "physionet_mi", "--label-pattern", "x"], "--label-pattern"),
        (["--download"], "--download"),
    ):
        with pytest.raises(SystemExit) as exit_information:
            main(["prepare", str(recordings), *words])
        assert exit_information.value.code == 2
        assert f"unrecognized arguments: {option}" in capsys.readouterr().err


def test_help_of_a_corpus_says_what_one_must_know_about_it(capsys):
    with pytest.raises(SystemExit):
        main(["prepare", "--corpus", "physionet_mi", "--help"])
    help = capsys.readouterr().out
    assert "EEG Motor Movement/Imagery" in help
    assert "--download" in help


@pytest.mark.parametrize("name", sorted(path.stem for path in DECLARED.glob("[!_]*.py")))
def test_every_declared_corpus_is_found_by_its_name(name):
    assert declared_corpus(name).name == name
