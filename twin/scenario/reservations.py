"""Advance reservations: nodes that are kept for some jobs, from one time to another."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import Field, GetJsonSchemaHandler, TypeAdapter, ValidationError, model_validator
from pydantic.json_schema import JsonSchemaValue

from twin.scenario.forms import Form
from twin.scenario.quantities import Count, Moment, Name, Seconds
from twin.scenario.section import Section, below, fault, found

_NAME: TypeAdapter[str] = TypeAdapter(Name)


class _Names(Form):
    """Marks one name or several: ``vision`` or ``[vision, speech]``."""

    def read(self, data: Any) -> tuple[str, ...]:
        if isinstance(data, str):
            return (self._name(data),)
        if not isinstance(data, list | tuple):
            raise ValueError(f"expected a name or a list of names, found {found(data)}")
        names = []
        for at, name in enumerate(data):
            with below(at):
                names.append(self._name(name))
        return tuple(names)

    def _name(self, data: Any) -> str:
        try:
            return _NAME.validate_python(data)
        except ValidationError as error:
            told = error.errors()[0]
            plain = told["type"] == "value_error"
            message = (
                str(told["ctx"]["error"])
                if plain
                else f"{found(data)} is no text; put a name in quotes"
            )
            raise ValueError(message) from None

    def write(self, value: tuple[str, ...]) -> list[str]:
        return list(value)

    def schema(self, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        name = {"type": "string", "maxLength": 100, "pattern": r"^[^/\\]+$"}
        return {"anyOf": [name, {"type": "array", "items": name}]}


Names = Annotated[tuple[str, ...], _Names()]


class Reservation(Section):
    """Whole nodes of a pool that only jobs of some groups or users may use, for a time.

    From ``start`` less ``drain`` on, so many nodes are closed to all: those that are expected free
    first, by what the running jobs are expected to take, of equal ones the lowest in number. What
    runs there runs on. At ``start`` jobs of others that are still there save, as checkpoints have
    it, and give way. From then to ``end`` only jobs of the named groups and users may start there,
    and they do so before the scheduler has its turn, in queue order, each that fits. They may run
    elsewhere as well. At ``end`` the nodes are open again, and what runs there runs on.
    """

    name: Name = Field(description="a name")
    pool: Name = Field(description="the pool that the nodes are of")
    nodes: Count = Field(description="how many whole nodes")
    start: Moment = Field(description="from when on: since the first submit, or a date")
    end: Moment = Field(description="until when")
    group: Names = Field(default=(), description="the group, or groups, that it is for")
    user: Names = Field(default=(), description="the user, or users, that it is for")
    drain_s: Seconds = Field(
        default=0.0,
        description="so long before the start no job may start there; at 0 jobs are cut off",
        json_schema_extra={"default": "0 s"},
    )

    @model_validator(mode="after")
    def _is_for_somebody_and_ends(self) -> Self:
        if not self.group and not self.user:
            message = "is for nobody; name a group or a user, such as group: [vision]"
            raise fault(message, None, "group")
        start, end = self.start, self.end
        if isinstance(start, datetime) != isinstance(end, datetime):
            raise fault("must be a date if start is one, and a duration otherwise", end, "end")
        if not end > start:  # type: ignore[operator] # both are dates or both are not
            raise fault("must come after start", end, "end")
        return self
