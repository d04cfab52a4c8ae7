"""Speed and memory of a pre-training step on this machine, as a share of its own matrix peak.

    python benchmarks/pretraining.py                                              nano, float32, half a minute
    python benchmarks/pretraining.py --preset nano base --precision float32 bf16 --compile none regional
    python benchmarks/pretraining.py --preset base --batch-size 16 --gradient-checkpointing off on

A step is what training does: masks, forward, backward, AdamW, momentum encoder. Whole rounds of the same eight masks
are timed. Windows are noise of the published shape (58 channels, 4 s at 256 Hz), so reading data is left out.
Operations are those of matrix products and attention (pretraining/estimate.py), for the masks that were really drawn.
The peak is the best rate of one large matrix product on this machine in the same precision, measured in the same
process. Each setting runs in a process of its own.

of floor: the step's time as a multiple of what its two large parts take alone: its attention calls, repeated by
themselves, and all other operations at the matrix peak. 1 would be a step without any elementwise work.
activations: bytes that autograd keeps for the backward pass. peak memory: of a GPU what torch allocated, of a CPU the
process's largest resident memory, both for a whole step with weights, gradients and optimiser.
"""

import argparse
import itertools
import json
import subprocess
import sys
import time
from collections import Counter
from contextlib import nullcontext
from pathlib import Path

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from dare_eeg_hf.configuration_dare_eeg import PRESETS, DareEegConfig
from dare_eeg_hf.evaluation.costs import peak_megabytes
from dare_eeg_hf.launching import checkpoint_activations, compile_model
from dare_eeg_hf.modeling_dare_eeg import DareEegForPreTraining
from dare_eeg_hf.optimization import parameter_groups
from dare_eeg_hf.pretraining.estimate import StepShape, training_flops
from dare_eeg_hf.pretraining.step_inputs import step_masks
from hardware import machine, matrix_peak, synchronize

DEFAULT_BATCH_SIZE = {"nano": 64, "light": 32, "small": 16, "base": 16, "deep": 8}
GPU_BATCH_SIZE = 72
STEPS_PER_ROUND = 8
"""Masks decide how many tokens a step sees; whole rounds of the same masks can be compared."""


class PretrainingStep:
    """A model with its optimiser, and one training step of it."""

    def __init__(self, preset: str, batch_size: int, precision: str, compiling: str, checkpointing: bool, device: str):
        torch.manual_seed(0)
        self.config = DareEegConfig.from_preset(preset)
        self.model = DareEegForPreTraining(self.config).to(device).train()
        if checkpointing:
            checkpoint_activations(self.model)
        compile_model(self.model, compiling)
        self.optimizer = torch.optim.AdamW(parameter_groups(self.model.named_parameters(), 1e-6), lr=1e-4, fused=True)
        channels = len(self.config.pretraining_channel_names)
        self.batch = {
            "input_values": 0.02 * torch.randn(batch_size, channels, self.config.window_size, device=device),
            "channel_ids": torch.arange(channels, device=device),
        }
        self.autocast = (
            (lambda: torch.autocast(device, torch.bfloat16)) if precision == "bf16" else (lambda: nullcontext())
        )
        self.flops = 0.0

    def take_round(self) -> None:
        """Take a step with each of the round's masks."""
        for number in range(STEPS_PER_ROUND):
            self(number)

    def __call__(self, number: int = 0) -> None:
        """Take a step with the `number`-th masks and count its operations."""
        masks = step_masks(self.config, self.batch, seed=0, purpose="benchmark", step=number)
        with self.autocast():
            output = self.model(
                **self.batch,
                context_mask=masks.context_mask,
                second_context_mask=masks.second_context_mask,
                target_mask=masks.target_mask,
            )
        output.loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.model.update_momentum_encoder(0.996)
        _, patches, channels = masks.context_mask.shape
        kept = int(masks.context_mask.any(-1).sum())
        visible = int(masks.context_mask.sum()) / kept
        shape = StepShape(patches, kept, channels, visible, int(masks.target_mask.sum()))
        self.flops += len(self.batch["input_values"]) * training_flops(self.config, shape)


def saved_activations(step: PretrainingStep) -> int:
    """Bytes kept for the backward pass by one step, weights not counted, each storage once."""
    weights = {parameter.untyped_storage().data_ptr() for parameter in step.model.parameters()}
    kept: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        step()
    return sum(kept.values())


class AttentionCalls(TorchFunctionMode):
    """Counts the attention calls made under it, by the sizes of query and key and whether a gradient follows."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[tuple[torch.Size, torch.Size, bool]] = Counter()

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is F.scaled_dot_product_attention:
            query, key = args[:2]
            self.calls[query.shape, key.shape, query.requires_grad] += 1
        return func(*args, **(kwargs or {}))


def time_attention(query_size: torch.Size, key_size: torch.Size, with_gradient: bool, like: dict) -> float:
    """Seconds of one attention call by itself, the best of three, with its backward pass where a gradient follows."""
    query, key, value = (torch.randn(size, **like) for size in (query_size, key_size, key_size))
    for tensor in (query, key, value):
        tensor.requires_grad_(with_gradient)
    gradient, times = torch.randn(query_size, **like), []
    for _ in range(3):
        synchronize(like["device"])
        start = time.perf_counter()
        output = F.scaled_dot_product_attention(query, key, value)
        if with_gradient:
            torch.autograd.grad(output, (query, key, value), gradient)
        synchronize(like["device"])
        times.append(time.perf_counter() - start)
    return min(times)


def floor_seconds(step: PretrainingStep, precision: str, device: str, peak_rate: float) -> float:
    """Seconds of a round that did nothing but its attention calls and, at the matrix peak, its other operations."""
    # On CPUs the model computes attention in float32 while it trains; its backward pass is slow in bf16.
    like = {"device": device, "dtype": torch.bfloat16 if precision == "bf16" and device == "cuda" else torch.float32}
    before = step.flops
    with AttentionCalls() as attention:
        step.take_round()
    seconds, flops = 0.0, step.flops - before
    for (query_size, key_size, with_gradient), count in attention.calls.items():
        seconds += count * time_attention(query_size, key_size, with_gradient, like)
        flops -= count * 4 * query_size.numel() * key_size[-2] * (3 if with_gradient else 1)
    return seconds + flops / peak_rate


def measure(setting: dict) -> dict:
    """Time rounds of one setting for about `seconds`, after one to warm up (and to compile)."""
    device, seconds = setting.pop("device"), setting.pop("seconds")
    if setting["precision"] == "float32" and device == "cuda":
        torch.set_float32_matmul_precision("highest")
    peak_rate = matrix_peak(torch.bfloat16 if setting["precision"] == "bf16" else torch.float32, device)
    step = PretrainingStep(**setting, device=device)
    start = time.perf_counter()
    step.take_round()
    synchronize(device)
    warm_up = time.perf_counter() - start
    is_eager = setting["compiling"] == "none"
    activations = saved_activations(step) if is_eager else None
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    step.flops, rounds = 0.0, 0
    start = time.perf_counter()
    while not rounds or time.perf_counter() - start < seconds:
        step.take_round()
        synchronize(device)
        rounds += 1
    elapsed = time.perf_counter() - start
    peak_memory = torch.cuda.max_memory_allocated() if device == "cuda" else 2**20 * peak_megabytes()
    rate = step.flops / elapsed
    floor = floor_seconds(step, setting["precision"], device, peak_rate) if is_eager else None
    return {
        **setting,
        "windows_per_second": rounds * STEPS_PER_ROUND * setting["batch_size"] / elapsed,
        "gflops": rate / 1e9,
        "peak_gflops": peak_rate / 1e9,
        "share": rate / peak_rate,
        "times_floor": None if floor is None else elapsed / rounds / floor,
        "activations_gb": None if activations is None else activations / 1e9,
        "peak_gb": peak_memory / 1e9,
        "warm_up_seconds": warm_up,
        "steps": rounds * STEPS_PER_ROUND,
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", nargs="+", choices=list(PRESETS), default=["nano"])
    parser.add_argument("--precision", nargs="+", choices=["float32", "bf16"], default=["float32"])
    parser.add_argument("--compile", nargs="+", choices=["none", "regional", "full"], default=["none"])
    parser.add_argument("--gradient-checkpointing", nargs="+", choices=["off", "on"], default=["off"])
    parser.add_argument("--batch-size", type=int, help="windows per step (default: 72 on GPUs; on CPUs by preset)")
    parser.add_argument(
        "--seconds", type=float, default=10.0, help="duration of each measurement (default: %(default)s)"
    )
    parser.add_argument("--json", type=Path, help="also write the results to this file")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(json.loads(options.one))))
        return

    device = "cuda" if torch.cuda.is_available() else "cpu"
    print(machine(device))
    print(
        f"{'preset':<7}{'batch':>6}{'precision':>10}{'compile':>10}{'ckpt':>6}{'windows/s':>11}{'GFLOP/s':>10}"
        f"{'peak':>9}{'share':>8}{'of floor':>10}{'activations':>13}{'peak memory':>13}{'warm-up':>9}"
    )
    results = []
    for preset, precision, compiling, checkpointing in itertools.product(
        options.preset, options.precision, options.compile, options.gradient_checkpointing
    ):
        batch_size = options.batch_size or (GPU_BATCH_SIZE if device == "cuda" else DEFAULT_BATCH_SIZE[preset])
        setting = {
            "preset": preset,
            "batch_size": batch_size,
            "precision": precision,
            "compiling": compiling,
            "checkpointing": checkpointing == "on",
            "device": device,
            "seconds": options.seconds,
        }
        process = subprocess.run(
            [sys.executable, __file__, "--one", json.dumps(setting)], stdout=subprocess.PIPE, text=True, check=False
        )
        if process.returncode:
            print(f"{preset:<7}{batch_size:>6}{precision:>10}{compiling:>10}  failed; see its messages above")
            continue
        found = json.loads(process.stdout.splitlines()[-1])
        results.append(found)
        floor = "" if found["times_floor"] is None else f"{found['times_floor']:.2f} x"
        activations = "" if found["activations_gb"] is None else f"{found['activations_gb']:.2f} GB"
        print(
            f"{preset:<7}{batch_size:>6}{precision:>10}{compiling:>10}{checkpointing:>6}"
            f"{found['windows_per_second']:>11.2f}{found['gflops']:>10.1f}{found['peak_gflops']:>9.0f}"
            f"{found['share']:>8.1%}{floor:>10}{activations:>13}{found['peak_gb']:>10.2f} GB"
            f"{found['warm_up_seconds']:>7.1f} s",
            flush=True,
        )
    if options.json:
        options.json.write_text(json.dumps({"machine": machine(device), "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
