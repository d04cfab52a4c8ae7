"""Progress bars for who is watching: on a terminal and in a notebook, and not in files and pipes, which they fill."""

import sys
from collections.abc import Iterable
from typing import Any

from tqdm.auto import tqdm

_IN_NOTEBOOK = any(kind.__module__ == "tqdm.notebook" for kind in tqdm.__mro__)


def progress_bar(iterable: Iterable | None = None, *, show: bool = True, **options: Any) -> tqdm:
    """Return a bar on the error stream, or in the notebook's cell, that goes along with an iterable.

    Args:
        iterable: What is gone through; without it, the bar moves with its `update`.
        show: Whether a bar is wanted where somebody is watching.
        options: Of `tqdm`, such as `desc`, `unit`, `total`.
    """
    return tqdm(iterable, disable=not (show and _is_watched()), **options)


def _is_watched() -> bool:
    return _IN_NOTEBOOK or (sys.stderr is not None and sys.stderr.isatty())
