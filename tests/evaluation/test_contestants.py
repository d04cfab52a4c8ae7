"""Names of contestants and the weights that they stand for."""

import shutil

import pytest

from dare_eeg_hf import DareEegConfig
from dare_eeg_hf.evaluation.contestants import resolve_checkpoint, short_name


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("band-power", "band-power"),
        ("random:nano", "random-nano"),
        ("runs/some model", "some_model"),
        ("runs/nano-seed{seed}", "nano"),
        ("runs/nano/seed{seed}", "nano"),
        ("random:runs/nano/{seed}", "random-nano"),
        ("runs/{seed}/nano", "nano"),
    ],
)
def test_names_in_tables_leave_the_seed_out(model, name):
    assert short_name(model) == name


def test_two_architectures_have_two_random_encoders(tiny_checkpoint, tmp_path):
    other = tmp_path / "other" / "seed0"
    config = DareEegConfig.from_pretrained(tiny_checkpoint)
    config.num_summary_tokens = 3
    config.save_pretrained(other)
    shutil.copytree(tiny_checkpoint, tmp_path / "one" / "seed0")
    models = [f"random:{tmp_path / name}/seed{{seed}}" for name in ("one", "other")]
    folders = [resolve_checkpoint(model, 0, tmp_path / "random") for model in models]
    assert [DareEegConfig.from_pretrained(folder).num_summary_tokens for folder in folders] == [1, 3]
