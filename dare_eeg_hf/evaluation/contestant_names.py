"""The names of a benchmark's baselines, and how an encoder can be adapted; `contestants` says what each one does."""

from dare_eeg_hf.adaptation.finetuning_arguments import MODES

CENTERED = "-centered"
BASELINES = ("chance", "band-power", "band-power" + CENTERED, "riemann", "riemann" + CENTERED, "eegnet")
DETERMINISTIC = tuple(name for name in BASELINES if name != "eegnet")
"""Baselines without randomness: one seed is enough."""

POOLED_MODES = ("pooled", "pooled" + CENTERED)
ENCODER_MODES = (*MODES, *POOLED_MODES)
"""How an encoder can be adapted."""
