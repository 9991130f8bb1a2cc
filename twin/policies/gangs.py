"""What placements of gangs have in common: part of one node, or whole nodes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from twin.policies.base import PlacementPolicy
from twin.policies.view import Placement, PoolView


class GangPlacement(PlacementPolicy):
    """A job of less than a node goes to one node; a larger one to whole nodes, wholly free.

    What such a job takes and did not ask for counts as stranded.
    """

    def place(self, gpus: int, pool: PoolView) -> Placement | None:
        size = pool.gpus_per_node
        if gpus < size:
            node = self.node(gpus, pool)
            return None if node < 0 else ((node, gpus),)
        needed = -(-gpus // size)
        if pool.wholly_free() < needed:
            return None
        return [(node, size) for node in self.whole_nodes(needed, pool)] or None

    def largest(self, pool: PoolView) -> int:
        return max(pool.wholly_free() * pool.gpus_per_node, pool.most_free())

    def node(self, gpus: int, pool: PoolView) -> int:
        """The node for a job of less than a node, -1 if none will do; the tightest by default."""
        return pool.tightest(gpus)

    @abstractmethod
    def whole_nodes(self, n: int, pool: PoolView) -> Sequence[int]:
        """``n`` wholly free nodes, of at least so many that there are; none to let the job wait."""


def in_the_fullest_group(gpus: int, pool: PoolView, level: str) -> int:
    """The tightest node for part of a node, of several that whose group has fewest whole nodes."""
    free = pool.fewest(gpus)
    if free < 0:
        return -1
    groups = pool.groups(level)
    if free == pool.gpus_per_node:
        return pool.tightest_in((level,), groups.tightest(1), gpus)
    return min(pool.all_with(free), key=lambda node: groups.free[groups.of[node]])


class RankedPlacement(GangPlacement):
    """Units of a level have a rank, and a job goes to the first that holds it whole."""

    @property
    @abstractmethod
    def level(self) -> str:
        """The level that the units are of."""

    @abstractmethod
    def ranks(self, pool: PoolView) -> Sequence[tuple[float, ...]]:
        """Rank of each unit of the level on the site, the best lowest; none to rank by number."""

    def node(self, gpus: int, pool: PoolView) -> int:
        level = (self.level,)
        found = (pool.tightest_in(level, group, gpus) for group in self._ranked(pool))
        return next((node for node in found if node >= 0), -1)

    def whole_nodes(self, n: int, pool: PoolView) -> Sequence[int]:
        level, groups, ranked = (self.level,), pool.groups(self.level), self._ranked(pool)
        whole = next((group for group in ranked if groups.free[group] >= n), -1)
        nodes: list[int] = []
        for group in ranked if whole < 0 else [whole]:
            nodes += pool.wholly_free_in(level, group, n - len(nodes))
        return nodes

    def _ranked(self, pool: PoolView) -> list[int]:
        units, ranks = pool.groups(self.level).units, self.ranks(pool)
        if not ranks:
            return list(range(len(units)))
        return sorted(range(len(units)), key=lambda group: ranks[units[group][0]])
