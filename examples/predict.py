"""Label a recording with a fine-tuned model, and keep the answer beside it as a table, annotations and a figure.

python examples/predict.py --model runs/probe --recording recordings/S001R02.edf --output results/
"""

from __future__ import annotations

import argparse
from pathlib import Path

from transformers import pipeline

import dare_eeg_hf  # noqa: F401  (registers the models and pipelines)
from dare_eeg_hf.checkpoints import find_checkpoint
from dare_eeg_hf.predictions import save_annotations, save_predictions, to_annotations
from dare_eeg_hf.visualization import plot_classification


def main(arguments: list[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="folder of a fine-tuned checkpoint, or its id on the Hub")
    parser.add_argument("--recording", type=Path, required=True, help="an EEG file")
    parser.add_argument("--output", type=Path, required=True, help="folder for the results")
    parser.add_argument("--overlap", type=float, default=0.5, help="of neighbouring windows (default: %(default)s)")
    options = parser.parse_args(arguments)
    try:
        classify = pipeline("eeg-classification", model=find_checkpoint(options.model))
        windows = classify(options.recording, overlap=options.overlap)
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from None
    options.output.mkdir(parents=True, exist_ok=True)

    save_predictions(windows, options.output / f"{options.recording.stem}.csv")
    save_annotations(windows, options.output / f"{options.recording.stem}_annotations.csv")
    figure = plot_classification(windows)
    figure.savefig(options.output / f"{options.recording.stem}.png", dpi=150)
    for annotation in to_annotations(windows, orig_time=None):
        end = annotation["onset"] + annotation["duration"]
        print(f"{annotation['onset']:8.1f} s to {end:8.1f} s  {annotation['description']}")


if __name__ == "__main__":
    main()
