"""Nodes with shared GPUs as placements see them, and the choice of GPUs within a node."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from twin.site.shares import WHOLE, Ask, Typical

Ints = NDArray[np.int64]
Share = tuple[int, tuple[int, ...]]  # the place of a node, and its GPUs by number


class SharedNodes(Protocol):
    """All nodes by place: the order in which they were listed, by which ties are broken.

    Arrays are as in `twin.site.shares.SharedFleet`.
    """

    @property
    def gpus(self) -> Ints:
        """(n_node,) GPUs of each node."""

    @property
    def most_gpus(self) -> int:
        """GPUs of the largest node."""

    @property
    def pool(self) -> Ints:
        """(n_node,) pool of each node."""

    @property
    def cpu_milli(self) -> Ints:
        """(n_node,) thousandths of a CPU core of each node; 0 where CPUs are no limit."""

    @property
    def free_milli(self) -> Ints:
        """(n_node, n_gpu) thousandths of each GPU that are free for a part."""

    @property
    def free_cpu_milli(self) -> Ints:
        """(n_node,) of a CPU core, free."""

    @property
    def tenants(self) -> Ints:
        """(n_node, n_gpu + 1) jobs that share a GPU, or hold 1, 2, ... whole ones."""

    @property
    def typical(self) -> Typical:
        """The jobs of the whole workload."""

    @property
    def rng(self) -> np.random.Generator:
        """A random stream of this run, for placements that draw."""

    def fits(self, ask: Ask) -> NDArray[np.bool_]:
        """(n_node,) which nodes could take it now."""


def candidates(ask: Ask, nodes: SharedNodes) -> Ints:
    """(n,) places of the nodes that could take it now, ascending."""
    return np.flatnonzero(nodes.fits(ask))


def tightest(ask: Ask, free_milli: Ints) -> tuple[int, ...]:
    """The GPUs of one node with the least free that suffices, the lowest of several.

    For whole GPUs these are the lowest that are wholly free.
    """
    enough = np.where(free_milli >= ask.milli, free_milli, WHOLE + 1)
    return tuple(np.argsort(enough, kind="stable")[: ask.gpus].tolist())


def best(score: NDArray[np.float64], places: Ints, ask: Ask, nodes: SharedNodes) -> Share | None:
    """The first place with the highest score, and the tightest GPUs there; None if no place."""
    if not len(places):
        return None
    place = int(places[score.argmax()])
    return place, tightest(ask, nodes.free_milli[place])


def drawn(ask: Ask, nodes: SharedNodes) -> Share | None:
    """Any node that could take it, and any GPU there with enough free; whole GPUs lowest first."""
    places = candidates(ask, nodes)
    if not len(places):
        return None
    place = int(nodes.rng.choice(places))
    free = nodes.free_milli[place]
    if ask.gpus == 1 and ask.milli < WHOLE:
        return place, (int(nodes.rng.choice(np.flatnonzero(free >= ask.milli))),)
    return place, tightest(ask, free)


def in_steps(score: NDArray[np.float64], steps: int) -> NDArray[np.float64]:
    """Scores from 0 to 1 as whole steps, rounded down; as they are if ``steps`` is 0.

    Kubernetes ranks nodes by whole numbers from 0 to 100, so that nodes of nearly the same score
    are alike, and the first of them in the list is taken.
    """
    return np.floor(score * steps) if steps else score


def largest(nodes: SharedNodes) -> tuple[float, float]:
    """Thousandths of cores and of GPUs of the largest node: what scores are taken over."""
    return float(max(nodes.cpu_milli.max(), 1)), float(nodes.most_gpus * WHOLE)
