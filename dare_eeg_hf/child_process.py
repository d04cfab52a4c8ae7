"""Python programs run one after another or several at once: shown before they start, and given time to save."""

import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from types import FrameType


def run_python(*command: object) -> None:
    """Run a Python program and wait for it, as `run_programs` does.

    Args:
        command: what comes after `python`.
    """
    run_programs([command])


def run_programs(commands: Iterable[Sequence[object]], at_once: int = 1) -> None:
    """Run Python programs, so many at once, and wait for them, showing each command.

    A program that trains saves when it is stopped. Ctrl-C at a terminal reaches it directly and SIGTERM is passed on;
    either way it is waited for, and nothing is run after it, as where a program fails.

    Args:
        commands: what comes after `python`, for each program.
        at_once: how many may run at the same time.

    Raises:
        SystemExit: a program failed, or was asked to stop.
    """
    waiting = [[str(word) for word in command] for command in commands]
    running: list[tuple[subprocess.Popen, str]] = []
    failed: list[str] = []
    received: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        received.append(number)
        if number == signal.SIGTERM:
            for program, _name in running:
                program.terminate()

    previous = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        while running or (waiting and not received and not failed):
            while waiting and len(running) < at_once and not received and not failed:
                words = waiting.pop(0)
                print(f"\n$ python {shlex.join(words)}", flush=True)
                running.append((subprocess.Popen([sys.executable, *words]), words[0]))
                if signal.SIGTERM in received:  # it came while the program was being started
                    running[-1][0].terminate()
            time.sleep(0.05)
            failed += [name for program, name in running if program.poll()]
            running = [each for each in running if each[0].returncode is None]
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    if received:
        print(f"Stopped by {signal.Signals(received[0]).name}; run the same command to resume.", file=sys.stderr)
        raise SystemExit(128 + received[0])
    if failed:
        raise SystemExit(f"{failed[0]} failed; see its message above.")
