"""The processes of a run: what they agree on, the signals they receive, and dead loader workers."""

import datetime
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from types import FrameType, TracebackType

import torch
import torch.distributed as dist
from torch.utils.data import DataLoader


class ProcessGroup:
    """A gloo group beside the training group, for values that live on the CPU.

    Asking "does anybody want to stop?" through NCCL would make every step wait for the GPU; this does not. With one
    process every method answers at once.
    """

    def __init__(self, timeout: datetime.timedelta = datetime.timedelta(minutes=30)) -> None:
        self.world_size = dist.get_world_size() if dist.is_initialized() else 1
        self.rank = dist.get_rank() if dist.is_initialized() else 0
        self._group = dist.new_group(backend="gloo", timeout=timeout) if self.world_size > 1 else None

    @property
    def is_main(self) -> bool:
        """True in the one process that writes files and prints."""
        return self.rank == 0

    def any(self, *flags: object) -> list[bool]:
        """For each flag: is it true in at least one process? Every process must ask at the same point."""
        return [bool(value) for value in self._reduce([float(bool(flag)) for flag in flags], dist.ReduceOp.MAX)]

    def sum(self, values: Sequence[float]) -> list[float]:
        """Element-wise sum over processes, in float64."""
        return self._reduce(values, dist.ReduceOp.SUM)

    def wait(self) -> None:
        """Return once every process has come here."""
        if self._group is not None:
            dist.barrier(group=self._group)

    def _reduce(self, values: Sequence[float], operation: dist.ReduceOp) -> list[float]:
        if self._group is None:
            return list(values)
        tensor = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(tensor, operation, group=self._group)
        return tensor.tolist()


class StopRequest:
    """Context manager that turns the first SIGTERM or SIGINT into a flag; the second has its usual effect.

    Clusters send SIGTERM some seconds before they take a machine away; people press Ctrl-C.

    Attributes:
        signal_name: the signal that arrived, or None.
    """

    SIGNALS = (signal.SIGTERM, signal.SIGINT)

    def __init__(self) -> None:
        self.signal_name: str | None = None
        self._owner = os.getpid()
        self._previous: dict[int, object] = {}

    def __bool__(self) -> bool:
        return self.signal_name is not None

    def __enter__(self) -> "StopRequest":
        try:
            for number in self.SIGNALS:
                self._previous[number] = signal.signal(number, self._note)
        except ValueError:  # only the main thread may set handlers; elsewhere the host program decides
            self._previous.clear()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, _: FrameType | None) -> None:
        if os.getpid() != self._owner:
            # A forked loader worker inherits this handler. Ctrl-C reaches the whole group and the parent will close
            # the worker cleanly; a SIGTERM for the worker alone must still end it.
            if number == signal.SIGTERM:
                os._exit(128 + number)
            return
        self.signal_name = signal.Signals(number).name
        signal.signal(number, self._previous[number])


def start_reading(loader: DataLoader) -> Iterator:
    """Begin an epoch of a loader whose iterator, and nothing else, reports a dead worker within seconds.

    torch also has a handler for SIGCHLD that raises wherever the program happens to be when a worker dies: in the
    middle of saving, or while that very death is being reported.
    """
    batches = iter(loader)
    if hasattr(signal, "SIGCHLD") and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    return batches


def is_dead_worker(error: BaseException) -> bool:
    """Whether this is what a loader raises when one of its processes is gone; what a worker itself raised is not."""
    gone = isinstance(error, ConnectionError | EOFError) or "DataLoader worker (pid" in str(error)
    return gone and "Caught " not in str(error)
