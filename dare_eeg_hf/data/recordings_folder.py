"""Any folder of recordings, or a BIDS root, as a corpus: no script has to be written for it."""

import re
from collections.abc import Iterator
from pathlib import Path

from .corpus import EegCorpus, recording_name
from .recordings import find_recordings


class RecordingsFolder(EegCorpus):
    """Whatever EEG lies in a folder. Files belong to the subject `sub-...` names, or else to their folder.

    Files that lie side by side in the folder itself are taken for one subject each.
    """

    name = "recordings"
    title = "EEG recordings"

    def files(self, source: Path) -> Iterator[tuple[Path, str]]:
        """Everything that is an EEG recording, or is called so.

        Raises:
            FileNotFoundError: where there is none.
        """
        found = find_recordings(source, tables=self.sidecar is not None)
        if not found:
            raise FileNotFoundError(f"{source} holds no EEG recordings (EDF, BDF, BrainVision, EEGLAB, FIF, ...).")
        return ((path, recording_name(path, source)) for path in found)

    def identify(self, name: str, groups: dict[str, str]) -> dict[str, str]:  # noqa: ARG002 -- they are of a name pattern
        """Subject and session by the rules of BIDS, or of common sense."""
        session = re.search(r"(?:^|[/_])ses-([^/_]+)", name)
        return {"subject": self.subject(name), "session": session[1] if session else ""}

    def subject(self, name: str) -> str:
        """Who was recorded in the file with this path inside the folder."""
        if found := re.search(r"(?:^|/)(sub-[^/_]+)", name):
            return found[1]
        return name.split("/")[0] if "/" in name else name.rsplit(".", 1)[0]
