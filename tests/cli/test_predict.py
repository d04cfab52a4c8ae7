"""`dare-eeg predict`: tables, folders, resumption."""

import csv
import io
import json
import shutil

import mne
import numpy as np
from transformers import pipeline

from dare_eeg_hf.cli.main import main


def test_predict_prints_the_pipelines_table(eyes_classifier, eyes_recordings, capsys):
    assert main(["predict", str(eyes_classifier), str(eyes_recordings[1])]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    expected = pipeline("eeg-classification", model=str(eyes_classifier))(eyes_recordings[1])
    assert [float(row["onset"]) for row in rows] == [window["onset"] for window in expected]
    assert [row["label"] for row in rows] == [window["label"] for window in expected]
    np.testing.assert_allclose(
        [float(row["score"]) for row in rows], [window["score"] for window in expected], atol=1e-6
    )

    assert main(["predict", str(eyes_classifier), str(eyes_recordings[1]), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == expected


def test_predict_fills_a_folder_and_goes_on_where_it_stopped(eyes_classifier, eyes_recordings, tmp_path, capsys):
    source = eyes_recordings[0].parents[1]
    command = ["predict", str(eyes_classifier), str(source), "--output", str(tmp_path), "--annotations", "--figures"]
    assert main(command) == 0
    written = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*"))
    names = ("S001R01.csv", "S001R01.csv.report.json", "S001R01.png", "S001R01_annotations.csv")
    assert written[:4] == [f"S001/{name}" for name in names]
    assert len(written) == 16
    assert len(mne.read_annotations(tmp_path / "S001" / "S001R02_annotations.csv")) >= 1

    (tmp_path / "S002" / "S002R01.csv").unlink()
    before = (tmp_path / "S001" / "S001R01.csv").stat().st_mtime_ns
    capsys.readouterr()
    assert main(command) == 0
    assert capsys.readouterr().err.count("skipped") == 3
    assert (tmp_path / "S002" / "S002R01.csv").exists()
    assert (tmp_path / "S001" / "S001R01.csv").stat().st_mtime_ns == before
    assert main([*command, "--overwrite"]) == 0
    assert (tmp_path / "S001" / "S001R01.csv").stat().st_mtime_ns > before


def test_weights_that_are_no_weights_are_named(eyes_classifier, eyes_recordings, tmp_path, capsys):
    broken = tmp_path / "broken"
    shutil.copytree(eyes_classifier, broken)
    (broken / "model.safetensors").write_bytes(b"\x00" * 100)
    assert main(["predict", str(broken), str(eyes_recordings[0])]) == 1
    assert capsys.readouterr().err.startswith("error: ")
