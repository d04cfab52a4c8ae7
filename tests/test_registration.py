"""Transformers finds our classes after `import dare_eeg_hf` alone, in whatever order things are imported."""

import pickle
import subprocess
import sys

import pytest

import dare_eeg_hf

HEAVY = ("torch", "transformers", "mne", "numpy", "scipy", "matplotlib", "sklearn", "pandas", "datasets")

FINDS = """
from transformers import AutoConfig, AutoFeatureExtractor, AutoModel, AutoModelForPreTraining
from transformers import AutoModelForSequenceClassification, pipeline
import sys
folder = sys.argv[1]
found = [each.from_pretrained(folder) for each in (AutoConfig, AutoFeatureExtractor, AutoModel)]
found += [each.from_config(found[0]) for each in (AutoModelForPreTraining, AutoModelForSequenceClassification)]
print(*(type(each).__name__ for each in found))
print(type(pipeline("eeg-classification", folder)).__name__, type(pipeline("eeg-feature-extraction", folder)).__name__)
import dare_eeg_hf
assert type(AutoModel.from_pretrained(folder)) is dare_eeg_hf.DareEegModel
from dare_eeg_hf.sources_dare_eeg import offered
assert offered("read").__module__ == "dare_eeg_hf.recordings.readers"
"""

ORDERS = {
    # Our models need each of these, and it needs what our models are registered with, which imports it half-way.
    "a part of Transformers that ours need": "import dare_eeg_hf, transformers.modeling_layers",
    "our pipelines": "from dare_eeg_hf import EegClassificationPipeline",
    "the Auto classes, and ours twice": (
        "from transformers import AutoModel, pipeline\n"
        "import dare_eeg_hf, importlib, inspect, sys\n"
        "assert 'class DareEegModel' in inspect.getsource(dare_eeg_hf.modeling_dare_eeg)\n"
        "for name in [name for name in sys.modules if name.startswith('dare_eeg_hf')]: del sys.modules[name]\n"
        "importlib.reload(importlib.import_module('dare_eeg_hf'))"
    ),
}
"""What is imported first."""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """Folder of an untrained classifier."""
    folder = tmp_path_factory.mktemp("classifier")
    config = dare_eeg_hf.DareEegConfig(
        hidden_size=16, num_summary_tokens=1, num_hidden_layers=1, num_attention_heads=2, num_labels=2
    )
    dare_eeg_hf.DareEegForSequenceClassification(config).save_pretrained(folder)
    dare_eeg_hf.DareEegFeatureExtractor().save_pretrained(folder)
    return folder


def run(code, *arguments):
    return subprocess.run(
        [sys.executable, "-W", "error::FutureWarning", "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_importing_the_package_loads_nothing_heavy():
    process = run(f"import dare_eeg_hf, sys; print(*(name for name in {HEAVY!r} if name in sys.modules))")
    assert process.stdout.split() == [], process.stderr


@pytest.mark.parametrize("order", ORDERS)
def test_transformers_finds_our_classes(order, checkpoint):
    process = run(ORDERS[order] + FINDS, checkpoint)
    assert process.returncode == 0, process.stderr
    assert process.stdout.split() == [
        "DareEegConfig",
        "DareEegFeatureExtractor",
        "DareEegModel",
        "DareEegForPreTraining",
        "DareEegForSequenceClassification",
        "EegClassificationPipeline",
        "EegFeatureExtractionPipeline",
    ]


def test_a_process_finds_them_that_only_unpickles_one_of_ours(checkpoint):
    """As the workers of a DataLoader: nothing else makes them import the package."""
    pickled = checkpoint / "config.pickle"
    pickled.write_bytes(pickle.dumps(dare_eeg_hf.DareEegConfig.from_pretrained(checkpoint)))
    process = run(
        "import pathlib, pickle, sys\n"
        "from transformers import AutoConfig\n"
        "config = pickle.loads(pathlib.Path(sys.argv[2]).read_bytes())\n"
        "print(type(AutoConfig.from_pretrained(sys.argv[1])) is type(config))",
        checkpoint,
        pickled,
    )
    assert process.stdout.strip() == "True", process.stderr


def test_names_are_seen_without_being_loaded():
    assert set(dare_eeg_hf.__all__) <= set(dir(dare_eeg_hf))
    offered = {name for names in dare_eeg_hf._MODULES.values() for name in names}
    assert offered == set(dare_eeg_hf.__all__)
    for name in dare_eeg_hf.__all__:
        assert getattr(dare_eeg_hf, name).__name__ == name
    with pytest.raises(AttributeError, match="nonsense"):
        dare_eeg_hf.nonsense  # noqa: B018
