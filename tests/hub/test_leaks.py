"""What must not be published is found, and what only looks like it is left alone."""

import pytest
import torch
from datasets import Dataset
from safetensors.torch import save, save_file

from dare_eeg_hf.hub.leaks import find_leaks
from dare_eeg_hf.hub.publishing import PACKAGE_FOLDER, remote_code

# Put together here, so that no scanner of secrets takes this file for a leak.
LEAKS = {
    "a Hugging Face token": "hf_" + "aB3" * 12,
    "an AWS access key": "AKIA" + "ABCD2345" * 2,
    "an AWS secret key": "aws_secret_access_key = " + "aB3/" * 10,
    "a private key": "-----BEGIN OPENSSH " + "PRIVATE KEY-----",
    "a GitHub token": "ghp_" + "a1B2" * 9,
    "a GitLab token": "glpat-" + "x" * 20,
    "an OpenAI or Anthropic key": "sk-ant-" + "a1B2" * 10,
    "a Google API key": "AIza" + "a1B2c" * 7,
    "a Slack token": "xoxb-" + "1234567890",
    "a Weights & Biases key": "WANDB_API_KEY=" + "0a1b" * 10,
    "a password inside an address": "postgres://ada:" + "lovelace@db.example.org/eeg",
}
PATHS = [
    "/home/ada/eeg/S001.edf",
    '"/Users/ada/eeg"',
    "path=/mnt/hospital/ward7",
    "/root/runs/nano",
    "/data/tuab/train",
    "/tmp/abc123",
    r"C:\Users\ada\eeg.edf",
    r"D:\\recordings\\eeg.edf",
    "file:///srv/eeg",
]
HARMLESS = [
    "https://physionet.org/content/eegmmidb/1.0.0/",
    "https://huggingface.co/settings/tokens and HF_TOKEN, hf_hub_download",
    "a path such as runs/nano/config.json or ../data/x.edf",
    "EDF/BDF/GDF, 50/60 Hz, T7/T8, and/or",
    "from_pretrained('org/name', token='hf_...')",
    "sk-learn, AKIA, sha256:" + "0a1b" * 16,
    "~/data/eeg and ./home/data",
    "see https://example.org/home/data/eeg",
    "time 12:30, ratio a:b@c",
]


@pytest.mark.parametrize("what", LEAKS)
def test_secrets_are_found_on_their_line_and_not_repeated(what):
    text = f"first line\nsomething {LEAKS[what]} more\n"
    (leak,) = find_leaks("notes.txt", text.encode())
    assert str(leak).startswith(f"notes.txt:2: {what}")
    assert LEAKS[what] not in str(leak)


@pytest.mark.parametrize("path", PATHS)
def test_absolute_paths_are_found(path):
    (leak,) = find_leaks("config.json", path.encode())
    assert leak.what == "an absolute path of a disk"


@pytest.mark.parametrize("text", HARMLESS)
def test_harmless_text_passes(text):
    assert find_leaks("README.md", text.encode()) == []


def test_metadata_of_weights_is_searched_but_not_the_weights(tmp_path):
    noise = torch.frombuffer(bytearray(b"/home/ada/eeg " * 16), dtype=torch.uint8)
    assert find_leaks("model.safetensors", save({"noise": noise})) == []
    save_file({"noise": noise}, tmp_path / "m.safetensors", {"from": "/home/ada/eeg"})
    (leak,) = find_leaks("m.safetensors", tmp_path / "m.safetensors")
    assert leak.place == "metadata"


def test_text_columns_and_lists_of_parquet_are_searched(tmp_path):
    rows = {
        "recording": ["S1/rec1", "/home/ada/rec2"],
        "notes": [["fine"], ["fine", LEAKS["a GitHub token"]]],
        "signal": [b"/home/ada/eeg", b""],
    }
    Dataset.from_dict(rows).to_parquet(tmp_path / "rows.parquet")
    found = {(leak.place, leak.what) for leak in find_leaks("rows.parquet", tmp_path / "rows.parquet")}
    assert found == {("column recording", "an absolute path of a disk"), ("column notes", "a GitHub token")}


def test_binary_files_without_text_pass(tmp_path):
    assert find_leaks("image.png", b"\x89PNG\r\n\x1a\n\0\0/home/ada/x") == []


def test_the_code_that_travels_gives_nothing_away():
    handler = (PACKAGE_FOLDER / "hub" / "handler.py").read_bytes()
    for name, content in {**remote_code(), "handler.py": handler}.items():
        assert find_leaks(name, content) == []
