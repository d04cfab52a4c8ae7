"""Streams of real processes over LSL on this machine, and what may happen to them."""

import subprocess
import sys
import time
import uuid
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("mne_lsl", reason="needs mne-lsl (the extra `live`)")

from dare_eeg_hf.live.lab_streaming import EegStream, LabelOutlet, describe_stream, find_stream, lsl
from dare_eeg_hf.live.live_classifier import LiveClassifier
from dare_eeg_hf.remedies_dare_eeg import InputError
from tests.live.played import NAMES
from tests.test_shipped_models import EYES_CLASSIFIER

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def source(*steps: str):
    """A process that streams and fails as told; gives its stream's name and the process."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    command = [sys.executable, "-m", "tests.live.faulty_source", name, *steps]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        yield name, process
    finally:
        process.terminate()
        process.wait()


def follow(*steps: str, step: float = 0.5):
    """All answers for a source that fails as told, and its account of the faults: (what, before, after)."""
    classifier = LiveClassifier(EYES_CLASSIFIER, step=step)
    windows = []
    with source(*steps) as (name, process), EegStream(name, timeout=30) as stream:
        for window in classifier.windows(stream):
            windows.append(window)
            if process.poll() is not None and window.onset is None:
                break
        account = [line.split() for line in process.stdout.read().splitlines()]
    return windows, [(what, float(before), float(after)) for what, before, after in account]


def check_no_false_label(windows, faults):
    """No answered window holds a moment whose samples were lost."""
    for window in (each for each in windows if each.usable):
        for what, before, after in faults:
            assert min(window.time, after) - max(window.time - window.duration, before) < 0.02, (what, window)


def test_lost_samples_and_a_leaping_clock_are_gaps():
    windows, account = follow("play:4.7", "drop:1.2", "play:4.7", "leap:-60", "play:4.7")
    faults = [fault for fault in account if fault[0] == "drop"]
    assert len(faults) == 1
    check_no_false_label(windows, faults)
    assert sum(window.reason == "samples are missing here" for window in windows) == 2
    played = [(before, after) for what, before, after in account if what == "play"]
    for before, after in played:  # an answer in each stretch between two faults
        assert [each for each in windows if each.usable and before <= each.time <= after + 0.1]


def test_a_stall_and_a_stream_that_goes_away_and_comes_back():
    windows, account = follow("play:4.5", "stall:1.6", "play:2", "vanish:1.5", "play:7")
    faults = [fault for fault in account if fault[0] == "vanish"]
    check_no_false_label(windows, faults)
    waiting = [window for window in windows if window.reason and window.reason.startswith("no samples for")]
    assert len(waiting) >= 3
    last = account[-1]
    assert [window for window in windows if window.usable and window.time > last[1] + 4]
    assert sum(window.reason == "samples are missing here" for window in windows) == 1  # late samples are no gap


def test_a_stream_says_what_it_is():
    with source("play:1") as (name, _), EegStream(name, timeout=30) as stream:
        assert stream.channel_names == NAMES
        assert stream.rate == 128
        chunk = next(each for each in stream if len(each.times))
        assert chunk.restarted
        assert chunk.signal.shape == (len(NAMES), len(chunk.times))
        assert 0 < np.abs(chunk.signal - 300).mean() < 100
        assert abs(chunk.arrived - chunk.times[-1]) < 5


def info(**changes):
    described = {
        "name": "amp",
        "source_id": "1",
        "sfreq": 250.0,
        "dtype": "float32",
        "types": ["eeg", "eeg", "aux"],
        "names": ["Fz", "Cz", "trigger"],
        "units": ["microvolts", "mV", "none"],
    } | changes
    getters = {f"get_channel_{name}": (lambda value=described[name]: value) for name in ("types", "names", "units")}
    return SimpleNamespace(**described, **getters, n_channels=3)


def test_only_eeg_channels_are_taken_each_in_its_unit():
    described = describe_stream(info())
    assert described.channel_names == ["Fz", "Cz"]
    assert described.picks == [0, 1]
    np.testing.assert_allclose(described.factors, [1, 1000])
    np.testing.assert_allclose(describe_stream(info(units=["-6", "0", "0"])).factors, [1, 1e6])
    np.testing.assert_allclose(describe_stream(info(units=None), unit="nV").factors, [1e-3, 1e-3])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sfreq": 0.0}, "no regular sampling rate"),
        ({"dtype": "string"}, "carries texts"),
        (
            {"types": ["aux", "aux", "markers"]},
            "None of the channels .* is EEG: they are aux, markers",
        ),
        ({"units": [None, None, None]}, "does not say in which unit"),
        ({"units": ["furlong", "uV", "uV"]}, "unknown unit 'furlong'"),
    ],
)
def test_what_a_stream_lacks_is_asked_for(changes, message):
    with pytest.raises(InputError, match=message):
        describe_stream(info(**changes))


def test_channels_without_names_are_numbered():
    assert describe_stream(info(names=None)).channel_names == ["1", "2"]


def test_a_missing_stream_is_named_with_those_that_are_there():
    with source("play:20") as (name, _):
        find_stream(name, timeout=30)
        with pytest.raises(InputError, match=rf"no stream called 'nowhere'.*{name} \(EEG, 19 channels\)"):
            find_stream("nowhere", timeout=1)


def test_labels_are_an_lsl_stream_of_markers():
    name = f"labels-{uuid.uuid4().hex[:8]}"
    outlet = LabelOutlet(name, "amp")
    found = find_stream(name, timeout=30)
    assert (found.stype, found.sfreq) == ("Markers", 0)
    inlet = lsl().StreamInlet(found)
    inlet.open_stream(timeout=10)
    time.sleep(0.5)
    outlet.push("eyes closed", 123.0)
    (label,), at = inlet.pull_sample(timeout=10)
    assert (label, at) == ("eyes closed", 123.0)


def test_lsl_stays_on_this_machine_unless_the_user_says_more(tmp_path):
    code = (
        "import os; from dare_eeg_hf.live import lab_streaming; lab_streaming.stay_on_this_machine(); "
        "print(os.environ['LSLAPICFG'])"
    )
    environment = {"PATH": "/usr/bin", "PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}

    def configuration(**more: str) -> str:
        command = [sys.executable, "-c", code]
        done = subprocess.run(
            command, env=environment | more, cwd=tmp_path, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    assert "ResolveScope = machine" in Path(configuration()).read_text()
    assert configuration(LSLAPICFG="/somewhere/own.cfg") == "/somewhere/own.cfg"
