"""Promises to many waiting jobs: places held for each from a time to come."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush
from math import inf
from operator import attrgetter
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from twin.kernel.availability import Availability
from twin.kernel.job import Job
from twin.kernel.places import Places
from twin.policies.base import PlacementPolicy
from twin.policies.view import Placement, Shape

if TYPE_CHECKING:
    from twin.kernel.ahead import Ahead
    from twin.kernel.cluster import Cluster
    from twin.kernel.ready import ReadyTimes

# What holds GPUs beside jobs, whose rows are 0 and above.
_DOWN, _ABSENT, _KEPT, _RESERVED = -1, -2, -3, -4

# The plan knows nothing of power: where a cap keeps due jobs waiting, it would be made anew at
# every instant.
_AGAIN_S = 600.0

Hold = tuple[float, int]  # until when, and how many GPUs of a node


class Promise:
    """Nodes held for a waiting job.

    Attributes
    ----------
    job : Job
    start_s, end_s : float
        When it is to start, and to end by its estimate. [s]
    place : Placement
        Nodes and the GPUs held on each; empty if nothing is held, because ``start_s`` is too far
        ahead or unknown. It starts no earlier then.
    tried : int
        The plan's count when an earlier start was last looked for.
    """

    __slots__ = ("end_s", "job", "place", "start_s", "tried")

    def __init__(self, job: Job) -> None:
        self.job = job
        self.start_s = self.end_s = inf
        self.place: Placement = ()
        self.tried = 0


_in_queue_order = attrgetter("job.place")


class Plan:
    """What running jobs and promises leave free, on every node and at every time to come.

    It is kept from one instant to the next. Only nodes on which something happened are counted
    again, and only what then differs from what was expected is changed in the table. Where all
    ends as expected, an arrival costs one search and nothing else is planned again.
    """

    def __init__(self, cluster: Cluster, policy: PlacementPolicy, ready: ReadyTimes) -> None:
        site = cluster.fleet.site
        self._cluster = cluster
        self._fleet = cluster.fleet
        self._ready = ready
        self._size: list[int] = site.node_gpus.tolist()
        self._free = Availability(site.node_gpus, cluster.now_s)
        self._places = Places(cluster, policy, self._free)
        self._held: list[dict[int, Hold]] = [{} for _ in self._size]  # by node and row
        self._due: list[tuple[float, int]] = []  # heap of (until, node) of these
        self._promises: dict[int, Promise] = {}
        self._ordered: list[Promise] = []
        self._overrun = False  # more is promised than there will be
        self._made_s = -inf  # when all was last made anew
        self._count = 0  # of times that something came free earlier than was expected
        self._freed_at = np.zeros(len(self._size), np.int64)  # that count, by node
        self._withdrew = False  # since the last renewal
        self._freed: tuple[int, dict[int, NDArray[np.int64]]] = (0, {})
        self._ahead: Ahead | None = None  # what is reserved ahead, as the table has it
        ready.stale.update(range(len(self._size)))

    def __len__(self) -> int:
        return len(self._promises)

    def __contains__(self, job: Job) -> bool:
        return job.row in self._promises

    @property
    def last(self) -> Job:
        """The last job in queue order of those that are planned."""
        return self._ordered[-1].job

    def renew(self, window_s: float) -> Iterator[Job]:
        """Take account of what happened; the jobs that start now as promised.

        If a promise cannot be kept, all are made anew in queue order. If something came free
        earlier than was expected, promises move to earlier starts, until none can.
        """
        count = self._count
        self._recount()
        now_s = self._cluster.now_s
        due = [each for each in self._ordered if each.start_s <= now_s and each.place]
        if self._overrun or any(map(self._is_broken, due)):
            self._overrun, self._made_s = False, now_s
            ordered = list(self._ordered)
            for promise in ordered:
                self._give_up(promise)
            for promise in ordered:
                self._promise(promise, window_s)
                if self._is_kept(promise):
                    yield promise.job
            return
        for promise in due:
            if self._is_kept(promise):
                yield promise.job
        moved, self._withdrew = self._count > count or self._withdrew, False
        while moved:
            moved = False
            for promise in list(self._ordered):
                if promise.place and self._move_up(promise):
                    moved = True
                    if self._is_kept(promise):
                        yield promise.job
        for promise in [each for each in self._ordered if not each.place]:
            if promise.start_s <= now_s + window_s or promise.tried < self._count:
                self._promise(promise, window_s)
                if self._is_kept(promise):
                    yield promise.job

    def promise(self, job: Job, window_s: float) -> bool:
        """Promise a job its earliest start; whether that is now."""
        if self.fits(job):
            return True
        promise = Promise(job)
        self._promise(promise, window_s)
        self._promises[job.row] = promise
        self._ordered.append(promise)
        self._ordered.sort(key=_in_queue_order)
        return False

    def fits(self, job: Job) -> bool:
        """Whether a job can start now and delay no promise; if so, it must start next."""
        place = self._places.find_now(job)
        if place:
            now_s = self._cluster.now_s
            end_s = now_s + self._places.duration_s(job, place)
            self._free.take(place, now_s, end_s)
            self._starts(job, place, end_s)
        return bool(place)

    def withdraw(self, job: Job) -> None:
        """A job that was promised a place has started elsewhere: others may have it."""
        promise = self._promises.pop(job.row)
        self._ordered.remove(promise)
        place = promise.place
        self._give_up(promise)
        self._withdrew |= bool(place)
        self._count += 1
        for node, _ in place:
            self._freed_at[node] = self._count

    def deadline_s(self, shape: Shape) -> float:
        """By when a job of this shape that starts now must end; ``-inf`` if none can start. [s]"""
        return self._places.until_s(shape)

    # -- promises

    def _is_broken(self, promise: Promise) -> bool:
        """Whether what is due now is not there, or was not there when it was due."""
        now_s = self._cluster.now_s
        if self._cluster.refuses is not None and self._places.is_there(promise.place):
            return now_s >= self._made_s + _AGAIN_S and not self._places.is_free(promise.place)
        return promise.start_s < now_s or not self._places.is_free(promise.place)

    def _is_kept(self, promise: Promise) -> bool:
        """Whether a job starts now; from then on it holds its place as running jobs do."""
        now_s, place = self._cluster.now_s, promise.place
        if not place or promise.start_s > now_s or not self._places.is_free(place):
            return False
        if promise.start_s < now_s:  # there was no power for it
            self._give_up(promise)
            self._set(promise, now_s, place)
            end_s = promise.end_s
            if any(self._free.change(node, 0, now_s, end_s) < 0 for node, _ in place):
                self._overrun = True
        del self._promises[promise.job.row]
        self._ordered.remove(promise)
        self._starts(promise.job, promise.place, promise.end_s)
        return True

    def _starts(self, job: Job, place: Placement, end_s: float) -> None:
        self._cluster.intend(job.shape, place)
        for node, gpus in place:
            self._held[node][job.row] = (end_s, gpus)
            heappush(self._due, (end_s, node))
            if end_s <= self._cluster.now_s:  # its estimate is nothing, and yet it is there
                self._places.late.add(node)

    def _promise(self, promise: Promise, window_s: float) -> None:
        """Hold the earliest place for a job that holds none."""
        promise.tried = self._count
        start_s, place = self._places.find(promise.job)
        if place and start_s <= self._cluster.now_s + window_s:
            self._set(promise, start_s, place)
        else:
            promise.start_s = start_s

    def _move_up(self, promise: Promise) -> bool:
        """Move a promise to an earlier start, if what came free since allows one."""
        if promise.tried == self._count:
            return False
        before_s, before, end_s = promise.start_s, promise.place, promise.end_s
        freed = self._freed_since(promise.tried)
        own = any(self._freed_at[node] > promise.tried for node, _ in before)
        promise.tried = self._count
        if not own and not self._places.may_move_up(promise.job, freed, before_s):
            return False
        self._give_up(promise)
        start_s, place = self._places.find(promise.job, freed)
        if place and start_s < before_s:
            self._set(promise, start_s, place)
            self._count += 1
            promise.tried = self._count
            for node, _ in before:
                self._freed_at[node] = self._count
            return True
        self._free.take(before, before_s, end_s)
        promise.start_s, promise.end_s, promise.place = before_s, end_s, before
        return False

    def _freed_since(self, tried: int) -> NDArray[np.int64]:
        """Nodes on which something came free since then, ascending."""
        count, by_tried = self._freed
        if count != self._count:
            by_tried = {}
            self._freed = self._count, by_tried
        nodes = by_tried.get(tried)
        if nodes is None:
            nodes = by_tried[tried] = np.flatnonzero(self._freed_at > tried)
        return nodes

    def _set(self, promise: Promise, start_s: float, place: Placement) -> None:
        promise.start_s, promise.place = start_s, place
        promise.end_s = start_s + self._places.duration_s(promise.job, place)
        self._free.take(place, start_s, promise.end_s)

    def _give_up(self, promise: Promise) -> None:
        if promise.place:
            self._free.give_back(promise.place, promise.start_s, promise.end_s)
        promise.start_s = promise.end_s = inf
        promise.place = ()

    # -- what is held by others

    def _recount(self) -> None:
        """Bring the table up to date with what stands in the hall."""
        now_s, stale = self._cluster.now_s, self._ready.stale
        self._free.advance(now_s)
        if self._ahead is not self._cluster.ahead:
            self._look_ahead(self._cluster.ahead)
        for job in self._ready.moved.values():
            stale.update(job.held)
        self._ready.moved.clear()
        while self._due and self._due[0][0] <= now_s:
            stale.add(heappop(self._due)[1])
        for node in stale:
            self._recount_node(node, now_s)
        stale.clear()

    def _look_ahead(self, ahead: Ahead | None) -> None:
        """Take nodes that will be reserved out of the table, for that time alone."""
        before = self._ahead.windows if self._ahead is not None else ()
        after = ahead.windows if ahead is not None else ()
        for window in [each for each in before if each not in after]:
            self._count += 1
            for node in window.nodes:
                self._free.change(node, self._size[node], window.start_s, window.end_s)
                self._freed_at[node] = self._count
        for window in [each for each in after if each not in before]:
            for node in window.nodes:
                size = self._size[node]
                if self._free.change(node, -size, window.start_s, window.end_s) < 0:
                    self._overrun = True
        self._ahead = ahead

    def _recount_node(self, node: int, now_s: float) -> None:
        before, holds = self._held[node], self._holds(node)
        self._places.late.discard(node)
        for row, (until_s, gpus) in holds.items():
            if until_s <= now_s:
                holds[row] = self._overdue(node, before.get(row, (now_s, 0)), gpus, now_s)
        for row, hold in before.items():
            if hold[0] > now_s and holds.get(row) != hold:
                self._free.change(node, hold[1], now_s, hold[0])
                self._count += 1
                self._freed_at[node] = self._count
        for row, hold in holds.items():
            if before.get(row) != hold:
                if self._free.change(node, -hold[1], now_s, hold[0]) < 0:
                    self._overrun = True
                if now_s < hold[0] < inf:
                    heappush(self._due, (hold[0], node))
        self._held[node] = holds

    def _overdue(self, node: int, before: Hold, gpus: int, now_s: float) -> Hold:
        """Until when what should have ended is now said to last."""
        grace_s = self._cluster.grace_s
        if not grace_s:  # it may end in the next moment: what it holds is not free now
            self._places.late.add(node)
            return now_s, gpus
        if before[1] == gpus and before[0] > now_s:  # as was said when it became overdue
            return before
        return now_s + grace_s, gpus

    def _holds(self, node: int) -> dict[int, Hold]:
        """What is not free on a node now, and until when, by row of the job that holds it."""
        fleet = self._fleet
        down = fleet.down_mask[node]
        holds: dict[int, Hold] = {}
        there = fleet.free_mask[node].bit_count()
        for job in self._cluster.residents[node]:
            gpus = job.gpus_on(node)
            there += gpus
            until_s = job.expected_end_s
            if down & job.held[node]:  # it is about to leave GPUs that then are repaired
                until_s = max(until_s, fleet.expected_up_s(node))
            holds[job.row] = (until_s, gpus)
        if gone := (down & ~fleet.leaving.get(node, 0)).bit_count():
            there += gone
            holds[_DOWN] = (fleet.expected_up_s(node), gone)
        closed_s = self._cluster.reserved.get(node)
        if closed_s is not None:
            holds = {row: (max(until_s, closed_s), n) for row, (until_s, n) in holds.items()}
            if free := fleet.free_mask[node].bit_count():
                holds[_RESERVED] = closed_s, free
        elif kept := self._cluster.kept.get(node):  # for replicas of services
            holds[_KEPT] = (max(until_s for _, until_s in self._ready.promised[node]), kept)
        if there < self._size[node]:  # a spare, or dark: there in time if it is waking
            holds[_ABSENT] = (fleet.expected_up_s(node), self._size[node] - there)
        return holds
