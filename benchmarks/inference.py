"""Speed of the encoder on complete windows on this machine, as a share of its own matrix peak.

    python benchmarks/inference.py                                          nano, float32, all but compiled
    python benchmarks/inference.py --preset nano base deep --dtype float32 bf16 --batch-size 1 16 64
    python benchmarks/inference.py --preset base --profile                  where the time goes

"plain" are torch's own products, "torch" is what pipelines compute: on CPUs with AVX-512, float32 products by oneDNN.
Windows are noise of the published shape (58 channels, 4 s at 256 Hz); reading and filtering are left out. Operations
are those of matrix products and attention (pretraining/estimate.py). The peak is the best rate of one large matrix
product on this machine with the same threads and dtype. ONNX Runtime runs float32 on the CPU.
"""

import argparse
import itertools
import json
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import torch

from dare_eeg_hf.configuration_dare_eeg import PRESETS, DareEegConfig
from dare_eeg_hf.feature_extraction_dare_eeg import DareEegFeatureExtractor
from dare_eeg_hf.hub.export import export_checkpoint, run_onnx
from dare_eeg_hf.modeling_dare_eeg import DareEegModel
from dare_eeg_hf.onednn_linear import onednn_products
from dare_eeg_hf.pretraining.estimate import forward_flops
from hardware import best_time, machine, matrix_peak

DTYPES = {"float32": torch.float32, "bf16": torch.bfloat16}
CHANNELS = 58
RUNTIMES = ("plain", "torch", "compiled", "onnx")


def runnable(preset: str, dtype: str, batch_size: int, runtime: str, attention: str, device: str) -> Callable:
    """Return a function that encodes one batch."""
    torch.manual_seed(0)
    config = DareEegConfig.from_preset(preset)
    model = DareEegModel(config).eval()
    inputs = 0.02 * torch.randn(batch_size, CHANNELS, config.window_size)
    channel_ids = torch.arange(CHANNELS)
    if runtime == "onnx":
        with tempfile.TemporaryDirectory() as folder:
            model.save_pretrained(folder)
            DareEegFeatureExtractor().save_pretrained(folder)
            export_checkpoint(folder, Path(folder, "model.onnx"))
            run = run_onnx(Path(folder, "model.onnx"), threads=torch.get_num_threads())
        masks = torch.ones(batch_size, CHANNELS, dtype=torch.bool), torch.ones(batch_size, 16, dtype=torch.bool)
        return lambda: run((inputs, channel_ids.repeat(batch_size, 1), *masks))
    model.set_attn_implementation(attention)
    model = model.to(device, DTYPES[dtype])
    inputs, channel_ids = inputs.to(device, DTYPES[dtype]), channel_ids.to(device)
    if runtime == "compiled":
        model = torch.compile(model)
    products = onednn_products if runtime == "torch" else nullcontext

    @torch.inference_mode()
    def encode() -> object:
        with products(device):
            return model(inputs, channel_ids)

    return encode


def profile(call: Callable[[], object]) -> str:
    """Return the operations that take most of the time of one batch."""
    call()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        call()
    return profiler.key_averages().table(sort_by="self_cpu_time_total", row_limit=12, max_name_column_width=40)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", nargs="+", choices=list(PRESETS), default=["nano"])
    parser.add_argument("--dtype", nargs="+", choices=list(DTYPES), default=["float32"])
    parser.add_argument("--batch-size", nargs="+", type=int, default=[16])
    parser.add_argument("--runtime", nargs="+", choices=RUNTIMES, default=["plain", "torch", "onnx"])
    parser.add_argument("--attention", nargs="+", choices=["sdpa", "eager"], default=["sdpa"])
    parser.add_argument(
        "--seconds", type=float, default=3.0, help="duration of each measurement (default: %(default)s)"
    )
    parser.add_argument("--threads", type=int, help="threads of torch and ONNX Runtime (default: torch's)")
    parser.add_argument("--profile", action="store_true", help="also list the operations that take most time")
    parser.add_argument("--json", type=Path, help="also write the results to this file")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)

    device = "cuda" if torch.cuda.is_available() else "cpu"
    print(machine(device))
    peaks = {dtype: matrix_peak(DTYPES[dtype], device, options.seconds) for dtype in options.dtype}
    print(
        f"{'preset':<7}{'batch':>6}{'dtype':>9}{'runtime':>18}{'windows/s':>11}{'GFLOP/s':>10}{'peak':>8}{'share':>8}"
    )
    results = []
    for preset, dtype, batch_size, runtime, attention in itertools.product(
        options.preset, options.dtype, options.batch_size, options.runtime, options.attention
    ):
        if runtime == "onnx" and (dtype != "float32" or attention != options.attention[0]):
            continue
        call = runnable(preset, dtype, batch_size, runtime, attention, device)
        windows_per_second = batch_size / best_time(call, options.seconds, "cpu" if runtime == "onnx" else device)
        rate = windows_per_second * forward_flops(DareEegConfig.from_preset(preset))["momentum_encoder"]
        label = runtime if runtime == "onnx" else f"{runtime} {attention}"
        print(
            f"{preset:<7}{batch_size:>6}{dtype:>9}{label:>18}{windows_per_second:>11.1f}{rate / 1e9:>10.1f}"
            f"{peaks[dtype] / 1e9:>8.0f}{rate / peaks[dtype]:>8.1%}",
            flush=True,
        )
        if options.profile and runtime == "torch":
            print(profile(call))
        setting = {"preset": preset, "batch_size": batch_size, "dtype": dtype, "runtime": label}
        speed = {"windows_per_second": windows_per_second, "gflops": rate / 1e9, "peak_gflops": peaks[dtype] / 1e9}
        results.append(setting | speed)
    if options.json:
        options.json.write_text(json.dumps({"machine": machine(device), "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
