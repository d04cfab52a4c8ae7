"""The documentation is built as `make docs` builds it: strictly, and without a network when it is read."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import Abort

from dare_eeg_hf.cli.main import COMMANDS, build_parser

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The whole site, as HTML."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


def test_every_page_is_there(site):
    pages = {path.relative_to(site).with_suffix(".md").as_posix() for path in site.rglob("*.html")}
    assert {"index.md", "results.md", "gallery.md", "tutorials/own-labels.md", "guides/method.md"} <= pages
    command_line = (site / "reference" / "command-line.html").read_text(encoding="utf-8")
    assert {f"dare-eeg-{name}" for name in COMMANDS} <= set(re.findall(r'<h2 id="([\w-]+)"', command_line))
    assert "--rename OLD=NEW" in command_line
    assert "--shard I/N" in command_line
    recordings = (site / "reference" / "recordings.html").read_text(encoding="utf-8")
    assert 'id="dare_eeg_hf.recordings.recordings.load_recording"' in recordings
    assert re.search(r'src="figures/timeline\.png"', (site / "index.html").read_text(encoding="utf-8"))
    assert (site / "figures" / "timeline.png").read_bytes().startswith(b"\x89PNG")


def test_what_pages_load_is_there(site):
    loads = re.compile(r'<(?:script|link|img)\b[^>]*?(?:src|href)="([^"#?]+)"')
    missing = []
    for page in set(site.rglob("*.html")) - {site / "404.html"}:  # that one is for servers
        names = loads.findall(page.read_text(encoding="utf-8"))
        missing += [f"{page.name}: {name}" for name in names if not (page.parent / name).exists()]
    assert not missing


def test_pages_ask_nothing_of_a_server(site):
    fetched = re.compile(r"<(?:script|link|img|iframe)\b[^>]*?(?:src|href)=[\"']?(?:https?:)?//[^>]*>")
    found = {path.name: fetched.findall(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}
    assert len(found) > 20
    assert not {name: tags for name, tags in found.items() if tags}


@pytest.mark.parametrize(
    ("pages", "complaint"),
    [
        ({"index.md": "# Home\n\n[gone](gone.md)\n"}, "gone.md"),
        ({"index.md": "# Home\n\n[nowhere](#nowhere)\n"}, "nowhere"),
        ({"index.md": "# Home\n\n[gone][dare_eeg_hf.gone]\n"}, "dare_eeg_hf.gone"),
        ({"index.md": "# Home\n\n::: dare_eeg_hf.gone\n"}, "dare_eeg_hf.gone"),
        ({"index.md": "# Home\n", "orphan.md": "# Nobody links here\n"}, "orphan.md"),
    ],
)
def test_a_broken_site_is_not_built(pages, complaint, tmp_path, caplog):
    """With the settings of mkdocs.yml, but other pages."""
    for name, text in pages.items():
        (tmp_path / "docs" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "docs" / name).write_text(text, encoding="utf-8")
    settings = f"INHERIT: {ROOT / 'mkdocs.yml'}\nhooks: []\nextra_css: []\nnav: [index.md]\n"
    (tmp_path / "mkdocs.yml").write_text(settings, encoding="utf-8")
    config = load_config(str(tmp_path / "mkdocs.yml"), strict=True, site_dir=str(tmp_path / "site"))
    with pytest.raises((Abort, SystemExit)):
        build(config)
    assert complaint in caplog.text


COMMAND = re.compile(r"^dare-eeg [a-z].*|(?<=`)dare-eeg [a-z][^`]*", re.MULTILINE)
SHOWN = [
    pytest.param(command, id=f"{page.stem}-{number}")
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    for number, command in enumerate(COMMAND.findall(page.read_text(encoding="utf-8").replace("\\\n", " ")))
    if " ..." not in command and "--" in command and "--help" not in command and "overlapp" not in command
]


@pytest.mark.parametrize("command", SHOWN)
def test_a_command_that_is_shown_can_be_given(command, tmp_path, monkeypatch):
    """Its name and its options exist; what it does is another matter."""
    (tmp_path / "names.json").write_text('{"E36": "C3"}', encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    build_parser().parse_args(shlex.split(command, comments=True)[1:])
