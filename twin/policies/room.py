"""What a round may divide: GPUs of nodes that are open, and for whom they are."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from twin.policies.view import ClusterView, JobView

# Which choices count against a limit, and GPUs that these may take together.
Limit = tuple[NDArray[np.bool_], float]


class Room:
    """GPUs of some parts of the site that nobody has closed.

    Nodes that are reserved now are nobody's to divide, nor is what jobs on them hold elsewhere, as
    they cannot be moved. Nodes that will be reserved are for jobs that end before: of the begins
    of reservations, in order, the number before a job's end is its level, and a job may use what
    is open at its level or at a higher one.

    Parameters
    ----------
    cluster : ClusterView
    parts : sequence of sequences of int
        Pools that are divided as one.
    """

    def __init__(self, cluster: ClusterView, parts: Sequence[Sequence[int]]) -> None:
        site = cluster.site
        self._cluster = cluster
        self._begins_s = sorted(set(cluster.closing.values()))
        levels = range(len(self._begins_s) + 1)
        part_of = {pool: at for at, pools in enumerate(parts) for pool in pools}
        # By part and level.
        gpus = [sum(site.pools[pool].gpus for pool in pools) for pools in parts]
        self._left = [[all_] * len(levels) for all_ in gpus]

        def gone(node: int, gpus: int) -> None:
            """GPUs of a node are not there for any job that could have used it."""
            begin_s = cluster.closing.get(node)
            most = len(levels) if begin_s is None else bisect_left(self._begins_s, begin_s) + 1
            part = part_of[int(site.node_pool[node])]
            for level in levels[:most]:
                self._left[part][level] -= gpus

        for node, begin_s in cluster.closing.items():
            first = bisect_left(self._begins_s, begin_s) + 1
            for level in levels[first:]:
                self._left[part_of[int(site.node_pool[node])]][level] -= int(site.node_gpus[node])
        closed = cluster.reserved
        for node in closed:
            gone(node, int(site.node_gpus[node]))
        for job in cluster.running if closed else ():
            if not closed.keys().isdisjoint(job.held):
                for node, mask in job.held.items():
                    if node not in closed:
                        gone(node, mask.bit_count())

    def gpus(self) -> NDArray[np.float64]:
        """(n_part,) GPUs that are open to some job."""
        return np.array([left[0] for left in self._left], float)

    def level(self, job: JobView, pool: int, gpus: int) -> int:
        """How many reservations begin before a job would end with so many GPUs of a pool."""
        if not self._begins_s:
            return 0
        now_s = self._cluster.now_s
        left_s = job.left_s(now_s)
        if job.start_s != job.start_s:
            left_s /= max(self._cluster.rate(job, pool, gpus), 1e-12)
        return bisect_left(self._begins_s, now_s + left_s)

    def take(self, part: int, gpus: int, level: int = 0) -> bool:
        """Let a job of a level have GPUs of a part, if there are so many for it; whether it has."""
        left = self._left[part]
        if any(gpus > here for here in left[: level + 1]):
            return False
        for at in range(level + 1):
            left[at] -= gpus
        return True

    def limits(self, part: NDArray[np.int64], level: NDArray[np.int64]) -> list[Limit]:
        """What jobs of each level but the lowest may take together, of choices with these."""
        return [
            ((part == at) & (level >= least), float(left[least]))
            for at, left in enumerate(self._left)
            for least in range(1, len(left))
        ]
