"""Fixtures every test may use: a tiny model configuration and the optional folder of real recordings."""

import os
from pathlib import Path

# Two test workers share two cores; more threads than cores only make them wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("MPLBACKEND", "agg")

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
