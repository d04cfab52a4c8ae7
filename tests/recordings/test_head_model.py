import mne
import numpy as np
import pytest

from dare_eeg_hf.recordings.head_model import (
    HEAD_RADIUS,
    TEN_TWENTY,
    Cap,
    cortex,
    electrode_places,
    potentials,
    sphere_model,
)


def test_potentials_are_those_of_mnes_forward_solution():
    places, dipoles = electrode_places(TEN_TWENTY), cortex()[::40]
    info = mne.create_info(TEN_TWENTY, 256, "eeg")
    ears = {"lpa": [-HEAD_RADIUS, 0, 0], "nasion": [0, HEAD_RADIUS, 0], "rpa": [HEAD_RADIUS, 0, 0]}
    dig = mne.channels.make_dig_montage(dict(zip(TEN_TWENTY, places, strict=True)), coord_frame="head", **ears)
    info.set_montage(dig)
    position = {"rr": dipoles, "nn": dipoles / np.linalg.norm(dipoles, axis=1, keepdims=True)}
    sources = mne.setup_volume_source_space(pos=position, sphere=sphere_model(), sphere_units="m", verbose="error")
    forward = mne.make_forward_solution(info, None, sources, sphere_model(), meg=False, verbose="error")
    expected = forward["sol"]["data"].reshape(len(TEN_TWENTY), len(dipoles), 3)
    assert np.allclose(potentials(places, dipoles), expected, rtol=1e-6)


def test_the_skull_weakens_and_smears():
    places, below = electrode_places(["Cz", "Fz"]), electrode_places(["Cz"]) * 0.7
    up = below[0] / np.linalg.norm(below[0])
    near, far = potentials(places, below)[:, 0] @ up
    near_without, far_without = potentials(places, below, through_skull=False)[:, 0] @ up
    assert 0 < near < near_without
    assert far / near > far_without / near_without


def test_a_cap_is_referred_to_the_earlobes_and_sees_groups_of_dipoles():
    cap = Cap(["Cz", "A1", "A2"])
    dipoles = cortex()[:3]
    each, standard = cap.seen(dipoles, dipoles)
    together, _ = cap.seen(dipoles, dipoles, weights=np.ones((3, 1)))
    assert each.shape == (3, 3)
    assert standard.shape == (19, 3)
    assert np.allclose(each[1] + each[2], 0)
    assert np.allclose(together[:, 0], each.sum(1))


def test_places_lie_on_the_sphere_and_names_without_one_are_refused():
    left, right, front = electrode_places(["T7", "t8", "Fpz.."])
    assert np.allclose(np.linalg.norm([left, right, front], axis=1), HEAD_RADIUS)
    assert left[0] < 0 < right[0]
    assert front[1] > 0
    with pytest.raises(ValueError, match="NOSE"):
        electrode_places(["Cz", "NOSE"])
