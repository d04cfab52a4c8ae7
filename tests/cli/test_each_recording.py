"""One command over many recordings: a broken one stops no other, and results never meet."""

import shutil

import pytest

from dare_eeg_hf.cli.main import main


def test_a_broken_recording_does_not_stop_the_others(eyes_classifier, eyes_recordings, tmp_path, capsys):
    shutil.copy(eyes_recordings[0], tmp_path / "good.edf")
    (tmp_path / "broken.edf").write_bytes(eyes_recordings[0].read_bytes()[:500])
    assert main(["predict", str(eyes_classifier), str(tmp_path), "--output", str(tmp_path / "out")]) == 1
    errors = capsys.readouterr().err
    assert "broken.edf" in errors
    assert "1 of 2 recordings failed" in errors
    assert "Traceback" not in errors
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == ["good.csv", "good.csv.report.json", "summary.csv"]


@pytest.mark.parametrize("second", ["b/rec.edf", "a/rec.bdf"], ids=["another folder", "another format"])
@pytest.mark.parametrize("command", ["predict", "embed", "inspect"])
def test_recordings_that_would_share_a_result_are_refused(command, second, eyes_classifier, tmp_path, capsys):
    files = [tmp_path / "a" / "rec.edf", tmp_path / second]
    for file in files:
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"")
    results = tmp_path / "out"
    model = [] if command == "inspect" else [str(eyes_classifier)]
    option = "--figures" if command == "inspect" else "--output"
    assert main([command, *model, *map(str, files), option, str(results), *(["--overwrite"] if model else [])]) == 1
    error = capsys.readouterr().err
    assert f"{files[0]} and {files[1]} would have the same result, {results / 'rec'}" in error
    assert not results.exists()


def test_a_folder_keeps_equal_names_apart_and_a_recording_given_twice_is_one(
    eyes_classifier, eyes_recordings, tmp_path, capsys
):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        shutil.copy(eyes_recordings[0], tmp_path / name / "rec.edf")
    given = [str(tmp_path), str(tmp_path / "a" / ".." / "a" / "rec.edf"), str(tmp_path / "a" / "rec.edf")]
    assert main(["predict", str(eyes_classifier), *given, "--output", str(tmp_path / "out")]) == 0
    written = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.csv"))
    assert written == ["a/rec.csv", "b/rec.csv", "rec.csv", "summary.csv"]
    assert capsys.readouterr().err.count("skipped") == 1
