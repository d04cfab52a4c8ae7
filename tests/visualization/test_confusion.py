"""Confusion matrices."""

import pytest

from dare_eeg_hf.visualization import plot_confusion


def test_shares_and_counts_are_written_row_by_row():
    axes = plot_confusion([[3, 1], [0, 8]], ["rest", "task"], "mine, nano").axes[0]
    assert [text.get_text() for text in axes.texts] == ["75%\n3", "25%\n1", "0%\n0", "100%\n8"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["rest", "task"]
    assert axes.images[0].get_array().sum() == 2  # each row of shares adds up to one


def test_a_class_without_windows_and_many_classes():
    names = [f"a long name of class {i}" for i in range(8)]
    counts = [[int(i == j) for j in range(8)] for i in range(7)] + [[0] * 8]
    axes = plot_confusion(counts, names).axes[0]
    assert "\n" not in axes.texts[0].get_text()
    assert axes.get_xticklabels()[0].get_rotation() == 40


def test_another_number_of_names_is_refused():
    with pytest.raises(ValueError, match="square of that size, not"):
        plot_confusion([[1, 2], [3, 4]], ["a", "b", "c"])
