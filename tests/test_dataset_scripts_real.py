"""The corpus scripts on real recordings, where they are at hand."""

import importlib
import json
from collections import Counter

import mne
import numpy as np
import pytest
from datasets import load_dataset
from scipy.io import loadmat

from dare_eeg_hf.cli.prepare import main
from dare_eeg_hf.corpora.build import build
from dare_eeg_hf.corpora.corpus import EegCorpus, RecordingFile
from dare_eeg_hf.corpora.windows import Rejection, decode_signal

SSVEP = ("13_hz", "17_hz", "21_hz")


def corpus_of(name):
    """The corpus that a script describes."""
    script = importlib.import_module(f"dataset_scripts.{name}")
    kinds = [kind for kind in vars(script).values() if isinstance(kind, type) and issubclass(kind, EegCorpus)]
    (kind,) = (kind for kind in kinds if not any(other in kinds for other in kind.__subclasses__()))
    return kind()


def prepare(name, source, output, **options):
    """Build and open a corpus: label name -> number of windows per split, and all rows."""
    result = build(corpus_of(name), source, output, **options)
    assert result.complete, str(result)
    rows = load_dataset(str(output))
    counts = {s: Counter(part.features["label"].int2str(part["label"])) for s, part in rows.items()}
    return counts, rows


def test_real_eegmmidb_has_more_alpha_with_eyes_closed(tmp_path, shared):
    source = shared("data/eegmmidb")
    rest = tmp_path / "in"
    for path in source.glob("*/*R0[12]*.edf"):
        (rest / path.parent.name).mkdir(parents=True, exist_ok=True)
        (rest / path.parent.name / path.name).symlink_to(path)
    counts, rows = prepare("physionet_mi", rest, tmp_path / "out")
    rows = rows["train"]
    assert counts["train"]["eyes_closed"] + counts["train"]["eyes_open"] == len(rows)
    shares = {}
    for row in rows:
        signal = decode_signal(row)[[row["channel_names"].index(name) for name in ("O1", "OZ", "O2")]]
        assert 0.5e-3 < signal.std() < 0.1
        power = np.abs(np.fft.rfft(signal * np.hanning(1024))).mean(axis=0) ** 2
        frequency = np.fft.rfftfreq(1024, 1 / 256)
        band = (frequency >= 1) & (frequency <= 40)
        share = power[(frequency >= 8) & (frequency <= 12)].sum() / power[band].sum()
        shares.setdefault((row["subject"], row["label"]), []).append(share)
    names = rows.features["label"]
    for subject in ("S001", "S002", "S003", "S004"):
        closed = np.mean(shares[subject, names.str2int("eyes_closed")])
        assert closed > 1.5 * np.mean(shares[subject, names.str2int("eyes_open")])


def test_real_eegmmidb_runs_have_fifteen_movements_of_the_right_kind(tmp_path, shared):
    source = shared("data/eegmmidb/S001")
    for run in ("03", "04", "05", "06"):
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / f"S001R{run}.edf").symlink_to(source / f"S001R{run}.edf")
    corpus = corpus_of("physionet_mi")
    corpus.rejection = Rejection(None, None, None)
    build(corpus, tmp_path / "in", tmp_path / "out")
    rows = load_dataset(str(tmp_path / "out"), split="train")
    names = rows.features["label"]
    assert len(rows[0]["channel_names"]) == 60
    for run, kinds in {
        "03": {"left_fist", "right_fist"},
        "04": {"imagined_left_fist", "imagined_right_fist"},
        "05": {"both_fists", "both_feet"},
        "06": {"imagined_both_fists", "imagined_both_feet"},
    }.items():
        labels = Counter(
            names.int2str(label)
            for recording, label in zip(rows["recording"], rows["label"], strict=True)
            if recording == f"S001R{run}.edf"
        )
        assert set(labels) == {"rest", *kinds}
        assert sum(labels[kind] for kind in kinds) == 15
        raw = mne.io.read_raw_edf(source / f"S001R{run}.edf", verbose="error")
        first = {"T1": 0, "T2": 1}[next(text for text in raw.annotations.description if text != "T0")]
        expected = corpus.events(raw, RecordingFile(source, "", "S001", run=run))[1].label
        assert expected in kinds
        assert (expected in {"left_fist", "imagined_left_fist", "both_fists", "imagined_both_fists"}) == (first == 0)


def test_the_real_eeglab_sample_becomes_windows(tmp_path, shared):
    out = ["--source", str(shared("data/eeglab-visual-attention")), "--output", str(tmp_path), "--num-proc", "1"]
    events = ["--labels", "target", "--events", "square=target", "--tmin", "-0.2", "--tmax", "0.8"]
    assert main(corpus_of("recordings"), [*out, *events]) == 0
    rows = load_dataset(str(tmp_path), split="train")
    assert 70 <= len(rows) <= 80
    assert 25 <= len(rows[0]["channel_names"]) <= 30
    assert "EOG1" not in rows[0]["channel_names"]


@pytest.mark.parametrize(
    ("name", "folder", "subjects", "expected"),
    [
        ("mental_arithmetic", "eegmat", ["Subject03", "Subject06"], {"rest": 72, "arithmetic": 24}),
        ("guinea_bissau", "guinea-bissau-epilepsy", ["16"], None),
        ("uci_alcoholism", "uci-eeg-alcoholism", ["co2a0000370", "co2c0000341"], None),
        ("eye_state", "uci-eeg-eye-state", None, None),
        ("bcic_ii_iv", "bci-competition-2-iv", None, {"left": 208, "right": 208}),
        ("muse_erp", "muse-erp", None, None),
        ("guinea_bissau", "guinea-bissau-epilepsy-more", ["2"], None),
        ("ssvep_exoskeleton", "ssvep-exoskeleton", ["subject10"], dict.fromkeys(("rest", *SSVEP), 32)),
        ("bcic_2b", "bcic-2b-imagery", ["B01"], {"left_hand": 120, "right_hand": 120}),
    ],
)
def test_real_recordings_become_windows_of_physiological_amplitude(name, folder, subjects, expected, tmp_path, shared):
    source = shared(f"data/{folder}")
    corpus = corpus_of(name)
    present = {recording.subject for recording in corpus.recordings(source)}
    chosen = sorted(present)[:2] if subjects and not set(subjects) <= present else subjects
    counts, rows = prepare(name, source, tmp_path, subjects=chosen)
    (counts,) = counts.values()
    assert expected is None or counts == expected
    assert len(counts) > 1 or name == "guinea_bissau"
    (rows,) = rows.values()
    amplitudes = [decode_signal(row).std(axis=1) * 1e3 for row in rows]
    assert 1 < np.median(np.concatenate(amplitudes)) < 100


def test_real_muse_cueing_becomes_windows_of_two_electrodes(tmp_path, shared):
    corpus = corpus_of("muse_cueing")
    assert len({recording.subject for recording in corpus.recordings(shared("data/muse-cueing"))}) == 48
    assert build(corpus, shared("data/muse-cueing"), tmp_path, subjects=["subject101"]).complete
    rows = load_dataset(str(tmp_path), split="train")
    assert 40 < len(rows) <= 59
    assert rows[0]["channel_names"] == ["AF7", "AF8"]


def test_real_ssvep_flickers_at_the_frequency_of_its_label(tmp_path, shared):
    """Over the people, power at each frequency is highest in the trials of that light."""
    corpus = corpus_of("ssvep_exoskeleton")
    chosen = ["subject07", "subject12"]
    assert build(corpus, shared("data/ssvep-exoskeleton"), tmp_path, subjects=chosen).complete
    rows = load_dataset(str(tmp_path), split="train")
    signals = np.stack([decode_signal(row) for row in rows])
    power = np.abs(np.fft.rfft(signals * np.hanning(1024))).mean(axis=1) ** 2
    labels = np.array(rows.features["label"].int2str(rows["label"]))
    for name in SSVEP:
        at_light = np.log(power[:, 4 * int(name[:2])])
        means = {other: at_light[labels == other].mean() for other in SSVEP}
        assert max(means, key=means.get) == name, means


def test_every_real_format_becomes_windows_or_a_reason(tmp_path, shared, capsys):
    out = ["--source", str(shared("data/formats")), "--output", str(tmp_path), "--num-proc", "1"]
    assert main(corpus_of("recordings"), out) == 1
    closing = capsys.readouterr().out
    assert "failed SC4001EC-Hypnogram.edf: RecordingError" in closing
    assert "holds no signals, only annotations" in closing
    built = {json.loads(line)["recording"] for line in (tmp_path / "recordings.jsonl").read_text().splitlines()}
    assert {"eeglab_test.edf", "test_edf_overlapping_annotations.edf", "brainvision_dat/testbva.vhdr"} <= built


def test_bcic_labels_match_the_file_they_come_from(shared):
    file = shared("data/bci-competition-2-iv/sp1s_aa.mat")
    answers = loadmat(file)
    assert Counter(answers["y_train"].ravel().tolist() + answers["y_test"].ravel().tolist()) == {0: 208, 1: 208}
