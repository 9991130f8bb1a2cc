"""When nodes will be free, by estimate, and what is promised to the head of the queue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from math import inf
from operator import attrgetter
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from twin.kernel.job import Job
from twin.kernel.needs import ConfinedNeed, Ints, Need
from twin.policies.view import JobView, Placement, Shape
from twin.site.fleet import Fleet

if TYPE_CHECKING:
    from twin.kernel.cluster import Cluster

_MANY = 256  # stale nodes up to which a loop is quicker than arrays
_AT_ONCE = 1024  # jobs, few enough to stay in the processor's cache from one look to the next
_expected_end_s = attrgetter("expected_end_s")


class HeadReservation:
    """GPUs promised to one waiting job, and what may still be taken without breaking the promise.

    Attributes
    ----------
    start_s : float
        The shadow time: the earliest time at which, with every running job that is expected to end
        by then released, the job fits.
    """

    __slots__ = ("_cluster", "_needs", "row", "start_s")

    def __init__(
        self,
        row: int,
        start_s: float,
        needs: list[Need],  # one for each pool that will do
        cluster: Cluster,
    ) -> None:
        self.row = row
        self.start_s = start_s
        self._needs = needs
        self._cluster = cluster

    def leaves_room_for(
        self, shape: Shape, job: JobView | None = None, at: Placement | None = None
    ) -> bool:
        """Whether the job still fits at the shadow time if one of this shape runs on past it."""
        placement = at or self._cluster.place(shape, job)
        return placement is not None and self._is_left_whole_by(placement)

    def latest_end_s(self, shape: Shape) -> float:
        """By when a job of this shape must end to start now and leave the promise whole. [s]

        Of one that ends by then and whose place depends on its end, `admits` has the last word.
        """
        latest_s = -inf
        for until_s, place in self._cluster.choices(shape):
            if not self._is_left_whole_by(place):
                until_s = min(until_s, self.start_s)
            latest_s = max(latest_s, until_s)
        return latest_s

    def admits(self, job: JobView) -> bool:
        """Whether a job that ends by the latest end of its shape has a place, and leaves this."""
        cluster = self._cluster
        if cluster.ahead is None:
            return True
        if not cluster.fits(job.shape, job):
            return False
        end_s = cluster.now_s + job.left_s(cluster.now_s)
        return end_s <= self.start_s or self.leaves_room_for(job.shape, job)

    def _is_left_whole_by(self, placement: Placement) -> bool:
        for need in self._needs:  # noqa: SIM110, a generator takes longer
            if need.is_met_without(placement):
                return True
        return False

    def heed_start(self, expected_end_s: float, placement: Placement) -> None:
        """A job starts: past the shadow time, what it holds is gone from the projection."""
        if expected_end_s <= self.start_s:
            return
        for need in self._needs:
            need.take(placement)


class ReadyTimes:
    """When each node will have 1, 2, ... GPUs free, by estimate and if nothing more starts.

    ``ready_s[g, v]`` is that time for ``g`` GPUs on node ``v``; it is in the past, or ``-inf``,
    where they are free already. Only nodes touched since the last question are computed anew.
    """

    def __init__(
        self, fleet: Fleet, residents: list[list[Job]], running: Mapping[int, Job]
    ) -> None:
        self._fleet = fleet
        self._residents = residents
        self._running = running
        most = int(fleet.site.node_gpus.max())
        self._ready_s: NDArray[np.float64] = np.full((most + 1, fleet.site.n_nodes), np.inf)
        for pool, built in enumerate(fleet.site.pools):
            nodes = fleet.site.pool_nodes(pool)
            self._ready_s[: built.gpus_per_node + 1, nodes.start : nodes.stop] = -np.inf
        self.promised: dict[int, list[tuple[int, float]]] = {}  # by node: GPUs, until when
        self.reserved: dict[int, float] = {}  # nodes that are closed, until when
        self.stale: set[int] = set()  # nodes whose column is out of date
        self.moved: dict[int, Job] = {}  # jobs, by row, whose nodes' columns are

    def reserve(self, job: JobView, now_s: float, cluster: Cluster) -> HeadReservation:
        """The earliest start of a job that does not fit now."""
        self._refresh()
        needs = [self._need(job.shape, pool, cluster) for pool in job.shape.pools]
        shadow_s = min(self._earliest_s(need, job, now_s, cluster) for need in needs)
        if shadow_s <= now_s:
            shadow_s = now_s + cluster.grace_s
        for need in needs:
            nodes = self._fleet.site.pool_nodes(need.pool)
            column = self._ready_s[:, nodes.start : nodes.stop]
            is_ready = column[need.gpus] <= shadow_s
            if cluster.ahead is not None:
                runs_s = cluster.end_s(job, need.pool, job.shape.gang_gpus) - now_s
                is_ready &= ~cluster.ahead.blocks(nodes.start, len(nodes), shadow_s, runs_s)
            ready = np.flatnonzero(is_ready)
            size = self._fleet.site.pools[need.pool].gpus_per_node
            free = (column[: size + 1, ready] <= shadow_s).sum(0) - 1
            need.promise(dict(zip((ready + nodes.start).tolist(), free.tolist(), strict=True)))
        return HeadReservation(job.row, shadow_s, needs, cluster)

    def _need(self, shape: Shape, pool: int, cluster: Cluster) -> Need:
        size = self._fleet.site.pools[pool].gpus_per_node
        gpus, nodes = min(shape.gpus, size), -(-shape.gpus // size)
        confines = cluster.placing.confines(shape, pool)
        if confines is None:
            return Need(pool, gpus, nodes)
        return ConfinedNeed(pool, gpus, nodes, confines, self._fleet.first_node[pool])

    def _earliest_s(self, need: Need, job: JobView, now_s: float, cluster: Cluster) -> float:
        nodes = self._fleet.site.pool_nodes(need.pool)
        ready_s = self._ready_s[need.gpus, nodes.start : nodes.stop]
        if cluster.ahead is None:
            return need.earliest_s(ready_s)
        ready_s = np.maximum(ready_s, now_s)
        runs_s = cluster.end_s(job, need.pool, job.shape.gang_gpus) - now_s
        return cluster.ahead.earliest_s(ready_s, nodes.start, need.earliest_s, runs_s)

    def _in_service(self, node: int) -> list[tuple[float, int]]:
        """When GPUs of a node that is out of service, or to leave it, will be free again."""
        fleet, down = self._fleet, self._fleet.down_mask[node]
        up_s = fleet.expected_up_s(node)
        ending = [(up_s, (down & ~fleet.leaving.get(node, 0)).bit_count())]
        for job in self._residents[node]:
            leaving = job.held[node] & down
            ending.append((job.expected_end_s, (job.held[node] ^ leaving).bit_count()))
            ending.append((max(job.expected_end_s, up_s), leaving.bit_count()))
        return ending

    def _refresh(self) -> None:
        for job in self.moved.values():
            self.stale.update(job.held)
        self.moved.clear()
        if len(self.stale) > max(_MANY, len(self._running) // 4):
            self._refresh_each(self._refresh_many())
        else:
            self._refresh_each(self.stale)
        self.stale.clear()

    def _refresh_many(self) -> list[int]:
        """Compute columns from running jobs; the nodes on which more than jobs must be heeded.

        All jobs are gone through, but with arrays, and each gang once and not once a node.
        """
        fleet, jobs = self._fleet, list(self._running.values())
        parts = [_held(jobs[at : at + _AT_ONCE]) for at in range(0, len(jobs), _AT_ONCE)]
        parts.append(_held([]))  # if nothing runs
        nodes, gpus, end_s = map(np.concatenate, zip(*parts, strict=True))
        size, gpu = fleet.site.node_gpus, np.arange(len(self._ready_s) - 1)
        busy = np.bincount(nodes, gpus, len(size)).astype(np.int64)
        ready_s = np.where(gpu < size[:, None], -np.inf, np.inf)
        order = nodes.argsort(kind="stable")
        ready_s[gpu < busy[:, None]] = end_s[order].repeat(gpus[order])
        ready_s.sort(axis=1)

        stale = np.zeros(len(size), np.bool_)
        stale[np.fromiter(self.stale, np.int64, len(self.stale))] = True
        np.copyto(self._ready_s[1:], ready_s.T, where=stale)
        free = np.bitwise_count(np.fromiter(fleet.free_mask, np.uint64, len(size)))
        gone = np.flatnonzero(stale & (busy + free < size))  # out of service, spare or dark
        return [*gone.tolist(), *self.stale & {*fleet.leaving, *self.promised, *self.reserved}]

    def _refresh_each(self, nodes: Iterable[int]) -> None:
        fleet = self._fleet
        for node in nodes:
            column = [-inf] * (fleet.free_mask[node].bit_count() + 1)
            ending = [(job.expected_end_s, job.gpus_on(node)) for job in self._residents[node]]
            if fleet.down_mask[node]:
                ending = self._in_service(node)
            ending.sort()
            for end_s, gpus in ending:
                column += [end_s] * gpus
            missing = fleet.site.pools[fleet.node_pool[node]].gpus_per_node + 1 - len(column)
            if missing > 0:  # a spare, or dark: there in time if it is waking
                column += [fleet.expected_up_s(node)] * missing
            for gpus, until_s in self.promised.get(node, ()):
                column = [-inf, *sorted([*column[1 + gpus :], *[until_s] * gpus])]
            if (closed_s := self.reserved.get(node)) is not None:
                column = [-inf, *(max(ready_s, closed_s) for ready_s in column[1:])]
            self._ready_s[: len(column), node] = column


def _held(jobs: list[Job]) -> tuple[Ints, NDArray[np.uint8], NDArray[np.float64]]:
    """The nodes that jobs hold, GPUs on each, and expected ends, job by job."""
    held = [job.held for job in jobs]
    n_nodes = np.fromiter(map(len, held), np.int64, len(held))
    n = int(n_nodes.sum())
    nodes = np.fromiter(chain.from_iterable(held), np.int64, n)
    masks = np.fromiter(chain.from_iterable(map(dict.values, held)), np.uint64, n)
    end_s = np.fromiter(map(_expected_end_s, jobs), np.float64, len(held))
    return nodes, np.bitwise_count(masks), end_s.repeat(n_nodes)
