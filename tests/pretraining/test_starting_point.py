"""Where training starts: weights of an earlier run, and what does not fit them."""

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoFeatureExtractor, AutoModel

from dare_eeg_hf import DareEegConfig, DareEegFeatureExtractor
from dare_eeg_hf.mask_settings_dare_eeg import MaskSettings
from dare_eeg_hf.pretraining.arguments import PretrainingArguments
from dare_eeg_hf.pretraining.checkpointing import PretrainingError
from dare_eeg_hf.pretraining.run import pretrain
from tests.pretraining.conftest import run


def test_another_model_is_not_taken_for_the_interrupted_one(arguments, windows, tiny_config):
    pretrain(PretrainingArguments(**arguments(max_steps=2)), windows(16))
    changed = {**tiny_config, "masking": {"visible_channel_ratio": 0.25}}
    with pytest.raises(PretrainingError, match=r"masking\.visible_channel_ratio is 0\.4 there and 0\.25 here"):
        pretrain(PretrainingArguments(**arguments(max_steps=4, config=changed, resume=True)), windows(16))


def test_goes_on_from_the_weights_of_an_earlier_run(arguments, windows, tmp_path):
    first = run(arguments(max_steps=3), windows(24))
    changes = {"mask_alignment_loss_weight": 0.5, "masking": {"scope": "sample"}}
    second = arguments(
        max_steps=2,
        output_dir=tmp_path / "second",
        initial_model=str(first.output_dir),
        config=changes,
        train_contrastive_projection=False,
    )
    run({**second, "learning_rate": 1e-12}, windows(24))
    config = DareEegConfig.from_pretrained(tmp_path / "second")
    assert config.mask_alignment_loss_weight == 0.5
    assert config.mask_settings == MaskSettings(visible_channel_ratio=0.4, scope="sample"), "the rest as it was"
    before, after = (load_file(folder / "model.safetensors") for folder in (first.output_dir, tmp_path / "second"))
    trained = [name for name in before if not name.startswith("dare_eeg.")]  # the momentum encoder moves anyway
    assert all(torch.allclose(before[name], after[name], atol=1e-6) for name in trained)
    frozen = [name for name in before if name.startswith("contrastive_projection")]
    assert frozen
    assert all(torch.equal(before[name], after[name]) for name in frozen)

    with pytest.raises(ValueError, match="num_attention_heads cannot be set for existing weights"):
        run({**second, "output_dir": tmp_path / "third", "config": {"num_attention_heads": 1}}, windows(24))
    with pytest.raises(ValueError, match="patch_initializer_range cannot be set for existing weights"):
        run({**second, "output_dir": tmp_path / "third", "patch_initializer_range": 0.5}, windows(24))


def test_an_encoder_alone_is_no_place_to_go_on_from(arguments, windows, tmp_path):
    first = run(arguments(max_steps=2), windows(24)).output_dir
    AutoModel.from_pretrained(first).save_pretrained(tmp_path / "encoder")
    AutoFeatureExtractor.from_pretrained(first).save_pretrained(tmp_path / "encoder")
    with pytest.raises(ValueError, match=r"is not a complete pre-training checkpoint .*predictor"):
        run(arguments(output_dir=tmp_path / "second", config={}, initial_model=str(tmp_path / "encoder")), windows(24))


def test_a_signal_contract_that_the_model_does_not_share_is_refused(arguments, windows):
    with pytest.raises(ValueError, match="differ in patch_size"):
        run(arguments(), windows(24), None, DareEegFeatureExtractor())
