"""The report is one page that needs nothing else, shows what the run did, and trusts no text."""

import base64
import html.parser
import json
import re
import shutil

import pytest

from dare_eeg_hf.pretraining import report
from dare_eeg_hf.pretraining.arguments import PretrainingArguments
from dare_eeg_hf.pretraining.run import pretrain


@pytest.fixture(scope="module")
def run(tmp_path_factory, tiny_config, windows):
    folder = tmp_path_factory.mktemp("<script>alert(1)</script> & runs".replace("/", "")) / "run <b>bold</b>".replace(
        "/", ""
    )
    arguments = PretrainingArguments(
        folder, config=tiny_config, batch_size=4, max_steps=6, validate_every=3, log_every=1, trackers=[], cpu=True
    )
    pretrain(arguments, windows(24), windows(8, seed=1))
    return folder


class Links(html.parser.HTMLParser):
    """Collects what a browser would fetch or run, and the images."""

    def __init__(self):
        super().__init__()
        self.sources, self.tags = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.sources += [value for name, value in attrs if name in ("src", "href")]


def test_page_holds_every_figure_and_fetches_nothing(run, windows_folder):
    page = report.write_report(run, data=windows_folder(24)).read_text()
    links = Links()
    links.feed(page)
    assert len(links.sources) == 4, "losses, invariance, reconstruction, scalp map"
    assert all(source.startswith("data:image/png;base64,") for source in links.sources)
    for source in links.sources:
        assert base64.b64decode(source.partition(",")[2], validate=True).startswith(b"\x89PNG")
    assert not {"script", "link", "iframe"} & set(links.tags)
    assert "<b>bold" not in page
    assert "run &lt;b&gt;bold" in page
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    best = min((row for row in rows if row["split"] == "validation"), key=lambda row: row["loss"])
    assert f"{best['loss']:.4f} at step {best['step']}" in page


@pytest.mark.parametrize(
    ("counts", "shown"),
    [({"train": 8, "test": 5}, 8), ({"train": 8, "validation": 6}, 6), ({"test": 5}, 5)],
    ids=["train before test", "validation before train", "what there is"],
)
def test_windows_are_drawn_from_whatever_splits_there_are(run, windows_folder, tmp_path, counts, shown):
    for name, count in counts.items():
        shutil.copy(windows_folder(count) / "train.parquet", tmp_path / f"{name}-00000-of-00001.parquet")
    assert report.draw_reconstruction(run, tmp_path)[2] == shown


def test_page_of_a_run_under_way_has_no_model_yet(run, tmp_path):
    (tmp_path / "metrics.jsonl").write_text("\n".join((run / "metrics.jsonl").read_text().splitlines()[:3]) + '\n{"st')
    page = report.write_report(tmp_path).read_text()
    assert len(re.findall("data:image/png", page)) == 1
    assert "Reconstruction" not in page


def test_collapse_is_shown(tmp_path):
    record = {"step": 4, "split": "validation", "loss": 1.0, "collapsed": True}
    (tmp_path / "metrics.jsonl").write_text(json.dumps(record) + "\n")
    assert "may have collapsed" in report.write_report(tmp_path).read_text()


@pytest.mark.parametrize("spectrum", [None, 0.4321])
def test_the_loss_of_the_spectrum_is_shown_where_there_is_one(tmp_path, spectrum):
    records = [{"step": 4, "split": "validation", "loss": 1.0, "loss_reconstruction": 0.75, "loss_anchor": 0.25}]
    if spectrum is not None:  # the first validation is of a run without one, continued with it
        records.append({**records[0], "step": 8, "loss_spectrum": spectrum})
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    page = report.write_report(tmp_path).read_text()
    table = page[page.index("Newest validations") :]
    assert ("<th>spectrum</th>" in table) == ("0.4321" in table) == (spectrum is not None)
    columns = table.count("<th>")
    assert all(row.count("<td") in (0, columns) for row in table.split("<tr>"))


def test_command_names_what_is_missing(tmp_path, capsys):
    assert report.main([str(tmp_path)]) == 1
    assert "holds no metrics.jsonl" in capsys.readouterr().err
