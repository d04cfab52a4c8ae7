"""Remedies: one error, said on each surface as it can be followed there."""

import pickle

import pytest

from dare_eeg_hf.recordings.errors import RecordingError
from dare_eeg_hf.remedies_dare_eeg import (
    COMMAND_LINE,
    PAGE,
    PYTHON,
    REMEDIES,
    REQUEST,
    InputError,
    Remedy,
    about,
    message_on,
)

VALUES = {"rename": ("E36", "C3"), "reader_options": ("data_format", "int32"), "unit": "uV", "montage": "biosemi64"}


@pytest.mark.parametrize("argument", REMEDIES)
def test_every_remedy_can_be_said_on_every_surface(argument):
    said = {surface: Remedy(argument, VALUES.get(argument)).on(surface) for surface in (PYTHON, COMMAND_LINE, REQUEST)}
    assert f"{argument}=" in said[PYTHON]
    assert "--" in said[COMMAND_LINE]
    page = Remedy(argument, VALUES.get(argument)).on(PAGE)
    assert "=" not in page
    assert "--" not in page


def test_an_error_speaks_python_by_itself_and_keeps_its_remedies_when_it_is_told_of_a_file():
    error = about("a.edf", InputError("the numbers are too large", Remedy("unit", "uV")), RecordingError)
    assert isinstance(error, RecordingError)
    assert str(error) == "a.edf: the numbers are too large: pass unit='uV'"
    assert error.on(COMMAND_LINE) == "a.edf: the numbers are too large: give --unit uV"
    again = pickle.loads(pickle.dumps(error))  # between the processes of a build
    assert again.on(COMMAND_LINE) == error.on(COMMAND_LINE)
    assert str(again) == str(error)


def test_an_error_without_remedies_is_said_as_it_is():
    assert message_on(COMMAND_LINE, ValueError("so it is")) == "so it is"
    assert str(about("a.edf", ValueError("so it is"))) == "a.edf: so it is"
