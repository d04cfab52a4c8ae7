"""Loading from the Hub in fresh processes with empty caches, with and without the package, and when it goes wrong."""

import json
import shutil

import pytest
import torch
from huggingface_hub import HfApi
from transformers.dynamic_module_utils import get_imports

from dare_eeg_hf import (
    DareEegConfig,
    DareEegFeatureExtractor,
    DareEegForPreTraining,
    DareEegForSequenceClassification,
    DareEegModel,
)
from dare_eeg_hf.hub.publishing import PACKAGE_FOLDER, collect_model, publish_model, remote_code
from dare_eeg_hf.hub.transfer import DownloadError, download_checkpoint

BACKBONE, CLASSIFIER = "org/backbone", "org/classifier"

INPUTS = """
import json, os, torch
torch.manual_seed(7)
inputs = {"input_values": torch.randn(2, 3, 256) * 0.02, "channel_ids": torch.tensor([[28, 30, 32]] * 2)}
"""

# Nobody has consented yet, and nobody answers a question.
TRY_WITHOUT_CONSENT = """
import sys
from transformers import AutoFeatureExtractor, AutoModel, pipeline
for load in (
    lambda: AutoModel.from_pretrained(BACKBONE),
    lambda: AutoModel.from_pretrained(BACKBONE, trust_remote_code=False),
    lambda: AutoFeatureExtractor.from_pretrained(BACKBONE, trust_remote_code=False),
    lambda: pipeline("eeg-classification", model=CLASSIFIER, trust_remote_code=False),
):
    try:
        load()
    except ValueError as error:
        assert "trust_remote_code" in str(error), error
    else:
        raise SystemExit("loaded without consent")
assert not [name for name in sys.modules if name.startswith("transformers_modules.org")]
print("REFUSED")
"""

# What every head gives for the same input, as numbers that another process can compare.
LOAD_EVERY_HEAD = """
from transformers import AutoConfig, AutoFeatureExtractor, AutoModel, AutoModelForPreTraining
from transformers import AutoModelForSequenceClassification, pipeline
answers = {}
with torch.no_grad():
    answers["features"] = AutoModel.from_pretrained(BACKBONE, **options)(**inputs).pooler_output.tolist()
    encoder = AutoModel.from_pretrained(CLASSIFIER, **options)
    answers["features of a classifier"] = encoder(**inputs).pooler_output.tolist()
    model = AutoModelForSequenceClassification.from_pretrained(CLASSIFIER, **options).eval()
    window = {"input_values": torch.ones(1, 3, model.config.window_size).cumsum(-1) * 1e-5,
              "channel_ids": inputs["channel_ids"][:1]}
    answers["logits"] = model(**window).logits.tolist()
pretraining = AutoModelForPreTraining.from_pretrained(BACKBONE, **options)
answers["weights"] = sum(p.double().abs().sum().item() for p in pretraining.parameters())
extractor = AutoFeatureExtractor.from_pretrained(BACKBONE, **options)
answers["contract"] = [extractor.sampling_rate, extractor.unit, extractor.reference]
signal = {"signal": (torch.sin(torch.arange(1024) / 9) * 2e1).repeat(3, 1).numpy() * [[1], [2], [3]],
          "channel_names": ["C3", "CZ", "C4"], "sampling_rate": 256, "unit": "uV"}
windows = pipeline("eeg-classification", model=CLASSIFIER, **options)(signal)
answers["pipeline"] = [windows[0]["label"], round(windows[0]["score"], 4)]
pipeline("eeg-feature-extraction", model=BACKBONE, **options)(signal)
answers["module"] = type(model).__module__.split(".")[0]
print("ANSWERS" + json.dumps(answers))
"""
WITH_PACKAGE = f"{INPUTS}\nBACKBONE, CLASSIFIER = {BACKBONE!r}, {CLASSIFIER!r}\nimport dare_eeg_hf\noptions = {{}}\n"
WITHOUT_PACKAGE = (
    f"{INPUTS}\nBACKBONE, CLASSIFIER = {BACKBONE!r}, {CLASSIFIER!r}\n"
    "try:\n    import dare_eeg_hf\nexcept ModuleNotFoundError:\n    pass\nelse:\n    raise SystemExit('not blocked')\n"
    "options = {'trust_remote_code': True}\n"
)


LOAD_STATISTICS = """
model = AutoModelForSequenceClassification.from_pretrained("statistics", **options).eval()
assert type(model).__module__.startswith("transformers_modules"), type(model).__module__
with torch.no_grad():
    torch.save(model(**torch.load("inputs.pt")).logits, "logits.pt")
"""


def answers_of(process) -> dict:
    lines = [line for line in process.stdout.splitlines() if line.startswith("ANSWERS")]
    assert lines, process.stdout + process.stderr
    return json.loads(lines[0].removeprefix("ANSWERS"))


@pytest.fixture
def published(api, tiny_run, tiny_classifier):
    publish_model(tiny_run, BACKBONE, tag="v1", api=api)
    publish_model(tiny_classifier, CLASSIFIER, tag="v1", api=api)


@pytest.fixture
def logits_of_statistics(tmp_path):
    """What a classifier of statistics gives; it is put where the processes run, as it would be published."""
    torch.manual_seed(0)
    config = DareEegConfig.from_preset("nano", statistics_stride=16, use_power_maps=True, window_size=256)
    model = DareEegForSequenceClassification(config).eval()
    model.save_pretrained(tmp_path / "trained")
    DareEegFeatureExtractor(window_size=256).save_pretrained(tmp_path / "trained")
    (tmp_path / "statistics").mkdir()
    for name, content in collect_model(tmp_path / "trained", "org/statistics").items():
        target = tmp_path / "statistics" / name
        target.write_bytes(content if isinstance(content, bytes) else content.read_bytes())
    values = 0.02 * torch.randn(2, 3, 640, generator=torch.Generator().manual_seed(0))
    torch.save({"input_values": values, "channel_ids": torch.arange(3)}, tmp_path / "inputs.pt")
    with torch.no_grad():
        return model(values, torch.arange(3)).logits


def assert_same_numbers(one: dict, other: dict) -> None:
    assert one.keys() == other.keys()
    for name in one.keys() - {"module"}:
        if isinstance(one[name][0] if isinstance(one[name], list) else one[name], str | int):
            assert one[name] == other[name], name
        else:
            torch.testing.assert_close(torch.tensor(one[name]), torch.tensor(other[name]), msg=name)


def test_every_head_loads_with_the_package_without_it_and_offline(
    published, logits_of_statistics, run_python, tiny_run, tmp_path, hub_server
):
    """So does a classifier of statistics, with LoRA's default targets, from a folder as it would be published."""
    with_package = answers_of(run_python(WITH_PACKAGE + LOAD_EVERY_HEAD, home="a"))
    process = run_python(WITHOUT_PACKAGE + TRY_WITHOUT_CONSENT + LOAD_EVERY_HEAD, home="b", package=False)
    assert "REFUSED" in process.stdout, process.stderr
    without = answers_of(process)
    assert (with_package["module"], without["module"]) == ("dare_eeg_hf", "transformers_modules")
    assert_same_numbers(with_package, without)
    scope: dict = {}
    exec(INPUTS, scope)
    with torch.no_grad():
        features = DareEegModel.from_pretrained(tiny_run)(**scope["inputs"]).pooler_output
    torch.testing.assert_close(torch.tensor(with_package["features"]), features)

    requests = len(hub_server.log)
    code = WITHOUT_PACKAGE + LOAD_EVERY_HEAD + LOAD_STATISTICS
    offline = run_python(code, home="b", package=False, HF_HUB_OFFLINE="1")
    assert offline.returncode == 0, offline.stderr
    assert_same_numbers(answers_of(offline), without)
    torch.testing.assert_close(torch.load(tmp_path / "logits.pt"), logits_of_statistics)
    assert len(hub_server.log) == requests


def test_revisions_dtypes_devices_and_heads(published, api, tiny_classifier, run_python, tmp_path):
    changed = shutil.copytree(tiny_classifier, tmp_path / "changed")
    model = DareEegForSequenceClassification.from_pretrained(changed)
    torch.nn.init.constant_(next(model.probe.parameters()), 0.25)
    model.save_pretrained(changed)
    publish_model(changed, CLASSIFIER, tag="v2", api=api)
    code = """
import torch, dare_eeg_hf
from transformers import AutoModel, AutoModelForSequenceClassification
def first(revision):
    model = AutoModelForSequenceClassification.from_pretrained("org/classifier", revision=revision)
    return next(model.probe.parameters())
assert not torch.equal(first("v1"), first("v2"))
assert torch.equal(first("main"), first("v2"))
half = AutoModel.from_pretrained("org/backbone", dtype=torch.bfloat16, device_map="cpu")
assert half.dtype == torch.bfloat16 and half.device.type == "cpu"
backbone = AutoModel.from_pretrained("org/backbone")
head, info = AutoModelForSequenceClassification.from_pretrained("org/backbone", num_labels=5, output_loading_info=True)
assert head.config.num_labels == 5
assert all(torch.equal(a, b) for a, b in zip(backbone.parameters(), head.dare_eeg.parameters(), strict=True))
assert all(key.startswith(("probe.", "adapter.")) for key in info["missing_keys"]), info
print("LOADED")
"""
    done = run_python(code)
    assert "LOADED" in done.stdout, done.stdout + done.stderr


def test_new_weights_under_the_same_id_are_noticed(api, tiny_run, tmp_path, run_python):
    """By the digest that tells a benchmark whether it has to compute again."""
    digest = """
from pathlib import Path
from dare_eeg_hf.checkpoints import digest_of_weights
print("DIGEST", digest_of_weights(Path("org/changing")))
"""
    publish_model(tiny_run, "org/changing", api=api)
    first, again = run_python(digest + digest).stdout.splitlines(keepends=True)
    assert first == again
    assert first.strip() == f"DIGEST org/changing@{api.model_info('org/changing').sha}"
    changed = shutil.copytree(tiny_run, tmp_path / "changed")
    model = DareEegForPreTraining.from_pretrained(changed)
    torch.nn.init.constant_(next(model.parameters()), 0.25)
    model.save_pretrained(changed)
    publish_model(changed, "org/changing", api=api)
    assert run_python(digest, HF_HUB_OFFLINE="1").stdout == first, "without a connection loading takes what is cached"
    newer = run_python(digest).stdout
    assert newer.startswith("DIGEST org/changing@")
    assert newer != first


def test_sharded_weights_load(api, tiny_run, tmp_path):
    folder = tmp_path / "sharded"
    whole = DareEegForPreTraining.from_pretrained(tiny_run)
    whole.save_pretrained(folder, max_shard_size="20kB")
    shutil.copy(tiny_run / "preprocessor_config.json", folder)
    publish_model(folder, "org/sharded", api=api)
    arrived = download_checkpoint("org/sharded", cache_dir=tmp_path / "cache", api=api)
    assert len(list(arrived.glob("*.safetensors"))) > 2
    loaded = DareEegForPreTraining.from_pretrained(arrived)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), loaded.parameters(), strict=True))


@pytest.fixture
def pickled(api, tiny_run, tmp_path):
    """A repository with nothing but a pickle for weights."""
    folder = tmp_path / "pickled"
    folder.mkdir()
    shutil.copy(tiny_run / "config.json", folder)
    torch.save(DareEegModel.from_pretrained(tiny_run).state_dict(), folder / "pytorch_model.bin")
    api.create_repo("org/pickled")
    api.upload_folder(repo_id="org/pickled", folder_path=folder)
    return folder


def test_a_damaged_file_is_found_and_fetched_again(published, api, hub_server, tmp_path):
    hub_server.faults.corrupt = {"model.safetensors"}
    with pytest.raises(DownloadError, match=r"model\.safetensors of org/backbone arrived damaged"):
        download_checkpoint(BACKBONE, cache_dir=tmp_path, api=api)
    hub_server.faults.corrupt = set()
    folder = download_checkpoint(BACKBONE, cache_dir=tmp_path, api=api)
    assert (folder / "model.safetensors").read_bytes() == hub_server.repository(BACKBONE).files()[
        "model.safetensors"
    ].content


@pytest.mark.parametrize("fault", ["truncate", "shorten"])
def test_a_truncated_download_ends_in_a_sentence(published, api, hub_server, tmp_path, monkeypatch, fault):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    setattr(hub_server.faults, fault, {"model.safetensors"})
    with pytest.raises(DownloadError, match=r"arrived incomplete|broke off"):
        download_checkpoint(BACKBONE, cache_dir=tmp_path, api=api)
    assert not list(tmp_path.rglob("*.incomplete"))
    setattr(hub_server.faults, fault, set())
    assert (download_checkpoint(BACKBONE, cache_dir=tmp_path, api=api) / "model.safetensors").is_file()


def test_what_is_not_there_is_named(published, api, hub_server, tmp_path):
    with pytest.raises(DownloadError, match="no repository org/nothing"):
        download_checkpoint("org/nothing", cache_dir=tmp_path, api=api)
    with pytest.raises(DownloadError, match="not the revision"):
        download_checkpoint(BACKBONE, revision="v9", cache_dir=tmp_path, api=api)
    hub_server.revoked_tokens.add("hf_old")
    with pytest.raises(DownloadError, match="revoked"):
        download_checkpoint(BACKBONE, cache_dir=tmp_path, api=HfApi(endpoint=hub_server.url, token="hf_old"))


def test_from_pretrained_reads_no_pickle_and_says_what_is_wrong(published, pickled, api, hub_server, run_python):
    """The errors of Transformers itself, which most people will meet."""
    hub_server.revoked_tokens.add("hf_old")
    hub_server.faults.shorten = {"model.safetensors"}
    code = """
import sys, torch, dare_eeg_hf
from transformers import AutoModel
def load(*args, **kwargs):
    raise SystemExit("a pickle was read")
torch.load = load
for where in ("org/pickled", sys.argv[1]):
    for options in ({}, {"use_safetensors": False}, {"use_safetensors": True}):
        try:
            AutoModel.from_pretrained(where, **options)
        except (OSError, ValueError) as error:
            assert "safetensors" in str(error), error
        else:
            raise SystemExit("loaded")
for repo, options in (
    ("org/nothing", {}),
    ("org/backbone", {"revision": "v9"}),
    ("org/backbone", {"token": "hf_old"}),
    ("org/backbone", {}),
):
    try:
        AutoModel.from_pretrained(repo, **options)
    except Exception as error:
        print(type(error).__name__, " ".join(str(error).split()))
    else:
        print("loaded")
"""
    done = run_python(code, str(pickled))
    assert len(done.stdout.splitlines()) == 4, done.stdout + done.stderr
    missing, revision, token, truncated = done.stdout.splitlines()
    assert "not a valid model identifier" in missing
    assert "v9 is not a valid git identifier" in revision
    assert "Invalid credentials" in token or "401" in token
    assert "Consistency check failed" in truncated
    assert not any(path.endswith("pytorch_model.bin") and "/cdn/" in path for _, path, _ in hub_server.log)
    with pytest.raises(DownloadError, match=r"no safetensors weights \(it has .*pytorch_model\.bin"):
        download_checkpoint("org/pickled", api=api)


def test_the_travelling_files_import_only_what_everybody_has():
    for name in remote_code():
        third_party = set(get_imports(PACKAGE_FOLDER / name))
        assert not third_party & {"mne", "scipy", "pandas", "matplotlib", "datasets", "dare_eeg_hf"}, name
