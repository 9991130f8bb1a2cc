"""When each node has so many GPUs free: from when until when, again and again."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Stretches:
    """The times over which each node has some number of GPUs free, or more.

    They stand in two arrays, one row a node, so that all of them are searched at once. Those of one
    node never touch.

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

    def _write(self, node: int, times: Sequence[float], free: Sequence[int]) -> None:
        begin_s: list[float] = []
        end_s: list[float] = []
        gpus, within = self.gpus, False
        for at_s, here in zip(times, free, strict=True):
            if (here >= gpus) != within:
                (end_s if within else begin_s).append(at_s)
                within = not within
        if within:
            end_s.append(inf)
        room = self.begin_s.shape[1] - len(begin_s)
        if room < 0:
            self._widen(2 * len(begin_s))
            room = len(begin_s)
        self.begin_s[node] = begin_s + [inf] * room
        self.end_s[node] = end_s + [-inf] * room

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
        fits = _until(begin_s, duration_s) <= end_s
        begin_s = begin_s[fits]
        if len(begin_s) < needed:
            return inf
        if needed == 1:
            return float(begin_s.min())
        end_s = end_s[fits]
        soonest_s = float(np.partition(begin_s, needed - 1)[needed - 1])  # so many have begun
        last = end_s >= _until(soonest_s, duration_s)
        if int(((begin_s <= soonest_s) & last).sum()) >= needed:
            return soonest_s
        begin_s, end_s = np.sort(begin_s), np.sort(end_s)
        begun = np.arange(1, len(begin_s) + 1)
        over = end_s.searchsorted(_until(begin_s, duration_s))
        found = np.flatnonzero(begun - over >= needed)
        return float(begin_s[found[0]]) if len(found) else inf

    def may_begin(self, nodes: NDArray[np.int64], duration_s: float, before_s: float) -> bool:
        """Whether one of some nodes is in a stretch that lasts so long from before some time on."""
        begin_s = self.begin_s[nodes]
        lasts = _until(begin_s, duration_s) <= self.end_s[nodes]
        return bool((lasts & (begin_s < before_s)).any())

    def fitting(self, nodes: slice, from_s: float, duration_s: float) -> NDArray[np.int64]:
        """(n,) the nodes that are in a stretch at a time and stay in it for so long, ascending."""
        lasts = self.end_s[nodes] >= _until(from_s, duration_s)
        there = (self.begin_s[nodes] <= from_s) & lasts
        found: NDArray[np.int64] = nodes.start + there.nonzero()[0]
        return found

    def open(self, nodes: slice) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """(n,) the nodes that are in a stretch now, ascending, and when these end. [s]"""
        now = self.begin_s[nodes] <= self._now_s
        return nodes.start + now.nonzero()[0], self.end_s[nodes][now]


def _until(begin_s: Any, duration_s: float) -> Any:
    """When a duration is over; what takes no time still needs a moment of its stretch."""
    return begin_s + duration_s if duration_s else np.nextafter(begin_s, inf)
