"""Probability laws in YAML: ``{weibull: {shape: 0.8, mean: 50000 h}}``.

Generic in the dimension: quantities carry the unit of what is drawn, a law of plain factors has
bare numbers. The laws themselves are in `twin.distributions`, imported when the first is met.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, GetJsonSchemaHandler, Strict, create_model
from pydantic.json_schema import JsonSchemaValue

from twin import units
from twin.errors import DomainError, did_you_mean
from twin.scenario.forms import Kind, OneKey, one_key_schema
from twin.scenario.quantities import PositiveNumber, Quantity, Weight
from twin.scenario.section import Section, below, found
from twin.units import Dimension

if TYPE_CHECKING:
    from twin.distributions import Distribution

# Law -> its parameters in YAML and what each is: a value of the quantity drawn, values, a plain
# number above zero, plain numbers, another law or several. A trailing underscore is the class's
# own.
_LAWS: dict[str, dict[str, str]] = {
    "constant": {"value": "value"},
    "exponential": {"mean": "value"},
    "weibull": {"shape": "number", "mean": "value"},
    "gamma": {"shape": "number", "mean": "value"},
    "lognormal": {"median": "value", "sigma": "weight"},
    "uniform": {"low": "value", "high": "value"},
    "choice": {"values": "values", "weights": "weights"},
    "empirical": {"quantiles": "values"},
    "truncated": {"law": "law", "low": "value", "high": "value"},
    "earliest": {"laws": "laws"},
}
_OF_LAWS = ("truncated", "earliest")


@dataclass(frozen=True)
class Law(OneKey):
    """Marks a field as a law of a quantity of one dimension, or of a plain factor."""

    dimension: Dimension | None

    @property
    def example(self) -> str:
        """A law of this dimension as it is written."""
        value = self.dimension.example if self.dimension else "1.5"
        return f"{{exponential: {{mean: {value}}}}}"

    def child(self, key: str) -> Kind:
        return self.form(key) if key in _LAWS and key != "constant" else None

    def form(self, law: str) -> type[Section]:
        """The section of a law's parameters."""
        return _form(Law(self.dimension), law)

    def read(self, data: Any) -> Any:
        from twin import distributions

        if isinstance(data, distributions.Distribution):
            return data
        key, value = self.split(data, self.example)
        if key not in _LAWS:
            raise ValueError(f"unknown distribution {found(key)}; {did_you_mean(key, _LAWS)}")
        bare = key == "constant"
        with below(key, drop=int(bare)):
            form = self.form(key).model_validate({"value": value} if bare else value)
            cls = getattr(distributions, key.capitalize())
            given = [getattr(form, field.name.rstrip("_")) for field in fields(cls)]
            try:
                law: Distribution = cls(*given)
            except DomainError as error:
                raise ValueError(str(error).removeprefix(f"{key}: ")) from None
        return law

    def write(self, law: Distribution) -> Any:
        key = type(law).__name__.lower()
        given = {field.name.rstrip("_"): getattr(law, field.name) for field in fields(law)}  # type: ignore[arg-type]
        dumped = self.form(key).model_construct(**given).model_dump(mode="json")
        return {key: dumped["value"] if key == "constant" else dumped}

    def schema(self, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        forms = []
        for law in _LAWS:
            if law in _OF_LAWS:  # would hold themselves for ever; any law may stand inside
                forms.append(one_key_schema(law, {"type": "object"}))
                continue
            inner = handler(self.form(law).__pydantic_core_schema__)
            if law == "constant":
                inner = handler.resolve_ref_schema(inner)["properties"]["value"]
            forms.append(one_key_schema(law, inner))
        return {"anyOf": forms, "examples": [self.example]}


@dataclass(frozen=True)
class LawOrValue(Law):
    """Marks a law that may also be written as one value, which is a constant law: ``30 s``."""

    dimension: Dimension

    def read(self, data: Any) -> Any:
        if isinstance(data, str | int | float) and data not in _LAWS:
            self._value.read(data)
            return super().read({"constant": data})
        return super().read(data)

    def write(self, law: Distribution) -> Any:
        written = super().write(law)
        return written.get("constant", written)

    def schema(self, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        laws = super().schema(handler)
        return {
            "anyOf": [self._value.schema(handler), *laws["anyOf"]],
            "examples": laws["examples"],
        }

    @property
    def _value(self) -> Quantity:
        return Quantity(self.dimension, at_least=0.0)


@cache
def _form(mark: Law, law: str) -> type[Section]:
    """The section of one law's parameters for one dimension, made when first asked for."""
    value: Any = (
        Annotated[float, Strict(), Field(ge=0)]
        if mark.dimension is None
        else Annotated[float, Quantity(mark.dimension, at_least=0.0)]
    )
    what, example = (
        (mark.dimension.name, mark.dimension.example) if mark.dimension else ("a number", 1.5)
    )
    types: dict[str, tuple[Any, str]] = {
        "value": (value, f"{what} such as {example}"),
        "values": (tuple[value, ...], f"a list, each {what} such as {example}"),
        "number": (PositiveNumber, "a number above zero"),
        "weight": (Weight, "a number, zero or above"),
        "weights": (tuple[Weight, ...], "a list of numbers, one a value"),
        "law": (Annotated[Any, mark], f"another distribution, such as {mark.example}"),
        "laws": (
            tuple[Annotated[Any, mark], ...],
            f"a list of distributions, each such as {mark.example}",
        ),
    }
    parameters: dict[str, Any] = {
        name: (types[kind][0], Field(description=types[kind][1]))
        for name, kind in _LAWS[law].items()
    }
    return create_model(f"{law.capitalize()} of {what}", __base__=Section, **parameters)


if TYPE_CHECKING:
    DurationLaw = Distribution
    FactorLaw = Distribution
    Duration = Distribution
else:
    DurationLaw = Annotated[Any, Law(units.TIME)]
    FactorLaw = Annotated[Any, Law(None)]
    Duration = Annotated[Any, LawOrValue(units.TIME)]  # one for all, or drawn
