"""Publishing to the loopback Hub: what goes up and what is refused."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from huggingface_hub import ModelCard
from safetensors.torch import load, save_file

import dare_eeg_hf
from dare_eeg_hf.hub.cards import GENERATED_MARK, write_model_card
from dare_eeg_hf.hub.publishing import main, publish_dataset, publish_model, publish_space
from dare_eeg_hf.hub.transfer import PublishingError
from tests.hub.conftest import REPO

PACKAGE = Path(dare_eeg_hf.__file__).parent
REMOTE_CODE = {"argument_names.py", "montage.py", "onednn_linear.py"} | {
    path.name for path in PACKAGE.glob("*_dare_eeg.py")
}


@pytest.fixture
def run_folder(tiny_run, tmp_path):
    """A copy of the run that a test may spoil."""
    return shutil.copytree(tiny_run, tmp_path / "run")


def test_a_dry_run_lists_files_and_sizes_and_asks_nothing_of_the_hub(hub_server, api, tiny_run):
    before = sorted(path.name for path in tiny_run.iterdir())
    publication = publish_model(tiny_run, REPO, dry_run=True, api=api)
    assert publication.sizes["model.safetensors"] == (tiny_run / "model.safetensors").stat().st_size
    assert "would be uploaded to the private model repository" in str(publication)
    assert "model.safetensors" in str(publication)
    assert hub_server.log == []
    assert sorted(path.name for path in tiny_run.iterdir()) == before


def test_a_model_repository_is_complete_private_and_tagged(hub_server, api, tiny_run):
    publication = publish_model(tiny_run, REPO, tag="v1", api=api)
    repository = hub_server.repository(REPO)
    assert repository.private
    assert repository.tags == {"v1": publication.commit}
    files = repository.files("v1")
    assert set(files) == {
        *REMOTE_CODE,
        "README.md",
        "config.json",
        "handler.py",
        "metrics.jsonl",
        "model.safetensors",
        "preprocessor_config.json",
        "requirements.txt",
        "training_curve.png",
    }
    assert set(load(files["model.safetensors"].content)) == set(load((tiny_run / "model.safetensors").read_bytes()))
    config = json.loads(files["config.json"].content)
    for head in ("AutoConfig", "AutoModel", "AutoModelForPreTraining", "AutoModelForSequenceClassification"):
        module, name = config["auto_map"][head].split(".")
        assert f"class {name}(" in files[f"{module}.py"].content.decode()
    for pipeline in config["custom_pipelines"].values():
        module, name = pipeline["impl"].split(".")
        assert f"class {name}(" in files[f"{module}.py"].content.decode()
    card = ModelCard(files["README.md"].content.decode())
    assert card.data.pipeline_tag == "feature-extraction"
    assert REPO in card.text
    assert files["training_curve.png"].content.startswith(b"\x89PNG")


def test_the_same_again_uploads_nothing_and_a_taken_tag_is_refused(hub_server, api, tiny_run):
    first = publish_model(tiny_run, REPO, tag="v1", api=api)
    uploads = len(hub_server.uploads)
    again = publish_model(tiny_run, REPO, tag="v1.1", api=api)
    assert again.commit == first.commit
    assert len(hub_server.uploads) == uploads
    with pytest.raises(PublishingError, match="has a version v1 already"):
        publish_model(tiny_run, REPO, tag="v1", api=api)


def test_shards_of_an_earlier_version_disappear(hub_server, api, tiny_run, sharded_folder):
    publish_model(sharded_folder, REPO, tag="v1", api=api)
    publish_model(tiny_run, REPO, tag="v2", api=api)
    repository = hub_server.repository(REPO)
    assert "model.safetensors.index.json" in repository.files("v1")
    weights = {name for name in repository.files("v2") if "safetensors" in name}
    assert weights == {"model.safetensors"}


def test_a_public_repository_must_be_meant(hub_server, api, tiny_run):
    publish_model(tiny_run, REPO, private=False, api=api)
    assert not hub_server.repository(REPO).private
    with pytest.raises(PublishingError, match="is public already"):
        publish_model(tiny_run, REPO, api=api)


def test_a_card_that_somebody_edited_is_kept(hub_server, api, run_folder):
    card = write_model_card(run_folder, run={"name": "Tiny"})
    edited = card.read_text().replace(GENERATED_MARK, "") + "\nMore from me.\n"
    card.write_text(edited)
    publish_model(run_folder, REPO, api=api)
    assert hub_server.repository(REPO).files()["README.md"].content.decode() == edited


def test_images_that_an_edited_card_shows_go_with_it(hub_server, api, run_folder):
    for name in ("invariance.png", "private.png"):
        (run_folder / name).write_bytes(b"\x89PNG\r\n\x1a\n")
    (run_folder / "README.md").write_text("# Mine\n\n![Views](invariance.png) ![Gone](gone.png) ![Up](../up.png)\n")
    publish_model(run_folder, REPO, api=api)
    images = {name for name in hub_server.repository(REPO).files() if name.endswith(".png")}
    assert images - {"training_curve.png"} == {"invariance.png"}


@pytest.mark.parametrize("missing", ["config.json", "preprocessor_config.json", "model.safetensors"])
def test_an_incomplete_folder_is_refused(api, run_folder, missing):
    (run_folder / missing).unlink()
    with pytest.raises(PublishingError, match=f"has no {missing}"):
        publish_model(run_folder, REPO, dry_run=True, api=api)


def test_shards_must_lie_in_the_folder(api, sharded_folder):
    index = sharded_folder / "model.safetensors.index.json"
    text = index.read_text()
    index.write_text(text.replace("model-00001", "../../model-00001"))
    with pytest.raises(PublishingError, match="which is not in"):
        publish_model(sharded_folder, REPO, dry_run=True, api=api)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "last.ckpt", "state.PT", "windows.npy"])
def test_pickles_are_refused_by_name(api, run_folder, name):
    torch.save({}, run_folder / name)
    with pytest.raises(PublishingError, match=rf"{name} may be a pickle"):
        publish_model(run_folder, REPO, dry_run=True, api=api)


def test_what_gives_something_away_is_refused_with_file_and_line(hub_server, api, run_folder):
    secret = "hf_" + "a1B2" * 9
    (run_folder / "metrics.jsonl").write_text('{"step": 1, "loss": 1}\n{"step": 2, "token": "' + secret + '"}\n')
    with pytest.raises(PublishingError, match=r"metrics\.jsonl:2: a Hugging Face token") as error:
        publish_model(run_folder, REPO, api=api)
    assert secret not in str(error.value)
    assert hub_server.log == []


def test_absolute_paths_in_weights_are_refused(api, run_folder):
    save_file({"x": torch.zeros(1)}, run_folder / "model.safetensors", {"source": "/home/ada/eeg/run"})
    with pytest.raises(PublishingError, match=r"model\.safetensors:metadata: an absolute path"):
        publish_model(run_folder, REPO, dry_run=True, api=api)


def test_the_command_prints_what_it_did_and_fails_with_one_sentence(hub_server, tiny_run, tmp_path, capsys):
    environment = hub_server.environment(tmp_path / "home")
    command = [sys.executable, "-m", "dare_eeg_hf.hub.publishing", str(tiny_run), REPO, "--tag", "v1", "--public"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert f"uploaded to the public model repository {hub_server.url}/{REPO} as v1" in done.stdout
    assert "hf_loopback" not in done.stdout + done.stderr
    assert main([str(tmp_path), REPO, "--dry-run"]) == 1
    assert capsys.readouterr().err.startswith("error: ")


@pytest.fixture
def dataset_folder(tmp_path):
    datasets = pytest.importorskip("datasets")
    folder = tmp_path / "corpus"
    (folder / "data").mkdir(parents=True)
    rows = {"subject": ["S1", "S1", "S2"], "onset": [0.0, 4.0, 0.0], "signal": [b"\0\1", b"\2\3", b"\4\5"]}
    datasets.Dataset.from_dict(rows).to_parquet(folder / "data" / "train-00000-of-00001.parquet")
    (folder / "README.md").write_text("---\nlicense: odc-by\n---\n# Corpus\n")
    (folder / ".build").mkdir()
    (folder / ".build" / "state.json").write_text("{}")
    return folder


def test_a_data_set_is_published_and_read_in_a_fresh_process(hub_server, api, dataset_folder, run_python):
    publication = publish_dataset(dataset_folder, "org/corpus", tag="v1", api=api)
    assert set(publication.sizes) == {"README.md", "data/train-00000-of-00001.parquet"}
    assert hub_server.repository("org/corpus", "dataset").private
    done = run_python(
        "from datasets import load_dataset\n"
        "rows = load_dataset('org/corpus', split='train', revision='v1')\n"
        "streamed = list(load_dataset('org/corpus', split='train', streaming=True))\n"
        "assert rows.to_list() == streamed\n"
        "print([row['subject'] for row in streamed])"
    )
    assert done.stdout.splitlines()[-1:] == ["['S1', 'S1', 'S2']"], done.stderr
    offline = run_python(
        "from datasets import load_dataset\nprint(len(load_dataset('org/corpus', split='train', revision='v1')))",
        HF_HUB_OFFLINE="1",
    )
    assert offline.stdout.splitlines()[-1:] == ["3"], offline.stderr


def test_a_data_set_with_paths_in_its_rows_is_refused(api, dataset_folder):
    datasets = pytest.importorskip("datasets")
    rows = datasets.Dataset.from_dict({"recording": ["/mnt/hospital/patient 7/eeg.edf"], "signal": [b"\0"]})
    rows.to_parquet(dataset_folder / "data" / "test-00000-of-00001.parquet")
    with pytest.raises(PublishingError, match=r"test-00000-of-00001\.parquet:column recording: an absolute path"):
        publish_dataset(dataset_folder, "org/corpus", dry_run=True, api=api)


def test_a_data_set_needs_a_card_with_a_licence(api, dataset_folder):
    (dataset_folder / "README.md").write_text("# Corpus\n")
    with pytest.raises(PublishingError, match="does not state `license`"):
        publish_dataset(dataset_folder, "org/corpus", dry_run=True, api=api)
    (dataset_folder / "README.md").unlink()
    with pytest.raises(PublishingError, match=r"has no README\.md"):
        publish_dataset(dataset_folder, "org/corpus", dry_run=True, api=api)


def test_links_out_of_the_folder_are_refused(api, dataset_folder, tmp_path):
    (tmp_path / "elsewhere.txt").write_text("not yours")
    (dataset_folder / "notes.txt").symlink_to(tmp_path / "elsewhere.txt")
    with pytest.raises(PublishingError, match="link to a file outside"):
        publish_dataset(dataset_folder, "org/corpus", dry_run=True, api=api)


def test_a_folder_without_data_is_no_data_set(api, tmp_path):
    with pytest.raises(PublishingError, match="has no Parquet file"):
        publish_dataset(tmp_path, "org/corpus", dry_run=True, api=api)


def test_the_space_brings_the_code_it_runs(hub_server, api, run_python):
    publication = publish_space("org/demo", model="org/classifier", api=api)
    repository = hub_server.repository("org/demo", "space")
    assert repository.private
    assert repository.variables == {"DARE_EEG_MODEL": "org/classifier"}
    files = repository.files()
    assert (
        {"app.py", "README.md", "requirements.txt", "dare_eeg_hf/__init__.py"} <= set(files) == set(publication.sizes)
    )
    assert b"gradio" in files["requirements.txt"].content
    assert b"dare-eeg" not in files["requirements.txt"].content
    code = """
import os, sys
from huggingface_hub import snapshot_download
folder = snapshot_download("org/demo", repo_type="space")
os.chdir(folder)
sys.path.insert(0, folder)
import app, dare_eeg_hf
assert os.path.dirname(os.path.dirname(dare_eeg_hf.__file__)) == folder, dare_eeg_hf.__file__
print("STARTS")
"""
    done = run_python(code)
    assert "STARTS" in done.stdout, done.stdout + done.stderr
