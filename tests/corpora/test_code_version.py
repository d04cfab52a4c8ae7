"""The code that makes windows is part of the version of a corpus, and no other code is."""

import shutil
from pathlib import Path

import pytest

from dare_eeg_hf.corpora import code_version


@pytest.fixture
def scratch_package(tmp_path):
    """A copy of the package in a folder of its own, whose code may be changed; `digest()` asks it for a version."""
    shutil.copytree(Path(code_version.PACKAGE), tmp_path / "dare_eeg_hf", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "helpers.py").write_text("FACTOR = 1\n")
    (tmp_path / "own_corpus.py").write_text(
        "import helpers\nfrom dare_eeg_hf.cli.prepare import main\nfrom dare_eeg_hf.corpora.corpus import EegCorpus\n"
    )

    def digest():
        for cached in (code_version._text, code_version._imported):
            cached.cache_clear()
        return code_version.digest_of({tmp_path / "own_corpus.py", tmp_path / "dare_eeg_hf" / "corpora" / "corpus.py"})

    return tmp_path, digest


@pytest.mark.parametrize(
    ("file", "counts"),
    [
        ("dare_eeg_hf/signal_dare_eeg.py", True),
        ("dare_eeg_hf/montage.py", True),
        ("dare_eeg_hf/recordings/normalization.py", True),
        ("dare_eeg_hf/recordings/readers.py", True),
        ("dare_eeg_hf/recordings/edf.py", True),
        ("dare_eeg_hf/recordings/quality.py", True),
        ("dare_eeg_hf/corpora/windows.py", True),
        ("dare_eeg_hf/recordings/tables.py", True),
        ("own_corpus.py", True),
        ("helpers.py", True),
        ("dare_eeg_hf/corpora/loading.py", False),
        ("dare_eeg_hf/cli/prepare.py", False),
        ("dare_eeg_hf/modeling_dare_eeg.py", False),
        ("dare_eeg_hf/adaptation/finetuning.py", False),
    ],
)
def test_the_code_that_makes_windows_is_part_of_a_corpus_version(scratch_package, monkeypatch, file, counts):
    folder, digest = scratch_package
    monkeypatch.setattr(code_version, "PACKAGE", folder / "dare_eeg_hf")
    before = digest()
    text = (folder / file).read_text(encoding="utf-8")
    (folder / file).write_bytes(text.replace("\n", "\r\n").encode())
    assert digest() == before, "line endings are no other code"
    (folder / file).write_text(text + "\n# another version\n", encoding="utf-8")
    assert (digest() != before) == counts


def test_what_normalisation_begins_to_import_becomes_part_of_the_version(scratch_package, monkeypatch):
    folder, digest = scratch_package
    monkeypatch.setattr(code_version, "PACKAGE", folder / "dare_eeg_hf")
    room = folder / "dare_eeg_hf" / "recordings"
    added, user = room / "added.py", room / "normalization.py"
    added.write_text("GAIN = 1\n")
    user.write_text(
        user.read_text(encoding="utf-8") + "\n\ndef late():\n    from .added import GAIN\n", encoding="utf-8"
    )
    before = digest()
    added.write_text("GAIN = 2\n")
    assert digest() != before
