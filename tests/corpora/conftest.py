"""Fixtures for tests of corpora: simulated recordings, and the data set that is built of them."""

import pytest

from dare_eeg_hf.corpora.build import build
from dare_eeg_hf.recordings.simulation import simulate_recordings
from tests.corpora.simulated_corpus import MONTAGE, Simulated


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus") / "Aufnahmen vom März"
    simulate_recordings(folder, subjects=3, montage=MONTAGE, seconds=21)
    return folder


@pytest.fixture(scope="module")
def built(source, tmp_path_factory):
    output = tmp_path_factory.mktemp("built")
    return build(Simulated(), source, output)
