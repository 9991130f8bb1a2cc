"""Right of way: which running jobs give way so that a replica of a service can start."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Protocol

from twin.policies.view import JobView, Placement, Shape, SketchView
from twin.site.layout import Site


class RoomView(SketchView, Protocol):
    """A sketch that also tells how much is free on a node."""

    def free(self, node: int) -> int:
        """GPUs free on a node."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A running job that may be asked to give way.

    Attributes
    ----------
    loss_gpu_s : float
        What that would cost: saving, work that is not saved, beginning again. [GPU s]
    since_s : float
        When it last started. [s]
    gpus_on : mapping of int to int
        GPUs that would come free, by node.
    """

    job: JobView
    loss_gpu_s: float
    since_s: float
    gpus_on: Mapping[int, int]


def room_for(
    shape: Shape, candidates: Sequence[Candidate], sketch: RoomView, site: Site
) -> tuple[Placement | None, list[Candidate]]:
    """A place for a replica, which is then taken in the sketch, and the jobs that must leave it.

    Parameters
    ----------
    shape : Shape
        What the replica asks for.
    candidates : sequence of Candidate
        Jobs of the sketch that may leave it.
    sketch : RoomView
        What is free, or about to be. Jobs that must leave are released there, all others stay.

    Returns
    -------
    place : Placement or None
        None if there would be no place even without all of them.
    victims : list of Candidate
        Few of them, and those that lose least: none of them could stay in this place.

    Notes
    -----
    Nodes are cleared one by one, in the order of what clearing them costs, until the placement
    policy finds a place. On one node the choice of jobs is the cheapest that there is. Of a replica
    of several nodes each pays for its part of a job, and the order of nodes is greedy: another
    choice of nodes may cost less.
    """
    place = sketch.place(shape)
    if place is not None:
        return place, []
    gone: dict[int, Candidate] = {}
    for here in _by_cost(shape, candidates, sketch, site):
        for each in here:
            if each.job.row not in gone:
                gone[each.job.row] = each
                sketch.release(each.job)
        place = sketch.place(shape)
        if place is not None:
            break
    dearest = sorted(gone.values(), key=lambda each: (-each.loss_gpu_s, each.since_s))
    for each in dearest:
        if place is None or all(sketch.free(v) >= gpus for v, gpus in each.gpus_on.items()):
            sketch.retake(each.job)
            del gone[each.job.row]
    return place, list(gone.values())


def _by_cost(
    shape: Shape, candidates: Sequence[Candidate], sketch: RoomView, site: Site
) -> Iterator[list[Candidate]]:
    """Those who would have to leave each node that could be used then, cheapest node first.

    The choice on a node is looked for only when no other can be cheaper by its bound: what it
    takes is at least its GPUs at the least loss for each.
    """
    on_node: dict[int, list[Candidate]] = {}
    for each in candidates:
        for node in each.gpus_on:
            on_node.setdefault(node, []).append(each)
    # What it costs, jobs, minus the latest start, node; those who leave, None where that is a
    # bound. No two have one node, but for the bound that a choice takes the place of.
    options: list[tuple[float, int, float, int, list[Candidate] | None]] = []
    short_of: dict[int, int] = {}  # GPUs that each node lacks, before anybody has left
    for node, here in on_node.items():
        pool = int(site.node_pool[node])
        short = min(shape.gpus, site.pools[pool].gpus_per_node) - sketch.free(node)
        if pool in shape.pools and short > 0:
            short_of[node] = short
            least = min(_part(each, node, shape, site) / each.gpus_on[node] for each in here)
            latest_s = max(each.since_s for each in here)
            # A hair less: the bound must not exceed the sum that it bounds by rounding.
            options.append((short * least * (1 - 1e-12), 1, -latest_s, node, None))
    heapify(options)
    while options:
        *_, node, leave = heappop(options)
        if leave is not None:
            yield leave
            continue
        leave = _least_loss(on_node[node], node, short_of[node])
        if leave:
            cost_gpu_s = sum(_part(each, node, shape, site) for each in leave)
            latest_s = max(each.since_s for each in leave)
            heappush(options, (cost_gpu_s, len(leave), -latest_s, node, leave))


def _part(each: Candidate, node: int, shape: Shape, site: Site) -> float:
    """What a node pays of a job's loss: all of it, or its part if the replica takes several."""
    if shape.gpus > site.pools[int(site.node_pool[node])].gpus_per_node:
        return each.loss_gpu_s * each.gpus_on[node] / each.job.gpus
    return each.loss_gpu_s


def _least_loss(here: list[Candidate], node: int, short: int) -> list[Candidate]:
    """The candidates on a node that free so many GPUs of it at the least loss; none if none do.

    Of equal choices the one of fewest jobs, then of those that started last.
    """
    freed = sum(each.gpus_on[node] for each in here)
    if freed <= short:
        return here if freed == short else []
    # By GPUs freed, that many or more: what it costs to compare by, and the choice.
    best: list[tuple[tuple[float, int, float], list[Candidate]] | None]
    best = [((0.0, 0, 0.0), [])] + [None] * max(short, 0)
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
    found = best[-1]
    return found[1] if found is not None else []
