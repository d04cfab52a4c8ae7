"""Send a long simulated recording through the classification pipeline and measure time and peak memory.

    python benchmarks/long_recording.py                       # one hour of 64 channels, nano
    python benchmarks/long_recording.py --minutes 10 --preset base

The model has random weights: what is measured does not depend on them. The pipeline runs in a process of its own, so
that the memory of the simulation is not counted; the memory of an idle process with everything loaded is printed too.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from dare_eeg_hf import DareEegConfig, DareEegFeatureExtractor, DareEegForSequenceClassification
from dare_eeg_hf.configuration_dare_eeg import PRESETS
from dare_eeg_hf.montage import CHANNEL_VOCABULARY
from dare_eeg_hf.recordings.simulation import simulate_recordings

MEASURED = """
import sys, time
import torch
from transformers import pipeline
import dare_eeg_hf
from dare_eeg_hf.evaluation.costs import peak_megabytes

torch.set_num_threads(int(sys.argv[3]))
classify = pipeline("eeg-classification", model=sys.argv[1], device="cpu")
idle = peak_megabytes()
start = time.perf_counter()
windows = classify(sys.argv[2])
seconds = time.perf_counter() - start
print(f"{len(windows)} windows in {seconds:.1f} s ({len(windows) / seconds:.1f} windows/s)")
print(f"peak memory {peak_megabytes():.0f} MB, of which {idle:.0f} MB before the recording was opened")
"""


def main() -> None:
    """Simulate, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, default=60, help="length of the recording (default: 60)")
    parser.add_argument("--preset", choices=PRESETS, default="nano", help="size of the model (default: nano)")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch (default: 1)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = DareEegForSequenceClassification(DareEegConfig.from_preset(options.preset, num_labels=2))
        model.save_pretrained(folder)
        DareEegFeatureExtractor().save_pretrained(folder)
        recording, _ = simulate_recordings(
            Path(folder), subjects=1, seconds=60 * options.minutes, montage=[*CHANNEL_VOCABULARY, "AFz", "Iz"]
        )
        size = recording.stat().st_size / 1e6
        print(
            f"{options.minutes} minutes, 64 channels at 160 Hz, {size:.0f} MB on the disk; {options.preset}",
            flush=True,
        )
        arguments = [folder, str(recording), str(options.threads)]
        subprocess.run([sys.executable, "-c", MEASURED, *arguments], check=True)


if __name__ == "__main__":
    main()
