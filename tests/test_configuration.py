"""DareEegConfig: presets, round trips, and what a wrong value says."""

import ast
import json
from dataclasses import fields
from pathlib import Path

import pytest
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig, AutoModel

from dare_eeg_hf import DareEegConfig, DareEegForPreTraining, DareEegModel
from dare_eeg_hf.configuration_dare_eeg import PRESETS
from dare_eeg_hf.mask_settings_dare_eeg import MaskSettings
from dare_eeg_hf.montage import CHANNEL_VOCABULARY, PRETRAINING_CHANNELS


def test_vocabulary_is_the_published_one():
    assert len(CHANNEL_VOCABULARY) == 62
    assert len(PRETRAINING_CHANNELS) == 58
    assert set(CHANNEL_VOCABULARY) - set(PRETRAINING_CHANNELS) == {"AF7", "AF8", "PO5", "PO6"}


# Parameters of encoder, predictor and reconstructor as published, in millions; the reference's reconstructor and ours
# are the same modules, so nothing but rounding may differ.
@pytest.mark.parametrize(
    ("name", "millions"), [("nano", 0.43), ("light", 3.65), ("small", 14.48), ("base", 19.22), ("deep", 76.58)]
)
def test_presets_have_the_published_sizes(name, millions):
    import torch

    with torch.device("meta"):
        model = DareEegForPreTraining(DareEegConfig.from_preset(name))
    parts = (model.online_encoder, model.predictor, model.reconstructor)
    total = sum(parameter.numel() for part in parts for parameter in part.parameters())
    assert total / 1e6 == pytest.approx(millions, abs=0.006)


def test_unknown_preset_names_the_known_ones():
    with pytest.raises(ValueError, match="nano, light, small, base, deep"):
        DareEegConfig.from_preset("huge")


@pytest.mark.parametrize("preset", PRESETS)
def test_round_trip_through_json(preset, tmp_path):
    config = DareEegConfig.from_preset(preset, masking={"scope": "sample"}, id2label={0: "open", 1: "closed"})
    config.save_pretrained(tmp_path)
    loaded = AutoConfig.from_pretrained(tmp_path)
    assert {**loaded.to_dict(), "_name_or_path": ""} == config.to_dict()
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] == "dare_eeg"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"hidden_size": 250}, "multiple of num_attention_heads"),
        ({"hidden_size": 24}, "head size.*multiple of 4"),
        ({"hidden_size": 0}, "hidden_size must be a positive number"),
        ({"hidden_size": "wide"}, "hidden_size"),
        ({"window_size": 1000}, "nearest are 960 and 1024"),
        ({"pretraining_channel_names": ["CZ", "XX"]}, "XX, which the channel vocabulary lacks"),
        ({"channel_names": ["CZ", "CZ"]}, "CZ more than once"),
        ({"masking": {"scope": "window"}}, "scope must be one of batch, sample"),
        ({"masking": {"visible_channel_ratio": 0}}, "above 0"),
        ({"anchor_loss_weight": -1}, "must not be negative"),
        ({"contrastive_temperature": 0}, "contrastive_temperature must be a positive number"),
        ({"use_spatial_projection": True}, "projection need electrode_names"),
        ({"electrode_names": ["E1", "E2"]}, "use_spatial_projection=True"),
        ({"spectral_kernel_size": 16}, "must be odd"),
        ({"spatial_projection_channels": [0]}, "must be positive"),
        ({"probe_dropout": 1.0}, "below 1"),
    ],
)
def test_a_wrong_value_says_which_and_why(fields, message):
    with pytest.raises(StrictDataclassError, match=message):
        DareEegConfig(**fields)


def test_overrides_are_validated_together_when_loading(tmp_path):
    DareEegConfig().save_pretrained(tmp_path)
    config = DareEegConfig.from_pretrained(tmp_path, electrode_names=["E1", "E2"], use_spatial_projection=True)
    assert len(config.projected_channel_names) == 19
    with pytest.raises(StrictDataclassError, match="vocabulary"):
        DareEegConfig.from_pretrained(tmp_path, electrode_names=["E1", "E2"])


def test_a_model_refuses_a_config_that_was_broken_later():
    config = DareEegConfig.from_preset("nano")
    config.num_attention_heads = 5
    with pytest.raises(StrictDataclassError, match="multiple of num_attention_heads"):
        DareEegForPreTraining(config)


def test_channel_ids_follow_the_vocabulary():
    config = DareEegConfig()
    assert config.get_channel_ids(["O2", "FP1"]) == [61, 0]
    with pytest.raises(ValueError, match="FOO"):
        config.get_channel_ids(["FOO"])


def test_electrodes_of_the_vocabulary_are_their_own_positions():
    config = DareEegConfig(electrode_names=["C3", "C4"])
    assert config.num_patches == 16
    assert config.projected_channel_names == ["C3", "C4"]


def test_masks_are_changed_one_by_one_and_held_whole(tmp_path):
    config = DareEegConfig(masking={"scope": "sample", "visible_channel_ratio": 0.3})
    assert config.mask_settings == MaskSettings(scope="sample", visible_channel_ratio=0.3)
    assert set(config.masking) == {field.name for field in fields(MaskSettings)}
    config.save_pretrained(tmp_path)
    changed = AutoConfig.from_pretrained(tmp_path, masking={"scope": "batch"})
    assert changed.mask_settings == MaskSettings(visible_channel_ratio=0.3)
    with pytest.raises(TypeError, match=r"masking does not know scop \(did you mean scope\?\)"):
        DareEegConfig(masking={"scop": "sample"})


def test_the_pretraining_montage_can_be_the_whole_vocabulary(tmp_path):
    config = DareEegConfig(pretraining_channel_names="all")
    assert config.pretraining_channel_names == config.channel_names
    config.save_pretrained(tmp_path)
    assert DareEegConfig.from_pretrained(tmp_path).pretraining_channel_names == config.channel_names
    few = DareEegConfig(channel_names=["C3", "AF7"], pretraining_channel_names="all")
    assert few.pretraining_channel_names == ["C3", "AF7"]
    with pytest.raises(ValueError, match="a list of names or \"all\", not 'AF7'"):
        DareEegConfig(pretraining_channel_names="AF7")


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("hiden_size", "hidden_size"), ("temperature", "contrastive_temperature"), ("id2labels", "id2label")],
)
def test_an_unknown_name_is_an_error_that_suggests_the_nearest(name, nearest):
    for make in (DareEegConfig, lambda **fields: DareEegConfig.from_preset("nano", **fields)):
        with pytest.raises(TypeError, match=f"does not know {name} .did you mean {nearest}"):
            make(**{name: 1})


def test_a_misspelt_override_is_refused_when_loading(tmp_path):
    DareEegModel(DareEegConfig.from_preset("nano")).save_pretrained(tmp_path)
    for load in (DareEegConfig.from_pretrained, AutoConfig.from_pretrained, AutoModel.from_pretrained):
        with pytest.raises(ValueError, match=r"patch_sise \(did you mean patch_size\?\)"):
            load(tmp_path, patch_sise=32)
    _, unused = AutoConfig.from_pretrained(tmp_path, device_map="cpu", return_unused_kwargs=True)
    assert unused == {"device_map": "cpu"}


def test_what_transformers_gives_and_stores_is_no_unknown_name(tmp_path):
    """The common arguments of configurations, everything a file of the repository holds, and a round trip."""
    common = {"return_dict": False, "output_hidden_states": True, "output_attentions": True, "torch_dtype": "float16"}
    common |= {"architectures": ["DareEegModel"], "num_labels": 3, "problem_type": "regression", "auto_map": {}}
    common |= {"_name_or_path": "org/name", "attn_implementation": "eager", "chunk_size_feed_forward": 5}
    config = DareEegConfig(**common)
    assert (config.num_labels, config.output_attentions, str(config.dtype)) == (3, True, "torch.float16")
    assert DareEegConfig(**config.to_dict()).to_dict() == config.to_dict()
    for folder in (Path(__file__).resolve().parents[1] / "model_cards").iterdir():
        assert AutoConfig.from_pretrained(folder).model_type == "dare_eeg"


def test_names_of_another_version_are_kept_and_told(tmp_path, caplog):
    DareEegConfig().save_pretrained(tmp_path)
    fields = json.loads((tmp_path / "config.json").read_text()) | {"hiden_size": 32, "from_the_future": 1}
    (tmp_path / "config.json").write_text(json.dumps(fields))
    config = DareEegConfig.from_pretrained(tmp_path)
    assert (config.hidden_size, config.from_the_future) == (256, 1)
    assert "hiden_size (did you mean hidden_size?), from_the_future" in caplog.text


def test_classes_that_share_a_label_are_refused():
    message = "'rest' is the label of classes 0, 2. Give each class its own label"
    with pytest.raises(StrictDataclassError, match=message):
        DareEegConfig(id2label={0: "rest", 1: "task", 2: "rest"})
    config = DareEegConfig(num_labels=2)
    with pytest.raises(StrictDataclassError, match="'rest' is the label of classes 0, 1"):
        config.id2label = {0: "rest", 1: "rest"}


def test_shared_labels_of_a_checkpoint_are_told_apart(tmp_path, caplog):
    DareEegConfig(num_labels=3).save_pretrained(tmp_path)
    fields = json.loads((tmp_path / "config.json").read_text())
    fields |= {"id2label": {"0": "rest", "1": "task", "2": "rest"}, "label2id": {"rest": 2, "task": 1}}
    (tmp_path / "config.json").write_text(json.dumps(fields))
    config = AutoConfig.from_pretrained(tmp_path)
    assert config.id2label == {0: "rest (0)", 1: "task", 2: "rest (2)"}
    assert config.label2id == {"rest (0)": 0, "task": 1, "rest (2)": 2}
    assert "Several classes share a label" in caplog.text
    assert AutoConfig.from_pretrained(tmp_path, id2label={0: "a", 1: "b", 2: "c"}).id2label[2] == "c"


def attributes_read(*names: str) -> set[str]:
    """Attributes that some travelling files read, such as `hidden_size` of `config.hidden_size`."""
    package = Path(__file__).resolve().parents[1] / "dare_eeg_hf"
    trees = [ast.parse((package / f"{name}.py").read_text()) for name in names]
    return {node.attr for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


def test_fields_are_about_the_model_and_each_has_a_reader():
    own = set(DareEegConfig.__annotations__)
    assert len(own) <= 42
    read = attributes_read("modeling_dare_eeg", "masking_dare_eeg", "feature_extraction_dare_eeg")
    # Labels are counted (`num_labels`) and masks are read as settings.
    stands_for = {"id2label": "num_labels", "masking": "mask_settings"}
    assert sorted(name for name in own if stands_for.get(name, name) not in read) == []
    settings = {field.name for field in fields(MaskSettings)}
    assert sorted(settings - attributes_read("masking_dare_eeg")) == []
