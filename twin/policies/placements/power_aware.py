"""Power-aware: jobs go where there is most room under the caps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from twin.policies.gangs import RankedPlacement
from twin.policies.view import PoolView
from twin.registry import policy


@policy("power-aware")
@dataclass(frozen=True, kw_only=True)
class PowerAware(RankedPlacement):
    """The unit of a level with the most headroom, of those that hold the job whole.

    Headroom is what may be drawn more before the unit, or one that feeds it, meets its cap, or its
    nameplate where it has none. A job that no unit can hold takes whole nodes from unit after unit,
    most headroom first; within a unit the tightest node, or the lowest whole ones. That evens out
    what feeds carry, as [hsu2018] does over months, by how full they are now.
    """

    needs_power: ClassVar[bool] = True

    across: Literal["rack", "row", "ups", "hall"] = "row"  # the units whose headroom is compared

    @property
    def level(self) -> str:
        return self.across

    def ranks(self, pool: PoolView) -> Sequence[tuple[float, ...]]:
        return [(-room_w,) for room_w in pool.headroom_w(self.across)]
