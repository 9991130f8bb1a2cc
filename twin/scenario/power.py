"""Power: what parts draw, the tree that feeds them, its caps, and what lies behind the meter."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from twin.scenario import check
from twin.scenario.check import KnownName
from twin.scenario.cooling import Cooling
from twin.scenario.energy import Carbon, DemandCharge, Price
from twin.scenario.quantities import (
    Count,
    Joules,
    Moment,
    Name,
    PositiveNumber,
    PositiveSeconds,
    PositiveShare,
    PositiveWatts,
    Seconds,
    Share,
    Watts,
    WholeNumber,
)
from twin.scenario.section import Section, fault
from twin.scenario.site import GpuName

PowerLevel = Literal["node", "rack", "row", "ups", "hall", "site"]
POWER_LEVELS: tuple[PowerLevel, ...] = ("node", "rack", "row", "ups", "hall", "site")
ProfileName = Annotated[str, KnownName("power profile", check.power_profiles)]
ConverterName = Annotated[str, KnownName("converter", check.converters, also=("none",))]


class Breaker(Section):
    """An inverse-time breaker: the further above its rating, the sooner it trips."""

    trips_at: PositiveNumber = Field(
        default=1.13, description="current over the rating from which on it trips in the end"
    )
    time_constant_s: PositiveSeconds = Field(
        default=600.0, description="time constant of its thermal image"
    )
    at_once: PositiveNumber = Field(
        default=8.0, description="current over the rating at which it trips at once"
    )
    reset_s: PositiveSeconds = Field(
        default=1800.0, description="from the trip until power is back"
    )


class PowerDomains(Section):
    """All units of one level of the power tree: what each may carry, and what is lost in it."""

    rating_w: PositiveWatts | None = Field(
        default=None, description="what one feed of a unit carries; by default no limit"
    )
    oversubscription: PositiveNumber | None = Field(
        default=None,
        description="nameplate power below a unit over what it may carry, instead of a rating",
    )
    feeds: Count = Field(default=1, description="feeds of a unit")
    redundancy: Literal["N", "N+1", "2N"] = Field(
        default="N", description="of the feeds: all used, one in reserve, or half of them"
    )
    derating: PositiveShare = Field(
        default=1.0, description="share of the rating that may be used for long"
    )
    losses: ConverterName | None = Field(
        default=None, description="what converts there, of the catalog, or none"
    )
    breaker: Breaker | None = Field(
        default=None, description="trips where its rating is exceeded for too long"
    )

    @model_validator(mode="after")
    def _is_rated_once(self) -> Self:
        if self.rating_w is not None and self.oversubscription is not None:
            raise fault(
                "rating says what a unit carries; give one or the other",
                self.oversubscription,
                "oversubscription",
            )
        limited = self.rating_w is not None or self.oversubscription is not None
        if self.breaker is not None and not limited:
            raise fault("needs a rating to compare the current with", None, "breaker")
        reserve = {"N": 1, "N+1": 2, "2N": 2}[self.redundancy]
        if self.feeds < reserve or (self.redundancy == "2N" and self.feeds % 2):
            asked = "an even number of feeds" if self.redundancy == "2N" else "two feeds or more"
            raise fault(f"{self.redundancy} takes {asked}, found {self.feeds}", None, "feeds")
        return self


class CapChange(Section):
    """A cap that holds for a time: a call of the grid, a schedule, a heat wave, a lost feed."""

    alternatives: ClassVar[tuple[tuple[str, ...], ...]] = (("cap_w", "share", "feeds_lost"),)

    at: Moment = Field(description="when it begins: since the start, or a date")
    lasts_s: PositiveSeconds | None = Field(
        default=None, description="how long it holds; by default to the end"
    )
    level: PowerLevel = Field(default="site", description="the level whose units it caps")
    unit: WholeNumber | None = Field(
        default=None, description="the unit's number, from 0; by default all"
    )
    cap_w: Watts | None = Field(default=None, description="what a unit may draw meanwhile")
    share: PositiveShare | None = Field(
        default=None, description="share that it may draw of what it otherwise may"
    )
    feeds_lost: Count | None = Field(default=None, description="feeds of each unit that are out")
    every_s: PositiveSeconds | None = Field(
        default=None, description="from one such time to the next; by default once"
    )
    why: Name = Field(default="cap", description="what it is, such as demand response")

    @model_validator(mode="after")
    def _ends_before_it_comes_again(self) -> Self:
        if self.every_s is not None and (self.lasts_s is None or self.lasts_s >= self.every_s):
            raise fault("needs lasts, shorter than every", self.every_s, "every")
        return self


class GpuOverride(Section):
    """What a GPU type draws, where the catalog is to be corrected."""

    tdp_w: PositiveWatts | None = Field(default=None, description="rated power")
    idle_w: Watts | None = Field(default=None, description="at rest")
    least_cap_w: PositiveWatts | None = Field(
        default=None, description="the least power cap that it takes"
    )
    cap_w: PositiveWatts | None = Field(
        default=None, description="power cap that always holds; by default none"
    )


class Host(Section):
    """What a node draws beside its GPUs, where the catalog is to be corrected or says nothing."""

    idle_w: Watts | None = Field(default=None, description="at rest, at the node's input")
    max_w: Watts | None = Field(default=None, description="with all GPUs at their rated power")
    fans: Share | None = Field(default=None, description="fans' share of a node's largest power")
    off_w: Watts = Field(default=0.0, description="of a whole node that is switched off")
    wake_s: Seconds = Field(default=300.0, description="from switching on to service")
    waking_w: Watts | None = Field(
        default=None, description="of a whole node while it starts; by default that at rest"
    )
    network_per_gpu_w: Watts | None = Field(
        default=None, description="of switches and optics, for each GPU; by default 5 % of a node"
    )


class Battery(Section):
    """A store at each unit of a level that takes up swings of power."""

    level: Literal["rack", "row", "ups", "hall", "site"] = Field(
        default="rack", description="the level whose units have one"
    )
    energy_j: Annotated[Joules, Field(gt=0)] = Field(description="what one can give and take")
    power_w: PositiveWatts = Field(description="how fast it gives and takes")
    efficiency: PositiveShare = Field(default=0.95, description="of a round trip")


class Smoothing(Section):
    """What is done about swings of power between the phases of a step; all may be combined."""

    floor: Share | None = Field(
        default=None, description="share of TDP that GPUs at work draw at least, by filler work"
    )
    ramp_s: PositiveSeconds | None = Field(
        default=None, description="least time of a GPU from rest to TDP and back"
    )
    battery: Battery | None = Field(default=None, description="takes up what swing is left")


class Power(Section):
    """What draws power, what feeds it, what it may draw, and what that costs.

    Without this section power is not computed.
    """

    profiles: Mapping[Name, ProfileName] = Field(
        default_factory=dict,
        description="kind of job, or name of a model -> power profile of its work",
    )
    gpus: Mapping[GpuName, GpuOverride] = Field(
        default_factory=dict, description="GPU type -> corrections"
    )
    host: Host = Field(default_factory=Host, description="what nodes draw beside their GPUs")
    levels: Mapping[PowerLevel, PowerDomains] = Field(
        default_factory=dict, description="level -> what its units carry and lose"
    )
    caps: tuple[CapChange, ...] = Field(default=(), description="caps that hold for a time")
    cooling: Cooling = Field(default_factory=Cooling, description="how heat is carried away")
    step_s: PositiveSeconds = Field(
        default=2.0, description="time of one step of training, the period of swings"
    )
    smoothing: Smoothing = Field(
        default_factory=Smoothing, description="what is done about swings of power"
    )
    price: Price | None = Field(default=None, description="price of electricity")
    demand_charge_usd_per_w_month: DemandCharge | None = Field(
        default=None, description="price of the highest quarter of an hour of each month"
    )
    carbon: Carbon | None = Field(default=None, description="carbon intensity of the grid")

    def has_dates(self) -> bool:
        """Whether some of it needs a calendar."""
        parts = (self.cooling, self.price, self.carbon)
        dated = any(isinstance(change.at, datetime) for change in self.caps)
        return dated or any(part is not None and part.has_dates() for part in parts)
