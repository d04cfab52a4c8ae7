"""The converter, and parity with the reference's own outputs."""

import json
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoModelForPreTraining

from dare_eeg_hf import DareEegForPreTraining
from dare_eeg_hf.hub.convert import (
    ConversionError,
    convert_checkpoint,
    convert_state_dict,
    main,
    read_reference_checkpoint,
    read_reference_config,
)

FIXTURES = ["nano_58ch_4s", "tiny_4tokens_19ch_4s"]
TOLERANCE = 1e-5


@pytest.fixture(params=FIXTURES)
def fixture(request, shared):
    return shared(f"parity/{request.param}.ckpt").with_suffix("")


def grid(positions, num_channels, num_patches=16):
    mask = torch.zeros(1, num_patches * num_channels, dtype=torch.bool)
    mask[0, positions.flatten()] = True
    return mask.view(1, num_patches, num_channels)


def test_outputs_equal_the_references(fixture, tmp_path):
    convert_checkpoint(f"{fixture}.ckpt", tmp_path, f"{fixture}.json")
    model = AutoModelForPreTraining.from_pretrained(tmp_path).eval()
    expected = load_file(f"{fixture}.safetensors")
    inputs, channel_ids = expected["in.eeg"], expected["in.channel_ids"]
    with torch.no_grad():
        output = model(
            inputs,
            channel_ids,
            context_mask=grid(expected["in.mask_view1"], inputs.shape[1]),
            # The reference's second view mixes time patches within a row, so a grid cannot hold it.
            second_context_mask=expected["in.mask_view2"],
            target_mask=grid(expected["in.mask_targets"], inputs.shape[1]),
        )
        complete = model.online_encoder(inputs, channel_ids).last_hidden_state
        momentum = AutoModel.from_pretrained(tmp_path).eval()(inputs, channel_ids).last_hidden_state
    shape = expected["out.encoder_full"].shape
    order = expected["in.mask_targets"].argsort()
    ours = {
        "out.encoder_full": complete.view(shape),
        "out.anchor_target": output.anchor_features,
        "out.patch_target": output.reconstruction_target,
        "out.reconstruction": output.reconstruction,
        "out.encoder_view1": output.first_view_features,
        "out.encoder_view2": output.second_view_features,
        "out.predictor": output.predictor_features,
        "out.loss_anchor": output.loss_anchor,
        "out.loss_reconstruction": output.loss_reconstruction,
        "out.loss_mask_alignment": output.loss_mask_alignment,
        "out.loss_activation": output.loss_activation,
        "out.loss_total": output.loss,
    }
    for name in ("out.patch_target", "out.reconstruction"):
        expected[name] = expected[name][:, order]
    assert ours.keys() == {name for name in expected if name.startswith("out.")}
    for name, value in ours.items():
        torch.testing.assert_close(
            value, expected[name], atol=TOLERANCE, rtol=0, msg=lambda text, name=name: f"{name}: {text}"
        )
    anchor = torch.nn.functional.layer_norm(momentum.view(shape), shape[-1:])
    torch.testing.assert_close(anchor, expected["out.anchor_target"], atol=TOLERANCE, rtol=0)


def test_a_wrong_head_count_loads_and_is_seen_in_the_outputs(shared, tmp_path):
    """Why parity is checked on outputs: no tensor's shape depends on the number of heads."""
    fixture = shared("parity/nano_58ch_4s.ckpt").with_suffix("")
    description = json.loads(fixture.with_suffix(".json").read_text())
    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps({**description, "num_heads": 8}))
    model, _ = convert_checkpoint(f"{fixture}.ckpt", tmp_path / "out", wrong)
    expected = load_file(f"{fixture}.safetensors")
    output = model.online_encoder(expected["in.eeg"], expected["in.channel_ids"]).last_hidden_state
    assert (output.view_as(expected["out.encoder_full"]) - expected["out.encoder_full"]).abs().max() > 0.01


def reference_state(model):
    """Name a model's weights as the reference does, for tests without its checkpoints."""
    state = {}
    for name, value in model.state_dict().items():
        network, rest = name.split(".", 1)
        network = {"online_encoder": "encoder", "dare_eeg": "target_encoder"}.get(network, network)
        rest = rest.replace("attention.", "attn.")
        if network in ("encoder", "target_encoder"):
            rest = rest.replace("layers.", "blocks.").replace("layernorm.", "norm.")
            rest = rest.replace("embeddings.summary_tokens", "summary_token")
            rest = rest.replace("embeddings.patch_projection", "patch_embed.proj")
            rest = rest.replace("embeddings.channel_embeddings", "chan_embed")
        elif network == "contrastive_projection":
            network, rest = "loss_mc", rest.replace("fc1", "projection_head.0").replace("fc2", "projection_head.2")
        else:
            rest = rest.replace("mask_tokens", "mask_token").replace("channel_embeddings", "chan_embed")
            for part in ("embed.", "proj."):
                rest = f"{network}_{rest}" if rest.startswith(part) else rest
            rest = rest.replace("layernorm.", f"{network}_norm.").replace("layers.", f"{network}_blocks.")
        if rest == "patch_embed.proj.weight":
            value = value[:, None, None]
        elif rest == "summary_token":
            value = value[None]
        elif rest == "mask_token":
            value = value[None, None] if network == "predictor" else value[None]
        state[f"{network}.{rest}"] = value
    return state


@pytest.fixture
def checkpoint(tiny_config, tmp_path):
    """A checkpoint in the reference's layout, its description, and the model it was made from."""
    model = DareEegForPreTraining(tiny_config)
    path, description = tmp_path / "model.ckpt", tmp_path / "model.json"
    torch.save({"state_dict": reference_state(model), "epoch": 3}, path)
    config = tiny_config
    description.write_text(
        json.dumps(
            {
                "embed_dim": config.hidden_size,
                "embed_num": config.num_summary_tokens,
                "depth": [2, 2, 2],
                "num_heads": config.num_attention_heads,
                "time_samples": config.window_size,
                "channel_names": config.pretraining_channel_names,
            }
        )
    )
    return path, description, model


@pytest.fixture
def tiny_config(tiny_config):
    # The reference's description has no field for the projection's widths: they are the published ones.
    tiny_config.contrastive_hidden_size, tiny_config.contrastive_projection_size = 512, 256
    return tiny_config


def test_command_line_converts_and_reports_every_key(checkpoint, tmp_path):
    path, description, model = checkpoint
    command = [sys.executable, "-m", "dare_eeg_hf.hub.convert", str(path), str(tmp_path / "out")]
    done = subprocess.run([*command, "--config", str(description)], capture_output=True, text=True, check=True)
    for name in torch.load(path, weights_only=True)["state_dict"]:
        assert f"{name} -> " in done.stdout
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
    ]
    loaded = AutoModelForPreTraining.from_pretrained(tmp_path / "out")
    for name, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name


def test_a_checkpoint_that_leaves_a_weight_unset_is_refused(checkpoint):
    path, description, _ = checkpoint
    state = read_reference_checkpoint(path)
    del state["predictor.predictor_proj.bias"]
    with pytest.raises(ConversionError, match=r"1 weights unset: predictor\.proj\.bias"):
        convert_state_dict(state, DareEegForPreTraining(read_reference_config(description)))


@pytest.mark.parametrize(
    ("name", "tensor", "message"),
    [
        ("encoder.surprise", torch.zeros(1), "is not an entry of a DARE-EEG checkpoint"),
        ("encoder.blocks.9.norm1.bias", torch.zeros(32), "Wrong JSON"),
        ("encoder.norm.bias", torch.zeros(31), "shape"),
    ],
)
def test_entries_that_do_not_fit_are_refused(checkpoint, name, tensor, message):
    path, description, _ = checkpoint
    state = {**read_reference_checkpoint(path), name: tensor}
    with pytest.raises(ConversionError, match=message):
        convert_state_dict(state, DareEegForPreTraining(read_reference_config(description)))


def test_a_misspelt_field_of_the_description_is_refused(checkpoint, tmp_path):
    _, description, _ = checkpoint
    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps(json.loads(description.read_text()) | {"norm_epss": 1e-5, "tensors": {}}))
    with pytest.raises(ConversionError, match=r"wrong\.json does not know norm_epss \(did you mean norm_eps\?\)"):
        read_reference_config(wrong)


class Explosive:
    """Runs a command when unpickled, as a malicious checkpoint would."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return (open, (self.marker, "w"))


def test_code_in_a_checkpoint_never_runs(tmp_path, capsys):
    marker, path = tmp_path / "ran", tmp_path / "bad.ckpt"
    torch.save({"state_dict": Explosive(str(marker))}, path)
    (tmp_path / "c.json").write_text(
        '{"embed_dim": 64, "embed_num": 1, "depth": [1, 1, 1], "num_heads": 4, "channel_names": ["CZ"]}'
    )
    assert main([str(path), str(tmp_path / "out"), "--config", str(tmp_path / "c.json")]) == 1
    assert "plain tensors" in capsys.readouterr().err
    assert not marker.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "is empty"), (b"<html>", "cannot be read"), (None, "is not a file")],
)
def test_files_that_are_no_checkpoints(tmp_path, content, message):
    path = tmp_path / "x.ckpt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConversionError, match=message):
        read_reference_checkpoint(path)


@pytest.mark.parametrize(("text", "message"), [("{", "not valid JSON"), ('{"embed_dim": 64}', "lacks the field")])
def test_descriptions_that_cannot_be_used(tmp_path, text, message):
    path = tmp_path / "c.json"
    path.write_text(text)
    with pytest.raises(ConversionError, match=message):
        read_reference_config(path)
