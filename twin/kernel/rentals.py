"""Nodes of clouds: asked for, on their way, at work or idle, given back or taken away."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from math import inf, nan

import numpy as np
from numpy.typing import NDArray
from simpy import Event

from twin.distributions import Exponential
from twin.failures.draws import at, key, uniform
from twin.kernel.clock import CAPS, COMPLETIONS, FAILURES, Clock, Moment
from twin.kernel.cluster import Cluster

COLUMNS = ("pool", "node", "asked_s", "ready_s", "end_s", "reclaimed")


class Rental:
    """One node, from the time at which it is asked for until it is gone.

    Attributes
    ----------
    ready_s, due_s : float
        When jobs can start on it; when the provider takes it back, ``inf`` if it does not. [s]
    idle_s : float
        Since when nobody works on it, if nobody does. [s]
    warned : bool
        Whether no job may start on it any more, because it will be taken back.
    event : Moment
        The next thing that happens to it: it is there, or it is warned of, or it is taken.
    """

    __slots__ = (
        "asked_s",
        "due_s",
        "event",
        "idle_s",
        "incident",
        "node",
        "pool",
        "ready_s",
        "warned",
    )

    def __init__(self, node: int, pool: int, asked_s: float, ready_s: float) -> None:
        self.node = node
        self.pool = pool
        self.asked_s = asked_s
        self.ready_s = ready_s
        self.due_s = inf
        self.idle_s = nan
        self.warned = False
        self.incident = -1
        self.event: Moment | None = None


class Rentals:
    """The nodes of all clouds of a site. Those that are not rented are dark.

    Attributes
    ----------
    now : dict of int to Rental
        What is rented, by node.
    coming : set of int
        Nodes on their way.
    rented_gpus : int
    keeps : callable
        Whether somebody waits for nodes of a pool, so that none is given back.
    on_warned, on_taken, on_gone : callable
        Called with a rental when its provider warns that it takes the node, when it does so from
        jobs that work there still, and when the node is gone then or earlier.
    """

    def __init__(self, seed: int, clock: Clock, cluster: Cluster) -> None:
        self._clock = clock
        self._cluster = cluster
        self._fleet = fleet = cluster.fleet
        self._lives = [key(seed, f"cloud/{pool.name}/life") for pool in fleet.site.pools]
        self._turns: dict[int, int] = {}
        self._off = {p: list(fleet.site.pool_nodes(p)) for p in fleet.site.cloud_pools}
        self.now: dict[int, Rental] = {}
        self.coming: set[int] = set()
        self.rented_gpus = 0
        self.keeps: Callable[[int], bool]
        self.on_warned: Callable[[Rental], None]
        self.on_taken: Callable[[Rental], None]
        self.on_gone: Callable[[Rental], None]
        self._idle: dict[int, Rental] = {}  # by node; some may have found work since
        self._gone = array("d")  # a row of COLUMNS for each rental that is over

    def begin(self) -> None:
        """All nodes are dark until they are rented."""
        for pool, nodes in self._off.items():
            heapify(nodes)
            for node in self._fleet.site.pool_nodes(pool):
                self._fleet.darken(node)
        self._cluster.nodes_changed(node for nodes in self._off.values() for node in nodes)
        self._cluster.left = []

    def left(self, pool: int) -> int:
        """Nodes that could be rented beside those that are."""
        return len(self._off[pool])

    def gpus(self, pool: int) -> int:
        """GPUs of one node."""
        return self._fleet.site.pools[pool].gpus_per_node

    def rent(self, pool: int, nodes: int, now_s: float) -> None:
        """Ask for nodes: those with the lowest numbers that are not rented."""
        terms = self._fleet.site.pools[pool].cloud
        assert terms is not None
        asked = [heappop(self._off[pool]) for _ in range(nodes)]
        for node in asked:
            rental = Rental(node, pool, now_s, now_s + terms.provisioning_s)
            self.now[node] = rental
            self.rented_gpus += self.gpus(pool)
            self.coming.add(node)
            if terms.provisioning_s:
                self._fleet.up_s[node] = rental.ready_s
                rental.event = self._clock.call_at(
                    rental.ready_s, COMPLETIONS, self._is_there, rental
                )
            else:
                self._start(rental, now_s)
        self._cluster.nodes_changed(asked)  # schedulers know when they will be there

    def _is_there(self, event: Event) -> None:
        rental: Rental = event._value
        if rental.event is event:
            self._start(rental, self._clock._now)
            self._cluster.nodes_changed([rental.node])

    def _start(self, rental: Rental, now_s: float) -> None:
        """Jobs may start on a node from now on."""
        node, pool = rental.node, rental.pool
        site = self._fleet.site
        self.coming.remove(node)
        self._fleet.up_s.pop(node, None)
        self._fleet.lighten(node)
        self._rests(rental, now_s)
        turn = self._turns[node] = self._turns.get(node, -1) + 1
        terms = site.pools[pool].cloud
        assert terms is not None
        rental.event = None
        if terms.mean_life_s < inf:
            luck = uniform(self._lives[pool], node - self._fleet.first_node[pool], turn)
            rental.due_s = now_s + at(Exponential(terms.mean_life_s), luck)
            warned_s = max(now_s, rental.due_s - terms.notice_s)
            rental.event = self._clock.call_at(warned_s, FAILURES, self._warned, rental)

    # -- given back

    def _rests(self, rental: Rental, now_s: float) -> None:
        """Nobody works on a node from now on: look again when it has been idle for its time."""
        terms = self._fleet.site.pools[rental.pool].cloud
        assert terms is not None
        rental.idle_s = now_s
        self._idle[rental.node] = rental
        self._clock.call_at(now_s + terms.idle_s, CAPS, _looks, None)

    def heed_left(self, now_s: float) -> None:
        """Nodes that jobs have left rest, or are gone if they were to be."""
        left = self._cluster.left
        if not left:
            return
        for node in sorted(set(left)):
            rental = self.now.get(node)
            if rental is None or self._cluster.residents[node]:
                continue
            if rental.warned:
                self._end(rental, now_s, reclaimed=True)
            else:
                self._rests(rental, now_s)
        left.clear()

    def give_back_idle(self, now_s: float) -> None:
        """Nodes that have rested for their time are given back, unless somebody waits for such."""
        site, residents = self._fleet.site, self._cluster.residents
        for rental in list(self._idle.values()):
            if residents[rental.node]:
                del self._idle[rental.node]
                continue
            terms = site.pools[rental.pool].cloud
            assert terms is not None
            if now_s >= rental.idle_s + terms.idle_s and not self.keeps(rental.pool):
                self._fleet.darken(rental.node)
                self._end(rental, now_s, reclaimed=False)
                self._cluster.nodes_changed([rental.node])

    def _end(self, rental: Rental, now_s: float, *, reclaimed: bool) -> None:
        """A node is gone; it is dark already, or cordoned and empty."""
        node = rental.node
        rental.event = None
        if reclaimed:
            self._fleet.close(node)
            self._cluster.nodes_changed([node])
            self.on_gone(rental)
        del self.now[node]
        self._idle.pop(node, None)
        self.rented_gpus -= self.gpus(rental.pool)
        heappush(self._off[rental.pool], node)
        self._write(rental, now_s, reclaimed)

    def _write(self, rental: Rental, end_s: float, reclaimed: bool) -> None:
        ready_s = rental.ready_s if rental.node not in self.coming else nan
        row = (rental.pool, rental.node, rental.asked_s, ready_s, end_s, reclaimed)
        self._gone.extend(map(float, row))

    # -- taken away

    def _warned(self, event: Event) -> None:
        rental: Rental = event._value
        if rental.event is not event:
            return
        now_s, node = self._clock._now, rental.node
        rental.warned = True
        self._fleet.cordon(node)
        self._cluster.nodes_changed([node])
        rental.event = self._clock.call_at(rental.due_s, FAILURES, self._taken, rental)
        self.on_warned(rental)
        if node in self.now and not self._cluster.residents[node]:
            self._end(rental, now_s, reclaimed=True)

    def _taken(self, event: Event) -> None:
        rental: Rental = event._value
        if rental.event is event:
            self.on_taken(rental)
            self._end(rental, self._clock._now, reclaimed=True)

    # -- what is told at the end

    def table(self, end_s: float) -> dict[str, NDArray[np.float64]]:
        """`COLUMNS` of all rentals, those that are not over at the horizon included."""
        for rental in self.now.values():
            self._write(rental, end_s, reclaimed=False)
        rows = np.frombuffer(self._gone).reshape(-1, len(COLUMNS))
        order = np.lexsort((rows[:, 1], rows[:, 2]))
        return {name: rows[order, i] for i, name in enumerate(COLUMNS)}


def _looks(event: Event) -> None:
    """Nothing happens but an instant, at the end of which idle nodes are looked at."""
