"""Unknown names of fields, keyword arguments and settings are errors that suggest the nearest known one.

A misspelt name that is silently accepted has no effect, and the result passes for what was asked for.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from functools import wraps

ARGUMENTS_OF_TRANSFORMERS = ("num_items_in_batch", "output_attentions", "output_hidden_states", "return_dict")
"""Keywords that Transformers and its Trainer give any model."""
ARGUMENTS_OF_TEXT_MODELS = ("input_ids", "attention_mask", "inputs_embeds", "labels", "task_ids")
"""Keywords that PEFT's wrappers give any model, as None where their caller did not."""


class UnknownNameError(TypeError, ValueError):
    """An unknown name: a TypeError for keyword arguments, a ValueError for names in a file or command."""


def refuse_unknown_names(given: Iterable[str], known: Iterable[str], owner: str) -> None:
    """Raise an error for names that `owner` does not know, and suggest the nearest one.

    Raises:
        UnknownNameError: Such as "DareEegConfig does not know hiden_size (did you mean hidden_size?)."
    """
    known = set(known)
    unknown = [name for name in given if name not in known]
    if unknown:
        raise UnknownNameError(f"{owner} does not know {', '.join(suggest(name, known) for name in unknown)}.")


def refuse_misspelt_names(given: Iterable[str], known: Iterable[str], owner: str) -> None:
    """Refuse names that are nearly one of the `known` ones; others may be meant for someone else.

    Raises:
        UnknownNameError: As for `refuse_unknown_names`.
    """
    known = set(known)
    near = [name for name in given if get_close_matches(name, known, n=1, cutoff=0.85)]
    refuse_unknown_names(near, known, owner)


def suggest(name: str, known: Iterable[str]) -> str:
    """The name, followed by the nearest `known` one if there is a close one."""
    nearest = get_close_matches(name, sorted(known), n=1)
    return f"{name} (did you mean {nearest[0]}?)" if nearest else name


def refuse_unknown_arguments(forward: Callable) -> Callable:
    """Let a model's `forward` refuse keywords it does not know, and ignore those that are None.

    Raises:
        UnknownNameError: With the nearest argument, such as "did you mean channel_mask?".
    """
    own = tuple(name for name in inspect.signature(forward).parameters if name not in ("self", "kwargs"))

    @wraps(forward)
    def checked(self, *args, **kwargs):
        given = {}
        for name, value in kwargs.items():
            if name in own:
                given[name] = value
            elif value is None and name in ARGUMENTS_OF_TRANSFORMERS + ARGUMENTS_OF_TEXT_MODELS:
                continue
            elif name in ARGUMENTS_OF_TRANSFORMERS:
                given[name] = value
            elif name in ("input_ids", "inputs_embeds", "attention_mask"):
                raise UnknownNameError(
                    f"{name} is an argument of text models: give windows as input_values=... and padding as "
                    "channel_mask=... and patch_mask=..., by name (PEFT's wrappers take an unnamed first argument for "
                    "input_ids)."
                )
            else:
                refuse_unknown_names([name], own + ARGUMENTS_OF_TRANSFORMERS, f"{type(self).__name__}.forward")
        return forward(self, *args, **given)

    return checked
