"""What a pre-training starts from: random weights of a preset's size, earlier weights, or its own checkpoint."""

from pathlib import Path

import torch

from dare_eeg_hf.checkpoints import find_checkpoint
from dare_eeg_hf.configuration_dare_eeg import PRESETS, DareEegConfig
from dare_eeg_hf.feature_extraction_dare_eeg import DareEegFeatureExtractor
from dare_eeg_hf.launching import checkpoint_activations
from dare_eeg_hf.modeling_dare_eeg import DareEegForPreTraining
from dare_eeg_hf.pretraining.arguments import PretrainingArguments
from dare_eeg_hf.pretraining.checkpointing import PretrainingError

OBJECTIVE = (
    "pretraining_channel_names",
    "masking",
    "use_anchor_alignment",
    "normalize_targets",
    "use_skip_connection",
    "use_mask_alignment",
    "reconstruction_loss_weight",
    "anchor_loss_weight",
    "mask_alignment_loss_weight",
    "activation_loss_weight",
    "contrastive_temperature",
)
"""Fields that define the objective. All others define what the weights compute, so the weights settle them."""


def starting_config(arguments: PretrainingArguments) -> DareEegConfig:
    """The configuration a run starts with.

    Raises:
        FileNotFoundError: the initial model is not a checkpoint.
        ValueError: settings for weights that exist already ask for more than another objective.
        StrictDataclassError: a setting has the wrong type or value.
    """
    if arguments.initial_model is None:
        return DareEegConfig.from_preset(arguments.preset, **arguments.config)
    settled = sorted(arguments.config.keys() - set(OBJECTIVE))
    if settled:
        raise ValueError(
            f"{', '.join(settled)} cannot be set for existing weights ({arguments.initial_model}); "
            f"leave them out, or start from a preset. What can be set is {', '.join(OBJECTIVE)}."
        )
    config = DareEegConfig.from_pretrained(find_checkpoint(arguments.initial_model))
    return DareEegConfig.from_dict(config.to_dict(), **arguments.config)


def settings_asked_for(config: DareEegConfig, asked: dict[str, object]) -> dict[str, object]:
    """What a configuration has for the fields that a run's arguments name; of masks, those that are named."""
    fields = {name: getattr(config, name) for name in asked if name != "masking"}
    return fields | {f"masking.{name}": config.masking[name] for name in asked.get("masking") or {}}


def starting_model(arguments: PretrainingArguments) -> DareEegForPreTraining:
    """The model a run starts with, in float32; random weights come from torch's current seed.

    Raises:
        ValueError: as for `starting_config`, or the initial model lacks networks that only pre-training needs.
    """
    config = starting_config(arguments)
    if arguments.initial_model is None:
        return DareEegForPreTraining(config, arguments.patch_initializer_range)
    if arguments.patch_initializer_range is not None:
        raise ValueError(
            f"patch_initializer_range cannot be set for existing weights ({arguments.initial_model}); "
            "leave it out, or start from a preset."
        )
    network, loading = DareEegForPreTraining.from_pretrained(
        arguments.initial_model, config=config, dtype=torch.float32, output_loading_info=True
    )
    if loading["missing_keys"]:
        absent = sorted({name.split(".")[0] for name in loading["missing_keys"]})
        raise ValueError(
            f"{arguments.initial_model} is not a complete pre-training checkpoint ({', '.join(absent)} missing), so "
            "training cannot continue from it: an encoder or a classifier alone cannot be pre-trained further."
        )
    return network


def build_network(arguments: PretrainingArguments, checkpoint: Path | None = None) -> DareEegForPreTraining:
    """The model to train, on the CPU: of a checkpoint of this run, or what a run starts with.

    Raises:
        PretrainingError: the checkpoint holds another model than the one asked for.
        ValueError: as for `starting_model`.
    """
    if checkpoint is not None:
        network = DareEegForPreTraining.from_pretrained(checkpoint, dtype=torch.float32)
        check_same_model(arguments, network.config, checkpoint)
    else:
        network = starting_model(arguments)
    # Without mask alignment nothing would give the projection a gradient.
    trained = arguments.train_contrastive_projection and network.config.use_mask_alignment
    network.contrastive_projection.requires_grad_(trained)
    if arguments.gradient_checkpointing:
        checkpoint_activations(network)
    return network


def check_same_model(arguments: PretrainingArguments, config: DareEegConfig, checkpoint: Path) -> None:
    """Refuse to continue with a model other than the one asked for: its results would be mistaken for those.

    Raises:
        PretrainingError: a field that preset or config name has another value in the checkpoint.
    """
    preset = {} if arguments.initial_model else PRESETS[arguments.preset]
    asked = {**preset, **arguments.config}
    wanted = settings_asked_for(DareEegConfig(**asked), asked)
    there = settings_asked_for(config, asked)
    changed = [
        f"{name} is {there[name]} there and {wanted[name]} here" for name in wanted if there[name] != wanted[name]
    ]
    if changed:
        raise PretrainingError(
            f"{checkpoint} holds another model: {'; '.join(changed)}. Choose another output folder for this one, or "
            "ask for the same settings to go on with that one."
        )


def signal_contract(arguments: PretrainingArguments) -> DareEegFeatureExtractor:
    """How recordings become windows for this run, and later for anyone who loads its model.

    Raises:
        OSError: the initial model was saved without its preprocessor_config.json.
        ValueError, StrictDataclassError: as for `starting_config`.
    """
    if arguments.initial_model is not None:
        return DareEegFeatureExtractor.from_pretrained(find_checkpoint(arguments.initial_model))
    return DareEegFeatureExtractor.for_model(starting_config(arguments))


def check_contract(extractor: DareEegFeatureExtractor, config: DareEegConfig) -> None:
    """Refuse a contract under which the model would mistake one channel or sampling rate for another.

    Raises:
        ValueError: with what differs.
    """
    different = [
        name
        for name in ("sampling_rate", "patch_size", "channel_names")
        if getattr(extractor, name) != getattr(config, name)
    ]
    if different:
        raise ValueError(
            f"The feature extractor and the model's configuration differ in {', '.join(different)}; "
            "DareEegFeatureExtractor.for_model(config) makes one that fits."
        )
