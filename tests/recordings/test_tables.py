"""Tables and arrays of numbers, and the sidecars that describe them."""

import gzip
import json

import numpy as np
import pandas as pd
import pytest
import scipy.io

from dare_eeg_hf.cli.main import main
from dare_eeg_hf.recordings.readers import read_raw
from dare_eeg_hf.recordings.recordings import RecordingError, find_recordings, load_recording
from tests.recordings.written_recordings import (
    NAMES,
    RATE,
    SIGNAL,
    SIX,
    check_signal,
    describe,
    make_eeg,
    read_with_messages,
)

pytestmark = pytest.mark.filterwarnings("ignore::dare_eeg_hf.feature_extraction_dare_eeg.EegWarning")


def test_trials_in_mat_become_one_recording_with_labels(tmp_path):
    trials = np.stack([make_eeg(seconds=1, seed=i) for i in range(4)])
    scipy.io.savemat(tmp_path / "rec.mat", {"x": trials.transpose(2, 1, 0), "y": [0, 1, 1, 0]})
    labels = {"variable": "y", "texts": {"0": "left", "1": "right"}}
    sidecar = describe(variable="x", axes=["time", "channel", "trial"], labels=labels)
    raw = read_raw(tmp_path / "rec.mat", sidecar)
    np.testing.assert_allclose(raw.get_data(start=200, stop=400) * 1e6, trials[1])
    texts = [a["description"] for a in raw.annotations if not a["description"].endswith("boundary")]
    assert texts == ["left", "right", "right", "left"]


def test_runs_of_equal_labels_become_annotations(tmp_path):
    frame = pd.DataFrame(make_eeg().T, columns=NAMES).assign(state=[0] * 1500 + [1] * 2000 + [0] * 500)
    frame.to_csv(tmp_path / "state.csv", index=False)
    raw = read_raw(tmp_path / "state.csv", describe(annotations={"state": {"0": "open", "1": "closed"}}))
    assert raw.annotations.description.tolist() == ["open", "closed", "open"]
    np.testing.assert_allclose(raw.annotations.onset, [0, 7.5, 17.5])
    np.testing.assert_allclose(raw.annotations.duration, [7.5, 10, 2.5])


def test_columns_can_be_named_or_numbered(tmp_path):
    pd.DataFrame(make_eeg()[:3].T, columns=["EEG.a", "EEG.b", "EEG.c"]).to_csv(tmp_path / "x.csv", index=False)
    sidecar = {"sampling_rate": RATE, "unit": "uV", "columns": {"O1": "EEG.c", "Cz": 0}}
    raw = read_raw(tmp_path / "x.csv", sidecar)
    assert raw.ch_names == ["O1", "Cz"]
    np.testing.assert_allclose(raw.get_data() * 1e6, make_eeg()[[2, 0]], atol=1e-6)


def test_semicolons_with_decimal_commas(tmp_path):
    frame = pd.DataFrame(make_eeg(seconds=5).T, columns=NAMES)
    frame.to_csv(tmp_path / "x.csv", sep=";", decimal=",", index=False)
    np.testing.assert_allclose(read_raw(tmp_path / "x.csv", describe()).get_data() * 1e6, frame.T, atol=1e-6)


def test_a_table_without_rows(tmp_path):
    (tmp_path / "x.csv").write_text(",".join(NAMES) + "\n")
    with pytest.raises(RecordingError, match=r"x\.csv: holds no samples"):
        load_recording(tmp_path / "x.csv", sidecar=describe())


SIDECAR_ERRORS = {
    "none": (None, "needs a sidecar"),
    "no rate": ({"unit": "uV", "channel_names": NAMES}, "lacks sampling_rate"),
    "no unit": ({"sampling_rate": 200, "channel_names": NAMES}, "lacks unit"),
    "unknown unit": (describe(unit="apples"), "unknown unit 'apples'"),
    "unknown entry": (describe(electrodes=[]), "unknown entries electrodes"),
    "no names": ({"sampling_rate": 200, "unit": "uV"}, "must name the electrodes"),
    "no such column": (describe(channel_names=["Cz", "Iz"]), "no column 'Iz'"),
    "no numbers": (describe(channel_names=["text"]), "does not hold numbers"),
    "no such marker": (describe(annotations={"trigger": {}}), "no column 'trigger'"),
}


@pytest.mark.parametrize("case", SIDECAR_ERRORS)
def test_a_sidecar_that_does_not_fit(tmp_path, case):
    sidecar, message = SIDECAR_ERRORS[case]
    frame = pd.DataFrame(make_eeg(seconds=1).T, columns=NAMES).assign(text="abc")
    frame.to_csv(tmp_path / "x.csv", index=False)
    with pytest.raises(RecordingError, match=message) as error:
        read_raw(tmp_path / "x.csv", sidecar)
    assert "x.csv" in str(error.value)


def test_a_sidecar_of_the_folder_serves_all_its_tables(tmp_path):
    for name in ("a.csv", "b.csv"):
        pd.DataFrame(make_eeg(seconds=5).T, columns=NAMES).to_csv(tmp_path / name, index=False)
    assert find_recordings(tmp_path) == []
    (tmp_path / "recordings.json").write_text(json.dumps(describe()))
    assert [path.name for path in find_recordings(tmp_path)] == ["a.csv", "b.csv"]
    (tmp_path / "recordings.json").rename(tmp_path / "described.json")
    assert main(["inspect", str(tmp_path), "--sidecar", str(tmp_path / "described.json")]) == 0
    (tmp_path / "described.json").rename(tmp_path / "recordings.json")
    assert read_raw(tmp_path / "b.csv").ch_names == NAMES


def test_arrays_that_hold_pickled_objects_are_refused(tmp_path):
    np.savez(tmp_path / "x.npz", data=np.array([{"a": 1}, {}], dtype=object))
    with pytest.raises(RecordingError, match="allow_pickle"):
        read_raw(tmp_path / "x.npz", describe())


def test_a_uci_trial(tmp_path):
    signal = make_eeg(seconds=256 / RATE)
    lines = ["# co2a0000364.rd", "# 120 trials, 64 chans, 416 samples 368 post_stim samples", "# 3.906000 msecs uV"]
    lines += ["# S1 obj , trial 0"]
    for index, (name, row) in enumerate(zip(NAMES, signal, strict=True)):
        lines += [f"# {name.upper()} chan {index}", *(f"0 {name.upper()} {i} {v:.3f}" for i, v in enumerate(row))]
    path = tmp_path / "co2a0000364.rd.000.gz"
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    raw = read_raw(path)
    assert raw.info["sfreq"] == 256
    assert raw.annotations.description.tolist() == ["S1 obj"]
    np.testing.assert_allclose(raw.get_data() * 1e6, signal, atol=1e-3)
    assert find_recordings(tmp_path) == [path]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
def test_tables_in_any_encoding(tmp_path, encoding):
    frame = pd.DataFrame(SIGNAL.T, columns=SIX)
    frame["Größe"] = ["" if i < 1000 else "öffnen" for i in range(len(frame))]
    frame.to_csv(tmp_path / "x.csv", index=False, encoding=encoding)
    sidecar = {
        "sampling_rate": RATE,
        "unit": "μV",
        "channel_names": SIX,
        "annotations": {"Größe": {"öffnen": "eyes open"}},
    }
    (tmp_path / "x.csv.json").write_text(json.dumps(sidecar), encoding="utf-8")
    raw, _ = read_with_messages(tmp_path / "x.csv")
    check_signal(raw)
    assert [(a["onset"], a["description"]) for a in raw.annotations] == [(5.0, "eyes open")]


@pytest.mark.parametrize(("encoding", "unit"), [("latin-1", "µV"), ("utf-16", "μV"), ("utf-8", "μV")])
def test_sidecars_in_any_encoding(tmp_path, encoding, unit):
    pd.DataFrame(SIGNAL.T, columns=SIX).to_csv(tmp_path / "x.csv", index=False)
    text = f'{{"sampling_rate": {RATE}, "unit": "{unit}", "channel_names": {json.dumps(SIX)}}}'
    (tmp_path / "x.csv.json").write_bytes(text.encode(encoding))
    check_signal(read_with_messages(tmp_path / "x.csv")[0])
