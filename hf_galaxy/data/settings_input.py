"""Settings of people, from YAML, JSON or flags, to a dataclass of settings: strictly, and with the nearest name."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml

Settings = TypeVar("Settings")
_KINDS = {float: "a number", int: "a whole number", str: "a word"}


def read_mapping(path: str | Path) -> dict[str, Any]:
    """The mapping in a YAML or JSON file.

    Raises:
        ValueError: no such file, not YAML or JSON, or not a mapping.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        given = json.loads(text) if str(path).endswith(".json") else yaml.safe_load(text)
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from None
    except (yaml.YAMLError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not valid YAML or JSON ({' '.join(str(error).split())})") from None
    if not isinstance(given, dict):
        raise ValueError(f"{path}: a mapping of settings is wanted, not a {type(given).__name__}")
    return given


def settings_of(kind: type[Settings], given: Mapping[str, Any], where: str) -> Settings:
    """An instance of a dataclass of settings, whose groups may be mappings in turn.

    Args:
        kind: A dataclass all of whose fields have defaults.
        given: Names and values; numbers may be written as text, as YAML reads ``1e-3``.
        where: What to call the source in a message.

    Raises:
        ValueError: unknown name (with the nearest one), wrong kind, or refused value.
    """
    known = {f.name: f for f in fields(kind)}
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
            raise ValueError(f"{where}: unknown setting {name!r}; {hint}")
    try:
        return kind(**{name: _value(known[name], value, where) for name, value in given.items()})
    except ValueError as error:
        message = str(error)
        raise ValueError(message if message.startswith(where) else f"{where}: {message}") from None


def _value(setting: Field, given: Any, where: str) -> Any:
    """What is given, as the kind of the default."""
    default = setting.default if setting.default is not MISSING else setting.default_factory()
    name = f"{where}: {setting.name}"
    if is_dataclass(default):
        if not isinstance(given, Mapping):
            raise ValueError(f"{name} is {given!r}; a group of settings is wanted")
        return settings_of(type(default), given, name)
    if isinstance(default, tuple):
        if not isinstance(given, list | tuple):
            raise ValueError(f"{name} is {given!r}; a list is wanted")
        return tuple(tuple(x) if isinstance(x, list) else x for x in given)
    if isinstance(default, bool) or default is None or given is None:
        return given
    if isinstance(default, float) and not isinstance(given, bool):
        try:
            return float(given)
        except (TypeError, ValueError):
            pass
    elif isinstance(given, type(default)) and not isinstance(given, bool):
        return given
    raise ValueError(f"{name} is {given!r}; {_KINDS.get(type(default), type(default).__name__)} is wanted")


__all__ = ["read_mapping", "settings_of"]
