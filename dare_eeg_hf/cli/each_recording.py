"""Going through the recordings that a command was given, files and folders, without stopping at broken ones."""

import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from dare_eeg_hf.cli.failures import EXIT_BAD_INPUT, bad_input, one_sentence, say
from dare_eeg_hf.progress import progress_bar


def recordings_given(given: Sequence[Path], results: Path | None, tables: bool) -> list[tuple[Path, Path]]:
    """The files given and the recordings of the folders given, each with its path relative to what was given.

    Args:
        given: Files and folders.
        results: Folder that gets a result of each recording, under its relative path with another suffix.
        tables: Whether tables of numbers count as recordings without a sidecar of their own.

    Raises:
        FileNotFoundError: If something given is not there.
        ValueError: If a folder holds no recording, or two recordings would get the same result.
    """
    from dare_eeg_hf.recordings.recordings import find_recordings

    found: list[tuple[Path, Path]] = []
    for path in given:
        if not path.exists():
            raise FileNotFoundError(f"There is no file or folder {path}.")
        if path.is_dir() and path.suffix.lower() != ".mff":
            inside = find_recordings(path, tables)
            if not inside:
                raise ValueError(f"There is no EEG recording in {path}.")
            found += [(each, each.relative_to(path)) for each in inside]
        else:
            found.append((path, Path(path.name)))
    if results is not None:
        _refuse_equal_results(found, results)
    return found


def _refuse_equal_results(found: Sequence[tuple[Path, Path]], results: Path) -> None:
    """Refuse recordings that would be mistaken for each other, or overwrite each other's result.

    Names that tell them apart would depend on what else was given: a later run with one of them would miss them.
    """
    owners: dict[Path, Path] = {}
    for path, relative in found:
        result = results / relative.with_suffix("")
        owner = owners.setdefault(result, path)
        if owner.resolve() != path.resolve():
            raise ValueError(
                f"{owner} and {path} would have the same result, {result}. Run the command for each with a folder of "
                "its own for the results or, if they lie in different folders, give the folder that holds both."
            )


@contextmanager
def _warnings_about(path: Path) -> Iterator[None]:
    """Put the file's name before every warning that does not hold it."""
    show = warnings.showwarning

    def show_with_name(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        named = message if str(path) in str(message) else f"{path}: {message}"
        with tqdm.external_write_mode(file=sys.stderr):
            show(named, category, *place, **more)

    warnings.showwarning = show_with_name
    try:
        yield
    finally:
        warnings.showwarning = show


def for_each_recording(
    found: Sequence[tuple[Path, Path]],
    process: Callable[[Path, Path], None],
    on_failure: Callable[[Path, str], None] | None = None,
) -> int:
    """Process recordings, on a terminal with a progress bar; a broken one does not stop the others.

    Args:
        found: What `recordings_given` returned.
        process: Called with each recording's path and its path relative to what was given.
        on_failure: Called with the path of a recording that failed, and why.

    Returns:
        The exit status: 1 if a recording failed.
    """
    failed = 0
    # None: no bar where the error stream is not a terminal.
    for path, relative in progress_bar(found, unit="file", show=len(found) > 1, dynamic_ncols=True):
        try:
            with _warnings_about(path):
                process(path, relative)
            sys.stdout.flush()
        except BrokenPipeError:
            raise
        except bad_input() as error:
            failed += 1
            message = one_sentence(error)
            say(f"error: {message}" if str(path) in message else f"error: {path}: {message}")
            if on_failure is not None:
                on_failure(path, message)
    if failed and len(found) > 1:
        print(f"{failed} of {len(found)} recordings failed", file=sys.stderr)
    return EXIT_BAD_INPUT if failed else 0
