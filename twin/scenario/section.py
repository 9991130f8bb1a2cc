"""`Section`, the base of all parts of a scenario, and its messages in plain words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any, ClassVar, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError

from twin.errors import did_you_mean

# Longest first, so that `link_bytes_per_s` becomes `link` and not `link_bytes_per`.
_UNIT_SUFFIXES = (
    "_usd_per_w_month",
    "_usd_per_byte",
    "_usd_per_j",
    "_usd_per_s",
    "_bytes_per_s",
    "_flop_per_s",
    "_kg_per_j",
    "_per_s",
    "_bytes",
    "_degc",
    "_usd",
    "_hz",
    "_k",
    "_w",
    "_j",
    "_s",
)


def yaml_key(field: str) -> str:
    """The key in YAML of a field: its name without the unit, which YAML gives with the value."""
    for suffix in _UNIT_SUFFIXES:
        if field.endswith(suffix):
            return field.removesuffix(suffix)
    return field


class Section(BaseModel):
    """A mapping of a scenario file: frozen, unknown keys refused, units with the values.

    The constructor takes what YAML takes: ``Output(timeline_bin="10 min")`` fills
    ``timeline_bin_s`` with 600.0.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=yaml_key,
        allow_inf_nan=False,
        hide_input_in_errors=True,
    )

    # Groups of fields of which exactly one must be given; an overlay with one drops the others.
    alternatives: ClassVar[tuple[tuple[str, ...], ...]] = ()
    # A field that will do where nothing of such a group is given.
    instead: ClassVar[str] = ""
    # The key that plain text stands for: `node: dgx-h100` is `node: {use: dgx-h100}`.
    shorthand: ClassVar[str] = ""
    # The key that a number alone stands for: `busy: 0.4` is `busy: {share: 0.4}`.
    number: ClassVar[str] = ""
    # The one field, where the value in YAML is that field itself: `time_scale: 0.5`.
    bare: ClassVar[str] = ""

    @classmethod
    def yaml_keys(cls) -> list[str]:
        """The keys that this mapping may have in YAML."""
        return [cls.key_of(name) for name in cls.model_fields]

    @classmethod
    def key_of(cls, field: str) -> str:
        """The key in YAML of a field."""
        return cls.model_fields[field].alias or field

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = handler(core_schema)
        short = cls.shorthand or cls.number
        if short:
            definition = handler.resolve_ref_schema(schema)
            whole = dict(definition)
            text = whole["properties"][cls.key_of(short)]
            definition.clear()
            definition["anyOf"] = [text, whole]
        return schema

    @model_validator(mode="wrap")
    @classmethod
    def _in_plain_words(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if cls.shorthand and isinstance(data, str):
            data = {cls.key_of(cls.shorthand): data}
        if cls.number and isinstance(data, int | float) and not isinstance(data, bool):
            data = {cls.key_of(cls.number): data}
        try:
            return handler(data)
        except ValidationError as error:
            told = [e for e in error.errors() if not cls._is_misspelt(e, data)]
            raise faults(*((e["loc"], cls._explain(e), e["input"]) for e in told)) from None

    @classmethod
    def _is_misspelt(cls, error: Any, data: Any) -> bool:
        """Whether a missing key is there under a name that is told as unknown anyway."""
        if error["type"] != "missing" or len(error["loc"]) != 1 or not isinstance(data, dict):
            return False
        unknown = [str(key) for key in data if key not in cls.yaml_keys()]
        return bool(get_close_matches(error["loc"][0], unknown, n=1, cutoff=0.6))

    @classmethod
    def _explain(cls, error: Any) -> str:
        kind, loc = error["type"], error["loc"]
        if kind == "extra_forbidden" and len(loc) == 1:
            return f"unknown key {found(loc[0])}; {did_you_mean(str(loc[0]), cls.yaml_keys())}"
        if kind == "missing" and len(loc) == 1:
            info = next(i for i in cls.model_fields.values() if i.alias == loc[0])
            return f"missing; give {info.description}"
        if kind in ("model_type", "model_attributes_type") and not loc:
            keys = ", ".join(cls.yaml_keys())
            if cls.number:
                what = f"expected a number, or a mapping with one of the keys {keys}"
                return f"{what}; found {found(error['input'])}"
            return f"expected a mapping with the keys {keys}; found {found(error['input'])}"
        return explain(error)

    @model_validator(mode="after")
    def _one_of_each_group(self) -> Self:
        for group in self.alternatives:
            given = [self.key_of(name) for name in group if getattr(self, name) not in (None, ())]
            if not given and self.instead and getattr(self, self.instead):
                continue
            if len(given) != 1:
                known = listed([self.key_of(field) for field in group])
                none = "neither" if len(group) == 2 else "none"
                raise ValueError(f"needs exactly one of {known}; found {listed(given) or none}")
        return self


Loc = tuple[int | str, ...]


def faults(*found_at: tuple[Loc, str, Any]) -> ValidationError:
    """A pydantic error that says the given messages at the given places below here."""
    return ValidationError.from_exception_data(
        "scenario",
        [
            InitErrorDetails(type=_plain(message), loc=loc, input=value)
            for loc, message, value in found_at
        ],
    )


def _plain(message: str) -> PydanticCustomError:
    return PydanticCustomError("twin", "{message}", {"message": message})


def fault(message: str, value: Any, *loc: int | str) -> ValidationError:
    """A pydantic error with one message, at ``loc`` below here."""
    return faults((loc, message, value))


@contextmanager
def below(*loc: int | str, drop: int = 0) -> Iterator[None]:
    """Errors raised inside lie below ``loc``; their first ``drop`` steps are not in the file."""
    try:
        yield
    except ValidationError as error:
        raise faults(
            *((loc + e["loc"][drop:], explain(e), e["input"]) for e in error.errors())
        ) from None
    except ValueError as error:
        raise fault(str(error), None, *loc) from None


def found(value: Any) -> str:
    """What the user wrote, in a few words."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, list | tuple):
        return "a list" if value else "an empty list"
    text = repr(value) if isinstance(value, str | int | float) else type(value).__name__
    return text if len(text) <= 60 else text[:57] + "..."


def listed(names: list[str]) -> str:
    """Names in a row: ``a, b and c``."""
    return " and ".join([", ".join(names[:-1]), *names[-1:]] if len(names) > 1 else names)


_EXPECTED = {
    "int_type": "expected a whole number",
    "int_parsing": "expected a whole number",
    "int_from_float": "expected a whole number",
    "float_type": "expected a number",
    "float_parsing": "expected a number",
    "finite_number": "expected a finite number",
    "bool_type": "expected true or false",
    "string_type": "expected text",
    "string_unicode": "expected text in valid Unicode",
    "tuple_type": "expected a list",
    "list_type": "expected a list",
    "dict_type": "expected a mapping",
    "mapping_type": "expected a mapping",
    "model_type": "expected a mapping",
    "greater_than": "must be above {gt:g}",
    "greater_than_equal": "must be {ge:g} or above",
    "less_than": "must be below {lt:g}",
    "less_than_equal": "must be {le:g} or below",
    "string_too_short": "must not be empty",
    "string_too_long": "may have at most {max_length} characters",
    "too_short": "needs at least {min_length}",
}


def explain(error: Any) -> str:
    """One of pydantic's errors as a sentence: what was expected, what was found, what would do."""
    kind, value, ctx = error["type"], error["input"], error.get("ctx", {})
    if kind == "twin":
        return str(error["msg"])
    if kind in ("value_error", "assertion_error"):
        return str(error["msg"]).split(", ", 1)[1]
    if kind == "literal_error":
        choices = re.findall(r"'([^']*)'", ctx["expected"])
        return f"unknown choice {found(value)}; {did_you_mean(str(value), choices)}"
    if kind not in _EXPECTED:
        return f"{str(error['msg']).lower()}; found {found(value)}"
    advice = ""
    if kind == "string_type" and isinstance(value, int | float):
        advice = f"; put it in quotes: {str(value)!r}"
    if kind in ("tuple_type", "list_type") and isinstance(value, str | int | float):
        advice = f"; write [{value}]" if len(str(value)) < 40 else ""
    if kind in ("int_type", "float_type") and isinstance(value, str):
        bare = value.replace("_", "").replace(",", "").replace("'", "")
        advice = f"; write {bare}" if re.fullmatch(r"[+-]?\d+(\.\d+)?", bare) else ""
    return f"{_EXPECTED[kind].format(**ctx)}, found {found(value)}{advice}"
