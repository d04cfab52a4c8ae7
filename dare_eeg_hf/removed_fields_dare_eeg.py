"""Fields that configurations had once: where each went, and how a file that still holds them is read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .argument_names import UnknownNameError

_MASKING = {
    name: name
    for name in (
        "patch_drop_probability",
        "visible_channel_ratio",
        "target_probability",
        "min_view_overlap",
        "max_view_overlap",
        "second_view_patches",
    )
} | {"mask_scope": "scope"}
"""Old name -> its name in `masking`."""

_CONSTANTS = {"spatial_max_norm": 1.0, "spectral_max_norm": 1.0, "probe_max_norm": 1.0, "classifier_max_norm": 0.25}
"""Fields that became constants, with the published value."""


def _of_pretraining(name: str) -> str:
    return f"is an argument of pre-training: --{name.replace('_', '-')}, or PretrainingArguments({name}=...)"


REMOVED_FIELDS: dict[str, str] = {
    **{
        name: _of_pretraining(name)
        for name in (
            "momentum_start",
            "momentum_end",
            "gather_negatives",
            "train_contrastive_projection",
            "patch_initializer_range",
        )
    },
    "label_smoothing": "is an argument of fine-tuning: --label-smoothing, or FinetuningArguments(label_smoothing=...)",
    "freeze_encoder": "is a method of the classifier: model.freeze_encoder() and model.unfreeze_encoder()",
    "electrode_sampling_rate": "was removed: windows are resampled to sampling_rate before the model, by "
    "DareEegFeatureExtractor",
    **{
        old: f"is part of masking: --set masking.{new}=..., or masking={{'{new}': ...}}"
        for old, new in _MASKING.items()
    },
    **{name: f"is a constant now, the published {value:g}" for name, value in _CONSTANTS.items()},
}
"""Name of each field that was removed, and what replaces it."""


def refuse_removed_fields(given: Iterable[str]) -> None:
    """Say where the fields went that were removed from configurations.

    Raises:
        UnknownNameError: Such as "momentum_start is an argument of pre-training: --momentum-start, or ...".
    """
    removed = [name for name in given if name in REMOVED_FIELDS]
    if removed:
        raise UnknownNameError("; ".join(f"{name} {REMOVED_FIELDS[name]}" for name in removed) + ".")


def without_removed_fields(stored: dict[str, Any]) -> dict[str, Any]:
    """What a file holds, in today's fields: masks go to `masking`, arguments of training are left out.

    Raises:
        ValueError: The file asks for what this version cannot compute, so its model would give wrong answers.
    """
    fields = {name: value for name, value in stored.items() if name not in REMOVED_FIELDS}
    masking = {new: stored[old] for old, new in _MASKING.items() if old in stored}
    if masking:
        fields["masking"] = masking | (stored.get("masking") or {})
    for name, value in _CONSTANTS.items():
        if stored.get(name, value) != value:
            raise ValueError(f"This checkpoint has {name} = {stored[name]}; {name} {REMOVED_FIELDS[name]}.")
    rate, recorded = stored.get("sampling_rate", 256), stored.get("electrode_sampling_rate")
    has_adapter = stored.get("use_spatial_projection") or stored.get("use_spectral_projection")
    if has_adapter and recorded not in (None, rate):
        raise ValueError(
            f"This classifier was adapted to windows of {recorded} Hz, which its adapter stretched to {rate} Hz. That "
            f"is no longer supported: adapt the pre-trained checkpoint again, to windows of {rate} Hz."
        )
    return fields
