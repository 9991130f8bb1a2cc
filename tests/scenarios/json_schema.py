"""As much of JSON Schema as the schema of a scenario uses; a keyword that is new to it is an error.

Written from the specification and not from the schema's generator, so that an editor which follows
the one finds in the other what we say is there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_TYPES = {
    "string": lambda v: isinstance(v, str),
    "integer": lambda v: not isinstance(v, bool) and isinstance(v, int | float) and v == int(v),
    "number": lambda v: not isinstance(v, bool) and isinstance(v, int | float),
    "boolean": lambda v: isinstance(v, bool),
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "null": lambda v: v is None,
}
_SILENT = {"$schema", "$defs", "title", "description", "default", "examples", "format"}


def faults(value: Any, schema: Any, root: dict[str, Any] | None = None, at: str = "") -> list[str]:
    """What is wrong with a value; empty if the schema admits it."""
    return list(_faults(value, schema, root or schema, at or "top"))


def _faults(value: Any, schema: Any, root: dict[str, Any], at: str) -> Iterator[str]:
    if schema is False:
        yield f"{at}: not allowed"
    if isinstance(schema, bool):
        return
    for word, rule in schema.items():
        if word not in _SILENT:
            yield from _check(word, rule, value, schema, root, at)


def _check(
    word: str, rule: Any, value: Any, schema: dict[str, Any], root: dict[str, Any], at: str
) -> Iterator[str]:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    match word:
        case "$ref":
            yield from _faults(value, root["$defs"][rule.removeprefix("#/$defs/")], root, at)
        case "type":
            allowed = [rule] if isinstance(rule, str) else rule
            if not any(_TYPES[name](value) for name in allowed):
                yield f"{at}: {value!r} is no {' or '.join(allowed)}"
        case "const" | "enum":
            if value not in ([rule] if word == "const" else rule):
                yield f"{at}: {value!r} is none of {rule}"
        case "anyOf":
            tried = [faults(value, one, root, at) for one in rule]
            if all(tried):
                yield f"{at}: none of {tried}"
        case "minimum" | "maximum" | "exclusiveMinimum":
            lowest = {"minimum": number and value >= rule, "maximum": number and value <= rule}
            if number and not lowest.get(word, value > rule):
                yield f"{at}: {value} breaks {word} {rule}"
        case "pattern":
            if isinstance(value, str) and not re.search(rule, value):
                yield f"{at}: {value!r} does not match {rule}"
        case str() if word[:3] in ("min", "max") and word[3:] in ("Length", "Items", "Properties"):
            kind = {"Length": str, "Items": list, "Properties": dict}[word[3:]]
            if isinstance(value, kind) and (len(value) - rule) * (-1 if "max" in word else 1) < 0:
                yield f"{at}: {value!r} breaks {word} {rule}"
        case "items":
            for i, item in enumerate(value if isinstance(value, list) else []):
                yield from _faults(item, rule, root, f"{at}[{i}]")
        case "prefixItems":
            for i, item in enumerate(value if isinstance(value, list) else []):
                if i < len(rule):
                    yield from _faults(item, rule[i], root, f"{at}[{i}]")
        case "required":
            missing = [key for key in rule if isinstance(value, dict) and key not in value]
            yield from (f"{at}: {key} is missing" for key in missing)
        case "propertyNames":
            for key in value if isinstance(value, dict) else {}:
                yield from _faults(key, rule, root, f"{at}.{key}")
        case "properties" | "additionalProperties" | "patternProperties":
            for key, item in value.items() if isinstance(value, dict) else ():
                yield from _property(word, rule, key, item, schema, root, f"{at}.{key}")
        case _:
            raise NotImplementedError(f"the JSON Schema keyword {word}")


def _property(
    word: str, rule: Any, key: str, item: Any, schema: dict[str, Any], root: dict[str, Any], at: str
) -> Iterator[str]:
    patterns = schema.get("patternProperties", {})
    if word == "properties" and key in rule:
        yield from _faults(item, rule[key], root, at)
    if word == "patternProperties":
        for pattern, below in rule.items():
            if re.search(pattern, key):
                yield from _faults(item, below, root, at)
    named = key in schema.get("properties", {}) or any(re.search(p, key) for p in patterns)
    if word == "additionalProperties" and not named:
        yield from _faults(item, rule, root, at)
