"""Repair in YAML: a duration, a law, or stages; each may get better or worse with time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue

from twin import units
from twin.scenario.distributions import Duration, LawOrValue
from twin.scenario.forms import Kind, one_key_schema
from twin.scenario.quantities import Flag, Seconds, Share
from twin.scenario.section import Section, below, fault, found

if TYPE_CHECKING:
    from twin.distributions import Distribution


class DatedTime(Section):
    """The law of a duration from one date on."""

    from_s: Seconds = Field(description="from when on, since the start")
    time: Duration = Field(description="the duration, or its law")


@dataclass(frozen=True)
class _Dated(LawOrValue):
    """Marks a duration or its law, which may change from date to date."""

    def child(self, key: str) -> Kind:
        return DatedTime if key == "dated" else super().child(key)

    def item(self) -> Kind:
        return DatedTime

    def read(self, data: Any) -> Any:
        if isinstance(data, tuple):
            return data
        if not (isinstance(data, dict) and "dated" in data):
            return (DatedTime.model_construct(from_s=0.0, time=super().read(data)),)
        key, listed = self.split(data, "{dated: [{from: 0 d, time: 4 h}]}")
        if not isinstance(listed, list) or not listed:
            message = f"expected a list such as [{{from: 0 d, time: 4 h}}], found {found(listed)}"
            raise fault(message, listed, key)
        times = []
        for at, each in enumerate(listed):
            with below(key, at):
                times.append(DatedTime.model_validate(each))
        if times[0].from_s != 0:
            raise fault("the first must be from 0 s on", listed, key, 0, "from")
        for at in range(1, len(times)):
            if times[at].from_s <= times[at - 1].from_s:
                message = "must come after the one before; put them in order of time"
                raise fault(message, listed, key, at, "from")
        return tuple(times)

    def write(self, times: Any) -> Any:
        if len(times) == 1:
            return super().write(times[0].time)
        return {"dated": [each.model_dump(mode="json", by_alias=True) for each in times]}

    def schema(self, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        dated = {"type": "array", "items": handler(DatedTime.__pydantic_core_schema__)}
        laws = super().schema(handler)
        return laws | {"anyOf": [*laws["anyOf"], one_key_schema("dated", dated)]}


class Stage(Section):
    """One stage of a repair: a reset, a reboot, a swap by hand."""

    time: Annotated[Any, _Dated(units.TIME)] = Field(
        description="how long it takes: a duration, a law, or laws by date"
    )
    escalates: Share = Field(default=0.0, description="chance that the next stage is needed")
    unmended: Share = Field(
        default=0.0, description="chance that the part leaves this stage as faulty as it was"
    )
    crew: Flag = Field(default=False, description="whether it takes one of the crews")

    @property
    def times(self) -> tuple[tuple[float, Distribution], ...]:
        """The law of its duration [s] from each date [s] on."""
        return tuple((each.from_s, each.time) for each in self.time)


@dataclass(frozen=True)
class _Stages(_Dated):
    """Marks the stages of a repair; a duration or a law alone is a repair of one."""

    def item(self) -> Kind:
        return Stage

    def read(self, data: Any) -> Any:
        if isinstance(data, tuple):
            return data
        if not isinstance(data, list):
            with below(drop=1):
                return (Stage.model_validate({"time": data}),)
        if not data:
            raise ValueError("needs at least one stage, for example [{time: 4 h}]")
        stages = []
        for at, each in enumerate(data):
            with below(at):
                stages.append(Stage.model_validate(each))
        for at, stage in enumerate(stages[:-1]):
            if stage.escalates == 0:
                message = "give the chance of the next stage, which otherwise never comes"
                raise fault(message, data, at, "escalates")
        if stages[-1].escalates > 0:
            message = "no stage comes after the last; add one, or leave this out"
            raise fault(message, data, len(stages) - 1, "escalates")
        return tuple(stages)

    def write(self, stages: Any) -> Any:
        dumped = [stage.model_dump(mode="json", by_alias=True) for stage in stages]
        alone = len(stages) == 1 and stages[0] == Stage(time=stages[0].time)
        return dumped[0]["time"] if alone else dumped

    def schema(self, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        listed = {"type": "array", "items": handler(Stage.__pydantic_core_schema__), "minItems": 1}
        laws = super().schema(handler)
        return laws | {"anyOf": [*laws["anyOf"], listed]}


if TYPE_CHECKING:
    Repair = tuple[Stage, ...]
else:
    Repair = Annotated[Any, _Stages(units.TIME)]


def usual_time_s(stages: tuple[Stage, ...]) -> float:
    """How long a repair usually takes by the laws in force at the start. [s]

    The mean of each stage, by the chance that it is reached; the median where the mean lies in a
    heavy tail, beyond twice the median.
    """
    total_s, reached = 0.0, 1.0
    for stage in stages:
        law = stage.times[0][1]
        median_s = float(law.quantile(0.5))
        total_s += reached * (law.mean if law.mean <= 2 * median_s else median_s)
        reached *= stage.escalates
    return total_s
