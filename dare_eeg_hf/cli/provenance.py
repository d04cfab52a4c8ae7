"""What made a result: kept beside it, so that one of another model, setting or recording is never mistaken for it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dare_eeg_hf.atomic_files import write_json
from dare_eeg_hf.file_digest import file_digest

REPORT_SUFFIX = ".report.json"


@dataclass(frozen=True)
class Maker:
    """What makes the results of one run of a command, apart from the recording.

    Attributes:
        model: The checkpoint as it was named.
        weights: Digest of its weights, configuration and signal contract; for a model of the Hub its id and commit.
        revision: The revision asked for.
        version: This package's.
        settings: Whatever else changes a result.
    """

    model: str
    weights: str
    revision: str | None
    version: str
    settings: dict[str, Any]

    @classmethod
    def of(cls, checkpoint: str, revision: str | None, settings: Mapping[str, Any]) -> "Maker":
        """Describe a checkpoint (a folder or an id on the Hub) with settings that JSON can hold."""
        from dare_eeg_hf import __version__
        from dare_eeg_hf.checkpoints import digest_of_weights

        # As JSON gives them back: tuples become lists.
        plain = json.loads(json.dumps(dict(settings), default=str))
        return cls(checkpoint, digest_of_weights(Path(checkpoint), revision), revision, __version__, plain)


def report_path(result: Path) -> Path:
    """Return the file beside a result that tells what made it."""
    return result.with_name(result.name + REPORT_SUFFIX)


def describe_recording(path: Path) -> dict[str, Any]:
    """Return what tells a recording from another, or from itself after a change: size, time, digest of its files."""
    files = recording_files(path)
    return {
        "name": path.name,
        "bytes": sum(file.stat().st_size for file in files),
        "modified": max((file.stat().st_mtime_ns for file in files), default=0),
        "sha256": file_digest(*files),
    }


def recording_files(path: Path) -> list[Path]:
    """Return the files that a recording is read from: itself, its companions, and what describes it."""
    from dare_eeg_hf.recordings.bids import find_side_file
    from dare_eeg_hf.recordings.formats import detect_format, main_file
    from dare_eeg_hf.recordings.tables import TABLE_FORMATS, find_sidecar

    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.is_file())
    main = main_file(path)
    files = {main}
    files |= {file for file in main.parent.glob(f"{_as_pattern(main.stem)}.*") if main_file(file) == main != file}
    if main.name.startswith("sub-"):
        files |= {find_side_file(main, suffix) for suffix in ("channels.tsv", "events.tsv", "eeg.json")}
    if detect_format(main) in TABLE_FORMATS:
        files.add(find_sidecar(main))
    return sorted(files - {None})


def _as_pattern(name: str) -> str:
    """A name whose brackets stand for themselves in a pattern."""
    return "".join(f"[{letter}]" if letter in "[]*?" else letter for letter in name)


def write_result_report(result: Path, maker: Maker, recording: Path, report: Any, **found: Any) -> Path:
    """Write what made a result, and what one should know about it, before the result itself is written.

    An earlier result is removed first, so that a result never lies beside the report of another.

    Args:
        result: The result's file.
        maker, recording: What makes it, and from what.
        report: An `AnswerReport`.
        found: What else is to be kept.
    """
    result.unlink(missing_ok=True)
    path = report_path(result)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {"made_by": asdict(maker), "made_from": describe_recording(recording), **asdict(report), **found})
    return path


def read_result_report(result: Path) -> dict[str, Any]:
    """Return what `write_result_report` wrote beside a result, or nothing where it is missing or damaged."""
    try:
        report = json.loads(report_path(result).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return report if isinstance(report, dict) else {}


def is_made(result: Path, maker: Maker, recording: Path) -> bool:
    """Tell whether a result is there already, made in the same way from the same recording.

    Raises:
        FileExistsError: There is a result, but something else made it; the message says what differs.
    """
    if not result.exists():
        return False
    advice = "--overwrite makes it again, or give another folder"
    try:
        kept = json.loads(report_path(result).read_text(encoding="utf-8"))
        differences = _differences(kept["made_by"], asdict(maker))
        if not _same_recording(kept["made_from"], recording):
            differences.append(f"from {kept['made_from']['name']} as it was then: the recording has changed")
    except (OSError, ValueError, KeyError, TypeError):
        raise FileExistsError(
            f"{result} exists, and nothing tells what made it (its {report_path(result).name} is missing or damaged): "
            f"{advice}"
        ) from None
    if differences:
        raise FileExistsError(f"{result} was made {', '.join(differences)}: {advice}")
    return True


def _differences(kept: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """What of a maker differs, in words; a model that was moved is the same model."""
    found = []
    if kept["weights"] != wanted["weights"]:
        same_name = kept["model"] == wanted["model"]
        found.append(
            f"by {kept['model']} with other weights" if same_name else f"by {kept['model']}, not {wanted['model']}"
        )
    if kept["version"] != wanted["version"]:
        found.append(f"by version {kept['version']} of dare_eeg_hf, this is {wanted['version']}")
    before, now = kept["settings"], wanted["settings"]
    for name in dict.fromkeys([*before, *now]):
        if name not in before:
            found.append(f"without {name}={now[name]!r}")
        elif name not in now:
            found.append(f"with {name}={before[name]!r}")
        elif before[name] != now[name]:
            found.append(f"with {name}={before[name]!r}, not {now[name]!r}")
    return found


def _same_recording(kept: Mapping[str, Any], path: Path) -> bool:
    """Equal sizes and times are enough; a copy has another time, and is read to compare."""
    files = recording_files(path)
    if sum(file.stat().st_size for file in files) != kept["bytes"]:
        return False
    modified = max((file.stat().st_mtime_ns for file in files), default=0)
    return modified == kept["modified"] or file_digest(*files) == kept["sha256"]
