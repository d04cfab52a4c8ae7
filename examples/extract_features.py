"""Turn recordings into features for a method of your own; here, to find the recordings that are most alike.

python examples/extract_features.py --model runs/pretrained --recordings recordings/ --output features.npz
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from transformers import pipeline

import dare_eeg_hf  # noqa: F401  (registers the models and pipelines)
from dare_eeg_hf.checkpoints import find_checkpoint
from dare_eeg_hf.recordings.recordings import find_recordings


def main(arguments: list[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="folder of a pre-trained checkpoint, or its id on the Hub")
    parser.add_argument("--recordings", type=Path, required=True, help="folder of EEG files")
    parser.add_argument("--output", type=Path, required=True, help=".npz to write: features (windows, width), names")
    options = parser.parse_args(arguments)

    try:
        encode = pipeline("eeg-feature-extraction", model=find_checkpoint(options.model))
        paths = find_recordings(options.recordings)
        features = [encode(path, drop_partial=True)["features"] for path in paths]
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from None
    names = np.repeat([str(path.relative_to(options.recordings)) for path in paths], [len(each) for each in features])
    np.savez_compressed(options.output, features=np.concatenate(features), recording=names)
    print(f"{len(names)} windows of {len(paths)} recordings, {features[0].shape[1]} features each: {options.output}")

    means = np.stack([each.mean(axis=0) for each in features])
    means -= means.mean(axis=0)
    means /= np.linalg.norm(means, axis=1, keepdims=True) + 1e-12
    similarity = means @ means.T - 2 * np.eye(len(means))
    for index, path in enumerate(paths):
        nearest = int(similarity[index].argmax())
        print(f"{path.name} is most like {paths[nearest].name} (cosine {similarity[index, nearest]:.2f})")


if __name__ == "__main__":
    main()
