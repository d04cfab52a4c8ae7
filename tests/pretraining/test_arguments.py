"""Arguments of pre-training."""

import pytest

from dare_eeg_hf.command_line import argument_help, parse_assignments
from dare_eeg_hf.pretraining.arguments import PretrainingArguments


def test_every_argument_is_explained():
    assert set(argument_help(PretrainingArguments)) == set(PretrainingArguments.__dataclass_fields__)
    with pytest.raises(ValueError, match="FIELD=VALUE"):
        parse_assignments(["hidden_size"])


@pytest.mark.parametrize("share", [0, -0.25, 1.5])
def test_a_share_of_targets_is_above_0_and_at_most_1(share):
    with pytest.raises(ValueError, match="reconstructed_share must be above 0 and at most 1"):
        PretrainingArguments("run", reconstructed_share=share)
