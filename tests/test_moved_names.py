"""Names that modules had before still work, give the same module, and say the new name."""

import importlib

import pytest

from dare_eeg_hf.moved_names import MOVED


@pytest.mark.parametrize(("old", "new"), MOVED.items())
def test_an_old_name_is_the_module_of_today(old, new, monkeypatch):
    today = importlib.import_module(f"dare_eeg_hf.{new}")
    importlib.sys.modules.pop(f"dare_eeg_hf.{old}", None)
    with pytest.warns(FutureWarning, match=rf"dare_eeg_hf\.{old} is now dare_eeg_hf\.{new}$"):
        assert importlib.import_module(f"dare_eeg_hf.{old}") is today
    assert today.__name__ == today.__spec__.name == f"dare_eeg_hf.{new}"


def test_a_name_that_never_was_is_an_error():
    with pytest.raises(ModuleNotFoundError, match=r"dare_eeg_hf\.data\.nonsense"):
        importlib.import_module("dare_eeg_hf.data.nonsense")
