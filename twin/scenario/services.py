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
    Share,
    Weight,
    WholeNumber,
)
from twin.scenario.section import Section, below, fault, found

_DAY_S = 86_400.0
_MOST = 100_000  # replicas; more is a mistake in the input


class _Steps(Form):
    """Marks values from given times on: ``[[0 h, 4], [8 h, 40]]``."""

    _time = Quantity(units.TIME, at_least=0.0)
    what = "replicas"
    example = "[[0 h, 4], [8 h, 40]]"

    def read(self, data: Any) -> tuple[tuple[float, Any], ...]:
        if not isinstance(data, list | tuple) or not data:
            raise ValueError(
                f"expected a list of times and {self.what}, such as {self.example}; found "
                f"{found(data)}"
            )
        steps: list[tuple[float, Any]] = []
        for at, pair in enumerate(data):
            with below(at):
                steps.append(self._step(pair))
                if len(steps) > 1 and steps[-1][0] <= steps[-2][0]:
                    raise ValueError("must come after the one before; write them in order")
        return tuple(steps)

    def _step(self, pair: Any) -> tuple[float, Any]:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            one = self.example.split(", [")[-1].rstrip("]")
            raise ValueError(
                f"expected a time and {self.what}, such as [{one}]; found {found(pair)}"
            )
        value = self.value(pair[1])
        return self._time.read(pair[0]), value

    def value(self, given: Any) -> Any:
        """The number of a pair."""
        if isinstance(given, float) and given.is_integer():
            given = int(given)
        if isinstance(given, bool) or not isinstance(given, int):
            raise ValueError(f"expected a whole number of replicas, found {found(given)}")
        if not 0 <= given <= _MOST:
            raise ValueError(f"{given} replicas must lie between 0 and {_MOST}")
        return given

    number: ClassVar[dict[str, Any]] = {"type": "integer", "minimum": 0, "maximum": _MOST}
    one: ClassVar[float] = 4

    def write(self, value: tuple[tuple[float, Any], ...]) -> list[list[Any]]:
        return [[self._time.write(time_s), number] for time_s, number in value]

    def schema(self, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        pair = {
            "type": "array",
            "prefixItems": [self._time.schema(handler), self.number],
            "minItems": 2,
            "maxItems": 2,
        }
        return {"type": "array", "items": pair, "minItems": 1, "examples": [[["0 h", self.one]]]}


class _ShareSteps(_Steps):
    """Marks shares from given times on: ``[[0 h, 0.2], [8 h, 0.7]]``."""

    what = "shares"
    example = "[[0 h, 0.2], [8 h, 0.7]]"
    number: ClassVar[dict[str, Any]] = {"type": "number", "minimum": 0, "maximum": 1}
    one: ClassVar[float] = 0.2

    def value(self, given: Any) -> Any:
        if isinstance(given, bool) or not isinstance(given, int | float):
            raise ValueError(f"expected a share, such as 0.4; found {found(given)}")
        if not 0 <= given <= 1:
            raise ValueError(f"{given} must lie between 0 and 1")
        return float(given)


StepList = Annotated[tuple[tuple[float, int], ...], _Steps()]
ShareSteps = Annotated[tuple[tuple[float, float], ...], _ShareSteps()]


class Tide(Section):
    """What rises and falls with the time of day."""

    least: float
    most: float
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
        description="for so long it stays the same",
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
        if self.peak_s >= _DAY_S:
            raise fault("must be a time of day, below 24 h", self.peak_s, "peak")
        if not 1.0 <= self.step_s <= _DAY_S:
            raise fault("must be from 1 s to 24 h", self.step_s, "step")
        return self


class Daily(Tide):
    """A day's tide: ``least`` replicas half a day from the peak, ``most`` at the peak."""

    least: WholeNumber = Field(description="replicas at the quietest time of a day")
    most: Count = Field(description="replicas at the busiest time of a weekday")
    noise: Weight = Field(
        default=0.0,
        description="standard deviation of a lognormal factor of mean 1, drawn for each step: it "
        "may go below least and above most, and each step that differs moves replicas",
    )

    @model_validator(mode="after")
    def _is_no_mistake(self) -> Self:
        if self.most > _MOST:
            raise fault(f"must be {_MOST} or below", self.most, "most")
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


class DailyLoad(Tide):
    """A day's tide of how busy replicas are; between the two shares it follows a cosine."""

    least: Share = Field(description="share at the quietest time of a day")
    most: Share = Field(description="share at the busiest time of a weekday")


class LoadFile(Section):
    """Shares from a CSV file, plain or gzipped, with the column ``busy``.

    Beside it stands ``time_s``, seconds since the start, or ``time``, calendar times in ISO form.
    Each row holds until the next.
    """

    path: FilePath = Field(description="the file")


class Load(Section):
    """How busy replicas are: the same at all times, a daily tide, steps written out, or a file.

    A number alone is a share that stays the same.
    """

    alternatives: ClassVar[tuple[tuple[str, ...], ...]] = (("share", "daily", "steps", "file"),)
    number: ClassVar[str] = "share"

    share: Share | None = Field(default=None, description="the same at all times")
    daily: DailyLoad | None = Field(default=None, description="a smooth tide, by the calendar")
    steps: ShareSteps | None = Field(
        default=None, description="times since the start, and the share from each on"
    )
    file: LoadFile | None = Field(default=None, description="shares by time from a file")


class Hosting(Section):
    """What guests find beside the replicas of a service, and what they cost them."""

    memory: Share = Field(description="share of each GPU's memory that is left to guests")
    harm: Share = Field(
        default=0.02,
        description="time that a replica loses to its guests, over the time that it works",
    )
    cost: Share = Field(
        default=0.05, description="share of a guest's time that goes into making room and back"
    )


class Service(Section):
    """Replicas that are wanted as demand has it, and have right of way over all other jobs."""

    name: Name = Field(description="a name")
    gpus: Count = Field(description="GPUs of each replica")
    replicas: Demand = Field(description="how many are wanted, and when")
    pool: Name | None = Field(default=None, description="the only pool that will do")
    user: Name | None = Field(default=None, description="whose they are")
    group: Name | None = Field(default=None, description="group or queue")
    model: Name | None = Field(default=None, description="the model that they serve")
    busy: Load | None = Field(
        default=None,
        description="share of its time that a replica needs its GPUs, while it works; by default "
        "all of it",
    )
    guests: Hosting | None = Field(
        default=None, description="jobs may run in the gaps of replicas; by default none may"
    )

    @model_validator(mode="after")
    def _guests_need_gaps(self) -> Self:
        if self.guests is not None and self.busy is None:
            message = "needs busy: say what share of their time replicas need their GPUs"
            raise fault(message, None, "guests")
        return self
