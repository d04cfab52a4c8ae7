"""Any data set of MOABB as a corpus: its recordings as FIF files with the events of a paradigm, and its terms.

MOABB downloads and reads; what it gives is written once below a folder, with `moabb.json` beside it. From then on the
corpus is one of files like every other: built in parallel, stopped and continued, and without MOABB.
"""

import difflib
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mne
import numpy as np

from dare_eeg_hf.atomic_files import write_json
from dare_eeg_hf.configuration_dare_eeg import DareEegConfig
from dare_eeg_hf.corpora.corpus import EegCorpus
from dare_eeg_hf.corpora.windows import Rejection, events_from_annotations
from dare_eeg_hf.usability_dare_eeg import is_mark

DESCRIPTION = "moabb.json"
CITATION = (
    "Aristimunha B et al. Mother of all BCI Benchmarks (MOABB). Zenodo, doi:10.5281/zenodo.10034223. "
    "Chevallier S et al. The largest EEG-based BCI reproducibility study for open science: the MOABB benchmark. "
    "arXiv:2404.15319, 2024."
)
PARADIGMS = {"imagery": "MotorImagery", "p300": "P300", "ssvep": "SSVEP", "cvep": "CVEP"}
"""What MOABB calls the paradigm of a data set -> the class that takes all of its events."""

OPEN_LICENSES = ("cc0-1.0", "cc-by-4.0", "cc-by-3.0", "cc-by-sa-4.0", "odc-by", "pddl")
"""Under which windows of a data set may be passed on, as the Hub calls them."""
OTHER_LICENSES = ("cc-by-nc-4.0", "cc-by-nd-4.0", "cc-by-nc-sa-4.0", "cc-by-nc-nd-4.0", "cc-by-nc-3.0")


class MoabbCorpus(EegCorpus):
    """The recordings that `fetch_moabb` has written, in windows around the events of the paradigm.

    Args:
        folder: where they are; without one, a corpus that only knows its command line.
    """

    name = "moabb"
    title = "A data set of MOABB"
    access = "Through MOABB, which downloads it."
    restricted = True
    name_pattern = r"(?:^|/)sub-(?P<subject>[^/]+)/ses-(?P<session>[^/]+)/run-(?P<run>[^/]+)_raw\.fif$"
    rejection = Rejection(None, None, None)
    tried_on = "simulated data sets of MOABB"

    def __init__(self, folder: Path | None = None, feature_extractor=None):
        super().__init__(feature_extractor)
        if folder is not None:
            for field, value in read_description(folder)["corpus"].items():
                setattr(self, field, value)

    def events(self, raw, recording):  # noqa: ARG002 -- every recording has the same
        """The events of the paradigm."""
        return events_from_annotations(raw, {name: name for name in self.label_names})


def read_description(folder: Path) -> dict[str, Any]:
    """What `fetch_moabb` wrote about the data set: `dataset`, `paradigm` and the fields of the `corpus`.

    Raises:
        FileNotFoundError: it has not written anything there.
    """
    file = Path(folder) / DESCRIPTION
    if not file.is_file():
        raise FileNotFoundError(f"{folder} holds no {DESCRIPTION}: it was not made by dataset_scripts/moabb.py")
    return json.loads(file.read_text(encoding="utf-8"))


def data_sets() -> dict[str, type]:
    """The data sets of MOABB, by the name of their class; the simulated one is among them.

    Raises:
        ImportError: MOABB is not installed.
    """
    try:
        from moabb.datasets.fake import FakeDataset
        from moabb.datasets.utils import dataset_list
    except ImportError as error:
        raise ImportError("this needs MOABB: pip install 'dare-eeg-hf[moabb]'") from error
    return {kind.__name__: kind for kind in (*dataset_list, FakeDataset)}


def find_data_set(name: str, **arguments: Any) -> Any:
    """The data set of MOABB with this name, in any spelling (BNCI2014_001, bnci2014-001).

    Raises:
        ValueError: there is none.
        ImportError: MOABB is not installed.
    """
    known = data_sets()
    plain = {_plain(each): each for each in known}
    if _plain(name) not in plain:
        near = [plain[each] for each in difflib.get_close_matches(_plain(name), plain, 3)]
        raise ValueError(f"MOABB has no data set {name!r}" + (f"; did you mean {', '.join(near)}?" if near else ""))
    return known[plain[_plain(name)]](**arguments)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def find_paradigm(name: str | None, data_set: Any) -> Any:
    """The paradigm of MOABB with this name; by default the one that takes all events of the data set.

    Raises:
        ValueError: there is none, or it does not fit the data set.
    """
    from moabb import paradigms

    name = name or PARADIGMS.get(data_set.paradigm, "")
    kind = getattr(paradigms, name, None)
    if not (isinstance(kind, type) and hasattr(kind, "used_events")):
        known = ", ".join(sorted({*PARADIGMS.values(), "LeftRightImagery"}))
        raise ValueError(f"MOABB has no paradigm {name!r} for {data_set.code}; such as {known}")
    paradigm = kind()
    if not paradigm.is_valid(data_set):
        raise ValueError(
            f"{data_set.code} does not fit the paradigm {name}: it is {data_set.paradigm}, "
            f"with the events {', '.join(data_set.event_id)}"
        )
    return paradigm


def fetch_moabb(data_set: Any, paradigm: Any, folder: Path, subjects: Sequence[int] | None = None) -> Path:
    """Write the recordings of a data set below a folder, each person once, and what one must know about them.

    Args:
        data_set, paradigm: of MOABB; see `find_data_set` and `find_paradigm`.
        folder: gets `sub-*/ses-*/run-*_raw.fif` and `moabb.json`.
        subjects: only these, as MOABB numbers them.

    Returns:
        The folder.

    Raises:
        ValueError: the folder holds another data set or paradigm, or there is no such subject.
    """
    described = describe(data_set, paradigm)
    if (Path(folder) / DESCRIPTION).is_file() and read_description(folder) != described:
        known = read_description(folder)
        raise ValueError(
            f"{folder} holds {known['dataset']} as {known['paradigm']}: give another --source for "
            f"{described['dataset']} as {described['paradigm']}"
        )
    if subjects is not None and (unknown := sorted(set(subjects) - set(data_set.subject_list))):
        listed = ", ".join(map(str, data_set.subject_list[:20]))
        raise ValueError(f"{data_set.code} has no subject {unknown[0]}; there are {listed}")
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / DESCRIPTION, described)
    for subject in data_set.subject_list if subjects is None else subjects:
        complete = folder / f"sub-{subject}" / "complete"
        if complete.is_file():
            continue
        (sessions,) = data_set.get_data([subject]).values()
        for session, runs in sessions.items():
            for run, raw in runs.items():
                place = folder / f"sub-{subject}" / f"ses-{_file_name(session)}" / f"run-{_file_name(run)}_raw.fif"
                _write(with_events(raw, data_set, paradigm), place)
        complete.touch()
    return folder


def describe(data_set: Any, paradigm: Any) -> dict[str, Any]:
    """What the card and the build need to know, of MOABB's description of a data set."""
    metadata = getattr(data_set, "metadata", None)
    documentation = getattr(metadata, "documentation", None)
    said = getattr(documentation, "license", None) or ""
    license_name = re.sub(r"[\s_]+", "-", said.strip().lower())
    known = license_name in (*OPEN_LICENSES, *OTHER_LICENSES)
    doi = getattr(documentation, "doi", None) or data_set.doi
    title, authors = f"{data_set.code} (MOABB)", getattr(documentation, "investigators", None) or []
    citation = " ".join(filter(None, [f"{', '.join(authors)}." if authors else "", f"doi:{doi}." if doi else ""]))
    tmin, tmax = span(data_set, paradigm)
    return {
        "dataset": data_set.code,
        "paradigm": type(paradigm).__name__,
        "corpus": {
            "name": f"moabb_{type(data_set).__name__.lower()}",
            "title": title,
            "license": license_name if known else "other",
            "license_note": f"MOABB says: {said or 'nothing'}. Check it at the source before you publish anything.",
            "citation": f"{citation} {CITATION}".strip(),
            "homepage": getattr(documentation, "data_url", None) or "https://moabb.neurotechx.com",
            "restricted": license_name not in OPEN_LICENSES,
            "label_names": list(paradigm.used_events(data_set)),
            "tmin": tmin,
            "tmax": tmax,
        },
    }


def span(data_set: Any, paradigm: Any) -> tuple[float, float]:
    """Seconds around an event, as MOABB cuts them, shortened to whole patches of the model."""
    start = data_set.interval[0] + (getattr(paradigm, "tmin", 0.0) or 0.0)
    tmax = getattr(paradigm, "tmax", None)
    stop = data_set.interval[1] if tmax is None else data_set.interval[0] + tmax
    config = DareEegConfig()
    patch = config.patch_size / config.sampling_rate
    return float(start), float(start + max(1, int((stop - start) / patch + 1e-9)) * patch)


def with_events(raw: mne.io.BaseRaw, data_set: Any, paradigm: Any) -> mne.io.BaseRaw:
    """The recording with the paradigm's events as its annotations, beside marks of bad stretches and of breaks."""
    from moabb.datasets.preprocessing import RawToEvents

    used = paradigm.used_events(data_set)
    names = {code: name for name, codes in used.items() for code in np.atleast_1d(codes).tolist()}
    events = RawToEvents(event_id=used, interval=data_set.interval).transform(raw)
    onsets = (events[:, 0] - raw.first_samp) / raw.info["sfreq"]
    duration = data_set.interval[1] - data_set.interval[0]
    kept = [index for index, text in enumerate(raw.annotations.description) if is_mark(text)]
    marks = raw.annotations[kept] if kept else mne.Annotations([], [], [])
    found = mne.Annotations(
        onsets + raw.first_time * (raw.annotations.orig_time is not None),
        np.full(len(events), duration),
        [names[code] for code in events[:, 2].tolist()],
        orig_time=raw.annotations.orig_time,
    )
    return raw.copy().set_annotations(found + marks, verbose="ERROR")


def _file_name(text: str) -> str:
    """A session or run as part of a path."""
    return re.sub(r"[^\w.-]", "-", str(text))


def _write(raw: mne.io.BaseRaw, path: Path) -> None:
    """Write a FIF file that appears only when it is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem.removesuffix('_raw')}-partial_raw.fif")
    raw.save(partial, overwrite=True, split_size="1.9GB", verbose="ERROR")
    for part in path.parent.glob(f"{partial.stem}*.fif"):  # MNE splits at 2 GB
        os.replace(part, part.with_name(part.name.removeprefix(".").replace("-partial", "")))
