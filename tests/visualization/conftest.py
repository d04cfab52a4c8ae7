"""Random numbers, and a figure as a PNG."""

import io

import numpy as np
import pytest


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def render(figure) -> bytes:
    """Return the PNG, so that a figure that cannot be drawn fails here."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=40)
    return buffer.getvalue()
