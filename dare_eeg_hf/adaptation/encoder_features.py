"""Features of a frozen encoder, computed once and kept beside the windows.

A probe on a frozen encoder sees the same features in every epoch, fold and seed, so twenty seeds cost little more
than one pass of the encoder.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

import torch

from dare_eeg_hf.adaptation.classifier_setup import prepare_inputs
from dare_eeg_hf.adaptation.labelled_windows import LabelledWindows
from dare_eeg_hf.feature_extraction_dare_eeg import DareEegFeatureExtractor
from dare_eeg_hf.modeling_dare_eeg import DareEegModel
from dare_eeg_hf.onednn_linear import onednn_products
from dare_eeg_hf.progress import progress_bar

BATCH_SIZE = 64


def encoder_fingerprint(encoder: DareEegModel, extractor: DareEegFeatureExtractor) -> str:
    """A digest of an encoder's weights and of what else decides its output: settings, vocabulary, signal contract."""
    config = encoder.config
    settings = (config.num_attention_heads, config.layer_norm_eps, config.hidden_act, config.channel_names)
    contract = (extractor.sampling_rate, extractor.unit, extractor.reference, extractor.average_from)
    digest = hashlib.sha256(repr((settings, contract)).encode())
    for name, weight in sorted(encoder.state_dict().items()):
        digest.update(name.encode())
        digest.update(weight.detach().cpu().contiguous().float().numpy().data)
    return digest.hexdigest()[:16]


@torch.no_grad()
def encode_inputs(
    encoder: DareEegModel, inputs: dict[str, torch.Tensor], device: torch.device | str = "cpu", progress: bool = False
) -> torch.Tensor:
    """Features (W, N*S, D) of model inputs, computed in batches, on the CPU."""
    encoder = encoder.to(device).eval()
    starts = range(0, len(inputs["input_values"]), BATCH_SIZE)
    pieces = []
    with onednn_products(device):
        for start in progress_bar(starts, desc="features", unit="batch", show=progress):
            batch = {name: values[start : start + BATCH_SIZE].to(device) for name, values in inputs.items()}
            pieces.append(encoder(**batch, return_dict=True).last_hidden_state.float().cpu())
    return torch.cat(pieces)


def attach_features(
    encoder: DareEegModel,
    extractor: DareEegFeatureExtractor,
    windows: LabelledWindows,
    device: torch.device | str = "cpu",
    progress: bool = False,
) -> LabelledWindows:
    """The windows with `features` (W, N*S, D) of this encoder and `feature_mask` (W, N) of the patches they fill."""
    inputs = prepare_inputs(extractor, windows)
    return replace(
        windows,
        features=encode_inputs(encoder, inputs, device, progress),
        feature_mask=inputs["patch_mask"],
        features_of=encoder_fingerprint(encoder, extractor),
    )
