"""The tracked folders of the sizes are what the code gives, and trained ones are left alone."""

import errno
import json
from pathlib import Path

import pytest
import torch
from huggingface_hub import ModelCard

from dare_eeg_hf import DareEegConfig, DareEegFeatureExtractor, DareEegForPreTraining, DareEegModel
from dare_eeg_hf.configuration_dare_eeg import PRESETS
from dare_eeg_hf.hub import model_folders
from dare_eeg_hf.hub.cards import GENERATED_MARK, REPORTED_BY_PAPER, count_parameters, has_weights, write_model_card
from dare_eeg_hf.hub.model_folders import write_model_folder
from dare_eeg_hf.hub.publishing import AUTO_MAP, CUSTOM_PIPELINES

MODEL_CARDS = Path(__file__).parents[2] / "model_cards"
UNTRAINED = [preset for preset in PRESETS if not has_weights(MODEL_CARDS / f"dare-eeg-{preset}")]
# Parameters of encoder, predictor and reconstructor in millions (METHOD.md, "Sizes").
MILLIONS = {"nano": 0.43, "light": 3.65, "small": 14.48, "base": 19.22, "deep": 76.58}


@pytest.mark.parametrize("preset", UNTRAINED)
def test_the_tracked_folder_of_each_size_is_what_the_code_gives(preset, tmp_path):
    tracked = MODEL_CARDS / f"dare-eeg-{preset}"
    written = write_model_folder(tmp_path, preset)
    assert sorted(path.name for path in tracked.iterdir()) == sorted(path.name for path in written.iterdir())
    for path in written.iterdir():
        again = "python -m dare_eeg_hf.hub.model_folders model_cards"
        assert path.read_bytes() == (tracked / path.name).read_bytes(), f"{path.name} is out of date: {again}"


@pytest.mark.parametrize("preset", UNTRAINED)
def test_the_tracked_folder_of_each_size_describes_that_size(preset):
    folder = MODEL_CARDS / f"dare-eeg-{preset}"
    config = DareEegConfig.from_pretrained(folder)
    for field, value in PRESETS[preset].items():
        assert getattr(config, field) == value
    raw = json.loads((folder / "config.json").read_text())
    assert (raw["auto_map"], raw["custom_pipelines"]) == (AUTO_MAP, CUSTOM_PIPELINES)
    extractor = DareEegFeatureExtractor.from_pretrained(folder)
    assert (extractor.sampling_rate, extractor.patch_size) == (config.sampling_rate, config.patch_size)
    parameters = count_parameters(folder, config)
    counted = sum(parameters[part] for part in ("online_encoder", "predictor", "reconstructor")) / 1e6
    assert round(counted, 2) == MILLIONS[preset]
    card = ModelCard.load(folder / "README.md")
    assert "The weights of this model do not exist yet." in card.text
    assert f"is counted: {MILLIONS[preset]:.2f} M" in card.text
    for _, _, value in REPORTED_BY_PAPER.get(preset, ()):
        assert f"| {value} |" in card.text
        assert "Reported by the paper, not reproduced here" in card.text
    if preset not in REPORTED_BY_PAPER:
        assert "eported by the paper" not in card.text
    assert card.data.eval_results is None


def test_a_run_becomes_a_folder_of_the_repository_and_is_left_alone_afterwards(folder, tmp_path, capsys):
    root = tmp_path / "model_cards"
    arguments = [str(root), "--trained", str(folder), "--name", "dare-eeg-nano"]
    assert model_folders.main(arguments) == 0
    trained = root / "dare-eeg-nano"
    names = {path.name for path in trained.iterdir()}
    assert {"config.json", "model.safetensors", "preprocessor_config.json", "README.md", "metrics.jsonl"} <= names
    assert not any(name.endswith((".py", ".bin")) for name in names)
    assert (trained / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()
    assert "# dare-eeg-nano" in (trained / "README.md").read_text()
    DareEegForPreTraining.from_pretrained(trained)

    own = (trained / "README.md").read_text().replace(GENERATED_MARK, "") + "\nWhat we found.\n"
    (trained / "README.md").write_text(own)
    assert model_folders.main(arguments) == 0
    assert model_folders.main([str(root)]) == 0
    assert (trained / "README.md").read_text() == own
    assert has_weights(trained)
    assert not has_weights(root / "dare-eeg-base")

    (folder / "config.json").unlink()
    capsys.readouterr()
    assert model_folders.main(arguments) == 1
    assert "config.json" in capsys.readouterr().err


def test_an_encoder_alone_is_the_same_encoder_and_keeps_the_run_s_record(folder, tmp_path, capsys):
    root = tmp_path / "model_cards"
    write_model_card(folder, run={"command": "make it"})
    arguments = [str(root), "--trained", str(folder), "--name", "dare-eeg-base", "--encoder-alone"]
    assert model_folders.main(arguments) == 0
    alone = root / "dare-eeg-base"
    encoder, expected = DareEegModel.from_pretrained(alone), DareEegModel.from_pretrained(folder)
    for name, weight in expected.state_dict().items():
        assert torch.equal(weight, encoder.state_dict()[name])
    sizes = [(each / "model.safetensors").stat().st_size for each in (alone, folder)]
    assert sizes[0] < sizes[1] / 2
    assert (alone / "metrics.jsonl").read_bytes() == (folder / "metrics.jsonl").read_bytes()
    card = (alone / "README.md").read_text()
    assert "make it" in card
    assert "This is the encoder alone" in card

    capsys.readouterr()
    assert model_folders.main([str(root), "--trained", str(tmp_path), "--name", "x", "--encoder-alone"]) == 1
    assert "holds no checkpoint" in capsys.readouterr().err


def test_a_full_disk_is_not_called_a_missing_checkpoint(folder, tmp_path, capsys, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(DareEegModel, "save_pretrained", full)
    assert model_folders.main([str(tmp_path), "--trained", str(folder), "--name", "x", "--encoder-alone"]) == 1
    message = capsys.readouterr().err
    assert "No space left on device" in message
    assert "holds no checkpoint" not in message
