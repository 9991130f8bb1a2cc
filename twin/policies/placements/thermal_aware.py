"""Thermal-aware: jobs go to the coolest hall."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from twin.policies.gangs import RankedPlacement
from twin.policies.view import PoolView
from twin.registry import policy


@policy("thermal-aware")
@dataclass(frozen=True, kw_only=True)
class ThermalAware(RankedPlacement):
    """The coolest hall of those that hold the job whole.

    Of halls that are equally cool, which all are whose cooling keeps up, the one whose cooling has
    most to spare. A job that no hall can hold takes whole nodes from hall after hall, in that
    order; within a hall the tightest node, or the lowest whole ones.

    Notes
    -----
    [moore2005] ranks places by the heat that comes back from them; here a hall has one temperature,
    so that a site of one hall is filled as by best fit.
    """

    needs_power: ClassVar[bool] = True

    @property
    def level(self) -> str:
        return "hall"

    def ranks(self, pool: PoolView) -> Sequence[tuple[float, ...]]:
        return [(hall.degc, -hall.cooling_left_w) for hall in pool.hall_heat()]
