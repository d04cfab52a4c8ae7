"""DARE-EEG for Hugging Face Transformers: from EEG files to pre-trained models, features and predictions."""

import importlib
from typing import TYPE_CHECKING, Any

from dare_eeg_hf.moved_names import recognise_old_names
from dare_eeg_hf.registration import register_when_loaded

if TYPE_CHECKING:
    from dare_eeg_hf.configuration_dare_eeg import DareEegConfig
    from dare_eeg_hf.feature_extraction_dare_eeg import DareEegFeatureExtractor
    from dare_eeg_hf.modeling_dare_eeg import DareEegForPreTraining, DareEegForSequenceClassification, DareEegModel
    from dare_eeg_hf.pipeline_dare_eeg import EegClassificationPipeline, EegFeatureExtractionPipeline

__version__ = "0.1.0"

__all__ = [
    "DareEegConfig",
    "DareEegFeatureExtractor",
    "DareEegForPreTraining",
    "DareEegForSequenceClassification",
    "DareEegModel",
    "EegClassificationPipeline",
    "EegFeatureExtractionPipeline",
]

_MODULES = {
    "configuration_dare_eeg": ("DareEegConfig",),
    "feature_extraction_dare_eeg": ("DareEegFeatureExtractor",),
    "modeling_dare_eeg": ("DareEegForPreTraining", "DareEegForSequenceClassification", "DareEegModel"),
    "pipeline_dare_eeg": ("EegClassificationPipeline", "EegFeatureExtractionPipeline"),
}
"""Modules that take seconds to load, and what they have for everyone: both are attributes, loaded at the first use."""


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name == module:
            return importlib.import_module(f"{__name__}.{module}")
        if name in names:
            globals()[name] = value = getattr(importlib.import_module(f"{__name__}.{module}"), name)
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})


recognise_old_names()
register_when_loaded()
