"""`dare-eeg evaluate` as a new user runs it."""

import csv
import json
import re
import sys

import pytest

from dare_eeg_hf.cli import evaluate
from dare_eeg_hf.cli.main import main
from dare_eeg_hf.recordings.simulation import simulate_recordings


@pytest.fixture(autouse=True)
def without_umap(monkeypatch):
    """UMAP takes ten seconds to be compiled."""
    monkeypatch.setitem(sys.modules, "umap", None)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Eight recordings of four people whose names do not tell who was recorded, and a table that does."""
    folder = tmp_path_factory.mktemp("study")
    montage = "Fp1 Fp2 C3 C4 O1 O2".split()
    made = simulate_recordings(folder / "made", subjects=4, montage=montage, sampling_rate=128, seconds=16, seed=1)
    rows = ["file,label,person"]
    (folder / "recordings").mkdir()
    for number, path in enumerate(made):
        path.rename(folder / f"recordings/rec{number}.edf")
        rows.append(f"rec{number}.edf,{'closed' if path.stem.endswith('2') else 'open'},{path.stem[:4]}")
    (folder / "labels.csv").write_text("\n".join(rows))
    return folder


def run(study, capsys, *options, labels="labels.csv"):
    """Exit status, output and errors of the command in the folder of the study."""
    status = main(["evaluate", str(study / "recordings"), "--labels", str(study / labels), *map(str, options)])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def test_one_command_gives_a_table_a_page_and_predictions(study, capsys, monkeypatch):
    monkeypatch.chdir(study)
    status, out, _ = run(study, capsys, "--window-seconds", 2, "--no-importance")
    assert status == 0
    assert out.startswith(
        "recordings: 64 windows of 2 s (32 closed, 32 open) of 4 people, 6 electrodes; one person left"
    )
    assert "People are identified by a column." in out
    for name in ("dare-eeg-nano and power maps", "random weights", "band power", "Riemannian", "chance"):
        assert name in out
    assert "no diagnosis" in out
    folder = study / "evaluation"
    assert {path.name for path in folder.iterdir()} == {"evaluation.html", "results.json", "predictions.csv", ".kept"}
    with (folder / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 64
    assert {row["file"] for row in rows} == {f"rec{number}.edf" for number in range(8)}
    band_power = json.loads((folder / "results.json").read_text())["records"][3]
    assert band_power["inputs"]["model"] == "band-power"
    assert band_power["metrics"]["balanced_accuracy"] > 0.6  # alpha with closed eyes, across people

    monkeypatch.setattr("dare_eeg_hf.adaptation.labelled_recordings._read", lambda *_: pytest.fail("read again"))
    monkeypatch.setattr("dare_eeg_hf.evaluation.own_recordings.cross_validate", lambda *_, **__: pytest.fail("again"))
    assert run(study, capsys, "--window-seconds", 2, "--no-importance")[:2] == (0, out)


def test_a_broken_file_is_listed_and_counts_in_the_exit_status(study, capsys, tmp_path):
    broken = tmp_path / "recordings"
    broken.mkdir()
    for path in (study / "recordings").iterdir():
        (broken / path.name).write_bytes(path.read_bytes())
    (broken / "rec8.edf").write_bytes(b"0       no EDF")
    (tmp_path / "labels.csv").write_text((study / "labels.csv").read_text() + "\nrec8.edf,open,S001")
    status, _, err = run(tmp_path, capsys, "--output", tmp_path / "out", "--window-seconds", 4, "--no-importance")
    assert status == 1
    assert "left out: rec8.edf, which could not be read: " in err


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (["rec0,open", "rec1,closed"], [], "no label for 6 of 8 recordings, rec2.edf, .*give --leave-out-unmatched"),
        ([f"rec{n},open" for n in range(8)], [], "every label in the column label of .*give --label-column COLUMN"),
        ([f"rec{n},{'ab'[n % 2]}" for n in range(9)], [], r"line 10\) with a label .* not in the folder, rec8"),
        ([f"rec{n},{n % 2 + 1}-Mar" for n in range(8)], [], "line 2 has '1-Mar' in the column label, which is a date"),
        ([f"rec{n},{'ab'[n % 2]}" for n in range(8)], ["--subject-pattern", "(rec)"], "all windows are of one person"),
        ([f"rec{n},{'ab'[n == 3]}" for n in range(8)], [], "only one recording, rec3, has the label b"),
        ([f"rec{n},{'ab'[n % 2]}" for n in range(8)] + ["rec0,b"], [], "different things about rec0.edf"),
        ([f"rec{n},{'ab'[n % 2]}" for n in range(8)], ["--model", "runs/none"], "no folder runs/none"),
    ],
)
def test_bad_input_is_one_sentence_with_a_remedy_before_anything_is_read(
    rows, options, message, study, capsys, tmp_path, monkeypatch
):
    (tmp_path / "runs").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("dare_eeg_hf.adaptation.labelled_recordings._read", lambda *_: pytest.fail("was read"))
    table = tmp_path / "bad.csv"
    table.write_text("\n".join(["file,label", *rows]))
    status, out, err = run(study, capsys, *options, labels=table)
    assert (status, out) == (1, "")
    [line] = err.splitlines()
    assert re.search(message, line), line


def test_no_labels_and_no_model(study, capsys, monkeypatch):
    assert main(["evaluate", str(study / "recordings")]) == 1
    assert "there are no labels: give --labels FILE.csv" in capsys.readouterr().err
    monkeypatch.setattr("dare_eeg_hf.checkpoints.SHIPPED", study)
    assert "comes without one: give --model" in run(study, capsys)[2]


def test_help_teaches(capsys):
    with pytest.raises(SystemExit):
        main(["evaluate", "--help"])
    text = capsys.readouterr().out
    for part in ("labels.csv", "participants.tsv", "--annotations T1=left", "examples:", "evaluation.html"):
        assert part in text
    assert evaluate.KEPT.startswith(".")
