"""What the tests of recovery share: cases of a few nodes in which every number is known by hand.

A node has two GPUs. Unless a case says otherwise a job saves after each 100 s of work, which stops
it for 10 s; a restart takes 20 s and 3 s to read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from math import inf

import pandas as pd

from twin.distributions import Choice, Constant, Distribution
from twin.failures.draws import key, uniform
from twin.failures.model import FailureModel, FaultClass, Incident, Maintenance, Stage
from twin.failures.restart import RestartModel, SaveLevel, Storage
from twin.kernel.guests import Hosting
from twin.kernel.hazards import Reliability
from twin.kernel.simulation import Simulation
from twin.policies.base import CheckpointPolicy, RecoveryPolicy, RetirementPolicy
from twin.policies.checkpoints.fixed import Fixed
from twin.policies.placements.best_fit import BestFit
from twin.policies.recoveries.requeue import RequeueJob
from twin.policies.retirements.never import Never
from twin.policies.schedulers.easy_backfill import EasyBackfill
from twin.policies.schedulers.fifo import Fifo
from twin.results.outcome import outcome
from twin.site.layout import Pool, Site, lay_out
from twin.workload.jobs import job_table

STORAGE = SaveLevel("storage", 1, write_s=10.0, read_s=3.0)
LONG_S = 1e5  # beyond the end of every case
_SHARES = (
    *("startup", "restart", "checkpoint", "lost", "exposed_comm", "straggling"),
    *("interference", "useful"),
)


def hall(nodes: int, **more) -> Site:
    """One pool of nodes of two GPUs."""
    return lay_out([Pool("main", "node", "", 2, nodes, **more)])


def jobs(*rows: tuple[float, float, int], **columns) -> pd.DataFrame:
    """Jobs by (submit, work, GPUs)."""
    submit_s, run_s, gpus = zip(*rows, strict=True)
    return job_table({"submit_s": submit_s, "run_s": run_s, "gpus": gpus} | columns)


def down(at_s: float, unit: int, lasts_s: float = LONG_S, of: str = "node", **more) -> Incident:
    """A unit is out of service for a time."""
    return Incident(at_s, more.pop("name", of), of, unit, lasts_s, **more)


def repair(*times_s: float, crew: bool = False) -> tuple[Stage, ...]:
    """Stages that each lead to the next."""
    last = len(times_s) - 1
    return tuple(
        Stage(((0.0, Constant(time_s)),), escalates=float(at < last), crew=crew)
        for at, time_s in enumerate(times_s)
    )


def fails(of: str, life: float | Distribution, name: str = "", **more) -> FaultClass:
    """Parts that all live as long; repaired at once if not told."""
    law = life if isinstance(life, Distribution) else Constant(life)
    takes = "node" if of in ("gpu", "node") else of
    told = {"repair": repair(0.0), "takes": takes} | more
    return FaultClass(name=name or of, of=of, life=law, **told)


def seldom(life_s: float) -> Choice:
    """The life of parts of which few fail at all; `seed_of` says which."""
    return Choice((life_s, LONG_S), (0.25, 0.75))


def seed_of(units: int, **failing: int) -> int:
    """The seed with which of each class, by name, just this one of so many parts fails, once."""
    for seed in count():
        if all(_only(key(seed, f"failures/{name}/life"), units, unit)
               for name, unit in failing.items()):  # fmt: skip
            return seed
    raise AssertionError("out of seeds")


def _only(lives: int, units: int, unit: int) -> bool:
    first = [uniform(lives, part) < 0.25 for part in range(units)]
    again = any(uniform(lives, unit, turn) < 0.25 for turn in (1, 2))
    return not again and first == [part == unit for part in range(units)]


@dataclass(frozen=True)
class Case:
    """What came of a run."""

    jobs: pd.DataFrame
    incidents: pd.DataFrame
    gpu_time: dict[str, float]
    simulation: Simulation
    end_s: float
    allocations: pd.DataFrame
    stays: pd.DataFrame | None = None

    def end(self, row: int = 0) -> float:
        """When a job ended. [s]"""
        return float(self.jobs["end_s"][row])

    def spent(self, row: int = 0) -> dict[str, float]:
        """The GPU-time of a job by share, without those that are zero. [GPU s]"""
        shares = {name: float(self.jobs[f"{name}_gpu_s"][row]) for name in (*_SHARES, "spare")}
        shares["stranded"] = float(self.jobs["stranded_gpu_s"][row])
        return {name: value for name, value in shares.items() if abs(value) > 1e-9}

    def hall(self, *names: str) -> list[float]:
        """Shares of the whole ledger. [GPU s]"""
        return [self.gpu_time[name] for name in names]

    def cost(self, row: int = 0) -> dict[str, float]:
        """What an incident cost, without what is zero. [GPU s]"""
        names = ("down", "idled", "lost", "restart", "slowed")
        cost = {name: float(self.incidents[f"{name}_gpu_s"][row]) for name in names}
        return {name: value for name, value in cost.items() if abs(value) > 1e-9}

    def nodes_at(self, row: int, time_s: float) -> list[int]:
        """Nodes that a job holds from a time on."""
        held = self.allocations
        here = (held["job"] == row) & (held["start_s"] <= time_s) & (time_s < held["end_s"])
        return sorted(held["node"][here].tolist())


def run(
    site: Site,
    work: pd.DataFrame,
    *,
    incidents: Iterable[Incident] = (),
    classes: Sequence[FaultClass] = (),
    maintenance: Sequence[Maintenance] = (),
    crews: float = inf,
    recovery: RecoveryPolicy | None = None,
    checkpoint: CheckpointPolicy | None = None,
    retirement: RetirementPolicy | None = None,
    levels: tuple[SaveLevel, ...] = (STORAGE,),
    restart_s: float = 20.0,
    storage: Storage | None = None,
    backfill: bool = False,
    horizon_s: float | None = None,
    seed: int = 0,
    model: FailureModel | None = None,
    hosting: Hosting | None = None,
    **restarts,
) -> Case:
    """Simulate, and check that the ledgers balance."""
    told = model or FailureModel(tuple(classes), maintenance=tuple(maintenance),
                                 incidents=tuple(incidents), crews=crews)  # fmt: skip
    simulation = Simulation(
        site,
        work,
        EasyBackfill() if backfill else Fifo(),
        BestFit(),
        reliability=Reliability(
            told,
            RestartModel(restart_s=restart_s, levels=levels, storage=storage, **restarts),
            recovery or RequeueJob(),
            checkpoint or Fixed(every_s=100.0),
            retirement or Never(),
            seed,
        ),
        hosting=hosting,
    )
    record = simulation.run(horizon_s)
    tables = outcome(record, work, site)
    return Case(tables.jobs, tables.incidents, tables.gpu_time, simulation, record.horizon_s,
                tables.allocations, tables.stays)  # fmt: skip
