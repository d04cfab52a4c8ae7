"""Fixtures every test may use: a tiny model configuration and the optional folder of real recordings."""

import importlib.util
import os
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


def load_hub_server_module():
    """Import tests/hub_server.py, which lies beside the tests rather than on the import path."""
    name = "dare_eeg_hf_tests_hub_server"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("hub_server.py"))
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture
def hub_server():
    """A Hub on loopback (see tests/hub_server.py): `.url`, `.environment(home)`, `.repository(name)`, `.faults`."""
    server = load_hub_server_module().HubServer()
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.faults.release.set()
    server.shutdown()
    server.server_close()
