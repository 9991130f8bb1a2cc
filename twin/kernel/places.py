"""Where and when a job fits, among what others hold now and are promised."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from twin.kernel.availability import Availability, Nodes
from twin.kernel.job import Job
from twin.policies.base import PlacementPolicy
from twin.policies.placements.best_fit import BestFit
from twin.policies.view import Placement, Shape

if TYPE_CHECKING:
    from twin.kernel.cluster import Cluster

_MANY = 32767
NO_LIMITS: Mapping[int, int] = MappingProxyType({})


class Places:
    """Searches the table of what is free, and asks the placement policy.

    Attributes
    ----------
    late : set of int
        Nodes on which something should have ended by now and has not: the table has its GPUs free.
    """

    def __init__(self, cluster: Cluster, policy: PlacementPolicy, free: Availability) -> None:
        self._cluster = cluster
        self._fleet = cluster.fleet
        self._policy = policy
        # What best fit answers is read off the table; for others an index of it is made.
        self._is_best_fit = type(policy).place is BestFit.place
        self._free = free
        self._until_s: dict[int, float] = {}
        self._state = -1
        self.late: set[int] = set()

    def duration_s(self, job: Job, place: Placement) -> float:
        """How long a job is expected to run at a place. [s]"""
        if self._cluster.rates is None:
            return job.estimate_s
        pool = self._fleet.node_pool[place[0][0]]
        return job.estimate_s / self._cluster.rate(job, pool, job.gpus)

    def is_there(self, place: Placement) -> bool:
        """Whether these GPUs are free now, with or without power for them."""
        free = self._fleet.free_mask
        return all(free[node].bit_count() >= gpus for node, gpus in place)

    def is_free(self, place: Placement) -> bool:
        """Whether these GPUs can be had now."""
        return self.is_there(place) and not self._cluster.closed_to(place)

    def may_move_up(self, job: Job, freed: NDArray[np.int64], before_s: float) -> bool:
        """Whether a start before some time is thinkable that uses one of some nodes, ascending."""
        for pool in job.shape.pools:
            nodes, gpus, _ = self._needs(job.shape, pool)
            near = _among(freed, nodes)
            duration_s = self._duration_in(job, pool)
            if len(near) and self._free.may_begin(near, gpus, duration_s, before_s):
                return True
        return False

    def find(self, job: Job, freed: NDArray[np.int64] | None = None) -> tuple[float, Placement]:
        """The earliest start of a job and its place then; of several pools that of the first.

        If nodes are given that came free, ascending, only starts that use some of them matter.
        """
        if (self.late or self._cluster.refuses is not None) and (now := self.find_now(job)):
            return self._cluster.now_s, now
        best: tuple[float, Placement] = (inf, ())
        for pool in job.shape.pools:
            nodes, gpus, needed = self._needs(job.shape, pool)
            duration_s = self._duration_in(job, pool)
            among: Nodes = nodes
            if freed is not None and needed == 1:
                among = _among(freed, nodes)
            start_s = self._free.earliest_s(among, gpus, needed, duration_s)
            if start_s >= best[0]:
                continue
            place = self._ask(job.shape, pool, start_s, duration_s)
            if not place:  # this placement wants more than room
                start_s, place = self._later(job, pool, start_s)
            if place and start_s < best[0]:
                best = start_s, place
        return best

    def find_now(self, job: Job) -> Placement | None:
        """Where a job can start now and run to its end; None if nowhere."""
        now_s = self._cluster.now_s
        for pool in job.shape.pools:
            if self._fleet.index[pool].free_gpus < job.shape.gpus:
                continue
            duration_s = self._duration_in(job, pool)
            # Where GPUs should be free by now and are not, those count that are.
            most = {node: self._fleet.free_mask[node].bit_count() for node in self.late}
            while place := self._ask(job.shape, pool, now_s, duration_s, most):
                closed = self._cluster.closed_to(place)
                if not closed:
                    return place
                most.update(dict.fromkeys(closed, 0))
        return None

    def until_s(self, shape: Shape) -> float:
        """By when a job of this shape that starts now must end; ``-inf`` if none can start. [s]"""
        if self._state != self._free.changes:
            self._until_s.clear()
            self._state = self._free.changes
        found = self._until_s.get(shape.index)
        if found is None:
            found = -inf
            for pool in shape.pools:
                nodes, gpus, needed = self._needs(shape, pool)
                there, until_s = self._free.open(nodes, gpus)
                if self.late:
                    masks = self._fleet.free_mask
                    short = [v for v in self.late if masks[v].bit_count() < gpus]
                    until_s = until_s[~np.isin(there, short)]
                if len(until_s) >= needed:
                    found = max(found, float(np.partition(until_s, -needed)[-needed]))
            self._until_s[shape.index] = found
        return found

    def _needs(self, shape: Shape, pool: int) -> tuple[slice, int, int]:
        """A pool's nodes, the GPUs that must be free on one, and how many such nodes."""
        built, first = self._fleet.site.pools[pool], self._fleet.first_node[pool]
        size = built.gpus_per_node
        return slice(first, first + built.nodes), min(shape.gpus, size), -(-shape.gpus // size)

    def _duration_in(self, job: Job, pool: int) -> float:
        return self.duration_s(job, ((self._fleet.first_node[pool], 0),))

    def _later(self, job: Job, pool: int, after_s: float) -> tuple[float, Placement]:
        """The first place that the policy finds after a time at which there is room."""
        duration_s = self._duration_in(job, pool)
        for start_s in self._free.times_after(after_s):
            place = self._ask(job.shape, pool, start_s, duration_s)
            if place:
                return start_s, place
        return inf, ()

    def _ask(
        self,
        shape: Shape,
        pool: int,
        from_s: float,
        duration_s: float,
        most: Mapping[int, int] = NO_LIMITS,
    ) -> Placement:
        """Where the placement policy puts a job for a time, with no more GPUs of some nodes."""
        if self._is_best_fit:
            return self._best_fit(shape, pool, from_s, duration_s, most)
        index = self._fleet.index[pool].copy()
        masks, nodes = self._fleet.free_mask, self._needs(shape, pool)[0]
        for node in range(nodes.start, nodes.stop):
            now = masks[node].bit_count()
            # Less than none is left where a reservation finds replicas that nobody may stop.
            free = max(self._free.least(node, from_s, duration_s), 0)
            if most and node in most:
                free = min(free, most[node])
            if free != now:
                index.move(node - nodes.start, now, free)
        place = self._policy.place_shape(shape, index)
        return [(nodes.start + node, gpus) for node, gpus in place or ()]

    def _best_fit(
        self, shape: Shape, pool: int, from_s: float, duration_s: float, most: Mapping[int, int]
    ) -> Placement:
        """As `twin.policies.placements.best_fit.BestFit` places, without an index."""
        nodes, gpus, needed = self._needs(shape, pool)
        there = self._free.fitting(nodes, gpus, from_s, duration_s).tolist()
        if most:
            there = [node for node in there if most.get(node, gpus) >= gpus]
        if len(there) < needed:
            return ()
        if gpus == self._fleet.site.pools[pool].gpus_per_node:
            return [(node, gpus) for node in there[:needed]]
        tightest, least = -1, _MANY
        for node in there:
            free = self._free.least(node, from_s, duration_s)
            if most:
                free = min(free, most.get(node, free))
            if free < least:
                tightest, least = node, free
                if free == gpus:
                    break
        return ((tightest, gpus),)


def _among(nodes: NDArray[np.int64], pool: slice) -> NDArray[np.int64]:
    """Those of some nodes, ascending, that are of a pool."""
    return nodes[nodes.searchsorted(pool.start) : nodes.searchsorted(pool.stop)]
