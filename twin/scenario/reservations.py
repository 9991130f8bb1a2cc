"""Advance reservations: nodes that are kept for some jobs, from one time to another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Self

from pydantic import Field, GetJsonSchemaHandler, TypeAdapter, ValidationError, model_validator
from pydantic.json_schema import JsonSchemaValue

from twin.errors import did_you_mean
from twin.scenario.forms import Form
from twin.scenario.quantities import Count, Moment, Name, Seconds
from twin.scenario.section import Section, below, fault, found
from twin.units import format_duration

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

    Its nodes are chosen ``notice`` before the ``start``, and by default as the run begins: those
    that are expected free first, by what the running jobs are expected to take, of equal ones the
    lowest in number. No job starts there that is expected to run beyond the start. From ``start``
    less ``drain`` on they are closed to all, and what runs there runs on. At ``start`` jobs of
    others that are still there save, as checkpoints have it, and give way. From then to ``end``
    only jobs of the named groups and users may start there, and they do so before the scheduler has
    its turn, in queue order, each that fits. They may run elsewhere as well. At ``end`` the nodes
    are open again, and what runs there runs on.
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
        description="so long before the start no job may start there, however short",
        json_schema_extra={"default": "0 s"},
    )
    notice_s: Seconds | None = Field(
        default=None,
        description="so long before the start its nodes are chosen, and no job starts there that "
        "would run into it; by default as the run begins; with 0 s jobs are cut off",
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


Fault = tuple[tuple[int | str, ...], str, Any]  # where below the reservations, what, what was found


def cannot_be_had(
    asked: Sequence[Reservation], nodes: Mapping[str, int], start: datetime | None
) -> Iterator[Fault]:
    """What no site with pools of so many nodes can give.

    Parameters
    ----------
    asked : sequence of Reservation
    nodes : mapping of str to int
        By pool.
    start : datetime or None
        When the run begins, if the scenario says so.
    """
    fine = []
    for at, one in enumerate(asked):
        has = nodes.get(one.pool)
        early = isinstance(one.start, datetime) and start is not None and one.start < start
        if has is None:
            message = f"the site has no pool {one.pool!r}; {did_you_mean(one.pool, nodes)}"
            yield (at, "pool"), message, one.pool
        elif one.nodes > has:
            message = f"pool {one.pool} has {has} nodes; ask for {has} or fewer"
            yield (at, "nodes"), message, one.nodes
        elif early:
            message = f"lies before the start of the run, {start}; give a later date"
            yield (at, "start"), message, one.start
        else:
            fine.append(at)
    dates = [one.start for one in asked if isinstance(one.start, datetime)]
    if start is None and len(dates) == len(asked) > 0:
        start = min(dates)  # all count from the same, whichever that is
    if start is None and dates:
        return  # what they count from stands in the trace: looked at when it is read
    closes_s = {at: _since_s(asked[at].start, start) - asked[at].drain_s for at in fine}
    for at in fine:
        here = [
            other
            for other in fine
            if asked[other].pool == asked[at].pool
            and closes_s[other] <= closes_s[at] < _since_s(asked[other].end, start)
        ]
        last = max(here, key=lambda other: (closes_s[other], other))
        total, has = sum(asked[other].nodes for other in here), nodes[asked[at].pool]
        if total > has and at == last:
            names = " and ".join(asked[other].name for other in here)
            message = (
                f"{names} close {total} nodes of pool {asked[at].pool} at one time, "
                f"{_moment(asked[at], closes_s[at])}, and it has {has}; ask for fewer nodes, for "
                "other times, or for a shorter drain"
            )
            yield (at, "nodes"), message, asked[at].nodes


def _since_s(moment: datetime | float, start: datetime | None) -> float:
    if not isinstance(moment, datetime):
        return moment
    assert start is not None
    return (moment - start).total_seconds()


def _moment(one: Reservation, closes_s: float) -> str:
    """When it closes its nodes, as its start was written."""
    if isinstance(one.start, datetime):
        return str(one.start - timedelta(seconds=one.drain_s))
    return format_duration(max(closes_s, 0.0))
