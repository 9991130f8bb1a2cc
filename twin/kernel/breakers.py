"""Breakers: a domain that draws too much for too long loses its power, and the jobs in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from simpy import Event

from twin.facility.model import DomainModel, PowerModel, Trip
from twin.failures.model import Incident
from twin.kernel.caps import Caps
from twin.kernel.clock import FAILURES, Clock
from twin.kernel.incidents import BREAKER
from twin.kernel.power_level import Level
from twin.kernel.power_tree import PowerTree
from twin.physics.breaker import advance, time_to_trip_s

KnockOut = Callable[[Incident, int], None]


@dataclass
class _Image:
    """The thermal image of one breaker since a time, and the event of its trip."""

    theta: float
    ratio: float
    since_s: float
    event: Event | None = None


class Breakers:
    """Follows those breakers whose domain is, or was of late, above its rating.

    A breaker that comes above its rating is taken to have been at it for long before.

    Parameters
    ----------
    knock_out : callable
        Takes a unit out of service, as an incident of a kind.
    """

    def __init__(
        self, model: PowerModel, tree: PowerTree, caps: Caps, clock: Clock, knock_out: KnockOut
    ) -> None:
        self._tree = tree
        self._caps = caps
        self._clock = clock
        self._knock_out = knock_out
        self._watched: list[tuple[Level, DomainModel, Trip]] = [
            (tree.by_name[built.level], built, built.trip)
            for built in model.domains
            if built.trip is not None
        ]
        self._hot: dict[tuple[str, int], _Image] = {}

    def look(self, now_s: float) -> None:
        """An instant is over: see which domains are above their ratings, and which still hot."""
        if not self._hot and not self._tree.may_be_over():
            return
        self._tree.settle(now_s)
        for level, built, trip in self._watched:
            hot = {unit for name, unit in self._hot if name == level.level}
            for unit in sorted(level.over | hot):
                self._follow(level, unit, self._caps.breaker_w(built, unit), trip, now_s)

    def _follow(self, level: Level, unit: int, rated_w: float, trip: Trip, now_s: float) -> None:
        key = level.level, unit
        ratio = level.in_w[unit] / rated_w
        image = self._hot.get(key)
        if image is None:
            if ratio <= 1.0:
                return
            image = self._hot[key] = _Image(1.0, 0.0, now_s)
        elif ratio == image.ratio:
            return
        else:
            lasted_s = now_s - image.since_s
            tau_s = trip.time_constant_s
            image.theta = float(advance(image.theta, image.ratio, lasted_s, tau_s))
        image.ratio, image.since_s, image.event = ratio, now_s, None
        if ratio <= 1.0 and image.theta <= 1.0:
            del self._hot[key]
            return
        left_s = float(
            time_to_trip_s(
                image.theta,
                ratio,
                trips_at=trip.trips_at,
                tau_s=trip.time_constant_s,
                at_once=trip.at_once,
            )
        )
        if left_s < inf:
            value = level.level, unit, trip.reset_s
            image.event = self._clock.call_at(now_s + left_s, FAILURES, self._trips, value)

    def _trips(self, event: Event) -> None:
        level, unit, reset_s = event._value
        image = self._hot.get((level, unit))
        if image is None or image.event is not event:
            return  # its load has changed since
        del self._hot[level, unit]
        planned = Incident(self._clock._now, f"{level}-breaker", level, unit, reset_s)
        self._knock_out(planned, BREAKER)
