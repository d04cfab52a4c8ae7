"""What is wrong with what the user gave, as one sentence of the command line."""

import sys

from tqdm import tqdm

from dare_eeg_hf.remedies_dare_eeg import COMMAND_LINE, message_on

EXIT_BAD_INPUT = 1


def bad_input() -> tuple[type[Exception], ...]:
    """Exceptions that mean something is wrong with what the user gave, not with the program."""
    from safetensors import SafetensorError

    from dare_eeg_hf.hub.transfer import PublishingError

    return ValueError, OSError, ImportError, SafetensorError, PublishingError


def say(message: str) -> None:
    """Print a line on the error stream, above the progress bars there may be."""
    tqdm.write(message, file=sys.stderr)


def one_sentence(error: Warning | Exception | str) -> str:
    """The message of an error or a warning, with its remedy as an option of the command line."""
    text = message_on(COMMAND_LINE, error) if isinstance(error, Exception) else error
    return " ".join(text.split()) or type(error).__name__
