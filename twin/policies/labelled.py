"""Placements that heed who else runs where."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from twin.policies.base import PlacementPolicy
from twin.policies.view import GroupsView, Placement, PoolView, Shape


@dataclass(frozen=True, kw_only=True)
class LabelledPlacement(PlacementPolicy):
    """Puts jobs near to, or far from, those with which they share a label.

    ``by`` names the label, a column of the jobs, and ``level`` the units that count as near. Jobs
    without the label, and all where no other counts, are placed as by best fit.
    """

    by: Literal["group", "user", "model"] = "group"  # the label: a column of the jobs
    # the units that count as near
    level: Literal["node", "scale-up", "leaf", "rack", "cdu", "row", "ups", "hall"] = "node"

    @property
    def distinguishes(self) -> tuple[str, ...]:
        return (self.by,)

    def place(self, gpus: int, pool: PoolView) -> Placement | None:
        return self._place(gpus, pool, {})

    def place_shape(self, shape: Shape, pool: PoolView) -> Placement | None:
        labelled = pool.jobs_in(self.level, shape.labels) if any(shape.labels) else {}
        return self._place(shape.gpus, pool, labelled)

    def largest(self, pool: PoolView) -> int:
        return max(pool.wholly_free() * pool.gpus_per_node, pool.most_free())

    def _place(self, gpus: int, pool: PoolView, labelled: Mapping[int, int]) -> Placement | None:
        size = pool.gpus_per_node
        if gpus < size:
            node = next(self.nodes(gpus, pool, labelled), -1)
            return None if node < 0 else ((node, gpus),)
        needed = -(-gpus // size)
        if pool.wholly_free() < needed:
            return None
        return [(v, size) for v in islice(self.nodes(size, pool, labelled), needed)] or None

    @abstractmethod
    def nodes(self, gpus: int, pool: PoolView, labelled: Mapping[int, int]) -> Iterator[int]:
        """Nodes with so many GPUs free, each once, the best first.

        ``labelled`` counts the jobs of the label that run in each group of the level.
        """

    def within(self, gpus: int, pool: PoolView, groups: Sequence[int]) -> Iterator[int]:
        """Nodes of some groups, of one after the other, the tightest first in each."""
        members = pool.groups(self.level).members
        for group in groups:
            if gpus == pool.gpus_per_node:
                yield from pool.wholly_free_in((self.level,), group, len(members[group]))
            elif (node := pool.tightest_in((self.level,), group, gpus)) >= 0:
                yield node

    def elsewhere(self, gpus: int, pool: PoolView, labelled: Mapping[int, int]) -> Iterator[int]:
        """Nodes of the other groups, the tightest first."""
        if not labelled:
            return pool.fitting(gpus)
        groups: GroupsView = pool.groups(self.level)
        return (node for node in pool.fitting(gpus) if groups.of[node] not in labelled)
