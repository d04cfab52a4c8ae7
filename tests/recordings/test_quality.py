"""Bad channels are found, named and left out; good ones are kept."""

import numpy as np
import pytest

from dare_eeg_hf.recordings.recordings import normalize_raw
from tests.recordings.written_recordings import NAMES, make_eeg, make_raw

pytestmark = pytest.mark.filterwarnings("ignore::dare_eeg_hf.feature_extraction_dare_eeg.EegWarning")


def test_bad_channels_are_found_named_and_left_out_of_the_reference():
    signal = make_eeg()
    random = np.random.default_rng(1)
    signal[3] = 12.0
    signal[7] *= 30
    signal[12] = 15 * random.standard_normal(signal.shape[1])
    with pytest.warns(match="bad channels left out"):
        raw, report = normalize_raw(make_raw(signal))
    assert report.bad["F3"] == "flat"
    assert report.bad["T7"].startswith("noisy")
    assert report.bad["P7"].startswith("uncorrelated")
    assert set(report.bad) == {"F3", "T7", "P7"}
    assert not set(report.bad) & set(raw.ch_names)
    good = [name for name in NAMES if name.upper() not in report.bad]
    clean = normalize_raw(make_raw(signal).pick(good), bad_channels=[]).raw
    np.testing.assert_allclose(raw.get_data(), clean.get_data(), atol=1e-11)


def test_good_channels_are_not_thrown_away():
    for seed in range(5):
        assert not normalize_raw(make_raw(make_eeg(seed=seed))).report.bad
