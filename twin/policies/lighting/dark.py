"""Leave nodes dark so that those that are lit run at a chosen power."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from twin.errors import DomainError
from twin.policies.base import LightingPolicy
from twin.policies.power_view import Hall
from twin.policies.powering import Room, in_units, node_w, whole_beside_busy
from twin.policies.sharing import Draws
from twin.registry import policy

Array = NDArray[np.float64]


@policy("dark")
@dataclass(frozen=True, kw_only=True)
class Dark(LightingPolicy):
    """Light as many nodes as fit under all caps with their GPUs at ``at`` of the rated power.

    Which stay dark is chosen in whole units, a ``unit`` being a node, a rack or a row, by
    ``order``: the ``oldest``; the ``hottest``, by what they take in, to the degree; by
    ``rack-power``, those in the racks of most power; ``whole``, what would leave a rack or a
    scale-up domain in pieces, so that gangs stay whole; or, to ``rotate``, those that were lit for
    longest, in steps of ``every``, which is also how often it chooses anew.

    Busy nodes and then lit ones are preferred to others, but not to ``rotate``: a node that is to
    be dark goes off when its jobs end, and until then the sharing of power has to keep the caps.
    """

    at: float = 1.0  # share of rated power that lit GPUs may draw
    # which stay dark
    order: Literal["oldest", "hottest", "rack-power", "whole", "rotate"] = "whole"
    unit: Literal["node", "rack", "row"] = "node"  # what is dark as a whole
    every_s: float = 7 * 86400.0  # how often it chooses anew

    def __post_init__(self) -> None:
        if not 0 < self.at <= 1:
            raise DomainError(f"at: must be above 0 and at most 1, found {self.at:g}")
        if not 0 < self.every_s < inf:
            raise DomainError(f"every: must be above 0 s, found {self.every_s:g} s")
        if self.order == "rotate":
            object.__setattr__(self, "review_s", self.every_s)

    def light(self, hall: Hall) -> NDArray[np.int8]:
        room = Room(hall)
        unit_of = hall.units[self.unit].astype(np.int64)
        need_w = np.maximum(node_w(hall, self.at * hall.tdp_w), hall.floor_w)

        def choose(on: Draws) -> NDArray[np.bool_]:
            keys = self._keys(hall, on, room.room_w)
            order = np.lexsort([_mean(key, unit_of) for key in keys])
            return in_units(on, room.room_w, unit_of, order)

        return room.answers(room.fill(need_w, choose), choose)

    def _keys(self, hall: Hall, on: Draws, room_w: Array) -> list[NDArray[Any]]:
        """What counts, the weightiest last: nodes with the least are lit first."""
        usual = [~hall.lit, hall.down, ~hall.busy]
        if self.order == "rotate":
            return [~hall.busy, np.round(hall.lit_s / self.every_s), hall.down]
        if self.order == "whole":
            levels = ("scale-up", "rack")
            broken = [~whole_beside_busy(hall, on, room_w, level) for level in levels]
            return [*broken, *usual[1:]]
        if self.order == "rack-power":
            rack_w = np.bincount(hall.units["rack"], hall.nameplate_w)
            return [usual[0], np.round(rack_w[hall.units["rack"]]), *usual[1:]]
        key = hall.age_s if self.order == "oldest" else np.round(hall.inlet_degc)
        return [usual[0], key, *usual[1:]]


def _mean(values: NDArray[Any], unit_of: NDArray[np.int64]) -> Array:
    """(n_unit,) mean over the nodes of each unit."""
    return np.bincount(unit_of, values) / np.maximum(np.bincount(unit_of), 1)
