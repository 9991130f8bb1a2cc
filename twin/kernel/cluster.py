"""What is free and when more will be: the cluster as schedulers see it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.errors import InvariantError
from twin.kernel.ahead import Ahead, Choices, Window
from twin.kernel.columns import Columns, Jobs
from twin.kernel.job import Job
from twin.kernel.labels import Labels
from twin.kernel.placing import Placing
from twin.kernel.plan import Plan
from twin.kernel.ready import HeadReservation, ReadyTimes
from twin.kernel.sketch import Sketch
from twin.kernel.slots import Slots
from twin.kernel.usage import Usage
from twin.policies.base import PlacementPolicy
from twin.policies.view import JobView, Placement, Shape
from twin.site.fleet import Fleet, Held
from twin.site.layout import Site

_NO_NEWS_S, _NO_NEWS_SHARE = 60.0, 0.01


def _never(job: Job) -> bool:
    """Nothing can be preempted where jobs do not come back."""
    return False


class Cluster:
    """Places, running jobs and the one reservation, kept up to date by the simulation.

    Attributes
    ----------
    now_s : float
        Set by the simulation at each instant.
    grace_s : float
        What is overdue, a job or a node, is expected so much later. [s]
    residents : list of list of Job
        Jobs on each node, by node id.
    refuses : callable or None
        Asked about a placement before it is taken: nodes that cannot be used now, none if it will
        do.
    switched : set of int
        Nodes that went out of service or came back; emptied by whoever keeps account of power.
    left : list of int or None
        Nodes that jobs have left; emptied by whoever switches lights, None if nobody does.
    leaving : dict of int to Job
        Running jobs, by row, that save before they give way.
    ended : list of Job or None
        Jobs that have ended since somebody last emptied the list; None if nobody does.
    notes : dict
        What the scheduler remembers from one decision to the next.
    rates : callable or None
        Speed of a job, by its model, on some GPUs of a pool, against its nominal one.
    kept : dict of int to int
        GPUs free now, by node, that nobody may have but a replica that waits for more.
    guests : dict of int to Job
        Jobs, by row, that run in the gaps of others; no scheduler sees them.
    guests_on : dict of int to list of Job
        The same by node.
    placing : Placing
        Asks the placement policy for places.
    reserved : dict of int to float
        Nodes on which no job may start but by a reservation, and until when. [s]
    ahead : Ahead or None
        Nodes that will be reserved; None if no reservation is known.
    node_changes : int
        How often nodes have left service or come back so far.
    """

    def __init__(
        self,
        fleet: Fleet,
        placement: PlacementPolicy,
        shapes: list[Shape],
        columns: Columns,
        shape_of: NDArray[np.int32],
    ) -> None:
        n_shapes = len(shapes)
        self.fleet = fleet
        self.leaving: dict[int, Job] = {}
        self.ended: list[Job] | None = None
        self.notes: dict[str, Any] = {}
        self.rates: Callable[[JobView, int, int], float] | None = None
        self._columns = columns
        self._shape_of = shape_of
        self._shapes = shapes
        self._usages: dict[str, Usage] = {}
        self._slots: Slots | None = None  # until somebody asks for them
        self._other_shapes: dict[tuple[int, tuple[int, ...], tuple[str, ...]], Shape] = {}
        self.now_s = 0.0
        self.grace_s = 0.0
        self.residents: list[list[Job]] = [[] for _ in range(fleet.site.n_nodes)]
        self.switched: set[int] = set()
        self.left: list[int] | None = None
        self.refuses: Callable[[Placement], Sequence[int]] | None = None
        self.running_jobs = 0
        self._running: dict[int, Job] = {}
        self._policy = placement
        self.placing = Placing(self, placement)
        self._labels = Labels(fleet) if placement.distinguishes else None
        # The placement found for each shape, and the state of the cluster that it was found in.
        self._places: list[Placement | None] = [None] * n_shapes
        self._found_in = [-1] * n_shapes
        self._state = 0
        self.guests: dict[int, Job] = {}
        self.guests_on: dict[int, list[Job]] = {}
        self.on_moved_out: Callable[[Job], None]
        self.kept: dict[int, int] = {}
        self.reserved: dict[int, float] = {}
        self.ahead: Ahead | None = None
        self.node_changes = 0
        self._promises: list[tuple[Placement, float]] = []
        self._ready = ReadyTimes(fleet, self.residents, self._running)
        self.can_preempt: Callable[[Job], bool] = _never
        self._reservation: HeadReservation | None = None
        self._plan: Plan | None = None

    # -- what policies see

    @property
    def free_gpus(self) -> int:
        """GPUs that no job holds, in service and not held back."""
        return self.fleet.free_gpus

    @property
    def site(self) -> Site:
        """What stands in the hall."""
        return self.fleet.site

    @property
    def running(self) -> list[Job]:
        """Running jobs, oldest start first."""
        return list(self._running.values())

    def running_table(self) -> tuple[Jobs, list[Job]]:
        """Running jobs as columns, and the jobs themselves in the same order."""
        if self._slots is None:
            self._slots = Slots()
            for job in self._running.values():
                self._slots.add(job)
        slots, n = self._slots, len(self._slots.jobs)
        left_s = np.maximum(slots.end_s[:n] - self.now_s, 0.0)
        rows, gpus = slots.row[:n].copy(), slots.gpus[:n].copy()
        table = Jobs(rows, self._columns, self._shape_of, self.now_s, left_s, gpus)
        return table, slots.jobs.copy()

    def usage(self, column: str) -> Usage:
        """What the jobs of each user, group, ... hold, and have held since this was first asked."""
        found = self._usages.get(column)
        if found is None:
            found = self._usages[column] = Usage(*self._columns.codes(column), self.now_s)
            for job in self._running.values():
                found.change(job.row, job.gpus, self.now_s)
        return found

    def rate(self, job: JobView, pool: int, gpus: int) -> float:
        """Speed of a job on so many GPUs of a pool, against its nominal one."""
        return 1.0 if self.rates is None else self.rates(job, pool, gpus)

    def is_waiting(self, row: int) -> bool:
        """Whether a job waits."""
        return self._columns.waiting[row] == 1

    def is_free(self, placement: Placement, gpus: int, job: JobView | None = None) -> bool:
        """Whether these are GPUs that are free, for this job or for any, and enough of them."""
        masks, kept = self.fleet.free_mask, self.kept
        nodes = {node for node, _ in placement}
        return (
            len(nodes) == len(placement)
            and sum(count for _, count in placement) >= gpus
            and all(
                0 <= node < len(masks) and 0 < count <= masks[node].bit_count() - kept.get(node, 0)
                for node, count in placement
            )
            and nodes.isdisjoint(self.reserved)
            and (self.ahead is None or self._ends_in_time(placement, gpus, job))
        )

    def _ends_in_time(self, placement: Placement, gpus: int, job: JobView | None) -> bool:
        assert self.ahead is not None
        pool = self.fleet.node_pool[placement[0][0]]
        return self.end_s(job, pool, gpus) <= self.ahead.until_s(placement)

    def will_do(self, placement: Placement, shape: Shape) -> bool:
        """Whether these nodes are of one pool, one that a job of this shape may use."""
        pools = {self.fleet.node_pool[node] for node, _ in placement}
        return len(pools) == 1 and pools.issubset(shape.pools)

    def sketch(self) -> Sketch:
        """A copy of what is free, those that are about to give way gone, to try things out on."""
        sketch = Sketch(self.fleet, self._policy, self.leaving.values())
        for placement, _ in self._promises:
            sketch.take(placement)
        sketch.refuses = self.refuses
        sketch.close(self.reserved)
        sketch.ahead, sketch.end_s = self.ahead, self.end_s
        return sketch

    def shape(self, job: JobView, gpus: int, pool: int) -> Shape:
        """The shape of a job with another number of GPUs, or in one pool only."""
        asked: Shape = job.shape
        pools = asked.pools if pool < 0 else (pool,)
        gpus = gpus or asked.gpus
        if gpus == asked.gpus and pools == asked.pools:
            return asked
        found = self._other_shapes.get((gpus, pools, asked.labels))
        if found is None:
            found = Shape(len(self._places), gpus, pools, labels=asked.labels)
            self._other_shapes[gpus, pools, asked.labels] = found
            self._places.append(None)
            self._found_in.append(-1)
        return found

    @property
    def closing(self) -> Mapping[int, float]:
        """Nodes that jobs must have left by a time to come, and that time. [s]"""
        return {} if self.ahead is None else self.ahead.begin_s

    def fits(self, shape: Shape, job: JobView | None = None) -> bool:
        """Whether a job of this shape has a place now; one that lasts for ever if none is given."""
        if self._found_in[shape.index] == self._state:
            return self._places[shape.index] is not None
        return self.place(shape, job) is not None

    def latest_end_s(self, shape: Shape) -> float:
        """By when a job of this shape must end to have a place now; ``-inf`` if none has. [s]"""
        if self.ahead is None:
            return -inf if self.place(shape) is None else inf
        return max((until_s for until_s, _ in self.choices(shape)), default=-inf)

    def largest_fit(self) -> int:
        """GPUs beyond which no job fits now; smaller ones may or may not fit."""
        return self.placing.largest_fit()

    def reserve(self, job: JobView) -> HeadReservation:
        """Promise a waiting job its earliest start, if all running jobs end as estimated.

        The promise is kept from one decision to the next as long as it holds: until the head
        changes, a running job ends before its estimate, or the promised time is past.
        """
        held = self._reservation
        if held is None or held.row != job.row or self.now_s >= held.start_s:
            held = self._ready.reserve(job, self.now_s, self)
            self._reservation = held
        return held

    def plan(self) -> Plan:
        """Promises to many waiting jobs; a scheduler uses either these or `reserve`."""
        if self._plan is None:
            self._plan = Plan(self, self._policy, self._ready)
        return self._plan

    # -- what the simulation does

    def intend(self, shape: Shape, placement: Placement) -> None:
        """The next job of this shape to start, if it starts now, goes there."""
        self._places[shape.index] = placement
        self._found_in[shape.index] = self._state

    def end_s(self, job: JobView | None, pool: int, gpus: int) -> float:
        """When a job would end, by estimate, if it started now; ``inf`` without one. [s]"""
        return inf if job is None else self.now_s + job.estimate_s / self.rate(job, pool, gpus)

    def choices(self, shape: Shape) -> Choices:
        """Where jobs of this shape would go now, each with the time by which they must end."""
        ahead = self.ahead
        if ahead is None or self._found_in[shape.index] == self._state:
            place = self.place(shape)
            return [(inf, place)] if place is not None else []
        pools = shape.pools
        return [each for at in pools for each in ahead.choices(shape, at, self._state, self)]

    def place(self, shape: Shape, job: JobView | None = None) -> Placement | None:
        """Where a job of this shape would go now, by node id; None if nowhere.

        Where nodes will be reserved it goes by when the job ends, which is never if none is given.
        """
        if self._found_in[shape.index] == self._state:
            return self._places[shape.index]
        if self.ahead is not None:
            return self._place_ahead(self.ahead, shape, job)
        place: Placement | None = None
        for pool in shape.pools:
            place = self.placing.find(pool, shape)
            if place:
                break
        self._places[shape.index] = place
        self._found_in[shape.index] = self._state
        return place

    def _place_ahead(self, ahead: Ahead, shape: Shape, job: JobView | None) -> Placement | None:
        for pool in shape.pools:
            end_s = self.end_s(job, pool, shape.gang_gpus)
            for until_s, place in ahead.choices(shape, pool, self._state, self):
                if end_s <= until_s:
                    return place
        return None

    @property
    def placement_name(self) -> str:
        """The class of the placement."""
        return self.placing.name

    def closed_to(self, place: Placement) -> Sequence[int]:
        """Nodes that a placement cannot use: reserved, kept for another, or refused."""
        if self.reserved and any(node in self.reserved for node, _ in place):
            return list(self.reserved)
        if self.kept:
            masks, kept = self.fleet.free_mask, self.kept
            closed = [v for v, n in place if v in kept and masks[v].bit_count() - n < kept[v]]
            if closed:
                return closed
        return self.refuses(place) if self.refuses is not None else ()

    def promise(self, promises: Sequence[tuple[Placement, float]]) -> None:
        """From now on these places are kept for replicas that wait, each until the time given.

        Of a node where jobs are about to give way, what they leave goes to the replicas first.
        """
        promised: dict[int, list[tuple[int, float]]] = {}
        for placement, until_s in promises:
            for node, gpus in placement:
                promised.setdefault(node, []).append((gpus, until_s))
        down, coming = self.fleet.down_mask, dict.fromkeys(promised, 0)
        for job in self.leaving.values():
            for node, mask in job.held.items():
                if node in coming:
                    coming[node] += (mask & ~down[node]).bit_count()
        kept = {
            node: gpus
            for node, parts in promised.items()
            if (gpus := sum(part for part, _ in parts) - coming[node]) > 0
        }
        if kept != self.kept or promised != self._ready.promised:
            self._ready.stale.update(promised, self._ready.promised)
            self.kept, self._ready.promised = kept, promised
            self.changed()
        self._promises = list(promises)

    def reserve_nodes(self, until_s: dict[int, float]) -> None:
        """From now on these nodes are closed, each until the time given."""
        before, self.reserved = self.reserved, until_s
        self._ready.reserved = until_s
        self._ready.stale.update(
            node for node in {*before, *until_s} if before.get(node) != until_s.get(node)
        )
        self.changed()

    def look_ahead(self, windows: Sequence[Window]) -> None:
        """From now on jobs start on these nodes only if they end in time."""
        self.ahead = Ahead(windows) if windows else None
        self.changed()

    def closed_until(self, end_s: float) -> Set[int]:
        """Nodes on which no job may start now that is expected to end then."""
        barred = self.ahead.barred(end_s) if self.ahead is not None else ()
        return {*self.reserved, *barred}

    @contextmanager
    def without_reserved(self, end_s: float) -> Iterator[None]:
        """Meanwhile the index of free places hides what is closed to a job that ends then."""
        closed = self.closed_until(end_s)
        hidden = [(pool, self.fleet.hide(pool, closed)) for pool in range(len(self.site.pools))]
        try:
            yield
        finally:
            for pool, nodes in hidden:
                self.fleet.unhide(pool, nodes)

    def withdraw(self, job: Job) -> None:
        """A waiting job starts without the scheduler: nothing is promised to it any more."""
        if self._plan is not None and job in self._plan:
            self._plan.withdraw(job)

    def start(self, job: Job, placement: Placement) -> None:
        """Give a job its GPUs."""
        try:
            held = self.fleet.take(placement)
        except (InvariantError, LookupError, TypeError, ValueError) as error:
            raise self.placing.misplaced(f"gave {placement!r} ({error})", job) from error
        job.held = held
        taken, stale = 0, self._ready.stale
        for node, gpus in placement:
            taken += gpus
            self.residents[node].append(job)
            stale.add(node)
        if taken < job.shape.gpus:
            self.fleet.give_back(held)
            raise self.placing.misplaced(f"gave {taken} GPUs", job)
        job.surplus_gpus = taken - job.gpus
        self._running[job.row] = job
        if self._labels is not None:
            self._labels.change(job, held, 1)
        self._columns.since_s[job.row] = self.now_s
        self._columns.began_s[job.row] = inf
        self.running_jobs += 1
        if self._slots is not None:
            self._slots.add(job)
        for usage in self._usages.values():
            usage.change(job.row, job.gpus, self.now_s)
        if self._reservation is not None:
            self._reservation.heed_start(job.expected_end_s, placement)
        self._state += 1

    def host(self, job: Job, held: Held) -> None:
        """Let a job run on GPUs that other jobs hold."""
        job.held = held
        job.surplus_gpus = 0
        self.guests[job.row] = job
        for node in held:
            self.guests_on.setdefault(node, []).append(job)
        self._columns.since_s[job.row] = self.now_s
        self._columns.began_s[job.row] = inf
        self.running_jobs += 1

    def _move_out(self, job: Job) -> None:
        del self.guests[job.row]
        for node in job.held:
            self.guests_on[node].remove(job)
        self.running_jobs -= 1
        self.on_moved_out(job)

    def begins(self, job: Job, now_s: float) -> None:
        """A job that has started, or starts again, computes from now on."""
        self._columns.began_s[job.row] = now_s

    def end(self, job: Job, now_s: float) -> None:
        """Take a job's GPUs back."""
        if job.row in self.guests:
            self._move_out(job)
            return
        self.fleet.give_back(job.held)
        if self._labels is not None:
            self._labels.change(job, job.held, -1)
        stale = self._ready.stale
        for node in job.held:
            self.residents[node].remove(job)
            stale.add(node)
        if self.left is not None:
            self.left += job.held
        del self._running[job.row]
        self.running_jobs -= 1
        if self._slots is not None:
            self._slots.remove(job)
        columns, row = self._columns, job.row
        columns.served_gpu_s[row] += job.gpus * (now_s - columns.since_s[row])
        for usage in self._usages.values():
            usage.change(row, -job.gpus, now_s)
        if self.ended is not None and job.run_s < inf:  # replicas of services tell nothing
            self.ended.append(job)
        if now_s != job.expected_end_s:
            self._reservation = None
        self._state += 1

    # -- what failures do

    def drop(self, job: Job, node: int) -> None:
        """A running job holds one of its nodes no longer."""
        if job.row in self.guests:
            del job.held[node]
            self.guests_on[node].remove(job)
            return
        self.fleet.give_back({node: job.held.pop(node)})
        self.residents[node].remove(job)
        if self._labels is not None:
            self._labels.change(job, (node,), -1)
        self._ready.stale.add(node)
        if self.left is not None:
            self.left.append(node)
        self.changed()

    def add(self, job: Job, placement: Placement) -> Held:
        """A running job is given further nodes."""
        added = self.fleet.take(placement)
        job.held.update(added)
        for node in added:
            self.residents[node].append(job)
            self._ready.stale.add(node)
        if self._labels is not None:
            self._labels.change(job, added, 1)
        self.changed()
        return added

    def expect_end(self, job: Job, end_s: float) -> None:
        """A running job is expected to end at another time than was thought.

        What moves by less than a minute, or a hundredth of what is left, is not worth new plans.
        """
        enough_s = max(_NO_NEWS_S, _NO_NEWS_SHARE * (job.expected_end_s - self.now_s))
        if abs(end_s - job.expected_end_s) > enough_s:
            job.expected_end_s = end_s
            if job.row in self.guests:
                return
            self._ready.moved[job.row] = job
            if self._slots is not None:
                self._slots.expect_end(job)
            self._reservation = None

    def nodes_changed(self, nodes: Iterable[int]) -> None:
        """Nodes went out of service, came back, became spares, or dark."""
        nodes = list(nodes)
        self.node_changes += 1
        self._ready.stale.update(nodes)
        self.switched.update(nodes)
        self.changed()

    def power_changed(self) -> None:
        """What was refused or not for its power may be now, or not."""
        if self.refuses is not None:
            self._state += 1

    def changed(self) -> None:
        """No place and no promise found before this holds any more."""
        self._reservation = None
        self._state += 1
