"""Arguments of pre-training."""

import pytest

from dare_eeg_hf.command_line import argument_help, parse_assignments
from dare_eeg_hf.pretraining.arguments import PretrainingArguments


def test_every_argument_is_explained():
    assert set(argument_help(PretrainingArguments)) == set(PretrainingArguments.__dataclass_fields__)
    with pytest.raises(ValueError, match="FIELD=VALUE"):
        parse_assignments(["hidden_size"])
