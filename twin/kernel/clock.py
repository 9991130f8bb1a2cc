"""SimPy's clock with absolute times, and the order of events at one instant."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappush
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

    def at(
        self,
        time_s: float,
        order: int,
        then: Callable[[Event], None] | None = None,
        value: Any = None,
    ) -> Event:
        """An event at ``time_s``, not before now, in its place among those of that instant."""
        event = Event(self)
        event._ok = True
        event._value = value
        if then is not None:
            event.callbacks.append(then)
        entry: Any = (time_s, order, next(self._eid), event)
        heappush(self._queue, entry)
        return event
