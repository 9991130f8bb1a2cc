"""Free GPUs of every node from now on, as far as is known or promised."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import numpy as np
from numpy.typing import NDArray

_ROOM = 512  # columns to begin with

Nodes = slice | NDArray[np.int64]


class Availability:
    """A table of nodes by times: GPUs free on each node between two changes.

    Column ``k`` holds from ``time_s[k]`` up to, and not at, ``time_s[k + 1]``; the last holds for
    ever, and the first from now. A change of one node cuts at most two new columns, and time that
    has passed is dropped, so the table stays as wide as there are ends ahead.

    Parameters
    ----------
    gpus : (n_node,) array
        GPUs of each node, all of them free.
    now_s : float
    """

    def __init__(self, gpus: NDArray[np.integer], now_s: float) -> None:
        self._free = np.zeros((len(gpus), _ROOM), np.int16)
        self._free[:, 0] = gpus
        self._time_s = np.full(_ROOM, inf)
        self._time_s[0] = now_s
        self._first, self._end = 0, 1  # the columns in use; the time behind them is inf
        self._stretches: dict[int, dict[int, list[tuple[float, float]]]] = {}
        self.now_s = now_s
        self.changes = 0  # made so far

    @property
    def columns(self) -> int:
        """How many columns are in use."""
        return self._end - self._first

    def advance(self, now_s: float) -> None:
        """Drop what is past."""
        time_s, first, last = self._time_s, self._first, self._end - 1
        while first < last and time_s[first + 1] <= now_s:
            first += 1
        time_s[first] = now_s
        self._first = first
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
        begin, end = self._between(from_s, to_s)
        if begin >= end:
            return 0
        self._stretches.pop(node, None)
        row = self._free[node, begin:end]
        row += gpus
        return int(row.min())

    def take(self, place: Sequence[tuple[int, int]], from_s: float, to_s: float) -> None:
        """Hold GPUs of several nodes between two times."""
        self.changes += 1
        begin, end = self._between(from_s, to_s)
        free = self._free
        for node, gpus in place:
            self._stretches.pop(node, None)
            free[node, begin:end] -= gpus

    def give_back(self, place: Sequence[tuple[int, int]], from_s: float, to_s: float) -> None:
        """Undo `take`."""
        self.take([(node, -gpus) for node, gpus in place], from_s, to_s)

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

        Notes
        -----
        A *stretch* is a time over which one node has enough. All nodes' stretches are found at
        once, from the places where the flattened table changes between enough and not enough. A
        stretch that is long enough lets a job begin on its node from its own begin on, and until
        its end less the duration. Nothing begins earlier than some stretch does.
        """
        first, end = self._first, self._end
        enough = self._free[nodes, first:end] >= gpus
        n, width = enough.shape
        flat = np.zeros(n * (width + 1) + 1, np.bool_)  # a gap before each node and at the end
        flat[:-1].reshape(n, width + 1)[:, 1:] = enough
        edges = np.flatnonzero(flat[1:] != flat[:-1])
        at_s = self._time_s[first : end + 1][edges % (width + 1)]
        begin_s, end_s = at_s[0::2], at_s[1::2]
        if not len(begin_s):
            return inf
        fits = begin_s + duration_s <= end_s
        begin_s = begin_s[fits]
        if len(begin_s) < needed:
            return inf
        if needed == 1:
            return float(begin_s.min())
        begin_s = np.sort(begin_s)
        end_s = np.sort(end_s[fits])
        begun = np.arange(1, len(begin_s) + 1)
        over = end_s.searchsorted(begin_s + duration_s)
        found = np.flatnonzero(begun - over >= needed)
        return float(begin_s[found[0]]) if len(found) else inf

    def may_begin(self, node: int, gpus: int, duration_s: float, before_s: float) -> bool:
        """Whether one node has enough GPUs free for a duration that begins before some time."""
        by_gpus = self._stretches.setdefault(node, {})
        stretches = by_gpus.get(gpus)
        if stretches is None:
            first, end = self._first, self._end
            enough = np.zeros(end - first + 2, np.bool_)
            np.greater_equal(self._free[node, first:end], gpus, out=enough[1:-1])
            at_s = self._time_s[first : end + 1][(enough[1:] != enough[:-1]).nonzero()[0]].tolist()
            stretches = by_gpus[gpus] = list(zip(at_s[0::2], at_s[1::2], strict=True))
        # One that began before now may look longer than it is; who asks looks again.
        for begin_s, end_s in stretches:
            if begin_s >= before_s:
                return False
            if begin_s + duration_s <= end_s:
                return True
        return False

    def least(self, nodes: slice, from_s: float, duration_s: float) -> NDArray[np.int16]:
        """(n,) the fewest GPUs free on each node at any moment of a time."""
        first, end = self._first, self._end
        time_s = self._time_s[first:end]
        begin = int(time_s.searchsorted(from_s, "right")) - 1
        stop = max(int(time_s.searchsorted(from_s + duration_s)), begin + 1)
        least: NDArray[np.int16] = self._free[nodes, first + begin : first + stop].min(axis=1)
        return least

    def now(self, nodes: slice) -> NDArray[np.int16]:
        """(n,) GPUs free now."""
        return self._free[nodes, self._first].copy()

    def until_s(self, nodes: NDArray[np.int64], gpus: int) -> NDArray[np.float64]:
        """(n,) until when nodes that have that many GPUs free now have them. [s]"""
        first, end = self._first, self._end
        if not len(nodes):
            return np.empty(0)
        short = self._free[nodes, first:end] < gpus
        at = short.argmax(axis=1)
        until_s: NDArray[np.float64] = self._time_s[first + at]
        until_s[~short[np.arange(len(nodes)), at]] = inf
        return until_s

    def times_after(self, at_s: float) -> list[float]:
        """When anything changes after that time. [s]"""
        time_s = self._time_s[self._first : self._end]
        later: list[float] = time_s[time_s.searchsorted(at_s, "right") :].tolist()
        return later

    def _between(self, from_s: float, to_s: float) -> tuple[int, int]:
        """The columns from one time up to another, cut where they must be."""
        from_s = max(from_s, self.now_s)
        if to_s <= from_s:
            return 0, 0
        if self._end + 2 >= len(self._time_s):
            self._make_room()
        begin = self._cut(from_s)
        return begin, self._end if to_s == inf else self._cut(to_s)

    def _cut(self, at_s: float) -> int:
        """The column that begins at that time."""
        at = self._first + int(self._time_s[self._first : self._end].searchsorted(at_s))
        end = self._end
        if at < end and self._time_s[at] == at_s:
            return at
        time_s, free = self._time_s, self._free
        time_s[at + 1 : end + 1] = time_s[at:end]
        free[:, at + 1 : end + 1] = free[:, at:end]
        time_s[at] = at_s
        free[:, at] = free[:, at - 1]
        self._end = end + 1
        return at

    def _make_room(self) -> None:
        """Move what is in use to the front of a table with room for as much again."""
        first, width = self._first, self.columns
        room = max(_ROOM, 2 * width)
        time_s, free = np.full(room, inf), np.zeros((len(self._free), room), np.int16)
        time_s[:width] = self._time_s[first : self._end]
        free[:, :width] = self._free[:, first : self._end]
        self._time_s, self._free = time_s, free
        self._first, self._end = 0, width
