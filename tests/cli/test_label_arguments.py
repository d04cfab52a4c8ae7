"""Labels as options of a command line."""

import pytest

from dare_eeg_hf.cli.label_arguments import add_label_arguments, labelled_folder
from dare_eeg_hf.command_parser import CommandParser


def parsed(*arguments):
    parser = CommandParser(prog="dare-eeg evaluate")
    add_label_arguments(parser)
    return parser.parse_args(["recordings", *arguments])


def test_a_table_with_its_columns_and_how_recordings_are_read(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("name,state,who\na,rest,1\nb,task,2\n")
    columns = ["--file-column", "name", "--label-column", "state", "--person-column", "who"]
    corpus = labelled_folder(parsed("--labels", str(path), *columns, "--mains", "50", "--unit", "uV"), 4.0)
    assert corpus.label_names == ("rest", "task")
    assert (corpus.window_seconds, corpus.line_frequency, corpus.true_unit) == (4.0, 50.0, "uV")
    assert labelled_folder(parsed("--labels", str(path), *columns, "--window-seconds", "2"), 4.0).window_seconds == 2


def test_annotations_with_and_without_labels_of_their_own():
    corpus = labelled_folder(parsed("--annotations", "T1=left", "a=b=right"), 4.0)
    assert corpus.annotations == {"T1": "left", "a=b": "right"}
    assert labelled_folder(parsed("--annotations", "T1", "T2"), 4.0).annotations == {"T1": "T1", "T2": "T2"}


def test_no_labels_and_half_a_pair(capsys):
    with pytest.raises(ValueError, match="there are no labels: give --labels"):
        labelled_folder(parsed(), 4.0)
    with pytest.raises(SystemExit):
        parsed("--annotations", "T1=")
    assert "must have the form TEXT=LABEL" in capsys.readouterr().err
