"""Which checkpoint a name means (an error at once if none), its pipeline, and an identifier of its weights."""

import difflib
import json
import os
import re
from pathlib import Path
from typing import Any

from huggingface_hub import hf_hub_download
from transformers import pipeline
from transformers.utils import cached_file

from dare_eeg_hf.file_digest import file_digest
from dare_eeg_hf.pipeline_dare_eeg import EegClassificationPipeline, EegFeatureExtractionPipeline

SHIPPED = Path(__file__).resolve().parents[1] / "model_cards" / "dare-eeg-nano"
"""The pre-trained encoder that comes with a copy of the repository."""

_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")


def find_checkpoint(name: str | os.PathLike, *, weights: bool = True) -> str:
    """Return the name of a checkpoint after checking that it can be one, without asking the Hub.

    A name stands for a folder where there is one. Otherwise it is an id on the Hub if it has the form `owner/name`
    and `owner` is not a folder here: anyone who writes `runs/nano` next to a folder `runs` has mistyped a path.

    Args:
        name: A folder, or an id on the Hub.
        weights: Whether the folder has to hold weights, and not only a configuration.

    Raises:
        FileNotFoundError: With one sentence that says what is not there.
    """
    name = str(name)
    folder = Path(name).expanduser()
    if folder.is_dir():
        _check_folder(folder, weights)
        return str(folder)
    if folder.is_file():
        raise FileNotFoundError(f"{name} is a file; give the folder of the checkpoint, {folder.parent}.")
    if may_be_on_hub(name):
        return name
    raise FileNotFoundError(
        f"There is no folder {name}, and it is not an id on the Hub (owner/name) either{_similar(folder) or '.'}"
    )


def shipped_checkpoint() -> str:
    """The pre-trained encoder that comes with the repository, for commands that were given no model.

    Raises:
        FileNotFoundError: this is an installation without it.
    """
    if not any(SHIPPED.glob("*.safetensors")):
        raise FileNotFoundError(
            "No model was named, and this installation comes without one: give --model, the folder of a checkpoint or "
            "its id on the Hub (owner/name)."
        )
    return str(SHIPPED)


def may_be_on_hub(name: str | os.PathLike) -> bool:
    """Whether a name that is not a folder can be a repository on the Hub: `owner/name`, with no folder `owner`."""
    return bool(_HUB_ID.fullmatch(str(name))) and not Path(str(name).partition("/")[0]).is_dir()


def _check_folder(folder: Path, weights: bool) -> None:
    if not (folder / "config.json").is_file():
        inside = sorted(path.parent for path in folder.glob("*/config.json") if any(path.parent.glob("*.safetensors")))
        hint = f", such as {inside[-1]}" if inside else ""
        raise FileNotFoundError(f"The folder {folder} has no config.json: give the folder of a checkpoint{hint}.")
    if weights and not any(folder.glob("*.safetensors")):
        raise FileNotFoundError(
            f"The folder {folder} describes a model but holds no weights (no .safetensors file): train one with "
            "`dare-eeg pretrain`, or give a folder that has them."
        )


def _similar(folder: Path) -> str:
    """A hint at a folder with nearly that name."""
    if not folder.parent.is_dir():
        return ""
    names = [path.name for path in folder.parent.iterdir() if path.is_dir()]
    close = difflib.get_close_matches(folder.name, names, n=1)
    return f"; did you mean {folder.parent / close[0]}?" if close else ""


def load_pipeline(name: str | os.PathLike, task: str | None = None, **options: Any):
    """Load a model's pipeline.

    Args:
        name: A folder, or an id on the Hub.
        task: "eeg-classification" or "eeg-feature-extraction"; by default the one that fits the model.
        options: Passed to `transformers.pipeline`, such as `device` or `revision`.

    Raises:
        ValueError: If it is not a DARE-EEG model.
        OSError: If there is nothing to load under this name.
    """
    path = find_checkpoint(name, weights=False)
    config_file = Path(cached_file(path, "config.json", revision=options.get("revision")))
    config = json.loads(config_file.read_text(encoding="utf-8"))
    if config.get("model_type") != "dare_eeg":
        raise ValueError(f"{path} holds a model of type {config.get('model_type')!r}, not a DARE-EEG one.")
    find_checkpoint(path)
    trained = config.get("architectures") or []
    classifies = any(head.endswith("ForSequenceClassification") for head in trained)
    if task == "eeg-classification" and trained and not classifies:  # before Transformers lists what is missing
        raise ValueError(
            f"{path} is a {trained[0]} checkpoint without a trained classifier; fine-tune it first, or ask it for "
            "features (`dare-eeg embed`, or the pipeline 'eeg-feature-extraction')."
        )
    if task is None:
        task = "eeg-classification" if classifies else "eeg-feature-extraction"
    classes = {
        "eeg-classification": EegClassificationPipeline,
        "eeg-feature-extraction": EegFeatureExtractionPipeline,
    }
    return pipeline(task, model=path, pipeline_class=classes[task], **options)


def digest_of_weights(checkpoint: Path, revision: str | None = None) -> str:
    """An identifier of a checkpoint's weights, configuration and signal contract: it changes when one of them does.

    For a local folder, a digest of these files; for a Hub id, the commit of a revision (by default the newest), or
    without a connection the one in the cache, which is what would then be loaded.
    """
    if not checkpoint.is_dir():
        repository = checkpoint.as_posix()
        snapshot = Path(hf_hub_download(repository, "config.json", revision=revision)).parent
        return f"{repository}@{snapshot.name}"
    described = [checkpoint / "config.json", checkpoint / "preprocessor_config.json"]
    files = [file for file in described if file.is_file()]
    return file_digest(*sorted(checkpoint.glob("*.safetensors")), *files)[:16]
