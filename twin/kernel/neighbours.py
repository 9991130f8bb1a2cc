"""Jobs on one GPU, in turns or side by side: each is slowed by the others while they are there."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from twin.kernel.job import Job
from twin.kernel.shared import SharedCluster
from twin.kernel.training import Training
from twin.physics.interference import Sharing, shared_rates

# Of a job alone: the share of its time at the GPU, and the length of its turns there or how much
# of it it fills; None if nobody knows: it is neither slowed nor slows.
Demand = tuple[float, float] | None


class Neighbours:
    """Keeps the speed of every job up with who is on its GPUs.

    A job on several shared GPUs goes as fast as on the one where it is slowest. Neighbours that
    start, save or begin again count as if they ran. Jobs of which nothing is known are left out.

    Parameters
    ----------
    cluster : SharedCluster
    training : Training
        Told when the speed of a job has changed.
    demand : callable
        What a job asks of a GPU of a pool.
    sharing : {"time-sliced", "concurrent"}
        The law, as in `shared_rates`.
    """

    def __init__(
        self,
        cluster: SharedCluster,
        training: Training,
        demand: Callable[[Job, int], Demand],
        sharing: Sharing = "time-sliced",
    ) -> None:
        self._cluster = cluster
        self._training = training
        self._demand = demand
        self._sharing = sharing
        cluster.touched = set()

    def settle(self, now_s: float) -> None:
        """Speeds of the jobs on nodes that somebody came to or left."""
        cluster, lives = self._cluster, self._training.lives
        assert cluster.touched is not None
        for node in sorted(cluster.touched):
            for row, calm in self._rates(node).items():
                life = lives.get(row)
                if life is not None and life.calm != calm:
                    self._training.disturb(life, calm, now_s)
        cluster.touched.clear()

    def _rates(self, node: int) -> dict[int, float]:
        """Row -> speed relative to having its GPUs alone, of each job on a node."""
        pool = self._cluster.fleet.node_pool[node]
        residents = self._cluster.residents[node]
        by_gpu: dict[int, list[tuple[Job, tuple[float, float]]]] = {}
        for job in residents:
            demand = self._demand(job, pool)
            mask, gpu = job.held[node] if demand is not None else 0, 0
            while mask:
                if mask & 1 and demand is not None:
                    by_gpu.setdefault(gpu, []).append((job, demand))
                mask, gpu = mask >> 1, gpu + 1
        rates = {job.row: 1.0 for job in residents}
        for there in by_gpu.values():
            if len(there) > 1:
                found = _beside(tuple(demand for _, demand in there), self._sharing)
                for (job, _), rate in zip(there, found, strict=True):
                    rates[job.row] = min(rates[job.row], rate)
        return rates


@lru_cache(maxsize=65536)
def _beside(demands: tuple[tuple[float, float], ...], sharing: Sharing) -> tuple[float, ...]:
    busy, weight = np.array(demands).T
    return tuple(shared_rates(busy, weight, sharing=sharing).tolist())
