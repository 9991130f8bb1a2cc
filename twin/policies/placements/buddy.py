"""Buddy: small jobs share what is broken up already, so that large cells stay whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Literal

from twin.errors import DomainError
from twin.policies.gangs import GangPlacement
from twin.policies.view import Confines, GroupsView, PoolView, Shape
from twin.registry import policy
from twin.scenario.levels import encloses


@policy("buddy")
@dataclass(frozen=True, kw_only=True)
class Buddy(GangPlacement):
    """The smallest free cell that suffices is split, as in HiveD [zhao2020].

    Cells are 1, 2, 4, ... GPUs of a node, the node, 1, 2, 4, ... nodes of a unit of the first of
    ``levels``, that unit, and so on up. A job takes the smallest cell that holds it; what it leaves
    of it is free in smaller cells. It waits where there is none, though enough GPUs may be free. A
    job that no cell can hold takes whole nodes of the emptiest units of the last level.

    Where all sizes are powers of two, of jobs and of units, no job finds its cell taken as long as
    the jobs that run, with it, are of each size no more than what the empty pool was divided into.
    So each tenant can have cells of its own without being told which.

    Notes
    -----
    The free cells of a node are read off the binary digits of how many GPUs are free, and those of
    a unit likewise: parts of one unit are alike, whatever their numbers. What ends is thereby
    merged at once. HiveD binds cells to tenants and to numbers as well; this does neither.
    """

    # units that make cells, from the smallest to the largest
    levels: tuple[Literal["scale-up", "leaf", "rack", "cdu", "row", "ups", "hall"], ...] = (
        "rack",
        "row",
    )

    def __post_init__(self) -> None:
        if not self.levels:
            raise DomainError("levels: give one level at least, such as [rack, row]")
        for inner, outer in pairwise(self.levels):
            if inner == outer or not encloses(outer, inner):
                raise DomainError(
                    f"levels: units of {inner} do not lie whole in larger units of {outer}; "
                    "give levels from the smallest to the largest, such as [rack, row]"
                )

    def node(self, gpus: int, pool: PoolView) -> int:
        for free in _counts(gpus, pool.gpus_per_node):
            if (node := pool.exactly(free)) >= 0:
                return node
        return next(iter(self._cell(0, 1, pool)), -1)

    def confines(self, shape: Shape, pool: PoolView) -> Confines | None:
        n = -(-shape.gpus // pool.gpus_per_node)
        at, cells = self._tier(n, pool)
        return Confines(pool.tiers(*self.levels)[: at + 1], cells) if n > 1 and at >= 0 else None

    def _tier(self, n: int, pool: PoolView) -> tuple[int, int]:
        """The tier in one unit of which ``n`` nodes lie, -1 if none; the cells that they take."""
        cells = n
        for at, tier in enumerate(pool.tiers(*self.levels)):
            if cells <= tier.largest:
                return at, cells
            cells = -(-cells // tier.largest)
        return -1, cells

    def whole_nodes(self, n: int, pool: PoolView) -> Sequence[int]:
        at, cells = self._tier(n, pool)
        if at >= 0:
            found = self._cell(at, cells, pool)
            for inner in reversed(pool.tiers(*self.levels)[:at]):
                found = [member for cell in found for member in inner.members[cell]]
            return found[:n]
        top = (self.levels[-1],)
        nodes: list[int] = []
        for group in pool.groups(*top).emptiest():
            nodes += pool.wholly_free_in(top, group, n - len(nodes))
        return nodes

    def _cell(self, at: int, cells: int, pool: PoolView) -> list[int]:
        """So many free cells of the tier below, in one unit of tier ``at``; none if there is none.

        A unit of which a part is taken is tried before a whole one is broken up.
        """
        tiers = pool.tiers(*self.levels)
        tier = tiers[at]
        unit = next((u for f in _counts(cells, tier.largest) if (u := tier.exactly(f)) >= 0), -1)
        if unit < 0 and at + 1 < len(tiers):
            unit = next(iter(self._cell(at + 1, 1, pool)), -1)
        elif unit < 0:
            unit = tier.exactly(tier.largest)
        if unit < 0:
            return []
        if not at:
            return list(pool.wholly_free_in((self.levels[0],), unit, cells))
        return _whole(tiers[at - 1], tier.members[unit])[:cells]


def _whole(tier: GroupsView, units: Sequence[int]) -> list[int]:
    return [unit for unit in units if tier.free[unit] == tier.largest]


@lru_cache(maxsize=4096)
def _counts(n: int, size: int) -> tuple[int, ...]:
    """Free members that suffice for ``n`` in a unit of ``size`` that is not whole, best first.

    That is by the smallest cell of ``n`` or more among the binary digits of the count. Less than
    such a cell suffices now and then for what is no power of two, and then breaks none.
    """
    cell = 1 << (n - 1).bit_length()

    def smallest(free: int) -> tuple[int, int]:
        large = free & -cell
        return large & -large, free

    return tuple(sorted(range(n, size), key=smallest))
