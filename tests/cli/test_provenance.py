"""Results carry what made them: another model, setting or recording is never answered with an old table."""

import json
import os
import shutil

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from dare_eeg_hf.cli.main import main
from dare_eeg_hf.cli.provenance import recording_files


@pytest.fixture
def recording(eyes_recordings, tmp_path):
    return shutil.copy(eyes_recordings[0], tmp_path / "eyes.edf")


@pytest.fixture
def other_model(eyes_classifier, tmp_path):
    """The same model with other weights."""
    folder = shutil.copytree(eyes_classifier, tmp_path / "other")
    weights = load_file(folder / "model.safetensors")
    save_file({name: -tensor for name, tensor in weights.items()}, folder / "model.safetensors", {"format": "pt"})
    return folder


COMMANDS = {"predict": ".csv", "embed": ".npz"}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_result_is_skipped_only_if_it_would_be_the_same(
    command, eyes_classifier, other_model, recording, tmp_path, capsys
):
    folder = tmp_path / "results"
    result = folder / f"eyes{COMMANDS[command]}"

    def run(model, *options):
        status = main([command, str(model), str(recording), "--output", str(folder), *options])
        return status, capsys.readouterr().err

    assert run(eyes_classifier)[0] == 0
    first = result.read_bytes()
    report = json.loads((folder / f"{result.name}.report.json").read_text())
    assert report["made_by"]["model"] == str(eyes_classifier)
    assert report["made_by"]["settings"]["overlap"] == 0
    assert report["made_from"]["name"] == "eyes.edf"
    assert report["electrodes"].startswith("19 of the 58 electrodes")
    assert report["warnings"] == []

    status, said = run(eyes_classifier)
    assert (status, said.count("already exists, skipped")) == (0, 1)
    moved = shutil.copytree(eyes_classifier, tmp_path / "moved")
    assert "already exists, skipped" in run(moved)[1]

    for model, options, reason in (
        (other_model, [], f"by {eyes_classifier}, not {other_model}"),
        (eyes_classifier, ["--overlap", "0.5"], "with overlap=0.0, not 0.5"),
        (eyes_classifier, ["--mains", "50"], "without line_frequency=50.0"),
    ):
        status, said = run(model, *options)
        assert status == 1
        assert reason in said
        assert "--overwrite makes it again" in said
        assert "already exists, skipped" not in said
        assert result.read_bytes() == first

    assert run(other_model, "--overwrite")[0] == 0
    assert result.read_bytes() != first
    assert "already exists, skipped" in run(other_model)[1]


def test_a_recording_that_changed_is_noticed_and_a_copy_is_the_same(
    eyes_classifier, eyes_recordings, recording, tmp_path, capsys
):
    command = ["predict", str(eyes_classifier), str(recording), "--output", str(tmp_path / "results")]
    assert main(command) == 0
    os.utime(recording, (0, 0))
    capsys.readouterr()
    assert main(command) == 0
    assert "already exists, skipped" in capsys.readouterr().err
    shutil.copy(eyes_recordings[1], recording)
    assert main(command) == 1
    assert "the recording has changed" in capsys.readouterr().err


def test_a_table_of_unknown_origin_is_not_taken_for_a_result(eyes_classifier, recording, tmp_path, capsys):
    (tmp_path / "results").mkdir()
    table = tmp_path / "results" / "eyes.csv"
    table.write_text("onset,label\n")
    command = ["predict", str(eyes_classifier), str(recording), "--output", str(tmp_path / "results")]
    for damaged in (None, "no JSON", "{}", '{"made_by": 3}'):
        if damaged is not None:
            (tmp_path / "results" / "eyes.csv.report.json").write_text(damaged)
        assert main(command) == 1
        assert "nothing tells what made it" in capsys.readouterr().err
    assert table.read_text() == "onset,label\n"
    assert main([*command, "--overwrite"]) == 0
    assert "eyes" in table.read_text()


def test_files_asked_for_later_are_made_later(eyes_classifier, recording, tmp_path, capsys):
    command = ["predict", str(eyes_classifier), str(recording), "--output", str(tmp_path / "results")]
    assert main(command) == 0
    assert main([*command, "--annotations"]) == 0
    assert "already exists, skipped" not in capsys.readouterr().err
    assert (tmp_path / "results" / "eyes_annotations.csv").exists()
    assert main([*command, "--annotations"]) == 0
    assert "already exists, skipped" in capsys.readouterr().err


def test_a_result_never_lies_beside_the_report_of_another(
    eyes_classifier, other_model, recording, tmp_path, monkeypatch
):
    """Stopped between report and table, the old table is gone."""
    command = ["predict", str(eyes_classifier), str(recording), "--output", str(tmp_path / "results")]
    assert main(command) == 0

    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("dare_eeg_hf.cli.predict.save_predictions", stop)
    command[1] = str(other_model)
    assert main([*command, "--overwrite"]) == 130
    assert not (tmp_path / "results" / "eyes.csv").exists()


def test_a_recording_of_several_files_is_all_of_them(tmp_path):
    for name in ("a.vhdr", "a.vmrk", "a.eeg", "a.csv", "b.eeg", "a.json"):
        (tmp_path / name).write_text("Brain Vision Data Exchange Header")
    assert [path.name for path in recording_files(tmp_path / "a.vhdr")] == ["a.eeg", "a.vhdr", "a.vmrk"]
    np.savetxt(tmp_path / "t.csv", np.zeros((2, 2)))
    (tmp_path / "recordings.json").write_text("{}")
    assert {path.name for path in recording_files(tmp_path / "t.csv")} == {"t.csv", "recordings.json"}
