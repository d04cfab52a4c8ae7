"""Data sets of MOABB become corpora: its simulated one, and one whose files lie in the layout of its cache."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import mne
import numpy as np
import pytest
from datasets import load_dataset

from dare_eeg_hf.corpora.windows import decode_signal

pytest.importorskip("moabb", reason="MOABB (the extra moabb) is not installed; it does not go with constraints.txt")

from dare_eeg_hf.corpora.build import build
from dare_eeg_hf.corpora.moabb_sets import (
    MoabbCorpus,
    data_sets,
    fetch_moabb,
    find_data_set,
    find_paradigm,
    with_events,
)

SCRIPT = Path(__file__).resolve().parents[2] / "dataset_scripts" / "moabb.py"


def simulated(**more):
    given = {"n_subjects": 2, "n_sessions": 2, "n_runs": 1, "duration": 40, "n_events": 9, "seed": 1}
    return find_data_set("fake-dataset", **{**given, **more})


@pytest.mark.parametrize("stored", [{"stim": True}, {"stim": False, "annotations": True}])
def test_the_simulated_data_set_becomes_rows(tmp_path, stored):
    data_set = simulated(event_list=("left_hand", "right_hand", "feet"), **stored)
    paradigm = find_paradigm("LeftRightImagery", data_set)
    folder = fetch_moabb(data_set, paradigm, tmp_path / "in")
    assert build(MoabbCorpus(folder), folder, tmp_path / "out").complete
    rows = load_dataset(str(tmp_path / "out"), split="train")
    labels = Counter(rows.features["label"].int2str(rows["label"]))
    assert labels == {"left_hand": 12, "right_hand": 12}, "feet are not an event of this paradigm"
    assert {(r["subject"], r["session"], r["recording"]) for r in rows} == {
        (s, n, f"sub-{s}/ses-{n}/run-0_raw.fif") for s in "12" for n in "01"
    }
    assert decode_signal(rows[0]).shape == (3, 768)
    card = (tmp_path / "out" / "README.md").read_text()
    assert "arXiv:2404.15319" in card
    assert "MOABB says: nothing" in card
    again = fetch_moabb(simulated(event_list=data_set.event_id, **stored), paradigm, folder)
    assert again == folder
    with pytest.raises(ValueError, match=r"give another --source for .* as MotorImagery"):
        fetch_moabb(data_set, find_paradigm(None, data_set), folder)


def test_windows_begin_at_the_events_of_moabb(tmp_path):
    """The same samples as MOABB's own epochs, but for the filters."""
    data_set = simulated()
    paradigm = find_paradigm("MotorImagery", data_set)
    (raw,) = data_set.get_data([1])[1]["0"].values()
    marked = with_events(raw, data_set, paradigm)
    stim = mne.find_events(raw, verbose="error")
    np.testing.assert_allclose(marked.annotations.onset * 128, stim[:, 0], atol=0.01)
    assert marked.annotations.description.tolist() == [f"fake{code}" for code in stim[:, 2]]


def test_what_does_not_exist_or_fit_is_one_sentence(tmp_path):
    with pytest.raises(ValueError, match=r"no data set 'BNCI2014_999'; did you mean .*BNCI2014_00"):
        find_data_set("BNCI2014_999")
    with pytest.raises(ValueError, match="no paradigm 'Imaginary'"):
        find_paradigm("Imaginary", simulated())
    with pytest.raises(ValueError, match="does not fit the paradigm P300: it is imagery, with the events fake1"):
        find_paradigm("P300", simulated())
    with pytest.raises(ValueError, match="has no subject 7; there are 1, 2"):
        fetch_moabb(simulated(), find_paradigm(None, simulated()), tmp_path, [7])
    assert len(data_sets()) > 100


def test_a_real_data_set_is_read_from_moabbs_cache_by_the_script(tmp_path):
    """Kalunga 2016 with two people, in FIF files where MOABB would have downloaded them."""
    cache = tmp_path / "mne_data" / "MNE-ssvepexo-data" / "record" / "2392979" / "files"
    cache.mkdir(parents=True)
    random = np.random.default_rng(0)
    names = ["Oz", "O1", "O2", "POz", "PO3", "PO4", "PO7", "PO8"]
    info = mne.create_info([*names, "stim"], 256, ["eeg"] * 8 + ["stim"])
    for subject in (1, 2):
        for run in (1, 2):
            signal = np.r_[random.normal(0, 1e-5, (8, 40 * 256)), np.zeros((1, 40 * 256))]
            signal[-1, [512 + 2048 * trial for trial in range(4)]] = [1, 2, 3, 4]
            file = cache / f"subject{subject:02d}_run{run}_raw.fif"
            mne.io.RawArray(signal, info, verbose="error").save(file, verbose="error")
    command = [sys.executable, SCRIPT, "--dataset", "Kalunga2016", "--subjects", "1-2", "--output", "out"]
    environment = {**os.environ, "MNE_DATASETS_SSVEPEXO_PATH": str(tmp_path / "mne_data"),
                   "MOABB_DOWNLOAD_PROVIDER": "upstream", "HOME": str(tmp_path)}  # fmt: skip
    run = subprocess.run(
        [*command, "--num-proc", "1"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    rows = load_dataset(str(tmp_path / "out"), split="train")
    assert Counter(rows.features["label"].int2str(rows["label"])) == dict.fromkeys(("rest", "13", "17", "21"), 4)
    assert set(rows["onset"]) == {4.0, 12.0, 20.0, 28.0}, "2 s after each cue, as MOABB has it"
    described = json.loads((tmp_path / "out-recordings" / "moabb.json").read_text())["corpus"]
    assert described["license"] == "cc-by-4.0"
    assert "Kalunga" in described["citation"]
    assert not described["restricted"]
