"""Tables read as they should, whatever is missing in them."""

import pytest

from dare_eeg_hf.evaluation.tables import markdown_table, mean_text


def test_a_table_has_a_rule_below_its_header_and_a_line_a_row():
    assert markdown_table(("model", "seeds"), [("chance", 1), ("nano", 5)]) == [
        "| model | seeds |",
        "|---|---|",
        "| chance | 1 |",
        "| nano | 5 |",
    ]


@pytest.mark.parametrize(
    ("values", "text"), [([0.5], "0.500"), ([0.4, 0.6], "0.500 ± 0.141"), ([None, 0.5], "0.500"), ([None], "-")]
)
def test_a_mean_has_its_spread_where_there_are_several_seeds(values, text):
    assert mean_text(values) == text
