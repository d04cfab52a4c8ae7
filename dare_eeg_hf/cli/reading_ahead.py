"""Answers about many recordings: the next one is opened and read while the model works on one."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dare_eeg_hf.cli.failures import bad_input


class ReadingAhead:
    """A pipeline that is asked about one recording after another, and reads one ahead.

    Args:
        load: Gives the pipeline; called when a recording is asked for.
        recordings: What `recordings_given` returned, in the order in which they will be asked for.
        is_done: Tells of a recording, by its two paths, whether it will be left out.
        settings: Of the pipeline, for every recording.
    """

    def __init__(
        self,
        load: Callable[[], Any],
        recordings: Sequence[tuple[Path, Path]],
        is_done: Callable[[Path, Path], bool],
        **settings: Any,
    ) -> None:
        self._load = load
        self._left = list(recordings)
        self._is_done = is_done
        self._settings = settings
        self._coming: tuple[Path, Any] | None = None

    def __call__(self, path: Path) -> Any:
        """The pipeline's answer; raises what the pipeline does."""
        pipeline = self._load()
        opened = self._open(pipeline, path)
        self._begin_next(pipeline, path)
        try:
            return pipeline(opened, **self._settings)
        finally:
            # Until the caller has written its results nothing is read: warnings belong to the whole process.
            if self._coming is not None:
                self._coming[1].wait()

    def _open(self, pipeline: Any, path: Path) -> Any:
        coming, self._coming = self._coming, None
        if coming is not None and coming[0] == path:
            return coming[1].result()
        return pipeline.open(path, **self._settings)

    def _begin_next(self, pipeline: Any, path: Path) -> None:
        from dare_eeg_hf.reading_ahead_dare_eeg import InBackground

        place = next(index for index, (each, _) in enumerate(self._left) if each == path)
        self._left = self._left[place + 1 :]
        following = next((each for each, relative in self._left if self._is_wanted(each, relative)), None)
        if following is not None:
            self._coming = following, InBackground(pipeline.open, following, **self._settings)

    def _is_wanted(self, path: Path, relative: Path) -> bool:
        try:
            return not self._is_done(path, relative)
        except bad_input():  # told when it is this recording's turn
            return False
