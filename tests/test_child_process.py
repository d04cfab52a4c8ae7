"""Programs that run one after another: what is waited for, and what ends the chain."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dare_eeg_hf.child_process import run_programs, run_python

TRAINS = """
import signal, sys, time, pathlib
asked = []
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, frame: asked.append(number))
pathlib.Path("started").touch()
while not asked:
    time.sleep(0.01)
time.sleep(1)
pathlib.Path("saved").write_text(signal.Signals(asked[0]).name)
"""
CHAIN = """
from dare_eeg_hf.child_process import run_python
run_python("trains.py")
run_python("-c", "open('next', 'w')")
"""


def test_a_program_that_fails_ends_the_chain(capfd):
    run_python("-c", "print(6 * 7)")
    assert "$ python -c 'print(6 * 7)'\n42" in capfd.readouterr().out
    with pytest.raises(SystemExit, match="-c failed; see its message above"):
        run_python("-c", "raise SystemExit(3)")


def test_programs_run_at_once_and_none_is_started_after_a_failure(tmp_path, monkeypatch):
    """Two that wait for each other's file only end if both run; of the three after them the last is not started."""
    monkeypatch.chdir(tmp_path)
    waits = """
import pathlib, sys, time
pathlib.Path(sys.argv[1]).touch()
while not pathlib.Path(sys.argv[2]).exists():
    time.sleep(0.01)
"""
    run_programs([("-c", waits, "a", "b"), ("-c", waits, "b", "a")], at_once=2)
    touch = "open({!r}, 'w')"
    with pytest.raises(SystemExit, match="-c failed"):
        run_programs([("-c", touch.format("first")), ("-c", "raise SystemExit(1)"), ("-c", touch.format("last"))])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "first"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_program_saves_and_is_the_last(tmp_path, number):
    (tmp_path / "trains.py").write_text(TRAINS)
    folder = str(Path(__file__).resolve().parents[1])
    chain = subprocess.Popen(
        [sys.executable, "-c", CHAIN],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": folder},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not (tmp_path / "started").exists():
        time.sleep(0.01)
    if number == signal.SIGINT:
        os.killpg(chain.pid, number)  # as a terminal does
    else:
        chain.send_signal(number)
    _, error = chain.communicate(timeout=60)
    assert (tmp_path / "saved").read_text() == number.name
    assert chain.returncode == 128 + number
    assert f"Stopped by {number.name}" in error
    assert not (tmp_path / "next").exists()
