"""Data sets of EEGDash, on a BIDS data set that is there already: nothing is downloaded."""

import json
import os
import subprocess
import sys
import warnings
from collections import Counter
from pathlib import Path

import mne
import pytest
from datasets import load_dataset

from dare_eeg_hf.corpora.eegdash_sets import fetch_eegdash, hub_license, terms_of_bids
from tests.recordings.written_recordings import NAMES, RATE, make_eeg

SCRIPT = Path(__file__).resolve().parents[2] / "dataset_scripts" / "eegdash.py"

ABSENT = "EEGDash (the extra eegdash) is not installed; the torchaudio it brings does not go with a CPU torch"


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A folder of downloads with the BIDS data set ds999999: three people, two tasks, two events."""
    mne_bids = pytest.importorskip("mne_bids", reason="BIDS data sets are written with mne-bids (the extra bids)")
    cache = tmp_path_factory.mktemp("cache")
    for number, subject in enumerate(("01", "02", "A3")):
        for task in ("look", "rest"):
            info = mne.create_info(NAMES, RATE, "eeg")
            raw = mne.io.RawArray(make_eeg(NAMES, 12.0, seed=number) * 1e-6, info, verbose="error")
            raw.info["line_freq"] = 50
            raw.set_annotations(mne.Annotations([2.0, 5.0, 8.0], 1.0, ["face", "house", "face"]))
            place = mne_bids.BIDSPath(root=cache / "ds999999", subject=subject, task=task, datatype="eeg")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                mne_bids.write_raw_bids(raw, place, format="EDF", allow_preload=True, overwrite=True, verbose="error")
    described = {"Name": "Faces", "BIDSVersion": "1.8.0", "License": "CC0", "Authors": ["A. One", "B. Two"],
                 "DatasetDOI": "doi:10.18112/openneuro.ds999999.v1.0.0"}  # fmt: skip
    (cache / "ds999999" / "dataset_description.json").write_text(json.dumps(described))
    return cache


def test_licence_and_citation_are_those_of_the_data_set(cache, tmp_path):
    terms = terms_of_bids(cache / "ds999999")
    assert terms["license"] == "cc0-1.0"
    assert not terms["restricted"]
    assert terms["citation"] == "A. One, B. Two. Faces. doi:10.18112/openneuro.ds999999.v1.0.0."
    assert terms["homepage"] == "https://doi.org/10.18112/openneuro.ds999999.v1.0.0"
    unknown = terms_of_bids(tmp_path)
    assert (unknown["license"], unknown["restricted"]) == ("other", True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("CC BY 4.0", "cc-by-4.0"), ("CC-BY-SA 4.0", "cc-by-sa-4.0"), ("PD", "cc0-1.0"), ("", "other")],
)
def test_a_licence_is_called_as_the_hub_calls_it(text, expected):
    assert hub_license(text) == expected


def test_a_data_set_that_is_there_is_found_and_what_is_not_there_is_said(cache):
    pytest.importorskip(
        "eegdash", reason="EEGDash (the extra eegdash) is not installed; it does not go with a CPU torch"
    )
    assert fetch_eegdash("ds999999", cache, local=True) == cache / "ds999999"
    with pytest.raises(ValueError, match="holds no such recordings of ds000000"):
        fetch_eegdash("ds000000", cache, local=True)
    with pytest.raises(ValueError, match="holds no such recordings of ds999999"):
        fetch_eegdash("ds999999", cache, ["99"], local=True)


def test_the_script_builds_the_chosen_people_and_task(cache, tmp_path):
    pytest.importorskip(
        "eegdash", reason="EEGDash (the extra eegdash) is not installed; it does not go with a CPU torch"
    )
    command = [sys.executable, SCRIPT, "--dataset", "ds999999", "--source", cache, "--local", "--output", "out",
               "--subjects", "01,A3", "--task", "look", "--num-proc", "1", "--labels", "face", "house", "--events",
               "face=face", "house=house", "--tmin", "0", "--tmax", "2"]  # fmt: skip
    run = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, env={**os.environ, "HOME": str(tmp_path)}
    )
    assert run.returncode == 0, run.stderr
    rows = load_dataset(str(tmp_path / "out"), split="train")
    assert set(rows["subject"]) == {"sub-01", "sub-A3"}
    assert {name.rsplit("task-")[-1] for name in rows["recording"]} == {"look_eeg.edf"}
    assert Counter(rows.features["label"].int2str(rows["label"])) == {"face": 4, "house": 2}
    card = (tmp_path / "out" / "README.md").read_text()
    assert "license: cc0-1.0" in card
    assert "openneuro.ds999999" in card
