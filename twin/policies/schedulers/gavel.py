"""Heterogeneity-aware allocation by a linear program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from twin.policies.room import Limit, Room
from twin.policies.rounds import Grant, RoundScheduler
from twin.policies.view import ClusterView, JobView
from twin.policies.work_left import work_left_s
from twin.registry import policy

Array = NDArray[np.float64]


@policy("gavel")
@dataclass(frozen=True, kw_only=True)
class Gavel(RoundScheduler):
    """Shares of time on each pool from a linear program, kept by rounds [gavel2020].

    The program (section 4 there) gives the share of time ``X`` that each job should spend on each
    pool; in each round jobs are placed in the order of ``X`` over the share of time that they have
    had there. The ``objective`` is one of

    - ``max-min``: the least throughput, each over that on an equal share of every pool, by GPUs;
    - ``makespan``: the least throughput over the work that is left;
    - ``throughput``: the sum of throughputs, each over that on the fastest pool;
    - ``fifo``: the same, weighted so that older jobs come first.

    What an objective leaves free goes where it gives most throughput.

    Notes
    -----
    Throughputs are known here, Gavel measures and estimates them. Of Gavel, jobs that share a GPU,
    its other objectives and repeated max-min for those who are not worst off are no part of this.
    Where nothing says how fast jobs run on which GPUs, all pools are alike to it.

    Without ``aware`` all pools are alike to it too, and each job gets its share of each: the
    heterogeneity-agnostic rival that the gain of knowing speeds is measured against.
    """

    # what the shares of time are best for
    objective: Literal["max-min", "makespan", "throughput", "fifo"] = "max-min"
    aware: bool = True  # whether it knows that pools differ in speed

    def allocate(self, jobs: Sequence[JobView], cluster: ClusterView) -> list[Grant]:
        pools = len(cluster.site.pools)
        speed = np.zeros((len(jobs), pools))
        for at, job in enumerate(jobs):
            for pool in allowed(job):
                speed[at, pool] = cluster.rate(job, pool, job.gpus)
        gpus = np.array([job.gpus for job in jobs], float)
        room = Room(cluster, [[pool] for pool in range(pools)])
        if not room.gpus().any():
            return []
        level = np.zeros((len(jobs), pools), np.int64)
        for at, job in enumerate(jobs if cluster.closing else ()):
            for pool in allowed(job):
                level[at, pool] = room.level(job, pool, job.gpus)
        share = self._share(jobs, speed, gpus, room, level, cluster)
        had = self._had(jobs, pools, cluster)
        urgency = share / np.maximum(had, 1e-3)
        order = np.argsort(-urgency, axis=None, kind="stable")
        grants, taken = [], set[int]()
        for at, pool in zip(*np.unravel_index(order, urgency.shape), strict=True):
            if share[at, pool] <= 1e-6 or at in taken:
                continue
            if room.take(int(pool), jobs[at].gpus, int(level[at, pool])):
                taken.add(int(at))
                grants.append(Grant(jobs[at], pool=int(pool)))
        return grants

    def _share(
        self,
        jobs: Sequence[JobView],
        speed: Array,
        gpus: Array,
        open_: Room,
        level: NDArray[np.int64],
        cluster: ClusterView,
    ) -> Array:
        """(n_job, n_pool) shares of time, found anew when jobs have come or gone, as in Gavel.

        Also when nodes were closed or opened, or a reservation has come nearer than a job is long.
        """
        room = open_.gpus()
        levels = [(job.row, *of) for job, of in zip(jobs, level.tolist(), strict=True)]
        present = sorted(levels), room.tolist()
        known = cluster.notes.get("shares")
        if known is None or known[0] != present:
            alike = not self.aware
            counted = (speed.max(1, keepdims=True) > 0) * 1.0 if alike else speed
            whole = room.sum(keepdims=True) if alike else room
            scale = self._scale(jobs, counted, gpus, whole, cluster)
            worst_counts = self.objective in ("max-min", "makespan")
            pool = np.tile(np.arange(len(room)), len(jobs))
            limits = [] if alike else open_.limits(pool, level.ravel())
            found = time_shares(counted, gpus, whole, scale, worst_counts, limits)
            if alike:  # of each pool by its GPUs, among those that will do
                spread = np.where(speed > 0, room, 0.0)
                found = found * spread / np.maximum(spread.sum(1, keepdims=True), 1e-12)
            cluster.notes["shares"] = known = (
                present,
                {job.row: share for job, share in zip(jobs, found, strict=True)},
            )
        return np.array([known[1][job.row] for job in jobs])

    def _scale(
        self, jobs: Sequence[JobView], speed: Array, gpus: Array, room: Array, cluster: ClusterView
    ) -> Array:
        """(n_job,) what the throughput of each job is multiplied by in the objective."""
        if self.objective == "max-min":
            equal = (speed * room).sum(1) / room.sum()
            return np.asarray(gpus / np.maximum(equal, 1e-12))
        if self.objective == "makespan":
            return 1.0 / np.maximum([work_left_s(job, cluster) for job in jobs], 1e-3)
        fastest = np.maximum(speed.max(1), 1e-12)
        if self.objective == "fifo":
            age = np.argsort(np.argsort([job.row for job in jobs]))
            return np.asarray((len(jobs) - age) / fastest)
        return np.asarray(1.0 / fastest)

    def _had(self, jobs: Sequence[JobView], pools: int, cluster: ClusterView) -> Array:
        """(n_job, n_pool) share of its time in the system that each job has had on each pool."""
        held_s: dict[int, Array] = cluster.notes.setdefault("held_s", {})
        last_s = cluster.notes.get("last_round_s", cluster.now_s)
        cluster.notes["last_round_s"] = cluster.now_s
        had = np.zeros((len(jobs), pools))
        kept = {}
        for at, job in enumerate(jobs):
            mine = kept[job.row] = held_s.get(job.row, np.zeros(pools))
            if job.start_s == job.start_s and len(job.shape.pools) == 1:
                mine[job.shape.pools[0]] += cluster.now_s - max(job.start_s, last_s)
            here_s = cluster.now_s - job.submit_s
            had[at] = mine / here_s if here_s > 0 else 0.0
        cluster.notes["held_s"] = kept
        return had


def allowed(job: JobView) -> Sequence[int]:
    """The pools that will do for a job, whichever it runs in now."""
    return job.asked.pools


def time_shares(
    speed: Array,
    gpus: Array,
    room: Array,
    scale: Array,
    max_min: bool,
    limits: Sequence[Limit] = (),
) -> Array:
    """Shares of time on each pool that are best for the worst off, or in sum.

    Parameters
    ----------
    speed : (n_job, n_pool) array
        Throughput of each job on each pool; 0 where it cannot run.
    gpus : (n_job,) array
        GPUs of each job.
    room : (n_pool,) array
        GPUs of each pool.
    scale : (n_job,) array
        What throughputs are multiplied by before they are compared or summed.
    max_min : bool
        Whether the least counts, or the sum.
    limits : sequence of Limit
        Further limits to the GPUs of some jobs on some pools, job by job a pool each.

    Returns
    -------
    (n_job, n_pool) array
        ``X``, with rows that sum to at most 1 and ``gpus @ X <= room``.

    Sources
    -------
    [gavel2020], section 4; solved with HiGHS.
    """
    from scipy.optimize import linprog
    from scipy.sparse import coo_array

    n_job, n_pool = speed.shape
    value = speed * scale[:, None]
    n = n_job * n_pool
    x = np.arange(n)  # variables: job by job, a pool each; one more for the least
    job, pool = np.divmod(x, n_pool)
    # Rows: a job's time is 1 at most; a pool's GPUs are enough; the least is no more than each.
    row, column = [job, n_job + pool], [x, x]
    entry, most = [np.ones(n), gpus[job]], [np.ones(n_job), room]
    can = np.flatnonzero(value.max(1) > 0)  # who cannot run must not hold the others at 0
    max_min = max_min and len(can) > 0
    # What the worst off would have alone on its fastest pool: the least is measured in that.
    unit = float(value.max(1)[can].min()) if max_min else max(float(value.max(initial=0.0)), 1e-300)
    if max_min:
        row += [n_job + n_pool + job, n_job + n_pool + can]
        column += [x, np.full(len(can), n)]
        entry += [-value.ravel() / unit, np.ones(len(can))]
        most.append(np.zeros(n_job))
    rows = n_job * (1 + max_min) + n_pool
    for counts, at_most in limits:
        some = np.flatnonzero(counts)
        row.append(np.full(len(some), rows))
        column.append(some)
        entry.append(gpus[job[some]])
        most.append(np.array([at_most]))
        rows += 1
    triplets = np.concatenate(entry), (np.concatenate(row), np.concatenate(column))
    within: Any = coo_array(triplets, (rows, n + 1)).tocsr()

    def best(aim: Array, least: float) -> Array:
        limits = [(0.0, 1.0)] * n + [(least, 1.0)]
        solved = linprog(
            -aim, A_ub=within, b_ub=np.concatenate(most), bounds=limits, method="highs"
        )
        if solved.x is None:
            raise ArithmeticError(f"HiGHS found no shares: {solved.message}")
        return np.asarray(solved.x)

    # First the least alone, then the sum with that as given: no weights that one could outdo.
    least = best(np.append(np.zeros(n), 1.0), 0.0)[n] * (1 - 1e-6) if max_min else 0.0
    found = best(np.append(value.ravel() / (unit * n_job), 0.0), least)
    shares: Array = np.clip(found[:n].reshape(n_job, n_pool), 0.0, 1.0)
    return np.where(speed > 0, shares, 0.0)
