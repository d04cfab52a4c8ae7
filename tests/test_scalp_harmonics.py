"""The 10-10 system on a sphere, its harmonics, and the components of what electrodes measure."""

import warnings

import mne
import numpy as np
import pytest
import torch

from dare_eeg_hf.montage import CHANNEL_VOCABULARY
from dare_eeg_hf.scalp_harmonics_dare_eeg import (
    HARMONICS,
    components_of_electrodes,
    electrode_direction,
    spherical_harmonics,
)


def test_electrodes_lie_where_the_ten_ten_system_has_them():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # names that MNE is about to change
        places = mne.channels.make_standard_montage("standard_1005").get_positions()["ch_pos"]
    places = {name.upper(): place for name, place in places.items()}
    measured = np.array([places[name] for name in CHANNEL_VOCABULARY])
    measured = measured - measured.mean(axis=0)
    found = np.array([electrode_direction(name) for name in CHANNEL_VOCABULARY])
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1)
    for axis in range(3):
        assert np.corrcoef(found[:, axis], measured[:, axis])[0, 1] > 0.97
    mirrored = found * [-1, 1, 1]
    for name, place in zip(CHANNEL_VOCABULARY, mirrored, strict=True):
        other = name if name.endswith("Z") else name[:-1] + str(int(name[-1]) + (1 if int(name[-1]) % 2 else -1))
        np.testing.assert_allclose(electrode_direction(other), place, atol=1e-12)


@pytest.mark.parametrize("name", ["A1", "M2", "T1", "E12", "EOG", "CB1", "FC", ""])
def test_other_names_have_no_place(name):
    assert electrode_direction(name) is None


def test_harmonics_can_be_told_apart_on_a_whole_cap():
    harmonics = np.array(spherical_harmonics(CHANNEL_VOCABULARY))
    assert harmonics.shape == (62, len(HARMONICS))
    assert np.isfinite(harmonics).all()
    assert np.linalg.matrix_rank(harmonics) == len(HARMONICS)


def harmonics_at(names):
    return torch.tensor(spherical_harmonics(names))[None]


@pytest.mark.parametrize("count", [1, 3, 14, 62])
def test_components_are_the_damped_least_squares_fit(count):
    harmonics = harmonics_at(CHANNEL_VOCABULARY[:: max(1, 62 // count)][:count])
    found = components_of_electrodes(harmonics, torch.ones(1, count, 1))
    known = harmonics[0].double().numpy()
    expected = np.linalg.solve(known.T @ known + np.eye(len(HARMONICS)), known.T)
    np.testing.assert_allclose(found[0], expected, atol=1e-5)


def test_a_field_of_one_harmonic_has_that_component():
    harmonics = harmonics_at(CHANNEL_VOCABULARY)
    found = components_of_electrodes(harmonics, torch.ones(1, 62, 1))[0] @ harmonics[0]
    assert torch.equal(found.abs().argmax(dim=1), torch.arange(len(HARMONICS)))
    # Caps end above the ears, where what is the same everywhere is hard to tell from what rises to the vertex.
    elsewhere = [HARMONICS.index(name) for name in HARMONICS if name not in ("mean", "up")]
    assert found.diagonal()[elsewhere].min() > 0.85


def test_electrodes_that_do_not_count_or_have_no_place_have_no_part():
    names = ["C3", "CZ", "C4", "O1", "DEPTH1"]
    counts = torch.tensor([1.0, 1.0, 1.0, 0.0, 1.0])[None, :, None]
    found = components_of_electrodes(harmonics_at(names), counts)[0]
    expected = components_of_electrodes(harmonics_at(names[:3]), torch.ones(1, 3, 1))[0]
    assert found[:, 3:].abs().max() == 0
    torch.testing.assert_close(found[:, :3], expected)
