"""metrics.jsonl: one JSON object per line, appended as the run goes, cut back to the checkpoint when it resumes."""

import json
import math
import os
from collections.abc import Iterable
from pathlib import Path

from dare_eeg_hf.atomic_files import write_text

FILE_NAME = "metrics.jsonl"


class MetricsLog:
    """The measurements of one run.

    Args:
        file: where the lines go; None keeps nothing (processes other than the first).
    """

    def __init__(self, file: str | os.PathLike | None) -> None:
        self.file = None if file is None else Path(file)

    def write(self, record: dict[str, object]) -> None:
        """Append a record."""
        if self.file is None:
            return
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.open("a", encoding="utf-8") as stream:
            stream.write(lines_of([record]))

    def forget_after(self, step: int) -> None:
        """Drop the records of later steps: a resumed run is about to write them again."""
        if self.file is None or not self.file.exists():
            return
        kept = [record for record in read_metrics(self.file) if record["step"] <= step]
        write_text(self.file, lines_of(kept))


def lines_of(records: Iterable[dict[str, object]]) -> str:
    """The text of a metrics.jsonl. Numbers that JSON does not know (NaN, infinity) become null."""
    return "".join(json.dumps(_json_safe(record)) + "\n" for record in records)


def read_metrics(file: str | os.PathLike) -> list[dict[str, object]]:
    """The records of a metrics.jsonl; a last line that a kill cut short is left out."""
    records = []
    for line in Path(file).read_text(encoding="utf-8").splitlines():
        try:
            records.append(json.loads(line))
        except ValueError:
            continue
    return records


def best_validation(records: Iterable[dict[str, object]]) -> dict[str, object] | None:
    """The validation record with the lowest loss; None where no validation had a loss."""
    known = [record for record in records if record.get("split") == "validation" and record.get("loss") is not None]
    return min(known, key=lambda record: record["loss"], default=None)


def _json_safe(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _json_safe(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json_safe(item) for item in value]
    return value
