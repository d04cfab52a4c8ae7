"""Many recordings, one read ahead: the same results, messages and errors, and only what is wanted is opened."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from dare_eeg_hf.cli import embed
from dare_eeg_hf.cli.main import main
from dare_eeg_hf.cli.reading_ahead import ReadingAhead


@pytest.fixture
def folder(eyes_recordings, tmp_path):
    """Three recordings, of which the second is broken."""
    recordings = tmp_path / "recordings"
    recordings.mkdir()
    for name, source in zip("ac", eyes_recordings, strict=False):
        shutil.copy(source, recordings / f"{name}.edf")
    (recordings / "b.edf").write_bytes(eyes_recordings[0].read_bytes()[:500])
    return recordings


def test_results_and_messages_are_those_of_one_recording_at_a_time(
    folder, eyes_classifier, tmp_path, capsys, monkeypatch
):
    def run(output: str) -> tuple[list[str], dict[str, np.ndarray]]:
        assert main(["embed", str(eyes_classifier), str(folder), "--output", str(tmp_path / output)]) == 1
        found = {each.name: np.load(each)["features"] for each in sorted((tmp_path / output).glob("*.npz"))}
        return capsys.readouterr().err.replace(output, "").splitlines(), found

    ahead = run("ahead")
    monkeypatch.setattr(embed, "ReadingAhead", lambda *_, **__: None)  # each recording by itself
    alone = run("alone")
    assert ahead[0] == alone[0]
    assert list(ahead[1]) == list(alone[1]) == ["a.npz", "c.npz"]
    for name, features in ahead[1].items():
        np.testing.assert_array_equal(features, alone[1][name])


class Pipeline:
    """Remembers what it was asked."""

    def __init__(self) -> None:
        self.opened: list[str] = []

    def open(self, path: Path) -> str:
        self.opened.append(path.name)
        if path.name == "broken":
            raise ValueError(f"{path} is broken")
        return path.name

    def __call__(self, opened: str) -> str:
        return opened.upper()


def test_only_what_is_wanted_is_opened_and_once():
    pipeline = Pipeline()
    recordings = [(Path(name), Path(name)) for name in ("a", "done", "broken", "b", "other maker", "a")]

    def is_done(path: Path, _: Path) -> bool:
        if path.name == "other maker":
            raise FileExistsError("made by something else")
        return path.name == "done"

    ask = ReadingAhead(lambda: pipeline, recordings, is_done)
    assert ask(Path("a")) == "A"
    assert pipeline.opened == ["a", "broken"]
    with pytest.raises(ValueError, match="broken is broken"):
        ask(Path("broken"))
    assert ask(Path("b")) == "B"
    assert pipeline.opened == ["a", "broken", "b", "a"]
    assert ask(Path("a")) == "A"
    assert pipeline.opened == ["a", "broken", "b", "a"]
