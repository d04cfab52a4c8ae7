"""A corpus is built into the same bytes whatever happens on the way, and what goes wrong stops nothing else."""

import hashlib
import json
import multiprocessing
import os
import random
import shutil
import threading
import time
from pathlib import Path

import mne
import numpy as np
import pytest
from datasets import load_dataset
from tqdm import tqdm

from dare_eeg_hf.corpora import corpus as corpus_module
from dare_eeg_hf.corpora.build import build, merge
from dare_eeg_hf.corpora.parts import PARTS_FOLDER, part_paths
from dare_eeg_hf.corpora.windows import Event, Rejection, decode_signal
from dare_eeg_hf.recordings.recordings import normalize_raw
from dare_eeg_hf.recordings.simulation import simulate_recordings
from tests.corpora.simulated_corpus import MONTAGE, Simulated


def digests(output):
    """The bytes of everything that a data set consists of."""
    files = [path for path in sorted(Path(output).rglob("*")) if path.is_file() and PARTS_FOLDER not in path.parts]
    return {path.relative_to(output).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_a_build_gives_normalised_windows_that_load_dataset_and_streaming_read(source, built):
    assert built.complete
    assert sorted(digests(built.output)) == [
        "README.md",
        "data/test-00000-of-00001.parquet",
        "data/train-00000-of-00001.parquet",
        "recordings.jsonl",
    ]
    stored = load_dataset(str(built.output))
    stream = load_dataset(str(built.output), streaming=True)
    assert {split: len(rows) for split, rows in stored.items()} == {"train": 20, "test": 10}
    for split, rows in stored.items():
        assert list(rows) == list(stream[split])
    assert stored["train"].features["label"].names == ["eyes_open", "eyes_closed"]
    assert set(stored["train"]["subject"]).isdisjoint(stored["test"]["subject"])
    row = stored["test"][7]
    assert (row["recording"], row["corpus"], row["label"], row["onset"]) == ("S003/S003R02.edf", "simulated", 1, 8.0)
    raw = mne.io.read_raw_edf(source / "S003" / "S003R02.edf", verbose="error")
    expected = normalize_raw(raw, bad_channels=(), line_frequency=60)[0].get_data()[:, 2048:3072] * 1e3
    assert row["channel_names"] == [name.upper() for name in MONTAGE]
    assert np.abs(decode_signal(row) - expected).max() <= 1e-3 * np.abs(expected).max()


def test_the_closing_table_counts_files_windows_minutes_and_reasons(source, tmp_path):
    class Strict(Simulated):
        rejection = Rejection(largest_uv=60.0)

    table = str(build(Strict(), source, tmp_path))
    assert "amplitude beyond 60 uV" in table
    assert table.splitlines()[0].split() == ["split", "files", "windows", "minutes", "rejected"]
    assert table.splitlines()[1].split()[:2] == ["test", "2"]


def test_nothing_tells_where_the_corpus_lay(source, built):
    everything = b"".join(path.read_bytes() for path in built.output.rglob("*") if path.is_file())
    assert str(source).encode() not in everything
    assert source.name.encode() not in everything


def test_a_second_build_does_only_what_is_missing(source, built, tmp_path):
    first = build(Simulated(), source, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / PARTS_FOLDER).iterdir()}
    lost = part_paths(tmp_path, "S002/S002R01.edf")
    lost[0].unlink()
    again = build(Simulated(), source, tmp_path)
    changed = {path for path, state in before.items() if path.stat().st_mtime_ns != state}
    assert changed == {*lost} or changed == {*lost, tmp_path / PARTS_FOLDER / "assembled.txt"}
    assert str(first) == str(again)
    assert digests(tmp_path) == digests(built.output)


def test_several_processes_give_the_same_bytes(built, source, tmp_path):
    from dataset_scripts.physionet_mi import PhysioNetMI

    alone, together = tmp_path / "alone", tmp_path / "together"
    assert build(PhysioNetMI(), source, alone, num_proc=1).complete
    assert build(PhysioNetMI(), source, together, num_proc=2).complete
    assert digests(alone) == digests(together)


def test_shards_merged_are_what_one_build_gives(built, source, tmp_path):
    for shard in range(3):
        part = build(Simulated(), source, tmp_path / f"job{shard}", shard=(shard, 3))
        assert len(part.records) == 2
        assert not (tmp_path / f"job{shard}" / "data").exists()
    early = merge(Simulated(), source, tmp_path / "early", [tmp_path / "job0", tmp_path / "job1"])
    assert early.missing == ["S002/S002R01.edf", "S003/S003R02.edf"]
    assert not early.complete
    assert not (tmp_path / "early" / "data").exists()
    merged = merge(Simulated(), source, tmp_path / "merged", [tmp_path / f"job{shard}" for shard in range(3)])
    assert merged.complete
    assert digests(tmp_path / "merged") == digests(built.output)
    with pytest.raises(FileNotFoundError, match="no parts"):
        merge(Simulated(), source, tmp_path / "merged", [tmp_path])


def build_with_a_lock_of_its_own(source, output):
    """Build in a fork that will be killed: dying in a progress bar, it must not keep the lock of all bars."""
    tqdm.set_lock(threading.RLock())
    build(Simulated(), source, output)


def test_a_build_that_is_killed_again_and_again_ends_with_the_same_bytes(built, source, tmp_path):
    seed = random.randrange(10**6)
    print("seed", seed)
    rng = random.Random(seed)
    context = multiprocessing.get_context("fork")
    start = time.perf_counter()
    build(Simulated(), source, tmp_path / "undisturbed")
    duration = time.perf_counter() - start
    output, killed = tmp_path / "disturbed", 0
    for _ in range(12):
        process = context.Process(target=build_with_a_lock_of_its_own, args=(source, output))
        process.start()
        time.sleep(rng.uniform(0.0, duration / 2))  # alone on the machine, it may be faster than at first
        process.kill()
        process.join()
        killed += process.exitcode == -9
        for note in (output / PARTS_FOLDER).glob("[!.]*.json"):
            record = json.loads(note.read_text())
            assert record["error"] is None
            assert note.with_suffix(".parquet").is_file()
    assert killed > 0
    assert build(Simulated(), source, output).complete
    assert digests(output) == digests(built.output)
    assert not list(output.rglob(".tmp-*"))


def test_other_settings_or_files_are_built_anew(source, tmp_path):
    copy = tmp_path / "source"
    simulate_recordings(copy, subjects=1, montage=MONTAGE, seconds=21)
    first = build(Simulated(), copy, tmp_path / "out")

    class Overlapping(Simulated):
        overlap = 0.5

    assert len(load_dataset(str(tmp_path / "out"), split="train")) == 10
    assert build(Overlapping(), copy, tmp_path / "out").records[0].windows == 9
    assert len(load_dataset(str(tmp_path / "out"), split="train")) == 18
    assert build(Simulated(), copy, tmp_path / "out").records == first.records
    simulate_recordings(copy, subjects=1, montage=MONTAGE, seconds=13)
    assert build(Simulated(), copy, tmp_path / "out").records[0].windows == 3
    (copy / "S001" / "S001R02.edf").unlink()
    build(Simulated(), copy, tmp_path / "out")
    assert set(load_dataset(str(tmp_path / "out"), split="train")["recording"]) == {"S001/S001R01.edf"}


@pytest.fixture
def other_code(monkeypatch):
    """`other_code()`: from now on the code is another version, which is then the one of every fingerprint."""
    return lambda: monkeypatch.setattr(corpus_module, "code_version", lambda corpus: "another version")


def test_parts_of_another_version_are_built_again_and_it_is_told(source, built, tmp_path, other_code, caplog):
    shutil.copytree(built.output, tmp_path / "out")
    build(Simulated(), source, tmp_path / "out")
    assert not caplog.records
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out" / PARTS_FOLDER).glob("*.parquet")}
    other_code()
    result = build(Simulated(), source, tmp_path / "out")
    assert "6 of 6 recordings" in caplog.text
    assert "another version of the code" in caplog.text
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out" / PARTS_FOLDER).glob("*.parquet")}
    assert after.keys() == before.keys()
    assert not [name for name in after if after[name] == before[name]]
    assert {record.fingerprint for record in result.records} == {Simulated().fingerprint()}
    caplog.clear()
    build(Simulated(), source, tmp_path / "out")
    assert not caplog.records


def test_shards_of_another_version_are_not_merged_and_it_is_told(source, tmp_path, other_code):
    build(Simulated(), source, tmp_path / "old", shard=(0, 2))
    build(Simulated(), source, tmp_path / "out", shard=(1, 2))
    other_code()
    build(Simulated(), source, tmp_path / "new", shard=(1, 2))
    result = merge(Simulated(), source, tmp_path / "out", [tmp_path / "old", tmp_path / "new"])
    assert not result.complete
    assert len(result.missing) == 3
    assert all("cut by another version of the code" in name for name in result.missing)
    assert not (tmp_path / "out" / "data").exists()
    # What another version left in the output does not keep the right parts out.
    build(Simulated(), source, tmp_path / "new", shard=(0, 2))
    assert merge(Simulated(), source, tmp_path / "out", [tmp_path / "new"]).complete


def test_subjects_never_straddle_splits(source, tmp_path):
    class Straddling(Simulated):
        def split(self, recording):
            return "train" if recording.run == "01" else "test"

    with pytest.raises(ValueError, match="subject S001 would be in the splits"):
        build(Straddling(), source, tmp_path)


def test_broken_files_are_reported_and_stop_nothing(tmp_path, built):
    good, _ = simulate_recordings(tmp_path / "in", subjects=1, montage=MONTAGE, seconds=13)
    whole = good.read_bytes()
    bad = {
        "header": (whole[:100], "truncated|not|header|short"),
        "mangled": (whole.replace(b"\n", b"\r\n"), "line"),
        "html": (b"<!DOCTYPE html><html><body>404 Not Found</body></html>", "web page"),
        "empty": (b"", "empty"),
        "text": (b"just a letter to my friend\n" * 50, "not"),
    }
    for number, (content, _) in enumerate(bad.values(), start=2):
        folder = tmp_path / "in" / f"S{number:03d}"
        folder.mkdir()
        (folder / f"S{number:03d}R01.edf").write_bytes(content)
    os.symlink(tmp_path / "in", tmp_path / "in" / "S001" / "loop")
    os.symlink(tmp_path / "nowhere", tmp_path / "in" / "S020R01.edf")
    locked = tmp_path / "in" / "S021R01.edf"
    locked.write_bytes(whole)
    locked.chmod(0)
    os.mkdir(tmp_path / "in" / "S022R01.edf")
    latin = os.fsdecode(os.fsencode(tmp_path / "in") + b"/M\xfcller")
    os.mkdir(latin)
    Path(latin, "S023R01.edf").write_bytes(whole)
    Path(latin, "S024R01.edf").write_bytes(b"")

    result = build(Simulated(), tmp_path / "in", tmp_path / "out")
    failed = {record.recording: record.error for record in result.failed}
    for number, (kind, (_, message)) in enumerate(bad.items(), start=2):
        error = failed.pop(f"S{number:03d}/S{number:03d}R01.edf")
        assert any(word.lower() in error.lower() for word in message.split("|")), (kind, error)
        assert str(tmp_path) not in error
    assert "S020R01.edf" in failed
    assert "empty" in failed[r"M\xfcller/S024R01.edf"]
    if os.geteuid() != 0:
        assert "ermission" in failed["S021R01.edf"]
    rows = load_dataset(str(tmp_path / "out"), split="train")
    assert {"S001/S001R01.edf", "S001/S001R02.edf", r"M\xfcller/S023R01.edf"} <= set(rows["recording"])
    assert not result.complete
    assert "failed S005/S005R01.edf" in str(result)
    assert "S005/S005R01.edf" in (tmp_path / "out" / "README.md").read_text()


def test_a_truncated_file_gives_what_is_left_of_it_and_says_so(tmp_path):
    path, _ = simulate_recordings(tmp_path / "in", subjects=1, montage=MONTAGE, seconds=21)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    result = build(Simulated(), tmp_path / "in", tmp_path / "out")
    assert [record.windows for record in result.records] == [2, 5]
    assert "does not match the file size" in str(result)


def test_a_repaired_file_is_all_that_the_next_build_does(tmp_path, source):
    paths = simulate_recordings(tmp_path / "in", subjects=2, montage=MONTAGE, seconds=13)
    whole = paths[1].read_bytes()
    paths[1].write_bytes(whole[:1000])
    assert not build(Simulated(), tmp_path / "in", tmp_path / "out").complete
    paths[1].write_bytes(whole)
    assert build(Simulated(), tmp_path / "in", tmp_path / "out").complete
    build(Simulated(), tmp_path / "in", tmp_path / "at once")
    assert digests(tmp_path / "out") == digests(tmp_path / "at once")


def test_a_label_outside_the_declared_classes_fails_that_file_alone(source, tmp_path):
    class Surprised(Simulated):
        def label(self, recording):
            return "asleep" if recording.name == "S002/S002R02.edf" else super().label(recording)

    result = build(Surprised(), source, tmp_path)
    (failure,) = result.failed
    assert failure.recording == "S002/S002R02.edf"
    assert "'asleep' is outside the declared classes eyes_open, eyes_closed" in failure.error
    assert len(load_dataset(str(tmp_path), split="train")) == 15


def test_onsets_of_a_corpus_in_milliseconds_are_named_with_what_they_look_like(source, tmp_path):
    class Milliseconds(Simulated):
        def events(self, raw, recording):
            return [Event(1000.0, 4.0), Event(9000.0, 4.0)]

    result = build(Milliseconds(), source, tmp_path)
    assert result.complete
    (sentence,) = result.emptiness()
    assert sentence.startswith("no recording gave a window")
    said = "S001R01.edf: 2 of 2 events lie after its end (21.0 s), the last at 9000 s; they look like milliseconds"
    assert said in str(result)
    assert "more warnings, in recordings.jsonl: 1" in str(result)


def test_amplitudes_many_thousand_times_off_fail_with_the_likely_unit(tmp_path):
    (path, _) = simulate_recordings(tmp_path / "in", subjects=1, montage=MONTAGE, seconds=13)
    raw = mne.io.read_raw_edf(path, preload=True, verbose="error")
    raw._data *= 1e5
    mne.export.export_raw(path, raw, physical_range=(-9.9e6, 9.9e6), overwrite=True, verbose="error")
    result = build(Simulated(), tmp_path / "in", tmp_path / "out")
    (failure,) = result.failed
    assert "uV" in failure.error or "unit" in failure.error


def test_a_process_that_dies_takes_only_its_own_recording_along(tmp_path, monkeypatch):
    (tmp_path / "deadly_corpus.py").write_text(
        "import os, signal\n"
        "from dare_eeg_hf.corpora.corpus import EegCorpus\n"
        "class Deadly(EegCorpus):\n"
        "    name = title = 'deadly'\n"
        "    name_pattern = r'(?P<subject>S\\d{3})R01\\.edf$'\n"
        "    bad_channels = ()\n"
        "    def segments(self, recording):\n"
        "        if recording.subject == 'S002':\n"
        "            os.kill(os.getpid(), signal.SIGKILL)\n"
        "        return super().segments(recording)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    from deadly_corpus import Deadly

    simulate_recordings(tmp_path / "in", subjects=3, montage=MONTAGE[:3], seconds=5)
    result = build(Deadly(), tmp_path / "in", tmp_path / "out", num_proc=2)
    assert [(record.recording, record.error) for record in result.failed] == [
        ("S002/S002R01.edf", "its process was killed, perhaps because memory ran out")
    ]
    assert len(load_dataset(str(tmp_path / "out"), split="train")) == 2


def test_a_source_without_recordings_is_an_error_that_tells_how_to_get_them(tmp_path):
    class Wanted(Simulated):
        access = "Ask Alice."

    with pytest.raises(FileNotFoundError, match="Ask Alice"):
        build(Wanted(), tmp_path, tmp_path / "out")
    with pytest.raises(FileNotFoundError, match="is not a folder"):
        build(Wanted(), tmp_path / "nothing", tmp_path / "out")
