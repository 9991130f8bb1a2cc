"""How values stand in YAML: `Form`, and mappings of one key that names what follows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from twin.errors import did_you_mean
from twin.scenario.section import Section, below, found


class Form(ABC):
    """Marks, within ``Annotated``, a field whose value is not written as it is kept."""

    @abstractmethod
    def read(self, data: Any) -> Any:
        """The value from what YAML holds; `ValueError` says what is wrong with it."""

    @abstractmethod
    def write(self, value: Any) -> Any:
        """What YAML holds for a value: `read` takes it back to an equal one."""

    @abstractmethod
    def schema(self, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The JSON Schema of what `read` takes."""

    def __get_pydantic_core_schema__(self, _: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        writer = core_schema.plain_serializer_function_ser_schema(self.write)
        return core_schema.no_info_plain_validator_function(self.read, serialization=writer)

    def __get_pydantic_json_schema__(
        self, _: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return self.schema(handler)


class OneKey(Form):
    """A mapping of one key, or that key alone as plain text: ``{poisson: {rate: 30 per h}}``.

    Two different keys exclude each other: in an overlay, ``{easy-backfill: {depth: 5}}`` replaces
    ``{fifo: {}}``, and adds to ``{easy-backfill: {}}``.
    """

    @abstractmethod
    def child(self, key: str) -> Kind:
        """What the value under ``key`` is made of, for overlays; None if nothing of a scenario."""

    def item(self) -> Kind:
        """What the items of a list in its place are made of."""
        return self

    def split(self, data: Any, example: str) -> tuple[str, Any]:
        """The key and what follows it; plain text is a key that nothing follows."""
        if isinstance(data, str):
            return data, {}
        if isinstance(data, dict) and len(data) == 1:
            key, value = next(iter(data.items()))
            return str(key), {} if value is None else value
        what = f"{len(data)} keys" if isinstance(data, dict) else found(data)
        raise ValueError(f"expected one key, for example {example}; found {what}")


@dataclass(frozen=True)
class Each:
    """A mapping whose keys the user chooses and whose values are all of one kind."""

    kind: Kind


# What a value of a scenario is made of, as far as it matters to what is laid over it.
Kind = type[Section] | OneKey | Each | None


class Tagged(OneKey):
    """One of several sections, by its key; ``words`` are choices that are plain text.

    A section with ``bare`` set is not a mapping: what follows the key is that field itself, as in
    ``{time_scale: 0.5}``.
    """

    def __init__(self, *words: str, example: str, **sections: type[Section]) -> None:
        self.words = words
        self.sections = sections
        self.example = example

    def child(self, key: str) -> Kind:
        cls = self.sections.get(key)
        if cls is None or not cls.bare:
            return cls
        info = cls.model_fields[cls.bare]
        return kind_of(info.annotation, tuple(info.metadata))

    def read(self, data: Any) -> Any:
        if isinstance(data, str) and data in self.words:
            return data
        if isinstance(data, tuple(self.sections.values())):
            return data
        key, value = self.split(data, self.example)
        cls = self.sections.get(key)
        if cls is None:
            hint = did_you_mean(key, [*self.words, *self.sections])
            raise ValueError(f"unknown choice {found(key)}; {hint}")
        if cls.bare:
            with below(key, drop=1):
                return cls.model_validate({cls.key_of(cls.bare): value})
        with below(key):
            return cls.model_validate(value)

    def write(self, value: Any) -> Any:
        if isinstance(value, str):
            return value
        key = next(k for k, cls in self.sections.items() if type(value) is cls)
        dumped = value.model_dump(mode="json", by_alias=True)
        return {key: dumped[value.key_of(value.bare)] if value.bare else dumped}

    def schema(self, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        forms: list[JsonSchemaValue] = [{"enum": list(self.words)}] if self.words else []
        for key, cls in self.sections.items():
            inner = handler(cls.__pydantic_core_schema__)
            if cls.bare:
                inner = handler.resolve_ref_schema(inner)["properties"][cls.key_of(cls.bare)]
            elif not any(info.is_required() for info in cls.model_fields.values()):
                forms.append({"const": key})
                inner = {"anyOf": [inner, {"type": "null"}]}
            forms.append(one_key_schema(key, inner))
        return {"anyOf": forms}


def one_key_schema(key: str, value: JsonSchemaValue) -> JsonSchemaValue:
    """JSON Schema of a mapping with exactly this key."""
    return {
        "type": "object",
        "properties": {key: value},
        "required": [key],
        "additionalProperties": False,
    }


def kind_of(annotation: Any, metadata: tuple[Any, ...] = ()) -> Kind:
    """What a field is made of, seen through ``Annotated``, ``| None`` and ``tuple[..., ...]``."""
    for mark in metadata:
        if isinstance(mark, OneKey):
            return mark
    if get_origin(annotation) is Annotated:
        inner, *marks = get_args(annotation)
        return kind_of(inner, tuple(marks))
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    if get_origin(annotation) is Mapping:
        below = kind_of(get_args(annotation)[1])
        return Each(below) if below else None
    for part in get_args(annotation):
        kind = kind_of(part)
        if kind is not None:
            return kind
    return None


def child_kind(kind: Kind, key: str) -> Kind:
    """What the value under ``key`` of a mapping of this kind is made of."""
    if isinstance(kind, OneKey):
        return kind.child(key)
    if isinstance(kind, Each):
        return kind.kind
    if kind is None:
        return None
    for info in kind.model_fields.values():
        if info.alias == key:
            return kind_of(info.annotation, tuple(info.metadata))
    return None
