"""Rows of a table of labels find their recordings, or are named."""

from pathlib import Path

import pytest

from dare_eeg_hf.corpora.label_pairing import pair_labels
from dare_eeg_hf.corpora.label_table import LabelError, LabelRow, LabelTable

FILES = ("a/x.edf", "b/x.edf", "b/Y_eeg.edf", "z.vhdr")


def table_of(*rows, columns=("file", "label")):
    """A table of (key, label) or (key, label, onset, duration)."""
    made = []
    for line, (key, label, *time) in enumerate(rows, start=2):
        onset, duration = (*time, None, None)[:2]
        made.append(LabelRow(line, key, label, onset=onset, duration=duration))
    return LabelTable(Path("labels.csv"), {name: name for name in columns}, tuple(made))


def pair(*rows, recordings=FILES, people=None, columns=("file", "label"), **options):
    return pair_labels(table_of(*rows, columns=columns), recordings, people or {}, **options)


@pytest.mark.parametrize(
    "written",
    [
        ("a/x.edf", "b/x.edf", "b/Y_eeg.edf", "z.vhdr"),
        ("A\\X.EDF", "./b/x", "y_eeg", "Z"),
        ("/home/me/study/a/x.edf", "study/b/x.edf", "Y", "z.eeg"),
        (" a/x ", "b/x.edf", "b/Y.edf", "data/z.vhdr"),
    ],
)
def test_files_are_found_however_they_are_written(written):
    labels = ["rest", "task", "rest", "task"]
    found = pair(*zip(written, labels, strict=True))
    assert [found.rows[name][0].label for name in FILES] == labels


def test_what_is_written_exactly_goes_first():
    files = ("x.edf", "X.edf", "x.fif", "old/x.edf")
    found = pair(*zip(files, "abab", strict=True), recordings=files)
    assert [found.rows[name][0].label for name in files] == list("abab")


def test_a_row_that_fits_two_recordings_is_an_error():
    with pytest.raises(LabelError, match=r"line 2 names x\.edf, which may be a/x\.edf or b/x\.edf; write the path"):
        pair(("x.edf", "rest"), ("b/x.edf", "task"))


def test_half_of_the_files_without_a_label():
    half = [("a/x.edf", "rest"), ("b/x.edf", "task")]
    with pytest.raises(
        LabelError, match=r"no label for 2 of 4 recordings, b/Y_eeg\.edf, z\.vhdr; add them .*leave_out_unmatched=True"
    ):
        pair(*half)
    found = pair(*half, leave_out_unmatched=True)
    assert set(found.rows) == {"a/x.edf", "b/x.edf"}
    assert found.remarks == ("recordings without a label were left out: b/Y_eeg.edf, z.vhdr",)
    with pytest.raises(LabelError, match="no label for 1 of 4"):
        pair(*half, ("z", "rest"), ("Y", None))  # a row whose label is empty


def test_labels_without_a_file_are_named_with_the_nearest():
    rows = [("a/x.edf", "rest"), ("b/x.edf", "task"), ("Y", "rest"), ("z.vhdr", "task"), ("w.edf", "rest")]
    with pytest.raises(
        LabelError, match=r"1 row \(line 6\) with a label for a recording that is not in the folder, w\.ed"
    ):
        pair(*rows)
    assert pair(*rows, leave_out_unmatched=True).remarks == (
        "rows of labels.csv whose recording is not there were left out: w.edf",
    )
    with pytest.raises(
        LabelError, match=r"line 4 names b/Z_eeg.edf \(did you mean b/Y_eeg.edf\?\), which is not there"
    ):
        pair(*rows[:2], ("b/Z_eeg.edf", "rest"), rows[3])


def test_a_table_of_another_folder():
    with pytest.raises(
        LabelError, match=r"no file of labels\.csv is among the recordings: the table has s1, s2, the f"
    ):
        pair(("s1", "rest"), ("s2", "task"), leave_out_unmatched=True)


def test_one_class_is_refused():
    with pytest.raises(LabelError, match=r"every label in the column label of labels\.csv is rest; telling"):
        pair(*((name, "rest") for name in FILES))


def test_measures_are_not_classes():
    names = [f"{i}.edf" for i in range(6)]
    with pytest.raises(
        LabelError, match=r"has 6 different labels in 6 rows, 20\.5, 21\.5, .* measures rather than classes"
    ):
        pair(*((name, f"{20.5 + i}") for i, name in enumerate(names)), recordings=names)


def test_rows_that_repeat_or_contradict_each_other():
    rows = [("a/x.edf", "rest"), ("b/x.edf", "task"), ("Y", "rest"), ("z.vhdr", "task")]
    assert pair(*rows, ("Z", "task")).remarks == (
        "labels.csv: 1 row (line 6) of z.vhdr as an earlier one, which counts once",
    )
    with pytest.raises(
        LabelError, match=r"different things about z\.vhdr: task in line 5, rest in line 6; a recording"
    ):
        pair(*rows, ("Z", "rest"))


def test_stretches_of_a_recording_in_order_of_time():
    rows = [("a.edf", "task", 60.0, 30.0), ("a.edf", "rest", 0.0, 60.0)]
    assert [row.label for row in pair(*rows, recordings=["a.edf"]).rows["a.edf"]] == ["rest", "task"]
    with pytest.raises(LabelError, match="one label at any time"):
        pair(*rows, ("a.edf", "rest", 70.0, 1.0), recordings=["a.edf"])
    with pytest.raises(LabelError, match="one label at any time"):
        pair(*rows, ("a.edf", "rest", 60.0), recordings=["a.edf"])
    with pytest.raises(LabelError, match="an onset and a duration for each"):
        pair(*rows, ("a.edf", "rest"), recordings=["a.edf"])


def test_a_table_of_people_labels_all_their_recordings():
    people = {"sub-01/a.edf": "sub-01", "sub-01/b.edf": "sub-01", "sub-02/a.edf": "sub-02"}
    rows = [("01", "patient"), ("SUB-02", "control")]
    found = pair(*rows, recordings=list(people), people=people, columns=("person", "label"))
    assert [own[0].label for own in found.rows.values()] == ["patient", "patient", "control"]
    with pytest.raises(LabelError, match="with a label for a person that is not in the folder, sub-03"):
        pair(*rows, ("sub-03", "control"), recordings=list(people), people=people, columns=("person", "label"))


def test_a_recording_is_of_one_person():
    rows = (
        LabelRow(2, "a", "x", "P1", onset=0.0),
        LabelRow(3, "a", "y", "P2", onset=9.0),
        LabelRow(4, "b", "x", "p1 "),
    )
    table = LabelTable(Path("labels.csv"), {"file": "file", "label": "label", "person": "person"}, rows)
    with pytest.raises(
        LabelError, match="different things about a: P1 in line 2, P2 in line 3; a recording has one pers"
    ):
        pair_labels(table, ["a", "b"], {})
