"""What may fail, how, for how long: the laws of nature of a run, free of any clock."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Literal

from twin.distributions import Constant, Distribution

Effect = Literal["fail_stop", "slow", "silent", "degraded", "no_storage", "maintenance"]

AT_ONCE = Constant(0.0)


@dataclass(frozen=True)
class Stage:
    """One stage of a repair: a reset, a reboot, a swap by hand.

    Attributes
    ----------
    times : tuple of (from_s, law)
        The law of its duration [s] from each date on, ascending, the first from 0: repair gets
        better or worse with time.
    escalates : float
        Chance that the next stage is needed after this one.
    unmended : float
        Chance that the part goes back into service from here as faulty as it was.
    crew : bool
        Whether it takes one of the repair crews.
    """

    times: tuple[tuple[float, Distribution], ...]
    escalates: float = 0.0
    unmended: float = 0.0
    crew: bool = False

    def law(self, at_s: float) -> Distribution:
        """The law of its duration when it begins at ``at_s``."""
        return next(law for from_s, law in reversed(self.times) if from_s <= at_s)


@dataclass(frozen=True)
class FaultClass:
    """Parts of one kind that fail alike.

    Attributes
    ----------
    name : str
        What fails, as in ``gpu-hbm``.
    of : str
        The unit that the part belongs to: a level of `twin.site.domains.LEVELS`, or ``job`` for
        software that fails with the job that runs it.
    per : float
        Parts in each unit.
    life : Distribution
        Time to failure of one part. [s] For jobs: of one job, GPU or node while it runs, as
        ``job_scale`` says.
    rate_factor : float
        Factor on the rate of failure, of heat for example: lives are so much shorter.
    age_s : float
        Age of all parts at the start. [s]
    idle_rate : float
        Rate of failure of an idle part over that of a busy one.
    effect : str
        ``fail_stop``, ``slow`` (to ``speed``), ``silent``, ``degraded`` (to ``bandwidth``), or
        ``no_storage``: jobs go on, but nothing is saved or read back.
    speed : float
        Speed of a slow part over its nominal one.
    bandwidth, exposed_share : float
        Share of the bandwidth that is left, and the share of a job's time that is exchange at
        full bandwidth and is not hidden behind compute.
    evicts : bool
        Whether a slow or degraded part is pulled for repair once found; otherwise it gets well in
        place, and ``repair`` says when.
    takes : str
        The level whose unit is out of service until the repair is done.
    detection : Distribution
        Time until anybody knows. [s]
    repair : tuple of Stage
    recurs : Distribution or None
        Time after which an unmended part that is no lemon fails again. [s] None: it has a new
        life.
    false_alarms : float
        Alarms without a fault, for each fault; a unit is pulled for ``inspection``.
    wrong_unit : float
        Chance that another unit of the same job is pulled, and the faulty one stays.
    beta, beta_of : float, str
        Share of the faults that take all units of an enclosing domain with them.
    recall, precision, lead_s : float
        Share of the faults that are foreseen, share of warnings that come true, and the warning
        time. [s]
    permanent : float
        Chance that a software fault ends the job for good.
    """

    name: str
    of: str
    life: Distribution
    repair: tuple[Stage, ...]
    per: int = 1
    rate_factor: float = 1.0
    age_s: float = 0.0
    idle_rate: float = 1.0
    effect: Effect = "fail_stop"
    speed: float = 1.0
    bandwidth: float = 1.0
    exposed_share: float = 0.0
    evicts: bool = False
    takes: str = "node"
    detection: Distribution = AT_ONCE
    recurs: Distribution | None = None
    false_alarms: float = 0.0
    inspection: Distribution = AT_ONCE
    wrong_unit: float = 0.0
    beta: float = 0.0
    beta_of: str = ""
    recall: float = 0.0
    precision: float = 1.0
    lead_s: float = 0.0
    permanent: float = 0.0
    job_scale: Literal["job", "gpu", "node"] = "job"


@dataclass(frozen=True)
class Maintenance:
    """Planned work that goes round all units of a level, a few at a time."""

    name: str
    of: str
    first_s: float
    every_s: float
    lasts_s: float
    at_once: int = 1
    notice_s: float = 0.0


@dataclass(frozen=True)
class Incident:
    """One dated incident, as it was recorded or as a what-if wants it."""

    at_s: float
    name: str
    of: str
    unit: int
    lasts_s: float
    effect: Effect = "fail_stop"
    speed: float = 1.0
    bandwidth: float = 1.0
    exposed_share: float = 0.0


@dataclass(frozen=True)
class FailureModel:
    """All that may go wrong on a site.

    ``lemons`` is the law of a multiplier, one for each node, of the rates of what belongs to it;
    ``mends_lemons`` says that a repair that succeeds makes a lemon an ordinary node.
    """

    classes: tuple[FaultClass, ...] = ()
    lemons: Distribution | None = None
    mends_lemons: bool = False
    rate_factor: float = 1.0
    maintenance: tuple[Maintenance, ...] = ()
    incidents: tuple[Incident, ...] = ()
    crews: float = inf

    def __bool__(self) -> bool:
        return bool(self.classes or self.maintenance or self.incidents)
