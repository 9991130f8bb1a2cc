"""What may go wrong: classes of parts that fail, planned maintenance, dated incidents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue

from twin.errors import did_you_mean
from twin.scenario import check
from twin.scenario.distributions import FactorLaw
from twin.scenario.fault_class import Effect, FaultClass
from twin.scenario.forms import Form
from twin.scenario.levels import Level
from twin.scenario.quantities import (
    Count,
    FilePath,
    Flag,
    Name,
    PositiveNumber,
    PositiveSeconds,
    Seconds,
    WholeNumber,
)
from twin.scenario.section import Section, below, fault, found


class _SetNames(Form):
    """Marks failure sets of the catalog: one name or a list of them."""

    _one = check.KnownName("failure set", check.failure_sets)

    def read(self, data: Any) -> tuple[str, ...]:
        if isinstance(data, str):
            return (self._one.read(data),)
        if not isinstance(data, list | tuple):
            raise ValueError(f"expected a name or a list of names, found {found(data)}")
        names = []
        for at, each in enumerate(data):
            with below(at):
                names.append(self._one.read(each))
                if each in data[:at]:
                    raise ValueError(f"failure set {each!r} is given twice")
        return tuple(names)

    def write(self, value: tuple[str, ...]) -> list[str]:
        return list(value)

    def schema(self, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        one = self._one.schema(handler)
        return {"anyOf": [one, {"type": "array", "items": one}]}


class Maintenance(Section):
    """Planned work that goes round all units of a level, a few at a time, again and again."""

    name: Name = Field(description="what it is")
    of: Level = Field(description="the level whose units are taken out of service")
    first_s: Seconds = Field(description="when the first round begins")
    every_s: PositiveSeconds = Field(description="from one round to the next")
    lasts_s: PositiveSeconds = Field(description="how long a unit is out of service")
    at_once: Count = Field(default=1, description="units out of service at one time")
    notice_s: Seconds = Field(default=0.0, description="how long before jobs are told to move away")

    @model_validator(mode="after")
    def _a_unit_is_done_before_its_turn(self) -> Self:
        if self.lasts_s > self.every_s:
            message = f"is longer than every, {self.every_s:g} s; give a longer every"
            raise fault(message, self.lasts_s, "lasts")
        return self


class Incident(Section):
    """One incident at a known time, as it was recorded or as a what-if wants it."""

    # Whether the site has that unit is known when it is built: `twin.failures.asked.check_site`.
    at_s: Seconds = Field(description="when it begins")
    name: Name = Field(description="what it is")
    of: Level = Field(description="the level whose unit it hits")
    unit: WholeNumber = Field(default=0, description="the unit's number, from 0")
    lasts_s: PositiveSeconds = Field(description="how long the unit is hit")
    effect: Effect = Field(default="fail-stop", description="what it does")


class Records(Section):
    """Incidents from a CSV file.

    Its columns are ``at_s``, ``name``, ``of``, ``unit``, ``lasts_s`` and, if liked, ``effect``;
    the times may be in other units: ``at_h``, ``lasts_min``.
    """

    path: FilePath = Field(description="the CSV file")


class Failures(Section):
    """What may go wrong on the site; without this section nothing does."""

    use: Annotated[tuple[str, ...], _SetNames()] = Field(
        default=(),
        description="failure sets of the catalog; where two have a class in common the later holds",
    )
    rate: PositiveNumber = Field(default=1.0, description="factor on all rates of failure")
    lemons: FactorLaw | None = Field(
        default=None, description="law of a factor on the rates of each node, drawn once"
    )
    mends_lemons: Flag = Field(
        default=False, description="whether a repair makes a node with a factor an ordinary one"
    )
    crews: Count | None = Field(default=None, description="repair crews; by default enough")
    classes: Mapping[Name, FaultClass | None] = Field(
        default_factory=dict,
        description="name -> what fails; it replaces that of a set; null removes it",
    )
    maintenance: tuple[Maintenance, ...] = Field(default=(), description="planned work")
    incidents: tuple[Incident, ...] = Field(default=(), description="incidents at known times")
    records: Records | None = Field(default=None, description="incidents at known times in a file")

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        of_sets = {name for used in self.use for name in check.failure_classes(used)}
        for name, cls in self.classes.items():
            if cls is None and name not in of_sets:
                message = f"null removes a class of a set, and none has {name!r}"
                raise fault(f"{message}; {did_you_mean(name, of_sets)}", None, "classes", name)
        for at, name in check.repeated([each.name for each in self.maintenance]):
            message = f"maintenance {name!r} is given twice"
            raise fault(message, name, "maintenance", at, "name")
        return self

    def all_classes(self) -> dict[str, FaultClass]:
        """Every class that holds: those of the sets in their order, then those written here."""
        found: dict[str, FaultClass | None] = {}
        for used in self.use:
            for name, plain in check.failure_classes(used).items():
                found[name] = FaultClass.model_validate(plain)
        found.update(self.classes)
        return {name: cls for name, cls in found.items() if cls is not None}
