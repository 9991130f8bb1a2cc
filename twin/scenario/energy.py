"""What electricity costs, and how much carbon the grid emits for it: constant, or by the hour."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue

from twin import units
from twin.scenario import check
from twin.scenario.check import KnownName
from twin.scenario.forms import Form
from twin.scenario.quantities import DollarsPerJoule, FilePath, Name, Quantity, Share
from twin.scenario.section import Section, fault, found

DemandCharge = Annotated[float, Quantity(units.MONEY_PER_POWER, at_least=0.0)]
KgPerJoule = Annotated[float, Quantity(units.CARBON_PER_ENERGY, at_least=0.0)]
GridName = Annotated[str, KnownName("country", check.grids)]

_QUARTER_H = 0.25  # clocks of all zones differ by whole quarters of an hour


class _Zone(Form):
    """Marks a time zone by its IANA name."""

    def read(self, data: Any) -> str:
        if not isinstance(data, str):
            raise ValueError(f"expected a time zone such as Europe/Berlin, found {found(data)}")
        check.time_zone(data)
        return data

    def write(self, value: str) -> str:
        return value

    def schema(self, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {
            "type": "string",
            "description": "a time zone by its IANA name",
            "examples": ["Europe/Berlin", "America/Chicago"],
        }


class _Hours(Form):
    """Marks hours of the day, from and to: ``[16, 21]``; ``[22, 6]`` goes round midnight."""

    def read(self, data: Any) -> tuple[float, float]:
        if (
            not isinstance(data, list | tuple)
            or len(data) != 2
            or any(isinstance(h, bool) or not isinstance(h, int | float) for h in data)
        ):
            raise ValueError(
                f"expected two hours of the day, such as [16, 21], found {found(data)}"
            )
        for hour in data:
            if not 0 <= hour <= 24 or hour % _QUARTER_H:
                raise ValueError(
                    f"{hour:g} is no hour of the day; give 0 to 24 in quarters, such as 16.5"
                )
        start, end = float(data[0]), float(data[1])
        if start == end:
            raise ValueError(f"begins and ends at {start:g}; for the whole day leave it out")
        return start, end

    def write(self, value: tuple[float, float]) -> list[float]:
        return [int(hour) if hour == int(hour) else hour for hour in value]

    def schema(self, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        hour = {"type": "number", "minimum": 0, "maximum": 24}
        return {
            "type": "array",
            "items": hour,
            "minItems": 2,
            "maxItems": 2,
            "examples": [[16, 21]],
        }


class _Months(Form):
    """Marks months of the year by number: ``[6, 7, 8, 9]``."""

    def read(self, data: Any) -> tuple[int, ...]:
        if not isinstance(data, list | tuple) or not data:
            raise ValueError(f"expected months by number, such as [6, 7, 8], found {found(data)}")
        for month in data:
            if isinstance(month, bool) or not isinstance(month, int) or not 1 <= month <= 12:
                raise ValueError(f"{found(month)} is no month; give whole numbers from 1 to 12")
        return tuple(sorted(set(data)))

    def write(self, value: tuple[int, ...]) -> list[int]:
        return list(value)

    def schema(self, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        month = {"type": "integer", "minimum": 1, "maximum": 12}
        return {"type": "array", "items": month, "minItems": 1}


Zone = Annotated[str, _Zone()]
_EVERY_MONTH = tuple(range(1, 13))


class PricePeriod(Section):
    """Hours of some days at a price of their own; each hour belongs to the day it lies on."""

    name: Name = Field(description="what it is called, such as peak")
    price_usd_per_j: DollarsPerJoule = Field(description="price of electricity; may be negative")
    hours: Annotated[tuple[float, float], _Hours()] = Field(
        default=(0.0, 24.0), description="from and to, round midnight if to is the smaller"
    )
    days: Literal["all", "weekdays", "weekends"] = Field(default="all", description="on which days")
    months: Annotated[tuple[int, ...], _Months()] = Field(
        default=_EVERY_MONTH, description="in which months, by number"
    )


class TimeOfUse(Section):
    """Prices by hour, day and month on the clock on the wall; the first period that fits holds."""

    zone: Zone | None = Field(
        default=None, description="the site's zone, for summer time; by default there is none"
    )
    periods: tuple[PricePeriod, ...] = Field(
        description="when which price holds", json_schema_extra={"minItems": 1}
    )
    otherwise_usd_per_j: DollarsPerJoule = Field(description="price in all other hours")

    @model_validator(mode="after")
    def _there_are_some_and_their_names_differ(self) -> Self:
        if not self.periods:  # min_length would also count periods at fault as missing
            raise fault("needs at least 1, found an empty list", (), "periods")
        for at, name in check.repeated([each.name for each in self.periods]):
            raise fault(f"period {name!r} is given twice", name, "periods", at, "name")
        return self


Gaps = Literal["refuse", "hold"]
_GAPS = "stop at hours that are missing or blank, or let the hour before hold on"
_FILE_ZONE = "the site's zone, where the file is in UTC or has summer time"


class PriceFile(Section):
    """Prices by the hour from a CSV file, plain or gzipped, with a column of times.

    Times are ISO: of the site's clock, or with Z or an offset. A file of one year is repeated.
    """

    path: FilePath = Field(description="the file")
    column: str = Field(default="price", min_length=1, description="the column of prices")
    unit: Literal["USD/MWh", "USD/kWh", "USD/J"] = Field(
        default="USD/MWh", description="unit of that column"
    )
    gaps: Gaps = Field(default="refuse", description=_GAPS)
    zone: Zone | None = Field(default=None, description=_FILE_ZONE)


class CarbonFile(Section):
    """Carbon intensities by the hour from a CSV file, read as that of prices."""

    path: FilePath = Field(description="the file")
    column: str = Field(
        default="carbon_intensity", min_length=1, description="the column of intensities"
    )
    unit: Literal["g/kWh", "kg/kWh", "kg/MWh"] = Field(
        default="g/kWh", description="unit of that column, of CO2 equivalent"
    )
    gaps: Gaps = Field(default="refuse", description=_GAPS)
    zone: Zone | None = Field(default=None, description=_FILE_ZONE)


class Price(Section):
    """Price of electricity at the meter: constant, by time of use, or from a file."""

    alternatives: ClassVar[tuple[tuple[str, ...], ...]] = (
        ("flat_usd_per_j", "time_of_use", "file"),
    )
    shorthand: ClassVar[str] = "flat_usd_per_j"

    flat_usd_per_j: DollarsPerJoule | None = Field(default=None, description="the same always")
    time_of_use: TimeOfUse | None = Field(
        default=None, description="by hour of the day, day and month"
    )
    file: PriceFile | None = Field(default=None, description="by the hour, from a file")

    def has_dates(self) -> bool:
        """Whether it needs a calendar."""
        return self.flat_usd_per_j is None


class Carbon(Section):
    """Carbon intensity of the grid: constant, a country's mean, or from a file."""

    alternatives: ClassVar[tuple[tuple[str, ...], ...]] = (("flat_kg_per_j", "country", "file"),)
    shorthand: ClassVar[str] = "flat_kg_per_j"

    flat_kg_per_j: KgPerJoule | None = Field(default=None, description="mean intensity")
    country: GridName | None = Field(
        default=None, description="whose mean it is, by its ISO code, of the catalog"
    )
    file: CarbonFile | None = Field(default=None, description="by the hour, from a file")
    diurnal_swing: Share = Field(
        default=0.0,
        description="half of the swing over a day, over the mean: least at 13 h, most at 1 h",
    )

    @model_validator(mode="after")
    def _swings_about_a_mean(self) -> Self:
        if self.diurnal_swing and self.file is not None:
            raise fault(
                "is for a mean; the file says itself how the intensity swings",
                self.diurnal_swing,
                "diurnal_swing",
            )
        return self

    def has_dates(self) -> bool:
        """Whether it needs a calendar."""
        return self.file is not None or self.diurnal_swing > 0
