"""Where and when a job fits, among what others hold now and are promised."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
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

Free = NDArray[np.int16]
_MANY = 32767


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

    def find(self, job: Job, freed: Sequence[int] = ()) -> tuple[float, Placement]:
        """The earliest start of a job and its place then; of several pools that of the first.

        If nodes are given that came free, only starts that use some of them matter.
        """
        if (self.late or self._cluster.refuses is not None) and (now := self.find_now(job)):
            return self._cluster.now_s, now
        best: tuple[float, Placement] = (inf, ())
        for pool in job.shape.pools:
            nodes, gpus, needed = self._needs(job.shape, pool)
            duration_s = self._duration_in(job, pool)
            among: Nodes = nodes
            if freed and needed == 1:
                near = [node for node in freed if nodes.start <= node < nodes.stop]
                among = np.array(near, np.int64)
            start_s = self._free.earliest_s(among, gpus, needed, duration_s)
            if start_s >= best[0]:
                continue
            place = self._ask(job.shape, pool, self._free.least(nodes, start_s, duration_s))
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
            nodes, gpus, needed = self._needs(job.shape, pool)
            free = self._free.least(nodes, now_s, self._duration_in(job, pool))
            self._heed_late(free, nodes)
            while int((free >= gpus).sum()) >= needed:
                place = self._ask(job.shape, pool, free)
                if not place:
                    break
                closed = [v - nodes.start for v in self._cluster.closed_to(place)]
                if not closed:
                    return place
                for node in closed:
                    if 0 <= node < len(free):
                        free[node] = 0
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
                free = self._free.now(nodes)
                self._heed_late(free, nodes)
                until_s = self._free.until_s(nodes.start + np.flatnonzero(free >= gpus), gpus)
                if len(until_s) >= needed:
                    found = max(found, float(np.sort(until_s)[-needed]))
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
        nodes = self._needs(job.shape, pool)[0]
        duration_s = self._duration_in(job, pool)
        for start_s in self._free.times_after(after_s):
            place = self._ask(job.shape, pool, self._free.least(nodes, start_s, duration_s))
            if place:
                return start_s, place
        return inf, ()

    def _ask(self, shape: Shape, pool: int, free: Free) -> Placement:
        """Where the placement policy puts a job, of GPUs free on each node of a pool."""
        first, size = self._fleet.first_node[pool], self._fleet.site.pools[pool].gpus_per_node
        if self._is_best_fit:
            return _best_fit(shape.gpus, free, size, first)
        index = self._fleet.index[pool].copy()
        masks = self._fleet.free_mask
        for node, gpus in enumerate(free.tolist()):
            now = masks[first + node].bit_count()
            if gpus != now:
                index.move(node, now, gpus)
        place = self._policy.place_shape(shape, index)
        return [(first + node, gpus) for node, gpus in place or ()]

    def _heed_late(self, free: Free, nodes: slice) -> None:
        """Where GPUs should be free by now and are not, count those that are."""
        for node in self.late:
            if nodes.start <= node < nodes.stop:
                here = self._fleet.free_mask[node].bit_count()
                free[node - nodes.start] = min(here, free[node - nodes.start])


def _best_fit(gpus: int, free: Free, size: int, first: int) -> Placement:
    """As `twin.policies.placements.best_fit.BestFit` places, of an array."""
    if gpus <= size:
        node = int(np.where(free >= gpus, free, _MANY).argmin())
        return ((first + node, gpus),) if free[node] >= gpus else ()
    whole = np.flatnonzero(free == size)[: -(-gpus // size)]
    if len(whole) < -(-gpus // size):
        return ()
    return [(first + node, size) for node in whole.tolist()]
