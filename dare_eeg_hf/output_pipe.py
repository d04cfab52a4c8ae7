"""Commands whose output is piped into a program that may stop reading, such as `head`."""

import os
import sys
from collections.abc import Callable

EXIT_NOT_READ = 1


def print_while_read(command: Callable[[], int]) -> int:
    """Run a command and return its exit status; end it quietly when nobody reads its output any more."""
    try:
        try:
            return command()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # The reader has stopped; the interpreter's own flush at exit would only raise the same error again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_NOT_READ
