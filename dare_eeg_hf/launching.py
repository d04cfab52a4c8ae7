"""Makes an Accelerator that does what the launcher asked for, or says why it cannot."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from accelerate import Accelerator, PartialState
from accelerate.state import AcceleratorState
from accelerate.tracking import get_available_trackers
from accelerate.utils import DistributedDataParallelKwargs, DistributedType, LoggerType
from transformers import PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

logger = logging.getLogger(__name__)

TWO_PROCESSES_ON_CPU = (
    "ACCELERATE_USE_CPU=1 python -m torch.distributed.run --nproc_per_node 2 -m dare_eeg_hf.cli.main pretrain ..."
)


class LaunchError(RuntimeError):
    """The launcher asked for something that is not in effect."""


def make_accelerator(
    tracker_folder: Path,
    *,
    trackers: list[str] | None = None,
    mixed_precision: str | None = None,
    deterministic: bool = True,
    cpu: bool = False,
) -> Accelerator:
    """The Accelerator of a run: device, processes, precision, sharding and trackers.

    Args:
        tracker_folder: where trackers put their files.
        trackers: by name; None is TensorBoard where it is installed.
        mixed_precision: no, bf16 or fp16; None leaves it to the launcher.
        deterministic: ask torch for algorithms that give the same bits each time.
        cpu: compute on the CPU even if there is a GPU.

    Raises:
        LaunchError: when fewer processes run than were asked for, FSDP was asked for and is not in use, or a tracker
            is not installed.
    """
    usable = usable_trackers(trackers)
    forget_earlier_runs()
    if deterministic:
        make_deterministic()
    accelerator = Accelerator(
        cpu=cpu or not torch.accelerator.is_available(),
        mixed_precision=mixed_precision,
        log_with=usable or None,
        project_dir=str(tracker_folder),
        kwargs_handlers=[DistributedDataParallelKwargs(gradient_as_bucket_view=True)],
    )
    check_launch(accelerator)
    if trackers is None and not usable and accelerator.is_main_process:
        logger.warning(
            "TensorBoard is not installed, so the curves are in metrics.jsonl only (pip install tensorboard)."
        )
    on_cpu = accelerator.device.type == "cpu"
    if on_cpu and accelerator.mixed_precision == "bf16" and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        logger.warning("This CPU has no bf16 instructions: bf16 will be many times slower than float32 here.")
    if on_cpu and accelerator.mixed_precision == "fp16":
        logger.warning("fp16 needs a GPU: on the CPU everything is computed in float32, as with mixed precision no.")
    return accelerator


def usable_trackers(named: list[str] | None) -> list[str]:
    """The named trackers, or TensorBoard where it is installed; Accelerate silently leaves out the others.

    Raises:
        LaunchError: a named tracker is unknown or not installed; with what there is, or what to install.
    """
    installed = {tracker.value for tracker in get_available_trackers()}
    if named is None:
        return sorted(installed & {"tensorboard"})
    known = LoggerType.list()
    if unknown := [name for name in named if name not in known]:
        raise LaunchError(f"There is no tracker {', '.join(unknown)}. Choose from: {', '.join(known)}.")
    if missing := [name for name in named if name not in installed | {"all"}]:
        raise LaunchError(
            f"The tracker {', '.join(missing)} is not installed: pip install {' '.join(missing)}, or do not name it."
        )
    return list(named)


def forget_earlier_runs() -> None:
    """Let the next Accelerator choose its own precision; Accelerate keeps that of the first one in a process."""
    AcceleratorState._reset_state(reset_partial_state=not torch.distributed.is_initialized())


def check_launch(accelerator: Accelerator) -> None:
    """Compare what runs with what the launcher was asked for; some launchers fall back silently.

    Raises:
        LaunchError: naming what works instead.
    """
    # `accelerate launch --num_processes 2 --cpu` sets an address for the processes to meet at, and starts one.
    several_wanted = {"ACCELERATE_MIXED_PRECISION", "MASTER_ADDR"} <= os.environ.keys()
    if several_wanted and "LOCAL_RANK" not in os.environ and accelerator.num_processes == 1:
        raise LaunchError(
            "Several processes were asked for, but only one runs (accelerate launch does that on CPUs). "
            f"Use: {TWO_PROCESSES_ON_CPU}"
        )
    if os.environ.get("ACCELERATE_USE_FSDP", "").lower() == "true":
        if accelerator.distributed_type != DistributedType.FSDP:
            raise LaunchError(
                f"FSDP was asked for, but Accelerate runs {accelerator.distributed_type.value} (on CPUs it silently "
                "falls back). Sharding needs GPUs; launch without --use_fsdp here."
            )
        if not accelerator.is_fsdp2:
            raise LaunchError("FSDP version 1 is not supported here: set fsdp_version to 2 in the Accelerate config.")


def make_deterministic() -> None:
    """Ask torch for algorithms that give the same bits each time; those that have none only warn."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # only needed to find bugs, and slow
    torch.backends.cudnn.benchmark = False


def checkpoint_activations(network: PreTrainedModel) -> None:
    """Recompute each block's activations in the backward pass; the method was renamed in Transformers 5.23."""
    enable = getattr(network, "activation_checkpointing_enable", network.gradient_checkpointing_enable)
    enable({"use_reentrant": False})


VARIANTS_OF_A_BLOCK = 64
"""How often the code that all blocks share may be compiled: it is for each of training and validation, with gradient
and without, with places in time or not, for all tokens or the last, in either precision. Past the limit, which is 8 by
default, what is left would run uncompiled."""


def compile_model(network: torch.nn.Module, how: str) -> None:
    """Compile in place: `regional` each transformer block separately, `full` the whole forward pass, `none` nothing.

    Blocks of a kind share one compilation, so regional compiling starts in a fraction of the time; numbers of visible
    patches change from step to step, hence dynamic shapes.
    """
    if how != "none":
        torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, VARIANTS_OF_A_BLOCK)
    if how == "regional":
        for module in network.modules():
            if isinstance(module, GradientCheckpointingLayer):
                module.compile(dynamic=True)
    elif how == "full":
        network.compile(dynamic=True)


@contextmanager
def cpu_threads(count: int | None) -> Iterator[None]:
    """Compute with this many CPU threads for a while; None changes nothing."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def main_process_first(cpu: bool = False) -> Iterator[None]:
    """Let the first process do something (prepare data) before the others do the same and find it done."""
    state = PartialState(cpu=cpu or not torch.accelerator.is_available())
    with state.main_process_first():
        yield
