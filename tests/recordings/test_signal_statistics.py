import mne
import numpy as np
import pytest

from dare_eeg_hf.recordings.head_model import TEN_TWENTY
from dare_eeg_hf.recordings.signal_statistics import describe_signal
from dare_eeg_hf.recordings.simulated_sources import Clock, noise

RATE = 160.0


def raw_of(signal_uv, names=TEN_TWENTY):
    return mne.io.RawArray(1e-6 * signal_uv, mne.create_info(list(names), RATE, "eeg"), verbose="error")


@pytest.mark.parametrize("slope", [0.0, 1.0])
def test_slope_and_amplitude_of_noise(slope):
    clock = Clock(int(60 * RATE), RATE)
    signal = noise(np.random.default_rng(0), 19, clock, lambda hertz: hertz**-slope)
    found = describe_signal(raw_of(signal))
    assert found.slope == pytest.approx(-slope, abs=0.1)
    # The integral of the density from 1 to 40 Hz; the average reference takes a nineteenth.
    power = np.log(40) if slope == 1 else 39
    assert found.amplitude == pytest.approx(np.sqrt(power * 18 / 19), rel=0.15)


def test_alpha_is_found_where_it_is_and_shared_signals_cohere():
    clock = Clock(int(60 * RATE), RATE)
    rng = np.random.default_rng(1)
    signal = noise(rng, 19, clock, lambda hertz: 1 / hertz)
    posterior = [TEN_TWENTY.index(name) for name in ("O1", "O2", "P3", "P4", "P7", "P8")]
    signal[posterior] += 3 * np.sin(2 * np.pi * 11 * clock.times)
    found = describe_signal(raw_of(signal))
    assert found.alpha_frequency == 11
    assert found.alpha_ratio > 10
    assert min(found.maps["alpha"][TEN_TWENTY[place]] for place in posterior) > found.maps["alpha"]["Fz"]
    assert found.coherence["beta"][2] < 0.1
    # The 10-20 system has no pair closer than 30 degrees.
    assert np.isnan(found.correlation[0])


def test_an_electrode_without_a_place_is_refused():
    with pytest.raises(ValueError, match="X1"):
        describe_signal(raw_of(np.ones((2, 9600)), ["Cz", "X1"]))
