"""How results are written: names of contestants, means over seeds, and the Markdown table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

NAMES = {
    "chance": "chance",
    "band-power": "band power + logistic regression",
    "band-power-centered": "band power, centered by subject + logistic regression",
    "power-maps": "power maps + logistic regression",
    "power-maps-centered": "power maps, centered by subject + logistic regression",
    "riemann": "Riemannian tangent space + logistic regression",
    "riemann-centered": "Riemannian tangent space, centered by subject + logistic regression",
    "ssvep-snr": "signal-to-noise ratio at the stimulation frequencies + shrinkage LDA",
    "ssvep-snr-centered": "signal-to-noise ratio at the stimulation frequencies, centered by subject + shrinkage LDA",
    "eegnet": "EEGNet from scratch (own code)",
}
"""Contestant -> its name in tables."""


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """The lines of a Markdown table."""
    return [
        "| " + " | ".join(header) + " |",
        "|---" * len(header) + "|",
        *("| " + " | ".join(map(str, row)) + " |" for row in rows),
    ]


def mean_and_spread(values: Sequence[float | None]) -> tuple[float | None, float | None]:
    """Mean and sample standard deviation over seeds; the latter is None for one seed."""
    known = [value for value in values if value is not None]
    if not known:
        return None, None
    return float(np.mean(known)), float(np.std(known, ddof=1)) if len(known) > 1 else None


def mean_text(values: Sequence[float | None], digits: int = 3) -> str:
    """Mean and, over several seeds, standard deviation, as tables show them."""
    return number_text(*mean_and_spread(values), digits)


def number_text(mean: float | None, spread: float | None = None, digits: int = 4) -> str:
    """A mean and, where there is one, its standard deviation; "-" for nothing."""
    if mean is None:
        return "-"
    return f"{mean:.{digits}f}" + (f" ± {spread:.{digits}f}" if spread is not None else "")
