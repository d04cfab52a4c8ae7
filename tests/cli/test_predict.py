"""`dare-eeg predict`: tables, folders, resumption."""

import csv
import io
import json
import shutil
from pathlib import Path

import mne
import numpy as np
import pytest
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
    names = "S001R01-annot.fif S001R01.csv S001R01.csv.report.json S001R01.png S001R01_annotations.csv".split()
    assert written[:5] == [f"S001/{name}" for name in names]
    assert len(written) == 4 * 5 + 1
    assert "summary.csv" in written

    (tmp_path / "S002" / "S002R01.csv").unlink()
    before = (tmp_path / "S001" / "S001R01.csv").stat().st_mtime_ns
    capsys.readouterr()
    assert main(command) == 0
    assert capsys.readouterr().err.count("skipped") == 3
    assert (tmp_path / "S002" / "S002R01.csv").exists()
    assert (tmp_path / "S001" / "S001R01.csv").stat().st_mtime_ns == before
    assert main([*command, "--overwrite"]) == 0
    assert (tmp_path / "S001" / "S001R01.csv").stat().st_mtime_ns > before


def test_what_is_written_adds_to_the_recordings_own_annotations(eyes_classifier, eyes_recordings, tmp_path):
    command = ["predict", str(eyes_classifier), str(eyes_recordings[1]), "--output", str(tmp_path), "--annotations"]
    assert main(command) == 0
    raw = mne.io.read_raw_edf(eyes_recordings[1], verbose="ERROR")
    own = len(raw.annotations)
    added = mne.read_annotations(tmp_path / "S001R02-annot.fif")
    raw.set_annotations(raw.annotations + added)
    assert raw.annotations.orig_time == raw.info["meas_date"]
    table = list(csv.DictReader((tmp_path / "S001R02_annotations.csv").open()))
    assert len(raw.annotations) == own + len(table)
    ours = [(onset, text) for onset, text in zip(raw.annotations.onset, raw.annotations.description, strict=True)
            if text in {row["description"] for row in table}]  # fmt: skip
    assert [onset for onset, _ in ours] == [float(row["onset"]) for row in table]


def test_many_recordings_end_with_a_summary(eyes_classifier, eyes_recordings, tmp_path, capsys):
    for path in eyes_recordings[:2]:
        shutil.copy(path, tmp_path / path.name)
    (tmp_path / "broken.edf").write_bytes(eyes_recordings[0].read_bytes()[:300])
    command = ["predict", str(eyes_classifier), str(tmp_path), "--output", str(tmp_path / "out")]
    assert main(command) == 1
    said = capsys.readouterr().err
    assert "3 files; 32 windows, 32 with an answer; eyes " in said
    assert "; 1 failed" in said
    rows = {Path(row["file"]).name: row for row in csv.DictReader((tmp_path / "out" / "summary.csv").open())}
    assert set(rows) == {"S001R01.edf", "S001R02.edf", "broken.edf"}
    assert "broken.edf" in rows["broken.edf"]["error"]
    table = list(csv.DictReader((tmp_path / "out" / "S001R02.csv").open()))
    closed = sum(float(row["duration"]) for row in table if row["label"] == "eyes closed") / 61
    assert float(rows["S001R02.edf"]["share_eyes closed"]) == pytest.approx(closed, abs=1e-3)
    assert rows["S001R02.edf"]["electrodes"] == "19"

    first = (tmp_path / "out" / "summary.csv").read_bytes()
    assert main(command) == 1
    assert "already exists, skipped" in capsys.readouterr().err
    assert (tmp_path / "out" / "summary.csv").read_bytes() == first, "from the tables that were there"


def test_a_summary_overwrites_no_result(eyes_classifier, eyes_recordings, tmp_path, capsys):
    for path, name in zip(eyes_recordings, ("summary.edf", "other.edf"), strict=False):
        shutil.copy(path, tmp_path / name)
    assert main(["predict", str(eyes_classifier), str(tmp_path), "--output", str(tmp_path / "out")]) == 0
    assert "belongs to the recording of that name" in capsys.readouterr().err
    assert (tmp_path / "out" / "summary.csv").read_text().startswith("onset,")


def test_several_tables_on_the_standard_output_are_one(eyes_classifier, eyes_recordings, capsys):
    assert main(["predict", str(eyes_classifier), *map(str, eyes_recordings[:2])]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["file"] for row in rows] == [str(path) for path in eyes_recordings[:2] for _ in range(16)]


def test_a_page_and_the_importance_of_electrodes(eyes_classifier, eyes_recordings, tmp_path, capsys):
    raw = mne.io.read_raw_edf(eyes_recordings[1], preload=True, verbose="ERROR")
    raw._data[:, 20 * 160 : 29 * 160] = 0
    raw._data[raw.ch_names.index("Fz")] = 0
    raw.rename_channels({"T7": "EEG T3-REF", "Cz": "ECG"})
    gap = tmp_path / "gap_raw.fif"
    raw.save(gap, verbose="ERROR")
    command = ["predict", str(eyes_classifier), str(gap), "--output", str(tmp_path / "out")]
    assert main(command) == 0
    capsys.readouterr()
    assert main([*command, "--html", "--importance"]) == 0
    said = capsys.readouterr().err
    assert "already exists, skipped" not in said
    assert said.count("bad channels left out: FZ") == 1

    page = (tmp_path / "out" / "gap_raw.html").read_text()
    for text in (
        f"gap_raw.fif, labelled by {eyes_classifier.name}",
        "nothing here is a diagnosis",
        "20 to 32 s",
        "one held value",
        "no answer",
        "Surest window of eyes closed",
        "not used: flat",
        "not used: ECG",
        "EEG T3-REF as T7",
        "17 of the 58 electrodes",
    ):
        assert text in page, text
    assert page.count("<img ") >= 4, "timeline, traces, importance, electrodes"

    report = json.loads((tmp_path / "out" / "gap_raw.csv.report.json").read_text())
    assert set(report["importance"]) == set(report["channels"])
    assert report["renamed"]["EEG T3-REF"] == "T7"
    assert report["dropped"] == {"ECG": "ECG"}
    assert report["bad"] == {"FZ": "flat"}
    assert {"FZ", "CZ"} <= set(report["missing"])
    assert not set(report["missing"]) & set(report["present"])
    assert any("high-pass" in step for step in report["steps"])
    assert (tmp_path / "out" / "gap_raw_importance.png").exists()
    assert main([*command, "--html", "--importance"]) == 0
    assert "already exists, skipped" in capsys.readouterr().err


def test_one_channel_has_no_importance_to_draw(eyes_classifier, eyes_recordings, tmp_path, capsys):
    raw = mne.io.read_raw_edf(eyes_recordings[1], preload=True, verbose="ERROR").pick(["O1"])
    raw.save(tmp_path / "one_raw.fif", verbose="ERROR")
    command = ["predict", str(eyes_classifier), str(tmp_path / "one_raw.fif"), "--output", str(tmp_path / "out")]
    assert main([*command, "--importance", "--html"]) == 0
    assert "two or more channels; there is none" in capsys.readouterr().err
    assert not list((tmp_path / "out").glob("*_importance.png"))
    assert main([*command, "--importance", "--html"]) == 0
    assert "already exists, skipped" in capsys.readouterr().err


def test_trials_get_a_page_without_a_timeline(eyes_classifier, eyes_recordings, tmp_path):
    raw = mne.io.read_raw_edf(eyes_recordings[1], preload=True, verbose="ERROR")
    trials = raw.get_data()[:, : 12 * 640].reshape(19, 12, 640).transpose(1, 0, 2)
    trials[3] = 0
    epochs = mne.EpochsArray(trials, raw.info, verbose="ERROR")
    epochs.save(tmp_path / "eyes-epo.fif", verbose="ERROR")
    command = ["predict", str(eyes_classifier), str(tmp_path / "eyes-epo.fif"), "--output", str(tmp_path / "out")]
    assert main([*command, "--html", "--importance"]) == 0
    page = (tmp_path / "out" / "eyes-epo.html").read_text()
    assert "The onsets of these trials are unknown" in page
    assert "trial 3" in page


def test_weights_that_are_no_weights_are_named(eyes_classifier, eyes_recordings, tmp_path, capsys):
    broken = tmp_path / "broken"
    shutil.copytree(eyes_classifier, broken)
    (broken / "model.safetensors").write_bytes(b"\x00" * 100)
    assert main(["predict", str(broken), str(eyes_recordings[0])]) == 1
    assert capsys.readouterr().err.startswith("error: ")
