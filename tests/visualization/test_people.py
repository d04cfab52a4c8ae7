"""Dots of people."""

import pytest

from dare_eeg_hf.visualization import plot_people


def test_people_are_in_the_order_of_the_first_contestant():
    values = {"ours": {"P1": 0.9, "P2": 0.4, "P3": 0.6}, "band power": {"P1": 0.5, "P2": 0.7}}
    figure = plot_people(values, chance=0.5, title="mine", label="Balanced accuracy")
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["P2", "P3", "P1"]  # from below
    drawn = {line.get_label(): line.get_xdata() for line in axes.lines}
    assert list(drawn["ours"]) == [0.4, 0.6, 0.9]
    assert list(drawn["band power"])[::2] == [0.7, 0.5]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["ours", "band power"]


def test_a_crowd_is_drawn_without_names_and_nobody_is_refused():
    axes = plot_people({"ours": {f"P{i}": i / 100 for i in range(100)}}).axes[0]
    assert axes.get_ylabel() == "100 people"
    assert not axes.get_yticklabels()
    with pytest.raises(ValueError, match="nobody to draw"):
        plot_people({"ours": {}})
