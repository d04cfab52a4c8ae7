"""Signals in a run: SIGTERM and SIGINT as a polite request to finish the step, save and leave; none from workers."""

import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType, TracebackType

from torch.utils.data import DataLoader


class StopRequest:
    """Context manager that turns the first SIGTERM or SIGINT into a flag and the second into the usual end.

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
            # the worker in good order; a SIGTERM for the worker alone must still end it.
            if number == signal.SIGTERM:
                os._exit(128 + number)
            return
        self.signal_name = signal.Signals(number).name
        signal.signal(number, self._previous[number])


def start_reading(loader: DataLoader) -> Iterator:
    """Begin an epoch of a loader whose workers' deaths its iterator reports, within seconds and nowhere else.

    torch also has a handler for SIGCHLD that raises wherever the program happens to be when a worker dies: amid
    saving, or while the message of that very death is printed.
    """
    batches = iter(loader)
    if hasattr(signal, "SIGCHLD") and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    return batches


def is_dead_worker(error: BaseException) -> bool:
    """Whether this is what a loader raises when one of its processes is gone; what a worker itself raised is not."""
    gone = isinstance(error, ConnectionError | EOFError) or "DataLoader worker (pid" in str(error)
    return gone and "Caught " not in str(error)
