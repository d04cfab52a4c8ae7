"""Folders of one's own recordings with labels, as a corpus."""

import shutil

import numpy as np
import pytest

from dare_eeg_hf.adaptation.labelled_windows import LabelledWindows
from dare_eeg_hf.corpora.label_table import LabelError, read_label_table
from dare_eeg_hf.corpora.labelled_folder import LabelledFolder
from dare_eeg_hf.recordings.simulation import simulate_recordings

pytestmark = pytest.mark.filterwarnings("ignore:the average of only")

ROWS = [(0, "open", "P1", 1), (1, "closed", "P1", 2), (2, "open", "p2", 1), (3, "closed", "P2 ", 2)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Four files of 12 s whose names do not tell who was recorded."""
    folder = tmp_path_factory.mktemp("recordings")
    for number, path in enumerate(
        simulate_recordings(folder / "made", subjects=2, montage=["C3", "C4", "O1"], seconds=12)
    ):
        path.rename(folder / f"rec{number}.edf")
    shutil.rmtree(folder / "made")
    return folder


def written(path, *lines):
    path.write_text("\n".join(lines))
    return read_label_table(path)


def test_a_column_of_people_is_the_person_and_the_table_may_lie_in_the_folder(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "r")
    rows = [f"rec{number},{label},{who},{session}" for number, label, who, session in ROWS]
    table = written(tmp_path / "r/labels.csv", "file,label,person,session", *rows)
    corpus = LabelledFolder(table)
    found = corpus.recordings(tmp_path / "r")
    assert [(each.name, each.subject, each.session) for each in found] == [
        ("rec0.edf", "P1", "1"),
        ("rec1.edf", "P1", "2"),
        ("rec2.edf", "P2", "1"),
        ("rec3.edf", "P2", "2"),
    ]
    assert corpus.remarks(found) == ["people are identified by a column (person of labels.csv)"]
    assert corpus.label_names == ("closed", "open")
    sidecar = {"sampling_rate": 100, "unit": "uV"}
    assert len(LabelledFolder(table, reading={"sidecar": sidecar}).recordings(tmp_path / "r")) == 4


def test_without_people_each_file_counts_as_one_and_it_is_said(folder, tmp_path):
    corpus = LabelledFolder(written(tmp_path / "l.csv", "file,label", *(f"rec{n},{label}" for n, label, *_ in ROWS)))
    found = corpus.recordings(folder)
    assert found[0].subject_source == "file"
    assert corpus.remarks(found)[0].startswith("each file was counted as a separate person")
    corpus.subject_pattern = r"rec(\d)"
    assert corpus.recordings(folder)[0].subject_source == "pattern"


def test_stretches_are_cut_as_long_as_they_last_and_markers_give_one_window(folder, tmp_path):
    rows = ["rec0,a,0,5", "rec0,b,6.5,5", "rec1,a,3,", "rec2,b,0,1", "rec3,a,0,4"]
    table = written(tmp_path / "l.csv", "file,label,onset,duration", *rows)
    corpus = LabelledFolder(table, window_seconds=2.0)
    windows = LabelledWindows.from_corpus(corpus, corpus.recordings(folder))
    assert windows.recordings.tolist() == ["rec0.edf"] * 4 + ["rec1.edf", "rec3.edf", "rec3.edf"]
    assert windows.onsets.tolist() == [0, 2, 6.5, 8.5, 3, 0, 2]
    assert [windows.label_names[label] for label in windows.labels] == list("aabbaaa")


def test_annotations_are_labels(folder):
    corpus = LabelledFolder(annotations={"T0": "all", "blink": "blink"}, window_seconds=1.0)
    windows = LabelledWindows.from_corpus(corpus, corpus.recordings(folder)[:1])
    assert set(windows.labels[: 12 - 1]) == {0}  # T0 lasts all of it; blinks of 0.3 s are shorter than a window
    assert corpus.label_names == ("all", "blink")


def test_classes_choose_and_order(folder, tmp_path):
    rows = [f"rec{n},{label}" for n, label in enumerate(["a", "b", "c", "a"])]
    table = written(tmp_path / "l.csv", "file,label", *rows)
    corpus = LabelledFolder(table, classes=["C", "a"])
    assert [each.name for each in corpus.recordings(folder)] == ["rec0.edf", "rec2.edf", "rec3.edf"]
    assert corpus.label_names == ("c", "a")
    windows = LabelledWindows.from_corpus(corpus, corpus.recordings(folder))
    assert np.unique(windows.labels).tolist() == [0, 1]
    with pytest.raises(LabelError, match="no label is 'd'; the labels are a, b, c"):
        LabelledFolder(table, classes=["d", "a"])
    with pytest.raises(LabelError, match="is one class"):
        LabelledFolder(table, classes=["a"])
    with pytest.raises(LabelError, match="all annotations stand for a"):
        LabelledFolder(annotations={"T1": "a", "T2": "a"})
    with pytest.raises(ValueError, match="an overlap of 2 cannot be cut"):
        LabelledFolder(table, overlap=2)
    with pytest.raises(LabelError, match="either a table of labels or the annotations"):
        LabelledFolder()


def test_changed_labels_change_the_fingerprint(folder, tmp_path):
    def fingerprint(*labels):
        rows = [f"rec{n},{label}" for n, label in enumerate(labels)]
        corpus = LabelledFolder(written(tmp_path / "l.csv", "file,label", *rows))
        corpus.recordings(folder)
        return corpus.fingerprint()

    assert fingerprint(*"abab") == fingerprint(*"abab") != fingerprint(*"abba")


def test_a_bids_root_with_its_participants_or_its_events(folder, tmp_path):
    rows = ["participant_id\tage\tgroup"]
    for number, group in enumerate(["patient", "control", "patient", "control"]):
        who = f"sub-{number:02d}"
        (tmp_path / who / "eeg").mkdir(parents=True)
        shutil.copy(folder / f"rec{number}.edf", tmp_path / who / "eeg" / f"{who}_task-rest_eeg.edf")
        (tmp_path / who / "eeg" / f"{who}_task-rest_events.tsv").write_text(
            "onset\tduration\ttrial_type\n0\t4\tleft\n6\t4\tright\n"
        )
        rows.append(f"{who}\t{20 + number}\t{group}")
    (tmp_path / "dataset_description.json").write_text('{"Name": "mine", "BIDSVersion": "1.8.0"}')
    (tmp_path / "participants.tsv").write_text("\n".join(rows))

    corpus = LabelledFolder(read_label_table(tmp_path / "participants.tsv"))
    found = corpus.recordings(tmp_path)
    assert [(each.subject, corpus.label(each)) for each in found[:2]] == [("sub-00", "patient"), ("sub-01", "control")]
    assert corpus.people_of_labels(found) == {"control": {"sub-01", "sub-03"}, "patient": {"sub-00", "sub-02"}}
    assert corpus.remarks(found)[0] == "people are identified by the BIDS entity sub-"

    corpus = LabelledFolder(annotations={"left": "left", "right": "right"})
    windows = LabelledWindows.from_corpus(corpus, corpus.recordings(tmp_path))
    assert windows.onsets.tolist() == [0, 6] * 4
    assert windows.labels.tolist() == [0, 1] * 4
