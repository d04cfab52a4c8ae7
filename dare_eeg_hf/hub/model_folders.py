"""Writes `model_cards/`: one folder per published size, a Hub repository that only lacks the weights.

    python -m dare_eeg_hf.hub.model_folders model_cards

The code that travels with a checkpoint is not copied here, where it would go stale: `publishing` adds it, from the
package as it is then, together with the weights.
"""

import argparse
import sys
from pathlib import Path

from dare_eeg_hf.configuration_dare_eeg import PRESETS, DareEegConfig
from dare_eeg_hf.feature_extraction_dare_eeg import DareEegFeatureExtractor
from dare_eeg_hf.hub.cards import render_model_card
from dare_eeg_hf.hub.publishing import as_json, hub_config, hub_preprocessor_config


def write_model_folder(root: Path, preset: str) -> Path:
    """Write config.json, preprocessor_config.json and the card of one size into `root/dare-eeg-<size>`."""
    folder = root / f"dare-eeg-{preset}"
    folder.mkdir(parents=True, exist_ok=True)
    config = DareEegConfig.from_preset(preset, architectures=["DareEegForPreTraining"]).to_dict()
    for name in ("transformers_version", "_name_or_path"):  # of this machine, not of the model
        config.pop(name, None)
    preprocessor_config = DareEegFeatureExtractor().to_dict()
    (folder / "config.json").write_bytes(as_json(hub_config(config)))
    (folder / "preprocessor_config.json").write_bytes(as_json(hub_preprocessor_config(preprocessor_config)))
    facts = {"run": {"name": f"dare-eeg-{preset}"}, "evaluation": []}
    (folder / "README.md").write_text(render_model_card(folder, facts), encoding="utf-8")
    return folder


def main(argv: list[str] | None = None) -> int:
    """Entry point of `python -m dare_eeg_hf.hub.model_folders`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path, help="folder that gets one folder per size, e.g. model_cards")
    arguments = parser.parse_args(argv)
    for preset in PRESETS:
        print(write_model_folder(arguments.root, preset))
    return 0


if __name__ == "__main__":
    sys.exit(main())
