"""Fixtures every test may use: a tiny model configuration and the optional folder of real recordings."""

import contextlib
import importlib.util
import os
import shutil
import sys
import threading
from pathlib import Path

# Two test workers share two cores; more threads than cores only make them wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("MPLBACKEND", "agg")
# Read when huggingface_hub is imported; the loopback Hub speaks the plain LFS protocol.
os.environ.setdefault("HF_HUB_DISABLE_XET", "1")

import pytest

SHARED_DIR = Path(os.environ.get("DARE_EEG_SHARED", Path(__file__).resolve().parents[2] / "shared"))


def require_shared(relative: str) -> Path:
    """Return a path under the shared folder of real recordings and reference weights, or skip the calling test."""
    path = SHARED_DIR / relative
    if not path.exists():
        pytest.skip(f"needs {relative} in a folder beside the repository (../shared, or $DARE_EEG_SHARED)")
    return path


@pytest.fixture(scope="session")
def shared():
    """`shared("data/eegmmidb")` gives that path, or skips the test with the reason."""
    return require_shared


@pytest.fixture
def tiny_config():
    """A configuration small enough for tests: 1-second windows, 32 wide, 2 summary tokens."""
    from dare_eeg_hf import DareEegConfig

    return DareEegConfig(
        hidden_size=32,
        num_summary_tokens=2,
        num_hidden_layers=2,
        predictor_num_hidden_layers=2,
        reconstructor_num_hidden_layers=2,
        num_attention_heads=4,
        window_size=256,
        contrastive_hidden_size=32,
        contrastive_projection_size=16,
    )


def load_hub_server_module():
    """Import tests/hub_server.py, which lies beside the tests rather than on the import path."""
    name = "dare_eeg_hf_tests_hub_server"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("hub_server.py"))
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@contextlib.contextmanager
def running_hub():
    """A Hub on loopback (see tests/hub_server.py): `.url`, `.environment(home)`, `.repository(name)`, `.faults`."""
    server = load_hub_server_module().HubServer()
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.faults.release.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def hub_server():
    """A Hub on loopback, as `running_hub` says."""
    with running_hub() as server:
        yield server


@pytest.fixture(scope="session")
def eyes_recordings(tmp_path_factory):
    """Simulated 19-channel EDF files of two subjects, 61 s each: eyes open, eyes closed, eyes open, eyes closed."""
    from dare_eeg_hf.recordings.simulation import simulate_recordings

    montage = "Fp1 Fp2 F7 F3 Fz F4 F8 T7 C3 Cz C4 T8 P7 P3 Pz P4 P8 O1 O2".split()
    return simulate_recordings(tmp_path_factory.mktemp("eyes"), subjects=2, seconds=61, montage=montage)


@pytest.fixture(scope="session")
def eyes_classifier(tmp_path_factory, eyes_recordings):
    """Checkpoint folder of a small classifier that tells open from closed eyes in `eyes_recordings`."""
    import torch

    from dare_eeg_hf import DareEegConfig, DareEegFeatureExtractor, DareEegForSequenceClassification
    from dare_eeg_hf.recordings.recordings import load_recording

    extractor = DareEegFeatureExtractor()
    windows, labels = [], []
    for index, path in enumerate(eyes_recordings):
        batch = extractor(load_recording(path).raw)
        windows.append(batch["input_values"][0, :, : 15 * 1024].unflatten(1, (15, 1024)).transpose(0, 1))
        labels += [index % 2] * 15
    inputs, labels, channel_ids = torch.cat(windows), torch.tensor(labels), batch["channel_ids"][0]
    torch.manual_seed(0)
    config = DareEegConfig(
        hidden_size=32,
        num_summary_tokens=2,
        num_hidden_layers=2,
        num_attention_heads=4,
        probe_dropout=0.1,
        id2label={0: "eyes open", 1: "eyes closed"},
        label2id={"eyes open": 0, "eyes closed": 1},
    )
    model = DareEegForSequenceClassification(config)
    model.unfreeze_encoder()
    with torch.no_grad():
        # Signals are hundredths of a millivolt; from its usual start the encoder would need an epoch to notice them.
        model.dare_eeg.embeddings.patch_projection.weight.mul_(300)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(120):
        chosen = torch.randperm(len(inputs))[:16]
        model(inputs[chosen], channel_ids, labels=labels[chosen]).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    folder = tmp_path_factory.mktemp("eyes_classifier")
    model.save_pretrained(folder)
    extractor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def classify(eyes_classifier):
    """The classification pipeline of `eyes_classifier`."""
    from transformers import pipeline

    import dare_eeg_hf  # noqa: F401  registers the pipeline

    return pipeline("eeg-classification", model=str(eyes_classifier))


@pytest.fixture(scope="module")
def encode(eyes_classifier):
    """The pipeline of features of `eyes_classifier`."""
    from transformers import pipeline

    import dare_eeg_hf  # noqa: F401  registers the pipeline

    return pipeline("eeg-feature-extraction", model=str(eyes_classifier))


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A headless Chromium."""
    if shutil.which("chromium") is None or shutil.which("chromedriver") is None:
        pytest.skip("needs Chromium and its driver (Debian packages chromium and chromium-driver)")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    flags = "headless no-sandbox disable-gpu disable-quic no-first-run disable-background-networking"
    for flag in f"{flags} disable-component-update disable-sync disable-dev-shm-usage".split():
        options.add_argument(f"--{flag}")
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('chromium')}")
    options.add_argument("--window-size=1400,2600")
    options.binary_location = shutil.which("chromium")
    driver = webdriver.Chrome(service=Service(shutil.which("chromedriver")), options=options)
    yield driver
    driver.quit()
