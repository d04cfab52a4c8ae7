"""What only the user can know about a recording, as options of every command that reads one."""

import json

import mne
import numpy as np
import pytest

from dare_eeg_hf.cli.main import main


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
