"""`dare-eeg compare` takes runs or evaluations, not both, and writes a page beside its table."""

import json

from dare_eeg_hf.cli.main import main


def run_folder(folder, loss):
    folder.mkdir()
    (folder / "metrics.jsonl").write_text(json.dumps({"step": 3, "split": "validation", "loss": loss}) + "\n")
    return str(folder)


def test_a_table_and_a_page(tmp_path, capsys):
    runs = [run_folder(tmp_path / "one", 0.25), run_folder(tmp_path / "two", 0.5)]
    page = tmp_path / "page.html"
    assert main(["compare", *runs, "--output", str(page)]) == 0
    said = capsys.readouterr().out
    assert "one      3                  0.25        3" in said
    assert "No setting that is known differs." in said
    assert f"Written: {page}" in said
    assert "data:image/png" in page.read_text()


def test_bad_input_is_one_sentence(tmp_path, capsys):
    run = run_folder(tmp_path / "one", 0.25)
    (tmp_path / "evaluation").mkdir()
    (tmp_path / "evaluation" / "results.json").write_text("{}")
    for folders, message in (
        ([run], "one run has nothing to be compared with; name two or more"),
        ([run, str(tmp_path / "evaluation")], "holds results of an evaluation and"),
        ([run, str(tmp_path / "nowhere")], "nowhere holds no metrics.jsonl: is it the folder of a run?"),
    ):
        assert main(["compare", *folders, "--output", str(tmp_path / "page.html")]) == 1
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert message in error
        assert error.count("\n") == 1
    assert not (tmp_path / "page.html").exists()
