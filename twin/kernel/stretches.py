"""When each node has so many GPUs free: from when until when, again and again."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import numpy as np
from numpy.typing import NDArray


class Stretches:
    """The times over which each node has some number of GPUs free, or more.

    A node's stretches are kept as pairs, and all nodes' side by side in two arrays, one row a node,
    so that all of them are searched at once. Those of one node never touch.

    Attributes
    ----------
    gpus : int
        The number.
    begin_s, end_s : (n_node, n) arrays
        A place without a stretch has ``inf`` and ``-inf``, so that nothing fits there.
    stale : set of int
        Nodes that were changed since `bring_up`.
    """

    def __init__(self, gpus: int, nodes: int) -> None:
        self.gpus = gpus
        self.stale = set(range(nodes))
        self.begin_s = np.full((nodes, 2), inf)
        self.end_s = np.full((nodes, 2), -inf)
        self._pairs: list[list[tuple[float, float]]] = [[] for _ in range(nodes)]
        self._now_s = -inf

    def bring_up(
        self, times: Sequence[Sequence[float]], free: Sequence[Sequence[int]], now_s: float
    ) -> None:
        """Heed what changed, by node the times of changes and the GPUs free from each on."""
        for node in self.stale:
            self._write(node, times[node], free[node])
        self.stale.clear()
        if self._now_s != now_s:
            self._now_s = now_s
            self.begin_s[self.end_s <= now_s] = inf
            np.maximum(self.begin_s, now_s, out=self.begin_s)

    def may_begin(self, node: int, duration_s: float, before_s: float) -> bool:
        """Whether a stretch of a node allows a duration that begins before some time.

        One that began before now may look longer than it is; who asks looks again.
        """
        for begin_s, end_s in self._pairs[node]:
            if begin_s >= before_s:
                return False
            if begin_s + duration_s <= end_s:
                return True
        return False

    def _write(self, node: int, times: Sequence[float], free: Sequence[int]) -> None:
        pairs, gpus, begin_s = [], self.gpus, inf
        for at_s, here in zip(times, free, strict=True):
            if here >= gpus:
                if begin_s == inf:
                    begin_s = at_s
            elif begin_s != inf:
                pairs.append((begin_s, at_s))
                begin_s = inf
        if begin_s != inf:
            pairs.append((begin_s, inf))
        self._pairs[node] = pairs
        room = self.begin_s.shape[1] - len(pairs)
        if room < 0:
            self._widen(2 * len(pairs))
            room = len(pairs)
        self.begin_s[node] = [begin for begin, _ in pairs] + [inf] * room
        self.end_s[node] = [end for _, end in pairs] + [-inf] * room

    def _widen(self, width: int) -> None:
        nodes, before = self.begin_s.shape
        begin_s, end_s = np.full((nodes, width), inf), np.full((nodes, width), -inf)
        begin_s[:, :before], end_s[:, :before] = self.begin_s, self.end_s
        self.begin_s, self.end_s = begin_s, end_s

    def earliest_s(self, nodes: slice | NDArray[np.int64], needed: int, duration_s: float) -> float:
        """The first time from which so many nodes are in stretches that last so long; or ``inf``.

        Notes
        -----
        A stretch that is long enough lets a job begin on its node from its own begin on, and until
        its end less the duration. Nothing begins earlier than some stretch does.
        """
        begin_s, end_s = self.begin_s[nodes], self.end_s[nodes]
        fits = begin_s + duration_s <= end_s
        begin_s = begin_s[fits]
        if len(begin_s) < needed:
            return inf
        if needed == 1:
            return float(begin_s.min())
        end_s = end_s[fits]
        soonest_s = float(np.partition(begin_s, needed - 1)[needed - 1])  # so many have begun
        last = end_s >= soonest_s + duration_s
        if int(((begin_s <= soonest_s) & last).sum()) >= needed:
            return soonest_s
        begin_s, end_s = np.sort(begin_s), np.sort(end_s)
        begun = np.arange(1, len(begin_s) + 1)
        over = end_s.searchsorted(begin_s + duration_s)
        found = np.flatnonzero(begun - over >= needed)
        return float(begin_s[found[0]]) if len(found) else inf

    def fitting(self, nodes: slice, from_s: float, duration_s: float) -> NDArray[np.int64]:
        """(n,) the nodes that are in a stretch at a time and stay in it for so long, ascending."""
        there = (self.begin_s[nodes] <= from_s) & (self.end_s[nodes] >= from_s + duration_s)
        found: NDArray[np.int64] = nodes.start + there.nonzero()[0]
        return found

    def open(self, nodes: slice) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """(n,) the nodes that are in a stretch now, ascending, and when these end. [s]"""
        now = self.begin_s[nodes] <= self._now_s
        return nodes.start + now.nonzero()[0], self.end_s[nodes][now]
