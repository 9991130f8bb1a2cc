"""Services: how many replicas of each are wanted, and when."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue

from twin import units
from twin.scenario.forms import Form
from twin.scenario.quantities import (
    Count,
    FilePath,
    Name,
    PositiveSeconds,
    Quantity,
    Seconds,
    Weight,
    WholeNumber,
)
from twin.scenario.section import Section, below, fault, found

_DAY_S = 86_400.0
_MOST = 100_000  # replicas; more is a mistake in the input


class _Steps(Form):
    """Marks replicas from given times on: ``[[0 h, 4], [8 h, 40]]``."""

    _time = Quantity(units.TIME, at_least=0.0)

    def read(self, data: Any) -> tuple[tuple[float, int], ...]:
        if not isinstance(data, list | tuple) or not data:
            raise ValueError(
                f"expected a list of times and replicas, such as [[0 h, 4], [8 h, 40]]; found "
                f"{found(data)}"
            )
        steps: list[tuple[float, int]] = []
        for at, pair in enumerate(data):
            with below(at):
                steps.append(self._step(pair))
                if len(steps) > 1 and steps[-1][0] <= steps[-2][0]:
                    raise ValueError("must come after the one before; write them in order")
        return tuple(steps)

    def _step(self, pair: Any) -> tuple[float, int]:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise ValueError(
                f"expected a time and replicas, such as [8 h, 40]; found {found(pair)}"
            )
        replicas = pair[1]
        if isinstance(replicas, float) and replicas.is_integer():
            replicas = int(replicas)
        if isinstance(replicas, bool) or not isinstance(replicas, int):
            raise ValueError(f"expected a whole number of replicas, found {found(pair[1])}")
        if not 0 <= replicas <= _MOST:
            raise ValueError(f"{replicas} replicas must lie between 0 and {_MOST}")
        return self._time.read(pair[0]), replicas

    def write(self, value: tuple[tuple[float, int], ...]) -> list[list[Any]]:
        return [[self._time.write(time_s), replicas] for time_s, replicas in value]

    def schema(self, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        number = {"type": "integer", "minimum": 0, "maximum": _MOST}
        pair = {
            "type": "array",
            "prefixItems": [self._time.schema(handler), number],
            "minItems": 2,
            "maxItems": 2,
        }
        return {"type": "array", "items": pair, "minItems": 1, "examples": [[["0 h", 4]]]}


StepList = Annotated[tuple[tuple[float, int], ...], _Steps()]


class Daily(Section):
    """A day's tide: ``least`` replicas half a day from the peak, ``most`` at the peak."""

    least: WholeNumber = Field(description="replicas at the quietest time of a day")
    most: Count = Field(description="replicas at the busiest time of a weekday")
    peak_s: Seconds = Field(
        default=15 * 3600.0,
        description="time of day of the peak",
        json_schema_extra={"default": "15 h"},
    )
    weekend: Weight = Field(
        default=1.0, description="rise above least on Saturdays and Sundays over that on weekdays"
    )
    step_s: PositiveSeconds = Field(
        default=1800.0,
        description="for so long the number stays the same",
        json_schema_extra={"default": "30 min"},
    )
    noise: Weight = Field(
        default=0.0,
        description="standard deviation of a lognormal factor of mean 1, drawn for each step",
    )

    @model_validator(mode="after")
    def _is_a_tide(self) -> Self:
        if self.most < self.least:
            raise fault(f"must be least ({self.least}) or above", self.most, "most")
        if self.most > _MOST:
            raise fault(f"must be {_MOST} or below", self.most, "most")
        if self.peak_s >= _DAY_S:
            raise fault("must be a time of day, below 24 h", self.peak_s, "peak")
        if not 1.0 <= self.step_s <= _DAY_S:
            raise fault("must be from 1 s to 24 h", self.step_s, "step")
        return self


class DemandFile(Section):
    """Replicas wanted from a CSV file, plain or gzipped, with the column ``replicas``.

    Beside it stands ``time_s``, seconds since the start, or ``time``, calendar times in ISO form.
    Each row holds until the next.
    """

    path: FilePath = Field(description="the file")


class Demand(Section):
    """Replicas wanted over time: a daily tide, steps written out, or a file."""

    alternatives: ClassVar[tuple[tuple[str, ...], ...]] = (("daily", "steps", "file"),)

    daily: Daily | None = Field(default=None, description="a smooth tide, by the calendar")
    steps: StepList | None = Field(
        default=None, description="times since the start, and the replicas wanted from each on"
    )
    file: DemandFile | None = Field(default=None, description="replicas by time from a file")


class Service(Section):
    """Replicas that are wanted as demand has it, and have right of way over all other jobs."""

    name: Name = Field(description="a name")
    gpus: Count = Field(description="GPUs of each replica")
    replicas: Demand = Field(description="how many are wanted, and when")
    pool: Name | None = Field(default=None, description="the only pool that will do")
    user: Name | None = Field(default=None, description="whose they are")
    group: Name | None = Field(default=None, description="group or queue")
    model: Name | None = Field(default=None, description="the model that they serve")
