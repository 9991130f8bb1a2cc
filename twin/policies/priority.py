"""Schedulers that put jobs in an order: backfill and preemption, done once for all of them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from twin.errors import DomainError
from twin.policies.base import Decision, Scheduler
from twin.policies.decisions import Preempt, Start, Wake
from twin.policies.ranking import Keys, Ranking
from twin.policies.view import (
    ClusterView,
    JobsView,
    JobView,
    Placement,
    QueueView,
    Reservation,
    SketchView,
)

Backfill = Literal["none", "easy", "any"]


@dataclass(frozen=True, kw_only=True)
class PriorityScheduler(Scheduler):
    """Starts jobs in the order of their keys, the least first, ties in queue order.

    A policy gives `order` and, if it ``preempts``, may say in `gives_way` who yields to whom. What
    happens behind the first job that does not fit is the option ``backfill``: ``none``, nothing
    passes it; ``easy``, it has a reservation and others pass if they leave that whole; ``any``,
    whatever fits passes, so that large jobs may starve.

    A waiting job's key is taken when it begins to wait. Where keys change meanwhile, all are taken
    anew every ``rerank_s``.
    """

    # What passes the first job that does not fit: `none`, nothing; `easy`, what leaves it its
    # reservation; `any`, whatever fits.
    backfill: Backfill = "none"
    depth: int = 1000  # jobs looked at behind the first that does not fit

    def __post_init__(self) -> None:
        if self.depth < 0:
            raise DomainError("depth: must be 0 or above")

    @property
    def reranks_s(self) -> float:
        """How often the keys of waiting jobs are taken anew; ``inf`` where they do not change."""
        return inf

    @abstractmethod
    def order(self, jobs: JobsView, cluster: ClusterView) -> Keys:
        """(n,) keys of waiting or running jobs, the least first."""

    def gives_way(
        self, running: JobsView, keys: Keys, waiting: JobsView, key: float
    ) -> NDArray[np.bool_]:
        """(n_running,) which running jobs the one waiting job may preempt."""
        return keys > key

    def may_give_way(self, running: JobsView, waiting: JobsView) -> bool:
        """Whether any running job may give way to any of these, if that can be said without keys.

        True where it takes more to say: then `gives_way` is asked.
        """
        return True

    def alike(self, waiting: JobsView) -> NDArray[np.int64]:
        """(n,) a number each: of two jobs with the same, the later preempts no more.

        All are alike where a job preempts those that come after it in order.
        """
        return np.zeros(len(waiting), np.int64)

    def next_change_s(self, running: JobsView, cluster: ClusterView) -> float:
        """When the order of running jobs changes though nothing happens. [s]"""
        return inf

    def choose(self, queue: QueueView, cluster: ClusterView) -> Iterator[Decision]:
        if queue.head is None or (cluster.free_gpus == 0 and not self.preempts):
            return
        ranking: Ranking = cluster.notes.setdefault("ranking", Ranking())

        def key(jobs: JobsView) -> Keys:
            return self.order(jobs, cluster)

        if cluster.now_s >= ranking.as_of_s + self.reranks_s:
            ranking.rank_all(queue, key, cluster.now_s)
        else:
            ranking.update(queue, key)
        if self.preempts:
            yield from _Preempting(self, ranking, queue, cluster).decisions()
            if queue.joined and not cluster.leaving:
                # Who gave way waits at once where saving takes no time, and may fit elsewhere.
                ranking.update(queue, key)
                yield from self._start_in_order(ranking, queue, cluster)
            # Running jobs are looked at again only for those whose order changes by itself.
            changes = type(self).next_change_s is not PriorityScheduler.next_change_s
            if changes and len(queue):
                wake_s = self.next_change_s(cluster.running_table()[0], cluster)
                if cluster.now_s < wake_s < inf:
                    yield Wake(wake_s)
        else:
            yield from self._start_in_order(ranking, queue, cluster)

    def _start_in_order(
        self, ranking: Ranking, queue: QueueView, cluster: ClusterView
    ) -> Iterator[Decision]:
        rows, at = ranking.rows, 0
        while True:
            if at == len(rows):
                return
            job = queue.job(int(rows[at]))
            if not cluster.fits(job.shape, job):
                break
            yield job
            at += 1
        if self.backfill == "none":
            return
        reservation = cluster.reserve(job) if self.backfill == "easy" else None
        yield from pass_by(rows[at + 1 : at + 1 + self.depth], reservation, queue, cluster)


def pass_by(
    rows: NDArray[np.int64],
    reservation: Reservation | None,
    queue: QueueView,
    cluster: ClusterView,
) -> Iterator[JobView]:
    """Jobs of these rows, in their order, that fit now and leave a reservation whole.

    One look at all of them for each job that is found: they are compared by arrays.
    """
    if not cluster.free_gpus:
        return
    table = queue.table(rows)
    shapes, left_s = table.shape_index, table.left_s
    limit_s = np.full(len(queue.shapes), -inf)
    latest_end_s = (cluster if reservation is None else reservation).latest_end_s
    while len(rows) and cluster.free_gpus:
        most_gpus = cluster.largest_fit()
        for index in np.flatnonzero(np.bincount(shapes)).tolist():
            shape = queue.shapes[index]
            limit_s[index] = latest_end_s(shape) if shape.gpus <= most_gpus else -inf
        may = cluster.now_s + left_s <= limit_s[shapes]
        first = int(may.argmax())
        if not may[first]:
            return
        job = queue.job(int(rows[first]))
        if reservation.admits(job) if reservation is not None else cluster.fits(job.shape, job):
            yield job
        rows, shapes, left_s = rows[first + 1 :], shapes[first + 1 :], left_s[first + 1 :]


class _Preempting:
    """One decision of a scheduler that preempts.

    Jobs are gone through in order on a sketch of the cluster. Each is placed there on what is free,
    or on what running jobs leave that give way to it, the last in order first. What it gets in
    the sketch is kept for it: it starts at once where those GPUs are free in truth, otherwise once
    they are.
    """

    def __init__(
        self,
        policy: PriorityScheduler,
        ranking: Ranking,
        queue: QueueView,
        cluster: ClusterView,
    ) -> None:
        self._policy = policy
        self._ranking = ranking
        self._queue = queue
        self._cluster = cluster

    def decisions(self) -> Iterator[Decision]:
        policy, queue, cluster = self._policy, self._queue, self._cluster
        rows = self._ranking.rows
        started = 0
        while started < len(rows):
            job = queue.job(int(rows[started]))
            if not cluster.fits(job.shape, job):
                break
            yield job
            started += 1
        else:
            return
        table, running = cluster.running_table()
        # The first that does not fit, and so many behind it.
        last = started + 1 + (policy.depth if policy.backfill != "none" else 0)
        rows, row_keys = rows[started:last], self._ranking.keys[started:last]
        waiting = queue.table(rows)
        if cluster.leaving or policy.may_give_way(table, waiting):
            keys, alike = policy.order(table, cluster), policy.alike(waiting)
            if cluster.leaving or self._victims_of_any(waiting, row_keys, alike, table, keys):
                yield from self._with_victims(waiting, row_keys, alike, table, running, keys)
                return
        if policy.backfill != "none":
            reservation = cluster.reserve(job) if policy.backfill == "easy" else None
            yield from pass_by(rows[1:], reservation, queue, cluster)

    def _victims_of_any(
        self,
        waiting: JobsView,
        row_keys: Keys,
        alike: NDArray[np.int64],
        table: JobsView,
        keys: Keys,
    ) -> bool:
        for at in np.unique(alike, return_index=True)[1].tolist():
            one = self._queue.table(waiting.rows[at : at + 1])
            if self._policy.gives_way(table, keys, one, float(row_keys[at])).any():
                return True
        return False

    def _with_victims(
        self,
        waiting: JobsView,
        row_keys: Keys,
        alike: NDArray[np.int64],
        table: JobsView,
        running: list[Any],
        keys: Keys,
    ) -> Iterator[Decision]:
        policy, queue, cluster = self._policy, self._queue, self._cluster
        # The last in order gives way first; of equals, the one that started last.
        by_key = np.lexsort((-table.since_s, -keys))
        there = np.ones(len(running), bool)
        sketch = cluster.sketch()
        reservation: Reservation | None = None
        # Jobs of one shape that may preempt the same: where one finds no place, the others do not,
        # but for those that end sooner where nodes will be reserved.
        group, left_s = alike * len(queue.shapes) + waiting.shape_index, waiting.left_s
        hopeless_s = np.full(int(group.max()) + 1, inf)
        at = 0
        while at < len(group):
            open_ = left_s[at:] < hopeless_s[group[at:]]
            if not open_.any():
                return
            at += int(open_.argmax())
            job = queue.job(int(waiting.rows[at]))
            place = sketch.place(job.shape, job)
            if place is None:
                one = queue.table(waiting.rows[at : at + 1])
                may = there & policy.gives_way(table, keys, one, float(row_keys[at]))
                if may.any():
                    order = by_key[may[by_key]]
                    place, needed = _room_for(job, order.tolist(), running, cluster, sketch)
                    for victim in needed:
                        there[victim] = False
                        yield Preempt(running[victim])
                    if needed:
                        hopeless_s[:] = inf
            if place is None:
                hopeless_s[group[at]] = left_s[at] if cluster.closing else -inf
                if policy.backfill == "none":
                    return
                if policy.backfill == "easy" and reservation is None:
                    reservation = cluster.reserve(job)
            elif sketch.is_free_now(place) and self._may_pass(job, place, reservation):
                yield Start(job, at=place)
            at += 1

    def _may_pass(self, job: JobView, place: Placement, reservation: Reservation | None) -> bool:
        if reservation is None:
            return True
        end_s = self._cluster.now_s + job.left_s(self._cluster.now_s)
        return end_s <= reservation.start_s or reservation.leaves_room_for(job.shape, job, place)


def _room_for(
    job: JobView,
    victims: list[int],
    running: list[Any],
    cluster: ClusterView,
    sketch: SketchView,
) -> tuple[Placement | None, list[int]]:
    """A place for a job where some of these leave, in their order, and those that must."""
    gone: list[int] = []
    place = None
    for at in victims:
        if not cluster.can_preempt(running[at]):
            continue
        sketch.release(running[at])
        gone.append(at)
        place = sketch.place(job.shape, job)
        if place is not None:
            break
    nodes = {node for node, _ in place} if place is not None else set()
    needed = []
    for at in gone:
        if nodes.isdisjoint(running[at].held):
            sketch.retake(running[at])
        else:
            needed.append(at)
    return place, needed
