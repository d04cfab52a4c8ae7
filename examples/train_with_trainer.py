"""Train a classifier with Transformers' own `Trainer` on prepared windows, plainly or with LoRA.

    python examples/train_with_trainer.py --checkpoint model_cards/dare-eeg-nano --data windows/ --output mine
    python examples/train_with_trainer.py --checkpoint model_cards/dare-eeg-nano --data windows/ --output mine --lora

`--data` is a labelled data set as `dataset_scripts/` write it. Every fourth person is tested and never trained on. One
split is not a result: `dare-eeg evaluate` cross-validates.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from sklearn.metrics import balanced_accuracy_score
from transformers import Trainer, TrainingArguments

from dare_eeg_hf import DareEegConfig, DareEegFeatureExtractor, DareEegForSequenceClassification
from dare_eeg_hf.corpora.loading import WindowCollator, load_windows, split_names


def train(checkpoint: str, data: str, output: str, lora: bool = False, steps: int = 200) -> dict[str, float]:
    """Train, save, and return what was measured on the people held out."""
    rows = load_windows(data, split="+".join(map(str, split_names(data))))
    if not getattr(rows.features["label"], "names", None):
        raise ValueError(f"the windows in {data} have no labels: prepare them with --labels")
    rows = rows.filter(lambda label: label is not None and label >= 0, input_columns="label")
    tested = set(sorted(set(rows["subject"]))[3::4])
    if not tested:
        raise ValueError(f"{data} has windows of fewer than 4 people, of whom nobody can be held out")
    training = rows.filter(lambda subject: subject not in tested, input_columns="subject")
    testing = rows.filter(lambda subject: subject in tested, input_columns="subject")

    names = rows.features["label"].names
    config = DareEegConfig.from_pretrained(
        checkpoint,
        id2label=dict(enumerate(names)),
        label2id={name: number for number, name in enumerate(names)},
        statistics_stride=64,  # the head reads mean and spread over adjacent patches
    )
    collator = WindowCollator(config.channel_names, config.patch_size, sampling_rate=config.sampling_rate)
    some = collator([training[number] for number in range(0, len(training), len(training) // 256 + 1)])
    config.window_size = some["input_values"].shape[-1]
    model = DareEegForSequenceClassification.from_pretrained(checkpoint, config=config)
    del some["labels"]
    with torch.no_grad():  # an encoder's features vary little beside their mean: the head has to know both
        model.fit_feature_standardization(model.extract_features(**some).last_hidden_state, some["patch_mask"])

    if lora:
        from peft import LoraConfig, get_peft_model

        model = get_peft_model(model, LoraConfig(task_type="SEQ_CLS"))  # which modules, the model says itself
    trainer = Trainer(
        model,
        TrainingArguments(
            output,
            max_steps=steps,
            per_device_train_batch_size=32,
            learning_rate=1e-3,
            eval_strategy="steps",
            eval_steps=max(1, steps // 4),
            logging_steps=max(1, steps // 4),
            save_strategy="no",
            remove_unused_columns=False,  # the collator needs the columns of the data set, the model does not
        ),
        data_collator=collator,
        train_dataset=training,
        eval_dataset=testing,
        compute_metrics=lambda said: {
            "balanced_accuracy": balanced_accuracy_score(said.label_ids, said.predictions.argmax(axis=-1))
        },
    )
    trainer.train()
    measured = trainer.evaluate()
    trained = trainer.model.merge_and_unload() if lora else trainer.model
    trained.save_pretrained(output)
    DareEegFeatureExtractor.for_model(config).save_pretrained(output)
    return measured


def main(arguments: list[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", required=True, help="folder or Hub id of a DARE-EEG checkpoint")
    parser.add_argument("--data", type=Path, required=True, help="labelled windows, as dataset_scripts/ write them")
    parser.add_argument("--output", type=Path, required=True, help="folder for the classifier")
    parser.add_argument("--lora", action="store_true", help="also adapt the encoder, by low-rank updates (needs peft)")
    parser.add_argument("--steps", type=int, default=200, help="of training (default: %(default)s)")
    options = parser.parse_args(arguments)
    try:
        measured = train(options.checkpoint, str(options.data), str(options.output), options.lora, options.steps)
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from None
    print(f"balanced accuracy on people held out: {measured['eval_balanced_accuracy']:.3f}; saved in {options.output}")


if __name__ == "__main__":
    main()
