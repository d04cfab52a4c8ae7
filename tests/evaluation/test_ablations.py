"""The five cases really differ in the objective only, run to the end, and are not repeated."""

import json
import os
import shutil
import signal

import pytest

from dare_eeg_hf import DareEegConfig
from dare_eeg_hf.evaluation import ablations
from dare_eeg_hf.evaluation.ablations import CASES, RECIPES, run_ablations
from dare_eeg_hf.pretraining import run as pretraining
from dare_eeg_hf.pretraining.arguments import PretrainingArguments
from dare_eeg_hf.pretraining.checkpointing import PretrainingError


def test_cases_are_the_papers():
    assert len(CASES) == 5
    everything_on = DareEegConfig()
    for case, switches in CASES.items():
        off = DareEegConfig(**switches)
        assert all(getattr(everything_on, name) and not getattr(off, name) for name in switches), case
        assert len(switches) == (case != "all on")


def test_recipes_are_settings_of_pretraining(tmp_path):
    for case, settings in RECIPES.items():
        assert PretrainingArguments(tmp_path, **settings) != PretrainingArguments(tmp_path), case
    assert not CASES.keys() & RECIPES.keys()


def test_two_cases_under_one_budget(corpus_root, tmp_path, monkeypatch):
    chosen = {"cases": ["all on", "without mask alignment"], "seeds": [0]}
    budget = {"preset": "nano", "max_steps": 2, "batch_size": 8}
    recordings = str(corpus_root / "eegmmidb")
    table = run_ablations(recordings, corpus_root, "eyes-eegmmidb", tmp_path, **chosen, budget=budget)
    records = json.loads((tmp_path / "ablations.json").read_text())
    assert [record["inputs"]["case"] for record in records] == chosen["cases"]
    for record in records:
        assert 0 <= record["balanced_accuracy"] <= 1
        assert -1 <= record["similarity"] <= 1
        assert record["inputs"]["max_steps"] == 2
        assert f"| {record['inputs']['case']} |" in table
    folders = [next(tmp_path.glob(f"{name}-seed0-*")) for name in ("all-on", "without-mask-alignment")]
    saved = [DareEegConfig.from_pretrained(folder) for folder in folders]
    assert [config.use_mask_alignment for config in saved] == [True, False]
    monkeypatch.setattr(ablations, "pretrain", lambda *_: pytest.fail("pre-trained again"))
    assert run_ablations(recordings, corpus_root, "eyes-eegmmidb", tmp_path, **chosen, budget=budget) == table
    changed = {**budget, "config": {"masking": {"visible_channel_ratio": 0.5}}}
    with pytest.raises(pytest.fail.Exception, match="pre-trained again"):
        run_ablations(recordings, corpus_root, "eyes-eegmmidb", tmp_path, **chosen, budget=changed)


def test_settings_of_a_file_hold_for_all_cases_and_flags_go_first(corpus_root, tmp_path, capsys):
    settings = tmp_path / "settings.yaml"
    settings.write_text("max_steps: 9\nbatch_size: 8\ncrop_patches: 1\nconfig: {num_summary_tokens: 2}\n")
    arguments = [
        "--pretraining-data",
        corpus_root / "eegmmidb",
        "--data-root",
        corpus_root,
        "--output",
        tmp_path / "out",
    ]
    arguments += ["--config", settings, "--max-steps", 2, "--mode", "pooled", "--seeds", 0, "--cases", "without skip"]
    assert ablations.main([str(argument) for argument in arguments]) == 0
    assert "2 steps of 8 windows" in capsys.readouterr().out
    config = DareEegConfig.from_pretrained(next((tmp_path / "out").glob("without-skip-seed0-*")))
    assert (config.num_summary_tokens, config.use_skip_connection) == (2, False)
    settings.write_text("no_such_setting: 1\n")
    assert ablations.main([str(argument) for argument in arguments]) == 2
    assert "no_such_setting" in capsys.readouterr().err


@pytest.fixture
def command(corpus_root, tmp_path):
    """Arguments for one case on the recordings of the benchmark's task; more can be added."""
    arguments = ["--pretraining-data", corpus_root / "eegmmidb", "--data-root", corpus_root, "--output", tmp_path]
    arguments += ["--max-steps", 4, "--batch-size", 8, "--mode", "pooled", "--seeds", 0, "--cases", "all on"]
    return [str(argument) for argument in arguments]


def test_what_leaves_nothing_to_measure_is_refused_before_anything_is_trained(
    command, corpus_root, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(ablations, "pretrain", lambda *_: pytest.fail("pre-trained"))
    (tmp_path / "settings.yaml").write_text("invariance_windows: 0\n")
    assert ablations.main([*command, "--config", str(tmp_path / "settings.yaml")]) == 2
    assert "invariance_windows is 0" in capsys.readouterr().err

    single = tmp_path / "single"
    single.mkdir()
    shutil.copy(next(corpus_root.rglob("S001R01.edf")), single)
    command[1] = str(single)
    assert ablations.main([*command, "--output", str(tmp_path / "out")]) == 2
    assert f"{single} leaves fewer than two windows to validate on" in capsys.readouterr().err


def test_a_stopped_run_is_not_tested_and_the_same_command_goes_on(command, tmp_path, monkeypatch, capsys):
    advance = pretraining.advance

    def interrupted(run, batches):
        advance(run, batches)
        if run.progress.step == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as stopping:
        stopping.setattr(pretraining, "advance", interrupted)
        assert ablations.main(command) == 130
    assert (
        capsys.readouterr()
        .err.strip()
        .endswith("Stopped by SIGTERM at step 2 of 'all on', seed 0; the same command continues.")
    )
    assert not list(tmp_path.glob("all-on-*/ablation.json"))
    done = []
    monkeypatch.setattr(pretraining, "advance", lambda *given: done.append(advance(*given)))
    assert ablations.main(command) == 0
    assert len(done) == 2


def test_a_failed_pretraining_is_one_sentence(command, monkeypatch, capsys):
    def fail(*_):
        raise PretrainingError("The loss is NaN.")

    monkeypatch.setattr(ablations, "pretrain", fail)
    assert ablations.main(command) == 2
    assert "error: The loss is NaN." in capsys.readouterr().err.splitlines()
