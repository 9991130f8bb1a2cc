"""Advance reservations: nodes that are closed in time, and open to some jobs alone for a while."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from math import inf
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from simpy import Event

from twin.kernel.ahead import Window
from twin.kernel.clock import CAPS
from twin.kernel.job import Job
from twin.kernel.kept import Kept
from twin.kernel.life import IDLED
from twin.kernel.reservation import Reservation, ReservedRecord
from twin.policies.view import Placement

if TYPE_CHECKING:
    from twin.kernel.hazards import Hazards
    from twin.kernel.simulation import Simulation


class Reserved:
    """Chooses nodes for reservations, closes and clears them and starts the jobs they are for.

    It has its turn before the scheduler. No job may start on a node that is chosen if it is
    expected to run there beyond the start. To the scheduler a closed node is closed throughout: no
    job starts there, and none that runs there is preempted by it.
    """

    def __init__(
        self,
        asked: Sequence[Reservation],
        jobs: pd.DataFrame,
        hazards: Hazards,
        simulation: Simulation,
        start: Callable[[Job, float, Placement], None],
    ) -> None:
        self._asked = tuple(asked)
        self._admits = [one.admits(jobs) for one in asked]
        self._hazards = hazards
        self._training = hazards.training
        self._clock = simulation.clock
        self._cluster = simulation.cluster
        self._queue = simulation.queue
        self._start = start
        self._coming = sorted(
            range(len(asked)), key=lambda at: (asked[at].known_s, asked[at].closes_s, at)
        )
        self._kept: list[Kept] = []  # the first to close first
        self._open: list[Kept] = []  # those of them that have started
        self._next_s = 0.0  # when the time alone changes anything
        self._seen = -1  # how often nodes had changed when they were last looked at
        self._preempted = [0] * len(asked)
        self._spells = array("d")  # reservation, node, from, to in turn
        self._cluster.can_preempt = self._may_preempt

    def begin(self) -> None:
        """Have the simulation stop at each time at which something is chosen, closes or opens."""
        for one in self._asked:
            for at_s in (one.known_s, one.closes_s, one.start_s, one.end_s):
                self._clock.call_at(at_s, CAPS, _nothing, None)

    @property
    def is_coming(self) -> bool:
        """Whether nodes will open again, though nothing runs."""
        return bool(self._coming or self._kept)

    def settle(self, now_s: float) -> None:
        """Choose, close, clear and open nodes, and start the jobs that may run there."""
        changed = self._cluster.node_changes != self._seen
        if now_s >= self._next_s or changed or any(each.missing for each in self._kept):
            self._arrange(now_s)
        for each in self._open:
            if each.others:
                self._clear(each, now_s)
            self._start_in(each, now_s)

    def record(self, end_s: float) -> ReservedRecord:
        """What became of them up to the horizon."""
        for each in self._kept:
            for node in list(each.nodes):
                self._release(each, node, end_s)
        rows = np.frombuffer(self._spells, float).reshape(-1, 4)
        names = ("reservation", "node", "start_s", "end_s")
        spells = {name: rows[:, at] for at, name in enumerate(names)}
        return ReservedRecord(self._asked, tuple(self._preempted), spells)

    # -- nodes

    def _arrange(self, now_s: float) -> None:
        """Take account of the time, and of nodes that left service or came back."""
        kept, cluster = self._kept, self._cluster
        before = [(set(each.nodes), set(each.chosen)) for each in kept], list(kept)
        for each in [each for each in kept if each.asked.end_s <= now_s]:
            kept.remove(each)
            for node in list(each.nodes):
                self._release(each, node, now_s)
        while self._coming and self._asked[self._coming[0]].known_s <= now_s:
            at = self._coming.pop(0)
            kept.append(Kept(at, self._asked[at], self._admits[at]))
        kept.sort(key=lambda each: each.turn)
        down = cluster.fleet.down_mask
        for each in kept:
            each.chosen = {node for node in each.chosen if not down[node]}
            for node in [node for node in each.nodes if down[node]]:
                self._release(each, node, now_s)
        for each in kept:
            if each.asked.closes_s <= now_s and not each.is_closed:
                each.is_closed = True
                self._close(
                    each, [v for v in each.chosen if not each.is_late_on(v, self._cluster)], now_s
                )
                each.chosen.clear()
            if each.missing:
                self._choose(each, now_s)
        if before != ([(set(each.nodes), each.chosen) for each in kept], kept):
            self._publish()
        self._open = [each for each in kept if each.asked.start_s <= now_s]
        self._next_s = self._moment_after(now_s)
        self._seen = cluster.node_changes

    def _publish(self) -> None:
        """Tell the cluster which nodes are closed, and which will be."""
        closed = {node: each.asked.end_s for each in self._kept for node in each.nodes}
        if closed != self._cluster.reserved:
            self._cluster.reserve_nodes(closed)
        self._cluster.look_ahead(
            [
                Window(
                    tuple(sorted(each.chosen)),
                    each.asked.closes_s,
                    each.asked.start_s,
                    each.asked.end_s,
                )
                for each in self._kept
                if each.chosen
            ]
        )

    def _moment_after(self, now_s: float) -> float:
        """When something is next chosen, closes, starts or ends."""
        moments = [self._asked[at].known_s for at in self._coming[:1]]
        for each in self._kept:
            moments += (each.asked.closes_s, each.asked.start_s, each.asked.end_s)
        return min((at_s for at_s in moments if at_s > now_s), default=inf)

    def _release(self, each: Kept, node: int, now_s: float) -> None:
        self._spells.extend((each.index, node, each.nodes.pop(node), now_s))
        each.others.discard(node)

    def _close(self, each: Kept, nodes: Iterable[int], now_s: float) -> None:
        each.nodes |= dict.fromkeys(sorted(nodes), now_s)
        each.others.update(nodes)

    def _choose(self, each: Kept, now_s: float) -> None:
        """Take the nodes that are missing, those expected free first."""
        found = each.find(self._kept, self._cluster)
        if each.is_closed:
            self._close(each, found, now_s)
        else:
            each.chosen.update(found)

    def _clear(self, each: Kept, now_s: float) -> None:
        """Jobs of others give way; those that save, or that nobody may stop, stay for a while."""
        cluster, training = self._cluster, self._training
        for node in sorted(each.others):
            others = [job for job in cluster.residents[node] if not each.admits[job.row]]
            for job in sorted(others, key=lambda job: job.row):
                life = training.lives[job.row]
                if training.can_preempt(job):
                    training.preempt(job, now_s)
                    self._preempted[each.index] += 1
                elif life.phase == IDLED and not life.leaving:  # it waits for other nodes
                    life.event = None
                    self._hazards.recovery.requeue(life, now_s, keeps_place=True)
                    self._preempted[each.index] += 1
            if all(each.admits[job.row] for job in cluster.residents[node]):
                each.others.discard(node)

    def _may_preempt(self, job: Job) -> bool:
        """Whether the scheduler, or a service, may have a running job give way."""
        closed = self._cluster.reserved
        return self._training.can_preempt(job) and (
            not closed or closed.keys().isdisjoint(job.held)
        )

    # -- jobs

    def _start_in(self, each: Kept, now_s: float) -> None:
        """Start the waiting jobs of a reservation that fit on its nodes, in queue order."""
        cluster, queue, pool = self._cluster, self._queue, each.asked.pool
        masks = cluster.fleet.free_mask
        free = {node: gpus for node in each.nodes if (gpus := masks[node].bit_count())}
        if not free or queue.head is None:
            return
        rows = queue.rows
        rows = rows[each.admits[rows]]
        if not len(rows):
            return
        size = cluster.site.pools[pool].gpus_per_node
        largest = max(*free.values(), size * sum(gpus == size for gpus in free.values()))
        rows = rows[queue.table(rows).gpus <= largest]
        coming = [other for other in self._kept if not each.nodes.keys().isdisjoint(other.chosen)]
        for job in sorted((queue.job(int(row)) for row in rows), key=lambda job: job.place):
            if pool not in job.shape.pools:
                continue
            here = self._in_time(job, free, coming, pool) if coming else free
            place = best_fit(job.shape.gpus, here, size)
            if not place or (cluster.refuses is not None and cluster.refuses(place)):
                continue
            cluster.withdraw(job)
            self._start(job, now_s, place)
            for node, gpus in place:
                free[node] -= gpus  # a node that is full holds no other

    def _in_time(
        self, job: Job, free: dict[int, int], coming: list[Kept], pool: int
    ) -> dict[int, int]:
        """Of free nodes those that a job leaves before another reservation wants them."""
        end_s = self._cluster.end_s(job, pool, job.gpus)
        wanted = [each for each in coming if each.asked.start_s < end_s]
        barred = {v for each in wanted if not each.admits[job.row] for v in each.chosen}
        return {node: gpus for node, gpus in free.items() if node not in barred}


def best_fit(gpus: int, free: dict[int, int], size: int) -> list[tuple[int, int]]:
    """A place among some nodes: the fullest that holds the job, or whole ones; empty if none."""
    if gpus <= size:
        found = min(((left, node) for node, left in free.items() if left >= gpus), default=None)
        return [(found[1], gpus)] if found is not None else []
    whole = sorted(node for node, left in free.items() if left == size)[: -(-gpus // size)]
    return [(node, size) for node in whole] if len(whole) * size >= gpus else []


def _nothing(event: Event) -> None:
    """The time alone matters."""
