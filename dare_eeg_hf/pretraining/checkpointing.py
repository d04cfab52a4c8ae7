"""Checkpoints that are whole or absent: written aside, synced, renamed; hashed when written, verified when read.

    RUN/checkpoints/step-00000500/
        config.json, model.safetensors, preprocessor_config.json   loads with `from_pretrained`
        optimizer.safetensors                                       AdamW's moments, by parameter name
        state.json                                                  step, epoch, best loss, how the run was set up
        manifest.json                                               sha256 of every file above

Tensors are saved whole and by name, so a checkpoint does not depend on how many processes wrote it or how they sharded
the model. There is no pickle in it and no random state: what is random derives from (seed, step, rank).
"""

import json
import logging
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch.distributed.tensor import DTensor, distribute_tensor

from dare_eeg_hf.atomic_files import replacing
from dare_eeg_hf.file_digest import file_digest

logger = logging.getLogger(__name__)

MANIFEST = "manifest.json"
MODEL_FILE = "model.safetensors"
OPTIMIZER_FILE = "optimizer.safetensors"
STATE_FILE = "state.json"
MODEL_FILES = ("config.json", "preprocessor_config.json", MODEL_FILE)
STEP_FOLDER = re.compile(r"step-(\d{8,})")


class CheckpointError(RuntimeError):
    """A checkpoint could not be written, or is not what was written."""


class PretrainingError(RuntimeError):
    """A run cannot go on; the message says why, which checkpoint is good, and what to do."""


class CheckpointStore:
    """The checkpoints of one run: the last `keep_last` and the best.

    Args:
        folder: where the checkpoints live; made when the first is written.
        keep_last: how many of the newest checkpoints to keep besides the best one.
    """

    def __init__(self, folder: str | os.PathLike, keep_last: int = 2) -> None:
        if keep_last < 1:
            raise ValueError(f"keep_last must be at least 1, not {keep_last}")
        self.folder = Path(folder)
        self.keep_last = keep_last

    def path(self, step: int) -> Path:
        """Folder of the checkpoint of a step."""
        return self.folder / f"step-{step:08d}"

    def steps(self) -> list[int]:
        """Steps that have a checkpoint, oldest first (not yet verified)."""
        if not self.folder.is_dir():
            return []
        names = (STEP_FOLDER.fullmatch(entry.name) for entry in self.folder.iterdir() if entry.is_dir())
        return sorted(int(name.group(1)) for name in names if name)

    def latest(self) -> Path | None:
        """The newest checkpoint that is intact, or None. A damaged one is named in a warning and passed over."""
        for step in reversed(self.steps()):
            try:
                verify(self.path(step))
            except CheckpointError as error:
                logger.warning("%s Trying the checkpoint before it.", error)
            else:
                return self.path(step)
        return None

    def advice(self) -> str:
        """What to do after a failure: a sentence on the last good checkpoint."""
        good = self.latest()
        if good is None:
            return "No checkpoint was saved yet."
        return f"The last good checkpoint is {good}; once the cause is fixed, the same command with --resume goes on."

    def write(self, step: int, fill: Callable[[Path], None], *, best_step: int | None = None) -> Path:
        """Write the checkpoint of a step and drop those no longer kept.

        Args:
            step: the number of optimiser steps done.
            fill: writes the files into the (temporary) folder it is given.
            best_step: the step to keep whatever its age.

        Raises:
            CheckpointError: when the files cannot be written, for instance on a full disk. Nothing half-written stays.
        """
        target = self.path(step)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._remove_leftovers()
            write_folder(target, fill)
        except (OSError, SafetensorError) as error:
            raise CheckpointError(not_written(f"The checkpoint of step {step}", self.folder, error)) from error
        self._prune(step, best_step)
        return target

    def set_aside_after(self, step: int) -> list[Path]:
        """Rename the checkpoints of later steps, which a run that resumes from `step` passed over as damaged.

        Under their own names they would count among the newest, and older good ones would be dropped.

        Returns:
            Where they are now: `damaged-step-...`, beside the others.
        """
        aside = []
        for later in self.steps():
            if later > step:
                target = self.folder / f"damaged-{self.path(later).name}"
                shutil.rmtree(target, ignore_errors=True)
                aside.append(self.path(later).rename(target))
        return aside

    def _prune(self, written: int, best_step: int | None) -> None:
        steps = self.steps()
        for step in steps[: -self.keep_last]:
            if step not in (written, best_step):
                shutil.rmtree(self.path(step), ignore_errors=True)

    def _remove_leftovers(self) -> None:
        """Delete what a killed process was writing."""
        for entry in self.folder.glob(".step-*"):
            shutil.rmtree(entry, ignore_errors=True)


def not_written(what: str, folder: Path, error: Exception) -> str:
    """A sentence on what could not be written to a folder, why, and how much room its disk has."""
    free = shutil.disk_usage(folder if folder.is_dir() else Path.cwd()).free
    return f"{what} could not be written to {folder} ({free / 2**20:.0f} MiB free): {error}."


def write_folder(target: Path, fill: Callable[[Path], None]) -> None:
    """Fill a folder beside `target`, hash it, force it to disk, and rename it to `target` in one move."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        fill(temporary)
        manifest = {file.name: file_digest(file) for file in sorted(temporary.iterdir())}
        (temporary / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
        for entry in [*temporary.iterdir(), temporary]:
            sync(entry)
        if target.exists():  # a damaged or repeated checkpoint of the same step
            outdated = target.with_name(f".{target.name}.outdated")
            target.rename(outdated)
            temporary.rename(target)
            shutil.rmtree(outdated, ignore_errors=True)
        else:
            temporary.rename(target)
        sync(target.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def verify(folder: Path) -> None:
    """Compare every file with the hash taken when it was written.

    Raises:
        CheckpointError: naming the folder and the first file that is missing or differs.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{folder} is not a complete checkpoint: its {MANIFEST} cannot be read ({error})."
        ) from error
    for name, expected in manifest.items():
        file = folder / Path(name).name
        if not file.is_file():
            raise CheckpointError(f"{folder} is damaged: {name} is missing.")
        if file_digest(file) != expected:
            raise CheckpointError(f"{folder} is damaged: {name} is not what was written (its sha256 differs).")


def export_model(checkpoint: Path, output_dir: Path) -> list[Path]:
    """Copy a checkpoint's model, as `from_pretrained` loads it, into a run's folder: each file in one move.

    Returns:
        The copies.
    """
    for name in MODEL_FILES:
        with replacing(output_dir / name) as temporary:
            shutil.copyfile(checkpoint / name, temporary)
            sync(temporary)
    return [output_dir / name for name in MODEL_FILES]


def sync(path: Path) -> None:
    """Ask the operating system to put a file or folder on the disk before going on."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def gather(tensor: torch.Tensor) -> torch.Tensor:
    """The whole tensor on the CPU; for a sharded one every process must call this, and every process gets it."""
    tensor = tensor.detach()
    return (tensor.full_tensor() if isinstance(tensor, DTensor) else tensor).cpu().contiguous()


def put(target: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """`value` on the device, in the dtype and in the sharding of `target`."""
    if isinstance(target, DTensor):
        local = value.to(target.device_mesh.device_type, target.dtype)
        return distribute_tensor(local, target.device_mesh, target.placements)
    return value.to(target.device, target.dtype)


def model_tensors(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Every parameter and persistent buffer by name, whole and on the CPU."""
    return {name: gather(tensor) for name, tensor in model.state_dict().items()}


def optimizer_tensors(model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """The optimiser's state as `{parameter name}/{quantity}`, whole and on the CPU; empty before the first step."""
    return {
        f"{name}/{quantity}": gather(value)
        for name, parameter in model.named_parameters()
        for quantity, value in optimizer.state.get(parameter, {}).items()
    }


def save_training_state(folder: Path, optimizer_state: dict[str, torch.Tensor], state: dict[str, object]) -> None:
    """Write `optimizer.safetensors` and `state.json` into a checkpoint folder."""
    save_file(optimizer_state, folder / OPTIMIZER_FILE)
    (folder / STATE_FILE).write_text(json.dumps(state, indent=1) + "\n", encoding="utf-8")


def load_state(folder: Path) -> dict[str, object]:
    """The `state.json` of a checkpoint."""
    return json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))


@torch.no_grad()
def restore(folder: Path, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Put a checkpoint's weights and optimiser state into a (possibly sharded) model and its optimiser.

    Raises:
        CheckpointError: when the checkpoint belongs to a model with other parameters.
    """
    weights = load_file(folder / MODEL_FILE)
    own = model.state_dict()
    if weights.keys() != own.keys():
        different = sorted(weights.keys() ^ own.keys())
        raise CheckpointError(f"{folder} belongs to another model: {different[:5]} differ.")
    for name, target in own.items():
        if target.shape != weights[name].shape:
            raise CheckpointError(f"{folder} belongs to another model: {name} has another shape.")
        target.copy_(put(target, weights[name]))
    saved = load_file(folder / OPTIMIZER_FILE)
    parameters = dict(model.named_parameters())
    optimizer.state.clear()
    for key, value in saved.items():
        name, quantity = key.rsplit("/", 1)
        parameter = parameters[name]
        is_count = value.ndim == 0  # AdamW's step count: a plain scalar, never sharded
        restored = value.to(parameter.device) if is_count else put(parameter, value)
        optimizer.state[parameter][quantity] = restored
