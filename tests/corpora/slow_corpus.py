"""A corpus whose recordings take a second each, and which notes who began one: for tests that kill workers."""

import os
import time
from pathlib import Path

from tests.corpora.simulated_corpus import Simulated


class Slow(Simulated):
    """The simulated corpus; each recording that is begun adds a line to the file `begun` beside the source."""

    def windows(self, recording):
        """As usual, after a second."""
        root = recording.path.parents[1]
        with Path(root, "..", "begun").open("a") as file:
            file.write(f"{recording.name} {os.getpid()}\n")
        time.sleep(1)
        yield from super().windows(recording)
