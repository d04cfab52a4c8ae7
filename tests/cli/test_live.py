"""`dare-eeg live` from a replayed recording to lines, a table, markers and a page."""

import csv
import re
import signal
import subprocess
import sys
import time

import pytest
import requests

pytest.importorskip("mne_lsl", reason="needs mne-lsl (the extra `live`)")

from dare_eeg_hf.cli.main import main
from dare_eeg_hf.live.live_classifier import LiveWindow
from dare_eeg_hf.live.live_log import line_of, marker_of
from dare_eeg_hf.recordings.simulation import simulate_recordings
from tests.test_shipped_models import EYES_CLASSIFIER


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    return simulate_recordings(tmp_path_factory.mktemp("replayed"), subjects=1, seconds=40)[1]


def test_a_replayed_recording_is_answered_to_its_end(recording, tmp_path, capfd):
    table = tmp_path / "session" / "answers.csv"
    arguments = ["--replay", str(recording), "--speed", "6", "--step", "1", "--csv", str(table), "--wait", "60"]
    assert main(["live", str(EYES_CLASSIFIER), *arguments, "--markers", "eyes"]) == 0
    lines = capfd.readouterr().out.splitlines()
    rows = list(csv.DictReader(table.open()))
    assert len(rows) == len(lines)
    answered = [row for row in rows if row["usable"] == "True"]
    assert len(answered) >= 30
    assert float(answered[-1]["onset"]) == pytest.approx(35.9, abs=1.1)
    assert all(abs(float(row["score_eyes open"]) + float(row["score_eyes closed"]) - 1) < 1e-4 for row in answered)
    assert all(
        re.fullmatch(r" *\d+\.\d\ds  eyes (open|closed) +[01]\.\d\d +\d+ electrodes +\d+ ms.*", line)
        for line in lines
        if "no answer" not in line
    )


def test_a_session_is_never_written_over(recording, tmp_path, capsys):
    table = tmp_path / "answers.csv"
    table.write_text("kept")
    arguments = ["--replay", str(recording), "--csv", str(table), "--wait", "60"]
    assert main(["live", str(EYES_CLASSIFIER), *arguments]) == 1
    assert "answers.csv" in capsys.readouterr().err
    assert table.read_text() == "kept"


def test_interrupt_stops_it_cleanly_and_the_page_was_there(recording):
    command = [sys.executable, "-m", "dare_eeg_hf.cli.main", "live", str(EYES_CLASSIFIER), "--wait", "60", "--page"]
    process = subprocess.Popen(
        [*command, "--replay", str(recording)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A job in the background, as the tests may be, hands on that interrupts are ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        assert "s of signal since it began" in process.stdout.readline()
        address = next(line.split()[-1] for line in process.stderr if line.startswith("The page is at"))
        assert "EEG live" in requests.get(address, timeout=10).text
        process.send_signal(signal.SIGINT)
        errors = process.stderr.read()
        process.wait(30)
    finally:
        process.kill()
    assert process.returncode == 0
    assert "stopped" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--stream", "nowhere", "--wait", "0.5"], "no stream called 'nowhere'"),
        (["--speed", "2"], "--speed is of a --replay"),
        (["--step", "0", "--stream", "x"], "step must be longer than 0 s"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(arguments, message, capsys):
    assert main(["live", str(EYES_CLASSIFIER), *arguments]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_a_recording_that_cannot_be_read_ends_the_command(tmp_path, capfd):
    broken = tmp_path / "broken.edf"
    broken.write_bytes(b"0       " + bytes(248))
    begun = time.monotonic()
    assert main(["live", str(EYES_CLASSIFIER), "--replay", str(broken), "--wait", "60"]) == 1
    assert "header" in capfd.readouterr().err
    assert time.monotonic() - begun < 40


def test_lines_and_markers_say_what_there_is_to_say():
    answer = LiveWindow(1.0, 8.0, 4.0, True, None, "eyes closed", 0.913, {"eyes closed": 0.913}, 19, 0.031, 2)
    assert (
        line_of(answer)
        == "   12.00s  eyes closed       0.91   19 electrodes    31 ms  (2 before it left out: too late)"
    )
    assert marker_of(answer) == "eyes closed"
    lost = LiveWindow(None, None, 0.0, False, "no samples for 0.5 s", None, None, {"eyes closed": None}, 0, 0.5)
    assert line_of(lost) == "        -  no answer: no samples for 0.5 s"
    assert marker_of(lost) == "BAD_no_signal: no samples for 0.5 s"
