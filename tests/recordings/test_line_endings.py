"""Binary recordings that were copied as text: recognised, never read as garbage, and restored where that is exact."""

import re

import numpy as np
import pytest

from dare_eeg_hf.recordings.line_endings import main, restore_line_endings
from dare_eeg_hf.recordings.readers import read_raw
from dare_eeg_hf.recordings.recordings import RecordingError

NAMES = ["Fp1", "Fp2", "C3", "C4", "O1", "O2"]
RATE = 200


@pytest.fixture(params=["EDF", "EDF+C", "BDF+C"])
def recording(tmp_path, request, write_edf_plus):
    """A minute of EEG-like noise, plain or with annotations."""
    signal = np.random.default_rng(0).normal(0, 40, (len(NAMES), 60 * RATE))
    kind = request.param
    return write_edf_plus(
        tmp_path / f"x.{kind[:3].lower()}", signal, RATE, NAMES, kind=kind, annotation_signals=int("+" in kind)
    )


def refuse(path) -> str:
    with pytest.raises(RecordingError) as error:
        read_raw(path)
    assert "encoding" not in str(error.value)
    return str(error.value)


def test_a_carriage_return_before_every_line_feed_is_taken_out_again(recording, capsys):
    original = recording.read_bytes()
    recording.write_bytes(original.replace(b"\n", b"\r\n"))
    message = refuse(recording)
    assert "every line feed follows a carriage return" in message
    # The command that the message gives is one that works.
    damaged, _ = re.search(r"dare_eeg_hf\.recordings\.line_endings (\S+) (\S+)$", message).groups()
    restored = recording.with_name(f"restored{recording.suffix}")
    assert main([damaged, str(restored)]) == 0
    assert restored.read_bytes() == original
    assert read_raw(restored).n_times == 60 * RATE


def test_a_converted_file_that_was_cut_to_its_size_is_recognised(recording):
    original = recording.read_bytes()
    recording.write_bytes(original.replace(b"\n", b"\r\n")[: len(original)])
    assert "cannot be undone exactly" in refuse(recording)
    with pytest.raises(RecordingError, match="cannot be restored exactly"):
        restore_line_endings(recording, recording.with_suffix(".new"))
    assert not recording.with_suffix(".new").exists()


def test_a_converted_header_is_recognised_and_restored(recording):
    original = bytearray(recording.read_bytes())
    original[60:62] = b"\n\n"  # a line feed in the patient's entry moves every number of the header
    recording.write_bytes(bytes(original).replace(b"\n", b"\r\n"))
    assert "line_endings" in refuse(recording)
    restored = restore_line_endings(recording, recording.with_suffix(".new"))
    assert restored.read_bytes() == original


@pytest.mark.parametrize("old", [b"\r\n", b"\r"])
def test_line_feeds_that_lost_their_carriage_return_are_recognised(recording, old):
    # Values whose two bytes are a carriage return and a line feed, as a larger recording has by chance.
    original = bytearray(recording.read_bytes())
    size = 3 if recording.suffix == ".bdf" else 2
    start = 256 * (len(NAMES) + 1 + (b"Annotations" in original))
    for place in np.linspace(0.1, 0.9, 9):
        at = start + int(place * (len(original) - start)) // size // 60 * size * 60
        original[at : at + 2] = b"\r\n"
    recording.write_bytes(bytes(original).replace(old, old[1:]))
    message = refuse(recording)
    assert "bytes are missing in the middle of it" in message
    assert "are unknown; copy the file again" in message


def test_an_undamaged_recording_has_nothing_to_restore(recording):
    assert read_raw(recording).n_times == 60 * RATE
    with pytest.raises(RecordingError, match="not converted; there is nothing to remove"):
        restore_line_endings(recording, recording.with_suffix(".new"))
    assert main([str(recording), str(recording.with_suffix(".new"))]) == 1


@pytest.mark.parametrize("value", [0.0, 25.7])
def test_a_recording_without_any_line_feed_but_in_its_texts_is_read(tmp_path, value, write_edf_plus):
    """Flat channels hold no line feed; those of annotations of several lines are all paired."""
    signal = np.full((len(NAMES), 60 * RATE), value)
    annotations = [(i, 0, "eyes\r\nopen\r\nagain") for i in range(60)]
    path = write_edf_plus(tmp_path / "x.edf", signal, RATE, NAMES, annotations=annotations)
    assert len(read_raw(path).annotations) == 60


@pytest.mark.filterwarnings("ignore:Number of records from the header")
@pytest.mark.parametrize("share", [0.3, 0.7, 0.99])
def test_a_truncated_recording_is_not_called_converted(recording, share):
    recording.write_bytes(recording.read_bytes()[: int(recording.stat().st_size * share)])
    with pytest.warns(UserWarning, match="truncated"):
        assert read_raw(recording).n_times > 10 * RATE
