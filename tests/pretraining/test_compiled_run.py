"""Pre-training with compiled blocks: everything that a run does to them is compiled, and changes nothing."""

from functools import partialmethod

import pytest
import torch
from torch._dynamo.utils import counters

from tests.pretraining.conftest import run
from tests.pretraining.test_run import losses

DEFAULT_LIMIT = 8
"""How often torch compiles one piece of code before it gives up on it."""


@pytest.fixture
def small_limit():
    """Torch's own limit, an error where it is passed, and nothing compiled before."""
    torch.compiler.reset()
    counters.clear()
    with torch._dynamo.config.patch(recompile_limit=DEFAULT_LIMIT, fail_on_recompile_limit_hit=True):
        yield
    torch.compiler.reset()


def test_every_variant_of_a_block_is_compiled(common_arguments, windows, tmp_path, monkeypatch, small_limit):
    # Traced and guarded as ever; what a C++ compiler makes of each graph would take minutes.
    monkeypatch.setattr(torch.nn.Module, "compile", partialmethod(torch.nn.Module.compile, backend="eager"))
    settings = {"max_steps": 2, "validate_every": 2, "checkpoint_every": 2, "invariance_windows": 0}
    data = (windows(24), windows(8, seed=1))
    found = {}
    for how in ("none", "regional"):
        arguments = {**common_arguments, **settings, "output_dir": tmp_path / how, "compile": how}
        found[how] = losses(run(arguments, *data).output_dir)
    assert counters["stats"]["unique_graphs"] > DEFAULT_LIMIT
    for compiled, plain in zip(found["regional"], found["none"], strict=True):
        assert compiled["loss"] == pytest.approx(plain["loss"], rel=0.02)
