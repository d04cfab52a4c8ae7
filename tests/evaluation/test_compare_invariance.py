"""Mask invariance of several pre-trained models on the same windows."""

import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

from dare_eeg_hf.corpora.windows import windows_table
from dare_eeg_hf.evaluation.compare_invariance import main

CHANNELS = ("FP1", "F3", "FZ", "F4", "C3", "CZ", "C4", "P3", "PZ", "P4")


@pytest.fixture
def data(tmp_path):
    """Twelve windows, each with a rhythm of its own on all channels, so that its views are alike."""
    time = np.arange(1024) / 256
    rhythms = np.sin(2 * np.pi * np.linspace(3, 40, 12)[:, None, None] * time)
    weights = np.random.default_rng(0).standard_normal((1, len(CHANNELS), 1))
    table = windows_table(
        0.02 * rhythms * weights,
        channel_names=CHANNELS,
        onsets=np.arange(12) * 4.0,
        subject="S1",
        recording="R1",
        corpus="rhythms",
    )
    (tmp_path / "data").mkdir()
    pq.write_table(table, tmp_path / "data" / "train.parquet")
    return tmp_path / "data"


def test_table_figure_and_numbers_of_every_model_and_seed(data, tiny_checkpoint, tmp_path, capsys):
    for seed in (0, 1):
        shutil.copytree(tiny_checkpoint, tmp_path / "first" / f"seed{seed}")
    shutil.copytree(tiny_checkpoint, tmp_path / "second")
    output = tmp_path / "out"
    models = [str(tmp_path / "first" / "seed{seed}"), str(tmp_path / "second")]
    arguments = ["--data", str(data), "--models", *models, "--windows", "10", "--seeds", "0", "1"]
    assert main([*arguments, "--output", str(output)]) == 0
    assert "guessing retrieves 0.1000" in capsys.readouterr().out
    results = json.loads((output / "invariance.json").read_text())
    assert {model: len(seeds) for model, seeds in results.items()} == {"first": 2, "second": 2}
    assert results["first"] == results["second"], "equal weights, seeds and windows"
    assert results["first"][0] != results["first"][1], "seeds draw masks"
    point = results["first"][0]["invariance"][-1]
    assert point["similarity"] > point["other_windows_similarity"]
    assert 0 <= point["retrieval_accuracy"] <= 1
    assert (output / "invariance.png").stat().st_size > 5000
    assert (output / "invariance.md").read_text().count("| first |") == 5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"--windows": "13"}, "12 windows, fewer than the 13"),
        ({"--data": "/nowhere"}, "neither a folder"),
        ({"--models": "/nowhere"}, "nowhere"),
    ],
)
def test_mistakes_end_in_one_line(data, tiny_checkpoint, tmp_path, capsys, changes, message):
    options = {"--data": str(data), "--models": tiny_checkpoint, "--windows": "8", "--output": str(tmp_path)}
    assert main([text for pair in (options | changes).items() for text in pair]) == 2
    assert message in capsys.readouterr().err
