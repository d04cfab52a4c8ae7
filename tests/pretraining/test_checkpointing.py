"""Checkpoints are whole or absent, verified, and do not depend on how the model was sharded."""

import json
import os

import pytest
import torch
from safetensors.torch import save_file

from dare_eeg_hf import DareEegConfig, DareEegForPreTraining
from dare_eeg_hf.file_digest import file_digest
from dare_eeg_hf.optimization import parameter_groups
from dare_eeg_hf.pretraining import checkpointing
from dare_eeg_hf.pretraining.checkpointing import CheckpointError, CheckpointStore, verify


def fill(folder):
    save_file({"weight": torch.arange(1000.0)}, folder / "model.safetensors")
    (folder / "state.json").write_text("{}")


@pytest.fixture
def store(tmp_path):
    return CheckpointStore(tmp_path / "checkpoints", keep_last=2)


def test_keeps_the_last_and_the_best(store):
    for step in (10, 20, 30, 40, 50):
        store.write(step, fill, best_step=20)
    assert store.steps() == [20, 40, 50]
    assert store.latest() == store.path(50)


def test_steps_are_ordered_as_numbers(store):
    for step in (9, 100_000_000, 10):
        store.write(step, fill, best_step=9)
    assert store.steps()[-1] == 100_000_000


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "model.safetensors").write_bytes(b"short"),
        lambda folder: (folder / "model.safetensors").unlink(),
        lambda folder: (folder / "manifest.json").write_text("{"),
        lambda folder: (folder / "manifest.json").unlink(),
        lambda folder: flip_one_bit(folder / "model.safetensors"),
    ],
    ids=["truncated", "file missing", "manifest broken", "manifest missing", "one bit"],
)
def test_damage_is_found_and_the_checkpoint_before_is_taken(store, damage, caplog):
    store.write(1, fill)
    store.write(2, fill)
    verify(store.path(2))
    damage(store.path(2))
    with pytest.raises(CheckpointError, match="step-00000002"):
        verify(store.path(2))
    assert store.latest() == store.path(1)
    assert "step-00000002" in caplog.text


def flip_one_bit(file):
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.write_bytes(content)


def test_nothing_half_written_stays_and_the_old_one_survives(store):
    store.write(1, fill)

    def stop_half_way(folder):
        fill(folder)
        raise OSError(28, "No space left on device")

    with pytest.raises(CheckpointError, match=r"step 2 could not be written .*No space left"):
        store.write(2, stop_half_way)
    assert [entry.name for entry in store.folder.iterdir()] == ["step-00000001"]
    with pytest.raises(KeyboardInterrupt):
        store.write(2, lambda folder: (_ for _ in ()).throw(KeyboardInterrupt))
    assert [entry.name for entry in store.folder.iterdir()] == ["step-00000001"]


def test_a_killed_writer_leaves_only_what_the_next_one_removes(store):
    """SIGKILL in the middle of writing: no checkpoint of that step, and no litter for ever."""
    store.write(1, fill)
    pid = os.fork()
    if pid == 0:

        def die(folder):
            fill(folder)
            os.kill(os.getpid(), 9)

        store.write(2, die)
    os.waitpid(pid, 0)
    assert store.steps() == [1]
    assert any(entry.name.startswith(".step-") for entry in store.folder.iterdir()), "it did die while writing"
    store.write(3, fill)
    assert sorted(entry.name for entry in store.folder.iterdir()) == ["step-00000001", "step-00000003"]


def test_writing_a_step_again_replaces_a_damaged_one(store):
    store.write(1, fill)
    (store.path(1) / "model.safetensors").write_bytes(b"")
    store.write(1, fill)
    verify(store.path(1))
    assert [entry.name for entry in store.folder.iterdir()] == ["step-00000001"]


def test_damaged_checkpoints_of_later_steps_never_push_out_good_ones(store):
    """Resumed from step 10, because 20 and 30 are damaged: what is good goes on being kept."""
    for step in (10, 20, 30):
        store.write(step, fill, best_step=10)
    for step in (20, 30):
        (store.path(step) / "model.safetensors").write_bytes(b"short")
    store.write(15, fill)
    assert store.steps() == [15, 20, 30], "whatever its number, the checkpoint just written stays"

    aside = store.set_aside_after(15)
    assert [folder.name for folder in aside] == ["damaged-step-00000020", "damaged-step-00000030"]
    store.write(20, fill)
    assert store.steps() == [15, 20]
    assert store.latest() == store.path(20)
    (store.path(20) / "model.safetensors").write_bytes(b"short")
    assert store.set_aside_after(15) == aside[:1], "damaged once more: the newer one takes the place"
    assert aside[0].is_dir()


def test_manifest_cannot_point_outside_the_folder(store, tmp_path):
    store.write(1, fill)
    secret = tmp_path / "secret"
    secret.write_text("x")
    manifest = {"../../secret": file_digest(secret)}
    (store.path(1) / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CheckpointError, match="missing"):
        verify(store.path(1))


def trained(config, steps=2):
    torch.manual_seed(0)
    model = DareEegForPreTraining(DareEegConfig(**config))
    optimizer = torch.optim.AdamW(parameter_groups(model.named_parameters(), 0.1), lr=1e-2, fused=True)
    for _ in range(steps):
        step(model, optimizer)
    return model, optimizer


def step(model, optimizer, network=None, **options):
    generator = torch.Generator().manual_seed(1)
    values = torch.randn(4, 5, 128, generator=generator)
    (network or model)(values, torch.arange(5), generator=generator, **options).loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    model.update_momentum_encoder(0.9)


def save(folder, model, optimizer):
    weights, moments = checkpointing.model_tensors(model), checkpointing.optimizer_tensors(model, optimizer)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights, folder / "model.safetensors")
    checkpointing.save_training_state(folder, moments, {"step": 2})
    return weights, moments


def test_restored_training_goes_on_as_if_nothing_had_happened(tiny_config, tmp_path):
    model, optimizer = trained(tiny_config)
    save(tmp_path, model, optimizer)
    other, other_optimizer = trained({**tiny_config}, steps=0)
    checkpointing.restore(tmp_path, other, other_optimizer)
    assert checkpointing.load_state(tmp_path) == {"step": 2}
    step(model, optimizer)
    step(other, other_optimizer)
    pairs = zip(model.state_dict().items(), other.state_dict().values(), strict=True)
    assert [name for (name, value), restored in pairs if not torch.equal(value, restored)] == []


def test_a_checkpoint_of_another_model_is_refused(tiny_config, tmp_path):
    save(tmp_path, *trained(tiny_config))
    for change, message in (({"hidden_size": 8}, "another shape"), ({"num_hidden_layers": 2}, "differ")):
        with pytest.raises(CheckpointError, match=message):
            checkpointing.restore(tmp_path, *trained({**tiny_config, **change}, steps=0))


def shard_and_train(rank, config, folder):
    """One of two processes: FSDP2's fully_shard on the CPU, restore, one step, save."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard
    from torch.distributed.tensor import DTensor

    mesh = init_device_mesh("cpu", (2,))
    model = DareEegForPreTraining(DareEegConfig(**config))
    for module in model.modules():
        if type(module).__name__ == "DareEegLayer":
            fully_shard(module, mesh=mesh)
    fully_shard(model, mesh=mesh)
    optimizer = torch.optim.AdamW(parameter_groups(model.named_parameters(), 0.1), lr=1e-2, fused=True)
    assert all(isinstance(parameter, DTensor) for parameter in model.parameters())
    checkpointing.restore(folder / "whole", model, optimizer)
    weights, moments = checkpointing.model_tensors(model), checkpointing.optimizer_tensors(model, optimizer)
    if rank == 0:
        save_file(weights, folder / "unchanged.safetensors")
        save_file(moments, folder / "unchanged_moments.safetensors")
    step(
        model, optimizer, gather_negatives=False
    )  # both processes see the same windows, so the mean gradient is the gradient
    weights = checkpointing.model_tensors(model)
    if rank == 0:
        save_file(weights, folder / "after.safetensors")


def test_sharded_models_save_restore_and_train_like_whole_ones(tiny_config, tmp_path, in_two_processes):
    """FSDP2 (fully_shard) over two gloo processes, momentum encoder included: same files, same next step."""
    model, optimizer = trained(tiny_config)
    weights, moments = save(tmp_path / "whole", model, optimizer)
    in_two_processes(shard_and_train, tiny_config, tmp_path)

    unchanged = checkpointing.load_file(tmp_path / "unchanged.safetensors")
    assert all(torch.equal(value, unchanged[name]) for name, value in weights.items())
    unchanged = checkpointing.load_file(tmp_path / "unchanged_moments.safetensors")
    assert all(torch.equal(value, unchanged[name]) for name, value in moments.items())
    step(model, optimizer)
    after = checkpointing.load_file(tmp_path / "after.safetensors")
    for name, value in model.state_dict().items():
        torch.testing.assert_close(after[name], value, atol=2e-5, rtol=1e-4, msg=name)
