"""Settings from defaults, files and flags."""

import argparse

import pytest

from dare_eeg_hf.command_line import fit_to_fields, layer_settings, merge_settings, parse_assignments, read_yaml
from dare_eeg_hf.pretraining.arguments import PretrainingArguments


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


def test_numbers_with_an_exponent_are_numbers(tmp_path):
    file = tmp_path / "settings.yaml"
    file.write_text("learning_rate: 5e-4\nweight_decay: 1.5E-6\nname: 5e-4x\n")
    assert read_yaml(file, {"learning_rate", "weight_decay", "name"}) == {
        "learning_rate": 5e-4,
        "weight_decay": 1.5e-6,
        "name": "5e-4x",
    }
    assert parse_assignments(["activation_loss_weight=1e-3"]) == {"activation_loss_weight": 1e-3}


def test_a_dot_leads_into_a_field():
    given = ["masking.scope=sample", "hidden_size=32", "masking.visible-channel-ratio=0.3"]
    assert parse_assignments(given) == {
        "masking": {"scope": "sample", "visible_channel_ratio": 0.3},
        "hidden_size": 32,
    }
    below = {"hidden_size": 64, "masking": {"scope": "batch", "target_probability": 0.1}}
    assert merge_settings(below, parse_assignments(given)) == {
        "hidden_size": 32,
        "masking": {"scope": "sample", "visible_channel_ratio": 0.3, "target_probability": 0.1},
    }


def test_settings_fit_their_fields():
    settings = {"mixed_precision": False, "max_gradient_norm": "none", "compile": "none", "learning_rate": 1}
    assert fit_to_fields(PretrainingArguments, {**settings, "data": ["a"], "trackers": []}) == {
        "mixed_precision": "no",
        "max_gradient_norm": None,
        "compile": "none",
        "learning_rate": 1,
        "data": ["a"],
        "trackers": [],
    }


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"max_steps": 2.5}, "max_steps must be a whole number, not 2.5"),
        ({"learning_rate": "fast"}, "learning_rate must be a number, not 'fast'"),
        ({"batch_size": True}, "batch_size must be a whole number, not True"),
        ({"resume": "maybe"}, "resume must be true or false, not 'maybe'"),
        ({"learning_rate": None}, "learning_rate must be a number, not None"),
    ],
)
def test_settings_of_another_type_are_named(setting, message):
    with pytest.raises(ValueError, match=message):
        fit_to_fields(PretrainingArguments, setting)


def test_unknown_settings_of_a_file_suggest_the_nearest(tmp_path):
    file = tmp_path / "settings.yaml"
    file.write_text("bach_size: 8\n")
    with pytest.raises(ValueError, match=r"bach_size \(did you mean batch_size\?\)"):
        read_yaml(file, {"batch_size", "seed"})
