"""Model cards say what the folder and the run say, nothing else, and never leave out what the model is not for."""

import json
import shutil
from pathlib import Path

import pytest
from huggingface_hub import ModelCard
from safetensors.torch import load_file, save_file

from dare_eeg_hf import DareEegConfig, DareEegForPreTraining, DareEegForSequenceClassification
from dare_eeg_hf.hub.cards import count_parameters, main, render_model_card, write_model_card
from dare_eeg_hf.leaks import find_leaks

RESULT = {"dataset": "Toy corpus", "metric": "balanced_accuracy", "value": 0.7123, "std": 0.02, "seeds": 3}


def test_the_card_is_written_from_the_folder(folder):
    card = ModelCard.load(write_model_card(folder))
    assert card.data.library_name == "transformers"
    assert "eeg" in card.data.tags
    parameters = sum(p.numel() for p in DareEegForPreTraining.from_pretrained(folder).parameters())
    assert f"| total | {parameters:,} |" in card.text
    assert "| sampling rate | 256 |" in card.text
    assert "| reference | average |" in card.text
    assert "Best validation loss: 0.02439 (step 40)" in card.text
    assert "![Training and validation loss" in card.text
    assert (folder / "training_curve.png").stat().st_size > 5000
    assert "No result has been measured" in card.text
    assert "did not state its data" in card.text


def test_losses_that_are_no_numbers_and_a_line_cut_short_are_passed_over(folder):
    """A log writes NaN as null, and a kill or a full disk may cut its last line."""
    with (folder / "metrics.jsonl").open("a") as log:
        for split in ("train", "validation"):
            log.write(json.dumps({"step": 50, "split": split, "loss": None, "loss_anchor": None}) + "\n")
        log.write('{"step": 60, "split": "tra')
    card = ModelCard.load(write_model_card(folder))
    assert "Last training loss: 0.02439 (step 40)" in card.text
    assert "Best validation loss: 0.02439 (step 40)" in card.text
    (folder / "metrics.jsonl").write_text('{"step": 0, "split": "train", "loss": null}\n')
    (folder / "training_curve.png").unlink()
    assert "training_curve.png" not in ModelCard.load(write_model_card(folder)).text


def test_parameters_are_counted_alike_with_and_without_weights(folder):
    config = DareEegConfig.from_pretrained(folder)
    with_weights = count_parameters(folder, config)
    (folder / "model.safetensors").unlink()
    assert count_parameters(folder, config) == with_weights


def test_buffers_are_no_parameters(tiny_classifier):
    model = DareEegForSequenceClassification.from_pretrained(tiny_classifier)
    assert sum(count_parameters(tiny_classifier, model.config).values()) == sum(p.numel() for p in model.parameters())


def test_results_become_a_model_index_that_the_hub_accepts(folder):
    card = ModelCard.load(write_model_card(folder, evaluation=[RESULT]))
    (result,) = card.data.eval_results
    assert (result.dataset_name, result.metric_type, result.metric_value) == (
        "Toy corpus",
        "balanced_accuracy",
        0.7123,
    )
    assert "0.7123 ± 0.02" in card.text
    assert "Measured with these weights." in card.text


def test_what_a_run_told_is_remembered_when_results_come_later(folder):
    run = {"name": "Tiny", "license": "cc-by-4.0", "corpora": [{"name": "EEGMMIDB", "subjects": 109}]}
    write_model_card(folder, run=run)
    card = ModelCard.load(write_model_card(folder, evaluation=[RESULT], repo_id="org/tiny"))
    assert card.data.license == "cc-by-4.0"
    assert "# Tiny" in card.text
    assert "| EEGMMIDB | not stated | 109 |" in card.text
    assert 'from_pretrained("org/tiny")' in card.text


def test_a_classifier_trained_anew_is_described_anew(tiny_classifier, tmp_path):
    folder = shutil.copytree(tiny_classifier, tmp_path / "classifier")

    def card_after_training(mode: str, windows: int, **given) -> str:
        facts = {"checkpoint": "org/nano", "arguments": {"mode": mode}, "training_windows": windows}
        (folder / "finetuning.json").write_text(json.dumps({**facts, "training_subjects": ["S001"]}))
        return write_model_card(folder, **given).read_text()

    assert "| 1 |  | 10 |" in card_after_training("probe", 10, run={"name": "mine"})
    weights = folder / "model.safetensors"
    changed = {name: tensor + 1 for name, tensor in load_file(weights).items()}
    save_file(changed, weights, metadata={"format": "pt"})
    again = card_after_training("full", 999)
    assert "| 1 |  | 999 |" in again
    assert "| 1 |  | 10 |" not in again
    assert "# mine" in again


def test_results_of_weights_that_were_replaced_are_dropped(folder):
    assert "Toy corpus" in write_model_card(folder, evaluation=[RESULT]).read_text()
    DareEegForPreTraining(DareEegConfig.from_pretrained(folder)).save_pretrained(folder)
    assert "Toy corpus" not in write_model_card(folder).read_text()


def test_absolute_paths_of_arguments_are_shortened(folder):
    path = write_model_card(folder, run={"arguments": {"data": ["/home/ada/eeg"], "output_dir": Path("/mnt/runs/7")}})
    assert "| output_dir | 7 |" in path.read_text()
    assert not find_leaks("README.md", path)
    assert not find_leaks("model_card.json", folder / "model_card.json")


def test_free_text_cannot_break_out_of_the_card(folder):
    name = "x | y\n\n# Heading <script>alert(1)</script> `code`"
    text = write_model_card(folder, run={"corpora": [{"name": name, "license": name}], "name": name}).read_text()
    assert "<script>" not in text
    assert "\n# Heading" not in text


def test_every_card_says_what_the_model_is_not_for(folder):
    for run in ({}, {"name": "Diagnoses everything"}):
        text = write_model_card(folder, run=run).read_text()
        assert "It does not diagnose" in text
        assert "not a medical device" in text


def test_a_fine_tuned_folder_counts_subjects_without_naming_them(tiny_classifier, tmp_path):
    folder = shutil.copytree(tiny_classifier, tmp_path / "classifier")
    facts = {"arguments": {"mode": "probe"}, "training_subjects": ["Ada L.", "Alan T."], "training_windows": 40}
    facts["checkpoint"] = "org/dare-eeg-nano"
    (folder / "finetuning.json").write_text(json.dumps(facts))
    (folder / "test_results.json").write_text(json.dumps({"balanced_accuracy": 0.5714, "auroc": None}))
    path = write_model_card(folder)
    text = path.read_text()
    assert "AutoModelForSequenceClassification.from_pretrained" in text
    assert "| Fine-tuning data, not named | one split, not a result |  | balanced_accuracy | 0.5714 |" in text
    assert "One split is not a result" in text
    assert not ModelCard.load(path).data.eval_results
    assert "auroc" not in text
    assert "Labels: left, right" in text
    assert "\nbase_model: org/dare-eeg-nano\n" in text
    assert "| fine-tuning data, not named | not stated | 2 |  | 40 |" in text
    assert "Ada" not in text


@pytest.mark.parametrize(
    ("source", "counted", "said"),
    [
        ("scheme", "2", "identified by the names of the files"),
        ("file", "not known", "each file was counted as a separate person"),
    ],
)
def test_a_card_counts_people_only_where_they_are_known(tiny_classifier, tmp_path, source, counted, said):
    folder = shutil.copytree(tiny_classifier, tmp_path / "classifier")
    facts = {"arguments": {}, "training_subjects": ["a", "b"], "training_windows": 40, "subject_source": source}
    (folder / "finetuning.json").write_text(json.dumps(facts))
    text = write_model_card(folder).read_text()
    assert f"| fine-tuning data, not named | not stated | {counted} |  | 40 |" in text
    assert said in text


def test_bad_input_is_named(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"has no config\.json"):
        write_model_card(tmp_path)
    with pytest.raises(ValueError, match="lacks metric"):
        write_model_card(folder, evaluation=[{"dataset": "x", "value": 1}])


def test_the_command_takes_only_results_of_these_weights(folder, tmp_path, capsys):
    from dare_eeg_hf.evaluation.benchmark import digest_of_weights
    from dare_eeg_hf.evaluation.tasks import TASKS

    task = next(iter(TASKS))
    metrics = {
        "balanced_accuracy": 0.61,
        "cohen_kappa": 0.22,
        "weighted_f1": 0.6,
        "auroc": 0.66,
        "auprc": 0.6,
        "per_subject_balanced_accuracy": {"S1": 0.6, "S2": 0.62},
        "confidence_intervals": {"balanced_accuracy": [0.5, 0.7]},
    }
    record = {
        "inputs": {"task": task, "model": "run", "mode": "probe", "seed": 0, "weights": digest_of_weights(folder)},
        "metrics": metrics,
        "trainable_parameters": 10,
        "tested_windows": 8,
        "classes": ["a", "b"],
    }
    results = tmp_path / "results.json"
    results.write_text(json.dumps([record]))
    assert main([str(folder), "--results", str(results)]) == 0
    card = ModelCard.load(folder / "README.md")
    assert {result.metric_type: result.metric_value for result in card.data.eval_results} == {
        "balanced_accuracy": 0.61,
        "cohen_kappa": 0.22,
        "auroc": 0.66,
    }
    for other in ({"weights": "of another run"}, {"task": "windows/of_mine"}):
        results.write_text(json.dumps([{**record, "inputs": {**record["inputs"], **other}}]))
        assert main([str(folder), "--results", str(results)]) == 1
        assert "Nothing in" in capsys.readouterr().err


def test_cards_are_deterministic(folder):
    assert render_model_card(folder) == render_model_card(folder)
