"""Bars where somebody watches, and clean files and pipes."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
from dare_eeg_hf.progress import progress_bar
print(sum(progress_bar(range(3), desc="work", show={show})))
"""


def run_on_a_terminal(code):
    """What a program writes to a terminal that is its error stream, and to its standard output."""
    ours, theirs = pytest.importorskip("pty", reason="terminals of Unix").openpty()
    pytest.importorskip("termios").tcsetwinsize(theirs, (24, 80))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=theirs, text=True) as process:
        output, _ = process.communicate(timeout=60)
    os.close(theirs)
    seen = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # Linux's end of a terminal that nobody holds any more
            break
        if not piece:
            break
        seen += piece
    os.close(ours)
    return seen.decode(), output


def test_a_bar_is_shown_on_a_terminal_and_never_among_the_output():
    bar, output = run_on_a_terminal(PROGRAM.format(show=True))
    assert "work: 100%" in bar
    assert output == "3\n"
    assert run_on_a_terminal(PROGRAM.format(show=False)) == ("", "3\n")


def test_no_bar_goes_into_a_pipe():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(show=True)], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("3\n", "")
