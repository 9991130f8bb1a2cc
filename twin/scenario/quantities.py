"""Types of fields: quantities with units, counts, numbers, names, calendar times and files.

A quantity is text with its unit in YAML ("30 min") and a float in SI units in Python; a bare
number is refused. Resolved scenarios write it back so that it reads the same to the last bit.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, Strict
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from twin import units
from twin.errors import UnitError
from twin.scenario.forms import Form
from twin.scenario.section import found
from twin.units import Dimension, format_quantity, parse_quantity

_QUANTITY_PATTERN = r"^\s*[+-]?(\d[\d_]*\.?\d*|\.\d+)([eE][+-]?\d+)?\s*[^\d\s].*$"


@dataclass(frozen=True)
class Quantity(Form):
    """Marks a float as a quantity of one dimension, with its bounds in SI units."""

    dimension: Dimension
    at_least: float = -math.inf
    above: float = -math.inf

    def read(self, text: Any) -> float:
        """The value in SI units; `ValueError` says what is wrong with it."""
        try:
            value = parse_quantity(text, self.dimension)
        except UnitError as error:
            raise ValueError(str(error)) from None
        if not (math.isfinite(value) and value >= self.at_least and value > self.above):
            above = f"above {self.above:g} {self.dimension.si}"
            least = f"{self.at_least:g} {self.dimension.si} or above"
            raise ValueError(
                f"must be {above if self.above > -math.inf else least}, found {found(text)}"
            )
        return value

    def write(self, value: float) -> str:
        """The value as text that reads back the same."""
        return format_quantity(float(value), self.dimension)

    def schema(self, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {
            "type": "string",
            "pattern": _QUANTITY_PATTERN,
            "description": f"{self.dimension.name} with its unit",
            "examples": [self.dimension.example],
        }


Seconds = Annotated[float, Quantity(units.TIME, at_least=0.0)]
PositiveSeconds = Annotated[float, Quantity(units.TIME, above=0.0)]
Watts = Annotated[float, Quantity(units.POWER, at_least=0.0)]
PositiveWatts = Annotated[float, Quantity(units.POWER, above=0.0)]
Joules = Annotated[float, Quantity(units.ENERGY, at_least=0.0)]
Bytes = Annotated[float, Quantity(units.BYTES, at_least=0.0)]
BytesPerSecond = Annotated[float, Quantity(units.BYTES_PER_S, at_least=0.0)]
FlopPerSecond = Annotated[float, Quantity(units.FLOP_PER_S, at_least=0.0)]
Hertz = Annotated[float, Quantity(units.FREQUENCY, at_least=0.0)]
DegreesC = Annotated[float, Quantity(units.TEMPERATURE, at_least=-273.15)]
Dollars = Annotated[float, Quantity(units.MONEY, at_least=0.0)]
DollarsPerJoule = Annotated[float, Quantity(units.MONEY_PER_ENERGY)]  # prices go below zero
DollarsPerSecond = Annotated[float, Quantity(units.MONEY_PER_TIME, at_least=0.0)]
DollarsPerByte = Annotated[float, Quantity(units.MONEY_PER_BYTE, at_least=0.0)]
PositiveBytes = Annotated[float, Quantity(units.BYTES, above=0.0)]
PositiveBytesPerSecond = Annotated[float, Quantity(units.BYTES_PER_S, above=0.0)]
PerSecond = Annotated[float, Quantity(units.PER_TIME, above=0.0)]


def _whole(value: Any) -> Any:
    """YAML reads 1e5 as a float; as a count it is as good as 100000."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _key(value: Any) -> Any:
    """Keys of YAML arrive as text, counts among them."""
    return int(value) if isinstance(value, str) and re.fullmatch(r"\d{1,18}", value) else value


# Beyond 2**53 a float no longer counts one by one, and 2**31 nodes or jobs is past any machine.
Count = Annotated[int, Strict(), Field(ge=1, le=2**31 - 1), BeforeValidator(_whole)]
WholeNumber = Annotated[int, Strict(), Field(ge=0, le=2**31 - 1), BeforeValidator(_whole)]
GpusPerNode = Annotated[int, Strict(), Field(ge=1, le=63), BeforeValidator(_whole)]
CountKey = Annotated[Count, BeforeValidator(_key)]
Seed = Annotated[int, Strict(), Field(ge=0, le=2**63 - 1), BeforeValidator(_whole)]
PositiveNumber = Annotated[float, Strict(), Field(gt=0)]
Weight = Annotated[float, Strict(), Field(ge=0)]
Share = Annotated[float, Strict(), Field(ge=0, le=1)]
PositiveShare = Annotated[float, Strict(), Field(gt=0, le=1)]
Flag = Annotated[bool, Strict()]

_NAME = re.compile(r"\w(?:[\w.+=,@ -]*[\w+=@-])?")


def _name(value: str) -> str:
    if not _NAME.fullmatch(value) or len(value) > 100:
        raise ValueError(
            f"{found(value)} cannot be a name: use up to 100 letters, digits and . _ - + = , @ or"
            " spaces, beginning with a letter or digit"
        )
    return value


class _Name:
    """Marks text that names a folder, a pool or a hall: no slashes, nothing hidden."""

    def __get_pydantic_core_schema__(self, of: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(_name, handler(of))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"type": "string", "maxLength": 100, "pattern": r"^[^/\\]+$"}


Name = Annotated[str, _Name()]


class InputFile:
    """Marks text that is the path of a file; `load` finds it and makes it absolute."""


FilePath = Annotated[str, Field(min_length=1), InputFile()]


def read_datetime(text: Any) -> datetime:
    """A calendar date or time in ISO form without a zone; `ValueError` says what is wrong."""
    if isinstance(text, datetime):
        moment = text
    else:
        try:
            moment = datetime.fromisoformat(text.strip())
        except (ValueError, AttributeError):
            raise ValueError(
                f"expected a date such as 2017-10-01 or 2017-10-01T10:00, found {found(text)}"
            ) from None
    if moment.tzinfo is not None:
        raise ValueError(
            f"{found(text)} names a time zone; write it without, in the site's or trace's own zone"
        )
    return moment


class _Calendar(Form):
    """Marks a calendar time."""

    def read(self, data: Any) -> datetime:
        return read_datetime(data)

    def write(self, value: datetime) -> str:
        return value.isoformat()

    def schema(self, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {
            "type": "string",
            "description": "a date or a time of day on a date",
            "examples": ["2017-10-01", "2017-10-01T10:00"],
        }


class _Moment(Form):
    """Marks a point in time: a calendar time, or seconds since the first submit."""

    _since = Quantity(units.TIME, at_least=0.0)

    def read(self, data: Any) -> datetime | float:
        if isinstance(data, datetime) or re.match(r"\s*\d{4}-\d", str(data)[:40]):
            return read_datetime(data)
        try:
            return self._since.read(data)
        except ValueError as error:
            raise ValueError(f"{error}, or a date: 2017-10-01") from None

    def write(self, value: datetime | float) -> str:
        return value.isoformat() if isinstance(value, datetime) else self._since.write(value)

    def schema(self, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {
            "type": "string",
            "description": "a date, or a duration since the first submit",
            "examples": ["2017-10-01", "2017-10-01T10:00", "3 days"],
        }


CalendarTime = Annotated[datetime, _Calendar()]
Moment = Annotated[datetime | float, _Moment()]
