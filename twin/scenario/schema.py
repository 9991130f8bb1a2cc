"""`Scenario`, the root of what the user asks for."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue

from twin import units
from twin.scenario.output import Output
from twin.scenario.policies import Policies
from twin.scenario.quantities import CalendarTime, Name, Quantity, Seed
from twin.scenario.section import Section, fault
from twin.scenario.site import Site
from twin.scenario.workload import Window, Workload


class _Horizon(Quantity):
    """Marks the horizon: ``drained`` or a duration."""

    def read(self, text: Any) -> float | None:  # type: ignore[override]
        if text is None or text == "drained":
            return None
        try:
            return super().read(text)
        except ValueError as error:
            raise ValueError(f"{error}, or 'drained' to run until all jobs have ended") from None

    def write(self, value: float | None) -> str:
        return "drained" if value is None else super().write(value)

    def schema(self, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"const": "drained"}, super().schema(handler)]}


Horizon = Annotated[float | None, _Horizon(units.TIME, above=0.0)]


class Scenario(Section):
    """A site, what is to be done on it, and how it is run."""

    name: Name = Field(description="a name, that of the folder of results")
    description: str = Field(default="", description="what it is for, for the report")
    seed: Seed = Field(default=1, description="seed of all random streams")
    start: CalendarTime | None = Field(
        default=None, description="calendar time of second 0 of a synthetic workload"
    )
    horizon_s: Horizon = Field(
        default=None,
        description="when to stop: drained, or a duration",
        json_schema_extra={"default": "drained"},
    )
    site: Site = Field(description="what stands there")
    workload: Workload = Field(description="what is to be done")
    policies: Policies = Field(default_factory=Policies, description="how it is run")
    output: Output = Field(default_factory=Output, description="what is kept")

    @model_validator(mode="after")
    def _calendar_comes_from_one_side(self) -> Self:
        if self.workload.trace is not None and self.start is not None:
            message = "is for synthetic workloads; a trace brings its own calendar"
            raise fault(message, self.start, "start")
        for at, change in enumerate(self.workload.transforms):
            dated = isinstance(change, Window) and any(
                isinstance(edge, datetime) for edge in (change.start, change.end)
            )
            if dated and self.workload.trace is None and self.start is None:
                message = "has dates, but synthetic jobs have none: give the scenario a start"
                raise fault(message, change, "workload", "transforms", at, "window")
        return self
