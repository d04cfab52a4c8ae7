"""Reconstruction of hidden patches is measured against what neighbours tell, on signals whose answer is known."""

import mne
import numpy as np
import pytest
import torch

from dare_eeg_hf import DareEegConfig, DareEegForPreTraining
from dare_eeg_hf.evaluation.reconstruction import CHANNEL_MEAN, INTERPOLATION, reconstruct
from dare_eeg_hf.montage import normalize_channel_name
from dare_eeg_hf.recordings.head_model import TEN_TWENTY, electrode_places
from dare_eeg_hf.recordings.simulation import simulate_raw


class Oracle(DareEegForPreTraining):
    """Gives the true patches, or their negatives."""

    sign = 1.0

    def forward(self, **inputs):
        output = super().forward(**inputs)
        output.reconstruction = self.sign * output.reconstruction_target
        return output


@pytest.fixture(scope="module")
def config():
    return DareEegConfig(
        hidden_size=32,
        num_hidden_layers=1,
        predictor_num_hidden_layers=1,
        reconstructor_num_hidden_layers=1,
        num_attention_heads=4,
        masking={"visible_channel_ratio": 0.5, "patch_drop_probability": 0.25},
    )


def inputs_of(signal_mv, config):
    ids = [config.channel_names.index(normalize_channel_name(name)) for name in TEN_TWENTY]
    values = torch.from_numpy(signal_mv.astype(np.float32)).unflatten(1, (-1, 512)).transpose(0, 1).contiguous()
    return {"input_values": values, "channel_ids": torch.tensor(ids)}


@pytest.fixture(scope="module")
def inputs(config):
    raw = simulate_raw((0, 1), montage=TEN_TWENTY, sampling_rate=256, seconds=16).filter(1, 40, verbose="error")
    return inputs_of(1e3 * raw.get_data(), config)


def test_every_patch_comes_back_to_its_own_place(config, inputs):
    found = reconstruct({"true": Oracle(config)}, inputs, patches_at_once=4)
    assert found.error("true") < 1e-6
    assert np.nanmax(np.abs(found.in_millivolts("true") - found.in_millivolts())) < 1e-4
    assert found.error(CHANNEL_MEAN) == pytest.approx(1)
    hidden = ~np.isnan(found.filled["true"]).reshape(*found.truth.shape[:2], -1, 64)[..., 0].transpose(0, 2, 1)
    assert (hidden == ~found.visible).all()


def test_a_wrong_answer_has_a_large_error_and_windows_can_be_chosen(config, inputs):
    wrong = Oracle(config)
    wrong.sign = -1.0
    found = reconstruct({"wrong": wrong}, inputs)
    assert found.error("wrong") == pytest.approx(4, rel=1e-3)
    some = found.error(INTERPOLATION, np.arange(len(found.truth)) < 2)
    assert some == pytest.approx(found.error(INTERPOLATION, slice(0, 2)))
    assert 0 < found.error(INTERPOLATION) < 1


def test_splines_are_those_of_mne(config, inputs):
    """One electrode is hidden all the time, as a bad channel is; MNE fills it in with the same wave."""
    config = DareEegConfig(
        **{**config.to_dict(), "masking": {"visible_channel_ratio": 0.95, "target_probability": 1.0}}
    )
    found = reconstruct({"random": DareEegForPreTraining(config)}, inputs)
    window, patch = next(place for place in np.ndindex(found.visible.shape[:2]) if found.visible[place].sum() == 18)
    electrode = int(np.flatnonzero(~found.visible[window, patch])[0])
    signal = inputs["input_values"][window, :, patch * 64 : (patch + 1) * 64].double().numpy()
    info = mne.create_info(TEN_TWENTY, 256, "eeg")
    places = dict(zip(TEN_TWENTY, electrode_places(TEN_TWENTY), strict=True))
    raw = mne.io.RawArray(1e-3 * signal, info, verbose="error")
    raw.set_montage(mne.channels.make_dig_montage(places, coord_frame="head"))
    raw.info["bads"] = [TEN_TWENTY[electrode]]
    expected = raw.interpolate_bads(origin=(0, 0, 0), verbose="error").get_data()[electrode]
    ours = found.filled[INTERPOLATION][window, electrode, patch * 64 : (patch + 1) * 64]
    assert np.corrcoef(ours, expected)[0, 1] > 0.999


def test_masks_follow_from_the_seed(config, inputs):
    models = {"random": DareEegForPreTraining(config)}
    first, again, other = (reconstruct(models, inputs, seed=seed).visible for seed in (0, 0, 1))
    assert (first == again).all()
    assert (first != other).any()
