"""Times in EDF+ and BDF+ files: interrupted recordings, and the samples at which their events lie."""

import warnings

import mne
import numpy as np
import pytest

from dare_eeg_hf.recordings.edf_annotations import edf_timeline
from dare_eeg_hf.recordings.readers import read_raw
from dare_eeg_hf.recordings.recordings import RecordingError, RecordingWarning, load_recording
from tests.recordings.written_recordings import RATE, SIGNAL, SIX, check_signal, read_with_messages

pytestmark = pytest.mark.filterwarnings("ignore::dare_eeg_hf.feature_extraction_dare_eeg.EegWarning")


def burst(seconds: float, at: float, rate: int = RATE) -> np.ndarray:
    """(channels, samples) in microvolts: quiet noise, and one second of 300 uV at `at` seconds of signal."""
    signal = np.random.default_rng(0).normal(0, 10, (len(SIX), round(seconds * rate)))
    signal[:, round(at * rate) : round((at + 1) * rate)] *= 30
    return signal


def gap(records: int, after: int, missing: float, seconds: float = 1.0) -> list[str]:
    """Time stamps of records of which `missing` seconds are missing after the first `after`."""
    return [f"+{i * seconds + (missing if i >= after else 0):.9g}" for i in range(records)]


def read(path, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        raw = read_raw(path, **options)
    return raw, [str(w.message) for w in caught if issubclass(w.category, RecordingWarning)]


def events(raw) -> dict[str, tuple[float, float]]:
    return {
        text: (onset, duration)
        for onset, duration, text in zip(
            raw.annotations.onset, raw.annotations.duration, raw.annotations.description, strict=True
        )
        if "boundary" not in text
    }


def breaks(raw) -> list[float]:
    return [a["onset"] for a in raw.annotations if a["description"] == "EDGE boundary"]


def loudest_second(raw) -> float:
    power = raw.get_data().std(axis=0)
    rate = round(raw.info["sfreq"])
    return np.convolve(power, np.ones(rate), "valid").argmax() / rate


@pytest.mark.parametrize("preload", [False, True])
@pytest.mark.parametrize("kind", ["EDF+D", "BDF+D", "EDF+C", "BDF+C"])
def test_an_event_after_a_gap_lies_at_its_samples(tmp_path, kind, preload, write_edf_plus):
    path = write_edf_plus(
        tmp_path / f"x.{kind[:3].lower()}",
        burst(40, at=15),
        RATE,
        SIX,
        stamps=gap(40, after=10, missing=5),
        annotations=[(20, 1, "burst"), (44, 0, "end")],
        kind=kind,
    )
    raw, messages = read(path, preload=preload)
    assert breaks(raw) == [10.0]
    assert sum(a["description"] == "BAD boundary" for a in raw.annotations) == 1
    # MNE itself leaves "end" out: by the file's clock it lies behind the last sample.
    assert events(raw) == {"burst": (15.0, 1.0), "end": (39.0, 0.0)}
    assert loudest_second(raw) == pytest.approx(15.0, abs=0.05)
    assert any("interrupted once (after 10 s of signal); 5 s are missing" in message for message in messages)


def test_the_normalised_recording_has_the_event_and_two_pieces(tmp_path, write_edf_plus):
    path = write_edf_plus(
        tmp_path / "x.edf", burst(40, at=15), RATE, SIX, stamps=gap(40, 10, 5), annotations=[(20, 1, "burst")]
    )
    raw, report = load_recording(path)
    assert report.pieces == 2
    assert events(raw)["burst"][0] == pytest.approx(15.0, abs=0.01)
    assert any("5 s are missing" in message for message in report.warnings)


def test_the_shared_interrupted_recording(shared):
    raw, _ = read(shared("cases/edfd_gap5.edf"))
    onset = events(raw)["burst"][0]
    assert onset == 15.0
    assert loudest_second(raw) == pytest.approx(onset, abs=0.2)


def test_a_wrong_extension_and_left_out_channels_change_no_time(tmp_path, write_edf_plus):
    path = write_edf_plus(
        tmp_path / "x.dat", burst(40, at=15), RATE, SIX, stamps=gap(40, 10, 5), annotations=[(20, 1, "burst")]
    )
    raw, _ = read(path, exclude=["Fp1"])
    assert raw.ch_names == SIX[1:]
    assert (breaks(raw), events(raw)) == ([10.0], {"burst": (15.0, 1.0)})


def test_what_lies_in_a_gap_is_cut_or_named(tmp_path, write_edf_plus):
    path = write_edf_plus(
        tmp_path / "x.edf",
        burst(20, at=3),
        RATE,
        SIX,
        stamps=gap(20, after=10, missing=5),
        annotations=[
            (8, 4, "into the gap"),
            (8, 10, "across the gap"),
            (12, 5, "out of the gap"),
            (11, 2, "lost"),
            (12, 0, "lost too"),
            (15, 0, "at the resumption"),
            (14.999, 0, "a hair before the resumption"),
            (16, 2, "after"),
        ],
    )
    raw, messages = read(path)
    assert events(raw) == {
        "into the gap": (8, 2),
        "across the gap": (8, 5),
        "out of the gap": (10, 2),
        "at the resumption": (10, 0),
        "a hair before the resumption": (pytest.approx(10, abs=0.5 / RATE), 0),
        "after": (11, 2),
    }
    assert any("2 annotations lie in a gap" in m and "'lost (11 s)', 'lost too (12 s)'" in m for m in messages)


def test_many_breaks_of_any_length_in_records_of_a_fraction(tmp_path, write_edf_plus):
    seconds, missing = 0.25, {8: 0.1, 20: 3600.0, 21: 7.25}
    clock = np.arange(40) * seconds
    for record, length in missing.items():
        clock[record:] += length
    path = write_edf_plus(
        tmp_path / "x.edf",
        burst(10, at=6),
        RATE,
        SIX,
        seconds=seconds,
        stamps=[f"+{time:.9g}" for time in clock],
        annotations=[(float(clock[24]), 1, "burst")],
    )
    raw, messages = read(path)
    assert breaks(raw) == [2.0, 5.0, 5.25]
    assert events(raw) == {"burst": pytest.approx((6.0, 1.0))}
    assert any("interrupted 3 times" in message and "3607.35 s are missing" in message for message in messages)


def test_a_clock_that_was_set_back(tmp_path, write_edf_plus):
    stamps = gap(20, after=10, missing=-4)
    path = write_edf_plus(
        tmp_path / "x.edf",
        burst(20, at=3),
        RATE,
        SIX,
        stamps=stamps,
        # Stored in the records 0 and 12, of which the second was recorded after the clock was set back.
        annotations=[(8, 0.5, "first time"), *[(0, 0, "")] * 11, (8, 0.5, "second time"), (3, 1, "once")],
    )
    raw, messages = read(path)
    assert breaks(raw) == [10.0]
    assert events(raw) == {"first time": (8, 0.5), "second time": (12, 0.5), "once": (3, 1)}
    assert any("goes back once by 4 s" in message for message in messages)


def test_an_interrupted_format_without_interruption_says_nothing(tmp_path, write_edf_plus):
    path = write_edf_plus(tmp_path / "x.edf", burst(20, 3), RATE, SIX, annotations=[(3, 1, "burst")])
    raw, messages = read(path)
    assert (breaks(raw), events(raw), messages) == ([], {"burst": (3, 1)}, [])


@pytest.mark.parametrize("start", ["+0.5", "+0.123456", "+3600"])
def test_a_first_time_stamp_other_than_zero(tmp_path, start, write_edf_plus):
    stamps = [f"+{float(start) + i + (5 if i >= 10 else 0):.9g}" for i in range(20)]
    onset = float(start) + 18
    path = write_edf_plus(
        tmp_path / "x.edf", burst(20, 13), RATE, SIX, stamps=stamps, annotations=[(onset, 1, "burst")]
    )
    raw, _ = read(path)
    assert breaks(raw) == [10.0]
    assert events(raw) == {"burst": pytest.approx((13.0, 1.0))}


def test_several_annotation_signals(tmp_path, write_edf_plus):
    path = write_edf_plus(
        tmp_path / "x.edf",
        burst(40, 15),
        RATE,
        SIX,
        stamps=gap(40, 10, 5),
        annotations=[(20, 1, "burst")],
        annotation_signals=3,
    )
    raw, _ = read(path)
    assert (breaks(raw), events(raw)) == ([10.0], {"burst": (15.0, 1.0)})


def test_records_without_time_stamps_follow_on_and_it_is_said(tmp_path, write_edf_plus):
    stamps = [None if i in (0, 3, 12) else stamp for i, stamp in enumerate(gap(20, 10, 5))]
    path = write_edf_plus(tmp_path / "x.edf", burst(20, 3), RATE, SIX, stamps=stamps, annotations=[(18, 1, "e")])
    raw, messages = read(path)
    assert (breaks(raw), events(raw)) == ([10.0], {"e": (13, 1)})
    assert any("3 of its 20 records have no time stamp" in message for message in messages)


def test_an_interrupted_format_without_any_time_stamp_is_doubted(tmp_path, write_edf_plus):
    path = write_edf_plus(tmp_path / "x.edf", burst(20, 3), RATE, SIX, annotation_signals=0)
    with pytest.warns(RecordingWarning, match="no time stamp says where"):
        assert breaks(read_raw(path)) == []


@pytest.mark.parametrize(
    ("shift", "found"), [(0.4 / RATE, False), (-0.4 / RATE, False), (0.6 / RATE, True), (-0.6 / RATE, True)]
)
def test_less_than_half_a_sample_is_no_jump(shift, found):
    stamps = np.arange(20.0) + np.where(np.arange(20) >= 7, shift, 0)
    timeline = edf_timeline(stamps, 1.0, RATE, decimals=6)
    assert (timeline is not None) == found


def test_rounded_time_stamps_are_no_jumps():
    seconds, rate = 1 / 3, 3000
    stamps = np.round(np.arange(50) * seconds, 3)
    assert edf_timeline(stamps, seconds, rate, decimals=3) is None
    stamps[30:] += 2
    np.testing.assert_allclose(edf_timeline(stamps, seconds, rate, decimals=3).breaks, [10.0])


def test_time_stamps_that_waver_are_no_jumps():
    stamps = np.arange(200) + np.random.default_rng(0).normal(0, 0.01, 200)
    with pytest.warns(RecordingWarning, match="jitter by .* ms"):
        assert edf_timeline(stamps, 1.0, RATE, decimals=6) is None


def test_a_clock_that_drifts_without_jumps_keeps_events_at_their_samples():
    stamps = np.arange(1000) * 1.0005
    timeline = edf_timeline(stamps, 1.0, RATE, decimals=6)
    assert len(timeline.breaks) == 0
    assert timeline.locate(float(stamps[800]), 0.0)[0] == pytest.approx(800.0)


def test_a_day_of_records_takes_no_time():
    stamps = np.arange(86_400.0)
    stamps[40_000:] += 60
    stamps[50_000:] += 60
    timeline = edf_timeline(stamps, 1.0, RATE, decimals=0)
    assert timeline.breaks.tolist() == [40_000, 50_000]
    assert timeline.jumps.tolist() == [60, 60]


def test_annotations_are_those_of_mne_where_nothing_jumps(tmp_path, write_edf_plus):
    path = write_edf_plus(
        tmp_path / "x.edf",
        burst(20, 3),
        RATE,
        SIX,
        annotations=[(3, 1, "same"), (3, 1, "same"), (1, 0, "早い"), (2.5, 30, "beyond the end"), (4, 1, "eye@@Fp1")],
        kind="EDF+C",
    )
    raw, _ = read(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = mne.io.read_raw_edf(path, verbose="ERROR").annotations
    assert list(raw.annotations.description) == list(expected.description)
    assert list(raw.annotations.ch_names) == list(expected.ch_names)
    np.testing.assert_array_equal(raw.annotations.onset, expected.onset)
    np.testing.assert_array_equal(raw.annotations.duration, expected.duration)


def test_an_event_behind_the_end_is_left_out_and_it_is_said(tmp_path, write_edf_plus):
    path = write_edf_plus(tmp_path / "x.edf", burst(20, 3), RATE, SIX, annotations=[(25, 1, "late"), (3, 1, "burst")])
    with pytest.warns(RuntimeWarning, match="Omitted 1 annotation"):
        assert list(read_raw(path).annotations.description) == ["burst"]


def test_records_of_no_length_are_refused(tmp_path, write_edf_plus):
    path = write_edf_plus(tmp_path / "x.edf", burst(20, 3), RATE, SIX)
    content = bytearray(path.read_bytes())
    content[244:252] = b"0".ljust(8)
    path.write_bytes(content)
    with pytest.raises(RecordingError, match="records last 0 s, so the sampling rate is unknown"):
        read_raw(path)


@pytest.mark.parametrize("seed", range(5))
def test_every_sample_is_found_by_the_time_it_was_recorded_at(seed):
    """The clock of each sample, spelled out, against the timeline: gaps and records of any length."""
    random = np.random.default_rng(seed)
    per_record = int(random.integers(2, 50))
    seconds = per_record / RATE
    gaps = np.where(random.random(60) < 0.1, random.uniform(0.05, 20, 60), 0)
    stamps = np.arange(60) * seconds + np.cumsum(gaps) - gaps[0]
    timeline = edf_timeline(stamps, seconds, RATE, decimals=9)
    clock = (stamps[:, None] + np.arange(per_record) / RATE).ravel()
    for sample in random.choice(len(clock), 50):
        onset, duration = timeline.locate(float(clock[sample]) + 1e-9, 5.0)
        assert onset * RATE == pytest.approx(sample, abs=1e-3)
        inside = ((clock >= clock[sample]) & (clock < clock[sample] + 5.0 + 1e-9)).sum()
        if clock[sample] + 5.0 < clock[-1]:
            assert duration * RATE == pytest.approx(inside, abs=1.001)


@pytest.mark.parametrize("kind", ["EDF+C", "BDF+C"])
def test_one_annotation_in_latin1_refuses_nothing(tmp_path, kind, write_edf_plus):
    annotations = [(1, 1, "Öffnen".encode()), (3, 1, "Größe".encode("latin-1")), (5, 1, "闭眼".encode())]
    path = write_edf_plus(tmp_path / f"x.{kind[:3]}", SIGNAL, RATE, SIX, annotations=annotations, kind=kind)
    raw, messages = read_with_messages(path)
    check_signal(raw)
    assert list(raw.annotations.description) == ["Öffnen", "Größe", "闭眼"]
    assert [m for m in messages if "read as Latin-1" in m] == [
        "annotations that are not UTF-8 were read as Latin-1: 'Größe'"
    ]


def test_the_shared_recording_with_a_latin1_annotation(shared):
    raw, messages = read_with_messages(shared("cases/latin1_ann.edf"))
    assert raw.n_times == 40 * 256
    assert list(raw.annotations.description) == ["Anfall Größe"]
    assert any("read as Latin-1" in message for message in messages)


def test_an_encoding_that_was_asked_for_is_used(tmp_path, write_edf_plus):
    path = write_edf_plus(tmp_path / "x.edf", SIGNAL, RATE, SIX, annotations=[(1, 1, "глаза".encode("cp1251"))])
    raw, messages = read_with_messages(path, encoding="cp1251")
    assert (list(raw.annotations.description), messages) == (["глаза"], [])


def test_a_text_of_several_lines_is_one_annotation(tmp_path, write_edf_plus):
    path = write_edf_plus(tmp_path / "x.edf", SIGNAL, RATE, SIX, annotations=[(1, 1, "eyes\r\nclosed")])
    assert list(read_with_messages(path)[0].annotations.description) == ["eyes\r\nclosed"]
