"""The options of a policy as a reader sees them: names, types, defaults and what they mean."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from functools import cache
from math import inf
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from twin.registry import field_types, option_of
from twin.units import format_duration

_WORDS: dict[Any, tuple[str, str]] = {
    bool: ("true or false", ""),
    int: ("whole number", "whole numbers"),
    float: ("number", "numbers"),
    str: ("text", "names"),
}
_KEY = re.compile(r"\[([a-z][a-z0-9.-]*\d{4}[a-z0-9.-]*|[a-z0-9]+(?:-[a-z0-9]+)+)\]")


@dataclass(frozen=True)
class Option:
    """One option of a policy.

    Attributes
    ----------
    name : str
        As in a scenario.
    kind : str
        What may be given, in words.
    default : str
        As it would be written; empty if it must be given.
    meaning : str
        The comment beside its field; empty if there is none.
    """

    name: str
    kind: str
    default: str
    meaning: str


def options_of(cls: type[Any]) -> list[Option]:
    """The options of a policy class, in the order of its fields."""
    if not is_dataclass(cls):
        return []
    types = field_types(cls)
    return [
        Option(option_of(field.name), _kind(field, types), _default(field), _meaning(cls, field))
        for field in fields(cls)
    ]


def docstring(cls: type[Any]) -> str:
    """What a policy class says of itself; not what a base or `dataclass` says in its place."""
    own = cls.__dict__.get("__doc__") or ""
    return "" if own.startswith(f"{cls.__name__}(") else inspect.cleandoc(own)


def sources_of(cls: type[Any]) -> list[str]:
    """Keys of the sources that a policy class cites, each once, in their order."""
    return list(dict.fromkeys(_KEY.findall(docstring(cls))))


def _kind(field: Field[Any], types: Mapping[str, Any]) -> str:
    return "duration" if option_of(field.name) != field.name else _words(types[field.name])


def _words(kind: Any, many: bool = False) -> str:
    """A type in words."""
    if kind in _WORDS:
        return _WORDS[kind][many]
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Literal:
        names = [f"`{name}`" for name in inner]
        return ", ".join(names[:-1]) + f" or {names[-1]}" if len(names) > 1 else names[0]
    if origin in (Union, UnionType):
        return " or ".join(_words(each) for each in inner)
    if origin is tuple:
        if inner[-1] is not Ellipsis:
            return f"list of {len(inner)} {_words(inner[0], many=True)}"
        return f"list of {_words(inner[0], many=True)}"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"mapping from {_words(inner[0], many=True)} to {_words(inner[1], many=True)}"
    return str(getattr(kind, "__name__", kind))


def _default(field: Field[Any]) -> str:
    value = field.default
    if field.default_factory is not MISSING:
        value = field.default_factory()
    if value is MISSING:
        return ""
    if option_of(field.name) != field.name:
        return "no limit" if value == inf else re.sub(r"\.0 ", " ", format_duration(value))
    return _written(value)


def _written(value: Any) -> str:
    """A value as YAML on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_written(below)}" for key, below in value.items()) + "}"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(_written, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _meaning(cls: type[Any], field: Field[Any]) -> str:
    """The comment of the class nearest to it that gives the field one."""
    of = (_comments(base).get(field.name, "") for base in cls.__mro__ if is_dataclass(base))
    return next(filter(None, of), "")


@cache
def _comments(cls: type[Any]) -> dict[str, str]:
    """Comments beside the fields of a class, or right above them where there are none beside."""
    try:
        text = textwrap.dedent(inspect.getsource(cls))
    except (OSError, TypeError):  # nobody kept the source, as with a class typed in by hand
        return {}
    lines = text.split("\n")
    found = {}
    body = ast.parse(text).body[0]
    for item in getattr(body, "body", []):
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            beside = lines[item.end_lineno - 1][item.end_col_offset :] if item.end_lineno else ""
            above: list[str] = []
            at = item.lineno - 2
            while lines[at].strip().startswith("#"):
                above.insert(0, lines[at].strip().lstrip("# "))
                at -= 1
            found[item.target.id] = beside.strip().lstrip("# ") or " ".join(above)
    return found
