"""DARE-EEG for Hugging Face Transformers: from EEG files to pre-trained models, features and predictions."""

from transformers import (
    AutoConfig,
    AutoFeatureExtractor,
    AutoModel,
    AutoModelForPreTraining,
    AutoModelForSequenceClassification,
)

from dare_eeg_hf.configuration_dare_eeg import DareEegConfig
from dare_eeg_hf.feature_extraction_dare_eeg import DareEegFeatureExtractor
from dare_eeg_hf.modeling_dare_eeg import DareEegForPreTraining, DareEegForSequenceClassification, DareEegModel
from dare_eeg_hf.moved_names import recognise_old_names
from dare_eeg_hf.pipeline_dare_eeg import EegClassificationPipeline, EegFeatureExtractionPipeline, register_pipelines
from dare_eeg_hf.sources_dare_eeg import OFFERED

__version__ = "0.1.0"

AutoConfig.register("dare_eeg", DareEegConfig)
AutoModel.register(DareEegConfig, DareEegModel)
AutoModelForPreTraining.register(DareEegConfig, DareEegForPreTraining)
AutoModelForSequenceClassification.register(DareEegConfig, DareEegForSequenceClassification)
AutoFeatureExtractor.register(DareEegConfig, DareEegFeatureExtractor)
register_pipelines()
# As pyproject.toml has them; these count where the package is on the path without having been installed.
OFFERED |= {
    "read": "dare_eeg_hf.recordings.readers:read_recording",
    "normalise": "dare_eeg_hf.recordings.pieces:PiecewiseNormalizer",
}
recognise_old_names()

__all__ = [
    "DareEegConfig",
    "DareEegFeatureExtractor",
    "DareEegForPreTraining",
    "DareEegForSequenceClassification",
    "DareEegModel",
    "EegClassificationPipeline",
    "EegFeatureExtractionPipeline",
]
