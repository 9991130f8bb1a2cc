"""SimPy's clock with absolute times, and the order of events at one instant."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappush
from math import inf
from typing import Any

from simpy import Environment, Event

# What happens first among events at one time. Policies come after all of them: the simulation asks
# them once the instant is over.
COMPLETIONS, FAILURES, ARRIVALS, CAPS = range(1, 5)


class Clock(Environment):
    """A SimPy environment in which events may be set for an absolute time.

    SimPy counts delays: an event set for ``t`` would fire at ``now + (t - now)``, an ulp beside
    ``t`` at times. Two things that happen at one instant must meet at that instant, so times are
    passed on as they are.
    """

    def at(self, time_s: float, order: int) -> Moment:
        """An event at ``time_s``, not before now, in its place among those of that instant."""
        return Moment(self, time_s, order, [], None)

    def call_at(
        self, time_s: float, order: int, then: Callable[[Event], None], value: object
    ) -> Moment:
        """The same, calling ``then`` with the event, whose ``value`` is as given."""
        return Moment(self, time_s, order, [then], value)

    def fire_instant(self, until_s: float) -> int:
        """Fire all events at the next time at which there are any.

        Parameters
        ----------
        until_s : float
            Later times are left alone. [s]

        Returns
        -------
        int
            Events fired; 0 if there are none up to ``until_s``.
        """
        heap: Any = self._queue
        now_s = heap[0][0] if heap else inf
        if now_s > until_s or now_s == inf:
            return 0
        fired, step = 0, self.step
        while heap and heap[0][0] == now_s:
            step()
            fired += 1
        return fired


class Moment(Event):
    """An event set for a time, like SimPy's ``Timeout``.

    Attributes
    ----------
    time_s : float
        That time. [s]
    """

    def __init__(
        self,
        clock: Clock,
        time_s: float,
        order: int,
        callbacks: list[Callable[[Event], None]],
        value: object,
    ) -> None:
        self.env = clock
        self.time_s = time_s
        self.callbacks = callbacks
        self._value = value
        self._ok = True
        self._defused = False
        entry: Any = (time_s, order, next(clock._eid), self)
        heappush(clock._queue, entry)
