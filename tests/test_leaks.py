"""What must not be published is found, and what only looks like it is left alone."""

import tracemalloc

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from datasets import Dataset
from safetensors.torch import save, save_file

from dare_eeg_hf.hub.publishing import PACKAGE_FOLDER, remote_code
from dare_eeg_hf.leaks import find_leaks

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
    "C:/Users/ada/eeg.edf",
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
        "signal_dtype": ["float16", "float16"],
    }
    Dataset.from_dict(rows).to_parquet(tmp_path / "rows.parquet")
    found = {(leak.place, leak.what) for leak in find_leaks("rows.parquet", tmp_path / "rows.parquet")}
    assert found == {("column recording", "an absolute path of a disk"), ("column notes", "a GitHub token")}


LEAK = "/home/ada/ward7/S001.edf"
ARRAYS = {
    "categorical": pa.array(["fine", LEAK, "fine"]).dictionary_encode(),
    "categorical whose value no row has": pa.DictionaryArray.from_arrays([0, 0], ["fine", LEAK]),
    "struct": pa.array([{"a": {"path": "fine"}}, {"a": {"path": LEAK}}]),
    "nested lists": pa.array([[["fine"], []], [["fine", LEAK]]]),
    "large lists": pa.array([["fine"], [LEAK]], pa.large_list(pa.large_string())),
    "lists of structs": pa.array([[{"path": LEAK}], []]),
    "keys of maps": pa.array([[(LEAK, 1)], []], pa.map_(pa.string(), pa.int64())),
    "values of maps": pa.array([[("a", LEAK)], []], pa.map_(pa.string(), pa.string())),
    "large text": pa.array(["fine", LEAK], pa.large_string()),
    "text as bytes": pa.array([b"fine", LEAK.encode()]),
    "large bytes": pa.array([b"fine", LEAK.encode()], pa.large_binary()),
    "bytes of a fixed size": pa.array([LEAK.encode()], pa.binary(len(LEAK))),
    "UTF-16 as bytes": pa.array([b"fine", LEAK.encode("utf-16-le")]),
}


@pytest.mark.parametrize("form", ["parquet", "arrow file", "arrow stream"])
@pytest.mark.parametrize("kind", ARRAYS)
def test_texts_of_columns_are_found_however_they_are_stored(kind, form, tmp_path):
    table = pa.table({"notes": ARRAYS[kind], "number": range(len(ARRAYS[kind]))})
    path = tmp_path / ("rows.parquet" if form == "parquet" else "rows.arrow")
    if form == "parquet":
        pq.write_table(table, path)
    else:
        make = pa.ipc.new_file if form == "arrow file" else pa.ipc.new_stream
        with make(str(path), table.schema) as writer:
            writer.write_table(table)
    for content in (path, path.read_bytes()):
        (leak,) = find_leaks(path.name, content)
        assert (leak.place, leak.what) == ("column notes", "an absolute path of a disk")


@pytest.mark.parametrize(
    ("table", "place"),
    [
        (pa.table({LEAK: [1]}), "column name"),
        (pa.table({"a": pa.array([{LEAK: 1}])}), "column name"),
        (pa.table({"a": [1]}).replace_schema_metadata({"made from": LEAK}), "metadata"),
        (pa.table({"a": [1]}).replace_schema_metadata({LEAK: "made from"}), "metadata"),
        (pa.table([[1]], schema=pa.schema([pa.field("a", pa.int64(), metadata={"from": LEAK})])), "metadata"),
    ],
)
def test_names_and_metadata_of_columns_are_searched(table, place, tmp_path):
    pq.write_table(table, tmp_path / "rows.parquet")
    assert find_leaks("rows.parquet", tmp_path / "rows.parquet")[0].place == place


@pytest.mark.parametrize("name", ["x.parquet", "x.arrow", "x.feather"])
@pytest.mark.parametrize("before", [b"", b"PAR1", b"ARROW1\0\0"])
def test_what_is_only_called_a_table_is_searched_as_it_is(name, before):
    (leak,) = find_leaks(name, before + LEAK.encode("utf-16-le"))
    assert leak.what == "an absolute path of a disk"
    assert find_leaks(name, before) == []


def test_names_of_tensors_are_searched():
    (leak,) = find_leaks("m.safetensors", save({LEAK: torch.zeros(1)}))
    assert leak.place == "metadata"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("before", [b"", b"x", b"\x00\x01\x02", b"plain text first " * 400])
@pytest.mark.parametrize("what", ["a Hugging Face token", "an AWS access key", "a private key", "a path"])
def test_utf16_is_found_in_any_file(encoding, before, what):
    secret = LEAKS.get(what, LEAK)
    for text in (secret, f"first line\nsomething {secret} more\n"):
        content = before + text.encode(encoding)
        (leak,) = find_leaks("notes.bin", content)
        assert leak.what == ("an absolute path of a disk" if what == "a path" else what)
        assert what == "a path" or secret not in str(leak)


def test_letters_beyond_ascii_do_not_hide_utf16():
    for encoding in ("utf-16", "utf-16-le", "utf-16-be"):
        (leak,) = find_leaks("notes.txt", "C:\\Users\\Jörg Łukasz\\eeg\\x.edf".encode(encoding))
        assert leak.what == "an absolute path of a disk"
    assert find_leaks("notes.txt", "日本語のみ".encode("utf-16")) == []


def test_a_leak_across_pieces_of_a_large_file_is_found_on_its_line():
    for size in (1 << 22, (1 << 22) - 10):
        lines = (b"x" * 99 + b"\n") * (size // 100)
        content = lines + b"y" * (size - len(lines) - 4) + b" " + LEAK.encode() + b"\nend"
        (leak,) = find_leaks("log.txt", content)
        assert leak.place == str(size // 100 + 1)
        assert LEAK.startswith(leak.excerpt)
        (leak,) = find_leaks("log.bin", b"\0" * size + LEAK.encode("utf-16-le") + b"\0" * size)
        assert leak.excerpt == LEAK


def test_numbers_are_searched_a_piece_at_a_time(tmp_path):
    path = tmp_path / "weights.bin"
    np.random.default_rng(0).normal(0, 0.02, 12_000_000).astype("f4").tofile(path)
    tracemalloc.start()
    assert find_leaks("weights.bin", path) == []
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40e6


def test_small_integers_are_no_text():
    for seed in range(3):
        assert (
            find_leaks("counts.bin", np.random.default_rng(seed).integers(0, 200, 2_000_000).astype("u2").tobytes())
            == []
        )


def test_of_very_many_findings_the_first_are_told():
    assert len(find_leaks("log.txt", (LEAK + "\n").encode() * 5000)) == 100


def test_binary_files_without_text_pass(tmp_path):
    assert find_leaks("image.png", b"\x89PNG\r\n\x1a\n\0\0/home/ada/x") == []


def test_the_code_that_travels_gives_nothing_away():
    handler = (PACKAGE_FOLDER / "hub" / "handler.py").read_bytes()
    for name, content in {**remote_code(), "handler.py": handler}.items():
        assert find_leaks(name, content) == []
