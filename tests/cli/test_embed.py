"""`dare-eeg embed`: files of features, one table of them, a map."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from dare_eeg_hf.cli.main import main
from dare_eeg_hf.visualization import embedding_map


def test_embed_writes_features_that_numpy_reads(eyes_classifier, eyes_recordings, tmp_path):
    options = ["--output", str(tmp_path), "--window-seconds", "10", "--pooling", "none", "--keep-partial"]
    assert main(["embed", str(eyes_classifier), str(eyes_recordings[0]), *options]) == 0
    features = np.load(tmp_path / "S001R01.npz", allow_pickle=False)
    assert features["features"].shape == (7, 40, 64)
    assert features["partial"].tolist() == [False] * 6 + [True]


@pytest.fixture
def folder(eyes_recordings, tmp_path):
    """Two people's recordings, the second one's first with a gap, a broken file, and a table of labels."""
    for path in eyes_recordings:
        shutil.copy(path, tmp_path / path.name)
    (tmp_path / "S003R01.edf").write_bytes(eyes_recordings[0].read_bytes()[:300])
    rows = [f"{path.name},{'closed' if '2' in path.stem[-1] else 'open'}" for path in eyes_recordings]
    (tmp_path / "labels.csv").write_text("\n".join(["file,label", *rows[:-1]]) + "\n")
    return tmp_path


@pytest.fixture
def without_umap(monkeypatch):
    """Its import takes seconds."""
    monkeypatch.setitem(__import__("sys").modules, "umap", None)


def test_a_table_of_all_recordings_knows_file_person_and_label(
    folder, eyes_classifier, encode, eyes_recordings, without_umap, capsys
):
    results = folder / "out"
    table = results / "all.parquet"
    command = ["embed", str(eyes_classifier), str(folder), "--output", str(results), "--table", str(table)]
    command += ["--labels", str(folder / "labels.csv")]
    assert main([*command, "--map", str(results / "map.png")]) == 1, "one file is broken"
    said = capsys.readouterr()
    assert "60 windows of 4 recordings, 398 features each" in said.out
    assert "2 of 5 recordings have no label in" in said.err
    assert "S003R01.edf" in said.err

    rows = pd.read_parquet(table)
    assert list(rows.columns[:9]) == "file person label onset duration partial usable reason f_0".split()
    assert rows["file"].value_counts().to_dict() == {path.name: 15 for path in eyes_recordings}
    assert rows.groupby("file")["person"].first().tolist() == ["S001", "S001", "S002", "S002"]
    labels = rows.groupby("file")["label"].first()
    assert labels.iloc[:3].tolist() == ["open", "closed", "open"]
    assert labels.iloc[3] is None or pd.isna(labels.iloc[3])
    assert not rows["partial"].any()
    expected = encode(eyes_recordings[1], drop_partial=True)
    own = rows[rows["file"] == "S001R02.edf"]
    np.testing.assert_allclose(own.filter(regex="^f_").to_numpy(), expected["features"], atol=1e-5)
    np.testing.assert_array_equal(own["onset"], expected["onset"])

    report = json.loads((results / "all.parquet.report.json").read_text())
    assert report["table"]["people"].startswith("people are identified by the names of the files (EEGMMIDB")
    assert list(report["table"]["failed"]) == [str(folder / "S003R01.edf")]
    assert (results / "map.png").stat().st_size > 10_000

    # A run that was stopped goes on with what is there, whatever the format of the table.
    (results / "S002R01.npz").unlink()
    before = (results / "S001R01.npz").stat().st_mtime_ns
    command[command.index(str(table))] = str(results / "all.csv")
    assert main(command) == 1
    assert (results / "S001R01.npz").stat().st_mtime_ns == before
    text = pd.read_csv(results / "all.csv")
    np.testing.assert_allclose(text.filter(regex="^f_"), rows.filter(regex="^f_"), atol=1e-5)
    assert text["file"].tolist() == rows["file"].tolist()


def test_centering_takes_away_each_persons_mean(folder, eyes_classifier, without_umap):
    (folder / "S003R01.edf").unlink()
    (folder / "labels.csv").unlink()
    command = ["embed", str(eyes_classifier), str(folder), "--output", str(folder / "out")]
    page, table = folder / "out" / "map.html", folder / "out" / "all.csv"
    assert main([*command, "--table", str(table), "--map", str(page), "--center", "person"]) == 0
    rows = pd.read_csv(table)
    features = rows.filter(regex="^f_").to_numpy()
    for person in ("S001", "S002"):
        assert np.abs(features[rows["person"] == person].mean(axis=0)).max() < 1e-4
    assert np.abs(features).max() > 0.1, "something is left"
    told = json.loads((folder / "out" / "all.csv.report.json").read_text())["table"]["centered"]
    assert told["windows"] == {"S001": 30, "S002": 30}
    assert "about the same mixture of states" in told["condition"]
    assert "about the same mixture of states" in page.read_text()
    stored = np.load(folder / "out" / "S001R01.npz")["features"]
    assert np.abs(stored.mean(axis=0)).max() > 0.1, "files of one recording know nothing of the others"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--center", "person"], "--center is for a table or a map: give --table FILE or --map FILE"),
        (["--table", "{out}/t.xlsx"], "must end in .parquet or .csv"),
        (["--map", "{out}/m.pdf"], "must end in .png or .html"),
        (["--table", "{out}/t.csv", "--pooling", "none"], "leave --pooling out"),
        (["--map", "{out}/m.png", "--color", "label"], "--color label takes labels: give --labels FILE"),
        (["--table", "{folder}/labels.csv"], "`dare-eeg embed` did not make it: give --overwrite, or another name"),
        (["--table", "{out}/t.csv", "--labels", "{folder}/no.csv"], "There is no table of labels"),
        (["--table", "{out}/t.csv", "--subject-pattern", "(X)"], "finds nobody in"),
        (["--map", "{out}/m.png", "--labels", "{folder}/labels.csv", "--label-column", "state"], "state"),
    ],
)
def test_what_cannot_be_had_is_refused_before_anything_is_encoded(options, message, folder, eyes_classifier, capsys):
    out = folder / "out"
    options = [each.format(folder=folder, out=out) for each in options]
    assert main(["embed", str(eyes_classifier), str(folder), "--output", str(out), *options]) == 1
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not list(folder.glob("out/*"))


@pytest.mark.parametrize("option", [["--center", "person"], ["--color", "person"]])
def test_people_must_be_known_to_center_or_colour_by_them(option, eyes_classifier, eyes_recordings, tmp_path, capsys):
    for name, path in zip(("morning.edf", "evening.edf"), eyes_recordings, strict=False):
        shutil.copy(path, tmp_path / name)
    command = ["embed", str(eyes_classifier), str(tmp_path), "--output", str(tmp_path / "out"), *option]
    assert main([*command, "--map", str(tmp_path / "map.png")]) == 1
    said = capsys.readouterr().err
    assert f"{' '.join(option)} takes who was recorded" in said
    assert "each file was counted as a separate person" in said
    assert "--subject-pattern REGEX" in said


def test_centering_is_refused_where_it_takes_the_label_away(folder, eyes_classifier, capsys):
    (folder / "S003R01.edf").unlink()
    people = ["S001R01.edf,a,one", "S001R02.edf,a,one", "S002R01.edf,b,two", "S002R02.edf,b,two"]
    (folder / "labels.csv").write_text("\n".join(["file,label,person", *people]) + "\n")
    command = ["embed", str(eyes_classifier), str(folder), "--output", str(folder / "out"), "--center", "person"]
    command += ["--labels", str(folder / "labels.csv"), "--table", str(folder / "t.csv"), "--pooling", "mean"]
    assert main(command) == 1
    assert "2 of 2 people have windows of one label only (one, two)" in capsys.readouterr().err
    assert not (folder / "t.csv").exists()


def test_a_recording_shorter_than_a_window_says_how_to_keep_it(eyes_classifier, eyes_recordings, tmp_path, capsys):
    command = ["embed", str(eyes_classifier), str(eyes_recordings[0]), "--output", str(tmp_path)]
    assert main([*command, "--window-seconds", "100", "--drop-partial"]) == 1
    assert "Give --keep-partial to encode what there is" in capsys.readouterr().err
    assert main([*command, "--window-seconds", "100", "--keep-partial", "--pooling", "mean"]) == 0


def test_a_map_is_coloured_by_time_as_well(eyes_classifier, eyes_recordings, tmp_path, without_umap):
    command = ["embed", str(eyes_classifier), str(eyes_recordings[0]), "--output", str(tmp_path), "--pooling", "mean"]
    assert main([*command, "--map", str(tmp_path / "map.png"), "--color", "onset"]) == 0
    assert (tmp_path / "map.png").exists()
    points, method = embedding_map.project_to_plane(np.load(tmp_path / "S001R01.npz")["features"])
    assert points.shape == (15, 2)
    assert method.startswith("PCA")
