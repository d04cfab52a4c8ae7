"""Every corpus script on small files written in the exact layout and format of its corpus, and on real recordings."""

import hashlib
import importlib
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import mne
import numpy as np
import pytest
from datasets import load_dataset
from huggingface_hub import HfApi
from scipy.io import savemat

from dare_eeg_hf.cli.prepare import main
from dare_eeg_hf.corpora.build import build
from dare_eeg_hf.corpora.corpus import RecordingFile
from dare_eeg_hf.corpora.windows import decode_signal
from dare_eeg_hf.recordings.simulation import simulate_recordings

SCRIPTS = Path(__file__).parents[1] / "dataset_scripts"
CLASSES = {
    "physionet_mi": "PhysioNetMI",
    "mental_arithmetic": "MentalArithmetic",
    "seed": "Seed",
    "seed_iv": "SeedIV",
    "tsu_ssvep": "TsuSsvep",
    "m3cv": "M3CV",
    "pbci_workload": "PbciWorkload",
    "tuab": "Tuab",
    "tuev": "Tuev",
    "bcic_2a": "Bcic2a",
    "bcic_2b": "Bcic2b",
    "sleep_edf": "SleepEdf",
    "recordings": "Recordings",
    "guinea_bissau": "GuineaBissau",
    "uci_alcoholism": "UciAlcoholism",
    "eye_state": "EyeState",
    "bcic_ii_iv": "BcicTwoFour",
    "muse_erp": "MuseErp",
    "ssvep_exoskeleton": "SsvepExoskeleton",
    "muse_cueing": "MuseCueing",
}

LIBRARIES = ("moabb", "eegdash")
"""Scripts that get corpora through the library of the same name; `tests/corpora` tests what they make."""


def corpus_of(name):
    return getattr(importlib.import_module(f"dataset_scripts.{name}"), CLASSES[name])()


def prepare(name, source, output, **options):
    """Build and open a corpus: label name -> number of windows per split, and all rows."""
    result = build(corpus_of(name), source, output, **options)
    assert result.complete, str(result)
    rows = load_dataset(str(output), split=None)
    counts = {}
    for split, part in rows.items():
        if "label" in part.features:
            counts[split] = Counter(part.features["label"].int2str(part["label"]))
    return counts, rows


# -- files in the formats of the corpora ------------------------------------------------------------------------------


def noise(channels, samples, seed=0, microvolts=20.0):
    """Correlated noise (C, T) in microvolts, in which no channel stands out."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(3, samples)).cumsum(axis=1) * 0.05
    mixing = rng.uniform(0.5, 1.5, (channels, 3))
    return microvolts * (
        mixing @ (shared - shared.mean(axis=1, keepdims=True)) / 3 + rng.normal(size=(channels, samples))
    )


def write_edf(path, names, rate, seconds, annotations=(), seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    raw = mne.io.RawArray(
        noise(len(names), int(rate * seconds), seed) * 1e-6, mne.create_info(list(names), rate, "eeg"), verbose="error"
    )
    if annotations:
        raw.set_annotations(mne.Annotations(*zip(*annotations, strict=True)))
    mne.export.export_raw(path, raw, physical_range="channelwise", overwrite=True, verbose="error")


def write_gdf(path, names, rate, seconds, events):
    """GDF 1.25 as the BCI Competition used it: int16, a record per second, events (sample, code, duration) behind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count = len(names)
    signal = noise(count, rate * seconds)
    digital = np.rint(signal / 0.1).astype("<i2")

    def texts(items, width):
        return b"".join(item.encode().ljust(width) for item in items)

    header = b"GDF 1.25" + b"X X".ljust(80) + b"".ljust(80) + b"2005012312000000"
    header += np.int64(256 * (count + 1)).tobytes() + bytes(8 * 3) + bytes(20)
    header += np.int64(seconds).tobytes() + np.array([1, 1], "<u4").tobytes() + np.uint32(count).tobytes()
    header += texts(names, 16) + texts([""] * count, 80) + texts(["uV"] * count, 8)
    header += np.full(count, -3276.8).tobytes() + np.full(count, 3276.7).tobytes()
    header += np.full(count, -32768, "<i8").tobytes() + np.full(count, 32767, "<i8").tobytes()
    header += texts([""] * count, 80) + np.full(count, rate, "<i4").tobytes() + np.full(count, 3, "<i4").tobytes()
    header += bytes(32 * count)
    assert len(header) == 256 * (count + 1)
    records = b"".join(digital[:, start : start + rate].tobytes() for start in range(0, rate * seconds, rate))
    samples, codes, durations = (np.array(column) for column in zip(*events, strict=True))
    table = bytes([3]) + int(rate).to_bytes(3, "little") + np.uint32(len(events)).tobytes()
    table += (samples + 1).astype("<u4").tobytes() + codes.astype("<u2").tobytes()
    table += np.zeros(len(events), "<u2").tobytes() + durations.astype("<u4").tobytes()
    path.write_bytes(header + records + table)


def write_epochs_set(path, names, rate, epochs, samples):
    """An EEGLAB .set file of epochs with its data inside."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = noise(len(names), epochs * samples).reshape(len(names), epochs, samples).transpose(0, 2, 1)
    events = np.zeros(epochs, dtype=[("type", object), ("latency", object), ("epoch", object)])
    places = np.zeros(epochs, dtype=[("event", object), ("eventtype", object), ("eventlatency", object)])
    for number in range(epochs):
        events[number] = ("trial", float(number * samples + 1), float(number + 1))
        places[number] = (float(number + 1), "trial", 0.0)
    locations = np.zeros(len(names), dtype=[("labels", object)])
    locations["labels"] = names
    eeg = {
        "data": data.astype(np.float32),
        "nbchan": float(len(names)),
        "pnts": float(samples),
        "trials": float(epochs),
        "srate": float(rate),
        "xmin": 0.0,
        "xmax": (samples - 1) / rate,
        "chanlocs": locations,
        "event": events,
        "epoch": places,
        "icawinv": [],
        "icaweights": [],
        "icasphere": [],
    }
    savemat(path, {"EEG": eeg})


# -- the corpora ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CLASSES)
def test_every_script_has_the_same_command_line_and_says_what_one_must_know(name):
    corpus = corpus_of(name)
    text = sys.modules[type(corpus).__module__].__doc__
    for topic in ("Labels", "Splits", "Tried on", *(("Layout", "Access") if name != "recordings" else ())):
        assert f"\n{topic}" in text
    assert corpus.title
    assert corpus.tried_on
    assert name == "recordings" or (corpus.citation and corpus.homepage and corpus.access)


def test_every_script_of_the_folder_is_tested():
    assert {path.stem for path in SCRIPTS.glob("*.py")} == {*CLASSES, *LIBRARIES}


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_script_for_a_library_has_help_without_it_and_says_what_is_missing(name, tmp_path):
    """Run as a file, whose name is that of the library."""
    script = [sys.executable, SCRIPTS / f"{name}.py"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(SCRIPTS.parent), str(without(name, tmp_path))])}

    def run(*arguments):
        command = [*script, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=tmp_path)

    assert "Tried on" in run("--help").stdout
    failed = run("--dataset", "X", "--output", "windows")
    assert failed.returncode == 2
    assert failed.stderr.count("\n") == 1
    assert f"pip install 'dare-eeg-hf[{name}]'" in failed.stderr or "pip install eegdash" in failed.stderr


def without(name, folder):
    """A folder that makes the import of a library fail, whether it is installed or not."""
    (folder / "absent").mkdir()
    (folder / "absent" / f"{name}.py").write_text(f"raise ImportError('no {name}')")
    return folder / "absent"


def test_physionet_mi_knows_what_t1_and_t2_mean_in_each_run(tmp_path):
    events = [(0.0, 4.1, "T0"), (4.1, 4.1, "T1"), (8.2, 4.1, "T2"), (12.3, 4.1, "T1")]
    for run in ("03", "04", "05", "06", "11", "12", "13", "14"):
        write_edf(tmp_path / "in" / "S071" / f"S071R{run}.edf", ["Fc5.", "C3..", "Cz..", "C4.."], 160, 17, events)
    _, rows = prepare("physionet_mi", tmp_path / "in", tmp_path / "out")
    labels = rows["validation"].features["label"]
    meaning = {}
    for row in rows["validation"]:
        meaning.setdefault(row["recording"][-6:-4], []).append(labels.int2str(row["label"]))
    fists, feet = ["left_fist", "right_fist", "left_fist"], ["both_fists", "both_feet", "both_fists"]
    for run in ("03", "11"):
        assert meaning[run] == ["rest", *fists]
    for run in ("04", "12"):
        assert meaning[run] == ["rest", *(f"imagined_{name}" for name in fists)]
    for run in ("05", "13"):
        assert meaning[run] == ["rest", *feet]
    for run in ("06", "14"):
        assert meaning[run] == ["rest", *(f"imagined_{name}" for name in feet)]
    assert rows["validation"]["onset"][:4] == pytest.approx([0.0, 4.1, 8.2, 12.3], abs=1 / 256)


def test_mental_arithmetic_keeps_the_published_split(tmp_path):
    names = ["EEG Fp1", "EEG F3", "EEG T3", "EEG Cz", "EEG O1", "EEG A2-A1", "ECG ECG"]
    for number in (0, 27, 28, 31, 32, 35):
        for run in (1, 2):
            suffix = "_250hz" if number == 27 else ""
            write_edf(tmp_path / "in" / f"Subject{number:02d}_{run}{suffix}.edf", names, 250, 11, seed=number)
    counts, rows = prepare("mental_arithmetic", tmp_path / "in", tmp_path / "out")
    assert counts == {split: {"rest": 4, "arithmetic": 4} for split in ("train", "validation", "test")}
    assert set(rows["test"]["subject"]) == {"Subject32", "Subject35"}
    assert rows["test"][0]["channel_names"] == ["FP1", "F3", "T7", "CZ", "O1"]
    assert decode_signal(rows["test"][0]).shape == (5, 1280)


@pytest.mark.parametrize(
    ("name", "file", "initials", "clips", "labels"),
    [
        ("seed", "Preprocessed_EEG/3_20140603.mat", "jj", 15, ["positive", "neutral", "negative"]),
        ("seed_iv", "eeg_raw_data/2/3_20161024.mat", "cz", 24, ["fear", "sad", "happy"]),
    ],
)
def test_seed_has_one_stretch_per_clip(tmp_path, name, file, initials, clips, labels):
    path = tmp_path / "in" / file
    path.parent.mkdir(parents=True)
    savemat(path, {f"{initials}_eeg{clip}": noise(62, 1700, clip) for clip in range(1, clips + 1)})
    savemat(path.parent / "label.mat", {"label": np.zeros(15)})
    _, rows = prepare(name, tmp_path / "in", tmp_path / "out")
    part = rows["train"]
    assert len(part) == 2 * clips
    assert part.features["label"].int2str(part["label"][:6:2]) == labels
    assert part["onset"][:5] == [0.0, 4.0, 8.5, 12.5, 17.0], "clips one after the other, not all at the same time"
    assert len(part[0]["channel_names"]) == 60
    assert set(part["subject"]) == {"3"}
    assert part[0]["session"] == ("20140603" if name == "seed" else "2")
    shutil.copy(path, path.with_name("4_20140603.mat" if name == "seed" else "4_20161024.mat"))
    savemat(path, {"something": np.zeros((62, 100))})
    failed = build(corpus_of(name), tmp_path / "in", tmp_path / "out").failed
    assert [record.subject for record in failed] == ["3"]
    assert "no variables like" in failed[0].error


def test_tsu_ssvep_cuts_the_flicker_of_each_trial(tmp_path):
    (tmp_path / "in").mkdir()
    data = np.stack([noise(64, 1500, target) for target in range(40)], axis=2)
    data = np.stack([data, data], axis=3)
    savemat(tmp_path / "in" / "S12.mat", {"data": data})
    counts, rows = prepare("tsu_ssvep", tmp_path / "in", tmp_path / "out")
    assert set(counts["train"].values()) == {4}
    assert len(counts["train"]) == 40
    labels = rows["train"].features["label"]
    assert labels.names[:3] == ["8.0_hz", "8.2_hz", "8.4_hz"]
    assert labels.int2str(rows["train"]["label"][2 * 9]) == "9.2_hz"
    assert rows["train"]["onset"][:3] == [0.5, 1.5, 6.5]
    assert len(rows["train"][0]["channel_names"]) == 60


def test_m3cv_learns_subjects_from_the_tables_and_electrodes_from_the_user(tmp_path):
    source = tmp_path / "in"
    (source / "Enrollment").mkdir(parents=True)
    for epoch in ("000001", "000002"):
        savemat(source / "Enrollment" / f"{epoch}.mat", {"epoch_data": noise(5, 1000, int(epoch))})
    table = "EpochID,SubjectID,Session,Task\n000001,sub007,ses1,Rest\n000002,sub009,ses1,Motor\n"
    (source / "Enrollment_Info.csv").write_text(table)
    (source / "Calibration_Info.csv").write_text("EpochID,SubjectID,Session,Task\n")
    assert "channels.tsv" in build(corpus_of("m3cv"), source, tmp_path / "out").failed[0].error
    (source / "channels.tsv").write_text("name\nFP1\nCZ\nOZ\nO2\nEvent\n")
    _, rows = prepare("m3cv", source, tmp_path / "out")
    assert rows["train"]["subject"] == ["sub007", "sub009"]
    assert rows["train"][0]["channel_names"] == ["FP1", "CZ", "OZ", "O2"]


def test_pbci_workload_has_one_window_per_epoch(tmp_path):
    for run in ("RS", "MATBeasy", "MATBmed", "MATBdiff"):
        path = tmp_path / "in" / "P01" / "S1" / "eeg" / f"alldata_sbj01_sess1_{run}.set"
        write_epochs_set(path, ["Fp1", "Fz", "Cz", "Pz", "Oz"], 500, 6, 1000)
    counts, rows = prepare("pbci_workload", tmp_path / "in", tmp_path / "out")
    assert counts == {"train": {"rest": 6, "easy": 6, "medium": 6, "difficult": 6}}
    assert decode_signal(rows["train"][0]).shape == (5, 512)
    assert rows["train"]["session"][0] == "S1"


def test_tuab_takes_label_and_split_from_the_folders(tmp_path):
    names = ["EEG FP1-REF", "EEG F3-REF", "EEG T3-REF", "EEG CZ-REF", "EEG A1-REF", "EEG EKG1-REF", "PHOTIC-REF"]
    for place in ("train/abnormal/01_tcp_ar/aaaaaaaq_s004_t000", "train/normal/01_tcp_ar/aaaaaebo_s001_t000",
                  "eval/normal/01_tcp_ar/aaaaabdo_s003_t000"):  # fmt: skip
        write_edf(tmp_path / "in" / "edf" / f"{place}.edf", names, 250, 21)
    counts, rows = prepare("tuab", tmp_path / "in", tmp_path / "out")
    assert counts == {"train": {"abnormal": 2, "normal": 2}, "test": {"normal": 2}}
    assert rows["test"][0]["subject"] == "aaaaabdo"
    assert rows["test"][0]["channel_names"] == ["FP1", "F3", "T7", "CZ"]
    assert decode_signal(rows["test"][0]).shape == (4, 2560)


def test_tuev_reads_the_events_beside_the_recording(tmp_path):
    names = ["EEG FP1-REF", "EEG F3-REF", "EEG T3-REF", "EEG CZ-REF"]
    events = "0,10.0,11.0,1\n4,10.0,11.0,1\n2,15.0,16.0,6\n1,0.5,1.5,4\n"
    for place in ("train/aaaaaaar/aaaaaaar_00000001", "eval/000/bckg_000_a_"):
        write_edf(tmp_path / "in" / "edf" / f"{place}.edf", names, 250, 20)
        (tmp_path / "in" / "edf" / f"{place}.rec").write_text(events)
    counts, rows = prepare("tuev", tmp_path / "in", tmp_path / "out")
    assert counts == {"train": {"spsw": 1, "bckg": 1}, "test": {"spsw": 1, "bckg": 1}}
    assert rows["train"]["onset"] == [8.0, 13.0]
    assert decode_signal(rows["train"][0]).shape == (4, 1280)
    assert rows["test"][0]["subject"] == "000"


def test_bcic_2a_names_its_electrodes_and_finds_the_secret_classes(tmp_path):
    names = ["EEG-Fz"] + ["EEG"] * 6 + ["EEG-C3", "EEG", "EEG-Cz", "EEG", "EEG-C4"] + ["EEG"] * 7 + ["EEG-Pz"]
    names += ["EEG"] * 2 + ["EOG-left", "EOG-central", "EOG-right"]
    cues = [(500 + 1500 * number, code, 313) for number, code in enumerate((769, 772, 770, 771))]
    trials = [(at - 500, 768, 1875) for at, _, _ in cues]
    write_gdf(tmp_path / "in" / "A03T.gdf", names, 250, 26, sorted(cues + trials))
    secret = [(at, 783, length) for at, _, length in cues]
    write_gdf(tmp_path / "in" / "A03E.gdf", names, 250, 26, sorted(secret + trials))
    corpus = corpus_of("bcic_2a")
    (failure,) = build(corpus, tmp_path / "in", tmp_path / "out").failed
    assert "put A03E.mat with the true labels beside it" in failure.error
    savemat(tmp_path / "in" / "A03E.mat", {"classlabel": np.array([[4], [3], [2], [1]])})
    _, rows = prepare("bcic_2a", tmp_path / "in", tmp_path / "out")
    part = rows["train"]
    by_session = {s: [r["label"] for r in part if r["session"] == s] for s in "TE"}
    assert by_session == {"T": [0, 3, 1, 2], "E": [3, 2, 1, 0]}
    assert part[0]["channel_names"] == list(corpus.electrode_names)
    assert part["onset"][:4] == [2.0, 8.0, 14.0, 20.0]
    savemat(tmp_path / "in" / "A03E.mat", {"classlabel": np.array([1, 2])})
    (failure,) = build(corpus, tmp_path / "in", tmp_path / "out").failed
    assert "A03E.mat has 2 labels for the 4 cues of A03E.gdf" in failure.error


def test_bcic_2b_has_three_channels(tmp_path):
    names = ["EEG:C3", "EEG:Cz", "EEG:C4", "EOG:ch01", "EOG:ch02", "EOG:ch03"]
    write_gdf(tmp_path / "in" / "B0102T.gdf", names, 250, 20, [(750, 769, 313), (3000, 770, 313)])
    counts, rows = prepare("bcic_2b", tmp_path / "in", tmp_path / "out")
    assert counts == {"train": {"left_hand": 1, "right_hand": 1}}
    assert rows["train"][0]["channel_names"] == ["C3", "CZ", "C4"]
    assert (rows["train"][0]["subject"], rows["train"][0]["session"]) == ("B01", "02T")


def test_bcic_2b_sessions_cut_into_trials_count_in_steps_of_their_own(tmp_path):
    (tmp_path / "in").mkdir()
    microvolts = noise(3, 3 * 1000).reshape(3, 3, 1000).transpose(1, 0, 2)  # trial, channel, time
    np.savez(
        tmp_path / "in" / "B0104E.npz",
        eeg=np.rint(microvolts / 0.004).astype(np.int16),
        step_uv=np.float64(0.004),
        label=np.array([2, 1, 2], np.uint8),
    )
    counts, rows = prepare("bcic_2b", tmp_path / "in", tmp_path / "out")
    assert counts == {"train": {"left_hand": 1, "right_hand": 2}}
    rows = rows["train"]
    assert rows.features["label"].int2str(rows["label"]) == ["right_hand", "left_hand", "right_hand"]
    assert rows["onset"] == [0.0, 4.0, 8.0]
    assert (rows[0]["subject"], rows[0]["session"]) == ("B01", "04E")
    # Millivolts in rows: the amplitude of the noise, less the mean of the channels and what the filters take.
    assert 0.3 < np.std([decode_signal(row) for row in rows]) * 1e3 / microvolts.std() < 1.0


def test_guinea_bissau_is_read_from_edf_with_the_table_in_the_folder_beside_it(tmp_path):
    names = "AF3 AF4 F3 F4 F7 F8 FC5 FC6 O1 O2 P7 P8 T7 T8".split()
    rows = ("1,Epilepsy,closed-3min-then-open-2min", "2,Control,open-3min-then-closed-2min")
    (tmp_path / "in" / "guinea-bissau-epilepsy").mkdir(parents=True)
    table = tmp_path / "in" / "guinea-bissau-epilepsy" / "metadata_guineabissau.csv"
    table.write_text("\n".join(("subject.id,Group,Eyes.condition", *rows)))
    for number in (1, 2):
        file = tmp_path / "in" / "guinea-bissau-epilepsy-more" / f"signal-{number}.edf"
        write_edf(file, names, 128, 13, seed=number)
    for source in ("in", "in/guinea-bissau-epilepsy-more"):
        counts, rows = prepare("guinea_bissau", tmp_path / source, tmp_path / "out" / source)
        assert counts == {"train": {"Epilepsy": 3, "Control": 3}}
        assert set(rows["train"]["subject"]) == {"1", "2"}
    table.unlink()
    (failed, _) = build(corpus_of("guinea_bissau"), tmp_path / "in", tmp_path / "out").failed
    assert "metadata_guineabissau.csv" in failed.error


def test_ssvep_has_a_window_of_each_trial_or_all_of_the_recording(tmp_path):
    sites = ["Oz", "O1", "O2", "PO3", "POz", "PO7", "PO8", "PO4"]
    texts = ["rest", "13Hz", "21Hz", "17Hz"]
    trials = [(3.5 + 6.5 * number, 0.0, text) for number, text in enumerate(texts)]
    write_edf(tmp_path / "in" / "subject03_2012.07.11-15.25.23.edf", sites, 256, 30, trials)
    _, rows = prepare("ssvep_exoskeleton", tmp_path / "in", tmp_path / "out")
    rows = rows["train"]
    assert rows.features["label"].int2str(rows["label"]) == ["rest", "13_hz", "21_hz", "17_hz"]
    assert rows["onset"] == [4.0, 10.5, 17.0, 23.5]
    assert decode_signal(rows[0]).shape == (8, 1024)
    assert (rows[0]["subject"], rows[0]["session"]) == ("subject03", "2012.07.11-15.25.23")
    out = ["--source", str(tmp_path / "in"), "--output", str(tmp_path / "all"), "--num-proc", "1", "--throughout"]
    assert main(corpus_of("ssvep_exoskeleton"), out) == 0
    assert len(load_dataset(str(tmp_path / "all"), split="train")) == 7


def test_muse_cueing_keeps_the_two_electrodes_that_are_sites(tmp_path):
    write_edf(tmp_path / "in" / "subject1101.edf", ["TP9", "AF7", "AF8", "TP10"], 256, 13, [(2.0, 0.0, "1")])
    _, rows = prepare("muse_cueing", tmp_path / "in", tmp_path / "out")
    assert rows["train"]["channel_names"] == [["AF7", "AF8"]] * 3
    assert set(rows["train"]["subject"]) == {"subject1101"}


def test_sleep_edf_keeps_its_derivations_and_little_of_the_waking_hours(tmp_path, shared):
    source = tmp_path / "in" / "sleep-cassette"
    names = ["EEG Fpz-Cz", "EEG Pz-Oz", "EOG horizontal"]
    write_edf(source / "SC4001E0-PSG.edf", names, 100, 4 * 3600)
    stages = [(0, 7200, "W"), (7200, 60, "1"), (7260, 120, "2"), (7380, 90, "3"), (7470, 60, "4"), (7530, 60, "R"),
              (7590, 30, "?"), (7620, 4000, "W")]  # fmt: skip
    annotations = [(onset, duration, f"Sleep stage {stage}") for onset, duration, stage in stages]
    write_hypnogram(source / "SC4001EC-Hypnogram.edf", annotations)
    counts, rows = prepare("sleep_edf", tmp_path / "in", tmp_path / "out")
    assert counts == {"train": {"W": 119, "N1": 2, "N2": 4, "N3": 5, "R": 2}}
    assert rows["train"][0]["channel_names"] == ["EEG Fpz-Cz", "EEG Pz-Oz"]
    assert decode_signal(rows["train"][0]).shape == (2, 7680)
    assert rows["train"]["onset"][0] == 5400.0
    assert rows["train"][0]["subject"] == "SC400"

    shutil.copy(shared("data/formats/SC4001EC-Hypnogram.edf"), source / "SC4001EC-Hypnogram.edf")
    real = mne.read_annotations(source / "SC4001EC-Hypnogram.edf")
    assert {"Sleep stage W", "Sleep stage 1", "Sleep stage R"} <= set(real.description)
    (source / "SC4001EC-Hypnogram.edf").unlink()
    (failure,) = build(corpus_of("sleep_edf"), tmp_path / "in", tmp_path / "out").failed
    assert "needs one hypnogram beside it" in failure.error


def write_hypnogram(path, annotations):
    """EDF+ of annotations only, as Sleep-EDF has it."""
    import edfio

    notes = [edfio.EdfAnnotation(float(onset), float(duration), text) for onset, duration, text in annotations]
    edfio.Edf([], annotations=notes).write(path)


# -- any folder -------------------------------------------------------------------------------------------------------


def test_any_folder_with_classes_from_names_annotations_or_a_table(tmp_path, capsys):
    source = tmp_path / "meine Aufnahmen"
    simulate_recordings(source, subjects=3, montage=["Fp1", "Cz", "O1", "O2"], seconds=13)
    common = ["--source", str(source), "--num-proc", "1", "--name", "mine"]

    def run(output, *options):
        status = main(corpus_of("recordings"), [*common, "--output", str(tmp_path / output), *options])
        rows = load_dataset(str(tmp_path / output), split="train")
        return status, Counter(rows.features["label"].int2str(rows["label"]))

    expected = {"open": 9, "closed": 9}
    lines = [f"S00{s}/S00{s}R0{run}.edf,{eyes}\n" for s in (1, 2, 3) for run, eyes in ((1, "open"), (2, "closed"))]
    (tmp_path / "names.csv").write_text("file,eyes\n" + "".join(lines))
    table = ["--label-table", str(tmp_path / "names.csv"), "--label-key", "file", "--label-column", "eyes"]
    assert run("table", "--labels", "open", "closed", *table) == (0, expected)
    assert run("names", "--labels", "01", "02", "--label-pattern", r"R(\d\d)") == (0, {"01": 9, "02": 9})
    status, counts = run("events", "--labels", "blinks", "--events", "blink=blinks", "--tmin", "-0.5", "--tmax", "0.5")
    assert status == 0
    assert counts["blinks"] >= 3
    assert main(corpus_of("recordings"), [*common, "--output", str(tmp_path / "x"), "--labels", "a"]) == 2
    assert "belong together" in capsys.readouterr().err
    shares = ["--validation", "0.8", "--test", "0.5"]
    assert main(corpus_of("recordings"), [*common, "--output", str(tmp_path / "x"), *shares]) == 2
    assert "1 at most together" in capsys.readouterr().err
    assert main(corpus_of("recordings"), [*common, "--output", str(tmp_path / "y"), "--labels", "open", *table]) == 1
    assert "'closed' is outside the declared classes open" in capsys.readouterr().out


@pytest.fixture
def annotated(tmp_path):
    """Two recordings of 20 s with T0 and T1, the second one spelled otherwise."""
    for name, texts in (("S001R01", ("T0", "T1", "T1")), ("S002R01", ("T0 ", "T1 ", "2.0"))):
        notes = [(onset, 0.0, text) for onset, text in zip((2, 8, 14), texts, strict=True)]
        write_edf(tmp_path / "in" / f"{name}.edf", ["Fp1", "Cz", "O1", "O2"], 256, 20, notes)
    return tmp_path / "in"


def run_recordings(source, output, *options):
    """Exit status of `recordings.py` with windows of 2 s after each event."""
    common = ["--source", source, "--output", output, "--num-proc", 1, "--tmin", 0, "--tmax", 2]
    return main(corpus_of("recordings"), [str(option) for option in (*common, *options)])


def test_an_event_that_no_recording_has_is_an_error_with_the_events_there_are(annotated, tmp_path, capsys):
    options = ["--labels", "move", "rest", "--events"]
    assert run_recordings(annotated, tmp_path / "none", *options, "t1=move", "t0=rest") == 1
    printed = capsys.readouterr().out
    assert "no recording gave a window; annotations of the recordings: 'T1' (2), 'T0' (1)" in printed
    assert "has none of the events t1, t0" in printed
    assert run_recordings(annotated, tmp_path / "one", *options, "T1=move", "t0=rest") == 1
    printed = capsys.readouterr().out
    assert "no window is of the class rest; windows found: 'move' (3); annotations of the recordings:" in printed
    assert run_recordings(annotated, tmp_path / "both", *options, "T1 =move", "T0= rest") == 0
    rows = load_dataset(str(tmp_path / "both"), split="train")
    assert Counter(rows.features["label"].int2str(rows["label"])) == {"move": 3, "rest": 2}
    assert run_recordings(annotated, tmp_path / "number", "--labels", "move", "--events", "2=move") == 0
    assert "events were taken by their number: '2.0' for '2'" in capsys.readouterr().out
    assert run_recordings(annotated, tmp_path / "typo", *options, "T1=moove", "T0=rest") == 2
    assert "--events names moove, which --labels does not have" in capsys.readouterr().err


def test_events_too_short_for_a_window_are_an_error(annotated, tmp_path, capsys):
    command = ["--source", annotated, "--output", tmp_path / "x", "--num-proc", 1, "--labels", "a", "--events", "T1=a"]
    assert main(corpus_of("recordings"), list(map(str, command))) == 1
    assert "event shorter than one window" in capsys.readouterr().out


def test_codes_of_a_trigger_channel_become_events(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    names = ["Fp1", "Cz", "O1", "O2"]
    stim = np.zeros((1, 20 * 256))
    for second, code in ((2, 1), (6, 2), (10, 1)):
        stim[0, second * 256 : second * 256 + 20] = code
    signal = np.vstack([noise(4, 20 * 256) * 1e-6, stim])
    info = mne.create_info([*names, "STI 014"], 256, ["eeg"] * 4 + ["stim"])
    raw = mne.io.RawArray(signal, info, verbose="error")
    raw.save(tmp_path / "in" / "S001R01_raw.fif", verbose="error")
    raw.set_annotations(mne.Annotations(1.0, 0.0, "comment")).save(
        tmp_path / "in" / "S002R01_raw.fif", verbose="error"
    )
    options = ["--labels", "left", "right", "--events", "1=left", "2=right"]

    def count(output):
        rows = load_dataset(str(tmp_path / output), split="train")
        return Counter(zip(rows["subject"], rows.features["label"].int2str(rows["label"]), strict=True))

    assert run_recordings(tmp_path / "in", tmp_path / "guessed", *options) == 0
    assert count("guessed") == {("S001", "left"): 2, ("S001", "right"): 1}
    printed = capsys.readouterr().out
    assert "there are no annotations: the codes of the channel STI 014 were read as events" in printed
    hint = "its channel STI 014 holds the codes '1' (2), '2' (1): --events-from-channel STI 014"
    assert hint in printed
    assert run_recordings(tmp_path / "in", tmp_path / "told", *options, "--events-from-channel", "STI 014") == 0
    assert count("told") == {(who, what): n for who in ("S001", "S002") for what, n in (("left", 2), ("right", 1))}
    assert run_recordings(tmp_path / "in", tmp_path / "wrong", *options, "--events-from-channel", "Status") == 1
    assert "there is no channel Status; stimulus channels: STI 014" in capsys.readouterr().out


def test_labels_that_fit_nobody_and_recordings_without_one_are_named(annotated, tmp_path, capsys):
    (tmp_path / "labels.tsv").write_text("participant_id\tgroup\nS001\t1.0\nS009\t2.0\n")
    common = ["--source", annotated, "--num-proc", 1, "--output", tmp_path / "x", "--labels", "1", "2"]
    table = ["--label-table", tmp_path / "labels.tsv", "--label-column", "group"]
    assert main(corpus_of("recordings"), list(map(str, [*common, *table]))) == 1
    printed = capsys.readouterr().out
    assert "the label table has rows that match no recording: S009" in printed
    assert "failed S002R01.edf: ValueError: the label table has neither S002R01.edf nor S002" in printed
    assert "empty: no window is of the class 2" in printed
    assert load_dataset(str(tmp_path / "x"), split="train")["label"] == [0] * 5  # "1.0" is "1"


def test_onsets_in_milliseconds_are_no_windows_and_said(tmp_path, capsys):
    source = tmp_path / "bids"
    write_edf(source / "sub-01" / "eeg" / "sub-01_task-x_eeg.edf", ["Fp1", "Cz", "O1", "O2"], 256, 20)
    (source / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.8.0"}')
    events = source / "sub-01" / "eeg" / "sub-01_task-x_events.tsv"
    events.write_text("onset\tduration\ttrial_type\n2000\t0\tgo\n8000\t0\tgo\n")
    assert run_recordings(source, tmp_path / "out", "--labels", "go", "--events", "go=go") == 1
    printed = capsys.readouterr().out
    assert (
        "events.tsv: 2 rows (lines 2, 3) after the end of the recording (20.0 s) left out; they look like" in printed
    )
    assert "milliseconds" in printed
    assert str(tmp_path) not in printed


def test_shares_of_subjects_go_into_validation_and_test(tmp_path):
    corpus = corpus_of("recordings")
    corpus.validation, corpus.test = 0.2, 0.3
    splits = Counter(corpus.split(RecordingFile(Path("x"), "x", f"sub-{number:04d}")) for number in range(2000))
    assert splits["train"] == pytest.approx(1000, abs=100)
    assert splits["validation"] == pytest.approx(400, abs=80)


def test_a_bids_root_gives_subjects_sessions_and_events(tmp_path):
    source = tmp_path / "bids"
    write_edf(source / "sub-01" / "ses-a" / "eeg" / "sub-01_ses-a_task-x_eeg.edf", ["Fp1", "Cz", "O1", "O2"], 256, 20)
    (source / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.8.0"}')
    events = source / "sub-01" / "ses-a" / "eeg" / "sub-01_ses-a_task-x_events.tsv"
    events.write_text("onset\tduration\ttrial_type\n2.0\t0\tgo\n8.0\t0\tstop\n")
    options = ["--labels", "go", "stop", "--events", "go=go", "stop=stop", "--tmin", "0", "--tmax", "2"]
    out = ["--source", str(source), "--output", str(tmp_path / "out"), "--num-proc", "1"]
    assert main(corpus_of("recordings"), [*out, *options]) == 0
    rows = load_dataset(str(tmp_path / "out"), split="train")
    assert rows["subject"] == ["sub-01"] * 2
    assert rows["session"] == ["a"] * 2
    assert rows["onset"] == [2.0, 8.0]


# -- the command ------------------------------------------------------------------------------------------------------


def test_the_command_builds_shards_and_merges(tmp_path, capsys):
    simulate_recordings(tmp_path / "in", subjects=3, montage=["Fp1", "Cz", "O1", "O2"], seconds=9)
    corpus = corpus_of("physionet_mi")
    base = ["--source", str(tmp_path / "in"), "--num-proc", "1"]
    assert main(corpus, [*base, "--dry-run"]) == 0
    assert "6 recordings of 3 subjects" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()
    assert main(corpus, [*base]) == 2
    assert "--output is missing" in capsys.readouterr().err
    for shard in ("1/2", "2/2"):
        assert main(corpus, [*base, "--output", str(tmp_path / "out"), "--shard", shard]) == 0
    assert main(corpus, [*base, "--output", str(tmp_path / "out"), "--merge"]) == 0
    assert len(load_dataset(str(tmp_path / "out"), split="train")) == 12
    assert main(corpus, [*base, "--output", str(tmp_path / "two"), "--subjects", "2-3"]) == 0
    assert set(load_dataset(str(tmp_path / "two"), split="train")["subject"]) == {"S002", "S003"}
    assert main(corpus, [*base, "--output", str(tmp_path / "two"), "--subjects", "9"]) == 2
    assert "no subject 9: there are S001, S002, S003" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(corpus, [*base, "--shard", "3/2"])


def test_a_script_runs_from_any_folder_and_its_help_teaches(tmp_path):
    script = str(SCRIPTS / "tuab.py")
    done = subprocess.run([sys.executable, script, "--help"], cwd=tmp_path, capture_output=True, text=True, check=True)
    for text in ("TUH Abnormal EEG Corpus", "--shard I/N", "--dry-run", "exit status", "signed request"):
        assert text in done.stdout
    assert "--public" not in done.stdout
    assert "--download" not in done.stdout


READ_FROM_HUB = """
import hashlib
from datasets import load_dataset

for rows in (
    load_dataset("org/eyes", split="train"),
    load_dataset("org/eyes", split="train", streaming=True),
):
    print(hashlib.sha256(repr(list(rows)).encode()).hexdigest())
"""


@pytest.fixture
def hub_client(hub_server, monkeypatch):
    """Makes the command talk to the loopback Hub; returns a client of it."""

    class Client(HfApi):
        def __init__(self):
            super().__init__(endpoint=hub_server.url, token="hf_loopback")

    monkeypatch.setattr("huggingface_hub.HfApi", Client)
    return Client()


def test_a_built_data_set_comes_back_from_the_hub_as_it_was(tmp_path, hub_server, hub_client):
    simulate_recordings(tmp_path / "in", subjects=2, montage=["Fp1", "Cz", "O1", "O2"], seconds=9)
    out = ["--source", str(tmp_path / "in"), "--output", str(tmp_path / "out"), "--num-proc", "1"]
    assert main(corpus_of("physionet_mi"), [*out, "--push-to-hub", "org/eyes"]) == 0
    assert hub_client.dataset_info("org/eyes").private
    names = hub_client.list_repo_files("org/eyes", repo_type="dataset")
    assert {"README.md", "recordings.jsonl", "data/train-00000-of-00001.parquet"} <= set(names)
    assert not any(".parts" in name for name in names)
    local = list(load_dataset(str(tmp_path / "out"), split="train"))
    done = subprocess.run(
        [sys.executable, "-c", READ_FROM_HUB],
        env=hub_server.environment(tmp_path / "home"),
        capture_output=True,
        text=True,
        check=False,
    )
    digest = hashlib.sha256(repr(local).encode()).hexdigest()
    assert done.stdout.split() == [digest, digest], done.stderr


def test_a_restricted_corpus_is_not_uploaded_where_others_see_it(tmp_path, hub_client, capsys):
    for name in ("normal/01_tcp_ar/aaaaaebo_s001_t000.edf", "abnormal/01_tcp_ar/aaaaaebp_s001_t000.edf"):
        write_edf(tmp_path / "in" / "train" / name, ["EEG FP1-REF", "EEG CZ-REF"], 250, 21)
    out = ["--source", str(tmp_path / "in"), "--output", str(tmp_path / "out"), "--num-proc", "1"]
    corpus = corpus_of("tuab")
    corpus.bad_channels = corpus.interpolate = ()
    with pytest.raises(SystemExit):
        main(corpus, [*out, "--push-to-hub", "org/tuab", "--public"])
    hub_client.create_repo("org/open", repo_type="dataset", private=False)
    assert main(corpus, [*out, "--push-to-hub", "org/open"]) == 2
    assert "org/open is public, and the terms of TUH Abnormal EEG Corpus" in capsys.readouterr().err
    assert "data" not in {name.split("/")[0] for name in hub_client.list_repo_files("org/open", repo_type="dataset")}
    assert main(corpus, [*out, "--push-to-hub", "org/mine"]) == 0
    assert hub_client.dataset_info("org/mine").private


def test_what_only_the_user_knows_is_an_option_of_the_build_that_asks_for_it(tmp_path, capsys):
    """Numbered channels in microvolts that claim to be volts: each failure names the option that helps."""
    rng = np.random.default_rng(0)
    (tmp_path / "source").mkdir()
    signal = 15 * rng.standard_normal(2560) + 10 * rng.standard_normal((64, 2560))
    info = mne.create_info([f"E{number}" for number in range(1, 65)], 256.0, "eeg")
    mne.io.RawArray(signal, info, verbose="ERROR").save(tmp_path / "source" / "a_raw.fif", verbose="ERROR")

    def build(*options):
        arguments = ["--source", str(tmp_path / "source"), "--output", str(tmp_path / "windows"), *options]
        status = main(corpus_of("recordings"), arguments)
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    status, said = build()
    assert status == 1
    assert "give --montage NAME" in said
    status, said = build("--montage", "GSN-HydroCel-64_1.0")
    assert status == 1
    assert "give --unit uV" in said
    status, said = build("--montage", "GSN-HydroCel-64_1.0", "--unit", "microns")
    assert "unknown unit 'microns'" in said
    assert "give --unit uV" in said
    assert build("--montage", "GSN-HydroCel-64_1.0", "--unit", "uV", "--mains", "50")[0] == 0
