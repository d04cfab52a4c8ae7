"""What this machine is and what it can do at best: the scale on which the other scripts here measure."""

import platform
import time
from collections.abc import Callable
from pathlib import Path

import torch


def machine(device: str) -> str:
    """What the numbers were measured on."""
    if device == "cuda":
        name = torch.cuda.get_device_name()
    else:
        info = Path("/proc/cpuinfo")
        lines = info.read_text().splitlines() if info.exists() else []
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
        name = f"{names[0] if names else platform.processor()} ({torch.backends.cpu.get_cpu_capability()})"
    return f"{name}, {torch.get_num_threads()} CPU thread(s), torch {torch.__version__}"


def synchronize(device: str) -> None:
    """Wait until a GPU has finished the work it was given."""
    if device == "cuda":
        torch.cuda.synchronize()


def clock(device: str) -> Callable[[], float]:
    """What tells seconds: the time on the processor where one thread computes, and time that passes elsewhere."""
    return time.process_time if device == "cpu" and torch.get_num_threads() == 1 else time.perf_counter


def best_time(call: Callable[[], object], seconds: float, device: str) -> float:
    """Shortest duration of a call, after one to warm up; the shortest is least disturbed by other programs."""
    call()
    best, end, now = float("inf"), time.perf_counter() + seconds, clock(device)
    while best == float("inf") or time.perf_counter() < end:
        synchronize(device)
        start = now()
        call()
        synchronize(device)
        best = min(best, now() - start)
    return best


def matrix_peak(dtype: torch.dtype, device: str, seconds: float = 3.0) -> float:
    """Operations per second of a large square matrix product."""
    size = 8192 if device == "cuda" else 2048
    first, second = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    return 2 * size**3 / best_time(lambda: first @ second, seconds, device)
