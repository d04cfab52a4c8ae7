"""Python programs run one after another: shown before they start, and given time to save when they are stopped."""

import shlex
import signal
import subprocess
import sys
from types import FrameType


def run_python(*command: object) -> None:
    """Run a Python program and wait for it, showing the command.

    A program that trains saves when it is stopped. Ctrl-C at a terminal reaches it directly and SIGTERM is passed on;
    either way it is waited for, and nothing is run after it.

    Args:
        command: what comes after `python`.

    Raises:
        SystemExit: the program failed, or was asked to stop.
    """
    words = [str(word) for word in command]
    print(f"\n$ python {shlex.join(words)}", flush=True)
    received: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        received.append(number)
        if number == signal.SIGTERM:
            program.terminate()

    program = subprocess.Popen([sys.executable, *words])
    previous = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        status = program.wait()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    if received:
        print(f"Stopped by {signal.Signals(received[0]).name}; run the same command to resume.", file=sys.stderr)
        raise SystemExit(128 + received[0])
    if status:
        raise SystemExit(f"{words[0]} failed; see its message above.")
