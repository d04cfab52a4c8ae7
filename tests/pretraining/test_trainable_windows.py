"""What cannot be trained on is said before the first step, with the corpus, the recording and the channels."""

import re

import pytest
import torch
from datasets import concatenate_datasets

from dare_eeg_hf import DareEegConfig
from dare_eeg_hf.pretraining.model_inputs import model_inputs
from dare_eeg_hf.pretraining.pretraining import PretrainingArguments, pretrain
from dare_eeg_hf.pretraining.trainable_windows import check_trainable

FRONTAL = ("AF7", "AF8")


@pytest.fixture
def arguments(common_arguments):
    defaults = {"max_steps": 2, "invariance_windows": 0}
    return lambda **changes: PretrainingArguments(**{**common_arguments, **defaults, **changes})


@pytest.fixture
def started(monkeypatch):
    """Steps that were begun."""
    from dare_eeg_hf.pretraining import pretraining

    steps, take_step = [], pretraining.take_step
    monkeypatch.setattr(pretraining, "take_step", lambda run, batches: (steps.append(1), take_step(run, batches)))
    return steps


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("where", ["training", "a mixture", "validation"])
def test_a_montage_outside_that_of_pretraining_is_named_before_training(
    arguments, windows, started, tiny_config, where, streamed
):
    outside = windows(8, seed=1, channels=FRONTAL)
    outside = outside.to_iterable_dataset() if streamed else outside
    data = {"training": ([outside], None), "a mixture": ([windows(8), outside], None)}.get(
        where, ([windows(8)], outside)
    )
    with pytest.raises(
        ValueError, match=r"corpus noise \(the first in recording 1\) .*AF7, AF8.*names=all"
    ) as refusal:
        pretrain(arguments(), *data)
    assert not started
    # What the message offers is what helps.
    [setting] = re.findall(r"--set (\S+=all)", str(refusal.value))
    name, value = setting.split("=")
    assert pretrain(arguments(config={**tiny_config, name: value}), *data).step == 2


def test_channels_that_are_left_out_are_told_once(arguments, windows, tiny_config, capsys):
    data = windows(8, channels=("C3", "CZ", *FRONTAL))
    pretrain(arguments(), data)
    assert capsys.readouterr().out.count("noise: AF7, AF8 of its channels are not in the pre-training montage") == 1
    whole = {**tiny_config, "pretraining_channel_names": "all"}
    pretrain(arguments(output_dir=arguments().output_dir / "all", config=whole), data)
    assert "left out" not in capsys.readouterr().out


@pytest.mark.parametrize("scope", ["batch", "sample"])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_window_of_one_patch_and_one_channel_is_named_before_training(
    arguments, windows, started, tiny_config, scope, streamed
):
    small = windows(8, seed=4, channels=("OZ",))
    config = {**tiny_config, "masking": {"scope": scope}, "patch_size": 128}
    data = [windows(8), small.to_iterable_dataset() if streamed else small]
    with pytest.raises(
        ValueError, match=r"corpus noise \(the first in recording 4\) \(channels OZ\): .*two patches.*longer windows"
    ):
        pretrain(arguments(config=config), data)
    with pytest.raises(ValueError, match=r"recording 4.*two patches.* Raise crop_patches"):
        pretrain(arguments(config={**tiny_config, "masking": {"scope": scope}}, crop_patches=1), data)
    assert not started
    assert pretrain(arguments(config={**tiny_config, "masking": {"scope": scope}}, crop_patches=2), data).step == 2


def test_windows_of_another_rate_or_of_unknown_channels_are_named(windows, tiny_config):
    with pytest.raises(
        ValueError, match=r"corpus noise \(the first in recording 0\) are stored at 256 Hz.* works at 200 Hz"
    ):
        check_trainable([windows(8)], DareEegConfig(**tiny_config, sampling_rate=200))
    few = DareEegConfig(**tiny_config, channel_names=["C3", "C4"])
    with pytest.raises(ValueError, match=r"recording 2\) have channels outside the model's vocabulary: OZ"):
        check_trainable([windows(8, channels=("C3",)), windows(8, seed=2, channels=("C4", "OZ"))], few)


def test_every_montage_of_a_data_set_is_looked_at_and_a_selection_only_for_its_own_rows(windows, tiny_config):
    mixed = concatenate_datasets([windows(8), windows(8, seed=1, channels=FRONTAL)])
    config = DareEegConfig(**tiny_config)
    with pytest.raises(ValueError, match=r"8 windows of the corpus noise \(the first in recording 1\)"):
        check_trainable([mixed.shuffle(seed=0)], config)
    assert check_trainable([mixed.select(range(8))], config) == []
    assert check_trainable([mixed.select([])], config) == []


def test_a_window_that_a_stream_holds_too_late_to_be_looked_at_is_named_by_its_channels(tiny_config):
    config = DareEegConfig(**tiny_config)
    ids = torch.tensor([config.get_channel_ids(["AF7", "AF8"])])
    batch = {
        "input_values": torch.zeros(1, 2, 128),
        "channel_ids": ids,
        "channel_mask": torch.ones(1, 2, dtype=torch.bool),
        "patch_mask": torch.ones(1, 8, dtype=torch.bool),
    }
    with pytest.raises(ValueError, match=r"channels AF7, AF8 has none of .*pretraining_channel_names=all"):
        model_inputs(batch, config)
