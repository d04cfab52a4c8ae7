"""When a run keeps checkpoints, stops early, and what it leaves behind."""

from dare_eeg_hf.pretraining import run as pretraining
from dare_eeg_hf.pretraining.arguments import PretrainingArguments
from dare_eeg_hf.pretraining.run import pretrain
from tests.pretraining.conftest import run


def test_early_stop_keeps_the_best_checkpoint(arguments, windows, monkeypatch):
    found = iter([{"loss": value} for value in (3.0, 1.0, 2.0, 1.5, 1.2, 1.1)])
    monkeypatch.setattr(pretraining, "measure", lambda run: next(found))
    few = arguments(validate_every=1, checkpoint_every=100, patience=2, keep_last=1)
    result = pretrain(PretrainingArguments(**few), windows(16), windows(8, seed=1))
    assert (result.stopped_by, result.step, result.best_step) == ("patience", 4, 2)
    kept = sorted(folder.name for folder in (result.output_dir / "checkpoints").iterdir())
    assert kept == ["step-00000002", "step-00000004"]
    best = (result.output_dir / "checkpoints" / "step-00000002" / "model.safetensors").read_bytes()
    assert (result.output_dir / "model.safetensors").read_bytes() == best

    again = pretrain(PretrainingArguments(**few, resume=True), windows(16), windows(8, seed=1))
    assert (again.stopped_by, again.step, again.best_step) == ("patience", 4, 2), "it had ended"
    longer = {**few, "patience": 4, "resume": True}
    result = pretrain(PretrainingArguments(**longer), windows(16), windows(8, seed=1))
    assert (result.step, result.best_step) == (6, 2), "more patience goes on"


def test_the_card_is_the_callers_to_write(arguments, windows):
    written = []

    def write_card(folder, facts):
        written.append((folder, facts["arguments"]["max_steps"], (folder / "model.safetensors").is_file()))
        return []

    result = run(arguments(max_steps=2, license="mit"), windows(24), write_card=write_card)
    assert written == [(result.output_dir, 2, True)]
    assert not (result.output_dir / "README.md").exists()
