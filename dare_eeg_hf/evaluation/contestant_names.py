"""The names of a benchmark's baselines, and how an encoder can be adapted; `contestants` says what each one does."""

from dare_eeg_hf.adaptation.finetuning_arguments import MODES

CENTERED = "-centered"
SSVEP = "ssvep-snr"
"""The baseline for tasks whose classes are frequencies of flickering lights."""
POWER_MAPS = "power-maps"
"""What the readout adds to the encoder's features, alone."""
FEATURE_BASELINES = ("band-power", POWER_MAPS, "riemann", SSVEP)
"""Features of windows and a linear classifier, plain or centered by subject."""
BASELINES = ("chance", *(name + suffix for name in FEATURE_BASELINES for suffix in ("", CENTERED)), "eegnet")
DETERMINISTIC = tuple(name for name in BASELINES if name != "eegnet")
"""Baselines without randomness: one seed is enough."""

POOLED = "pooled"
POOLED_POWER = "pooled-power"
POOLED_MODES = tuple(mode + suffix for mode in (POOLED, POOLED_POWER) for suffix in ("", CENTERED))
"""Features that a linear classifier reads: the frozen encoder's alone, or those and power maps."""
ENCODER_MODES = (*MODES, *POOLED_MODES)
"""How an encoder can be adapted."""


def feature_baseline(model: str) -> str | None:
    """Which of `FEATURE_BASELINES` a contestant is, plain or centered; None for all others, such as folders."""
    name = model.removesuffix(CENTERED)
    return name if name in FEATURE_BASELINES else None


def is_centered(model: str, mode: str) -> bool:
    """Whether features are centered by subject; a checkpoint's name says nothing about it."""
    return (model if model in BASELINES else mode).endswith(CENTERED)
