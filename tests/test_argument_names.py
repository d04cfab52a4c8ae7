"""Names that are misspelt suggest the nearest."""

import pytest

from dare_eeg_hf.adaptation.finetuning import FinetuningArguments
from dare_eeg_hf.pretraining.arguments import PretrainingArguments


@pytest.mark.parametrize(
    ("make", "suggestion"),
    [
        (lambda: FinetuningArguments(epoch=3), r"epoch \(did you mean epochs\?\)"),
        (lambda: PretrainingArguments("run", lerning_rate=1.0), r"lerning_rate \(did you mean learning_rate\?\)"),
        (lambda: PretrainingArguments("run", config={"hiden_size": 32}), r"hiden_size \(did you mean hidden_size\?\)"),
    ],
    ids=["fine-tuning", "pre-training", "model"],
)
def test_unknown_arguments_suggest_the_nearest(make, suggestion):
    with pytest.raises(TypeError, match=suggestion):
        make()
