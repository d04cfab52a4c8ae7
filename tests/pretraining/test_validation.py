"""Validation: every process takes part equally often, and the numbers do not depend on how many there are."""

import json
from itertools import chain

import pytest
import torch
from accelerate import Accelerator

from dare_eeg_hf import modeling_dare_eeg
from dare_eeg_hf.corpora.loading import WindowCollator
from dare_eeg_hf.launching import cpu_threads
from dare_eeg_hf.metrics_log import read_metrics
from dare_eeg_hf.pretraining.arguments import PretrainingArguments
from dare_eeg_hf.pretraining.checkpointing import PretrainingError
from dare_eeg_hf.pretraining.run import measure, pretrain
from dare_eeg_hf.pretraining.run_setup import set_up
from dare_eeg_hf.pretraining.step_inputs import validation_batches


@pytest.fixture
def arguments(common_arguments):
    defaults = {"max_steps": 4, "validate_every": 2, "checkpoint_every": 1, "invariance_windows": 8}
    return lambda **changes: {**common_arguments, **defaults, **changes}


@pytest.mark.parametrize("streamed", [False, True], ids=["map", "stream"])
@pytest.mark.parametrize("processes", [1, 2, 3, 7])
def test_batches_are_dealt_out_once_and_everybody_gets_equally_many(windows, streamed, processes):
    """Five batches, the last one not full."""
    dataset = windows(18).to_iterable_dataset() if streamed else windows(18)
    collator = WindowCollator(patch_size=16)
    whole = {number: batch["input_values"] for number, batch, _ in validation_batches(dataset, collator, 4)}
    shares = [list(validation_batches(dataset, collator, 4, rank, processes)) for rank in range(processes)]
    assert {len(share) for share in shares} == {-(-5 // processes)}
    counted = [number for share in shares for number, _, counts in share if counts]
    assert sorted(counted) == list(range(5))
    for number, batch, _ in chain.from_iterable(shares):
        assert torch.equal(batch["input_values"], whole[number])


def never_in_parts(_tokens) -> bool:
    """Models are sharded on GPUs, where windows are not encoded in parts: each part would be a collective call, and
    two processes with different masks have different numbers of them."""
    return False


def validate_sharded(rank, arguments, train, validation, result):
    """One of two processes: FSDP2's fully_shard on the CPU, where every forward pass needs both."""
    from torch.distributed.fsdp import fully_shard

    Accelerator.prepare = lambda self, *objects: objects  # would wrap the model for DDP
    modeling_dare_eeg.runs_in_cache = never_in_parts
    run = set_up(PretrainingArguments(**arguments), train, validation, None)
    assert run.processes.world_size == 2
    for module in run.network.modules():
        if type(module).__name__ == "DareEegLayer":
            fully_shard(module)
    fully_shard(run.network)
    metrics = measure(run)
    if rank == 0:
        result.write_text(json.dumps(metrics))


def test_a_sharded_model_is_validated_where_the_batches_cannot_be_shared_out_equally(
    arguments, windows, in_two_processes, tmp_path, monkeypatch
):
    """Three batches, two processes: same losses, same invariance as one process finds, and nobody waits for ever."""
    train, validation = windows(16), windows(10, seed=1)
    in_two_processes(validate_sharded, arguments(), train, validation, tmp_path / "sharded.json")
    sharded = json.loads((tmp_path / "sharded.json").read_text())
    monkeypatch.setattr(modeling_dare_eeg, "runs_in_cache", never_in_parts)
    with cpu_threads(1):
        whole = measure(set_up(PretrainingArguments(**arguments()), train, validation, None))
    assert sharded.keys() == whole.keys()
    for name in whole.keys() - {"invariance"}:
        # The same operations on the same batches; only the double-precision sum over batches has another order.
        assert sharded[name] == pytest.approx(whole[name], rel=3 * 2.0**-53), name


def test_a_loss_that_is_no_number_ends_the_run_and_is_never_the_best(arguments, windows):
    """Nothing is smaller than NaN: it would stay the best for ever."""
    data = windows(8, seed=1)
    table = data.data.table
    broken = table.set_column(0, "signal", [[b"\xff" * len(signal.as_py()) for signal in table["signal"]]])
    message = r"validation loss is not a number at step 2 .*last good checkpoint is .*step-00000001.*--resume"
    with pytest.raises(PretrainingError, match=message):
        pretrain(PretrainingArguments(**arguments()), windows(16), type(data)(broken))
    result = pretrain(PretrainingArguments(**arguments(resume=True)), windows(16), data)
    rows = [row for row in read_metrics(result.output_dir / "metrics.jsonl") if row["split"] == "validation"]
    assert [row["step"] for row in rows] == [2, 4]
    assert result.best_step == min(rows, key=lambda row: row["loss"])["step"]


def test_one_window_is_enough_for_a_loss_and_its_invariance_is_told_not_to_be_measured(arguments, windows, capsys):
    result = pretrain(PretrainingArguments(**arguments()), windows(16), windows(1, seed=1))
    assert result.metrics["loss"] > 0
    assert "invariance" not in result.metrics
    assert capsys.readouterr().out.count("invariance and collapse are not measured") == 1, "twice validated, once told"
