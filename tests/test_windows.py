"""Windows cover a recording and begin anew after each break."""

import pytest

from dare_eeg_hf.usability_dare_eeg import uninterrupted
from dare_eeg_hf.windows_dare_eeg import window_starts


@pytest.mark.parametrize(
    ("samples", "stride", "places"),
    [
        (1024, 1024, [(0, 1024)]),
        (1023, 1024, [(0, 1023)]),
        (63, 1024, []),
        (2048 + 64, 1024, [(0, 1024), (1024, 1024), (2048, 64)]),
        (2048 + 63, 1024, [(0, 1024), (1024, 1024)]),
        (2048, 512, [(0, 1024), (512, 1024), (1024, 1024)]),
        (2100, 512, [(0, 1024), (512, 1024), (1024, 1024), (1536, 564)]),
    ],
)
def test_windows_cover_a_recording(samples, stride, places):
    assert window_starts([(0, samples)], 1024, stride, 64) == places
    assert window_starts([(0, samples)], 1024, stride) == [place for place in places if place[1] == 1024]


def test_windows_begin_anew_after_each_break():
    pieces = uninterrupted(6000, 256, [(8.0, 8.0), (10.0, 14.0)])
    assert pieces == [(0, 2048), (2048, 2560), (2560, 3584), (3584, 6000)]
    assert window_starts(pieces, 1024, 1024) == [(0, 1024), (1024, 1024), (2560, 1024), (3584, 1024), (4608, 1024)]
