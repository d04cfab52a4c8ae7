"""Errors of the processes that read the data."""

import pytest
import torch

from dare_eeg_hf.pretraining.processes import is_dead_worker, start_reading


class Unreadable(torch.utils.data.Dataset):
    """Rows that cannot be read, though nothing dies."""

    def __init__(self, error: Exception):
        self.error = error

    def __len__(self):
        return 4

    def __getitem__(self, number):
        raise self.error


@pytest.mark.parametrize("error", [RuntimeError("a bad row"), ConnectionResetError("the Hub hung up")])
def test_what_a_worker_raises_is_not_its_death(error):
    with pytest.raises(type(error)) as raised:
        list(start_reading(torch.utils.data.DataLoader(Unreadable(error), num_workers=1)))
    assert not is_dead_worker(raised.value)
