"""Advance reservations: nodes that are closed in time, and open to some jobs alone for a while."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from simpy import Event

from twin.errors import InputError
from twin.kernel.clock import CAPS
from twin.kernel.job import Job
from twin.kernel.life import IDLED
from twin.policies.view import Placement
from twin.site.layout import Site
from twin.units import format_duration

if TYPE_CHECKING:
    from twin.kernel.hazards import Hazards
    from twin.kernel.simulation import Simulation

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Reservation:
    """Nodes of a pool for the jobs of some groups and users, from one time to another.

    Attributes
    ----------
    name : str
    pool : int
        By its place in the site.
    nodes : int
    start_s, end_s : float
        [s]
    drain_s : float
        So long before the start the nodes are closed to all. [s]
    groups, users : tuple of str
        Jobs of one of these groups, or of one of these users, may use them.
    """

    name: str
    pool: int
    nodes: int
    start_s: float
    end_s: float
    drain_s: float = 0.0
    groups: tuple[str, ...] = ()
    users: tuple[str, ...] = ()

    @property
    def closes_s(self) -> float:
        """From when on no job may start on the nodes. [s]"""
        return max(self.start_s - self.drain_s, 0.0)

    def admits(self, jobs: pd.DataFrame) -> Mask:
        """(n_job,) which jobs it is for; none of them is a replica of a service."""
        mine: Mask = (
            jobs["group"].isin(self.groups) | jobs["user"].isin(self.users)
        ).to_numpy() & jobs["until_s"].isna().to_numpy()
        return mine


@dataclass(frozen=True)
class ReservedRecord:
    """What became of reservations.

    Attributes
    ----------
    asked : tuple of Reservation
    jobs_preempted : tuple of int
        Jobs that gave way to each.
    spells : dict of (n_spell,) arrays
        ``reservation, node, start_s, end_s``: for which time each node was closed for which.
    """

    asked: tuple[Reservation, ...]
    jobs_preempted: tuple[int, ...]
    spells: dict[str, Array]


def check_nodes(asked: Sequence[Reservation], site: Site) -> None:
    """Raise `InputError` if reservations of one time ask for more nodes than their pool has."""
    for last in asked:
        pool = site.pools[last.pool]
        # What is closed only grows where another closes: these times are enough.
        here = [
            one
            for one in asked
            if one.pool == last.pool and one.closes_s <= last.closes_s < one.end_s
        ]
        nodes, most = sum(one.nodes for one in here), pool.nodes
        if nodes > most:
            names = " and ".join(one.name for one in here)
            raise InputError(
                f"policies.reservations: {names} close {nodes} nodes of pool {pool.name} at "
                f"{format_duration(last.closes_s)}, and it has {most}; ask for fewer, for other "
                "times, or for a shorter drain"
            )


class _UnderWay:
    """A reservation whose nodes are closed.

    Attributes
    ----------
    nodes : dict of int to float
        Since when each is closed. [s]
    others : set of int
        Of these, those where jobs of others may still run.
    tried : tuple
        What was out of service when nodes were last looked for in vain.
    """

    def __init__(self, index: int, asked: Reservation, admits: Mask) -> None:
        self.index = index
        self.asked = asked
        self.admits = admits
        self.nodes: dict[int, float] = {}
        self.others: set[int] = set()
        self.tried: tuple[int, ...] = ()


class Reserved:
    """Closes nodes for reservations, clears them and starts the jobs that they are for.

    It has its turn before the scheduler, to which the nodes are closed throughout: no job starts
    there, and none that runs there is preempted by it.
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
            range(len(asked)), key=lambda at: (asked[at].closes_s, at), reverse=True
        )
        self._under_way: list[_UnderWay] = []
        self._preempted = [0] * len(asked)
        self._spells = array("d")  # reservation, node, from, to in turn
        self._cluster.can_preempt = self._may_preempt

    def begin(self) -> None:
        """Have the simulation stop at each time at which something opens or closes."""
        for one in self._asked:
            for at_s in (one.closes_s, one.start_s, one.end_s):
                self._clock.call_at(at_s, CAPS, _nothing, None)

    @property
    def is_coming(self) -> bool:
        """Whether nodes will open again, though nothing runs."""
        return bool(self._coming or self._under_way)

    def settle(self, now_s: float) -> None:
        """Open, close and clear nodes, and start the jobs that may run there."""
        coming = self._coming
        if not self._under_way and (not coming or self._asked[coming[-1]].closes_s > now_s):
            return
        changed = False
        for each in [each for each in self._under_way if each.asked.end_s <= now_s]:
            self._under_way.remove(each)
            for node in list(each.nodes):
                self._open(each, node, now_s)
            changed = True
        while coming and self._asked[coming[-1]].closes_s <= now_s:
            at = coming.pop()
            self._under_way.append(_UnderWay(at, self._asked[at], self._admits[at]))
        down = self._cluster.fleet.down_mask
        for each in self._under_way:
            for node in [node for node in each.nodes if down[node]]:
                self._open(each, node, now_s)
                changed = True
        for each in self._under_way:
            changed |= self._close(each, now_s)
        if changed:
            self._cluster.reserve_nodes(
                {node: each.asked.end_s for each in self._under_way for node in each.nodes}
            )
        for each in self._under_way:
            if each.asked.start_s <= now_s:
                if each.others:
                    self._clear(each, now_s)
                self._start_in(each, now_s)

    def record(self, end_s: float) -> ReservedRecord:
        """What became of them up to the horizon."""
        for each in self._under_way:
            for node in list(each.nodes):
                self._open(each, node, end_s)
        rows = np.frombuffer(self._spells, float).reshape(-1, 4)
        names = ("reservation", "node", "start_s", "end_s")
        spells = {name: rows[:, at] for at, name in enumerate(names)}
        return ReservedRecord(self._asked, tuple(self._preempted), spells)

    # -- nodes

    def _open(self, each: _UnderWay, node: int, now_s: float) -> None:
        self._spells.extend((each.index, node, each.nodes.pop(node), now_s))
        each.others.discard(node)

    def _close(self, each: _UnderWay, now_s: float) -> bool:
        """Take the nodes that are missing, those expected free first; whether there were any."""
        missing = each.asked.nodes - len(each.nodes)
        if not missing:
            return False
        cluster = self._cluster
        fleet, residents = cluster.fleet, cluster.residents
        taken = {node for one in self._under_way for node in one.nodes}
        tried = (fleet.down_gpus, fleet.spare_gpus, fleet.dark_gpus, len(fleet.leaving), len(taken))
        if tried == each.tried:
            return False
        there = [
            (max((job.expected_end_s for job in residents[node]), default=-inf), node)
            for node in fleet.site.pool_nodes(each.asked.pool)
            if not (
                fleet.down_mask[node]
                or node in taken
                or node in fleet.spare_nodes
                or node in fleet.dark_nodes
                or node in fleet.cordoned
            )
        ]
        chosen = [node for _, node in sorted(there)[:missing]]
        each.tried = tried if len(chosen) < missing else ()
        each.nodes |= dict.fromkeys(chosen, now_s)
        each.others.update(chosen)
        return bool(chosen)

    def _clear(self, each: _UnderWay, now_s: float) -> None:
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

    def _start_in(self, each: _UnderWay, now_s: float) -> None:
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
        for job in sorted((queue.job(int(row)) for row in rows), key=lambda job: job.place):
            place = best_fit(job.shape.gpus, free, size) if pool in job.shape.pools else []
            if not place or (cluster.refuses is not None and cluster.refuses(place)):
                continue
            cluster.withdraw(job)
            self._start(job, now_s, place)
            for node, gpus in place:
                free[node] -= gpus


def best_fit(gpus: int, free: dict[int, int], size: int) -> list[tuple[int, int]]:
    """A place among some nodes: the fullest that holds the job, or whole ones; empty if none."""
    if gpus <= size:
        found = min(((left, node) for node, left in free.items() if left >= gpus), default=None)
        return [(found[1], gpus)] if found is not None else []
    whole = sorted(node for node, left in free.items() if left == size)[: -(-gpus // size)]
    return [(node, size) for node in whole] if len(whole) * size >= gpus else []


def _nothing(event: Event) -> None:
    """The time alone matters."""
