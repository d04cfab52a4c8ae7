"""The code of the tutorials runs, in order, and prints what their pages show."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import running_hub

ROOT = Path(__file__).resolve().parents[1]
RUNNER = ROOT / "docs" / "scripts" / "tutorials.py"
PAGES = [*sorted((ROOT / "docs" / "tutorials").glob("[!i]*.md")), ROOT / "docs" / "guides" / "error-messages.md"]


def run(*pages: Path) -> subprocess.CompletedProcess:
    """Run the code of pages as their writer would, with the package of this folder."""
    command = [sys.executable, RUNNER, *pages]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=290, check=False)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """A line for each page as soon as it was run, and a file of complaints.

    Each page runs in a process of its own, forked from one that has imported what takes long.
    """
    folder = tmp_path_factory.mktemp("pages")
    with running_hub() as hub, (folder / "complaints").open("w") as complaints:
        environment = hub.environment(folder) | {"PYTHONPATH": str(ROOT)}
        command = [sys.executable, RUNNER, *PAGES]
        streams = {"stdout": subprocess.PIPE, "stderr": complaints, "text": True}
        process = subprocess.Popen(command, env=environment, start_new_session=True, **streams)
        yield process.stdout, folder / "complaints"
        with contextlib.suppress(ProcessLookupError):  # that it has ended is the rule
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_prints_what_it_shows(page, outcomes):
    lines, complaints = outcomes
    outcome = next((line for line in lines if line.startswith(f"{page}: ")), "not run")
    assert outcome == f"{page}: as shown\n", complaints.read_text()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("```python\nprint(1 + 1)\n```\n\n```text\n3\n```\n", "this was printed:\n2"),
        ("```python\nprint(0.25)\n```\n\n```text\n0.5\n```\n", None),
        ("```python\nprint('a', 0.25, 'c')\n```\n\n```text\na ... c\n```\n", None),
        ("```bash\necho one; echo two; echo three\n```\n\n```text\none\n...\nthree\n```\n", None),
        ("```bash\necho one; echo two\n```\n\n```text\none\n...\nthree\n```\n", "this was printed"),
        ("```python\nnumber = 1\n```\n\n```python\nnumber + name\n```\n", "page.md:5"),
        ("```bash\nfalse\n```\n", "exit status 1"),
        ('```bash title="Refused"\nfalse\n```\n', None),
        ('```bash title="Refused"\ntrue\n```\n', "exit status 0"),
        ('```bash title="Example"\nfalse\n```\n', None),
        ('```json title="a.json"\n[1]\n```\n\n```bash\ncat a.json\n```\n\n```text\n[1]\n```\n', None),
        ('??? note "How"\n    ```bash\n    false\n    ```\n', "exit status 1"),
    ],
)
def test_a_page_that_is_wrong_is_noticed(text, complaint, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(text, encoding="utf-8")
    done = run(page)
    assert (done.returncode != 0) == (complaint is not None), done.stderr
    assert (complaint or "") in done.stderr


def test_what_is_printed_can_be_put_into_the_page(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("```python\nprint('new')\n```\n\n```text\nold\n```\n\nThe end.\n", encoding="utf-8")
    subprocess.run([sys.executable, RUNNER, "--write", page], check=True)
    assert page.read_text(encoding="utf-8") == "```python\nprint('new')\n```\n\n```text\nnew\n```\n\nThe end.\n"


def test_every_tutorial_is_run():
    names = {page.stem for page in PAGES}
    assert {"first-recording", "own-labels", "pretraining", "odd-montage", "publishing"} <= names
