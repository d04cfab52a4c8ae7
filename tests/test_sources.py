"""Code that travels with a checkpoint finds the package's readers where it is installed, and does without them."""

import importlib
import shutil
import sys
import tomllib
from pathlib import Path

import mne
import numpy as np
import pytest

from dare_eeg_hf import DareEegFeatureExtractor, sources_dare_eeg
from dare_eeg_hf.hub.publishing import remote_code
from dare_eeg_hf.recordings.pieces import PiecewiseNormalizer
from dare_eeg_hf.recordings.readers import read_recording

PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"


def declared() -> dict[str, str]:
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    return project["entry-points"][sources_dare_eeg.RECORDINGS_GROUP]


@pytest.fixture
def travelled(tmp_path, monkeypatch):
    """The module `sources_dare_eeg` as a checkpoint brings it, in a package of another name."""
    folder = tmp_path / "code_of_a_checkpoint"
    folder.mkdir()
    for name, content in remote_code().items():
        (folder / name).write_bytes(content)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module(f"{folder.name}.sources_dare_eeg")
    for name in [name for name in sys.modules if name.startswith(folder.name)]:
        del sys.modules[name]


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """An installation's metadata with the entry points of pyproject.toml, before all others."""
    metadata = tmp_path / "site" / "dare_eeg_hf-9.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: dare-eeg-hf\nVersion: 9\n")
    lines = [f"[{sources_dare_eeg.RECORDINGS_GROUP}]", *(f"{name} = {value}" for name, value in declared().items())]
    (metadata / "entry_points.txt").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(metadata.parent)


@pytest.fixture
def not_installed(monkeypatch):
    """No entry points, as where only the checkpoint's own code is there."""

    def hide(module):
        monkeypatch.setattr(module, "entry_points", lambda **_: ())

    return hide


def test_a_checkout_offers_what_an_installation_does():
    assert declared() == sources_dare_eeg.OFFERED


def test_the_package_reads_and_normalises_by_itself(not_installed):
    not_installed(sources_dare_eeg)
    assert sources_dare_eeg.offered("read") is read_recording
    assert sources_dare_eeg.offered("normalise") is PiecewiseNormalizer


def test_code_of_a_checkpoint_uses_an_installed_package(travelled, installed):
    assert travelled.OFFERED == {}
    assert travelled.offered("read") is read_recording
    assert travelled.offered("normalise") is PiecewiseNormalizer


def test_code_of_a_checkpoint_reads_with_mne_alone(travelled, not_installed, eyes_recordings):
    not_installed(travelled)
    (source,) = travelled.open_sources(eyes_recordings[0], DareEegFeatureExtractor())
    assert isinstance(travelled.read_file(eyes_recordings[0]), mne.io.BaseRaw)
    piece = source.read(0, 1024)
    assert piece.values.shape == (19, 1024)


def test_an_installed_package_opens_what_mne_alone_refuses(travelled, installed, eyes_recordings, tmp_path):
    """A file without its extension is one of many that only the package's readers open."""
    nameless = shutil.copy(eyes_recordings[0], tmp_path / "recording.dat")
    (source,) = travelled.open_sources(nameless, DareEegFeatureExtractor())
    (expected,) = sources_dare_eeg.open_sources(eyes_recordings[0], DareEegFeatureExtractor())
    np.testing.assert_array_equal(source.read(0, 1024).values, expected.read(0, 1024).values)


def test_a_package_that_cannot_be_imported_is_none(travelled, installed, monkeypatch):
    monkeypatch.setitem(sys.modules, "dare_eeg_hf.recordings.readers", None)
    assert travelled.offered("read") is None
