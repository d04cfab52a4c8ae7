"""Checkpoints that are published in milliseconds, a client of the loopback Hub, and fresh processes to load in."""

import json
import shutil
import subprocess
import sys

import pytest
import torch
from huggingface_hub import HfApi

from dare_eeg_hf import (
    DareEegConfig,
    DareEegFeatureExtractor,
    DareEegForPreTraining,
    DareEegForSequenceClassification,
    DareEegModel,
)

REPO = "org/dare-eeg-tiny"

TINY = {
    "hidden_size": 16,
    "num_summary_tokens": 2,
    "num_hidden_layers": 1,
    "predictor_num_hidden_layers": 1,
    "reconstructor_num_hidden_layers": 1,
    "num_attention_heads": 2,
    "contrastive_hidden_size": 8,
    "contrastive_projection_size": 8,
}

# Python imports a module of this name at its start: the process cannot import the package afterwards.
BLOCKER = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "dare_eeg_hf":
            raise ModuleNotFoundError(f"{name} is blocked", name=name)

sys.meta_path.insert(0, Blocker())
"""


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory):
    """What a pre-training run leaves behind, with random weights, its log, and a checkpoint state full of pickles."""
    folder = tmp_path_factory.mktemp("run")
    torch.manual_seed(0)
    DareEegForPreTraining(DareEegConfig(**TINY)).save_pretrained(folder)
    DareEegFeatureExtractor().save_pretrained(folder)
    rows = [
        {"step": step, "split": split, "loss": 1.0 / (step + 1), "loss_anchor": 0.5}
        for step in range(0, 50, 10)
        for split in ("train", "validation")
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "checkpoints").mkdir()
    torch.save({"step": 40}, folder / "checkpoints" / "optimizer.bin")
    return folder


@pytest.fixture(scope="session")
def tiny_classifier(tmp_path_factory):
    """A fine-tuned classifier's folder, with random weights."""
    folder = tmp_path_factory.mktemp("classifier")
    torch.manual_seed(1)
    config = DareEegConfig(**TINY, id2label={0: "left", 1: "right"}, label2id={"left": 0, "right": 1})
    DareEegForSequenceClassification(config).save_pretrained(folder)
    DareEegFeatureExtractor().save_pretrained(folder)
    return folder


@pytest.fixture
def api(hub_server):
    """The real client, in this process."""
    return HfApi(endpoint=hub_server.url, token="hf_loopback")


@pytest.fixture
def run_python(hub_server, tmp_path):
    """`run_python(code, *arguments, home=, package=True, **environment)` in a fresh process beside the loopback Hub.

    It returns the completed process. `package=False` makes `import dare_eeg_hf` fail there.
    """
    blocker = tmp_path / "blocker"
    blocker.mkdir()
    (blocker / "sitecustomize.py").write_text(BLOCKER)

    def run(code, *arguments, home="home", package=True, **environment):
        environment = hub_server.environment(tmp_path / home, OMP_NUM_THREADS="1", **environment)
        if not package:
            environment["PYTHONPATH"] = str(blocker)
        return subprocess.run(
            [sys.executable, "-c", code, *arguments],
            env=environment,
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=240,
        )

    return run


@pytest.fixture
def sharded_folder(tiny_run, tmp_path):
    """The same weights as a model in several files."""
    folder = tmp_path / "sharded"
    DareEegModel.from_pretrained(tiny_run).save_pretrained(folder, max_shard_size="5kB")
    shutil.copy(tiny_run / "preprocessor_config.json", folder)
    assert len(list(folder.glob("*.safetensors"))) >= 3
    return folder


@pytest.fixture
def folder(tiny_run, tmp_path):
    """A copy of the run that a test may spoil."""
    return shutil.copytree(tiny_run, tmp_path / "run")
