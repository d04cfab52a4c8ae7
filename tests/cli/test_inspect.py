"""`dare-eeg inspect`: reports as text and JSON, figures, and the normalised recording as a file."""

import json
import runpy
import shutil
from pathlib import Path

import mne
import pytest

from dare_eeg_hf.cli.main import main
from dare_eeg_hf.recordings.recordings import read_raw


def test_inspect_reports_draws_and_speaks_json(eyes_recordings, tmp_path, capsys):
    path = str(eyes_recordings[0])
    assert main(["inspect", path, "--figures", str(tmp_path)]) == 0
    report = capsys.readouterr().out
    assert "kept (19)" in report
    assert "average reference over 19 channels" in report
    assert {figure.name for figure in tmp_path.iterdir()} == {"S001R01_traces.png", "S001R01_spectrum.png"}
    assert main(["inspect", path, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["sampling_rate"] == 160


def test_broken_files_are_reported_beside_the_others(eyes_recordings, tmp_path, capsys):
    shutil.copy(eyes_recordings[0], tmp_path / "good.edf")
    (tmp_path / "broken.edf").write_bytes(b"<html>")
    assert main(["inspect", str(tmp_path), "--json"]) == 1
    output = capsys.readouterr()
    reports = {Path(report["file"]).name: report for report in json.loads(output.out)}
    assert reports["good.edf"]["channels"]
    assert "web page" in reports["broken.edf"]["error"]
    assert "1 of 2 recordings failed" in output.err


def test_one_recording_goes_into_the_files_named(eyes_recordings, tmp_path):
    options = ["--plot", str(tmp_path / "x.png"), "--output", str(tmp_path / "x.edf")]
    assert main(["inspect", str(eyes_recordings[0]), *options]) == 0
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.edf", "x.png"]
    assert read_raw(tmp_path / "x.edf").info["sfreq"] == 256


def test_several_recordings_go_into_folders_and_never_into_one_file(eyes_recordings, tmp_path, capsys):
    source, written = str(eyes_recordings[0].parent), tmp_path / "out"
    for option in ("--output", "--plot"):
        assert main(["inspect", source, option, str(tmp_path / "x.fif")]) == 1
        assert f"{option}: there are 2 recordings, so give a folder" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    assert main(["inspect", source, "--output", str(written)]) == 0
    assert sorted(path.name for path in written.iterdir()) == ["S001R01_raw.fif", "S001R02_raw.fif"]


def test_what_only_the_user_knows_is_passed_on(eyes_recordings, tmp_path, capsys):
    raw = mne.io.read_raw_edf(eyes_recordings[0], preload=True, verbose="ERROR")
    names = {name: f"ch{index}" for index, name in enumerate(raw.ch_names)}
    raw.rename_channels(names).save(tmp_path / "x_raw.fif", verbose="ERROR")
    assert main(["inspect", str(tmp_path / "x_raw.fif")]) == 1
    pairs = [word for old, new in names.items() for word in ("--rename", f"{new}={old}")]
    options = [*pairs, "--interpolate", "FC3", "--interpolate", "CP3", "--line-frequency", "60", "--json"]
    capsys.readouterr()
    assert main(["inspect", str(tmp_path / "x_raw.fif"), *options]) == 0
    (report,) = json.loads(capsys.readouterr().out)
    assert report["interpolated"] == ["FC3", "CP3"]
    assert report["line_frequency"] == 60


def test_a_cap_of_numbered_channels_is_reported(eyes_recordings, tmp_path, capsys):
    raw = mne.io.read_raw_edf(eyes_recordings[1], preload=True, verbose="ERROR").pick(list(range(16)))
    raw.rename_channels({name: f"E{index + 1}" for index, name in enumerate(raw.ch_names)})
    raw.save(tmp_path / "numbered_raw.fif", verbose="ERROR")
    assert main(["inspect", str(tmp_path / "numbered_raw.fif"), "--montage", "biosemi16", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)[0]
    assert report["renamed"]["E1"] == "FP1"
    assert any("cap biosemi16" in step for step in report["steps"])


@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")
def test_the_command_of_before_names_the_one_of_today():
    with pytest.raises(SystemExit, match="now `dare-eeg inspect`"):
        runpy.run_module("dare_eeg_hf.recordings.recordings", run_name="__main__")
