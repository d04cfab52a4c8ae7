"""Speed of features that are averaged over overlapping patches, by how far these are apart and in which precision.

    python benchmarks/overlapping_patches.py                                       the nano of this repository
    OMP_NUM_THREADS=1 python benchmarks/overlapping_patches.py --checkpoint runs/base --electrodes 58 --seconds 4

Windows are noise, by default as long and of as many electrodes as those of mental arithmetic (EEGMAT). All settings
are measured in turn, round after round, and the median round counts. The first row is what all others are compared
with: patches 8 samples apart, in float32, with torch's fused attention throughout and torch's own products. Pipelines
and estimators have oneDNN compute products on processors with AVX-512; on others these rows are torch's as well.
"""

import argparse
from contextlib import nullcontext
from pathlib import Path
from statistics import median
from unittest.mock import patch

import torch

from dare_eeg_hf import DareEegModel, modeling_dare_eeg, onednn_linear
from dare_eeg_hf.adaptation.feature_statistics import feature_statistics
from hardware import clock, machine

SETTINGS = [
    (8, "float32", "fused", "torch"),
    *((stride, dtype, "by rule", "torch") for dtype in ("float32", "bf16") for stride in (8, 16, 32)),
    *((stride, "float32", "by rule", "oneDNN") for stride in (8, 16, 32)),
]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    nano = Path(__file__).parents[1] / "model_cards" / "dare-eeg-nano"
    parser.add_argument("--checkpoint", default=nano, help="folder of a model (default: model_cards/dare-eeg-nano)")
    parser.add_argument("--electrodes", type=int, default=19, help="of a window (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of a window (default: %(default)s)")
    parser.add_argument("--windows", type=int, default=32, help="windows of a round (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    options = parser.parse_args()
    encoder = DareEegModel.from_pretrained(options.checkpoint)
    patches = round(options.seconds * encoder.config.sampling_rate / encoder.config.patch_size)
    inputs = {
        "input_values": 0.02 * torch.randn(options.windows, options.electrodes, patches * encoder.config.patch_size),
        "channel_ids": torch.arange(options.electrodes).expand(options.windows, -1),
        "patch_mask": torch.ones(options.windows, patches, dtype=torch.bool),
    }
    print(machine("cpu"))
    now, times = clock("cpu"), {setting: [] for setting in SETTINGS}
    for number in range(options.rounds + 1):  # the first one warms up
        for setting in SETTINGS:
            stride, dtype, attention, products = setting
            torchs = patch.object(onednn_linear, "is_available", return_value=False)
            fused = patch.object(modeling_dare_eeg, "suits_products", return_value=False)
            precision = torch.autocast("cpu", torch.bfloat16) if dtype == "bf16" else nullcontext()
            with (
                fused if attention == "fused" else nullcontext(),
                torchs if products == "torch" else nullcontext(),
                precision,
            ):
                start = now()
                feature_statistics(encoder, inputs, stride, with_power_maps=False)
            if number:
                times[setting].append(now() - start)
    titles = ("precision", "attention", "products", "windows/s", "times the first")
    print("samples apart" + "".join(f"{title:>17}" for title in titles))
    first = times[SETTINGS[0]]
    for (stride, dtype, attention, products), own in times.items():
        faster = median(before / after for before, after in zip(first, own, strict=True))
        speed = f"{options.windows / median(own):>17.1f}{faster:>15.2f} x"
        print(f"{stride:>13}{dtype:>17}{attention:>17}{products:>17}{speed}")


if __name__ == "__main__":
    main()
