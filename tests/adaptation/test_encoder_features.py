"""Features of a frozen encoder that are kept."""

import time

import numpy as np
import torch

from dare_eeg_hf.adaptation.classifier_setup import build_classifier, prepare_inputs
from dare_eeg_hf.adaptation.encoder_features import attach_features
from dare_eeg_hf.adaptation.finetuning import FinetuningArguments, finetune, predict_probabilities
from tests.adaptation.conftest import easy_windows, quick, tiny_config


def test_kept_features_give_what_the_whole_model_gives_and_make_seeds_cheap(tiny_encoder):
    """1,000 windows and 20 seeds in seconds: the encoder runs once, each seed trains a probe on what it gave."""
    windows = easy_windows(1000, seconds=1.0)
    model, extractor = build_classifier(tiny_encoder, windows)
    model.freeze_encoder()
    started = time.perf_counter()
    kept = attach_features(model.dare_eeg, extractor, windows)
    results = [
        finetune(tiny_encoder, kept, None, FinetuningArguments(epochs=5, seed=seed), progress=False)
        for seed in range(20)
    ]
    assert time.perf_counter() - started < 60
    chosen = results[3]
    whole = chosen.model(**prepare_inputs(extractor, windows.select(range(32)))).logits.softmax(-1)
    quickly = predict_probabilities(chosen.model, chosen.feature_extractor, kept.select(range(32)))
    np.testing.assert_allclose(quickly, whole.detach().numpy(), atol=1e-5)


def test_features_of_another_encoder_are_not_used(tiny_encoder):
    windows = easy_windows(12)
    other, extractor = build_classifier(tiny_config(num_attention_heads=1), windows)
    stale = attach_features(other.dare_eeg, extractor, windows)
    fresh, misled = (
        finetune(tiny_encoder, data, None, quick(epochs=2), progress=False).model.state_dict()
        for data in (windows, stale)
    )
    assert all(torch.equal(fresh[name], misled[name]) for name in fresh)
