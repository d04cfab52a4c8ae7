"""What a piece of work cost: seconds and peak memory of this process."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def _forget_peak() -> None:
    """Reset Linux's peak, so that one cell of a benchmark is not charged for the one before it."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:  # not Linux, or not allowed: the peak since the process began is then reported
        return


def peak_megabytes() -> float:
    """Largest resident memory of this process, in MiB."""
    # First /proc: the peak that getrusage reports starts with that of the process this one was forked from.
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024
    except (OSError, StopIteration):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / (1024 if sys.platform != "darwin" else 1024**2)


@contextmanager
def measured_costs() -> Iterator[dict[str, float]]:
    """`with measured_costs() as costs:` fills in `seconds` and `peak_megabytes` at the end of the block."""
    costs: dict[str, float] = {}
    _forget_peak()
    started = time.perf_counter()
    try:
        yield costs
    finally:
        costs["seconds"] = round(time.perf_counter() - started, 2)
        costs["peak_megabytes"] = round(peak_megabytes())
