"""What the README shows on its first screen must run as it stands."""

import re
from pathlib import Path

README = Path(__file__).resolve().parents[1] / "README.md"


def test_the_first_lines_of_python_run(eyes_recordings, tmp_path, monkeypatch, capsys):
    """With the models of the repository, on a recording under the name that `make demo` gives it."""
    code = re.search(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)[1]
    output = tmp_path / "demo_output"
    output.mkdir()
    (tmp_path / "model_cards").symlink_to(README.parent / "model_cards")
    (output / "P010_open_then_closed.edf").symlink_to(eyes_recordings[1])
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "average reference" in printed
    assert printed.count("eyes closed") >= 2, "two of the first three windows, with eyes closed throughout"
    assert re.search(r"\(\d+, \d+\)", printed)


def test_links_to_files_of_the_repository_lead_somewhere():
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README.read_text(encoding="utf-8"))
    assert links
    assert not [link for link in links if not (README.parent / link).exists()]
