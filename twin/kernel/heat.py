"""Halls that become too warm: cooling that is lost or too small, slowed GPUs, nodes that go off."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from simpy import Event

from twin.facility.cooling import Cooling
from twin.failures.model import Incident
from twin.kernel.breakers import KnockOut
from twin.kernel.caps import Caps
from twin.kernel.clock import CAPS, FAILURES, Clock
from twin.kernel.incidents import THERMAL, Incidents
from twin.kernel.power_tree import PowerTree
from twin.physics.thermal import steady_degc, temperature_degc, time_to_reach_s
from twin.site.domains import LEVELS

_WELL, _SLOWED, _OFF = range(3)
_COOL_AGAIN = 0.25  # of the way from set point to throttling: a slowed hall is well again
_NEAR_K = 1e-6  # as good as there
_LEAST_OFF_S = 1800.0  # a hall that went off stays off so long at least
_HALL = LEVELS.index("hall")


@dataclass
class _Hall:
    """The temperature of a hall since a time, where it is bound, and what was done about it."""

    degc: float
    steady_degc: float
    since_s: float = 0.0
    state: int = _WELL
    incident: int = -1
    event: Event | None = None


class Heat:
    """Follows the temperature of halls whose cooling may not carry all heat.

    Above its limit a hall may draw no more than its cooling can carry away, until that can carry
    everything again and the hall has cooled down. At the second limit it goes off.

    Parameters
    ----------
    knock_out, incidents
        Takes a unit out of service, as an incident of a kind; and where incidents are told of.
    """

    def __init__(
        self,
        cooling: Cooling,
        tree: PowerTree,
        caps: Caps,
        clock: Clock,
        knock_out: KnockOut,
        incidents: Incidents,
    ) -> None:
        self._cooling = cooling
        self._tree = tree
        self._caps = caps
        self._clock = clock
        self._knock_out = knock_out
        self._incidents = incidents
        level = tree.by_name["hall"]
        self._level = level
        self._halls = [_Hall(cooling.supply_degc, cooling.supply_degc) for _ in range(level.n)]
        self._most_w = cooling.most_heat_w
        self.is_needed = False

    def degc(self, now_s: float) -> list[float]:
        """How warm each hall is. [degC]"""
        tau_s = self._cooling.time_constant_s
        return [
            float(temperature_degc(now_s - hall.since_s, hall.degc, hall.steady_degc, tau_s))
            for hall in self._halls
        ]

    def capacity_changed(self, now_s: float) -> None:
        """Cooling is lost, or back: see whether it is enough whatever happens."""
        self.is_needed = any(
            self._cooling.capacity_w(unit, now_s) < self._most_w[unit]
            or hall.state != _WELL
            or hall.degc > self._cooling.supply_degc
            for unit, hall in enumerate(self._halls)
        )

    def look(self, now_s: float) -> None:
        """An instant is over: see how warm each hall is, and where that leads."""
        if self.is_needed:
            self._tree.settle(now_s)
            for unit in range(len(self._halls)):
                self._follow(unit, now_s)

    def _follow(self, unit: int, now_s: float) -> None:
        cooling, hall = self._cooling, self._halls[unit]
        tau_s = cooling.time_constant_s
        hall.degc = float(
            temperature_degc(now_s - hall.since_s, hall.degc, hall.steady_degc, tau_s)
        )
        hall.since_s = now_s
        capacity_w = cooling.capacity_w(unit, now_s)
        excess_w = max(self._level.out_w[unit] - capacity_w, 0.0)
        steady = steady_degc(cooling.supply_degc, excess_w, cooling.resistance_k_per_w(unit))
        hall.steady_degc = float(steady)
        self._act(unit, hall, capacity_w, now_s)
        self._plan(unit, hall, now_s)

    def _act(self, unit: int, hall: _Hall, capacity_w: float, now_s: float) -> None:
        cooling = self._cooling
        if hall.state != _OFF and hall.degc >= cooling.off_degc - _NEAR_K:
            hall.state = _OFF
            lasts_s = max(cooling.next_change_s(now_s) - now_s, _LEAST_OFF_S)
            lasts_s = lasts_s if lasts_s < inf else _LEAST_OFF_S
            planned = Incident(now_s, "too-hot", "hall", unit, lasts_s)
            self._clock.call_at(now_s, FAILURES, self._goes_off, planned)
        elif hall.state == _WELL and hall.degc >= cooling.throttle_degc - _NEAR_K:
            hall.state = _SLOWED
            self._limit(unit, capacity_w)
            component = self._incidents.component_code("cooling")
            hall.incident = self._incidents.begin(now_s, component, unit, _HALL, unit, THERMAL)
            self._incidents.trouble(hall.incident)
        elif hall.state != _WELL and self._is_cool(hall) and capacity_w >= self._most_w[unit]:
            hall.state = _WELL
            self._caps.limit_heat("hall", unit, inf)
            if hall.incident >= 0:
                self._incidents.well(hall.incident, now_s)
                hall.incident = -1

    def _goes_off(self, event: Event) -> None:
        self._knock_out(event._value, THERMAL)

    def _is_cool(self, hall: _Hall) -> bool:
        return hall.degc <= self._cool_degc + _NEAR_K

    @property
    def _cool_degc(self) -> float:
        supply = self._cooling.supply_degc
        return supply + _COOL_AGAIN * (self._cooling.throttle_degc - supply)

    def _limit(self, unit: int, capacity_w: float) -> None:
        """The hall may draw what its cooling carries away, with what that takes."""
        level, curve = self._level, self._tree.curves[unit]
        through_w = capacity_w + curve.power_w(capacity_w)
        losses_w = through_w * (level.linear[unit] + through_w * level.quadratic_per_w[unit])
        self._caps.limit_heat("hall", unit, through_w + level.fixed_w[unit] + losses_w)

    def _plan(self, unit: int, hall: _Hall, now_s: float) -> None:
        """Look again when it reaches its next limit."""
        cooling = self._cooling
        next_degc = {
            _WELL: cooling.throttle_degc,
            _SLOWED: cooling.off_degc,
            _OFF: self._cool_degc,
        }[hall.state]
        if hall.state == _SLOWED and hall.steady_degc < hall.degc:
            next_degc = self._cool_degc
        left_s = float(
            time_to_reach_s(next_degc, hall.degc, hall.steady_degc, cooling.time_constant_s)
        )
        hall.event = None
        if abs(next_degc - hall.degc) > _NEAR_K and left_s < inf:
            hall.event = self._clock.call_at(now_s + left_s, CAPS, self._due, unit)

    def _due(self, event: Event) -> None:
        """It is as warm as was foreseen; what follows is seen to at the end of the instant."""
