"""What a run is set up with: a folder that holds a run, a run that goes on, settings and data that changed."""

import json

import pytest

from dare_eeg_hf.file_digest import file_digest
from dare_eeg_hf.pretraining import run_setup
from dare_eeg_hf.pretraining.arguments import PretrainingArguments
from dare_eeg_hf.pretraining.checkpointing import PretrainingError
from dare_eeg_hf.pretraining.run import pretrain


def test_a_folder_with_a_run_is_not_overwritten(arguments, windows):
    pretrain(PretrainingArguments(**arguments()), windows(16))
    with pytest.raises(PretrainingError, match=r"already holds a run.*--resume"):
        pretrain(PretrainingArguments(**arguments()), windows(16))


def test_resuming_nothing_starts_and_resuming_a_complete_run_ends(arguments, windows):
    first = pretrain(PretrainingArguments(**arguments(resume=True)), windows(16))
    before = (first.output_dir / "model.safetensors").read_bytes()
    again = pretrain(PretrainingArguments(**arguments(resume=True)), windows(16))
    assert (first.step, again.step) == (8, 8)
    assert (first.output_dir / "model.safetensors").read_bytes() == before


@pytest.mark.parametrize("resume", [True, False])
def test_a_run_killed_before_its_first_checkpoint_leaves_no_records(
    arguments, windows_folder, windows, training_process, resume
):
    """Its steps are taken again; and its last line, cut short, would swallow the first new one."""
    training_process(
        arguments(checkpoint_every=100), train=[windows_folder(16)], processes=1, kill_at=4, signal="SIGKILL"
    )
    with (arguments()["output_dir"] / "metrics.jsonl").open("a") as log:
        log.write('{"step": 4, "epoch": 0, "spl')
    result = pretrain(PretrainingArguments(**arguments(resume=resume)), windows(16))
    records = [json.loads(line) for line in (result.output_dir / "metrics.jsonl").read_text().splitlines()]
    assert [record["step"] for record in records] == [1, 2, 3, 4, 5, 6, 7, 8]


def test_changed_settings_are_named_when_resuming(arguments, windows, caplog):
    pretrain(PretrainingArguments(**arguments(max_steps=4)), windows(16))
    pretrain(PretrainingArguments(**arguments(max_steps=6, batch_size=2, resume=True)), windows(16))
    assert "total_steps = 6, which was 4" in caplog.text
    assert "batch_size = 2, which was 4" in caplog.text
    assert "not bit for bit" in caplog.text


@pytest.mark.parametrize(
    ("name", "value"), [("gradient_checkpointing", True), ("deterministic", False), ("compile", "regional")]
)
def test_changed_arithmetic_is_named_when_resuming(arguments, windows, caplog, monkeypatch, name, value):
    monkeypatch.setattr(run_setup, "compile_model", lambda network, how: None)  # takes minutes
    pretrain(PretrainingArguments(**arguments(max_steps=2)), windows(16))
    pretrain(PretrainingArguments(**arguments(max_steps=2, resume=True, **{name: value})), windows(16))
    assert f"Resuming with {name} = {value}, which was " in caplog.text


def test_other_data_of_the_same_size_are_named_when_resuming(arguments, windows, caplog):
    pretrain(PretrainingArguments(**arguments(max_steps=2)), windows(16), windows(8, seed=1))
    again = arguments(max_steps=2, resume=True)
    pretrain(PretrainingArguments(**again), windows(16), windows(8, seed=1))
    assert "not bit for bit" not in caplog.text
    pretrain(PretrainingArguments(**again), windows(16, seed=2), windows(8, seed=1))
    assert "Resuming with training_data = " in caplog.text
    assert "Resuming with validation_data = " not in caplog.text
    caplog.clear()
    pretrain(PretrainingArguments(**again), windows(16), [windows(8, seed=2)])
    assert "Resuming with validation_data = " in caplog.text


def test_a_checkpoint_that_does_not_tell_a_setting_is_not_said_to_have_another(arguments, windows, caplog):
    """Written by a version that did not ask for it."""
    pretrain(PretrainingArguments(**arguments(max_steps=2)), windows(16))
    checkpoint = arguments()["output_dir"] / "checkpoints" / "step-00000002"
    state = json.loads((checkpoint / "state.json").read_text())
    del state["setup"]["training_data"]
    (checkpoint / "state.json").write_text(json.dumps(state))
    manifest = json.loads((checkpoint / "manifest.json").read_text())
    manifest["state.json"] = file_digest(checkpoint / "state.json")
    (checkpoint / "manifest.json").write_text(json.dumps(manifest))
    assert pretrain(PretrainingArguments(**arguments(max_steps=2, resume=True)), windows(16)).step == 2
    assert "not bit for bit" not in caplog.text


def test_too_little_data_is_said(arguments, windows):
    with pytest.raises((PretrainingError, ValueError), match=r"lower the batch size|Lower the batch"):
        pretrain(PretrainingArguments(**arguments(batch_size=64)), windows(16))


def test_streamed_data_need_max_steps(arguments, windows):
    stream = windows(16).to_iterable_dataset()
    with pytest.raises(PretrainingError, match="max_steps"):
        pretrain(PretrainingArguments(**arguments(max_steps=None)), stream)
