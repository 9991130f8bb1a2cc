"""Free GPUs of every node from now on, as far as is known or promised."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from math import inf

import numpy as np
from numpy.typing import NDArray

from twin.kernel.stretches import Stretches

Nodes = slice | NDArray[np.int64]


class Availability:
    """What is free on each node between one change of it and the next.

    Each node has the times of its own changes, so a change costs as much in a hall of 100 nodes as
    in one of 100,000. What a search asks, all nodes at once, is kept as `Stretches` for each number
    of GPUs that was ever asked for; only nodes that changed since are read anew.

    Parameters
    ----------
    gpus : (n_node,) array
        GPUs of each node, all of them free.
    now_s : float
    """

    def __init__(self, gpus: NDArray[np.integer], now_s: float) -> None:
        # By node: from ``times[k]`` up to, and not at, ``times[k + 1]`` so many are free; the last
        # holds for ever, and the first from now.
        self._times: list[list[float]] = [[now_s] for _ in gpus]
        self._free: list[list[int]] = [[free] for free in gpus.tolist()]
        self._stretches: dict[int, Stretches] = {}
        self.now_s = now_s
        self.changes = 0  # made so far

    def advance(self, now_s: float) -> None:
        """Time goes on; what is past is dropped where something changes."""
        self.now_s = now_s
        self.changes += 1

    def change(self, node: int, gpus: int, from_s: float, to_s: float) -> int:
        """Let a node have so many GPUs more, or fewer if negative, between two times.

        Returns
        -------
        int
            The fewest GPUs free on it in that time; negative if more was taken than there is.
        """
        self.changes += 1
        now_s = self.now_s
        from_s = max(from_s, now_s)
        if to_s <= from_s:
            return 0
        times, free = self._times[node], self._free[node]
        if len(times) > 1 and times[1] <= now_s:
            past = bisect_right(times, now_s) - 1
            del times[:past], free[:past]
        times[0] = now_s
        begin = _cut(times, free, from_s)
        end = len(times) if to_s == inf else _cut(times, free, to_s)
        before = free[begin:end]
        free[begin:end] = [here + gpus for here in before]
        least, most = min(before), max(before)
        for k in (end, begin):
            if 0 < k < len(free) and free[k] == free[k - 1]:
                del times[k], free[k]
        low, high = (least, most + gpus) if gpus > 0 else (least + gpus, most)
        for stretches in self._stretches.values():
            if low < stretches.gpus <= high:  # others are as they were
                stretches.stale.add(node)
        return least + gpus

    def take(self, place: Sequence[tuple[int, int]], from_s: float, to_s: float) -> None:
        """Hold GPUs of several nodes between two times."""
        for node, gpus in place:
            self.change(node, -gpus, from_s, to_s)

    def give_back(self, place: Sequence[tuple[int, int]], from_s: float, to_s: float) -> None:
        """Undo `take`."""
        for node, gpus in place:
            self.change(node, gpus, from_s, to_s)

    def earliest_s(self, nodes: Nodes, gpus: int, needed: int, duration_s: float) -> float:
        """The first time from which enough nodes have enough GPUs free for a whole duration.

        Parameters
        ----------
        nodes : slice or (n,) array
            Nodes to choose from.
        gpus, needed : int
            GPUs free on each node, and how many such nodes.
        duration_s : float

        Returns
        -------
        float
            [s] ``inf`` if there is no such time.
        """
        return self._having(gpus).earliest_s(nodes, needed, duration_s)

    def fitting(
        self, nodes: slice, gpus: int, from_s: float, duration_s: float
    ) -> NDArray[np.int64]:
        """(n,) the nodes with so many GPUs free for a whole duration from a time on, ascending."""
        return self._having(gpus).fitting(nodes, from_s, duration_s)

    def open(self, nodes: slice, gpus: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """(n,) the nodes with so many GPUs free now, ascending, and until when they are. [s]"""
        return self._having(gpus).open(nodes)

    def may_begin(
        self, nodes: NDArray[np.int64], gpus: int, duration_s: float, before_s: float
    ) -> bool:
        """Whether some node has so many GPUs free for a duration that begins before some time."""
        return self._having(gpus).may_begin(nodes, duration_s, before_s)

    def least(self, node: int, from_s: float, duration_s: float) -> int:
        """The fewest GPUs free on a node at any moment of a time."""
        times = self._times[node]
        begin = bisect_right(times, from_s) - 1
        return min(
            self._free[node][begin : max(bisect_left(times, from_s + duration_s), begin + 1)]
        )

    def times_after(self, at_s: float) -> list[float]:
        """When anything changes after that time. [s]"""
        return sorted({each for times in self._times for each in times if each > at_s})

    def _having(self, gpus: int) -> Stretches:
        stretches = self._stretches.get(gpus)
        if stretches is None:
            stretches = self._stretches[gpus] = Stretches(gpus, len(self._times))
        stretches.bring_up(self._times, self._free, self.now_s)
        return stretches


def _cut(times: list[float], free: list[int], at_s: float) -> int:
    """Where the change at that time stands, which is made if there is none."""
    at = bisect_left(times, at_s)
    if at == len(times) or times[at] != at_s:
        times.insert(at, at_s)
        free.insert(at, free[at - 1])
    return at
