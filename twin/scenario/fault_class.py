"""`FaultClass`: parts that fail alike, what that does, and how they are mended."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from twin.scenario.distributions import Duration, DurationLaw
from twin.scenario.forms import Tagged
from twin.scenario.levels import JobOrLevel, Level, encloses, enclosing
from twin.scenario.quantities import (
    Count,
    DegreesC,
    Flag,
    PositiveNumber,
    PositiveSeconds,
    PositiveShare,
    Seconds,
    Share,
    Weight,
)
from twin.scenario.repair import Repair
from twin.scenario.section import Section, faults, found


class Slow(Section):
    """It works on at a lower speed, and all that work with it in step."""

    speed: PositiveShare = Field(description="its speed over the nominal one")


class Degraded(Section):
    """Part of the bandwidth is left."""

    bandwidth: PositiveShare = Field(description="share of the bandwidth that is left")
    exposed: Share = Field(
        default=0.0,
        description="share of a job's time that is exchange and not hidden behind compute",
    )


Effect = Annotated[
    Literal["fail-stop", "silent", "no-storage"] | Slow | Degraded,
    Tagged(
        "fail-stop",
        "silent",
        "no-storage",
        slow=Slow,
        degraded=Degraded,
        example="{slow: {speed: 0.9}}",
    ),
]


class Temperature(Section):
    """Heat makes parts fail sooner: the rate doubles every so many kelvins."""

    at_degc: DegreesC = Field(description="temperature that the parts have")
    reference_degc: DegreesC = Field(description="temperature that the life is given for")
    doubles_every_k: PositiveNumber = Field(
        default=10.0, description="kelvins that double the rate of failure"
    )


class CommonCause(Section):
    """Faults that take all units of a larger one with them (the beta factor)."""

    share: Share = Field(description="share of the faults")
    of: Level = Field(description="the level whose unit goes out of service")


class Predicted(Section):
    """Faults that are foreseen, for policies that heed warnings."""

    recall: Share = Field(description="share of the faults that are foreseen")
    precision: PositiveShare = Field(default=1.0, description="share of the warnings that are true")
    lead_s: PositiveSeconds = Field(description="time from the warning to the fault")


class FaultClass(Section):
    """Parts of one kind that fail alike; of ``job``: software that fails with the job it runs."""

    of: JobOrLevel = Field(description="what each part belongs to: a level, or job")
    per: Count = Field(default=1, description="parts in each")
    life: DurationLaw = Field(description="law of the time to failure of one part")
    age_s: Seconds = Field(default=0.0, description="age of all parts at the start")
    temperature: Temperature | None = Field(
        default=None, description="temperature of the parts, if not that of the life"
    )
    idle_rate: Share = Field(default=1.0, description="rate of an idle part over a busy one's")
    effect: Effect = Field(default="fail-stop", description="what a fault does")
    evicts: Flag = Field(
        default=False,
        description="whether a slow or degraded part is pulled once found; else mended in place",
    )
    takes: Level | None = Field(
        default=None,
        description="level whose unit goes out of service; by default the node, or what is larger",
    )
    detection: Duration | None = Field(
        default=None, description="time until anybody knows; by default none"
    )
    repair: Repair | None = Field(
        default=None, description="time to repair: a duration, a law, or a list of stages"
    )
    recurs: Duration | None = Field(
        default=None, description="time until a part left unmended fails again; else a new life"
    )
    false_alarms: Weight = Field(default=0.0, description="alarms without a fault, for each fault")
    inspection: Duration | None = Field(
        default=None, description="time out of service after a false alarm; by default none"
    )
    wrong_unit: Share = Field(
        default=0.0, description="chance that another unit of the job is pulled instead"
    )
    common_cause: CommonCause | None = Field(
        default=None, description="faults that take a larger unit"
    )
    predicted: Predicted | None = Field(default=None, description="faults that are foreseen")
    permanent: Share = Field(
        default=0.0, description="of job: chance that the job ends for good, failed"
    )
    scale: Literal["job", "gpu", "node"] = Field(
        default="job",
        description="of job: whether the life is that of a job, or of each GPU or node",
    )

    @property
    def taken(self) -> str:
        """The level whose unit goes out of service."""
        return self.takes or ("node" if self.of in ("gpu", "node") else self.of)

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        told = [
            *self._faults_of_life(),
            *(self._of_job() if self.of == "job" else self._of_parts()),
        ]
        if told:
            raise faults(*(((self.key_of(f),), message, getattr(self, f)) for f, message in told))
        return self

    def _faults_of_life(self) -> Iterator[tuple[str, str]]:
        from twin.distributions import Exponential

        if self.life.mean == 0:
            yield "life", "must be above zero"
        elif self.age_s and float(self.life.log_survival(self.age_s)) == -inf:
            yield "age_s", "no part lives so long; give a lower age or a longer life"
        if self.idle_rate < 1 and not isinstance(self.life, Exponential):
            yield "idle_rate", "needs an exponential life; give one, or leave this out"

    def _of_job(self) -> Iterator[tuple[str, str]]:
        for key in _OF_PARTS:
            value = getattr(self, key)
            if value != type(self).model_fields[key].default:
                if key == "effect":
                    yield key, f"software stops its job; write fail-stop, not {_word(value)}"
                else:
                    yield key, "is for parts of the hardware, and a job has none; leave it out"

    def _of_parts(self) -> Iterator[tuple[str, str]]:
        for key in ("permanent", "scale"):
            if getattr(self, key) != type(self).model_fields[key].default:
                yield key, f"is for classes of job, and this is one of {self.of}; leave it out"
        if self.repair is None:
            yield "repair", "missing; give the time to repair, such as 4 h"
        taken, above = self.taken, self.common_cause
        if not encloses(taken, self.of):
            may = ", ".join(enclosing(self.of))
            yield "takes", f"a {taken} does not hold the whole {self.of}; write one of {may}"
        elif above and (above.of == taken or not encloses(above.of, taken)):
            may = ", ".join(enclosing(taken)[1:]) or "no level"
            message = f"of {above.of} is not above the {taken} that a fault takes anyway"
            yield "common_cause", f"{message}; write {may}"


# What a class of job must leave as it is.
_OF_PARTS = (
    "per",
    "age_s",
    "idle_rate",
    "effect",
    "evicts",
    "takes",
    "repair",
    "recurs",
    "false_alarms",
    "inspection",
    "wrong_unit",
    "common_cause",
    "predicted",
)


def _word(effect: Any) -> str:
    return found(effect) if isinstance(effect, str) else type(effect).__name__.lower()
