"""Runs side by side: what is told of each, what differs between them, and one page that needs nothing else."""

import json
import math

import pytest

from dare_eeg_hf import DareEegConfig
from dare_eeg_hf.pretraining.arguments import PretrainingArguments
from dare_eeg_hf.pretraining.compare_runs import (
    COLUMNS,
    differing_settings,
    plot_losses,
    read_runs,
    summary_rows,
    write_comparison,
)
from dare_eeg_hf.pretraining.run import pretrain


@pytest.fixture(scope="module")
def runs(tmp_path_factory, tiny_config, windows):
    """Two short runs that differ in their seed and in a setting of the masks."""
    root = tmp_path_factory.mktemp("runs")
    for seed in (0, 1):
        config = {**tiny_config, "masking": {"visible_channel_ratio": (0.5, 0.25)[seed]}}
        arguments = PretrainingArguments(
            root / f"<b>seed {seed}",
            config=config,
            seed=seed,
            batch_size=4,
            max_steps=4,
            validate_every=2,
            log_every=1,
            trackers=[],
            cpu=True,
        )
        pretrain(arguments, windows(24), windows(8, seed=1))
    return sorted(root.iterdir())


def written(folder, records, **config):
    """A folder with these records, and a configuration."""
    folder.mkdir()
    (folder / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    DareEegConfig(**config).save_pretrained(folder)
    return folder


def test_a_row_tells_of_each_run_what_its_metrics_say(runs):
    rows = summary_rows(read_runs(runs))
    assert [row[0] for row in rows] == ["<b>seed 0", "<b>seed 1"]
    for row, folder in zip(rows, runs, strict=True):
        records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        validations = [record for record in records if record["split"] == "validation"]
        best = min(validations, key=lambda record: record["loss"])
        told = dict(zip(COLUMNS, row, strict=True))
        assert told["steps"] == 4
        assert (told["best validation loss"], told["at step"]) == (best["loss"], best["step"])
        assert told["retrieval"] == validations[-1]["retrieval_accuracy"]
        assert told["windows/s"] > 0


def test_only_settings_that_differ_are_told(runs):
    differing = differing_settings(read_runs(runs))
    assert differing["seed"] == ["0", "1"]
    assert differing["masking.visible_channel_ratio"] == ["0.5", "0.25"]
    assert set(differing) == {"seed", "masking.visible_channel_ratio"}


def test_the_page_needs_nothing_else_and_trusts_no_name(runs, tmp_path):
    page = write_comparison(read_runs(runs), tmp_path / "new" / "page.html").read_text()
    assert "<b>seed" not in page
    assert "&lt;b&gt;seed 1" in page
    assert page.count("data:image/png") == 3, "losses, invariance, throughput"
    assert "masking.visible_channel_ratio" in page
    assert 'src="http' not in page


def test_curves_of_every_loss_lie_over_each_other(runs):
    figure = plot_losses(read_runs(runs))
    for axes in figure.axes:
        assert len(axes.lines) == 4, "training and validation of both"
        assert axes.lines[0].get_color() == axes.lines[1].get_color() != axes.lines[2].get_color()
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["<b>seed 0", "<b>seed 1"]


def test_runs_under_way_collapsed_and_with_gaps_are_compared(tmp_path):
    losses = [{"step": step, "split": "train", "loss": None if step == 3 else 1 / step} for step in range(1, 6)]
    first = written(tmp_path / "first", losses, hidden_size=64, num_attention_heads=4)
    collapse = {"step": 4, "split": "validation", "loss": 0.5, "collapsed": True}
    second = written(tmp_path / "second", [*losses[:2], collapse], hidden_size=32, num_attention_heads=4)
    (second / "metrics.jsonl").open("a").write('{"step": 5, "sp')
    runs = read_runs([first, second])
    assert differing_settings(runs) == {"hidden_size": ["64", "32"]}
    assert [row[:3] for row in summary_rows(runs)] == [["first", 5, None], ["second", 4, 0.5]]
    steps, values = runs[0].points("train", "loss")
    assert steps.tolist() == [1, 2, 4, 5]
    assert all(map(math.isfinite, values))
    page = write_comparison(runs, tmp_path / "page.html").read_text()
    assert "second: the features of different windows were nearly the same at step 4" in page


def test_runs_of_one_name_are_told_apart(tmp_path):
    loss = [{"step": 1, "split": "train", "loss": 1.0}]
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    folders = [written(tmp_path / name / "nano", loss) for name in "ab"]
    assert [run.name for run in read_runs(folders)] == [folder.as_posix() for folder in folders]


def test_what_cannot_be_compared_is_one_sentence(runs, tmp_path):
    with pytest.raises(ValueError, match="one run has nothing to be compared with"):
        read_runs(runs[:1])
    with pytest.raises(ValueError, match="a run is named twice"):
        read_runs([runs[0], runs[1].parent / runs[0].name])
    with pytest.raises(FileNotFoundError, match=r"holds no metrics\.jsonl: is it the folder of a run"):
        read_runs([runs[0], tmp_path])
    empty = written(tmp_path / "empty", [])
    with pytest.raises(ValueError, match="empty has no loss in its"):
        read_runs([runs[0], empty])
    other = written(tmp_path / "other", [{"step": 1, "split": "train", "loss_of_another_kind": 1.0}])
    with pytest.raises(ValueError, match=r"no loss in common \(.*other: loss_of_another_kind"):
        read_runs([runs[0], other])
