"""Writes `model_cards/`: one folder per published size, a Hub repository that lacks weights nobody has trained yet.

    python -m dare_eeg_hf.hub.model_folders model_cards
    python -m dare_eeg_hf.hub.model_folders model_cards --trained runs/nano --name dare-eeg-nano
    python -m dare_eeg_hf.hub.model_folders model_cards --trained runs/base --name dare-eeg-base --encoder-alone

The other forms take the weights, record and card of a run, whole or of the encoder that `AutoModel` loads; the first
leaves such folders alone. The code that travels with a checkpoint is not copied here, where it would go stale:
`publishing` adds it, from the package as it is then.
"""

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

from dare_eeg_hf.atomic_files import write_bytes, write_json
from dare_eeg_hf.command_parser import CommandParser
from dare_eeg_hf.configuration_dare_eeg import PRESETS, DareEegConfig
from dare_eeg_hf.feature_extraction_dare_eeg import DareEegFeatureExtractor
from dare_eeg_hf.file_digest import file_digest
from dare_eeg_hf.hub.cards import FACTS_NAME, has_weights, is_generated, render_model_card, write_model_card
from dare_eeg_hf.hub.publishing import as_json, collect_model, hub_config, hub_preprocessor_config, remote_code
from dare_eeg_hf.hub.transfer import PublishingError
from dare_eeg_hf.metrics_log import FILE_NAME as METRICS_FILE
from dare_eeg_hf.modeling_dare_eeg import DareEegModel


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


def write_trained_folder(root: Path, run: Path, name: str) -> Path:
    """Copy a run's checkpoint, record and card to `root/name`; a card that was edited there is kept.

    Raises:
        PublishingError: the run lacks a file, or holds what must not be published.
    """
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    write_model_card(run, run={"name": name})
    left_out = {*remote_code(), "handler.py", "requirements.txt"}
    for file, content in collect_model(run, f"ORGANISATION/{name}").items():
        own_card = file == "README.md" and (folder / file).is_file() and not is_generated(folder / file)
        if own_card or file in left_out:
            continue
        write_bytes(folder / file, content if isinstance(content, bytes) else content.read_bytes())
    return folder


def encoder_alone(run: Path, folder: Path) -> Path:
    """Save the encoder of a run's checkpoint in `folder`, with the run's record, and return `folder`.

    The momentum encoder is what `AutoModel` loads, and an eighth to a quarter of a pre-training checkpoint.

    Raises:
        PublishingError: the run holds no checkpoint.
    """
    try:
        encoder, extractor = DareEegModel.from_pretrained(run), DareEegFeatureExtractor.from_pretrained(run)
    except (OSError, ValueError) as error:
        raise PublishingError(f"{run} holds no checkpoint: {error}") from error
    encoder.save_pretrained(folder)
    extractor.save_pretrained(folder)
    if (run / METRICS_FILE).is_file():
        shutil.copy(run / METRICS_FILE, folder)
    if (run / FACTS_NAME).is_file():
        facts = json.loads((run / FACTS_NAME).read_text(encoding="utf-8"))
        write_json(folder / FACTS_NAME, {**facts, "weights": file_digest(*sorted(folder.glob("*.safetensors")))})
    return folder


def main(argv: list[str] | None = None) -> int:
    """Entry point of `python -m dare_eeg_hf.hub.model_folders`."""
    parser = CommandParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path, help="folder that gets one folder per size, e.g. model_cards")
    parser.add_argument("--trained", type=Path, metavar="RUN", help="checkpoint folder to take over")
    parser.add_argument("--name", help="its folder's name, with --trained")
    parser.add_argument("--encoder-alone", action="store_true", help="leave out what only pre-training needs")
    arguments = parser.parse_args(argv)
    if bool(arguments.trained) != bool(arguments.name):
        parser.error("--trained and --name belong together")
    if arguments.trained:
        try:
            with tempfile.TemporaryDirectory() as temporary:
                run = arguments.trained
                run = encoder_alone(run, Path(temporary)) if arguments.encoder_alone else run
                print(write_trained_folder(arguments.root, run, arguments.name))
        except (OSError, PublishingError) as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
        return 0
    for preset in PRESETS:
        if not has_weights(arguments.root / f"dare-eeg-{preset}"):
            print(write_model_folder(arguments.root, preset))
    return 0


if __name__ == "__main__":
    sys.exit(main())
