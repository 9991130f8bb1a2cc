"""`Scenario`, the root of what the user asks for."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue

from twin import units
from twin.scenario import check
from twin.scenario.failures import Failures
from twin.scenario.output import Output
from twin.scenario.policies import Policies
from twin.scenario.power import Power
from twin.scenario.quantities import CalendarTime, Name, Quantity, Seed
from twin.scenario.recovery import Recovery
from twin.scenario.repair import usual_time_s
from twin.scenario.reservations import cannot_be_had
from twin.scenario.section import Section, fault, faults
from twin.scenario.sharing import Sharing
from twin.scenario.site import Site
from twin.scenario.workload import Fill, Window, Workload
from twin.units import format_duration, parse_quantity


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
    sharing: Sharing | None = Field(
        default=None,
        description="jobs may share a GPU; without it each that asks for part gets a whole one",
    )
    policies: Policies = Field(default_factory=Policies, description="how it is run")
    failures: Failures | None = Field(
        default=None, description="what may go wrong; without it nothing does"
    )
    recovery: Recovery = Field(
        default_factory=Recovery, description="what starting, saving and starting again take"
    )
    power: Power | None = Field(
        default=None, description="what draws power and what it may draw; else it is not computed"
    )
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

    @model_validator(mode="after")
    def _jobs_that_stay_meet_an_end(self) -> Self:
        transforms = self.workload.transforms
        fills = [at for at, change in enumerate(transforms) if isinstance(change, Fill)]
        if fills and self.horizon_s is None:
            message = "jobs that fill the site stay there for ever: give the scenario a horizon"
            raise fault(message, transforms[fills[0]], "workload", "transforms", fills[0], "fill")
        trace = self.workload.trace
        if trace is not None and trace.include == "asked" and not fills:
            message = "brings jobs that never ran, without a duration; add a fill to transforms"
            raise fault(message, trace.include, "workload", "trace", "include")
        return self

    @model_validator(mode="after")
    def _services_meet_an_end(self) -> Self:
        work = self.workload
        jobs = work.trace is not None or work.synthetic is not None or bool(work.jobs)
        if work.services and self.horizon_s is None and not jobs:
            message = "services alone go on for ever: give the scenario a horizon, such as 7 days"
            raise fault(message, None, "workload", "services")
        if work.services and self.sharing is not None:
            message = "replicas of services need whole GPUs: leave out sharing or services"
            raise fault(message, None, "workload", "services")
        return self

    @model_validator(mode="after")
    def _guests_find_hosts(self) -> Self:
        name = self.policies.guests.name
        if name != "never" and not any(each.guests for each in self.workload.services):
            message = (
                f"{name} has no gap to use: give a service of workload.services busy and guests, "
                "for example busy: 0.4 and guests: {memory: 0.3}"
            )
            raise fault(message, name, "policies", "guests")
        return self

    @model_validator(mode="after")
    def _clouds_go_with_the_rest(self) -> Self:
        clouds = [at for at, pool in enumerate(self.site.pools) if pool.cloud is not None]
        name = self.policies.overflow.name
        if not clouds:
            if name != "never":
                message = f"{name} has no cloud to rent from: give a pool of site.pools a cloud"
                raise fault(message, name, "policies", "overflow")
            return self
        where = ("site", "pools", clouds[0], "cloud")
        for section in ("power", "sharing"):
            if getattr(self, section) is not None:
                message = f"rented nodes do not go with {section}: leave out one of the two"
                raise fault(message, None, *where)
        rented = {self.site.pools[at].name for at in clouds}
        for at, service in enumerate(self.workload.services):
            if service.pool in rented:
                message = "replicas of services do not overflow; give them a pool of one's own"
                raise fault(message, service.pool, "workload", "services", at, "pool")
        for at, kept in enumerate(self.policies.reservations):
            if kept.pool in rented:
                message = "nodes of a cloud come and go; reserve nodes of one's own"
                raise fault(message, kept.pool, "policies", "reservations", at, "pool")
        return self

    @model_validator(mode="after")
    def _reservations_go_with_the_rest(self) -> Self:
        policies = self.policies
        for at in range(len(policies.reservations)):
            where = ("policies", "reservations", at)
            if self.sharing is not None:
                message = (
                    "whole nodes are reserved, and sharing splits them: leave out one of the two"
                )
                raise fault(message, None, *where)
            if policies.lighting.name != "all-on":
                message = (
                    f"nodes that are reserved must not sleep: leave out {policies.lighting.name} "
                    "or the reservation"
                )
                raise fault(message, None, *where)
        nodes = {pool.name: pool.nodes for pool in self.site.pools}
        if nodes:
            told = cannot_be_had(policies.reservations, nodes, self.start)
            problems = [
                (("policies", "reservations", *where), what, value) for where, what, value in told
            ]
            if problems:
                raise faults(*problems)
        return self

    @model_validator(mode="after")
    def _placement_has_power_to_look_at(self) -> Self:
        name = self.policies.placement.name
        if self.power is None and check.needs_power(name):
            message = (
                f"{name} goes by the power and cooling that are left, which need the section "
                "power; add it, or place by best-fit"
            )
            raise fault(message, name, "policies", "placement")
        return self

    @model_validator(mode="after")
    def _repairs_end_within_the_run(self) -> Self:
        """Classes written here: a set of the catalog may serve a short run as well."""
        told = []
        classes = self.failures.classes if self.failures else {}
        for name, cls in classes.items():
            if cls is None or not cls.repair or cls.effect != "fail-stop":
                continue
            time_s = usual_time_s(cls.repair)
            if self.horizon_s is not None and time_s > self.horizon_s:
                message = (
                    f"usually takes {format_duration(time_s)}, longer than the horizon of "
                    f"{format_duration(self.horizon_s)}; give a longer horizon or a shorter repair"
                )
                told.append((("failures", "classes", name, "repair"), message, None))
        if told:
            raise faults(*told)
        return self

    @model_validator(mode="after")
    def _checkpoints_are_done_before_the_next(self) -> Self:
        policy, checkpoint = self.policies.checkpoint, self.recovery.checkpoint
        if policy.name != "fixed" or checkpoint is None:
            return self
        every_s = parse_quantity(policy.options["every"], units.TIME)
        told = []
        for at, level in enumerate(checkpoint.save_levels()):
            where: tuple[int | str, ...] = ("levels", at) if checkpoint.levels else ()
            round_s = every_s * level.every
            for key, time_s, most_s in (
                ("write", level.write_s or 0.0, every_s),
                ("flush", level.flush_s, round_s),
            ):
                if time_s > most_s:
                    message = (
                        f"takes {format_duration(time_s)}, longer than the "
                        f"{format_duration(most_s)} from one to the next; give "
                        "policies.checkpoint.fixed.every more"
                    )
                    told.append((("recovery", "checkpoint", *where, key), message, None))
        if told:
            raise faults(*told)
        return self
