"""Right of way: which running jobs give way so that replicas of services can start."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Protocol

from twin.policies.view import JobView, Placement, Shape, SketchView
from twin.site.layout import Site


class RoomView(SketchView, Protocol):
    """A sketch that also tells how much is free on a node, and of which somebody takes a part."""

    def free(self, node: int) -> int:
        """GPUs free on a node."""

    def take(self, placement: Placement) -> None:
        """These GPUs would be held."""


@dataclass(slots=True, eq=False)  # not frozen: they are made by the thousand
class Candidate:
    """A running job that may be asked to give way.

    Attributes
    ----------
    loss_gpu_s : float
        What that would cost: saving, work that is not saved, beginning again. [GPU s]
    since_s : float
        When it last started. [s]
    pool : int
        Where it runs.
    gpus_on : mapping of int to int
        GPUs that would come free, by node.
    """

    job: JobView
    loss_gpu_s: float
    since_s: float
    pool: int
    gpus_on: Mapping[int, int]


class RightOfWay:
    """Room for one replica after another, all at one instant.

    Who may leave is asked only once somebody must. What clearing a node costs is kept from replica
    to replica, and found anew where a job has left or GPUs were taken since.

    Parameters
    ----------
    sketch : RoomView
        What is free, or about to be. Jobs that must leave are released there, all others stay.
    site : Site
    candidates : callable
        Jobs of the sketch that may leave it.
    """

    def __init__(
        self, sketch: RoomView, site: Site, candidates: Callable[[], Sequence[Candidate]]
    ) -> None:
        self._sketch = sketch
        self._sizes = [pool.gpus_per_node for pool in site.pools]
        self._candidates = candidates
        self._on_node: dict[int, list[Candidate]] | None = None
        self._clearings: dict[tuple[int, tuple[int, ...]], _Clearing] = {}

    def take(self, place: Placement) -> None:
        """A replica starts there without anybody leaving."""
        self._sketch.take(place)
        self._look_again(node for node, _ in place)

    def room_for(self, shape: Shape) -> tuple[Placement | None, list[Candidate]]:
        """A place for a replica, taken in the sketch from then on, and the jobs that must leave it.

        Parameters
        ----------
        shape : Shape
            What the replica asks for.

        Returns
        -------
        place : Placement or None
            None if there would be no place even without all candidates.
        victims : list of Candidate
            Few of them, and those that lose least: none of them could stay in this place.

        Notes
        -----
        Nodes are cleared one by one, in the order of what clearing them costs, until the placement
        policy finds a place. On one node the choice of jobs is the cheapest that there is. Of a
        replica of several nodes each pays for its part of a job, and the order of nodes is greedy:
        another choice of nodes may cost less.
        """
        sketch = self._sketch
        gone: dict[int, Candidate] = {}
        place = sketch.place(shape)
        if place is None:
            clearing = self._clearing(shape)
            while place is None and (here := clearing.cheapest()) is not None:
                for each in here:
                    if each.job.row not in gone:
                        gone[each.job.row] = each
                        sketch.release(each.job)
                place = sketch.place(shape)
            clearing.put_back()
        dearest = sorted(gone.values(), key=lambda each: (-each.loss_gpu_s, each.since_s))
        for each in dearest:
            if place is None or all(sketch.free(v) >= gpus for v, gpus in each.gpus_on.items()):
                sketch.retake(each.job)
                del gone[each.job.row]
        self._look_again(node for node, _ in place or ())
        for each in gone.values():
            self._forget(each)
        return place, list(gone.values())

    def _clearing(self, shape: Shape) -> _Clearing:
        """What nodes cost for replicas that ask for as much as this one."""
        if self._on_node is None:
            self._on_node = {}
            for each in self._candidates():
                for node in each.gpus_on:
                    self._on_node.setdefault(node, []).append(each)
        asked = shape.gpus, shape.pools
        found = self._clearings.get(asked)
        if found is None:
            found = _Clearing(shape, self._on_node, self._sizes, self._sketch)
            self._clearings[asked] = found
        return found

    def _forget(self, gone: Candidate) -> None:
        assert self._on_node is not None
        for node in gone.gpus_on:
            self._on_node[node].remove(gone)
        self._look_again(gone.gpus_on)

    def _look_again(self, nodes: Iterable[int]) -> None:
        nodes = list(nodes)
        for clearing in self._clearings.values():
            clearing.stale.update(nodes)


# What it costs [GPU s], jobs, minus the latest start [s], node, number of the option; and those who
# leave, None where all that is a bound. No two have one number, so choices are never compared.
_Choice = list[Candidate]
_Option = tuple[float, int, float, int, int, _Choice | None]


class _Clearing:
    """Nodes by what it costs to clear them for replicas that ask for so many GPUs of these pools.

    The choice of jobs on a node is looked for only when no other node can be cheaper by its bound:
    what it takes is at least its GPUs at the least loss for each.

    Attributes
    ----------
    stale : set of int
        Nodes that must be looked at before the next replica.
    """

    def __init__(
        self,
        shape: Shape,
        on_node: Mapping[int, _Choice],
        sizes: Sequence[int],
        sketch: RoomView,
    ) -> None:
        self._gpus = shape.gpus
        # By pool, what a node of it must have free in the end.
        self._wanted = {pool: min(shape.gpus, sizes[pool]) for pool in shape.pools}
        self._on_node = on_node
        self._sketch = sketch
        self._options: list[_Option] = []
        self._made = 0  # options so far
        self._valid: dict[int, int] = {}  # the one option of each node that holds
        self._short: dict[int, int] = {}  # GPUs that each node lacks, before anybody leaves
        self._out: list[_Option] = []
        self.stale = set(on_node)

    def cheapest(self) -> _Choice | None:
        """Those who would have to leave the next node, the cheapest first; None after the last."""
        while self.stale:
            self._look_at(self.stale.pop())
        options, valid = self._options, self._valid
        while options:
            option = heappop(options)
            *_, node, number, leave = option
            if valid.get(node) != number:
                continue
            if leave is not None:
                self._out.append(option)
                return leave
            del valid[node]
            self._choose(node, _least_loss(self._on_node[node], node, self._short[node]))
        return None

    def put_back(self) -> None:
        """The search is over: nodes that it passed over will do for the next one."""
        for option in self._out:
            heappush(self._options, option)
        self._out.clear()

    def _look_at(self, node: int) -> None:
        self._valid.pop(node, None)
        here = self._on_node.get(node)
        if not here or here[0].pool not in self._wanted:
            return
        short = self._wanted[here[0].pool] - self._sketch.free(node)
        freed = sum([each.gpus_on[node] for each in here])
        if not 0 < short <= freed:
            return
        self._short[node] = short
        if freed == short or len(here) == 1:
            self._choose(node, here)
            return
        least = min([self._part(each, node) / each.gpus_on[node] for each in here])
        latest_s = max([each.since_s for each in here])
        # A hair less: the bound must not exceed the sum that it bounds by rounding.
        least_gpu_s = short * least * (1 - 1e-12)
        fewest = -(-short // max([each.gpus_on[node] for each in here]))
        self._add(least_gpu_s, fewest, latest_s, node, None)

    def _choose(self, node: int, leave: _Choice) -> None:
        cost_gpu_s = sum([self._part(each, node) for each in leave])
        self._add(cost_gpu_s, len(leave), max([each.since_s for each in leave]), node, leave)

    def _add(
        self, cost_gpu_s: float, jobs: int, since_s: float, node: int, leave: _Choice | None
    ) -> None:
        self._made += 1
        self._valid[node] = self._made
        heappush(self._options, (cost_gpu_s, jobs, -since_s, node, self._made, leave))

    def _part(self, each: Candidate, node: int) -> float:
        """What a node pays of a job's loss: all of it, or its part if the replica takes several."""
        if self._gpus > self._wanted[each.pool]:
            return each.loss_gpu_s * each.gpus_on[node] / each.job.gpus
        return each.loss_gpu_s


def _least_loss(here: _Choice, node: int, short: int) -> _Choice:
    """Of candidates that free enough GPUs of a node together, those that do at the least loss.

    Of equal choices the one of fewest jobs, then of those that started last.
    """
    # By GPUs freed, that many or more: what it costs to compare by, and the choice.
    best: list[tuple[tuple[float, int, float], _Choice] | None]
    best = [((0.0, 0, 0.0), [])] + [None] * short
    for each in here:
        for gpus in range(short, 0, -1):
            less = best[max(gpus - each.gpus_on[node], 0)]
            if less is None:
                continue
            (loss_gpu_s, jobs, since_s), chosen = less
            cost = loss_gpu_s + each.loss_gpu_s, jobs + 1, since_s - each.since_s
            held = best[gpus]
            if held is None or cost < held[0]:
                best[gpus] = cost, [*chosen, each]
    assert best[-1] is not None
    return best[-1][1]
