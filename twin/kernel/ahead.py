"""What is reserved ahead: nodes that jobs must have left by a time to come."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from twin.policies.view import Placement, Shape

if TYPE_CHECKING:
    from twin.kernel.cluster import Cluster

Array = NDArray[np.float64]

# Places of a shape in a pool, each with the time by which a job there must have ended. [s]
Choices = list[tuple[float, Placement]]


@dataclass(frozen=True)
class Window:
    """Nodes that are reserved from one time to another, and open still.

    Attributes
    ----------
    nodes : tuple of int
        Ascending.
    closes_s : float
        From then on nobody starts there. [s]
    start_s, end_s : float
        Who runs there must have left by the start; all may come back at the end. [s]
    """

    nodes: tuple[int, ...]
    closes_s: float
    start_s: float
    end_s: float


class Ahead:
    """All windows that are known, and which jobs may start on their nodes.

    A job may whose estimated end does not lie beyond the begin of the next window of a node.

    Attributes
    ----------
    windows : tuple of Window
        In the order of their starts.
    begin_s : dict of int to float
        By node, when its first window begins. [s]
    """

    def __init__(self, windows: Sequence[Window]) -> None:
        self.windows = tuple(sorted(windows, key=lambda window: window.start_s))
        self.begin_s: dict[int, float] = {}
        for window in reversed(self.windows):
            self.begin_s.update(dict.fromkeys(window.nodes, window.start_s))
        self._nodes = [np.array(window.nodes, np.int64) for window in self.windows]
        self._begins_s = sorted(set(self.begin_s.values()))
        self._barred: list[list[int]] = [[]]  # the nodes of the first so many begins
        for begin_s in self._begins_s:
            here = [node for node, at_s in self.begin_s.items() if at_s == begin_s]
            self._barred.append([*self._barred[-1], *here])
        self._choices: dict[tuple[int, int], Choices] = {}
        self._state = -1

    def barred(self, end_s: float) -> list[int]:
        """Nodes that are not for a job that ends at a time."""
        return self._barred[bisect_left(self._begins_s, end_s)]

    def until_s(self, place: Placement) -> float:
        """By when a job must end to start in a place; ``inf`` if no window is ahead there. [s]"""
        return min((self.begin_s.get(node, inf) for node, _ in place), default=inf)

    def choices(self, shape: Shape, pool: int, state: int, cluster: Cluster) -> Choices:
        """Where jobs of a shape may go now: the policy's choice, then that for longer ones, ...

        Parameters
        ----------
        shape : Shape
        pool : int
        state : int
            A number that is another once anything in the hall has changed.
        cluster : Cluster
            Which asks the policy.

        Returns
        -------
        Choices
            Each for jobs that end by a later time than the one before.
        """
        if state != self._state:
            self._choices.clear()
            self._state = state
        found = self._choices.get((shape.index, pool))
        if found is None:
            found, until_s = [], -inf
            while until_s < inf:
                place = cluster.placing.find_without(pool, shape, self._barred_by(until_s))
                if not place:
                    break
                until_s = self.until_s(place)
                found.append((until_s, place))
            self._choices[shape.index, pool] = found
        return found

    def _barred_by(self, begin_s: float) -> list[int]:
        """Nodes with a window that begins by then."""
        return self._barred[bisect_left(self._begins_s, np.nextafter(begin_s, inf))]

    # -- when nodes can be had

    def earliest_s(
        self,
        ready_s: Array,
        first: int,
        enough_s: Callable[[Array], float],
        duration_s: float,
    ) -> float:
        """When enough nodes can be had for a whole duration at one time. [s]

        Parameters
        ----------
        ready_s : (n,) array
            When each node of a pool comes free, by estimate, from now on. [s]
        first : int
            The pool's first node.
        enough_s : callable
            When there are enough nodes, of when each is ready. [s]
        duration_s : float

        Notes
        -----
        A node can be had from ``ready_s`` until its window is too near, and again from the
        window's end. Start with the earliest time at which enough are ready; where one of these
        cannot be had then, it cannot be before its window's end. Repeat until nothing moves.
        """
        ready_s = ready_s.copy()
        while True:
            at_s = enough_s(ready_s)
            if not self._put_off(ready_s, first, at_s, duration_s):
                return at_s

    def blocks(self, first: int, n: int, at_s: float, duration_s: float) -> NDArray[np.bool_]:
        """(n,) which nodes of a pool a job may not hold from a time on for a duration."""
        ready_s = np.full(n, at_s)
        self._put_off(ready_s, first, at_s, duration_s)
        return ready_s > at_s

    def _put_off(self, ready_s: Array, first: int, at_s: float, duration_s: float) -> bool:
        """Nodes that cannot be had at a time are not ready before they can; whether any is not."""
        moved = False
        for window, nodes in zip(self.windows, self._nodes, strict=True):
            here = nodes[(nodes >= first) & (nodes < first + len(ready_s))] - first
            from_s = np.maximum(ready_s[here], at_s)
            meets = (from_s + duration_s > window.start_s) | (from_s >= window.closes_s)
            late = here[meets & (from_s < window.end_s)]
            if len(late):
                ready_s[late] = window.end_s
                moved = True
        return moved
