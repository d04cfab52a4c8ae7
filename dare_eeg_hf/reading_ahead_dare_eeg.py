"""Reading ahead: the next piece of a recording, or the next recording, is read while the model works on this one.

One piece at a time is read in a thread; filters and the model leave the interpreter to each other while they compute.
Warnings belong to the whole process, and so does MNE's log level. Hence one such thread runs at a time, its warnings
are kept until the result is asked for, and whoever warns in the meantime waits for it: see `while_nothing_is_read`.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from threading import Lock, Thread
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")

_READING = Lock()


def while_nothing_is_read() -> AbstractContextManager:
    """Inside it no thread reads ahead: what is under way is waited for, and nothing begins."""
    return _READING


@dataclass(frozen=True)
class OpenedRecording:
    """A recording whose first piece was read; `batches` are the model's inputs, see `EegPipeline.preprocess`."""

    batches: Iterator[dict[str, Any]]


class InBackground(Generic[Result]):
    """A call in a thread. Its result, its warnings and its error come out where the result is asked for.

    Args:
        function: Called with the other arguments, at once.
    """

    def __init__(self, function: Callable[..., Result], *args: Any, **kwargs: Any) -> None:
        self._call = lambda: function(*args, **kwargs)
        self._value: Result | None = None
        self._error: BaseException | None = None
        self._warnings: list[warnings.WarningMessage] = []
        self._thread = Thread(target=self._run, name="reading ahead")
        self._thread.start()

    def _run(self) -> None:
        with _READING, warnings.catch_warnings(record=True) as self._warnings:
            warnings.simplefilter("always")
            try:
                self._value = self._call()
            except BaseException as error:  # raised again in `result`
                self._error = error

    def wait(self) -> None:
        """Return when the thread has ended."""
        self._thread.join()

    def result(self) -> Result:
        """Wait, warn of what the call warned of, and return its result or raise its error."""
        self.wait()
        for each in self._warnings:
            warnings.warn_explicit(each.message, each.category, each.filename, each.lineno, source=each.source)
        if self._error is not None:
            raise self._error
        return self._value


def read_ahead(items: Iterator[Result]) -> Iterator[Result]:
    """Yield what an iterator yields; from the second item on, the next one is computed while one is worked on."""
    end = object()
    item = next(items, end)
    while item is not end:
        coming = InBackground(next, items, end)
        try:
            yield item
        finally:
            coming.wait()
        item = coming.result()
