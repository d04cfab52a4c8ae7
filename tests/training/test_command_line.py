"""Settings from defaults, files and flags."""

import argparse

import pytest

from dare_eeg_hf.training.command_line import layer_settings


def test_flags_go_before_the_file_and_the_file_before_defaults(tmp_path):
    file = tmp_path / "settings.yaml"
    file.write_text("batch_size: 8\nlearning_rate: 0.01\nseed: 3\n")
    defaults = {"preset": "nano", "batch_size": 64, "max_steps": 300, "seed": 0}
    options = argparse.Namespace(preset=None, batch_size=None, max_steps=0, seed=5, output="runs")
    known = {"preset", "batch_size", "max_steps", "seed", "learning_rate"}
    expected = {"preset": "nano", "batch_size": 8, "max_steps": 0, "seed": 5, "learning_rate": 0.01}
    assert layer_settings(defaults, file, options, known) == expected
    assert layer_settings(defaults, None, options, known) == {**defaults, "max_steps": 0, "seed": 5}
    with pytest.raises(ValueError, match="learning_rate"):
        layer_settings(defaults, file, options, known - {"learning_rate"})
