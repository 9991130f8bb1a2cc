"""What every domain may draw, now: ratings, and the caps that hold for a time."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

import numpy as np
from numpy.typing import NDArray
from simpy import Event

from twin.facility.model import CapEvent, DomainModel, PowerModel
from twin.kernel.clock import CAPS, Clock
from twin.kernel.power_tree import PowerTree

Array = NDArray[np.float64]


class Caps:
    """Keeps the tree's caps: the least of the rating and of all caps that hold.

    Parameters
    ----------
    on_change : callable
        Called with (cap, begins, time) when a cap begins or ends.

    Attributes
    ----------
    on_heat : callable
        Called with a level of which a unit may draw another power because of its heat.
    """

    def __init__(
        self,
        model: PowerModel,
        tree: PowerTree,
        clock: Clock,
        alarm: float,
        on_change: Callable[[CapEvent, bool, float], None],
    ) -> None:
        self._tree = tree
        self._alarm = alarm if alarm < inf else 1.0
        self._on_change = on_change
        self.on_heat: Callable[[str], None]
        self._clock = clock
        self._rated = {built.level: built.rated_w for built in model.domains}
        self._active: dict[str, list[CapEvent]] = {built.level: [] for built in model.domains}
        self._heat = {built.level: np.full_like(built.rated_w, inf) for built in model.domains}
        for built in model.domains:
            self._update(built.level)
        for event in model.caps:
            clock.call_at(event.from_s, CAPS, self._begins, event)

    @property
    def any(self) -> bool:
        """Whether any domain has a cap now."""
        return any(min(level.cap_w) < inf for level in self._tree.levels)

    def limit_heat(self, level: str, unit: int, cap_w: float) -> None:
        """Cooling carries away so much of what a unit draws."""
        self._heat[level][unit] = cap_w
        self._update(level)
        self.on_heat(level)

    def of_power(self, level: str) -> Array:
        """(n_unit,) what each unit may draw as far as power goes, whatever its heat. [W]"""
        caps_w = self._rated[level].copy()
        for event in self._active[level]:
            caps_w[event.units] = np.minimum(caps_w[event.units], event.cap_w)
        return caps_w

    def breaker_w(self, built: DomainModel, unit: int) -> float:
        """Rating of the breakers of a unit, of the feeds that are not out. [W]"""
        lost = max(
            (event.feeds_lost for event in self._active[built.level] if unit in event.units),
            default=0,
        )
        left_w = float(built.feed_w[unit]) * (built.feeds - lost)
        return min(float(built.breaker_w[unit]), left_w)

    def is_warm(self, level: str) -> NDArray[np.bool_]:
        """(n_unit,) whether heat limits what a unit may draw."""
        return self._heat[level] < inf

    def _begins(self, event: Event) -> None:
        cap: CapEvent = event._value
        self._active[cap.level].append(cap)
        self._update(cap.level)
        if cap.to_s < inf:
            self._clock.call_at(cap.to_s, CAPS, self._ends, cap)
        self._on_change(cap, True, self._clock._now)

    def _ends(self, event: Event) -> None:
        cap: CapEvent = event._value
        self._active[cap.level].remove(cap)
        self._update(cap.level)
        self._on_change(cap, False, self._clock._now)

    def _update(self, name: str) -> None:
        caps_w = np.minimum(self.of_power(name), self._heat[name])
        self._tree.set_caps(name, caps_w, self._alarm, self._clock._now)
