"""What keeping a frozen encoder's features saves: a linear probe over many seeds, with and without.

    python benchmarks/kept_features.py                                       # 1,000 windows, 20 seeds
    python benchmarks/kept_features.py --checkpoint CHECKPOINT --seeds 5

Simulated windows of 19 electrodes and 4 s, a fifth of them for validation, default settings of fine-tuning. With kept
features the encoder runs once for all seeds. Beside it: an encoder that runs once for each seed, and one that runs in
every epoch as in an ordinary training loop (worked out from the measured passes and epochs, not run).
"""

import argparse
import time
from pathlib import Path

import numpy as np
from transformers import AutoFeatureExtractor, AutoModel
from transformers.utils import logging as transformers_logging

from dare_eeg_hf.adaptation.encoder_features import attach_features
from dare_eeg_hf.adaptation.finetuning import FinetuningArguments, finetune
from dare_eeg_hf.adaptation.labelled_windows import LabelledWindows
from hardware import machine

NANO = Path(__file__).resolve().parent.parent / "model_cards" / "dare-eeg-nano"
ELECTRODES = "Fp1 Fp2 F7 F3 Fz F4 F8 T7 C3 Cz C4 T8 P7 P3 Pz P4 P8 O1 O2".split()


def simulate_windows(count: int) -> LabelledWindows:
    """Noise in microvolts at 256 Hz, a tenth stronger at the front in every second window."""
    labels = np.arange(count) % 2
    signals = 20 * np.random.default_rng(0).normal(size=(count, len(ELECTRODES), 1024))
    signals[labels == 1, :7] *= 1.1
    return LabelledWindows.from_arrays(signals, labels, channel_names=ELECTRODES, sampling_rate=256, unit="uV")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", default=str(NANO), help="default: model_cards/dare-eeg-nano")
    parser.add_argument("--windows", type=int, default=1000, help="default: %(default)s")
    parser.add_argument("--seeds", type=int, default=20, help="default: %(default)s")
    options = parser.parse_args()
    transformers_logging.disable_progress_bar()
    print(machine("cpu"))

    windows = simulate_windows(options.windows)
    encoder = AutoModel.from_pretrained(options.checkpoint)
    extractor = AutoFeatureExtractor.from_pretrained(options.checkpoint)
    start = time.perf_counter()
    kept = attach_features(encoder, extractor, windows)
    encoding = time.perf_counter() - start

    validated = np.arange(options.windows) % 5 == 0
    train, validation = (kept.select(np.flatnonzero(part)) for part in (~validated, validated))
    start, epochs = time.perf_counter(), 0
    for seed in range(options.seeds):
        arguments = FinetuningArguments(mode="linear", seed=seed)
        result = finetune(options.checkpoint, train, validation, arguments, progress=False)
        epochs += sum(row["split"] == "train" for row in result.history)
    probing = time.perf_counter() - start

    print(f"{options.windows} windows, {options.seeds} seeds, {epochs} epochs in all; seconds:")
    print(f"  features kept             {encoding + probing:9.1f}  (encoder {encoding:.1f}, probes {probing:.1f})")
    print(f"  encoder once per seed     {options.seeds * encoding + probing:9.1f}")
    print(f"  encoder in every epoch    {epochs * encoding + probing:9.1f}")


if __name__ == "__main__":
    main()
