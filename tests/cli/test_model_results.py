"""What the results of a model say about the recording."""

import json

import mne

from dare_eeg_hf.cli.main import main


def test_the_electrodes_that_are_there_are_told(eyes_classifier, eyes_recordings, tmp_path, capsys):
    assert main(["predict", str(eyes_classifier), str(eyes_recordings[0])]) == 0
    assert f"{eyes_recordings[0]}: 19 of the 58 electrodes the encoder was trained with" in capsys.readouterr().err
    few = tmp_path / "few_raw.fif"
    mne.io.read_raw_edf(eyes_recordings[0], preload=True, verbose="ERROR").pick([0, 1, 17]).save(few, verbose="ERROR")
    command = ["predict", str(eyes_classifier), str(few), "--output", str(tmp_path / "out")]
    assert main(command) == 0
    assert capsys.readouterr().err.count(f"warning: {few}: 3 of the 58 electrodes") == 1
    report = json.loads((tmp_path / "out" / "few_raw.csv.report.json").read_text())
    assert report["present"] == ["FP1", "FP2", "O1"]
    assert "3 of the 58 electrodes" in report["warnings"][0]
