"""`dare-eeg` as people type it: help that teaches, tables, folders, resumption, and errors as one sentence."""

import csv
import io
import json
import shutil
import subprocess
import sys

import mne
import numpy as np
import pytest
from transformers import pipeline

from dare_eeg_hf.cli.main import build_parser, main


def test_help_of_every_command_has_examples(capsys):
    with pytest.raises(SystemExit) as exit_information:
        main(["--help"])
    assert exit_information.value.code == 0
    overview = capsys.readouterr().out
    for command in ("inspect", "predict", "embed", "convert", "publish", "benchmark"):
        assert command in overview
        with pytest.raises(SystemExit):
            main([command, "--help"])
        help = capsys.readouterr().out
        assert help.startswith(f"usage: dare-eeg {command} ")
        if command != "benchmark":  # its help is the evaluation's own
            assert f"dare-eeg {command} " in help.split("examples:")[1]


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


def test_embed_writes_features_that_numpy_reads(eyes_classifier, eyes_recordings, tmp_path):
    options = ["--output", str(tmp_path), "--window-seconds", "10", "--pooling", "none"]
    assert main(["embed", str(eyes_classifier), str(eyes_recordings[0]), *options]) == 0
    features = np.load(tmp_path / "S001R01.npz", allow_pickle=False)
    assert features["features"].shape == (7, 40, 64)
    assert features["partial"].tolist() == [False] * 6 + [True]


def test_a_broken_recording_does_not_stop_the_others(eyes_classifier, eyes_recordings, tmp_path, capsys):
    shutil.copy(eyes_recordings[0], tmp_path / "good.edf")
    (tmp_path / "broken.edf").write_bytes(eyes_recordings[0].read_bytes()[:500])
    assert main(["predict", str(eyes_classifier), str(tmp_path), "--output", str(tmp_path / "out")]) == 1
    errors = capsys.readouterr().err
    assert "broken.edf" in errors
    assert "1 of 2 recordings failed" in errors
    assert "Traceback" not in errors
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["good.csv", "good.csv.report.json"]


# ---- what only the user can know


@pytest.fixture
def numbered_recording(eyes_recordings, tmp_path):
    """16 channels E1 to E16 whose numbers are microvolts, in a file that says volts; and what they are."""
    raw = mne.io.read_raw_edf(eyes_recordings[1], preload=True, verbose="ERROR").pick(list(range(16)))
    names = {name: f"E{index + 1}" for index, name in enumerate(raw.ch_names)}
    raw.rename_channels(names)
    raw._data *= 1e6
    path = tmp_path / "numbered_raw.fif"
    raw.save(path, verbose="ERROR")
    return path, {new: old for old, new in names.items()}


@pytest.mark.parametrize("command", ["inspect", "predict", "embed"])
def test_remedies_are_options_of_the_command_that_names_them(
    command, numbered_recording, eyes_classifier, tmp_path, capsys
):
    path, names = numbered_recording
    model = [] if command == "inspect" else [str(eyes_classifier)]
    output = ["--output", str(tmp_path / "out")] if command == "embed" else []
    (tmp_path / "names.json").write_text(json.dumps(names))

    def run(*options):
        status = main([command, *model, *options, str(path), *output])
        return status, capsys.readouterr().err

    status, said = run()
    assert status == 1
    assert "give --montage NAME, or name electrodes with --rename E1=FP1" in said
    assert "montage=" not in said
    status, said = run("--montage", "biosemi16")
    assert status == 1
    assert said.rstrip().endswith("the numbers look like uV: give --unit uV")
    assert run("--montage", "biosemi16", "--unit", "uV")[0] == 0
    known = ["--unit", "uV", "--mains", "50", "--overwrite"] if output else ["--unit", "uV", "--mains", "50"]
    assert run("--rename", str(tmp_path / "names.json"), *known)[0] == 0
    each = [word for old, new in names.items() for word in ("--rename", f"{old}={new}")]
    assert run(*each, *known)[0] == 0


def test_tables_are_read_with_a_sidecar_given(eyes_classifier, eyes_recordings, tmp_path, capsys):
    raw = mne.io.read_raw_edf(eyes_recordings[1], preload=True, verbose="ERROR")
    table, sidecar = tmp_path / "eyes.csv", tmp_path / "what.json"
    np.savetxt(table, raw.get_data().T * 1e6, delimiter=",", header=",".join(raw.ch_names), comments="")
    sidecar.write_text(json.dumps({"sampling_rate": 160, "unit": "uV", "channel_names": raw.ch_names}))
    assert main(["predict", str(eyes_classifier), str(table)]) == 1
    assert "give --sidecar FILE.json" in capsys.readouterr().err
    assert main(["predict", str(eyes_classifier), str(table), "--sidecar", str(sidecar)]) == 0
    capsys.readouterr()
    assert main(["inspect", str(eyes_recordings[1]), "--reader-option", 'exclude=["Fp1"]', "--json"]) == 0
    assert "FP1" in json.loads(capsys.readouterr().out)[0]["missing"]


@pytest.mark.parametrize(
    "options",
    [["--rename", "E1"], ["--rename", "=FP1"], ["--reader-option", "x"], ["--mains", "fast"]],
    ids=" ".join,
)
def test_an_option_that_cannot_be_read_is_status_two(options, capsys):
    with pytest.raises(SystemExit) as exit_information:
        main(["inspect", "x.edf", *options])
    assert exit_information.value.code == 2
    assert options[1] in capsys.readouterr().err


def test_the_electrodes_that_are_there_are_told(eyes_classifier, eyes_recordings, tmp_path, capsys):
    assert main(["predict", str(eyes_classifier), str(eyes_recordings[0])]) == 0
    assert f"{eyes_recordings[0]}: 19 of the 58 electrodes the encoder was trained with" in capsys.readouterr().err
    few = tmp_path / "few_raw.fif"
    mne.io.read_raw_edf(eyes_recordings[0], preload=True, verbose="ERROR").pick([0, 1, 17]).save(few, verbose="ERROR")
    command = ["predict", str(eyes_classifier), str(few), "--output", str(tmp_path / "out")]
    assert main(command) == 0
    assert f"warning: {few}: 3 of the 58 electrodes" in capsys.readouterr().err
    report = json.loads((tmp_path / "out" / "few_raw.csv.report.json").read_text())
    assert report["present"] == ["FP1", "FP2", "O1"]
    assert "3 of the 58 electrodes" in report["warnings"][0]


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
    assert written == ["a/rec.csv", "b/rec.csv", "rec.csv"]
    assert capsys.readouterr().err.count("skipped") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predict", "{model}", "nowhere.edf"], "There is no file or folder nowhere.edf"),
        (["predict", "no/such/model", "{recording}"], "There is no folder no/such/model"),
        (["predict", "{empty}", "{recording}"], "has no config.json"),
        (["predict", "{model}", "{empty}"], "There is no EEG recording in"),
        (["predict", "{model}", "{recording}", "--overlap", "1"], "overlap must be at least 0 and below 1"),
        (["predict", "{model}", "{recording}", "--figures"], "need --output"),
        (["convert", "{recording}", "{empty}/out", "--config", "{recording}"], "error:"),
        (["publish", "{empty}", "somebody/something", "--dry-run"], "no Parquet file"),
    ],
)
def test_bad_input_is_one_sentence_and_status_one(
    arguments, message, eyes_classifier, eyes_recordings, tmp_path, capsys
):
    places = {"model": eyes_classifier, "recording": eyes_recordings[0], "empty": tmp_path}
    assert main([argument.format(**places) for argument in arguments]) == 1
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    assert "Traceback" not in captured.err


def test_a_bad_command_line_is_status_two(capsys):
    for arguments in ([], ["predict"], ["inspect", "x.edf", "--nonsense"], ["unknown"]):
        with pytest.raises(SystemExit) as exit_information:
            main(arguments)
        assert exit_information.value.code == 2
    assert "--nonsense" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["dare_eeg_hf.cli.main", "predict", "{model}", "{recording}"],
        ["dare_eeg_hf.cli.main", "inspect", "{recording}", "--json"],
        ["dare_eeg_hf.cli.main", "--help"],
    ],
)
def test_a_pipe_that_closes_early_is_no_error(eyes_classifier, eyes_recordings, arguments):
    arguments = [each.format(model=eyes_classifier, recording=eyes_recordings[0]) for each in arguments]
    command = [sys.executable, "-m", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.close()
    errors = process.stderr.read()
    process.wait(timeout=120)
    assert "Traceback" not in errors
    assert "Broken pipe" not in errors


def test_weights_that_are_no_weights_are_named(eyes_classifier, eyes_recordings, tmp_path, capsys):
    broken = tmp_path / "broken"
    shutil.copytree(eyes_classifier, broken)
    (broken / "model.safetensors").write_bytes(b"\x00" * 100)
    assert main(["predict", str(broken), str(eyes_recordings[0])]) == 1
    assert capsys.readouterr().err.startswith("error: ")


def test_the_parser_knows_the_arguments_of_publish():
    options = build_parser().parse_args(["publish", "runs/base", "me/base", "--tag", "v1", "--dry-run"])
    assert (options.repo_id, options.tag, options.dry_run, options.public) == ("me/base", "v1", True, False)
