"""What a `LoraConfig` without `target_modules` adapts: DARE-EEG's entry in PEFT's table of model types."""

import sys

LORA_TARGETS = ["attention.qkv", "attention.proj"]


def enter_lora_targets() -> None:
    """Make the entry where PEFT has been imported; importing it here would take a third of a second of everyone."""
    constants = sys.modules.get("peft.utils.constants")
    if constants is not None:
        constants.TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING["dare_eeg"] = LORA_TARGETS
