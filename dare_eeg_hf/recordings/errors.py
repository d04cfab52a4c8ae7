"""What goes wrong with recordings."""

from dare_eeg_hf.remedies_dare_eeg import InputError


class RecordingError(InputError):
    """A recording cannot be used; the message names the file, what is wrong, and the remedy."""


class RecordingWarning(UserWarning):
    """A recording can be used, but something about it is not as it should be."""
