"""Who was recorded: known from a table, BIDS, a pattern or a naming scheme, and otherwise never claimed."""

import json

import numpy as np
import pytest
from datasets import load_dataset

from dare_eeg_hf.corpora.build import build
from dare_eeg_hf.corpora.people import SCHEMES, one_spelling, people_of, source_of_rows, weakest
from dare_eeg_hf.corpora.recordings_folder import RecordingsFolder
from dare_eeg_hf.recordings.recordings import find_recordings
from dare_eeg_hf.recordings.simulation import simulate_recordings

SCHEME_FILES = {
    "EEGMMIDB": ({"S001R01.edf": "S001", "S001R02_first60s.edf": "S001", "S002R01.edf": "S002"}, "scheme"),
    "EEGMMIDB in folders": ({"S001/S001R01.edf": "S001", "S002/S002R01.edf": "S002"}, "scheme"),
    "EEGMAT": ({"Subject00_1.edf": "Subject00", "Subject00_2_250hz.edf": "Subject00"}, "scheme"),
    "Sleep-EDF": ({"SC4001E0-PSG.edf": "SC400", "SC4002E0-PSG.edf": "SC400", "ST7011J0-PSG.edf": "ST701"}, "scheme"),
    "TUH": ({"aaaaaaaa_s001_t000.edf": "aaaaaaaa", "aaaaaaaa_s002_t000.edf": "aaaaaaaa"}, "scheme"),
    "BCIC 2a": ({"A01T.gdf": "A01", "A01E.gdf": "A01"}, "scheme"),
    "BCIC 2b": ({"B0101T.gdf": "B01", "B0104E.npz": "B01"}, "scheme"),
    "CHB-MIT": ({"chb01_03.edf": "chb01", "chb17a_03.edf": "chb17", "chb21_01.edf": "chb01"}, "scheme"),
    "Siena": ({"PN00-1.edf": "PN00", "PN00-2.edf": "PN00"}, "scheme"),
    "UCI alcoholism": ({"x/co2a0000364.rd.000.gz": "co2a0000364"}, "scheme"),
    "word and date": ({"subject01_2012.07.06-19.02.16.edf": "subject01"}, "scheme"),
    "word in a folder": ({"visual/subject1/session1/data_2017.csv": "subject1"}, "scheme"),
    "BIDS": ({"sub-01/ses-1/eeg/sub-01_ses-1_eeg.edf": "sub-01", "sub-02_eeg.edf": "sub-02"}, "bids"),
}


@pytest.mark.parametrize("convention", SCHEME_FILES)
def test_people_of_known_naming_conventions_are_recognised(convention):
    expected, source = SCHEME_FILES[convention]
    people = people_of(list(expected))
    assert (people.of, people.source) == (expected, source)
    assert people.known


def test_each_scheme_is_shown_by_an_example_of_its_own():
    for scheme in SCHEMES:
        example = scheme.rpartition("(")[2].rstrip(")") + ".edf"
        assert people_of([example]).detail == scheme


@pytest.mark.parametrize(
    ("names", "source"),
    [
        ([f"rec{number:02d}.edf" for number in range(1, 21)], "file"),
        (["signal-1.edf", "signal-2.edf"], "file"),
        (["anna_1.edf", "anna_2.edf", "ben_1.edf"], "file"),
        (["s01_rest.edf", "s01_task.edf"], "file"),  # s may be a session
        (["baseline_20240101.edf", "exercise_20240102.edf"], "file"),
        (["S001R01.edf", "S001R02.edf", "other.edf"], "file"),  # not all of them
        (["patient1/subject2_a.edf", "patient1/subject3_a.edf"], "folder"),  # two people in one path
        (["open/rec01.edf", "closed/rec01.edf"], "folder"),
    ],
)
def test_what_follows_no_convention_is_an_assumption_and_said_to_be_one(names, source):
    people = people_of(names)
    assert people.source == source
    assert not people.known
    assert "counted as a separate person" in people.statement()
    assert set(people.of) == set(names)


def test_what_keeps_a_convention_from_being_believed_is_named():
    assert "EEGMMIDB (S001R01) does not fit other.edf" in people_of(["S001R01.edf", "S001R02.edf", "other.edf"]).detail


def test_a_pattern_tells_people_apart_or_names_what_it_does_not_fit():
    names = ["anna_1.edf", "anna_2.edf", "ben_1.edf"]
    people = people_of(names, r"^([a-z]+)_")
    assert (list(people.of.values()), people.source) == (["anna", "anna", "ben"], "pattern")
    with pytest.raises(ValueError, match=r"finds nobody in Rec 7\.edf"):
        people_of([*names, "Rec 7.edf"], r"^([a-z]+)_")
    with pytest.raises(ValueError, match="needs a group"):
        people_of(names, r"^[a-z]+")
    with pytest.raises(ValueError, match="is not a regular expression"):
        people_of(names, r"([a-z]+")


def test_spellings_of_one_person_are_one_person():
    names = ["S001R01.edf", "s001R02.edf", "S002R01.edf"]
    assert people_of(names).of == {"S001R01.edf": "S001", "s001R02.edf": "S001", "S002R01.edf": "S002"}
    assert one_spelling(["a", "A ", "b"]) == {"a": "A", "A ": "A", "b": "b"}


def test_a_table_tells_people_apart_and_its_gaps_are_errors(tmp_path):
    names = ["day1/rec01.edf", "day1/rec02.edf", "day2/rec03.edf"]

    def told(*rows):
        table = tmp_path / "people.csv"
        table.write_text("\n".join(["filename,subject", *rows]))
        return people_of(names, table=table)

    people = told("rec01.edf,Ann", "day1/rec02.edf,ann ", "rec03.edf,Ben")
    assert (list(people.of.values()), people.source) == (["Ann", "Ann", "Ben"], "column")
    with pytest.raises(ValueError, match=r"people\.csv: 2 rows \(lines 3, 4\) without a subject"):
        told("rec01.edf,Ann", "rec02.edf,", "rec03.edf,n/a")
    with pytest.raises(ValueError, match=r"no row for day2/rec03\.edf"):
        told("rec01.edf,Ann", "rec02.edf,Ben")
    with pytest.raises(ValueError, match=r"line 3 gives rec01\.edf to Ben, an earlier line to Ann"):
        told("rec01.edf,Ann", "rec01.edf,Ben", "rec02.edf,Ann", "rec03.edf,Ann")
    with pytest.warns(UserWarning, match=r"files that are not there: rec09\.edf"):
        told("rec01.edf,Ann", "rec02.edf,Ann", "rec03.edf,Ann", "rec09.edf,Ben")
    (tmp_path / "other.csv").write_text("file,who\n")
    with pytest.raises(ValueError, match="needs a column subject or participant_id"):
        people_of(names, table=tmp_path / "other.csv")


def test_the_source_of_several_is_the_one_that_says_the_least():
    assert weakest(["bids", "file", "scheme"]) == "file"
    assert weakest(["column", "scheme"]) == "scheme"
    assert source_of_rows(["rec01", "rec02"], ["rec01.edf", "rec02.edf"]) == "file"
    assert source_of_rows(["S001", "S001"], ["S001/S001R01.edf", "S001/S001R02.edf"]) == "column"


# -- data sets ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def flat(tmp_path_factory):
    """Six recordings of three people side by side."""
    folder, made = tmp_path_factory.mktemp("flat"), tmp_path_factory.mktemp("made")
    for path in simulate_recordings(made, subjects=3, montage=["Fp1", "Cz", "O1", "O2"], seconds=9):
        path.rename(folder / path.name)
    return folder


def test_a_data_set_keeps_how_people_are_known(flat, tmp_path):
    result = build(RecordingsFolder(), flat, tmp_path / "out")
    rows = load_dataset(str(tmp_path / "out"), split="train")
    assert set(rows["subject"]) == {"S001", "S002", "S003"}
    assert set(rows["subject_source"]) == {"scheme"}
    assert "people are identified by the names of the files (EEGMMIDB (S001R01))" in str(result)
    assert "No subject is in two splits." in (tmp_path / "out" / "README.md").read_text()


def test_files_are_no_people_in_a_data_set_of_unknown_names(flat, tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    for number, path in enumerate(sorted(flat.glob("*.edf"))):
        (source / f"rec{number:02d}.edf").symlink_to(path)
    result = build(RecordingsFolder(), source, tmp_path / "out")
    rows = load_dataset(str(tmp_path / "out"), split="train")
    assert set(rows["subject_source"]) == {"file"}
    card = (tmp_path / "out" / "README.md").read_text()
    assert "No subject is in two splits." not in card
    assert "| split | assumed subjects |" in card
    for said in (card, str(result)):
        assert "ach file was counted as a separate person; people with several recordings may be on both sides" in said
    lines = (tmp_path / "out" / "recordings.jsonl").read_text().splitlines()
    assert {json.loads(line)["subject_source"] for line in lines} == {"file"}


def test_a_file_that_joins_and_breaks_the_convention_changes_what_was_built(flat, tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    first, *_, last = sorted(flat.glob("*.edf"))
    (source / first.name).symlink_to(first)
    build(RecordingsFolder(), source, tmp_path / "out")
    (source / "other.edf").symlink_to(last)
    build(RecordingsFolder(), source, tmp_path / "out")
    rows = load_dataset(str(tmp_path / "out"), split="train")
    assert set(rows["subject"]) == {"S001R01", "other"}
    assert set(rows["subject_source"]) == {"file"}


def test_the_people_of_real_folders(shared):
    expected = {
        "eegmat": ("scheme", 32),
        "eegmmidb": ("scheme", 4),
        "muse-cueing": ("scheme", 48),
        "ssvep-exoskeleton": ("scheme", 9),
        "uci-eeg-alcoholism": ("scheme", 20),
        "guinea-bissau-epilepsy-more": ("file", 50),
    }
    for name, (source, count) in expected.items():
        folder = shared("data") / name
        people = people_of([path.relative_to(folder).as_posix() for path in find_recordings(folder)])
        assert (people.source, len(set(people.of.values()))) == (source, count), name


def test_windows_believe_a_column_and_refuse_a_gap_in_it():
    from dare_eeg_hf.adaptation.labelled_windows import LabelledWindows

    def windows(subjects, **options):
        return LabelledWindows.from_arrays(
            np.zeros((3, 1, 4)),
            [0, 1, 0],
            channel_names=["CZ"],
            sampling_rate=4,
            unit="uV",
            subjects=subjects,
            **options,
        )

    known = windows(["a", "A ", "b"])
    assert known.subjects.tolist() == ["A", "A", "b"]
    assert known.people_known
    for gap in (None, float("nan"), " "):
        with pytest.raises(ValueError, match="subject of 1 of 3 windows is missing: rows 1"):
            windows(["a", gap, "b"])
    assert not windows(None).people_known
    files = windows(["x", "y", "z"], recordings=["x_1.edf", "x_2.edf", "y_1.edf"], subject_source="file")
    assert not LabelledWindows.concatenate([known, files]).people_known
    assert files.with_subject_pattern(r"^(\w)_").subjects.tolist() == ["x", "x", "y"]
    assert files.with_subject_pattern(r"^(\w)_").people_known
