"""Class labels must be unique: a table by label would lose all but one of the classes that share it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def require_distinct_labels(id2label: Mapping[Any, str] | None) -> None:
    """Refuse labels that several classes share: in a table of probabilities by label all but one would be lost.

    Raises:
        ValueError: With the labels and their classes.
    """
    shared = shared_labels(id2label or {})
    if shared:
        classes = "; ".join(f"{label!r} is the label of classes {', '.join(ids)}" for label, ids in shared.items())
        raise ValueError(f"id2label: {classes}. Give each class its own label.")


def shared_labels(id2label: Mapping[Any, str]) -> dict[str, list[str]]:
    """Label -> classes, for labels of several classes."""
    classes: dict[str, list[str]] = {}
    for index, label in id2label.items():
        classes.setdefault(label, []).append(str(index))
    return {label: ids for label, ids in classes.items() if len(ids) > 1}


def tell_labels_apart(id2label: Mapping[Any, str]) -> dict[Any, str]:
    """Labels that several classes share, followed by the number of their class."""
    shared = shared_labels(id2label)
    return {index: f"{label} ({index})" if label in shared else label for index, label in id2label.items()}
