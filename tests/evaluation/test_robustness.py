"""Damage repeats itself, and the report shows it."""

import json

import numpy as np
import pytest

from dare_eeg_hf.evaluation import robustness
from dare_eeg_hf.evaluation.corruptions import CORRUPTIONS
from dare_eeg_hf.evaluation.robustness import damaged, run_robustness


@pytest.mark.parametrize("name", list(CORRUPTIONS))
def test_first_level_is_no_damage_and_damage_repeats_itself(windows, name):
    corruption = CORRUPTIONS[name]
    intact = damaged(windows, corruption, name, corruption.levels[0], 3, baseline=True)
    np.testing.assert_allclose(intact.signals, windows.signals, atol=1e-7)
    worst = corruption.levels[-1]
    first, second = (damaged(windows, corruption, name, worst, 3, baseline=False) for _ in range(2))
    np.testing.assert_array_equal(first.signals, second.signals)
    assert first.fingerprint() != windows.fingerprint()


def test_curves_figure_and_table(corpus_root, tiny_checkpoint, tmp_path, monkeypatch):
    models = ["band-power", tiny_checkpoint]
    table = run_robustness("eyes-eegmmidb", models, [0], corpus_root, tmp_path)
    assert table.count("| tiny-encoder |") == table.count("| band power") == len(CORRUPTIONS)
    curves = json.loads((tmp_path / "robustness.json").read_text())
    alpha = curves["band-power"][0]["balanced_accuracy"]
    assert alpha["noise"][0] > 0.9
    assert all(curve[0] == alpha["noise"][0] for curve in alpha.values())  # the intact end is the same everywhere
    assert (tmp_path / "robustness.png").read_bytes().startswith(b"\x89PNG")
    monkeypatch.setattr(robustness, "fit_contestant", lambda *_: pytest.fail("computed again"))
    assert run_robustness("eyes-eegmmidb", models, [0], corpus_root, tmp_path) == table


def test_models_of_one_name_are_refused_before_anything_is_computed(corpus_root, tmp_path):
    with pytest.raises(ValueError, match="the same name"):
        run_robustness("eyes-eegmmidb", ["riemann", "riemann"], [0], corpus_root, tmp_path)
