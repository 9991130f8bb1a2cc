"""How heat is carried away: the way of cooling, the weather, and what of it fails when."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from twin.scenario import check
from twin.scenario.check import KnownName
from twin.scenario.quantities import (
    DegreesC,
    FilePath,
    Moment,
    Name,
    PositiveSeconds,
    PositiveShare,
    PositiveWatts,
    Share,
)
from twin.scenario.section import Section, fault

CoolingName = Annotated[str, KnownName("cooling type", check.cooling_types)]
ClimateName = Annotated[str, KnownName("climate", check.climates)]


class ConstantWeather(Section):
    """The same weather always."""

    dry_bulb_degc: DegreesC = Field(default=20.0, description="temperature of the air outside")
    wet_bulb_degc: DegreesC = Field(
        default=14.0, description="what evaporating water could cool it to"
    )

    @model_validator(mode="after")
    def _is_no_wetter_than_saturated(self) -> Self:
        if self.wet_bulb_degc > self.dry_bulb_degc:
            raise fault(
                f"is above the dry bulb, {self.dry_bulb_degc:g} degC; it is at most equal to it",
                self.wet_bulb_degc,
                "wet_bulb",
            )
        return self


class Weather(Section):
    """The weather outside: a climate of the catalog, a file by the hour, or a constant."""

    alternatives: ClassVar[tuple[tuple[str, ...], ...]] = (("climate", "file", "constant"),)
    shorthand: ClassVar[str] = "climate"

    climate: ClimateName | None = Field(default=None, description="a place of the catalog")
    file: FilePath | None = Field(default=None, description="weather by the hour")
    constant: ConstantWeather | None = Field(default=None, description="the same always")


class CoolingOutage(Section):
    """A time in which some of the cooling is lost."""

    at: Moment = Field(description="when it begins: since the start, or a date")
    lasts_s: PositiveSeconds = Field(description="how long it is lost")
    hall: Name | None = Field(default=None, description="the hall it cools; by default all halls")
    lost: PositiveShare = Field(default=1.0, description="share of the rated cooling that is lost")


class Cooling(Section):
    """How the heat of the halls is carried away."""

    type: CoolingName = Field(default="air-economiser", description="the way of cooling")
    rated_w: PositiveWatts | None = Field(
        default=None,
        description="heat that a hall's cooling carries away; by default that of its nameplate",
    )
    weather: Weather = Field(
        default_factory=lambda: Weather(constant=ConstantWeather()),
        description="the weather outside",
    )
    spare_share: Share = Field(
        default=0.2, description="cooling beyond the rated, over the rated, that is kept in reserve"
    )
    cdu_w: PositiveWatts | None = Field(
        default=None,
        description="heat that one cooling distribution unit carries; by default no limit",
    )
    supply_degc: DegreesC | None = Field(
        default=None,
        description="air or liquid at the inlet of equipment; by default of the way of cooling",
    )
    outages: tuple[CoolingOutage, ...] = Field(default=(), description="when cooling is lost")
    time_constant_s: PositiveSeconds | None = Field(
        default=None, description="of the air or water of a hall; by default of the way of cooling"
    )
    throttle_at_degc: DegreesC | None = Field(
        default=None, description="supply temperature from which on GPUs slow down"
    )
    off_at_degc: DegreesC | None = Field(
        default=None, description="supply temperature at which nodes go off"
    )

    @model_validator(mode="after")
    def _slows_down_before_it_goes_off(self) -> Self:
        throttle, off = self.throttle_at_degc, self.off_at_degc
        if throttle is not None and off is not None and throttle >= off:
            raise fault(
                f"must be below off_at, {off:g} degC, found {throttle:g} degC",
                throttle,
                "throttle_at",
            )
        return self

    def has_dates(self) -> bool:
        """Whether it needs a calendar."""
        return self.weather.constant is None or any(
            isinstance(outage.at, datetime) for outage in self.outages
        )
