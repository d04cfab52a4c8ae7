"""Configurations of earlier versions: their files are read, and whoever names an old field is told where it went."""

import json

import pytest
import torch
from transformers import AutoConfig, AutoModel

from dare_eeg_hf import DareEegConfig, DareEegForPreTraining, DareEegForSequenceClassification
from dare_eeg_hf.mask_settings_dare_eeg import MaskSettings
from dare_eeg_hf.pretraining.pretraining import PretrainingArguments
from dare_eeg_hf.removed_fields_dare_eeg import REMOVED_FIELDS

ELECTRODES = ["C3", "CZ", "C4"]
MASKS = {
    "patch_drop_probability": 0.25,
    "visible_channel_ratio": 0.4,
    "target_probability": 0.3,
    "mask_scope": "sample",
    "min_view_overlap": 0.1,
    "max_view_overlap": 0.9,
    "second_view_patches": "same",
}
OF_TRAINING = {
    "patch_initializer_range": 2.0,
    "train_contrastive_projection": False,
    "gather_negatives": False,
    "momentum_start": 0.99,
    "momentum_end": 0.999,
    "freeze_encoder": False,
    "label_smoothing": 0.1,
}
CONSTANT = {
    "electrode_sampling_rate": 256,
    "spatial_max_norm": 1.0,
    "spectral_max_norm": 1.0,
    "probe_max_norm": 1.0,
    "classifier_max_norm": 0.25,
}
KEPT = {
    "hidden_size": 32,
    "num_summary_tokens": 2,
    "num_hidden_layers": 2,
    "predictor_num_hidden_layers": 1,
    "reconstructor_num_hidden_layers": 1,
    "num_attention_heads": 4,
    "mlp_ratio": 2.0,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-5,
    "initializer_range": 0.1,
    "rotary_theta": 1000.0,
    "rotary_interpolation_factor": 1.0,
    "patch_size": 32,
    "sampling_rate": 256,
    "window_size": 256,
    "channel_names": ["FZ", *ELECTRODES, "PZ", "OZ"],
    "pretraining_channel_names": ["FZ", *ELECTRODES, "PZ", "OZ"],
    "use_anchor_alignment": True,
    "normalize_targets": False,
    "use_skip_connection": False,
    "use_mask_alignment": True,
    "reconstruction_loss_weight": 2.0,
    "anchor_loss_weight": 0.5,
    "mask_alignment_loss_weight": 0.2,
    "activation_loss_weight": 1e-3,
    "contrastive_temperature": 0.2,
    "contrastive_hidden_size": 16,
    "contrastive_projection_size": 8,
    "electrode_names": ELECTRODES,
    "projected_channel_names": ["FZ", "PZ"],
    "use_spatial_projection": True,
    "use_spectral_projection": True,
    "spatial_projection_channels": [5],
    "spectral_kernel_size": 9,
    "probe_hidden_size": 8,
    "normalize_probe_features": True,
    "probe_dropout": 0.2,
}
OLD = KEPT | MASKS | OF_TRAINING | CONSTANT
"""Every field that configurations had before training's choices became arguments."""


def write_old_config(folder, **changes):
    """Give the `config.json` of a saved model the fields of an earlier version."""
    file = folder / "config.json"
    stored = json.loads(file.read_text())
    stored.pop("masking")
    file.write_text(json.dumps(stored | OLD | changes))


def current_config():
    masking = {"scope" if name == "mask_scope" else name: value for name, value in MASKS.items()}
    return DareEegConfig(**KEPT, masking=masking)


def test_the_old_fields_are_all_there():
    assert len(OLD) == 56
    assert set(OLD) == set(KEPT) | set(REMOVED_FIELDS)
    assert set(KEPT) | {"masking", "id2label", "statistics_stride", "use_power_maps", "spectrum_loss_weight"} == set(
        DareEegConfig.__annotations__
    )


def test_an_old_file_gives_the_same_outputs(tmp_path, caplog):
    torch.manual_seed(0)
    config = current_config()
    windows, ids = 0.02 * torch.randn(4, 6, 256), torch.arange(6)
    pretrainer, classifier = DareEegForPreTraining(config), DareEegForSequenceClassification(config)
    for name, model in (("pretrainer", pretrainer), ("classifier", classifier)):
        model.eval().save_pretrained(tmp_path / name)
        write_old_config(tmp_path / name)

    loaded = DareEegForPreTraining.from_pretrained(tmp_path / "pretrainer").eval()
    assert loaded.config.mask_settings == config.mask_settings
    expected, found = (
        model(windows, ids, generator=torch.Generator().manual_seed(3)) for model in (pretrainer, loaded)
    )
    for name, value in expected.items():
        assert torch.equal(value, found[name]), name
    encoder = AutoModel.from_pretrained(tmp_path / "pretrainer").eval()
    assert torch.equal(encoder(windows, ids).pooler_output, pretrainer.dare_eeg(windows, ids).pooler_output)
    loaded = DareEegForSequenceClassification.from_pretrained(tmp_path / "classifier").eval()
    assert torch.equal(loaded(windows[:, :3]).logits, classifier(windows[:, :3]).logits)
    assert "does not know" not in caplog.text


def test_an_old_file_is_saved_in_todays_fields(tmp_path):
    current_config().save_pretrained(tmp_path)
    write_old_config(tmp_path)
    AutoConfig.from_pretrained(tmp_path).save_pretrained(tmp_path / "again")
    assert not set(json.loads((tmp_path / "again" / "config.json").read_text())) & set(REMOVED_FIELDS)
    again = AutoConfig.from_pretrained(tmp_path / "again")
    assert again.mask_settings == MaskSettings(0.25, 0.4, 0.3, "sample", 0.1, 0.9, "same")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"electrode_sampling_rate": 200}, "adapted to windows of 200 Hz.*adapt the pre-trained checkpoint again"),
        ({"classifier_max_norm": 0.5}, "classifier_max_norm = 0.5; .* the published 0.25"),
    ],
    ids=["another rate", "another norm"],
)
def test_a_file_that_would_be_computed_wrongly_is_refused(tmp_path, change, message):
    current_config().save_pretrained(tmp_path)
    write_old_config(tmp_path, **change)
    with pytest.raises(ValueError, match=message):
        AutoConfig.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("momentum_start", "is an argument of pre-training: --momentum-start"),
        ("gather_negatives", "is an argument of pre-training: --gather-negatives"),
        ("label_smoothing", "is an argument of fine-tuning: --label-smoothing"),
        ("freeze_encoder", "is a method of the classifier: model.freeze_encoder"),
        ("mask_scope", "is part of masking: --set masking.scope=..."),
        ("electrode_sampling_rate", "was removed: windows are resampled"),
        ("spatial_max_norm", "is a constant now, the published 1"),
    ],
)
def test_who_names_an_old_field_is_told_where_it_went(name, where, tmp_path):
    current_config().save_pretrained(tmp_path)
    ways = [
        DareEegConfig,
        lambda **fields: DareEegConfig.from_preset("nano", **fields),
        lambda **fields: AutoConfig.from_pretrained(tmp_path, **fields),
        lambda **fields: PretrainingArguments("run", config=fields),
    ]
    for make in ways:
        with pytest.raises(TypeError, match=f"{name} {where}"):
            make(**{name: OLD[name]})


def test_the_arguments_that_are_named_instead_of_fields_are_there():
    arguments = PretrainingArguments("run")
    named = [name for name, where in REMOVED_FIELDS.items() if "PretrainingArguments" in where]
    assert len(named) == 5
    assert all(hasattr(arguments, name) for name in named)
    for name, value in (("momentum_start", 1.5), ("momentum_end", -0.1), ("patch_initializer_range", 0.0)):
        with pytest.raises(ValueError, match=name):
            PretrainingArguments("run", **{name: value})
