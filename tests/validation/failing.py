"""What the tests of failures share: parts that fail, a run of them, and intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import sqrt

import numpy as np
import pandas as pd
from scipy.stats import chi2
from scipy.stats import t as student

from twin.distributions import Constant, Distribution, Exponential
from twin.failures.model import FailureModel, FaultClass, Stage
from twin.failures.restart import RestartModel
from twin.kernel.hazards import Reliability
from twin.kernel.recorder import Record
from twin.kernel.simulation import Simulation
from twin.policies.base import CheckpointPolicy, RecoveryPolicy, Scheduler
from twin.policies.checkpoints.none import NoCheckpoints
from twin.policies.placements.best_fit import BestFit
from twin.policies.recoveries.requeue import RequeueJob
from twin.policies.retirements.never import Never
from twin.policies.schedulers.fifo import Fifo
from twin.site.layout import Pool, Site, lay_out
from twin.workload.jobs import job_table

CONFIDENCE = 0.999
AT_ONCE = Constant(0.0)


def repair(law: Distribution = AT_ONCE, crew: bool = False) -> tuple[Stage, ...]:
    """A repair of one stage; done at once if not told."""
    return (Stage(((0.0, law),), crew=crew),)


def fails(of: str, mean_s: float, **more) -> FaultClass:
    """Parts of a level that fail at a constant rate; repaired at once if not told."""
    takes = {"gpu": "node"}.get(of, of)
    told = {"life": Exponential(mean_s), "repair": repair(), "takes": takes} | more
    return FaultClass(name=of, of=of, **told)


def hall(nodes: int, gpus_per_node: int = 1, **more) -> Site:
    """One pool."""
    return lay_out([Pool("pool", "node", "", gpus_per_node, nodes, **more)])


def alike(n: int, run_s: float, gpus: int = 1, **columns) -> pd.DataFrame:
    """So many equal jobs at second 0."""
    told = {"submit_s": np.zeros(n), "run_s": np.full(n, run_s), "gpus": np.full(n, gpus)}
    return job_table(told | columns)


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run under failures; what is not told costs nothing and decides nothing."""

    site: Site
    jobs: pd.DataFrame
    classes: Sequence[FaultClass]
    seed: int
    recovery: RecoveryPolicy = field(default_factory=RequeueJob)
    checkpoint: CheckpointPolicy = field(default_factory=NoCheckpoints)
    restarts: RestartModel = field(default_factory=RestartModel)
    scheduler: Scheduler = field(default_factory=Fifo)
    others: FailureModel = field(default_factory=FailureModel)

    def record(self, horizon_s: float | None = None) -> Record:
        """What the simulation took down."""
        reliability = Reliability(
            replace(self.others, classes=tuple(self.classes)),
            self.restarts,
            self.recovery,
            self.checkpoint,
            Never(),
            self.seed,
        )
        simulation = Simulation(
            self.site, self.jobs, self.scheduler, BestFit(), reliability=reliability
        )
        return simulation.run(horizon_s)


def agrees(measured: float, exact: float, half: float, narrow: float) -> None:
    """``exact`` lies in the interval of the simulation, and that is narrow enough to tell.

    ``half`` is half its width; ``narrow`` what that may be at most, as a share of ``exact``.
    """
    assert half < narrow * exact, f"{measured} +- {half} tells nothing about {exact}"
    assert abs(measured - exact) <= half, f"{measured} +- {half}, not {exact}"


def mean_and_half(values: np.ndarray) -> tuple[float, float]:
    """Mean of independent values, and half the width of its interval."""
    n = len(values)
    half = student.ppf((1 + CONFIDENCE) / 2, n - 1) * np.std(values, ddof=1) / sqrt(n)
    return float(np.mean(values)), float(half)


def poisson_interval(n: int) -> tuple[float, float]:
    """Of the mean of a Poisson law of which ``n`` was seen [garwood1936]."""
    tail = (1 - CONFIDENCE) / 2
    return chi2.ppf(tail, 2 * n) / 2, chi2.ppf(1 - tail, 2 * n + 2) / 2


def means_by_batch(record: Record, column: str, from_s: float, batches: int) -> np.ndarray:
    """(batches,) time-weighted means of a column of the log, over equal spans."""
    time_s = np.append(record.log["time_s"], record.horizon_s)
    area = np.append(0.0, np.cumsum(np.diff(time_s) * record.log[column]))
    edges_s = np.linspace(from_s, record.horizon_s, batches + 1)
    return np.diff(np.interp(edges_s, time_s, area)) / np.diff(edges_s)
