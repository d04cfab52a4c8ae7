"""Flags and YAML files from a dataclass of arguments: each field is a flag, its docstring entry the help text."""

import argparse
import dataclasses
import inspect
import re
import types
import typing
from functools import wraps
from pathlib import Path
from typing import Any

import yaml

from dare_eeg_hf.argument_names import refuse_unknown_names, suggest


class SettingsLoader(yaml.SafeLoader):
    """YAML in which 1e-3 is a number; without a decimal point PyYAML takes it for a string."""


SettingsLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


class HelpFormatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Keeps the description's line breaks and shows informative defaults."""

    def _get_help_string(self, action: argparse.Action) -> str:
        if action.default in (None, argparse.SUPPRESS, False) or action.default == []:
            return action.help
        return super()._get_help_string(action)


def refuse_unknown_fields(kind: type) -> type:
    """Make a dataclass suggest the nearest field when it is given an unknown name.

    Raises:
        UnknownNameError: by the class, such as "FinetuningArguments does not know epoch (did you mean epochs?)."
    """
    names = [field.name for field in dataclasses.fields(kind) if field.init]
    initialize = kind.__init__

    @wraps(initialize)
    def checked(self, *args, **kwargs):
        refuse_unknown_names(kwargs, names, kind.__name__)
        initialize(self, *args, **kwargs)

    kind.__init__ = checked
    return kind


def add_fields(parser: argparse.ArgumentParser, kind: type, *, leave_out: tuple[str, ...] = ()) -> None:
    """Add a flag for every field of a dataclass that a command line can spell (no dictionaries).

    A flag that is not given stays out of the parsed namespace, so that a YAML file or the dataclass decides.

    Args:
        parser: gets the flags.
        kind: a dataclass whose docstring has an `Args:` section.
        leave_out: fields that have no flag.
    """
    help_texts = argument_help(kind)
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        if field.name in leave_out:
            continue
        flag = "--" + field.name.replace("_", "-")
        text = help_texts[field.name].replace("%", "%%") + _default_text(field)
        of = _plain_type(hints[field.name])
        if of is bool:
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=argparse.SUPPRESS, help=text)
        elif typing.get_origin(of) is list:
            parser.add_argument(flag, nargs="*", type=typing.get_args(of)[0], default=argparse.SUPPRESS, help=text)
        else:
            parser.add_argument(flag, type=of, default=argparse.SUPPRESS, help=text, metavar=of.__name__.upper())


def argument_help(kind: type) -> dict[str, str]:
    """Name and text of each entry in the `Args:` section of a docstring."""
    section = inspect.getdoc(kind).split("Args:\n", 1)[1].split("\n\n")[0]
    entries = re.split(r"^    (?=\w+: )", section, flags=re.MULTILINE)[1:]
    return {name: " ".join(text.split()) for name, text in (entry.split(":", 1) for entry in entries)}


def read_yaml(file: str | Path | None, known: set[str]) -> dict[str, Any]:
    """Settings of a YAML file; an unknown key is an error that suggests the nearest and lists those that are known."""
    if file is None:
        return {}
    with Path(file).open(encoding="utf-8") as stream:
        settings = yaml.load(stream, SettingsLoader) or {}
    if not isinstance(settings, dict):
        raise ValueError(f"{file} must hold settings as `name: value`, one per line.")
    settings = {name.replace("-", "_"): value for name, value in settings.items()}
    unknown = sorted(settings.keys() - known)
    if unknown:
        listed = ", ".join(suggest(name, known) for name in unknown)
        raise ValueError(f"{file}: unknown setting(s) {listed}. Known settings: {', '.join(sorted(known))}.")
    return settings


def fit_to_fields(kind: type, settings: dict[str, Any]) -> dict[str, Any]:
    """Settings of a YAML file as the fields of a dataclass want them.

    Args:
        kind: a dataclass; fields that are not numbers, strings or switches are left as they are.
        settings: by field name; `no` stays a string in a string field, `none` is None for an optional number.

    Raises:
        ValueError: a value is of another type than its field.
    """
    hints = typing.get_type_hints(kind)
    return {name: _fit(name, value, hints[name]) if name in hints else value for name, value in settings.items()}


def _fit(name: str, value: Any, hint: Any) -> Any:
    of = _plain_type(hint)
    optional = type(None) in typing.get_args(hint)
    if of is str and value is False:  # YAML reads an unquoted `no` as false
        return "no"
    if of in (int, float) and optional and str(value).lower() == "none":
        return None
    accepted = {int: (int,), float: (int, float), bool: (bool,), str: (str,)}.get(of)
    if accepted is None or (value is None and optional):
        return value
    if not isinstance(value, accepted) or (isinstance(value, bool) and of is not bool):
        kinds = {int: "a whole number", float: "a number", bool: "true or false", str: "a string"}
        raise ValueError(f"{name} must be {kinds[of]}, not {value!r}")
    return value


def layer_settings(
    defaults: dict[str, Any], file: str | Path | None, options: argparse.Namespace, known: set[str]
) -> dict[str, Any]:
    """Defaults, overridden by the settings of a YAML file, overridden by the given flags of the same names."""
    given = {name: getattr(options, name) for name in defaults if getattr(options, name) is not None}
    return {**defaults, **read_yaml(file, known), **given}


def parse_assignments(assignments: list[str]) -> dict[str, Any]:
    """`["masking.scope=sample", "hidden_size=32"]` as a dictionary, values read as YAML; a dot enters a field."""
    parsed: dict[str, Any] = {}
    for assignment in assignments:
        name, separator, value = assignment.partition("=")
        if not separator:
            raise ValueError(f"Write model settings as FIELD=VALUE, not {assignment!r}.")
        field, _, part = name.strip().replace("-", "_").partition(".")
        setting = yaml.load(value, SettingsLoader)
        parsed = merge_settings(parsed, {field: {part: setting} if part else setting})
    return parsed


def merge_settings(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Settings of two sources; `above` takes precedence over `below`, in dictionaries entry by entry."""
    merged = {**below, **above}
    for name in below.keys() & above.keys():
        if isinstance(below[name], dict) and isinstance(above[name], dict):
            merged[name] = {**below[name], **above[name]}
    return merged


def _plain_type(hint: Any) -> Any:
    """`int` for `int | None`, `str` for `str | Path`."""
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        return next(part for part in typing.get_args(hint) if part is not type(None))
    return hint


def _default_text(field: dataclasses.Field) -> str:
    if field.default is dataclasses.MISSING:
        default = field.default_factory() if field.default_factory is not dataclasses.MISSING else None
    else:
        default = field.default
    return "" if default in (None, [], {}) else f" (default: {default})"
