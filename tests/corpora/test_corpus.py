"""What a corpus declares: its version, and attributes that are spelt as they are known."""

from importlib.metadata import version

import pytest

from dare_eeg_hf.corpora import code_version
from dare_eeg_hf.corpora.corpus import EegCorpus
from tests.corpora.simulated_corpus import Simulated


def test_another_mne_or_scipy_is_another_version(monkeypatch):
    before = Simulated().fingerprint()
    monkeypatch.setattr(code_version, "version", lambda name: "0.0" if name == "mne" else version(name))
    assert Simulated().fingerprint() != before


def test_a_misspelt_attribute_of_a_corpus_suggests_the_nearest():
    with pytest.raises(TypeError, match=r"Wrong does not know window_second \(did you mean window_seconds\?\)"):
        type("Wrong", (EegCorpus,), {"name": "wrong", "title": "Wrong", "window_second": 2.0})
    type("Right", (EegCorpus,), {"name": "right", "title": "Right", "electrodes_by_cap": {}, "_cache": None})
