"""Elastic jobs: as many GPUs, of the kind, as give the most goodput together."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.errors import DomainError
from twin.policies.room import Limit, Room
from twin.policies.rounds import Grant, RoundScheduler
from twin.policies.schedulers.gavel import allowed
from twin.policies.view import ClusterView, JobView
from twin.registry import policy

Array = NDArray[np.float64]


@policy("sia")
@dataclass(frozen=True, kw_only=True)
class Sia(RoundScheduler):
    """Number and kind of GPUs of each job, anew every round, for the most goodput [sia2023].

    A configuration is a pool and a number of GPUs between a job's ``min_gpus`` and ``max_gpus``:
    powers of two up to a node, whole nodes in growing steps beyond. Each job gets one or none so
    that the sum of goodputs to the ``power``, each over the job's least, is best, where whoever
    gets none costs ``idle_cost`` (equations 1 to 4 there). A job that runs counts any change at the
    share of its life that is left after another restart of ``restart``, so that jobs are not moved
    for little.

    Rigid jobs have one size. The integer program is solved with HiGHS.

    Notes
    -----
    Goodputs are known here; Sia learns them as jobs run, and lets a job no more than double its
    GPUs from one round to the next (from memory).
    """

    round_s: float = 60.0  # how often GPUs are divided anew
    depth: int = 200
    power: float = -0.5  # fairness: the lower, the more the worst off count
    idle_cost: float = 1.1  # what a job without GPUs costs; the best have about 1
    restart_s: float = 30.0  # what a restart is taken to cost, in the choice only

    def __post_init__(self) -> None:
        super().__post_init__()
        if not -5 <= self.power <= 1 or self.power == 0:
            raise DomainError("power: must be between -5 and 1 and not 0; fairer the lower")

    def allocate(self, jobs: Sequence[JobView], cluster: ClusterView) -> list[Grant]:
        choices: list[tuple[int, int, int]] = []  # job, pool, GPUs
        worth: list[float] = []
        for at, job in enumerate(jobs):
            found = [
                (pool, gpus, cluster.rate(job, pool, gpus))
                for pool in allowed(job)
                for gpus in sizes(job, cluster.site.pools[pool].gpus_per_node)
                if gpus <= cluster.site.pools[pool].gpus
            ]
            found = [one for one in found if one[2] > 0]
            least = min((rate for _, _, rate in found), default=1.0)
            keeps = self._keeps(job, cluster)
            for pool, gpus, rate in found:
                same = job.start_s == job.start_s and (job.gpus, job.shape.pools) == (gpus, (pool,))
                choices.append((at, pool, gpus))
                worth.append(rate / least * (1.0 if same else keeps))
        if not choices:
            return []
        room = Room(cluster, [[pool] for pool in range(len(cluster.site.pools))])
        level = [room.level(jobs[at], pool, gpus) for at, pool, gpus in choices]
        chosen = best_choices(
            np.array(choices), np.array(worth) ** self.power, np.sign(self.power) * 1.0,
            self.idle_cost, len(jobs), room.gpus(),
            room.limits(np.array(choices)[:, 1], np.array(level)),
        )  # fmt: skip
        grants = [Grant(jobs[at], gpus, pool) for at, pool, gpus in (choices[c] for c in chosen)]
        return sorted(grants, key=lambda grant: -grant.gpus)

    def _keeps(self, job: JobView, cluster: ClusterView) -> float:
        """The share of a running job's goodput that a restart leaves (equation 3)."""
        if job.start_s != job.start_s:
            return 1.0
        age_s = cluster.now_s - job.submit_s
        kept_s = age_s - job.preemptions * self.restart_s
        return max(kept_s / (age_s + self.restart_s), 0.01) if age_s > 0 else 1.0


def sizes(job: JobView, node_gpus: int) -> list[int]:
    """Numbers of GPUs that a job may be given where nodes have so many."""
    least, most = job.min_gpus, job.max_gpus
    found = {least}
    gpus = 1
    while gpus <= most:
        if gpus >= least:
            found.add(gpus)
        gpus = gpus * 2 if gpus < node_gpus else gpus + node_gpus * max(gpus // node_gpus // 4, 1)
    return sorted(found | {most})


def best_choices(
    choices: NDArray[np.int64],
    value: Array,
    sign: float,
    idle_cost: float,
    n_job: int,
    room: Array,
    limits: Sequence[Limit] = (),
) -> list[int]:
    """At most one choice a job, within the room of each pool, of the best sum.

    Parameters
    ----------
    choices : (n_choice, 3) array
        Job, pool and GPUs of each.
    value : (n_choice,) array
        Summed over the chosen; to be large if ``sign`` is 1, small if it is -1.
    sign : float
    idle_cost : float
        What each job without a choice costs.
    n_job : int
    room : (n_pool,) array
        GPUs of each pool.
    limits : sequence of Limit
        Further limits to the GPUs of some choices together.

    Returns
    -------
    list of int
        Indexes into ``choices``.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import coo_array

    n = len(choices)
    columns = np.arange(n)
    one_each = coo_array((np.ones(n), (choices[:, 0], columns)), (n_job, n)).tocsr()
    by_pool = (choices[:, 2].astype(float), (choices[:, 1], columns))
    within = coo_array(by_pool, (len(room), n)).tocsr()
    constraints = [LinearConstraint(one_each, ub=1), LinearConstraint(within, ub=room)]
    for counts, most in limits:
        row = np.where(counts, choices[:, 2], 0).astype(float)
        constraints.append(LinearConstraint(row[np.newaxis], ub=most))
    with _quiet():
        solved = milp(
            -sign * value - idle_cost,
            integrality=np.ones(n, np.int64),
            bounds=Bounds(0, 1),
            constraints=constraints,
            options={"mip_rel_gap": 1e-3},
        )
    if solved.x is None:
        raise ArithmeticError(f"HiGHS found no allocation: {solved.message}")
    return [int(at) for at in np.flatnonzero(solved.x > 0.5)]


@contextmanager
def _quiet() -> Iterator[None]:
    """HiGHS now and then prints a line for its developers, past Python's standard output."""
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)
