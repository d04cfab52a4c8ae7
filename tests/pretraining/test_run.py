"""Pre-training runs: real processes, killed and resumed, compared bit for bit."""

import json
import random
import shutil
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoFeatureExtractor, AutoModel, AutoModelForPreTraining

from dare_eeg_hf import DareEegConfig
from dare_eeg_hf.hub.cards import write_run_card
from dare_eeg_hf.metrics_log import read_metrics
from tests.pretraining.conftest import run

TIMING = ("windows_per_second",)


def losses(run: Path, split: str | None = None) -> list[dict]:
    """What a run measured, without what the clock measured."""
    rows = [row for row in read_metrics(run / "metrics.jsonl") if split in (None, row["split"])]
    return [{key: value for key, value in row.items() if key not in TIMING} for row in rows]


def tensors(run: Path, step: int) -> dict[str, torch.Tensor]:
    """Weights and optimiser state of a checkpoint."""
    folder = run / "checkpoints" / f"step-{step:08d}"
    return load_file(folder / "model.safetensors") | load_file(folder / "optimizer.safetensors")


def assert_same_run(one: Path, other: Path, step: int) -> None:
    """Equal to the last bit: every logged loss, every weight, every moment of the optimiser."""
    assert losses(one) == losses(other)
    first, second = tensors(one, step), tensors(other, step)
    assert first.keys() == second.keys()
    assert [name for name in first if not torch.equal(first[name], second[name])] == []


@pytest.fixture
def arguments(common_arguments):
    defaults = {"max_steps": 12, "checkpoint_every": 3, "validate_every": 4, "invariance_windows": 8, "keep_last": 10}
    return lambda **changes: {**common_arguments, **defaults, **changes}


def test_leaves_a_complete_checkpoint_that_transformers_loads(arguments, windows):
    result = run(arguments(trackers=None), windows(24), windows(8, seed=1), write_card=write_run_card)
    folder = result.output_dir
    for name in ("config.json", "model.safetensors", "preprocessor_config.json", "README.md", "metrics.jsonl"):
        assert (folder / name).is_file(), name
    assert list(folder.glob("trackers/**/events.out.tfevents.*"))

    network = AutoModelForPreTraining.from_pretrained(folder)
    encoder = AutoModel.from_pretrained(folder)
    assert AutoFeatureExtractor.from_pretrained(folder).sampling_rate == 256
    weights = load_file(folder / "model.safetensors")
    assert all(torch.equal(value, weights[name]) for name, value in network.state_dict().items())
    # What is loaded for downstream use is the momentum encoder.
    momentum = {
        name.removeprefix("dare_eeg."): value for name, value in weights.items() if name.startswith("dare_eeg.")
    }
    assert all(torch.equal(value, momentum[name]) for name, value in encoder.state_dict().items())

    validations = losses(folder, "validation")
    best = min(validations, key=lambda row: row["loss"])
    assert result.best_step == best["step"]
    assert all(
        torch.equal(value, weights[name])
        for name, value in load_file(folder / "checkpoints" / f"step-{best['step']:08d}" / "model.safetensors").items()
    )
    assert {"invariance", "retrieval_accuracy", "effective_rank", "collapsed"} <= validations[-1].keys()


def test_learns(arguments, windows):
    steps = {"max_steps": 100, "validate_every": 100, "checkpoint_every": 100}
    result = run(arguments(**steps, batch_size=8, learning_rate=3e-3), windows(64), windows(16, seed=1))
    values = [row["loss"] for row in losses(result.output_dir, "train")]
    assert sum(values[-10:]) < 0.8 * sum(values[:10])


def test_seed_alone_reproduces_a_run_and_another_seed_does_not(arguments, windows, tmp_path):
    data = windows(24), windows(8, seed=1)
    first = run(arguments(output_dir=tmp_path / "a", seed=3), *data)
    torch.randn(7)  # what other code drew before must not matter
    second = run(arguments(output_dir=tmp_path / "b", seed=3), *data)
    assert_same_run(first.output_dir, second.output_dir, 12)
    other = run(arguments(output_dir=tmp_path / "c", seed=4), *data)
    assert losses(first.output_dir) != losses(other.output_dir)
    with pytest.raises(AssertionError):
        assert_same_run(first.output_dir, other.output_dir, 12)


def test_a_stated_number_of_threads_repeats_a_run_whatever_torch_would_choose(arguments, windows, tmp_path):
    # Wide enough for torch to share sums among threads: with two of them the losses would differ.
    size = {"config": {"hidden_size": 64, "num_attention_heads": 4}, "batch_size": 16, "max_steps": 4, "threads": 1}
    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            run(arguments(output_dir=tmp_path / str(threads), **size), windows(32), windows(8, seed=1))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert_same_run(tmp_path / "1", tmp_path / "2", 4)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"accumulation_steps": 2, "max_gradient_norm": 0.5},
        {"num_workers": 2},
        {"mixture_weights": [0.7, 0.3], "log_every": 5},
        {"scope": "sample"},
        {"crop_patches": 3, "amplitude_spread": 0.2, "channel_dropout": 0.5},
        {"reconstructed_share": 0.25, "bf16_targets": True, "onednn": True},
    ],
    ids=["plain", "accumulation", "workers", "mixture", "mask per window", "augmentation", "part of the arithmetic"],
)
def test_resumed_run_equals_the_uninterrupted_one(arguments, windows, tmp_path, tiny_config, changes):
    """Six steps make an epoch; a copy of the run loses everything after a checkpoint within it, or at its end."""
    per_step = 4 * changes.get("accumulation_steps", 1)
    train = [windows(4 * per_step, seed=1), windows(2 * per_step, seed=2)]
    changes = dict(changes)
    masking = tiny_config["masking"] | ({"scope": changes.pop("scope")} if "scope" in changes else {})
    config = tiny_config | {"masking": masking}
    common = arguments(**changes, config=config, checkpoint_every=1, keep_last=20)
    run({**common, "output_dir": tmp_path / "whole"}, train, windows(8, seed=3))
    for stop_after in (5, 6):
        broken = tmp_path / f"broken-after-{stop_after}"
        shutil.copytree(tmp_path / "whole", broken)
        for folder in (broken / "checkpoints").iterdir():
            if int(folder.name[5:]) > stop_after:
                (folder / "model.safetensors").write_bytes(b"a damaged file")
        run({**common, "output_dir": broken, "resume": True}, train, windows(8, seed=3))
        assert_same_run(tmp_path / "whole", broken, 12)


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM"])
def test_killed_run_resumes_bit_for_bit(arguments, windows_folder, training_process, tmp_path, processes, name):
    """A real signal at a random step; SIGKILL loses the steps since the checkpoint, SIGTERM saves and loses none."""
    data = {"train": [windows_folder(24)], "validation": windows_folder(8, seed=1), "processes": processes}
    kill_at = random.Random(f"{name} {processes} {time.time_ns()}").randint(4, 11)
    common = arguments(accumulation_steps=1 if processes == 2 else 2, batch_size=2)
    killed = training_process({**common, "output_dir": tmp_path / "killed"}, **data, kill_at=kill_at, signal=name)
    checkpoints = sorted(int(folder.name[5:]) for folder in (tmp_path / "killed" / "checkpoints").glob("step-*"))
    if name == "SIGKILL":
        assert not killed.succeeded
        assert kill_at - 4 <= checkpoints[-1] <= kill_at
        assert not (tmp_path / "killed" / "model.safetensors").exists()
    else:
        assert killed.succeeded, killed.output
        assert checkpoints[-1] == kill_at, f"the step of the signal is saved\n{killed.output}"
        result = json.loads((tmp_path / "killed" / "result-0.json").read_text())
        assert (result["step"], result["world_size"]) == (kill_at, processes)
        assert result["by"] == "SIGTERM"

    resumed = training_process({**common, "output_dir": tmp_path / "killed", "resume": True}, **data)
    whole = training_process({**common, "output_dir": tmp_path / "whole"}, **data)
    assert resumed.succeeded, resumed.output
    assert whole.succeeded, whole.output
    assert_same_run(tmp_path / "whole", tmp_path / "killed", 12)
    for rank in range(processes):
        assert json.loads((tmp_path / "whole" / f"result-{rank}.json").read_text())["world_size"] == processes


@pytest.mark.parametrize(
    ("scope", "accumulation", "share"), [("batch", 2, 1.0), ("batch", 1, 0.3), ("sample", 1, 0.3)]
)
def test_two_processes_take_the_same_steps_as_one_with_twice_the_batch(
    arguments, windows_folder, training_process, tmp_path, tiny_config, scope, accumulation, share
):
    """Negatives are gathered with gradient, masks belong to windows: ten steps agree within rounding.

    Sums over windows are taken in another order. In double precision that is far below what a negative or a mask that
    differs does (some 1e-3 after ten steps), on any processor; in float32 AdamW, which divides a gradient by its own
    size, would make visible steps of the rounding error of gradients that are nearly zero.
    """
    data = {"train": [windows_folder(32)], "validation": windows_folder(8, seed=1), "dtype": "float64"}
    config = tiny_config | {"masking": tiny_config["masking"] | {"scope": scope}}
    steps = {"max_steps": 10, "validate_every": 10, "checkpoint_every": 10}
    common = arguments(**steps, config=config, accumulation_steps=accumulation, reconstructed_share=share)
    one = training_process({**common, "batch_size": 8, "output_dir": tmp_path / "one"}, **data)
    two = training_process({**common, "batch_size": 4, "output_dir": tmp_path / "two"}, **data, processes=2)
    assert one.succeeded, one.output
    assert two.succeeded, two.output
    assert json.loads((tmp_path / "two" / "result-1.json").read_text())["world_size"] == 2
    for first, second in zip(losses(tmp_path / "one", "train"), losses(tmp_path / "two", "train"), strict=True):
        for key in first.keys() - {"split"}:
            # Logged in float32: rounded as a loss, in a sum of at most two and in its half, in this run and in that.
            assert second[key] == pytest.approx(first[key], rel=6 * 2.0**-24), (first["step"], key)
    weights_one, weights_two = (load_file(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    assert {value.dtype for value in weights_one.values()} == {torch.float64}
    for key, value in weights_one.items():
        # Ten steps, each of at most the learning rate times the gradient's error over AdamW's epsilon; the error is
        # that of sums of some thousand terms (windows by patches by channels) of order one: it grows with their root.
        assert (value - weights_two[key]).abs().max() < 10 * 5e-4 / 1e-8 * 1000**0.5 * 2.0**-53, key


def test_streamed_data_resume_bit_for_bit(arguments, windows, tmp_path):
    stream = windows(30).to_iterable_dataset(num_shards=3)
    common = arguments(checkpoint_every=1, num_workers=1, validate_every=6)
    run({**common, "output_dir": tmp_path / "whole"}, stream, windows(8, seed=1).to_iterable_dataset())
    broken = tmp_path / "broken"
    shutil.copytree(tmp_path / "whole", broken)
    for folder in (broken / "checkpoints").iterdir():
        if int(folder.name[5:]) > 5:
            shutil.rmtree(folder)
    run({**common, "output_dir": broken, "resume": True}, stream, windows(8, seed=1).to_iterable_dataset())
    assert_same_run(tmp_path / "whole", broken, 12)


def test_corpora_of_different_montages_are_mixed(arguments, windows):
    few = windows(12, seed=5, channels=("C3", "CZ", "C4", "PZ"))
    result = run(
        arguments(max_steps=6),
        [windows(16), few],
        [windows(6, seed=1), windows(3, seed=2, channels=("C3", "C4", "OZ"))],
    )
    assert result.step == 6
    assert result.metrics["loss"] > 0


def test_gradient_checkpointing_changes_no_bit(arguments, windows, tmp_path):
    """What is computed again is computed by the same operations."""
    run({**arguments(max_steps=3), "output_dir": tmp_path / "plain"}, windows(16))
    run({**arguments(max_steps=3), "output_dir": tmp_path / "less", "gradient_checkpointing": True}, windows(16))
    assert_same_run(tmp_path / "plain", tmp_path / "less", 3)


def test_regional_compiling_compiles_the_blocks_in_place(tiny_config):
    """Names of weights stay what they are. (benchmarks/pretraining.py --compile regional runs the compiled blocks;
    compiling takes minutes on a small machine.)"""
    from dare_eeg_hf import DareEegForPreTraining
    from dare_eeg_hf.launching import compile_model

    network = DareEegForPreTraining(DareEegConfig(**tiny_config))
    names = list(network.state_dict())
    compile_model(network, "regional")
    compiled = [type(module).__name__ for module in network.modules() if module._compiled_call_impl is not None]
    assert compiled == ["DareEegLayer"] * 4, "encoder, momentum encoder, predictor, reconstructor"
    assert list(network.state_dict()) == names


def test_many_rare_montages_are_trained_on_together(arguments, windows):
    montages = [("FZ", "CZ", "PZ", "OZ", *more) for more in (("C3",), ("C4", "F3"), ("F3",), ("F4", "C3", "C4"))]
    datasets = [windows(3, seed=seed, channels=channels) for seed, channels in enumerate(montages)]
    result = run(arguments(max_steps=3, crop_patches=2), datasets)
    assert result.step == 3
    assert all(row["loss"] > 0 for row in losses(result.output_dir))
