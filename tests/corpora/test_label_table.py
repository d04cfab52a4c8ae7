"""Tables of labels as people write them and spreadsheets save them."""

import pytest

from dare_eeg_hf.corpora.label_table import LabelError, natural_key, read_label_table, spellings
from dare_eeg_hf.remedies_dare_eeg import COMMAND_LINE


@pytest.fixture
def table(tmp_path):
    """Write lines to a table and read it as labels."""

    def read(*lines, name="labels.csv", encoding="utf-8", **columns):
        path = tmp_path / name
        path.write_bytes("\r\n".join(lines).encode(encoding))
        return read_label_table(path, **columns)

    return read


@pytest.mark.parametrize(
    ("name", "encoding", "separator"),
    [
        ("a.csv", "utf-8", ","),
        ("a.csv", "utf-8-sig", ";"),
        ("a.csv", "utf-16", "\t"),
        ("a.tsv", "utf-8", "\t"),
        ("a.tsv", "utf-8", ","),
        ("a.txt", "utf-16", ";"),
    ],
)
def test_what_spreadsheets_save_is_read(table, name, encoding, separator):
    lines = ["File;Label;Person", "a.edf;Müde;P1", "b.edf;wach;P2"]
    rows = table(*(line.replace(";", separator) for line in lines), name=name, encoding=encoding).rows
    assert [(row.line, row.key, row.label, row.person) for row in rows] == [
        (2, "a.edf", "Müde", "P1"),
        (3, "b.edf", "wach", "P2"),
    ]


def test_excels_line_above_the_header_and_decimal_commas(table):
    rows = table("sep=;", "file;label;onset;duration", "a.edf;rest;1,5;30", "a.edf;task;40;").rows
    assert [(row.line, row.onset, row.duration) for row in rows] == [(3, 1.5, 30.0), (4, 40.0, None)]


def test_columns_are_found_by_their_usual_names_or_named(table):
    assert table("Recording,Trial_Type,Subject-ID", "a,x,1").columns == {
        "file": "Recording",
        "label": "Trial_Type",
        "person": "Subject-ID",
    }
    named = table("name,sex,id,group", "a,f,1,x", label_column="Sex", file_column="name", person_column="id")
    assert named.columns == {"file": "name", "label": "sex", "person": "id"}
    assert table("participant_id,group", "sub-01,a").of_people


def test_spellings_are_one_class_and_it_is_said(table):
    found = table("file,label", "a,Rest", "b,rest ", "c,rest", "d,1.0", "e,1", "f,01")
    assert [row.label for row in found.rows] == ["rest", "rest", "rest", "1", "1", "1"]
    assert found.label_names == ("1", "rest")
    assert found.remarks[0] == "'Rest', 'rest' in the column label were taken for one class, rest"
    assert "taken for one class, 1" in found.remarks[1]
    assert spellings(["0,5", "0.50"]) == {"0,5": "0,5", "0.50": "0,5"}
    assert sorted(["10", "9", "b", "A"], key=natural_key) == ["9", "10", "A", "b"]


def test_rows_without_a_label_are_kept_as_such(table):
    assert [row.label for row in table("file,label", "a,rest", "b,", "c,n/a").rows] == ["rest", None, None]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["file,Lable", "a,x"], r"no column label \(did you mean Lable\?\); it has file, Lable: .*label_column"),
        (["fil,label", "a,x"], r"no column file \(did you mean fil\?\)"),
        (["file,label", "a,01.03.2024", "b,x"], r"line 2 has '01.03.2024' in the column label, which is a date"),
        (["file,label", "a,x", "b,3-Mar"], "line 3 has '3-Mar'"),
        (["file,label", "a,2024-03-01 00:00"], "which is a date"),
        (["file,label", "a,Mar-24"], "which is a date"),
        (["file,label", "a,45352", "b,45353"], "line 2 has '45352' in the column label, which is a date"),
        (["file,label", "a,", "b,n/a"], "no row has a value in the column label"),
        (["file,label", ",rest"], r"1 row \(line 2\) with a label but without a file"),
        (["file,label,person", "a,rest,P1", "b,rest,"], r"1 row \(line 3\) without a person"),
        (["file,label,onset", "a,rest,soon"], "line 2 has 'soon' as its onset"),
        (["file,label,onset", "a,rest,-1"], "line 2 has a negative onset"),
        (["file,label,label", "a,rest,x"], "two columns called 'label'"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(table, lines, message):
    with pytest.raises(ValueError, match=message):
        table(*lines)


@pytest.mark.parametrize("label", ["1-2", "3-1", "left-2", "1.5", "2-back", "20240", "may", "sep", "march"])
def test_what_only_resembles_a_date_is_a_label(table, label):
    assert table("file,label", f"a,{label}", "b,x").rows[0].label == label


def test_a_named_column_that_is_not_there_suggests_the_nearest(table):
    with pytest.raises(LabelError, match=r"no column grup \(did you mean group\?\); it has file, group"):
        table("file,group", "a,x", label_column="grup")


def test_a_remedy_is_an_option_on_the_command_line(table):
    with pytest.raises(LabelError) as caught:
        table("file,stage", "a,x")
    assert caught.value.on(COMMAND_LINE).endswith(": give --label-column COLUMN")
    with pytest.raises(LabelError) as caught:
        table("subject.id,group", "1,x")
    assert caught.value.on(COMMAND_LINE).endswith("give --file-column COLUMN, or give --person-column COLUMN")


def test_a_workbook_and_a_file_that_is_not_there(tmp_path):
    (tmp_path / "labels.xlsx").write_bytes(b"PK\x03\x04rest")
    with pytest.raises(ValueError, match="is a workbook of a spreadsheet, not a table of text: save it there as CSV"):
        read_label_table(tmp_path / "labels.xlsx")
    with pytest.raises(FileNotFoundError, match=r"no table of labels .*none\.csv"):
        read_label_table(tmp_path / "none.csv")
