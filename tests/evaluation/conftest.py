"""A small corpus of simulated recordings and a tiny checkpoint, made once."""

import pytest
import torch

from dare_eeg_hf import DareEegConfig, DareEegFeatureExtractor, DareEegForPreTraining
from dare_eeg_hf.evaluation.tasks import TASKS
from dare_eeg_hf.recordings.simulation import simulate_recordings


@pytest.fixture(scope="session")
def corpus_root(tmp_path_factory):
    """A data root whose `eegmmidb` holds eyes-open and eyes-closed EDF files of four simulated subjects."""
    root = tmp_path_factory.mktemp("data_root")
    names = ["Fp1", "Fp2", "F3", "F4", "C3", "C4", "P3", "P4", "O1", "O2"]
    simulate_recordings(root / "eegmmidb", subjects=4, montage=names, sampling_rate=128, seconds=32, seed=1)
    return root


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory):
    """A complete pre-training checkpoint with random weights."""
    folder = tmp_path_factory.mktemp("tiny") / "tiny-encoder"
    config = DareEegConfig(
        hidden_size=16,
        num_summary_tokens=1,
        num_hidden_layers=1,
        predictor_num_hidden_layers=1,
        reconstructor_num_hidden_layers=1,
        num_attention_heads=2,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        DareEegForPreTraining(config).save_pretrained(folder)
    DareEegFeatureExtractor().save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def windows(corpus_root):
    """The windows of the task with open and closed eyes."""
    return TASKS["eyes-eegmmidb"].load(corpus_root)
