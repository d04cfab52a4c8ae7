"""What a classifier said about many recordings: one row for each, and one sentence for all."""

import csv
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from dare_eeg_hf.atomic_files import replacing
from dare_eeg_hf.predictions import shares_of_time

NAME = "summary.csv"


class PredictionSummary:
    """Collects a row for each recording.

    Args:
        classes: Names of the classes (or values) in the model's order.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = list(classes)
        self.rows: list[dict[str, Any]] = []
        self.seconds: Counter[str | None] = Counter()

    def add(self, path: Path, predictions: Sequence[Mapping[str, Any]], report: Any) -> None:
        """Add a recording that was labelled.

        Args:
            path: The recording.
            predictions: The answers about it.
            report: Their `AnswerReport`, or a mapping of its fields.
        """
        told = asdict(report) if is_dataclass(report) else report
        answered = [each for each in predictions if each["usable"]]
        row: dict[str, Any] = {
            "file": str(path),
            "windows": len(predictions),
            "answered": len(answered),
            "partial": sum(each["partial"] for each in predictions),
            "electrodes": len(told["present"]),
            "trained_electrodes": len(told["trained"]),
        }
        if "label" in predictions[0]:
            shares = shares_of_time(predictions)
            row |= {f"share_{name}": round(shares.get(name, 0.0), 4) for name in self.classes}
            row["share_no_answer"] = round(shares.get(None, 0.0), 4)
            length = sum(each["duration"] for each in predictions)
            self.seconds.update({label: share * length for label, share in shares.items()})
        else:
            row |= {f"mean_{name}": _mean(each["values"][name] for each in answered) for name in self.classes}
        self.rows.append({**row, "warnings": "; ".join(told["warnings"]), "error": ""})

    def add_failure(self, path: Path, message: str) -> None:
        """Add a recording that could not be labelled."""
        self.rows.append({"file": str(path), "error": message})

    def sentence(self) -> str:
        """All recordings in one sentence."""
        failed = sum(bool(row["error"]) for row in self.rows)
        windows = sum(row.get("windows", 0) for row in self.rows)
        answered = sum(row.get("answered", 0) for row in self.rows)
        parts = [f"{len(self.rows)} files", f"{windows} windows, {answered} with an answer"]
        if total := self.seconds.total():
            shares = [(label or "no answer", each / total) for label, each in self.seconds.most_common() if each]
            parts.append(", ".join(f"{label} {share:.1%}" for label, share in shares) + " of the time")
        return "; ".join([*parts, f"{failed} failed"])

    def write(self, folder: Path, results: Sequence[Path]) -> None:
        """Write the rows as `summary.csv`, unless a recording of that name has its results there.

        Args:
            folder: Of the results.
            results: The recordings, relative to it.
        """
        if any(relative.with_suffix("") == Path(Path(NAME).stem) for relative in results):
            print(f"{folder / NAME} belongs to the recording of that name, so no summary was written", file=sys.stderr)
            return
        columns = list(dict.fromkeys(name for row in self.rows for name in row if name != "error"))
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(folder / NAME) as unfinished, unfinished.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, [*columns, "error"], restval="")
            writer.writeheader()
            writer.writerows(self.rows)
        print(folder / NAME, file=sys.stderr)


def _mean(values: Any) -> float | str:
    values = list(values)
    return sum(values) / len(values) if values else ""
