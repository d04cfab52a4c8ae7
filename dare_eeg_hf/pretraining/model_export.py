"""A run's best checkpoint, put into the run's folder as a model that `from_pretrained` loads."""

import shutil
from pathlib import Path

from dare_eeg_hf.atomic_files import replacing
from dare_eeg_hf.pretraining.checkpointing import MODEL_FILE, sync

MODEL_FILES = ("config.json", "preprocessor_config.json", MODEL_FILE)


def export_model(checkpoint: Path, output_dir: Path, facts: dict[str, object]) -> list[Path]:
    """Copy a checkpoint's model files, each in one move, and write the model card.

    Args:
        checkpoint: folder of the checkpoint.
        output_dir: the run's folder.
        facts: what the card should say, as `hub.cards.write_model_card` takes it.

    Returns:
        The files of the model and its card, which are not all that may lie in the run's folder.
    """
    from dare_eeg_hf.hub.cards import CARD_FILES, write_model_card

    for name in MODEL_FILES:
        with replacing(output_dir / name) as temporary:
            shutil.copyfile(checkpoint / name, temporary)
            sync(temporary)
    write_model_card(output_dir, run=facts)
    files = (output_dir / name for name in (*MODEL_FILES, *CARD_FILES))
    return [file for file in files if file.is_file()]
