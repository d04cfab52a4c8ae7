"""Windows of any montage, length and unit become one batch."""

import pytest
import torch

from dare_eeg_hf.corpora.loading import WindowCollator
from dare_eeg_hf.corpora.windows import decode_signal
from dare_eeg_hf.montage import CHANNEL_VOCABULARY
from dare_eeg_hf.signal_dare_eeg import MICROVOLTS
from tests.corpora.numbered_windows import FOUR, THREE, make


def test_mixed_montages_and_lengths_are_padded_and_masked():
    rows = [make(1, FOUR, 128)[0], make(1, THREE, 100)[0]]
    batch = WindowCollator()(rows)
    assert batch["input_values"].shape == (2, 4, 128)
    assert batch["channel_mask"].tolist() == [[True] * 4, [True, True, True, False]]
    assert batch["patch_mask"].tolist() == [[True, True], [True, True]]
    assert [CHANNEL_VOCABULARY[i] for i in batch["channel_ids"][1, :3]] == list(THREE)
    assert batch["channel_ids"][1, 3] == 0
    assert torch.equal(batch["input_values"][1, :3, :100], torch.from_numpy(decode_signal(rows[1])))
    assert batch["input_values"][1, 3:].abs().sum() == 0
    assert batch["input_values"][1, :, 100:].abs().sum() == 0
    assert batch["labels"].tolist() == [0, 0]
    shorter = WindowCollator()([make(1, FOUR, 128)[0], make(1, FOUR, 64)[0]])
    assert shorter["patch_mask"].tolist() == [[True, True], [True, False]]


@pytest.mark.parametrize("unit", MICROVOLTS)
def test_other_units_become_millivolts(unit):
    batch = WindowCollator()([make(1)[0], make(1, unit=unit)[0]])
    assert torch.allclose(batch["input_values"][1], batch["input_values"][0] * (MICROVOLTS[unit] / 1000))
    with pytest.raises(ValueError, match="r: unit 'MV' is not one of V, mV, uV, nV"):
        make(1, unit="MV")


def test_electrodes_come_in_the_order_that_a_projection_needs():
    dataset = make(2, ("EEG Pz-Oz", "EEG Fpz-Cz", "extra"))
    with pytest.raises(ValueError, match="EEG Pz-Oz, EEG Fpz-Cz, extra is outside the channel vocabulary"):
        WindowCollator()([dataset[0]])
    batch = WindowCollator(electrode_names=["EEG Fpz-Cz", "EEG Pz-Oz"])([dataset[0], dataset[1]])
    assert torch.equal(batch["input_values"][0], torch.from_numpy(decode_signal(dataset[0])[[1, 0]]))
    with pytest.raises(ValueError, match="lacks Cz"):
        WindowCollator(electrode_names=["extra", "Cz"])([dataset[0]])


def test_one_batch_has_one_sampling_rate():
    with pytest.raises(ValueError, match=r"\[200\.0, 256\.0\] Hz"):
        WindowCollator()([make(1)[0], make(1)[0] | {"sampling_rate": 200.0}])


def test_windows_at_another_rate_than_the_models_are_refused():
    collator = WindowCollator(sampling_rate=256)
    collator([make(1)[0]])
    with pytest.raises(ValueError, match="stored at 200 Hz, but the model works at 256 Hz"):
        collator([make(1)[0] | {"sampling_rate": 200.0}])


def test_without_labels_there_are_none():
    assert "labels" not in WindowCollator()([make(1, labels=())[0]])
