"""Data sets of EEGDash: downloaded as the BIDS data sets that they are, and the terms that they come with."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dare_eeg_hf.recordings.text import decode_file

LICENSES = {"cc0": "cc0-1.0", "publicdomain": "cc0-1.0", "pd": "cc0-1.0", "pddl": "pddl"}
"""What BIDS calls a licence, in small letters and digits only -> what the Hub calls it; others are matched by name."""
OPEN_LICENSES = ("cc0-1.0", "cc-by-4.0", "cc-by-3.0", "cc-by-sa-4.0", "odc-by", "pddl")
"""Under which windows of a data set may be passed on."""


def fetch_eegdash(
    dataset: str,
    cache: Path,
    subjects: Sequence[str] | None = None,
    task: Sequence[str] | None = None,
    *,
    local: bool = False,
) -> Path:
    """Download the recordings of a data set that are not there yet.

    Args:
        dataset: its name in EEGDash, which is that of OpenNeuro or NEMAR, such as "ds002718".
        cache: folder of EEGDash's downloads; the data set is a folder in it.
        subjects, task: only these, as BIDS has them after `sub-` and `task-`.
        local: nothing is downloaded; what is there has to hold such a recording.

    Returns:
        The root of the BIDS data set.

    Raises:
        ImportError: EEGDash is not installed.
        ValueError: EEGDash has no such data set or recording, or cannot be reached.
    """
    try:
        from eegdash import EEGDashDataset
    except ImportError as error:
        raise ImportError("this needs EEGDash: pip install 'dare-eeg-hf[eegdash]'") from error
    wanted = {"subject": subjects and list(subjects), "task": task and list(task)}
    wanted = {name: value for name, value in wanted.items() if value}
    cache.mkdir(parents=True, exist_ok=True)
    try:
        found = EEGDashDataset(cache_dir=cache, dataset=dataset, download=not local, **wanted)
        if not local:
            found.download_all()
    except Exception as error:
        where = f"{cache / dataset} holds" if local else "EEGDash gave"
        reason = " ".join(str(error).split())
        raise ValueError(f"{where} no such recordings of {dataset}: {reason or type(error).__name__}") from error
    return Path(found.data_dir)


def terms_of_bids(root: Path) -> dict[str, Any]:
    """What `dataset_description.json` says: the fields `title`, `license`, `license_note`, `citation`, `homepage` and
    `restricted` of a corpus; the licence is "other" where it says none that the Hub knows.
    """
    file = Path(root) / "dataset_description.json"
    said: Mapping[str, Any] = json.loads(decode_file(file.read_bytes())[0]) if file.is_file() else {}
    title, text = said.get("Name") or Path(root).name, str(said.get("License") or "")
    authors, doi = ", ".join(said.get("Authors") or []), said.get("DatasetDOI")
    parts = [f"{authors}." if authors else "", f"{title}.", f"{doi}." if doi else "", said.get("HowToAcknowledge")]
    license_name = hub_license(text)
    return {
        "title": title,
        "license": license_name,
        "license_note": f"The data set says: {text or 'nothing'}. Check it at the source before you publish anything.",
        "citation": " ".join(part for part in parts if part),
        "homepage": f"https://doi.org/{doi.removeprefix('doi:')}" if doi else "https://eegdash.org",
        "restricted": license_name not in OPEN_LICENSES,
    }


def hub_license(text: str) -> str:
    """The Hub's identifier of a licence as people write it ("CC0", "CC BY 4.0"); "other" where it is not known."""
    name = re.sub(r"[\s_]+", "-", text.strip().lower())
    return LICENSES.get(re.sub(r"[^a-z0-9]", "", name), name if name in OPEN_LICENSES else "other")
