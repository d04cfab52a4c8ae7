"""Reading ahead: the same items in order, errors and warnings where they are asked for, and nothing left running."""

import threading
import warnings

import pytest

from dare_eeg_hf import windows_dare_eeg
from dare_eeg_hf.reading_ahead_dare_eeg import InBackground, read_ahead


def threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name == "reading ahead"]


def test_items_come_in_order_and_the_next_one_is_read_meanwhile():
    begun = threading.Event()

    def items():
        yield 0
        begun.set()
        yield from range(1, 5)

    taken = []
    for item in read_ahead(items()):
        assert begun.wait(60)  # before the second item is asked for
        taken.append(item)
    assert taken == list(range(5))
    assert not threads()


def test_no_more_than_one_item_is_read_ahead():
    read = []

    def items():
        for number in range(5):
            read.append(number)
            yield number

    for item in read_ahead(items()):
        assert read[-1] <= item + 1


def test_an_error_comes_after_what_was_read_before_it():
    def items():
        yield 0
        yield 1
        raise ValueError("damaged")

    taken = []
    with pytest.raises(ValueError, match="damaged"):
        taken += [taken.append(item) for item in read_ahead(items())]
    assert taken == [0, 1]
    assert not threads()


def test_whoever_stops_in_the_middle_leaves_nothing_running():
    ahead = read_ahead(iter(range(5)))
    assert next(ahead) == 0
    ahead.close()
    assert not threads()


def test_warnings_come_out_where_the_result_is_asked_for():
    with warnings.catch_warnings(record=True) as early:
        warnings.simplefilter("always")
        call = InBackground(warnings.warn, "a doubtful channel", UserWarning, stacklevel=2)
        call.wait()
        filters = list(warnings.filters)
    assert not early
    with pytest.warns(UserWarning, match="a doubtful channel"):
        call.result()
    assert filters[0][0] == "always"


def test_pieces_that_are_read_ahead_give_the_same_answers(classify, encode, eyes_recordings, monkeypatch):
    monkeypatch.setattr(windows_dare_eeg, "SEGMENT_SECONDS", 12.0)
    recording = str(eyes_recordings[0])
    found, features = classify(recording), encode(recording)["features"]
    monkeypatch.setattr(windows_dare_eeg, "read_ahead", lambda items: items)
    assert found == classify(recording)
    assert (features == encode(recording)["features"]).all()
    assert not threads()


def test_an_opened_recording_is_answered_like_its_file(classify, eyes_recordings, capsys):
    recording = str(eyes_recordings[0])
    opened = InBackground(classify.open, recording, overlap=0.5)
    assert classify(opened.result(), progress=True) == classify(recording, overlap=0.5)
    assert "window" in capsys.readouterr().err
    with pytest.raises(FileNotFoundError, match="no-such-file"):
        InBackground(classify.open, "no-such-file.edf").result()
