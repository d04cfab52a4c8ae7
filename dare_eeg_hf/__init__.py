"""DARE-EEG for Hugging Face Transformers: from EEG files to pre-trained models, features and predictions."""

from transformers import AutoConfig, AutoFeatureExtractor, AutoModel, AutoModelForPreTraining
from transformers import AutoModelForSequenceClassification

from .configuration_dare_eeg import DareEegConfig
from .modeling_dare_eeg import DareEegForPreTraining, DareEegForSequenceClassification, DareEegModel

__version__ = "0.1.0"

AutoConfig.register("dare_eeg", DareEegConfig)
AutoModel.register(DareEegConfig, DareEegModel)
AutoModelForPreTraining.register(DareEegConfig, DareEegForPreTraining)
AutoModelForSequenceClassification.register(DareEegConfig, DareEegForSequenceClassification)

__all__ = ["DareEegConfig", "DareEegForPreTraining", "DareEegForSequenceClassification", "DareEegModel"]
