"""Speed and memory of a pre-training step on this machine, beside a plain implementation and its own matrix peak.

    python benchmarks/pretraining.py                                         nano and base, float32 and bf16
    python benchmarks/pretraining.py --preset base --precision bf16 --step published quarter --compile none regional
    python benchmarks/pretraining.py --preset base --batch-size 16 --gradient-checkpointing off on

Three steps are measured: the published objective in plain PyTorch (plain_step.py), the same by this package, and this
package's with a quarter of the targets (reconstructed_share=0.25); in float32 the last two may also multiply by oneDNN
(--step plain onednn quarter-onednn), which the matrix peak does not. A step is what training does: masks, forward,
backward, AdamW, momentum encoder. Whole rounds of the same eight masks are timed, of each step in turn, and the median
round counts: other programs disturb all alike. With one thread (OMP_NUM_THREADS=1) the processor's time is measured,
which other programs change little. Windows are noise of the published shape (58 channels, 4 s at 256 Hz),
so reading data is left out. Each preset and precision runs in a process of its own.

of plain: windows per second, as a multiple of the plain implementation's; the median over rounds.
of floor: the step's time as a multiple of what its two large parts take alone: its attention calls, repeated by
themselves in the fastest way that the package has for them, and all other operations at the matrix peak: the best rate
of one large matrix product in the same precision, measured in the same process. 1 would be a step without any
elementwise work. Operations are those of matrix products and attention (pretraining/estimate.py), for the masks that
were really drawn.
activations: bytes that autograd keeps for the backward pass. peak memory: of a GPU what torch allocated, of a CPU the
process's largest resident memory, both for whole steps with weights, gradients and optimiser, of all steps measured.
"""

import argparse
import itertools
import json
import subprocess
import sys
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from statistics import median
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from dare_eeg_hf import modeling_dare_eeg
from dare_eeg_hf.configuration_dare_eeg import PRESETS, DareEegConfig
from dare_eeg_hf.evaluation.costs import peak_megabytes
from dare_eeg_hf.launching import checkpoint_activations, compile_model
from dare_eeg_hf.masking_dare_eeg import PretrainingMasks
from dare_eeg_hf.modeling_dare_eeg import DareEegForPreTraining, attention_by_products
from dare_eeg_hf.onednn_linear import use_onednn
from dare_eeg_hf.optimization import parameter_groups
from dare_eeg_hf.pretraining.estimate import StepShape, training_flops
from dare_eeg_hf.pretraining.step_inputs import step_masks
from hardware import clock, machine, matrix_peak, synchronize
from plain_step import PlainStep

DEFAULT_BATCH_SIZE = {"nano": 64, "light": 32, "small": 16, "base": 16, "deep": 8}
GPU_BATCH_SIZE = 72
STEPS_PER_ROUND = 8
"""Masks decide how many tokens a step sees; whole rounds of the same masks can be compared."""


SHARES = {"plain": 1.0, "published": 1.0, "quarter": 0.25, "onednn": 1.0, "quarter-onednn": 0.25}
"""The share of the targets that each step reconstructs."""


class PretrainingStep:
    """A model with its optimiser, and one training step of it."""

    def __init__(
        self,
        preset: str,
        batch_size: int,
        precision: str,
        compiling: str,
        checkpointing: bool,
        device: str,
        kind: str = "published",
    ):
        torch.manual_seed(0)
        self.config = DareEegConfig.from_preset(preset)
        self.kind = kind
        self.model = DareEegForPreTraining(self.config).to(device).train()
        if kind == "plain":
            weights = self.model.state_dict()
            self.model = PlainStep(self.config).to(device)
            self.model.load_state_dict(weights)
        else:
            if checkpointing:
                checkpoint_activations(self.model)
            if kind.endswith("onednn"):
                use_onednn(self.model)
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
        self.rounds: list[float] = []

    def take_round(self) -> float:
        """Take a step with each of the round's masks; returns the seconds they took."""
        device = self.batch["input_values"].device.type
        synchronize(device)
        now = clock(device)
        start = now()
        for number in range(STEPS_PER_ROUND):
            self(number)
        synchronize(device)
        return now() - start

    def __call__(self, number: int = 0) -> None:
        """Take a step with the `number`-th masks and count its operations."""
        masks = step_masks(
            self.config,
            self.batch,
            seed=0,
            purpose="benchmark",
            step=number,
            reconstructed_share=SHARES[self.kind],
        )
        with self.autocast():
            loss = self.model(**self.batch, masks=masks) if self.kind == "plain" else self.loss(masks)
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.model.update_momentum_encoder(0.996)
        _, patches, channels = masks.context_mask.shape
        kept = int(masks.context_mask.any(-1).sum())
        visible = int(masks.context_mask.sum()) / kept
        shape = StepShape(patches, kept, channels, visible, int(masks.target_mask.sum()))
        self.flops += len(self.batch["input_values"]) * training_flops(self.config, shape)

    def loss(self, masks: PretrainingMasks) -> torch.Tensor:
        """The package's loss."""
        return self.model(**self.batch, **vars(masks)).loss


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


def time_attention(
    query_size: torch.Size, key_size: torch.Size, with_gradient: bool, precision: str, device: str
) -> float:
    """Seconds of one attention call by itself, with its backward pass where a gradient follows: the best of three.

    On CPUs also the best of fused attention in float32 and plain products in the step's precision.
    """
    half = torch.bfloat16 if precision == "bf16" else torch.float32
    scaling = query_size[-1] ** -0.5
    ways = [(F.scaled_dot_product_attention, half if device == "cuda" else torch.float32)]
    if device == "cpu":
        ways.append(
            (lambda query, key, value: attention_by_products(query, key, value, scaling).transpose(1, 2), half)
        )
    times, now = [], clock(device)
    for attend, dtype in ways:
        query, key, value = (
            torch.randn(size, device=device, dtype=dtype, requires_grad=with_gradient)
            for size in (query_size, key_size, key_size)
        )
        for _ in range(3):
            synchronize(device)
            start = now()
            with torch.set_grad_enabled(with_gradient):
                output = attend(query, key, value)
            if with_gradient:
                torch.autograd.grad(output, (query, key, value), torch.ones_like(output))
            synchronize(device)
            times.append(now() - start)
    return min(times)


def floor_seconds(step: PretrainingStep, precision: str, device: str, peak_rate: float) -> float:
    """Seconds of a round that did nothing but its attention calls and, at the matrix peak, its other operations."""
    before = step.flops
    # Fused attention everywhere, for once, since its calls are what can be counted.
    with AttentionCalls() as attention, patch.object(modeling_dare_eeg, "suits_products", return_value=False):
        step.take_round()
    seconds, flops = 0.0, step.flops - before
    for (query_size, key_size, with_gradient), count in attention.calls.items():
        seconds += count * time_attention(query_size, key_size, with_gradient, precision, device)
        flops -= count * 4 * query_size.numel() * key_size[-2] * (3 if with_gradient else 1)
    return seconds + flops / peak_rate


def measure(setting: dict) -> list[dict]:
    """Time rounds of each step of a setting in turn for about `seconds` each, after one to warm up and compile."""
    device, seconds, kinds = setting.pop("device"), setting.pop("seconds"), setting.pop("steps")
    precision, is_eager = setting["precision"], setting["compiling"] == "none"
    if precision == "float32" and device == "cuda":
        torch.set_float32_matmul_precision("highest")
    steps = [PretrainingStep(**setting, device=device, kind=kind) for kind in kinds]
    warm_up = [step.take_round() for step in steps]
    activations = [saved_activations(step) if is_eager or step.kind == "plain" else None for step in steps]
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    flops = []
    for step in steps:
        step.flops = 0.0
        step.rounds.append(step.take_round())
        flops.append(step.flops)
    while sum(sum(step.rounds) for step in steps) < seconds * len(steps):
        for step in steps:
            step.rounds.append(step.take_round())
    peak_memory = torch.cuda.max_memory_allocated() if device == "cuda" else 2**20 * peak_megabytes()
    peak_rate = matrix_peak(torch.bfloat16 if precision == "bf16" else torch.float32, device)
    floors: dict[float, float] = {}
    for step in steps:
        if is_eager and step.kind != "plain":
            floors[SHARES[step.kind]] = floor_seconds(step, precision, device, peak_rate)
    plain = next((step for step in steps if step.kind == "plain"), None)
    results = []
    for step, operations, warm, kept in zip(steps, flops, warm_up, activations, strict=True):
        elapsed, floor = median(step.rounds), floors.get(SHARES[step.kind])
        faster = plain and median(theirs / own for theirs, own in zip(plain.rounds, step.rounds, strict=True))
        results.append(
            {
                **setting,
                "step": step.kind,
                "windows_per_second": STEPS_PER_ROUND * setting["batch_size"] / elapsed,
                "times_plain": faster,
                "gflops": operations / elapsed / 1e9,
                "peak_gflops": peak_rate / 1e9,
                "share": operations / elapsed / peak_rate,
                "times_floor": floor and elapsed / floor,
                "activations_gb": kept and kept / 1e9,
                "peak_gb": peak_memory / 1e9,
                "warm_up_seconds": warm,
                "rounds": len(step.rounds),
            }
        )
    return results


def row(found: dict, checkpointing: str) -> str:
    """A line of the table."""
    plain = "" if found["times_plain"] is None else f"{found['times_plain']:.2f} x"
    floor = "" if found["times_floor"] is None else f"{found['times_floor']:.2f} x"
    activations = "" if found["activations_gb"] is None else f"{found['activations_gb']:.2f} GB"
    return (
        f"{found['preset']:<7}{found['batch_size']:>6}{found['precision']:>10}{found['compiling']:>10}"
        f"{checkpointing:>6}  {found['step']:<15}{found['windows_per_second']:>11.2f}{plain:>10}"
        f"{found['gflops']:>10.1f}{found['peak_gflops']:>9.0f}{found['share']:>8.1%}{floor:>10}"
        f"{activations:>13}{found['peak_gb']:>10.2f} GB{found['warm_up_seconds']:>7.1f} s"
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", nargs="+", choices=list(PRESETS), default=["nano", "base"])
    parser.add_argument("--precision", nargs="+", choices=["float32", "bf16"], default=["float32", "bf16"])
    parser.add_argument("--step", nargs="+", choices=list(SHARES), default=list(SHARES)[:3])
    parser.add_argument("--compile", nargs="+", choices=["none", "regional", "full"], default=["none"])
    parser.add_argument("--gradient-checkpointing", nargs="+", choices=["off", "on"], default=["off"])
    parser.add_argument("--batch-size", type=int, help="windows per step (default: 72 on GPUs; on CPUs by preset)")
    parser.add_argument(
        "--seconds", type=float, default=10.0, help="duration of each step's measurement (default: %(default)s)"
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
        f"{'preset':<7}{'batch':>6}{'precision':>10}{'compile':>10}{'ckpt':>6}  {'step':<15}{'windows/s':>11}"
        f"{'of plain':>10}{'GFLOP/s':>10}{'peak':>9}{'share':>8}{'of floor':>10}{'activations':>13}"
        f"{'peak memory':>13}{'warm-up':>9}"
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
            "steps": options.step,
        }
        process = subprocess.run(
            [sys.executable, __file__, "--one", json.dumps(setting)], stdout=subprocess.PIPE, text=True, check=False
        )
        if process.returncode:
            print(f"{preset:<7}{batch_size:>6}{precision:>10}{compiling:>10}  failed; see its messages above")
            continue
        for found in json.loads(process.stdout.splitlines()[-1]):
            results.append(found)
            print(row(found, checkpointing), flush=True)
    if options.json:
        options.json.write_text(json.dumps({"machine": machine(device), "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
