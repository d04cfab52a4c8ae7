"""The card of a built corpus states its contract, its terms and its counts."""

import json


def test_the_card_states_contract_terms_and_counts(built):
    card = (built.output / "README.md").read_text()
    for text in (
        "license: cc0-1.0",
        "| train | 2 | 4 | 20 | 1.3 | 0 |",
        "256 Hz",
        "0.5 to 75.0 Hz",
        "eyes_closed | 15",
    ):
        assert text in card
    records = [json.loads(line) for line in (built.output / "recordings.jsonl").read_text().splitlines()]
    assert [record["windows"] for record in records] == [5] * 6
    assert records[0]["reports"][0]["renamed"]["Fp1"] == "FP1"
