"""What a waiting job needs of a pool, and the nodes that are promised to it there."""

from __future__ import annotations

from bisect import bisect_left
from math import inf

import numpy as np
from numpy.typing import NDArray

from twin.policies.view import Confines, Placement

Array = NDArray[np.float64]
Ints = NDArray[np.int64]


class Need:
    """So many nodes of a pool, any that have so many GPUs free.

    Attributes
    ----------
    pool : int
    gpus : int
        GPUs that must be free on each node.
    nodes : int
        Nodes.
    ready : dict of int to int
        What is promised: nodes that will have them at the promised time, and their free GPUs then.
    """

    __slots__ = ("gpus", "nodes", "pool", "ready")

    def __init__(self, pool: int, gpus: int, nodes: int) -> None:
        self.pool = pool
        self.gpus = gpus
        self.nodes = nodes
        self.ready: dict[int, int] = {}

    def earliest_s(self, ready_s: Array) -> float:
        """When there is enough, of when each node of the pool is ready. [s]"""
        if self.nodes == 1:
            return float(ready_s.min())
        return float(np.partition(ready_s, self.nodes - 1)[self.nodes - 1])

    def promise(self, ready: dict[int, int]) -> None:
        """Keep what will be ready at the promised time."""
        self.ready = ready

    def is_met_without(self, placement: Placement) -> bool:
        """Whether there is still enough at that time if a job holds these places then."""
        gpus, ready = self.gpus, self.ready
        left = len(ready)
        for node, taken in placement:
            if ready.get(node, inf) - taken < gpus:
                left -= 1
        return left >= self.nodes

    def take(self, placement: Placement) -> None:
        """A job will hold these places at that time."""
        ready = self.ready
        for node, taken in placement:
            if node in ready:
                ready[node] -= taken
                if ready[node] < self.gpus:
                    del ready[node]


class ConfinedNeed(Need):
    """As `Need`, where the nodes must lie in one unit, or in few: see `Confines`.

    A member is ready once all its nodes are, and there is enough once the units with most ready
    members have as many as the job takes.
    """

    __slots__ = ("_first", "_member_of", "_members", "_ready", "_room", "_tiers", "_units")

    def __init__(self, pool: int, gpus: int, nodes: int, confines: Confines, first: int) -> None:
        super().__init__(pool, gpus, nodes)
        self._first = first  # node of the pool
        self._tiers = [np.array(tier.of) for tier in confines.tiers]
        self._members, self._units = confines.members, confines.units
        self._member_of = np.arange(len(self._tiers[0]))  # of each node; -1 for none
        for of in self._tiers[:-1]:
            self._member_of = np.where(self._member_of < 0, -1, of[self._member_of])

    def earliest_s(self, ready_s: Array) -> float:
        member_s = self._of_members(ready_s)
        times_s = np.sort(member_s)

        def is_enough(at: int) -> bool:
            return self._is_enough(self._count(member_s <= times_s[at]))

        found = bisect_left(range(len(times_s)), True, key=is_enough)
        return float(times_s[found]) if found < len(times_s) else inf

    def promise(self, ready: dict[int, int]) -> None:
        super().promise(ready)
        late = np.ones(len(self._member_of))
        late[np.fromiter(ready, np.int64, len(ready)) - self._first] = 0.0
        self._ready = self._of_members(late) == 0
        self._room = self._count(self._ready)

    def is_met_without(self, placement: Placement) -> bool:
        return self._is_enough(self._room_without(self._lost(placement)))

    def take(self, placement: Placement) -> None:
        lost = self._lost(placement)
        super().take(placement)
        self._room = self._room_without(lost)
        self._ready[lost] = False

    def _of_members(self, of_nodes: Array) -> Array:
        """(n_member,) the largest value of the nodes of each member."""
        if len(self._tiers) == 1:
            return of_nodes
        there = self._member_of >= 0
        found = np.full(len(self._tiers[-1]), -np.inf)
        np.maximum.at(found, self._member_of[there], of_nodes[there])
        return found

    def _count(self, members: NDArray[np.bool_]) -> Ints:
        """(n_unit,) how many of these members each unit has."""
        units = self._tiers[-1][members]
        return np.bincount(units[units >= 0], minlength=int(self._tiers[-1].max()) + 1)

    def _is_enough(self, room: Ints) -> bool:
        if self._units < len(room):
            room = np.partition(room, -self._units)[-self._units :]
        return int(room.sum()) >= self._members

    def _lost(self, placement: Placement) -> list[int]:
        """Members that are ready now and would not be if a job held these places."""
        gpus, ready, first = self.gpus, self.ready, self._first
        lost = {
            int(self._member_of[node - first])
            for node, taken in placement
            if ready.get(node, inf) - taken < gpus
        }
        return [member for member in lost if member >= 0 and self._ready[member]]

    def _room_without(self, lost: list[int]) -> Ints:
        units = self._tiers[-1][lost]
        room = self._room.copy()
        np.subtract.at(room, units[units >= 0], 1)
        return room
