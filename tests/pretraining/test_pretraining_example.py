"""`dare-eeg pretrain`, and the example script, take recordings and settings to a trained model."""

import json

import pytest

from dare_eeg_hf import DareEegConfig, DareEegFeatureExtractor
from dare_eeg_hf.cli.main import main
from dare_eeg_hf.corpora.loading import load_windows
from dare_eeg_hf.montage import CHANNEL_VOCABULARY
from dare_eeg_hf.recordings.simulation import simulate_recordings
from tests.pretraining.conftest import ROOT


def test_example_takes_a_folder_of_recordings_to_a_model(recordings, tmp_path, tiny_config, example, capsys):
    sizes = {**tiny_config, "patch_size": 64, "window_size": 1024}
    fields = [f"{name}={value}" for name, value in sizes.items()]
    command = [
        "--data",
        str(recordings),
        "--output",
        str(tmp_path / "run"),
        "--set",
        *fields[:-1],
        "--set",
        fields[-1],
    ]
    command += ["--epochs", "1", "--batch-size", "4", "--validation-fraction", "0.3", "--trackers", "--cpu"]
    assert example.main(command) == 0
    assert f"is in {tmp_path / 'run'}" in capsys.readouterr().out
    assert json.loads((tmp_path / "run" / "config.json").read_text())["hidden_size"] == 16
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert {row["split"] for row in rows} == {"train", "validation"}
    assert "recordings" in (tmp_path / "run" / "README.md").read_text()

    assert example.main(command) == 1
    assert "already holds a run" in capsys.readouterr().err
    assert example.main([*command, "--resume"]) == 0


def test_example_offers_the_whole_vocabulary_where_the_montage_has_none_of_the_channels(
    tmp_path, tiny_config, example, capsys
):
    simulate_recordings(tmp_path / "headband", subjects=2, seconds=16, montage=["AF7", "AF8"])
    sizes = {**tiny_config, "patch_size": 64, "window_size": 1024}
    fields = [f"{name}={value}" for name, value in sizes.items()]
    command = ["--data", str(tmp_path / "headband"), "--output", str(tmp_path / "run"), "--max-steps", "1", "--cpu"]
    command += ["--batch-size", "4", "--trackers", "--set", *fields]
    assert example.main(command) == 1
    refusal = capsys.readouterr().err
    assert "corpus recordings (the first in S00" in refusal
    assert "have the channels AF7, AF8, none of which" in refusal
    assert "--set pretraining_channel_names=all" in refusal
    assert example.main([*command, "pretraining_channel_names=all"]) == 0
    montage = json.loads((tmp_path / "run" / "config.json").read_text())["pretraining_channel_names"]
    assert montage == list(CHANNEL_VOCABULARY)


def test_the_command_cuts_recordings_as_the_model_wants_them(recordings, tmp_path, tiny_config):
    channels = [name for name in reversed(CHANNEL_VOCABULARY) if name != "CZ"]
    sizes = {**tiny_config, "patch_size": 32, "sampling_rate": 128, "window_size": 512}
    fields = [f"{name}={value}" for name, value in sizes.items()]
    fields.append(f"channel_names=[{', '.join(channels)}]")
    command = ["--data", str(recordings), "--output", str(tmp_path / "run"), "--set", *fields]
    command += ["--epochs", "1", "--batch-size", "4", "--validation-fraction", "0.3", "--trackers", "--cpu"]
    assert main(["pretrain", *command]) == 0
    extractor = DareEegFeatureExtractor.from_pretrained(tmp_path / "run")
    contract = (extractor.sampling_rate, extractor.patch_size, extractor.window_size, extractor.channel_names)
    assert contract == (128, 32, 512, channels)
    windows = load_windows(tmp_path / "run" / "windows" / recordings.name)
    assert set(windows["sampling_rate"]) == {128.0}
    assert "CZ" not in windows["channel_names"][0]


def test_model_settings_of_another_type_are_an_error_not_a_traceback(recordings, tmp_path, example, capsys):
    command = ["--data", str(recordings), "--output", str(tmp_path / "run"), "--set", "hidden_size=wide"]
    assert example.main(command) == 1
    assert "hidden_size" in capsys.readouterr().err


def test_a_misspelt_model_setting_is_an_error_that_suggests_the_nearest(recordings, tmp_path, example, capsys):
    file = tmp_path / "settings.yaml"
    file.write_text("config:\n  hiden_size: 32\n")
    for wrong in (["--set", "hiden_size=32"], ["--config", str(file)]):
        with pytest.raises(SystemExit):
            example.main(["--data", str(recordings), "--output", str(tmp_path / "run"), *wrong])
        assert "hiden_size (did you mean hidden_size?)" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_flags_go_before_the_file_and_the_file_before_the_defaults(example, tmp_path):
    file = tmp_path / "settings.yaml"
    file.write_text("preset: light\nbatch-size: 5\nseed: 3\ndata: [a/b]\nconfig:\n  masking: {scope: sample}\n")
    command = [
        "--config",
        str(file),
        "--seed",
        "4",
        "--output",
        str(tmp_path),
        "--set",
        "masking.target_probability=0.3",
    ]
    data, arguments = example.parse(command)
    assert data.data == ["a/b"]
    assert (arguments.preset, arguments.batch_size, arguments.seed, arguments.epochs) == ("light", 5, 4, 200)
    assert arguments.config == {"masking": {"scope": "sample", "target_probability": 0.3}}


@pytest.mark.parametrize(
    ("content", "message"),
    [("presett: nano", "presett"), ("- nano", "name: value"), ("epochs: 0", "epochs"), ("seed: x", "seed must be")],
)
def test_mistakes_in_a_file_are_named(example, tmp_path, capsys, content, message):
    file = tmp_path / "settings.yaml"
    file.write_text(content)
    with pytest.raises(SystemExit):
        example.parse(["--config", str(file), "--data", "a/b", "--output", str(tmp_path)])
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("file", sorted((ROOT / "examples" / "configs").glob("*.yaml")), ids=lambda file: file.stem)
def test_settings_files_are_understood(example, file, tmp_path):
    if file.stem == "fsdp2":
        from accelerate.commands.config.config_args import load_config_from_file

        assert load_config_from_file(str(file)).fsdp_config["fsdp_version"] == 2
        return
    _, arguments = example.parse(["--config", str(file), "--data", "a/b", "--output", str(tmp_path)])
    DareEegConfig.from_preset(arguments.preset, **arguments.config)


def test_the_variant_file_changes_what_it_says_and_no_more(example, tmp_path):
    file = ROOT / "examples" / "configs" / "variants.yaml"
    _, arguments = example.parse(["--config", str(file), "--data", "a/b", "--output", str(tmp_path)])
    assert (arguments.preset, arguments.config) == ("base", {"masking": {"scope": "sample"}})
